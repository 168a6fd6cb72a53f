"""Performing an effect: claim before, record after, never twice.

The claim's transaction consumes the approval, takes the key and writes the audit; the outcome is a second one.
Between the two the tool runs. Whatever happens there other than a result or `EffectNotDone` leaves the key in doubt.
"""

from dataclasses import dataclass
from typing import Any, assert_never

from guardkit.core import telemetry_names as names
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.audit import AuditEvent
from guardkit.core.effects import (
    AlreadyDone,
    Asked,
    Claimed,
    ClaimResult,
    Effect,
    EffectNotDone,
    EffectRecord,
    EffectState,
    Halted,
    InDoubt,
    KeyTaken,
    Lapsed,
    Reconciled,
    UnderWay,
)
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.values import Json
from guardkit.errors import StaleRunError, StorageError
from guardkit.runtime.ending import end, stopped
from guardkit.runtime.events import Attributes, spanned
from guardkit.runtime.gate import Gated, digest_of
from guardkit.runtime.needs import Ask, Flow, InStore, RunTool, Wait
from guardkit.runtime.session import Session
from guardkit.runtime.telling import asked_in, waited
from guardkit.runtime.tools import OutputCodec, idempotency_key

AFTER_DEADLINE = 0.05
"""Seconds that a run waits longer than to the deadline of an effect in doubt, by a clock of its own."""

NOT_DONE = "The action did not take place."
CHANGED = "a check or the key function changed the action after it was decided on"
UNDER_WAY = "Another call is doing just this. Do not try it again."
IN_DOUBT = "It is not known whether this action took place. A person has to look; do not try it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an effect. Exactly one of `output`, `refusal`, `ended`, `in_doubt` and `again` speaks."""

    output: Any = None
    fresh: bool = True
    refusal: str | None = None
    why: tuple[str, ...] = ()
    ended: NoResult | None = None
    in_doubt: bool = False
    again: bool = False
    """The approval changed while it was consumed: look at it once more."""


def perform(session: Session, gated: Gated, approval: Approval | None, codec: OutputCodec) -> Flow[Outcome]:
    """Run an allowed or approved effect at most once."""
    facts = {
        **session.facts,
        names.TOOL: gated.action.tool,
        names.TOOL_CALL: gated.action.call_id,
    }
    with spanned(session.services.telemetry, f"{names.PERFORM_EFFECT} {gated.action.tool}", facts) as span:
        span.show(lambda: {names.TOOL_ARGUMENTS: gated.action.args})
        outcome = yield from _performed(session, gated, approval, codec)
        state = "in_doubt" if outcome.in_doubt else "done" if outcome.refusal is None else "refused"
        if outcome.ended is None and not outcome.again:
            span.set({names.EFFECT_STATE: state, names.EFFECT_FRESH: outcome.fresh})
    return outcome


def _performed(
    session: Session, gated: Gated, approval: Approval | None, codec: OutputCodec
) -> Flow[Outcome]:
    action, spec = gated.action, gated.spec
    try:
        key = spec.effect_key(action.args, action.id)
    except ValueError as error:
        return Outcome(refusal="This action is not permitted.", why=(str(error),))
    if digest_of(session, action) != gated.digest:
        return Outcome(refusal="This action is not permitted.", why=(CHANGED,))
    if approval is not None and approval.state is ApprovalState.CONSUMED:
        return (yield from _consumed_before(session, gated, key, codec))
    with session.claiming(key):
        return (yield from _claimed(session, gated, approval, key, codec))


