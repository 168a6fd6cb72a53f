"""What telemetry shows: every span, event and metric; `telemetry_attributes` has their attributes.

The reference page's tables are made from this, the instruments too, and tests hold a run's telemetry against it.
Everything here is on as soon as a telemetry is given to the guard, but content: what is listed as opt-in holds what
people and models wrote, and is off unless it is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from guardkit.core import telemetry_names as names

SpanKind: TypeAlias = Literal["internal", "producer", "consumer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanShape:
    """One kind of span."""

    of: str
    """What follows the verb in the span's name."""

    when: str
    kind: SpanKind = "internal"
    linked: bool = False
    """Whether it is linked to the `request_approval` that it answers."""

    always: tuple[str, ...]
    sometimes: tuple[str, ...] = ()
    opt_in: tuple[str, ...] = ()
    """Content, where there is any and it is asked for. With it goes `guardkit.content.truncated`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventShape:
    """One kind of event: a log record, and a span event on the span around it."""

    when: str
    always: tuple[str, ...]
    sometimes: tuple[str, ...] = ()
    opt_in: tuple[str, ...] = ()
    """Content. An event that has any is a log record only, and is off unless content is asked for in events."""

    severe: bool = False
    """Whether its log record is an ERROR, for alerts; otherwise INFO."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricShape:
    """One instrument. Its attributes have few values: never an id of a thread, run, approval or person."""

    instrument: Literal["histogram", "counter", "gauge"]
    """A gauge is read when somebody looks, by the processes that `guardkit.otel.observe` was called in."""

    unit: str
    means: str
    always: tuple[str, ...]
    sometimes: tuple[str, ...] = ()
    buckets: Sequence[float] = ()
    """Boundaries that are advised to the SDK."""


RUN = (names.AGENT, names.CONVERSATION, names.SESSION, names.RUN_ID, names.TURN)
"""What is said wherever a run is under way."""

UNUSUAL = (
    names.AGENT, names.TOOL, names.ANOMALY_ID, names.ANOMALY_MEASURE, names.ANOMALY_WINDOW, names.ANOMALY_COUNT,
    names.ANOMALY_OF, names.ANOMALY_SCORE,
)  # fmt: skip
"""What is said of an anomaly."""

ASKED = (names.AGENT, names.CONVERSATION, names.SESSION, names.TURN, names.TOOL, names.APPROVAL_ID)
"""What is said of a question by a process that takes answers."""

