"""Ending a turn on purpose."""

from guardkit.core import telemetry_names as names
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.runs import StopOrder
from guardkit.runtime.needs import Flow, InStore
from guardkit.runtime.session import Session


def end(session: Session, outcome: NoResult) -> Flow[NoResult]:
    """End the turn durably: the flag is set, open approvals are void, the audit says why. The first outcome holds."""
    if session.ended is not None:
        return session.ended
    named = outcome.model_copy(
        update={
            "policy_version": session.services.policy.version,
            "thread_id": session.run.thread_id,
            "turn": session.run.turn,
            "trace_id": _trace_id(session.services.telemetry.traceparent()),
        }
    )
    store, run = session.services.store, session.run
    pending = session.take()
    event = session.event("turn.ended", reason=named.reason.value, why=list(named.why))
    try:
        holds: NoResult = yield InStore(lambda: store.end_turn(run, named, [*pending, event]))
    except BaseException:
        session.put_back(pending)
        raise
    session.ended = holds
    _tell(session, holds)
    return holds


def _tell(session: Session, holds: NoResult) -> None:
    telemetry, reason = session.services.telemetry, {names.NO_RESULT_REASON: holds.reason.value}
    ended = {names.RESULT: "no_result", **reason}
    session.span.set(ended)
    telemetry.measure(names.NO_RESULTS, 1, reason)
    telemetry.event(names.TURN_ENDED, {**session.facts, **ended})
    if holds.reason is NoResultReason.STOPPED_BY_OPERATOR:
        telemetry.event(names.EMERGENCY_STOP, {**session.facts, names.STOP_SOURCE: "operator"})


def stopped(order: StopOrder) -> NoResult:
    """The outcome of a turn that an operator stopped."""
    return NoResult.because(
        NoResultReason.STOPPED_BY_OPERATOR, f"stop {order.id} on {order.scope} by {order.by}: {order.why}"
    )


def _trace_id(traceparent: str | None) -> str | None:
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) == 4 else None