def _claimed(
    session: Session, gated: Gated, approval: Approval | None, key: str, codec: OutputCodec
) -> Flow[Outcome]:
    action = gated.action
    store, run = session.services.store, session.run
    for attempt in (1, 2):
        pending = session.take()
        event = session.event(
            "effect.claimed",
            action=action.id,
            tool=action.tool,
            digest=gated.digest,
            key=key,
            approval=approval.request.id if approval else None,
            policy_version=session.services.policy.version,
            **({} if gated.standing is None else {"standing": gated.standing.standing.id}),
        )
        try:
            claim: ClaimResult = yield InStore(
                lambda events=(*pending, event): store.claim(
                    run,
                    key=key,
                    tool=action.tool,
                    digest=gated.digest,
                    action_id=action.id,
                    approval=approval,
                    events=events,
                    standing=gated.standing,
                    within=gated.spec.timeout,
                )
            )
        except BaseException:
            session.put_back(pending)
            raise
        if not isinstance(claim, Claimed):
            session.put_back(pending)
        match claim:
            case Claimed():
                session.tool_calls += 1
                _told(session, gated, approval, claim)
                return (yield from _run(session, gated, approval, key, claim, codec))
            case AlreadyDone():
                session.buffer(_note(session, gated, key, "effect.known"))
                return Outcome(output=codec.decode(claim.result, action.call_id), fresh=False)
            case KeyTaken():
                why = f"effect key {key!r} belongs to another action"
                session.buffer(_note(session, gated, key, "effect.refused", why="done_before_under_this_key"))
                return Outcome(
                    refusal="This was done before, under the same key. Do not try it again.", why=(why,)
                )
            case UnderWay() if session.shares(key):
                why = f"another call of this run performs effect {key!r}"
                session.buffer(_note(session, gated, key, "effect.refused", why="another_call_performs_it"))
                return Outcome(refusal=UNDER_WAY, why=(why,))
            case Lapsed() if gated.standing is not None:
                return Outcome(again=True)  # it reaches no more: people are asked
            case Lapsed():
                if attempt == 2 or approval is None:
                    session.buffer(_note(session, gated, key, "effect.refused", why="approval_lapsed"))
                    return Outcome(refusal="The approval no longer holds.", why=(claim.why,))
                return Outcome(again=True)
            case Halted():
                return (yield from _halted(session, claim))
            case UnderWay() if attempt == 1:
                continue  # that call may have come to its end since
            case InDoubt() | UnderWay():
                # A claim of this very run that nobody performs any more: its outcome could not be written down.
                settled = yield from _reconcile(session, gated, key, codec)
                if not settled:
                    since = f" since attempt {claim.attempt}" if isinstance(claim, InDoubt) else ""
                    why = f"effect {key!r} is in doubt{since}"
                    session.buffer(_note(session, gated, key, "effect.refused", why="in_doubt"))
                    return Outcome(in_doubt=True, why=(why,))
            case _:
                assert_never(claim)
    return Outcome(in_doubt=True, why=(f"effect {key!r} is in doubt",))


def _note(session: Session, gated: Gated, key: str, kind: str, **more: str) -> AuditEvent:
    return session.event(kind, action=gated.action.id, tool=gated.action.tool, key=key, **more)


def _run(
    session: Session, gated: Gated, approval: Approval | None, key: str, claim: Claimed, codec: OutputCodec
) -> Flow[Outcome]:
    handle = Effect(
        key=idempotency_key(session.run.tenant, key),
        attempt=claim.attempt,
        approval_id=approval.request.id if approval else None,
        standing_id=None if gated.standing is None else gated.standing.standing.id,
        deadline=claim.deadline,
    )
    if not session.holds:
        # Somebody may have looked meanwhile whether it happened, and been told that it did not.
        raise StaleRunError(
            f"the lease on thread {session.run.thread_id!r} ran out before the effect began; it was not begun",
            remedy="its key is in doubt until it is reconciled or a person settles it",
        )
    try:
        output = yield RunTool(gated.action.args, handle, gated.spec.timeout)
    except EffectNotDone as word:
        yield from _record(session, gated, key, EffectState.NOT_DONE, None)
        return Outcome(refusal=word.tell_model, why=("the tool says that nothing happened",))
    except GeneratorExit:
        raise
    except BaseException as error:
        # Whatever it was, nobody knows whether the effect happened. Record that, and let it go on its way if it is
        # not the tool's own failure.
        yield from _record(session, gated, key, EffectState.IN_DOUBT, None)
        if not isinstance(error, Exception):
            raise
        return Outcome(
            in_doubt=True, why=(f"{gated.action.tool!r} raised {type(error).__name__} after its claim",)
        )
    try:
        kept: Json = codec.encode(output, gated.action.call_id)
    except ValueError as error:
        yield from _record(session, gated, key, EffectState.IN_DOUBT, None)
        return Outcome(in_doubt=True, why=(str(error),))
    recorded = yield from _record(session, gated, key, EffectState.DONE, kept)
    if not recorded:
        return Outcome(in_doubt=True, why=("the run lost its lease while the effect ran",))
    return Outcome(output=output)


def _told(session: Session, gated: Gated, approval: Approval | None, claim: Claimed) -> None:
    """What telemetry is told of a claim, and of the approval that it consumed."""
    telemetry = session.services.telemetry
    facts: Attributes = {**session.facts, names.TOOL: gated.action.tool}
    if approval is not None:
        request = approval.request
        about = {names.APPROVAL_ID: request.id, names.APPROVAL_OUTCOME: approval.state.value}
        more = {**asked_in(request), names.APPROVAL_WAITED: waited(approval)}
        links = [request.traceparent] if request.traceparent else []
        name = f"{names.RESUME_APPROVAL} {request.action.tool}"
        telemetry.start(name, {**facts, **about, **more}, links=links).end()
        telemetry.event(names.APPROVAL_CONSUMED, about)
    if gated.standing is not None:
        used = {names.STANDING_ID: gated.standing.standing.id, names.TOOL: gated.action.tool}
        telemetry.event(names.STANDING_USED, used)
        about = {names.POLICY_ID: session.services.policy.name, names.TOOL: gated.action.tool}
        telemetry.measure(names.STANDING_USES, 1, about)
    telemetry.event(names.EFFECT_CLAIMED, {**facts, names.EFFECT_ATTEMPT: claim.attempt})