SPANS: Mapping[str, SpanShape] = {
    names.RUN_TURN: SpanShape(
        of="agent",
        when="a call of the graph, from taking the thread's lease to giving it back",
        always=(names.SPAN_KIND, *RUN, names.TURN_CONTINUED, names.RUN_STATUS),
        sometimes=(names.RESULT, names.NO_RESULT_REASON),
    ),
    names.GUARD_STEP: SpanShape(
        of="tool",
        when="one tool call, from the gate to what the model reads",
        always=(names.SPAN_KIND, *RUN, names.TOOL, names.TOOL_CALL, names.TOOL_KIND, names.NODE),
        opt_in=(names.THOUGHT, names.TOOL_ARGUMENTS, names.TOOL_RESULT, names.QUESTION),
    ),
    names.APPLY_POLICY: SpanShape(
        of="policy",
        when="checks and policy decide on one action; once more after people edited it, or when the run is resumed",
        always=(
            names.SPAN_KIND, *RUN, names.TOOL, names.TOOL_CALL, names.POLICY_ID, names.POLICY_VERSION,
            names.POLICY_RULE, names.DECISION,
        ),
    ),
    names.APPLY_GUARDRAIL: SpanShape(
        of="check",
        when="one check judges; ERROR when the check itself failed, never for a block",
        always=(names.SPAN_KIND, *RUN, names.OPERATION, names.GUARD_NAME, names.GUARD_STAGE),
        sometimes=(names.TOOL, names.VERDICT, names.FAIL_MODE, names.ERROR_TYPE),
        opt_in=(names.VERDICT_WHY,),
    ),
    names.REQUEST_APPROVAL: SpanShape(
        of="tool",
        when="a question to people is registered; once per question, however often the node runs again",
        kind="producer",
        always=(names.SPAN_KIND, *RUN, names.TOOL, names.APPROVAL_ID, names.POLICY_ID, names.POLICY_RULE),
    ),
    names.DECIDE_APPROVAL: SpanShape(
        of="tool",
        when="a decision of a person is stored; below the HTTP span that brought it, where there is one",
        kind="consumer",
        linked=True,
        always=(
            names.SPAN_KIND, *ASKED, names.APPROVAL_OUTCOME, names.APPROVAL_SAID, names.APPROVAL_CHANNEL,
            names.APPROVAL_ASSURANCE, names.APPROVAL_STAGES, names.APPROVAL_EXEMPT,
        ),
        sometimes=(names.APPROVAL_WAITING, names.APPROVAL_TRACE, names.APPROVAL_READING),
        opt_in=(names.APPROVAL_REASON, names.TOOL_ARGUMENTS),
    ),
    names.EXPIRE_APPROVAL: SpanShape(
        of="tool",
        when="a worker closes a question whose time is over",
        kind="consumer",
        linked=True,
        always=(names.SPAN_KIND, *ASKED, names.APPROVAL_OUTCOME),
        sometimes=(names.APPROVAL_TRACE,),
    ),
    names.RESUME_APPROVAL: SpanShape(
        of="tool",
        when="an effect consumes its approval",
        linked=True,
        always=(
            names.SPAN_KIND, *RUN, names.TOOL, names.APPROVAL_ID, names.APPROVAL_OUTCOME, names.APPROVAL_WAITED,
        ),
        sometimes=(names.APPROVAL_TRACE,),
    ),
    names.PERFORM_EFFECT: SpanShape(
        of="tool",
        when="an allowed or approved effect is claimed, run and recorded",
        always=(names.SPAN_KIND, *RUN, names.TOOL, names.TOOL_CALL),
        sometimes=(names.EFFECT_STATE, names.EFFECT_FRESH),
        opt_in=(names.TOOL_ARGUMENTS,),
    ),
    names.VERIFY_OUTPUT: SpanShape(
        of="agent",
        when="an answer is drafted, criticised and verified",
        always=(names.SPAN_KIND, *RUN, names.RESULT, names.ROUND),
        sometimes=(names.NO_RESULT_REASON, names.NO_RESULT_CAUSE),
        opt_in=(names.DRAFT, names.CLAIMS),
    ),
    names.REVIEW_GLASS: SpanShape(
        of="tool",
        when="a broken glass is reviewed, or a worker finds that nobody has in time",
        always=(
            names.SPAN_KIND, names.CONVERSATION, names.SESSION, names.TURN, names.TOOL, names.APPROVAL_ID,
        ),
        sometimes=(names.REVIEW_VERDICT,),
    ),
    names.NOTICE_ANOMALY: SpanShape(
        of="agent",
        when="a worker finds an agent unusual; once per anomaly",
        always=(names.SPAN_KIND, *UNUSUAL),
    ),
}  # fmt: skip
"""By verb."""

