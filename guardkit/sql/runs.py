"""Runs: taking a thread's lease, keeping it, giving it back, ending the turn."""

import math
import secrets
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, update

from guardkit.core.audit import AuditEvent
from guardkit.core.no_result import NoResult
from guardkit.core.runs import Closing, Marks, Opened, Opening, RunRef, StopOrder, Turn, TurnStatus
from guardkit.errors import InputError, StorageError
from guardkit.sql import (
    approval_rows,
    approvals,
    audit,
    dialects,
    due,
    lease,
    names,
    stops,
    turns as turn_rows,
)
from guardkit.sql.codec import dump
from guardkit.sql.secrecy import sealed
from guardkit.sql.tables import threads, turns
from guardkit.sql.thread_rows import found_by
from guardkit.sql.vault import vault_of


def open_run(connection: Connection, opening: Opening, events: Sequence[AuditEvent]) -> Opened:
    """Take the lease and open or continue a turn; see `guardkit.core.ports.Runs.open_run`.

    Raises:
        BusyError: another run's lease is live.
        InputError: nothing to continue, a new turn without a principal, or one of another tenant.
    """
    _check(opening)
    row = lease.locked(connection, opening.tenant, opening.thread_id)
    if row is None:
        if not opening.new_turn:
            raise InputError(f"thread {opening.thread_id!r} has no turn to continue", remedy="send new input")
        row = _new_thread(connection, opening)
    now = dialects.now(connection)
    if row.lease_until is not None and row.lease_until > now:
        raise lease.busy(opening.thread_id, row.lease_owner, row.lease_until - now)
    run = RunRef(
        tenant=opening.tenant,
        thread_id=opening.thread_id,
        turn=row.turn + 1 if opening.new_turn else row.turn,
        run_id=opening.run_id or uuid.uuid4().hex,
        token=row.token + 1,
    )
    own: list[AuditEvent] = []
    taken: dict[str, Any] = {
        "agent": opening.agent,
        "token": run.token,
        "lease_owner": names.plain(opening.owner),
        "lease_run": run.run_id,
        "lease_until": now + opening.lease_seconds,
    }
    if opening.new_turn:
        own += approvals.cancel_open(
            connection, run.tenant, run.thread_id, now, why="the user sent new input"
        )
        turn = _new_turn(connection, opening, run, now)
        taken |= {"turn": run.turn, "opened_at": now, "due_at": None, "due_why": None}
        taken |= {"attempts": 0, "dead_letter": None}
    else:
        turn = _continued(connection, run)
        if row.lease_until is not None:
            # The run before died. A thread that kills every process that touches it must be given up some day.
            taken["attempts"] = row.attempts + 1
    ended = turn.status is TurnStatus.ENDED
    taken |= found_by(
        vault_of(connection),
        opening.agent,
        turn.principal,
        TurnStatus.ENDED if ended else TurnStatus.RUNNING,
        now,
    )
    connection.execute(_thread(run).values(**taken))
    stop = _stop_on(connection, run, opening.agent)
    audit.append(connection, run.tenant, [*own, *events], now)
    return Opened(run=run, turn=turn, stop=stop)


def _check(opening: Opening) -> None:
    names.tenant(opening.tenant)
    names.thread(opening.thread_id)
    _check_lease(opening.lease_seconds)
    if opening.new_turn and opening.principal is None:
        raise InputError("a new turn needs a principal", remedy="say whom it acts for")
    if opening.principal is not None and opening.principal.tenant != opening.tenant:
        raise InputError(
            f"principal {opening.principal.id!r} is of tenant {opening.principal.tenant!r}, "
            f"the thread of {opening.tenant!r}",
            remedy="a run acts for somebody of its own tenant",
        )


def _check_lease(seconds: float) -> None:
    if not (math.isfinite(seconds) and 0 < seconds <= 86_400):
        raise InputError(
            f"lease_seconds is {seconds!r}", remedy="give seconds, more than 0 and at most a day"
        )


def _new_thread(connection: Connection, opening: Opening) -> Row[Any]:
    dialects.insert_new(
        connection,
        threads,
        {
            "tenant": opening.tenant,
            "thread_id": opening.thread_id,
            "agent": opening.agent,
            "turn": 0,
            "opened_at": dialects.now(connection),
            "token": 0,
            "due_mark": 0,
            "attempts": 0,
        },
    )
    row = lease.locked(connection, opening.tenant, opening.thread_id)
    if row is None:
        raise StorageError(f"thread {opening.thread_id!r} vanished while it was opened", remedy="try again")
    return row


def _new_turn(connection: Connection, opening: Opening, run: RunRef, now: float) -> Turn:
    principal = opening.principal
    if principal is None:
        raise InputError("a new turn needs a principal", remedy="say whom it acts for")
    turn = Turn(
        tenant=run.tenant,
        thread_id=run.thread_id,
        number=run.turn,
        agent=opening.agent,
        principal=principal,
        fingerprint=opening.fingerprint,
        policy_version=opening.policy_version,
        salt=secrets.token_hex(16),
        status=TurnStatus.RUNNING,
        opened_at=now,
    )
    row: dict[str, Any] = {
        "tenant": turn.tenant,
        "thread_id": turn.thread_id,
        "number": turn.number,
        "agent": turn.agent,
        "principal": dump(principal),
        "fingerprint": turn.fingerprint,
        "policy_version": turn.policy_version,
        "salt": turn.salt,
        "status": turn.status.value,
        "opened_at": now,
        "active_seconds": 0.0,
        "tool_calls": 0,
        "steps": 0,
        "marks": dump(turn.marks),
        "input": opening.input,
    }
    connection.execute(insert(turns).values(**sealed(connection, turns, row)))
    return turn


