"""guardkit makes LangGraph agents fail safely."""

# Where the names are is told in `__init__.pyi`.
# pyright: reportUnsupportedDunderAll=false

from importlib.metadata import version as _version

from guardkit import loading as _loading

__version__ = _version("guardkit")

__all__ = [
    "Action",
    "Answer",
    "Approval",
    "ApprovalDecision",
    "ApprovalRequest",
    "ApprovalStage",
    "ApprovalState",
    "Assurance",
    "Authority",
    "CheckContext",
    "Citation",
    "Criterion",
    "Effect",
    "EffectNotDone",
    "EffectState",
    "Encryption",
    "Finished",
    "Guard",
    "GuardedGraph",
    "GuardedTool",
    "Keys",
    "NoResult",
    "NoResultReason",
    "Observation",
    "Outcome",
    "Paused",
    "PeopleDirectory",
    "Person",
    "Policy",
    "Principal",
    "Question",
    "Reconciled",
    "SQLAlchemySaver",
    "Source",
    "SourceStatus",
    "StandingWish",
    "Step",
    "Thought",
    "ToolKind",
    "Trust",
    "Verdict",
    "Watch",
]

_HOMES = {
    "Action": "guardkit.core.steps",
    "Answer": "guardkit.core.drafts",
    "Approval": "guardkit.core.approvals",
    "ApprovalDecision": "guardkit.core.approvals",
    "ApprovalRequest": "guardkit.core.approvals",
    "ApprovalStage": "guardkit.core.stages",
    "ApprovalState": "guardkit.core.approvals",
    "Assurance": "guardkit.core.people",
    "Authority": "guardkit.core.sources",
    "CheckContext": "guardkit.core.verdicts",
    "Citation": "guardkit.core.drafts",
    "Criterion": "guardkit.core.drafts",
    "Effect": "guardkit.core.effects",
    "EffectNotDone": "guardkit.core.effects",
    "EffectState": "guardkit.core.effects",
    "Encryption": "guardkit.core.encryption",
    "Finished": "guardkit.core.outcomes",
    "Guard": "guardkit.guard",
    "GuardedGraph": "guardkit.langgraph.graph",
    "GuardedTool": "guardkit.langgraph.tools",
    "Keys": "guardkit.core.keys",
    "NoResult": "guardkit.core.no_result",
    "NoResultReason": "guardkit.core.no_result",
    "Observation": "guardkit.core.steps",
    "Outcome": "guardkit.core.outcomes",
    "Paused": "guardkit.core.outcomes",
    "PeopleDirectory": "guardkit.policy",
    "Person": "guardkit.core.people",
    "Policy": "guardkit.policy",
    "Principal": "guardkit.core.principals",
    "Question": "guardkit.core.outcomes",
    "Reconciled": "guardkit.core.effects",
    "SQLAlchemySaver": "guardkit.sql",
    "Source": "guardkit.core.sources",
    "SourceStatus": "guardkit.core.sources",
    "StandingWish": "guardkit.core.standing",
    "Step": "guardkit.core.steps",
    "Thought": "guardkit.core.steps",
    "ToolKind": "guardkit.core.steps",
    "Trust": "guardkit.core.steps",
    "Verdict": "guardkit.core.verdicts",
    "Watch": "guardkit.core.anomalies",
}
"""Where each name is, for whoever asks for it first. Type checkers read `__init__.pyi`."""

__getattr__ = _loading.on_demand(__name__, _HOMES)
__dir__ = _loading.listed(__name__, _HOMES)