EVENTS: Mapping[str, EventShape] = {
    names.TOOL_DECISION: EventShape(
        when="an action is decided on, whether or not the tool runs; again when the run is resumed",
        always=(
            names.TOOL, names.TOOL_CALL, names.DECISION, names.POLICY_ID, names.POLICY_VERSION, names.POLICY_RULE,
        ),
    ),
    names.APPROVAL_REQUESTED: EventShape(
        when="a question is registered; once", always=(names.TOOL, names.APPROVAL_ID)
    ),
    names.RUN_PAUSED: EventShape(
        when="the run waits for people, each time it comes to the question", always=(*RUN, names.APPROVAL_ID)
    ),
    names.RUN_RESUMED: EventShape(when="a run goes on with a turn that an earlier one began", always=RUN),
    names.APPROVAL_CONSUMED: EventShape(
        when="an effect took its approval; once",
        always=(names.APPROVAL_ID, names.APPROVAL_OUTCOME),
    ),
    names.STANDING_USED: EventShape(
        when="a standing approval let an effect start; once", always=(names.STANDING_ID, names.TOOL)
    ),
    names.GLASS_BROKEN: EventShape(
        when="a named person settles a question alone in an emergency; once",
        always=(
            names.APPROVAL_ID, names.TOOL, names.APPROVAL_SAID, names.APPROVAL_CHANNEL, names.APPROVAL_ASSURANCE,
        ),
        severe=True,
    ),
    names.REVIEW_CLOSED: EventShape(
        when="somebody else has reviewed that", always=(names.APPROVAL_ID, names.TOOL, names.REVIEW_VERDICT)
    ),
    names.REVIEW_OVERDUE: EventShape(
        when="nobody has in time; once", always=(names.APPROVAL_ID, names.TOOL), severe=True
    ),
    names.EFFECT_CLAIMED: EventShape(
        when="an effect is about to start", always=(*RUN, names.TOOL, names.EFFECT_ATTEMPT)
    ),
    names.EFFECT_RECORDED: EventShape(
        when="what became of it is in the ledger", always=(names.TOOL, names.EFFECT_STATE)
    ),
    names.STEP_FOLLOWED: EventShape(
        when="it is decided what follows an observation", always=(names.TOOL, names.NEXT_STEP)
    ),
    names.TURN_ENDED: EventShape(
        when="the turn ends in a no result", always=(*RUN, names.RESULT, names.NO_RESULT_REASON)
    ),
    names.EMERGENCY_STOP: EventShape(
        when="it does because of an operator's stop", always=(*RUN, names.STOP_SOURCE), severe=True
    ),
    names.ANOMALY_FOUND: EventShape(
        when="a worker finds an agent unusual, against its own past; once per anomaly", always=UNUSUAL
    ),
    names.CONTENT: EventShape(
        when="a span has content, and it is asked for in events",
        always=(names.AGENT, names.CONVERSATION, names.SESSION, names.TURN),
        sometimes=(names.RUN_ID, names.TOOL, names.TOOL_CALL, names.GUARD_NAME, names.APPROVAL_ID),
        opt_in=(
            names.THOUGHT, names.TOOL_ARGUMENTS, names.TOOL_RESULT, names.QUESTION, names.VERDICT_WHY,
            names.APPROVAL_REASON, names.DRAFT, names.CLAIMS,
        ),
    ),
}  # fmt: skip

