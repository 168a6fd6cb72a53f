"""Approvals as rows, and finding them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, Select, and_, insert, or_, select, update

from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState
from guardkit.core.places import Place
from guardkit.errors import StorageError
from guardkit.sql import answers, dialects, listing_rows
from guardkit.sql.codec import damaged, dump, dump_json, load, load_json, unwrap, wrap
from guardkit.sql.secrecy import opened, sealed
from guardkit.sql.tables import approvals

_ALL: Select[Any] = select(approvals)


def write_new(connection: Connection, approval: Approval) -> None:
    """Insert an approval."""
    request = approval.request
    row: dict[str, Any] = {
        "id": request.id,
        "tenant": request.tenant,
        "thread_id": request.thread_id,
        "turn": request.turn,
        "request": dump(request),
        "requested_at": request.requested_at,
        "expires_at": request.expires_at,
        "on_expiry": request.on_expiry,
        **_changing(approval),
    }
    connection.execute(insert(approvals).values(**sealed(connection, approvals, row)))
    listing_rows.write(connection, approval)


def write_changed(connection: Connection, before: Approval, after: Approval) -> None:
    """Store what has changed of an approval, and nothing else: an agent's role may close one and not write decisions."""
    was, changing = _changing(before), _changing(after)
    changed = {name: value for name, value in changing.items() if value != was[name]}
    of = {"id": after.request.id, "tenant": after.request.tenant}
    written = sealed(connection, approvals, changed, of)
    connection.execute(update(approvals).where(approvals.c.id == after.request.id).values(**written))
    listing_rows.rewrite(connection, after)
    answers.write(connection, before, after)


def _changing(approval: Approval) -> dict[str, Any]:
    decisions = [decision.model_dump(mode="json") for decision in approval.decisions]
    return {
        "state": approval.state.value,
        "version": approval.version,
        "args": dump_json(approval.args, path="args"),
        "digest": approval.digest,
        "decisions": wrap([*decisions], path="decisions"),
        "settled_at": approval.settled_at,
    }


def read(connection: Connection, found: Row[Any]) -> Approval:
    """The approval in a row.

    Raises:
        StorageError: the row was damaged, or written by a newer guardkit.
    """
    row = opened(connection, approvals, found)
    try:
        return Approval.model_validate(
            {
                "request": load(ApprovalRequest, row.request),
                "state": row.state,
                "args": load_json(row.args),
                "digest": row.digest,
                "decisions": unwrap(row.decisions, what="list of decisions"),
                "version": row.version,
                "settled_at": row.settled_at,
            }
        )
    except ValidationError as error:
        raise damaged("approval", error) from None


def locked(connection: Connection, approval_id: str) -> Approval | None:
    """An approval by id, its row locked."""
    row = connection.execute(_ALL.where(approvals.c.id == approval_id).with_for_update()).one_or_none()
    return None if row is None else read(connection, row)


def find(connection: Connection, approval_id: str) -> Approval | None:
    """An approval by id alone."""
    row = connection.execute(_ALL.where(approvals.c.id == approval_id)).one_or_none()
    return None if row is None else read(connection, row)


def readable(connection: Connection, ids: Sequence[str]) -> dict[str, Approval]:
    """The approvals with these ids, of whichever tenants, without those whose rows were damaged."""
    whole: dict[str, Approval] = {}
    for row in connection.execute(_ALL.where(approvals.c.id.in_(list(ids)))) if ids else ():
        with suppress(StorageError):
            whole[row.id] = read(connection, row)
    return whole


def of_tenant(connection: Connection, tenant: str, ids: Sequence[str]) -> list[Approval]:
    """The tenant's approvals with these ids."""
    if not ids:
        return []
    chosen = _ALL.where(approvals.c.tenant == tenant, approvals.c.id.in_(list(ids)))
    return [read(connection, row) for row in connection.execute(chosen)]


def listed(
    connection: Connection,
    *,
    tenant: str | None,
    thread_id: str | None,
    states: Sequence[ApprovalState] | None,
    limit: int,
    after: Place | None,
) -> list[Approval]:
    """Approvals, newest first, those of one instant by id."""
    chosen = _ALL.order_by(approvals.c.requested_at.desc(), approvals.c.id).limit(limit)
    if tenant is not None:
        chosen = chosen.where(approvals.c.tenant == tenant)
    if thread_id is not None:
        chosen = chosen.where(approvals.c.thread_id == thread_id)
    if states is not None:
        chosen = chosen.where(approvals.c.state.in_([ApprovalState(state).value for state in states]))
    if after is not None:
        at = approvals.c.requested_at
        later = and_(at == after.requested_at, approvals.c.id > after.id)
        chosen = chosen.where(or_(at < after.requested_at, later))
    return [read(connection, row) for row in connection.execute(chosen)]


def expirable(connection: Connection, limit: int) -> list[Approval]:
    """Pending approvals whose time is over, longest first."""
    chosen = (
        _ALL.where(
            approvals.c.state == ApprovalState.PENDING.value,
            approvals.c.expires_at <= dialects.now(connection),
            approvals.c.on_expiry != "keep",
        )
        .order_by(approvals.c.expires_at, approvals.c.id)
        .limit(limit)
    )
    return [read(connection, row) for row in connection.execute(chosen)]


def of_thread(
    connection: Connection, tenant: str, thread_id: str, *, turn: int | None, states: Sequence[ApprovalState]
) -> list[Approval]:
    """A thread's approvals in these states, locked; of every turn when `turn` is `None`."""
    chosen = _ALL.where(
        approvals.c.tenant == tenant,
        approvals.c.thread_id == thread_id,
        approvals.c.state.in_([state.value for state in states]),
    ).order_by(approvals.c.id)
    if turn is not None:
        chosen = chosen.where(approvals.c.turn == turn)
    return [read(connection, row) for row in connection.execute(chosen.with_for_update())]


def is_pending(connection: Connection, tenant: str, thread_id: str, turn: int) -> bool:
    """Whether people still have to say something in a turn."""
    chosen = select(approvals.c.id).where(
        approvals.c.tenant == tenant,
        approvals.c.thread_id == thread_id,
        approvals.c.turn == turn,
        approvals.c.state == ApprovalState.PENDING.value,
    )
    return connection.execute(chosen.limit(1)).first() is not None
