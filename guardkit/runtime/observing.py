"""After the tool: check what came back before the model reads it, and decide what follows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias, assert_never

from guardkit.core import next_step, telemetry_names as names
from guardkit.core.audit import AuditEvent
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.steps import Action, Observation, Step, Thought
from guardkit.core.values import JsonObject
from guardkit.core.verdicts import CheckContext, Verdict
from guardkit.runtime.ending import end
from guardkit.runtime.events import Span, watched
from guardkit.runtime.gate import verdict_of
from guardkit.runtime.needs import Ask, Flow, InStore, Pause
from guardkit.runtime.session import Session

WITHHELD = "The result is withheld: it did not pass a safety check."


@dataclass(frozen=True, slots=True)
class Seen:
    """What the model reads. `text` is `None` when the output may pass as it is."""

    text: str | None
    failed: bool = False
    withheld: bool = False
    """Whether the output itself must not go on, in any part: `text` stands for all of it."""


@dataclass(frozen=True, slots=True)
class Over:
    """The turn is over."""

    outcome: NoResult


Observed: TypeAlias = Seen | Over


def look(session: Session, observation: Observation, context: CheckContext) -> Flow[list[Verdict]]:
    """Run the observation checks, once per observation and run. Flags that they raise stay for the turn.

    A node that runs again and sees the same is told the same.
    """
    if not session.services.observation_checks:
        return []
    before = session.observed.get(observation.action_id)
    if before is not None and before[0] == observation:
        return before[1]
    checks = session.services.observation_checks
    about = {**session.facts, names.TOOL: observation.tool, names.GUARD_STAGE: "observation"}
    calls = [
        watched(session.services.telemetry, name, about, partial(check, observation, context))
        for name, check in checks
    ]
    results: Sequence[Any] = yield Ask(calls, session.services.check_timeout)
    verdicts = [verdict_of(name, result) for (name, _), result in zip(checks, results, strict=True)]
    for verdict in verdicts:
        if verdict.outcome != "pass":
            session.flags.add(verdict.check)
    session.observed[observation.action_id] = (observation, verdicts)
    return verdicts


def observe(
    session: Session,
    action: Action,
    observation: Observation,
    thought: Thought,
    context: CheckContext,
    span: Span,
) -> Flow[Observed]:
    """Check an observation and carry out the next step that is decided for it.

    Args:
        session: the run.
        action: what was done.
        observation: what came back.
        thought: what the model wrote before.
        context: what the checks may know.
        span: the step's; it is shown what the model reads, and what the user is asked.
    """
    verdicts = yield from look(session, observation, context)
    worst = max(verdicts, key=lambda verdict: _SEVERITY[verdict.outcome], default=None)
    text: str | None = None
    failed = withheld = False
    if worst is not None and worst.outcome != "pass":
        session.buffer(
            session.event(
                "observation.checked",
                action=action.id,
                tool=action.tool,
                check=worst.check,
                verdict=worst.outcome,
                evidence=list(worst.evidence),
            )
        )
        match worst.outcome:
            case "stop":
                why = worst.why or "a check stopped the turn"
                return Over((yield from end(session, NoResult.because(NoResultReason.CHECK_FAILED, why))))
            case "block":
                text, failed, withheld = worst.tell_model or WITHHELD, True, True
            case "edit":
                text, withheld = str((worst.edited_args or {}).get("text", WITHHELD)), True
            case "review":
                session.wary = worst.why or "an observation needs a second look"
            case _:
                assert_never(worst.outcome)
    step = Step(thought=thought, action=action, observation=observation)
    following = yield from _next(session, step, replace(context, flags=frozenset(session.flags)))
    session.services.telemetry.event(
        names.STEP_FOLLOWED, {names.TOOL: action.tool, names.NEXT_STEP: following.kind}
    )
    match following:
        case next_step.Complete():
            session.complete = following.why
        case next_step.Escalate():
            session.wary = following.why
        case _:
            pass
    yield from _keep(session)
    seen = Seen(text, failed, withheld)
    if isinstance(following, next_step.Clarify):
        question = following.question
        span.show(lambda: {names.QUESTION: question})
    followed = yield from _follow(session, action, following, seen, shown=observation.text)
    if isinstance(followed, Seen):
        read = observation.text if followed.text is None else followed.text
        span.show(lambda: {names.TOOL_RESULT: read})
    return followed


def failure(session: Session, action: Action, error: Exception | None = None) -> AuditEvent:
    """What the audit log keeps of a tool that failed: the type of what it raised, or nothing if it reported an error."""
    raised = {} if error is None else {"error": type(error).__name__}
    return session.event("tool.failed", action=action.id, tool=action.tool, **raised)


def _keep(session: Session) -> Flow[None]:
    """Write down what was found, before the model reads on: a pause or a crash must not forget it."""
    marks = session.marks()
    if marks == session.kept:
        return
    events = session.take()
    store, run = session.services.store, session.run
    try:
        yield InStore(lambda: store.flush(run, events, marks))
    except BaseException:
        session.put_back(events)
        raise
    session.kept = marks


_SEVERITY = {"pass": 0, "edit": 1, "review": 2, "block": 3, "stop": 4}


def _next(session: Session, step: Step, context: CheckContext) -> Flow[next_step.NextStep]:
    assessors = session.services.assessors
    if not assessors:
        return next_step.Continue()
    calls: list[Callable[[], Any]] = [partial(assess, step, context) for _, assess in assessors]
    results: Sequence[Any] = yield Ask(calls, session.services.check_timeout)
    opinions: list[next_step.NextStep] = []
    for (name, _), result in zip(assessors, results, strict=True):
        match result:
            case None:
                continue
            case (
                next_step.Continue()
                | next_step.Complete()
                | next_step.Retry()
                | next_step.Clarify()
                | next_step.Escalate()
                | next_step.Stop()
            ):
                opinions.append(result)
            case _:
                why = f"{name} gave {type(result).__name__}, not a next step"
                opinions.append(next_step.Stop(reason=NoResultReason.CHECK_FAILED, why=why))
    return next_step.strictest_step(opinions)


def _follow(
    session: Session,
    action: Action,
    following: next_step.NextStep,
    seen: Seen,
    *,
    shown: str,
) -> Flow[Observed]:
    before = seen.text if seen.text is not None else shown
    if not isinstance(following, next_step.Continue):
        session.buffer(session.event("step.next", action=action.id, tool=action.tool, next=following.kind))
    match following:
        case next_step.Continue() | next_step.Complete() | next_step.Escalate():
            return seen
        case next_step.Retry():
            return replace(seen, text=f"{before}\n\n{following.tell_model}", failed=True)
        case next_step.Clarify():
            said: str | None = None
            while said is None:
                said = answer_to(action, (yield Pause(clarification(action, following.question))))
            asked = f"The user was asked: {following.question}\nThe user answered: {said}"
            return replace(seen, text=f"{before}\n\n{asked}")
        case next_step.Stop():
            return Over((yield from end(session, NoResult.because(following.reason, following.why))))
        case _:
            assert_never(following)


def clarification(action: Action, question: str) -> JsonObject:
    """What the interrupt carries when the user is asked: a HITLRequest that only takes words."""
    return {
        "action_requests": [{"name": action.tool, "args": {}, "description": question}],
        "review_configs": [{"action_name": action.tool, "allowed_decisions": ["respond"]}],
        "guardkit": {"kind": "question", "question": question, "action_id": action.id},
    }


def answer(action_id: str, text: str) -> JsonObject:
    """The resume value that answers one question, and no other."""
    return {"guardkit_answer": {"action_id": action_id, "text": text}}


def answer_to(action: Action, reply: object) -> str | None:
    """The words in a resume value, if it answers this very question."""
    match reply:
        case {"guardkit_answer": {"action_id": action.id, "text": str(text)}} if text.strip():
            return text
        case _:
            return None