METRICS: Mapping[str, MetricShape] = {
    names.GUARD_DURATION: MetricShape(
        instrument="histogram",
        unit="s",
        means="time that one check took; its count is the number of verdicts, and of failures",
        always=(names.GUARD_NAME, names.GUARD_STAGE),
        sometimes=(names.VERDICT, names.ERROR_TYPE),
        buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30),
    ),
    names.DECISIONS: MetricShape(
        instrument="counter",
        unit="{decision}",
        means="decisions on actions, those that a resumed run takes again included",
        always=(names.DECISION, names.POLICY_ID, names.TOOL),
    ),
    names.APPROVAL_REQUESTS: MetricShape(
        instrument="counter",
        unit="{request}",
        means="questions that were put to people",
        always=(names.POLICY_ID, names.TOOL),
    ),
    names.APPROVAL_WAIT: MetricShape(
        instrument="histogram",
        unit="s",
        means="time from the question to its settlement; its count is the number of settled questions",
        always=(names.APPROVAL_OUTCOME, names.POLICY_ID, names.TOOL),
        buckets=(1, 10, 60, 300, 900, 1800, 3600, 7200, 14400, 28800, 86400, 259200),
    ),
    names.EFFECTS: MetricShape(
        instrument="counter",
        unit="{effect}",
        means="effects that were started, by what became of them",
        always=(names.EFFECT_STATE, names.TOOL),
    ),
    names.NO_RESULTS: MetricShape(
        instrument="counter",
        unit="{result}",
        means="turns that ended in a no result",
        always=(names.NO_RESULT_REASON,),
    ),
    names.ROUNDS: MetricShape(
        instrument="histogram",
        unit="{round}",
        means="verifications that one answer took",
        always=(names.RESULT,),
        buckets=(1, 2, 3, 4, 5, 8),
    ),
    names.ANOMALIES: MetricShape(
        instrument="counter",
        unit="{anomaly}",
        means="anomalies that were found",
        always=(names.AGENT, names.ANOMALY_MEASURE),
    ),
    names.FAULTS: MetricShape(
        instrument="counter",
        unit="{fault}",
        means="exceptions that telemetry raised; no run was touched by them",
        always=(names.ERROR_TYPE,),
    ),
    names.HASTY: MetricShape(
        instrument="counter",
        unit="{decision}",
        means="approvals, edits included, that were given in less time than reading the arguments takes",
        always=(names.POLICY_ID, names.TOOL),
    ),
    names.STANDING_USES: MetricShape(
        instrument="counter",
        unit="{action}",
        means="actions that a standing approval let run, without a question to people",
        always=(names.POLICY_ID, names.TOOL),
    ),
    names.ANSWERS: MetricShape(
        instrument="counter",
        unit="{decision}",
        means="decisions of people that count, by what they said and by the routes that asked; never by whom",
        always=(names.POLICY_ID, names.APPROVAL_ROUTE, names.APPROVAL_SAID),
    ),
    names.GLASSES: MetricShape(
        instrument="counter",
        unit="{decision}",
        means="questions that a named person settled alone in an emergency",
        always=(names.POLICY_ID, names.TOOL),
    ),
    names.STORAGE_FAULTS: MetricShape(
        instrument="counter",
        unit="{fault}",
        means="transactions that the database refused; `AuditError`: the audit log could not be written or read",
        always=(names.ERROR_TYPE,),
    ),
    names.PENDING: MetricShape(
        instrument="gauge",
        unit="{request}",
        means="questions that wait for people; stops at 10,000",
        always=(names.AGENT,),
    ),
    names.PENDING_AGE: MetricShape(
        instrument="gauge",
        unit="s",
        means="time since the oldest of them was asked; 0 when there is none",
        always=(names.AGENT,),
    ),
    names.DUE: MetricShape(
        instrument="gauge",
        unit="{thread}",
        means="threads that a worker has to go on with; stops at 10,000",
        always=(names.AGENT,),
    ),
    names.DUE_LAG: MetricShape(
        instrument="gauge",
        unit="s",
        means="time since the first of them became due; 0 when there is none",
        always=(names.AGENT,),
    ),
    names.DEAD_LETTERS: MetricShape(
        instrument="gauge",
        unit="{thread}",
        means="threads that workers gave up on; stops at 10,000",
        always=(names.AGENT,),
    ),
    names.IN_DOUBT: MetricShape(
        instrument="gauge",
        unit="{effect}",
        means="effects of which nobody knows whether they took place; stops at 10,000",
        always=(names.AGENT,),
    ),
    names.REVIEWS: MetricShape(
        instrument="gauge",
        unit="{review}",
        means="reviews of broken glasses that nobody has closed; stops at 10,000",
        always=(names.AGENT,),
    ),
    names.REVIEWS_AGE: MetricShape(
        instrument="gauge",
        unit="s",
        means="time since the glass was broken that has waited longest for its review; 0 when there is none",
        always=(names.AGENT,),
    ),
    names.REVIEWS_OVERDUE: MetricShape(
        instrument="gauge",
        unit="{review}",
        means="reviews that nobody has closed in time; stops at 10,000",
        always=(names.AGENT,),
    ),
    names.DATABASE_UP: MetricShape(
        instrument="gauge",
        unit="{database}",
        means="1 when the database told what the gauges above need, 0 when it did not; they are absent then",
        always=(),
    ),
    names.ROUND_AGE: MetricShape(
        instrument="gauge",
        unit="s",
        means="time since the worker's slowest loop has finished a round; workers only",
        always=(),
    ),
}