def _record(session: Session, gated: Gated, key: str, state: EffectState, result: Json) -> Flow[bool]:
    store, run = session.services.store, session.run
    event = session.event(
        "effect.recorded", action=gated.action.id, tool=gated.action.tool, key=key, state=state.value
    )
    pending = session.take()
    try:
        recorded: bool = yield InStore(
            lambda: store.record(run, key=key, state=state, result=result, events=[*pending, event])
        )
    except StorageError:
        # The claim stands in the ledger without an outcome, which is what in doubt means.
        session.put_back(pending)
        recorded = False
    else:
        if not recorded:
            session.put_back(pending)
    stands = state if recorded else EffectState.IN_DOUBT
    about = {names.TOOL: gated.action.tool, names.EFFECT_STATE: stands.value}
    session.services.telemetry.measure(names.EFFECTS, 1, about)
    session.services.telemetry.event(names.EFFECT_RECORDED, about)
    return recorded


def _consumed_before(session: Session, gated: Gated, key: str, codec: OutputCodec) -> Flow[Outcome]:
    """An earlier run consumed the approval. It is worth one execution, so only its record is left."""
    store, tenant = session.services.store, session.run.tenant
    for _ in range(2):
        record: EffectRecord | None = yield InStore(lambda: store.effect(tenant, key))
        if record is None or record.digest != gated.digest:
            return Outcome(
                refusal="The approval was used for something else.", why=("no record of its execution",)
            )
        if record.state is EffectState.DONE:
            return Outcome(output=codec.decode(record.result, gated.action.call_id), fresh=False)
        if record.state is EffectState.NOT_DONE:
            return Outcome(
                refusal=NOT_DONE, why=("it was approved once, and its one execution did not happen",)
            )
        settled = yield from _reconcile(session, gated, key, codec)
        if not settled:
            break
    return Outcome(in_doubt=True, why=(f"effect {key!r} is in doubt",))


def _reconcile(session: Session, gated: Gated, key: str, codec: OutputCodec) -> Flow[bool]:
    """Let the tool find out what became of its effect. Returns whether the key is settled now."""
    store, run, tenant = session.services.store, session.run, session.run.tenant
    record: EffectRecord | None = yield InStore(lambda: store.effect(tenant, key))
    if record is None:
        return False
    found = yield from _found(session, gated, key)
    now: float = yield InStore(store.now)
    if (
        found is not None
        and found.state == "not_done"
        and record.deadline is not None
        and record.may_arrive(now)
    ):
        # What has not happened by now may happen until then: a process that was frozen goes on where it was.
        yield Wait(record.deadline - now + AFTER_DEADLINE)
        found = yield from _found(session, gated, key)
    if found is None:
        return False
    state = EffectState.DONE if found.state == "done" else EffectState.NOT_DONE
    event = session.event("effect.reconciled", action=gated.action.id, key=key, state=state.value, by="tool")
    kept = codec.encode(found.result, gated.action.call_id) if found.state == "done" else None
    settled: bool = yield InStore(
        lambda: store.reconcile(
            tenant,
            key,
            state=state,
            result=kept,
            by="tool",
            events=[event],
            asked=Asked(run, record.attempt),
        )
    )
    return settled


def _found(session: Session, gated: Gated, key: str) -> Flow[Reconciled | None]:
    """What the tool says became of its effect, as far as it knows."""
    ask = gated.spec.reconcile
    if ask is None:
        return None
    outside = idempotency_key(session.run.tenant, key)
    results: list[Any] = yield Ask([lambda: ask(outside)], session.services.check_timeout)
    found = results[0]
    return found if isinstance(found, Reconciled) and found.state != "unknown" else None


def _halted(session: Session, claim: Halted) -> Flow[Outcome]:
    if session.ended is None:
        store, run = session.services.store, session.run
        turn = yield InStore(lambda: store.turn(run.tenant, run.thread_id, run.turn))
        if turn is not None and turn.no_result is not None:
            session.ended = turn.no_result
            return Outcome(ended=turn.no_result)
        orders = yield InStore(store.stops)
        for order in orders:
            if order.covers(
                tenant=run.tenant, thread_id=run.thread_id, agent=session.services.agent, run_id=run.run_id
            ):
                return Outcome(ended=(yield from end(session, stopped(order))))
        return Outcome(
            ended=(yield from end(session, NoResult.because(NoResultReason.STOPPED_BY_OPERATOR, claim.why)))
        )
    return Outcome(ended=session.ended)
