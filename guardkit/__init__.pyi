"""guardkit makes LangGraph agents fail safely."""

from guardkit.core.anomalies import Watch
from guardkit.core.approvals import Approval, ApprovalDecision, ApprovalRequest, ApprovalState
from guardkit.core.drafts import Answer, Citation, Criterion
from guardkit.core.effects import Effect, EffectNotDone, EffectState, Reconciled
from guardkit.core.encryption import Encryption
from guardkit.core.keys import Keys
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.outcomes import Finished, Outcome, Paused, Question
from guardkit.core.people import Assurance, Person
from guardkit.core.principals import Principal
from guardkit.core.sources import Authority, Source, SourceStatus
from guardkit.core.stages import ApprovalStage
from guardkit.core.standing import StandingWish
from guardkit.core.steps import Action, Observation, Step, Thought, ToolKind, Trust
from guardkit.core.verdicts import CheckContext, Verdict
from guardkit.guard import Guard
from guardkit.langgraph.graph import GuardedGraph
from guardkit.langgraph.tools import GuardedTool
from guardkit.policy import PeopleDirectory, Policy
from guardkit.sql import SQLAlchemySaver

__version__: str

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