def _continued(connection: Connection, run: RunRef) -> Turn:
    turn = turn_rows.find(connection, run.tenant, run.thread_id, run.turn)
    if turn is None:
        raise InputError(f"thread {run.thread_id!r} has no turn to continue", remedy="send new input")
    if turn.status is not TurnStatus.ENDED:
        connection.execute(_turn(run).values(status=TurnStatus.RUNNING.value))
    return turn


def renew(connection: Connection, run: RunRef, lease_seconds: float) -> StopOrder | None:
    """Extend the lease; see `guardkit.core.ports.Runs.renew`."""
    _check_lease(lease_seconds)
    holding = lease.held(connection, run)
    connection.execute(_thread(run).values(lease_until=holding.now + lease_seconds))
    return _stop_on(connection, run, holding.agent)


def close_run(connection: Connection, run: RunRef, closing: Closing, events: Sequence[AuditEvent]) -> None:
    """Give the lease back; see `guardkit.core.ports.Runs.close_run`.

    Raises:
        InputError: it says that the turn ended, and `end_turn` was not called.
        StaleRunError: the run has lost its lease.
    """
    holding = lease.held(connection, run)
    status = TurnStatus.ENDED if holding.status is TurnStatus.ENDED else TurnStatus(closing.status)
    if status is TurnStatus.ENDED and holding.status is not TurnStatus.ENDED:
        raise InputError("a turn ends with an outcome", remedy="call end_turn first")
    connection.execute(
        _turn(run).values(
            status=status.value,
            active_seconds=turns.c.active_seconds + max(closing.active_seconds, 0.0),
            tool_calls=closing.tool_calls,
            steps=closing.steps,
            **_said(connection, run, marks=dump(closing.marks)),
        )
    )
    given_back: dict[str, Any] = {"lease_owner": None, "lease_run": None, "lease_until": None}
    given_back |= {"status": status.value, "active_at": holding.now}
    if status in (TurnStatus.DONE, TurnStatus.ENDED):
        given_back |= {"due_at": None, "due_why": None, "attempts": 0, "dead_letter": None}
    connection.execute(_thread(run).values(**given_back))
    if status is TurnStatus.PAUSED and _stop_on(connection, run, holding.agent) is not None:
        # The stop came while the turn was running, and the run has paused without seeing it.
        due.mark(connection, run.tenant, run.thread_id, "stopped", holding.now)
    audit.append(
        connection,
        run.tenant,
        [*events, *_withdrawn(connection, run, closing, status, holding.now)],
        holding.now,
    )


def _withdrawn(
    connection: Connection, run: RunRef, closing: Closing, status: TurnStatus, now: float
) -> list[AuditEvent]:
    if closing.waits_for is None:
        return []
    if status in (TurnStatus.DONE, TurnStatus.ENDED):
        return approvals.cancel_open(
            connection, run.tenant, run.thread_id, now, why="the turn is over", turn=run.turn
        )
    events = approvals.withdraw(connection, run, now, but=closing.waits_for)
    if (
        events
        and status is TurnStatus.PAUSED
        and not approval_rows.is_pending(connection, run.tenant, run.thread_id, run.turn)
    ):
        # What it does wait for may have been decided while these were still in the way.
        due.mark(connection, run.tenant, run.thread_id, "decided", now)
    return events


def flush(
    connection: Connection, run: RunRef, events: Sequence[AuditEvent], marks: Marks | None = None
) -> None:
    """Append to the audit chain under the lease; see `guardkit.core.ports.Runs.flush`."""
    holding = lease.held(connection, run)
    if marks is not None:
        connection.execute(_turn(run).values(**_said(connection, run, marks=dump(marks))))
    audit.append(connection, run.tenant, events, holding.now)


def end_turn(
    connection: Connection, run: RunRef, outcome: NoResult, events: Sequence[AuditEvent]
) -> NoResult:
    """End the turn; see `guardkit.core.ports.Runs.end_turn`. A second outcome changes nothing."""
    holding = lease.held(connection, run)
    if holding.status is TurnStatus.ENDED:
        before = turn_rows.find(connection, run.tenant, run.thread_id, run.turn)
        if before is not None and before.no_result is not None:
            return before.no_result
    said = _said(connection, run, no_result=dump(outcome))
    connection.execute(_turn(run).values(status=TurnStatus.ENDED.value, **said))
    connection.execute(_thread(run).values(status=TurnStatus.ENDED.value))
    own = approvals.cancel_open(
        connection, run.tenant, run.thread_id, holding.now, why="the turn has ended", turn=run.turn
    )
    audit.append(connection, run.tenant, [*events, *own], holding.now)
    return outcome


def _stop_on(connection: Connection, run: RunRef, agent: str) -> StopOrder | None:
    return stops.covering(
        connection, tenant=run.tenant, thread_id=run.thread_id, agent=agent, run_id=run.run_id
    )


def _said(connection: Connection, run: RunRef, **values: str) -> dict[str, Any]:
    of = {"tenant": run.tenant, "thread_id": run.thread_id, "number": run.turn}
    return sealed(connection, turns, values, of)


def _thread(run: RunRef) -> Any:
    return update(threads).where(threads.c.tenant == run.tenant, threads.c.thread_id == run.thread_id)


def _turn(run: RunRef) -> Any:
    return update(turns).where(
        turns.c.tenant == run.tenant, turns.c.thread_id == run.thread_id, turns.c.number == run.turn
    )
