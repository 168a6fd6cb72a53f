"""The ledger: a key is claimed before its effect runs and recorded after, each in one transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from guardkit.core.approvals import Approval, ApprovalState, close
from guardkit.core.audit import AuditEvent
from guardkit.core.breaking import lapsed
from guardkit.core.effects import (
    AlreadyDone,
    Asked,
    Claimed,
    ClaimResult,
    EffectState,
    Halted,
    InDoubt,
    KeyTaken,
    Lapsed,
    UnderWay,
)
from guardkit.core.runs import RunRef, TurnStatus
from guardkit.core.standing import StandingUse
from guardkit.core.values import Json
from guardkit.errors import InputError, StaleRunError
from guardkit.sql import (
    approval_rows,
    audit,
    deliveries,
    dialects,
    effect_rows,
    lease,
    standing_rows,
    stops,
)
from guardkit.sql.codec import dump_json
from guardkit.sql.columns import MICROSECONDS
from guardkit.sql.secrecy import sealed
from guardkit.sql.tables import effects

_FREE = (EffectState.WAITING, EffectState.NOT_DONE)


def claim(
    connection: Connection,
    run: RunRef,
    *,
    key: str,
    tool: str,
    digest: str,
    action_id: str,
    approval: Approval | None,
    events: Sequence[AuditEvent],
    standing: StandingUse | None = None,
    within: float | None = None,
) -> ClaimResult:
    """Claim a key; see `guardkit.core.ports.Effects.claim`.

    The ledger speaks before the approval does: a call that is already done is told so although its approval has been
    consumed.

    Raises:
        InputError: the key is empty.
        StaleRunError: the run has lost its lease.
    """
    key_hash = effect_rows.key_hash_of(key)
    stops.share_gate(connection)
    holding = lease.held(connection, run)
    halted = _halted(connection, run, holding)
    if halted is not None:
        return halted
    row = effect_rows.locked(connection, run.tenant, key_hash)
    taken = _taken(connection, run, row, digest, holding.now)
    if taken is not None:
        return taken
    lapsed = _lapsed(connection, run, approval, digest, action_id, holding.now)
    if lapsed is not None:
        return lapsed
    reached = None
    if standing is not None:
        reached = standing_rows.lapsed(connection, run, standing, tool=tool, now=holding.now)
        if isinstance(reached, str):
            return Lapsed("standing", reached)
    attempt = 1 if row is None else row.attempt + 1
    # As it is read from the row: in whole microseconds.
    deadline = None if within is None else round((holding.now + within) * MICROSECONDS) / MICROSECONDS
    values: dict[str, Any] = {
        "key": key,
        "tool": tool,
        "digest": digest,
        "action_id": action_id,
        "thread_id": run.thread_id,
        "turn": run.turn,
        "run_id": run.run_id,
        "token": run.token,
        "state": EffectState.CLAIMED.value,
        "attempt": attempt,
        "approval_id": None if approval is None else approval.request.id,
        "standing_id": None if standing is None else standing.standing.id,
        "result": None,
        "claimed_at": holding.now,
        "deadline": deadline,
        "settled_at": None,
    }
    identity = {"tenant": run.tenant, "key_hash": key_hash}
    values = sealed(connection, effects, values, identity)
    if row is not None:
        connection.execute(effect_rows.changing(run.tenant, key_hash).values(**values))
    elif not dialects.insert_new(connection, effects, identity | values):
        # Another run inserted the key since it was looked for, which servers with row locks allow.
        there = effect_rows.locked(connection, run.tenant, key_hash)
        return _taken(connection, run, there, digest, holding.now) or InDoubt(1)
    if approval is not None:
        consumed = close(approval, ApprovalState.CONSUMED, holding.now)
        approval_rows.write_changed(connection, approval, consumed)
        deliveries.tell_outcome(connection, consumed, holding.now)
    own = _event("effect.claimed", run.thread_id, run.turn, action_id, digest=digest, attempt=attempt)
    said = audit.unless_said(events, own)
    if standing is not None and reached is not None:
        said = [*said, standing_rows.count_down(connection, run, standing, reached, action_id)]
    audit.append(connection, run.tenant, said, holding.now)
    return Claimed(attempt, deadline)


def _halted(connection: Connection, run: RunRef, holding: lease.Held) -> Halted | None:
    if holding.status is TurnStatus.ENDED:
        return Halted("the turn has ended")
    order = stops.covering(
        connection, tenant=run.tenant, thread_id=run.thread_id, agent=holding.agent, run_id=run.run_id
    )
    return None if order is None else Halted(f"stop {order.id} on {order.scope} is in force")


def _taken(
    connection: Connection, run: RunRef, row: Row[Any] | None, digest: str, now: float
) -> ClaimResult | None:
    """What stands against claiming a key; `None` when it is free."""
    if row is None:
        return None
    state = effect_rows.standing_of(connection, row, now)
    if state in _FREE:
        return None
    if state is EffectState.IN_DOUBT:
        return InDoubt(row.attempt)
    if row.digest != digest:
        return KeyTaken(row.digest)
    if state is EffectState.DONE:
        return AlreadyDone(effect_rows.result_of(connection, row))
    own = (row.thread_id, row.run_id, row.token) == (run.thread_id, run.run_id, run.token)
    return UnderWay() if own else InDoubt(row.attempt)


def _lapsed(
    connection: Connection, run: RunRef, approval: Approval | None, digest: str, action_id: str, now: float
) -> Lapsed | None:
    """Why an approval cannot be consumed; `None` when it can, or when there is none to consume."""
    if approval is None:
        return None
    request = approval.request
    stored = approval_rows.locked(connection, request.id)
    if stored is None or (request.tenant, request.thread_id, request.turn) != (
        run.tenant,
        run.thread_id,
        run.turn,
    ):
        return Lapsed("unknown", "there is no such approval in this turn")
    if stored.state is not ApprovalState.APPROVED:
        return Lapsed(stored.state.value, f"the approval is {stored.state.value}")
    if stored != approval:
        return Lapsed(stored.state.value, "the approval has changed since it was checked")
    if stored.digest != digest or request.action.id != action_id:
        return Lapsed(stored.state.value, "the approval is for another action")
    why = lapsed(stored, now)
    return None if why is None else Lapsed(stored.state.value, why)


def record(
    connection: Connection,
    run: RunRef,
    *,
    key: str,
    state: EffectState,
    result: Json,
    events: Sequence[AuditEvent],
) -> bool:
    """Record the outcome of a claimed effect; see `guardkit.core.ports.Effects.record`.

    Raises:
        CanonicalError: the result is not JSON.
        InputError: a claim is no outcome.
    """
    if state is EffectState.CLAIMED:
        raise InputError(
            "state is 'claimed', which is no outcome", remedy="done, not_done, in_doubt or waiting"
        )
    kept = dump_json(result, path="result")
    key_hash = effect_rows.key_hash_of(key)
    try:
        holding = lease.held(connection, run)
    except StaleRunError:
        return False
    row = effect_rows.locked(connection, run.tenant, key_hash)
    if row is None or (row.state, row.run_id, row.token) != (
        EffectState.CLAIMED.value,
        run.run_id,
        run.token,
    ):
        return False
    _settle(connection, row, state, kept, holding.now)
    own = _event(
        "effect.recorded", run.thread_id, run.turn, row.action_id, digest=row.digest, state=state.value
    )
    audit.append(connection, run.tenant, audit.unless_said(events, own), holding.now)
    return True


def reconcile(
    connection: Connection,
    tenant: str,
    key: str,
    *,
    state: EffectState,
    result: Json,
    by: str,
    events: Sequence[AuditEvent],
    asked: Asked | None = None,
) -> bool:
    """Settle a key in doubt; see `guardkit.core.ports.Effects.reconcile`.

    Raises:
        CanonicalError: the result is not JSON.
        InputError: `state` settles nothing.
        StaleRunError: the run that asked has lost its lease.
    """
    if state not in (EffectState.DONE, EffectState.NOT_DONE):
        raise InputError(f"state is {state.value!r}, which settles nothing", remedy="done or not_done")
    kept = dump_json(result, path="result")
    if asked is not None:
        lease.held(connection, asked.run)
    row = effect_rows.locked(connection, tenant, effect_rows.key_hash_of(key))
    now = dialects.now(connection)
    if row is None or effect_rows.standing_of(connection, row, now) is not EffectState.IN_DOUBT:
        return False
    if asked is not None and row.attempt != asked.attempt:
        return False
    if state is EffectState.NOT_DONE and row.deadline is not None and now < row.deadline:
        return False
    _settle(connection, row, state, kept, now)
    own = _event(
        "effect.reconciled",
        row.thread_id,
        row.turn,
        row.action_id,
        digest=row.digest,
        state=state.value,
        by=by,
    )
    audit.append(connection, tenant, audit.unless_said(events, own), now)
    return True


def _settle(connection: Connection, row: Row[Any], state: EffectState, result: str, now: float) -> None:
    settled = state in (EffectState.DONE, EffectState.NOT_DONE)
    values = {"state": state.value, "result": result, "settled_at": now if settled else None}
    written = sealed(connection, effects, values, row)
    connection.execute(effect_rows.changing(row.tenant, row.key_hash).values(**written))


def _event(kind: str, thread_id: str, turn: int, action_id: str, **data: Json) -> AuditEvent:
    return AuditEvent(kind=kind, thread_id=thread_id, turn=turn, data={"action": action_id, **data})
