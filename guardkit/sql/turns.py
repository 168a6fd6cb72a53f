"""Turns as rows, and finding them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, func, select

from guardkit.core.approvals import ApprovalState
from guardkit.core.no_result import NoResult
from guardkit.core.principals import Principal
from guardkit.core.runs import Marks, ThreadRow, Turn, TurnStatus
from guardkit.errors import InputError
from guardkit.sql.codec import load
from guardkit.sql.secrecy import opened
from guardkit.sql.tables import approvals, threads, turns

_WITHOUT_INPUT = [column for column in turns.c if column.name != "input"]
_TURN: Select[Any] = select(*_WITHOUT_INPUT)


def read(connection: Connection, found: Row[Any]) -> Turn:
    """The turn in a row."""
    row = opened(connection, turns, found)
    return Turn(
        tenant=row.tenant,
        thread_id=row.thread_id,
        number=row.number,
        agent=row.agent,
        principal=load(Principal, row.principal),
        fingerprint=row.fingerprint,
        policy_version=row.policy_version,
        salt=row.salt,
        status=TurnStatus(row.status),
        no_result=None if row.no_result is None else load(NoResult, row.no_result),
        opened_at=row.opened_at,
        active_seconds=row.active_seconds,
        tool_calls=row.tool_calls,
        steps=row.steps,
        marks=load(Marks, row.marks),
    )


def find(connection: Connection, tenant: str, thread_id: str, number: int | None = None) -> Turn | None:
    """A turn, by default the thread's latest."""
    chosen = _TURN.where(turns.c.tenant == tenant, turns.c.thread_id == thread_id)
    chosen = (
        chosen.order_by(turns.c.number.desc()).limit(1)
        if number is None
        else chosen.where(turns.c.number == number)
    )
    row = connection.execute(chosen).one_or_none()
    return None if row is None else read(connection, row)


def input_of(connection: Connection, tenant: str, thread_id: str, number: int) -> bytes | None:
    """The input that a turn was opened with."""
    columns = (turns.c.tenant, turns.c.thread_id, turns.c.number, turns.c.input)
    row = connection.execute(
        select(*columns).where(
            turns.c.tenant == tenant, turns.c.thread_id == thread_id, turns.c.number == number
        )
    ).one_or_none()
    return None if row is None else opened(connection, turns, row).input


def listed(
    connection: Connection, tenant: str | None, *, status: str | None, limit: int
) -> Sequence[ThreadRow]:
    """Threads, most recently opened turn first.

    Raises:
        InputError: there is no such status.
    """
    if status is not None and status not in set(TurnStatus):
        raise InputError(f"status is {status!r}", remedy=f"one of {', '.join(TurnStatus)}")
    pending = (
        select(func.count())
        .select_from(approvals)
        .where(
            approvals.c.tenant == threads.c.tenant,
            approvals.c.thread_id == threads.c.thread_id,
            approvals.c.turn == threads.c.turn,
            approvals.c.state == ApprovalState.PENDING.value,
        )
        .scalar_subquery()
    )
    chosen = (
        select(threads, turns.c.status.label("turn_status"), pending.label("pending"))
        .join(
            turns,
            and_(
                turns.c.tenant == threads.c.tenant,
                turns.c.thread_id == threads.c.thread_id,
                turns.c.number == threads.c.turn,
            ),
        )
        .order_by(threads.c.opened_at.desc(), threads.c.tenant, threads.c.thread_id)
        .limit(limit)
    )
    if tenant is not None:
        chosen = chosen.where(threads.c.tenant == tenant)
    if status is not None:
        chosen = chosen.where(turns.c.status == status)
    return [
        ThreadRow(
            tenant=row.tenant,
            thread_id=row.thread_id,
            agent=row.agent,
            turn=row.turn,
            status=TurnStatus(row.turn_status),
            opened_at=row.opened_at,
            pending_approvals=row.pending,
            dead_letter=opened(connection, threads, row).dead_letter,
        )
        for row in connection.execute(chosen)
    ]
