"""Every attribute that telemetry shows, with its type and its values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from guardkit.core import telemetry_names as names
from guardkit.core.anomalies import Measure
from guardkit.core.approvals import ApprovalState, SaidKind
from guardkit.core.effects import EffectState
from guardkit.core.no_result import NoResultReason
from guardkit.core.people import Assurance
from guardkit.core.reviews import ReviewVerdict
from guardkit.core.steps import ToolKind
from guardkit.core.verdicts import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeShape:
    """One attribute, wherever it appears."""

    type: Literal["string", "int", "double", "boolean"]
    means: str
    values: tuple[str, ...] = ()
    """All that it can be, where that is a closed list."""

    content: bool = False
    """Whether it is there only where content is asked for."""


_REASONS = tuple(reason.value for reason in NoResultReason)
_MEASURES = tuple(measure.value for measure in Measure)
_STATES = tuple(state.value for state in ApprovalState)

ATTRIBUTES: Mapping[str, AttributeShape] = {
    names.SPAN_KIND: AttributeShape(
        type="string", means="so that viewers show what the span is", values=("GUARDRAIL",)
    ),
    names.AGENT: AttributeShape(type="string", means="the name that the graph was compiled with"),
    names.CONVERSATION: AttributeShape(type="string", means="the thread's id"),
    names.SESSION: AttributeShape(type="string", means="the same, for viewers that group by it"),
    names.OPERATION: AttributeShape(
        type="string", means="what viewers sort by", values=(names.APPLY_GUARDRAIL,)
    ),
    names.TOOL: AttributeShape(type="string", means="the tool's name; empty for an anomaly of no one tool"),
    names.TOOL_CALL: AttributeShape(type="string", means="the call's id; empty for a call from node code"),
    names.ERROR_TYPE: AttributeShape(type="string", means="name of the exception's type; never its text"),
    names.RUN_ID: AttributeShape(
        type="string", means="one run of the turn; each resume is another, as in the database"
    ),
    names.RUN_STATUS: AttributeShape(
        type="string", means="how the run ended", values=("paused", "done", "failed", "ended", "lost")
    ),
    names.TURN: AttributeShape(type="int", means="number of the turn in its thread, from 1"),
    names.TURN_CONTINUED: AttributeShape(type="boolean", means="whether an earlier run began the turn"),
    names.RESULT: AttributeShape(
        type="string", means="`answer` only for verified answers", values=("answer", "no_result")
    ),
    names.NO_RESULT_REASON: AttributeShape(type="string", means="why there is no result", values=_REASONS),
    names.NO_RESULT_CAUSE: AttributeShape(type="string", means="the finer cause, a stable identifier"),
    names.NODE: AttributeShape(type="string", means="the graph's node"),
    names.TOOL_KIND: AttributeShape(
        type="string", means="how the tool is declared", values=tuple(kind.value for kind in ToolKind)
    ),
    names.POLICY_ID: AttributeShape(type="string", means="the policy's name"),
    names.POLICY_VERSION: AttributeShape(type="string", means="its version"),
    names.POLICY_RULE: AttributeShape(type="string", means="ids of the rules that decided, joined by commas"),
    names.DECISION: AttributeShape(
        type="string", means="what is enforced", values=("allow", "edit", "escalate", "reject", "stop")
    ),
    names.GUARD_NAME: AttributeShape(type="string", means="the check's name"),
    names.GUARD_STAGE: AttributeShape(
        type="string", means="what it looks at", values=("action", "observation", "output")
    ),
    names.VERDICT: AttributeShape(
        type="string", means="what it says; absent when it failed", values=get_args(Outcome)
    ),
    names.FAIL_MODE: AttributeShape(
        type="string", means="what a failed check counts as: a block", values=("closed",)
    ),
    names.APPROVAL_ID: AttributeShape(type="string", means="the question's id, in all processes"),
    names.APPROVAL_OUTCOME: AttributeShape(
        type="string",
        means="where the question stands then; `pending` while others have to agree",
        values=_STATES,
    ),
    names.APPROVAL_ROUTE: AttributeShape(
        type="string", means="names of the policy's routes that asked, joined by commas"
    ),
    names.APPROVAL_SAID: AttributeShape(
        type="string", means="what the person said", values=get_args(SaidKind)
    ),
    names.APPROVAL_CHANNEL: AttributeShape(
        type="string", means="where: the approval channel's name, `web` or `cli`"
    ),
    names.APPROVAL_ASSURANCE: AttributeShape(
        type="string", means="how surely it was them", values=tuple(level.value for level in Assurance)
    ),
    names.APPROVAL_STAGES: AttributeShape(
        type="string", means="the stages in one of which the answer counts, 1 for the first, joined by commas"
    ),
    names.APPROVAL_WAITING: AttributeShape(
        type="string", means="the stages that still wait then, joined by commas; absent when none does"
    ),
    names.APPROVAL_EXEMPT: AttributeShape(
        type="boolean", means="whether whoever asked gave the answer, as the policy's exemption lets them"
    ),
    names.APPROVAL_TRACE: AttributeShape(
        type="string", means="trace id of the question, for viewers that drop links"
    ),
    names.APPROVAL_READING: AttributeShape(
        type="double",
        means="on approvals given in less: seconds that reading the arguments takes",
    ),
    names.APPROVAL_WAITED: AttributeShape(
        type="double", means="seconds from the question to its settlement, by the database's clock"
    ),
    names.STANDING_ID: AttributeShape(
        type="string", means="id of the standing approval, as `guardkit approvals standing` shows it"
    ),
    names.REVIEW_VERDICT: AttributeShape(
        type="string",
        means="what the reviewer of a broken glass finds",
        values=tuple(verdict.value for verdict in ReviewVerdict),
    ),
    names.EFFECT_STATE: AttributeShape(
        type="string",
        means="what became of the effect; `refused`, on spans only: it did not run, or its tool says that nothing happened",
        values=(EffectState.DONE.value, EffectState.NOT_DONE.value, EffectState.IN_DOUBT.value, "refused"),
    ),
    names.EFFECT_FRESH: AttributeShape(
        type="boolean", means="whether it ran now; otherwise the recorded output was used"
    ),
    names.EFFECT_ATTEMPT: AttributeShape(type="int", means="1 for the key's first start"),
    names.NEXT_STEP: AttributeShape(
        type="string",
        means="what follows",
        values=("complete", "continue", "retry", "clarify", "escalate", "stop"),
    ),
    names.STOP_SOURCE: AttributeShape(type="string", means="who stopped it", values=("operator",)),
    names.ROUND: AttributeShape(type="int", means="how many verifications the answer took"),
    names.ANOMALY_ID: AttributeShape(
        type="string", means="id of the anomaly, as `guardkit anomalies` shows it"
    ),
    names.ANOMALY_MEASURE: AttributeShape(type="string", means="what is unusual", values=_MEASURES),
    names.ANOMALY_WINDOW: AttributeShape(type="int", means="length of the window in seconds"),
    names.ANOMALY_COUNT: AttributeShape(type="int", means="how often in the window, when it was found"),
    names.ANOMALY_OF: AttributeShape(type="int", means="of how many actions, approvals or turns"),
    names.ANOMALY_SCORE: AttributeShape(type="double", means="the modified z-score"),
    names.LINK_TYPE: AttributeShape(
        type="string", means="on links: what the other end is", values=("approval_request",)
    ),
    names.TOOL_ARGUMENTS: AttributeShape(
        type="string",
        means="arguments as JSON: as proposed (`guard_step`), as edited (`decide_approval`), as run (`perform_effect`)",
        content=True,
    ),
    names.TOOL_RESULT: AttributeShape(
        type="string", means="what the model reads of it, after all checks", content=True
    ),
    names.THOUGHT: AttributeShape(
        type="string", means="what the model wrote beside its tool calls", content=True
    ),
    names.VERDICT_WHY: AttributeShape(type="string", means="why the check says so", content=True),
    names.APPROVAL_REASON: AttributeShape(type="string", means="the person's words", content=True),
    names.QUESTION: AttributeShape(
        type="string", means="what the user is asked before the run goes on", content=True
    ),
    names.DRAFT: AttributeShape(
        type="string", means="the last draft of the answer, verified or not", content=True
    ),
    names.CLAIMS: AttributeShape(
        type="string",
        means="its claims as a JSON list, each with `statement`, `verdict` and `decided_by`",
        content=True,
    ),
    names.CONTENT_CUT: AttributeShape(
        type="boolean", means="whether any content here was too long to be shown whole", content=True
    ),
}
