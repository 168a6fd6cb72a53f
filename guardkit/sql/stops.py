"""Operators' stops.

A claim holds the gate's row shared while it looks for stops and until it commits; setting a stop takes it alone. So
once `set_stop` has returned, no claim that did not see the stop can still come through. SQLite has one writer, which
says the same.
"""

import math

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, update

from guardkit.core.audit import AuditEvent
from guardkit.core.runs import StopOrder, TurnStatus
from guardkit.errors import InputError
from guardkit.sql import audit, dialects, names, news
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.secrecy import opened, sealed
from guardkit.sql.tables import stop_gate, stops, threads, turns

_IN_FORCE = select(stops).where(stops.c.lifted_at.is_(None)).order_by(stops.c.set_at, stops.c.id)


def set_stop(connection: Connection, order: StopOrder) -> StopOrder:
    """Put a stop in force; see `guardkit.core.ports.Stops.set_stop`.

    Raises:
        InputError: its scope and target do not go together, or its id is taken.
    """
    _check(order)
    _gate(connection, alone=True)
    earlier = connection.execute(select(stops).where(stops.c.id == order.id)).one_or_none()
    if earlier is not None:
        before = _order(connection, earlier)
        if earlier.lifted_at is not None or before != order.model_copy(update={"at": before.at}):
            raise InputError(f"stop {order.id!r} exists already", remedy="give a new stop a new id")
        return before
    now = dialects.now(connection)
    placed = order.model_copy(update={"at": now, "why": names.plain(order.why)})
    row = {
        "id": placed.id,
        "scope": placed.scope,
        "tenant": placed.tenant,
        "target": placed.target,
        "set_by": placed.by,
        "why": placed.why,
        "set_at": now,
    }
    dialects.insert_new(connection, stops, sealed(connection, stops, row))
    _wake(connection, placed, now)
    audit.append(
        connection, placed.tenant or names.EVERYBODY, [_event("stop.set", placed, by=placed.by)], now
    )
    return placed


def lift_stop(connection: Connection, stop_id: str, *, by: str, why: str) -> bool:
    """Lift a stop; see `guardkit.core.ports.Stops.lift_stop`."""
    row = connection.execute(select(stops).where(stops.c.id == stop_id).with_for_update()).one_or_none()
    if row is None or row.lifted_at is not None:
        return False
    now = dialects.now(connection)
    lifted = {"lifted_at": now, "lifted_by": names.plain(by), "lifted_why": names.plain(why)}
    connection.execute(
        update(stops).where(stops.c.id == stop_id).values(**sealed(connection, stops, lifted, row))
    )
    order = _order(connection, row)
    audit.append(connection, order.tenant or names.EVERYBODY, [_event("stop.lifted", order, by=by)], now)
    return True


def in_force(connection: Connection) -> list[StopOrder]:
    """Stops in force, oldest first."""
    return [_order(connection, row) for row in connection.execute(_IN_FORCE)]


def covering(
    connection: Connection, *, tenant: str, thread_id: str, agent: str, run_id: str
) -> StopOrder | None:
    """The oldest stop in force that covers a run."""
    rows = connection.execute(_IN_FORCE.where(or_(stops.c.tenant == tenant, stops.c.tenant.is_(None))))
    for order in (_order(connection, row) for row in rows):
        if order.covers(tenant=tenant, thread_id=thread_id, agent=agent, run_id=run_id):
            return order
    return None


def share_gate(connection: Connection) -> None:
    """Keep stops from being set until this transaction ends."""
    _gate(connection, alone=False)


def _gate(connection: Connection, *, alone: bool) -> None:
    if dialects.family(connection) != "sqlite":
        connection.execute(select(stop_gate.c.id).with_for_update(read=not alone))


def _check(order: StopOrder) -> None:
    names.checked("stop.id", order.id, NAME_LENGTH)
    names.checked("stop.by", order.by, NAME_LENGTH)
    if order.scope == "everything":
        if order.tenant is not None:
            raise InputError(f"a stop of everything names no tenant, this one names {order.tenant!r}")
    elif order.tenant is None:
        raise InputError(f"a stop of scope {order.scope!r} names its tenant")
    else:
        names.tenant(order.tenant)
    if order.scope in ("tenant", "everything"):
        if order.target is not None:
            raise InputError(f"a stop of scope {order.scope!r} has no target, this one has {order.target!r}")
    else:
        names.checked("stop.target", order.target or "", NAME_LENGTH)


def _wake(connection: Connection, order: StopOrder, now: float) -> None:
    """Make the paused threads that a stop covers due. A run's own stop covers no thread that is paused."""
    if order.scope == "run":
        return
    covered: list[ColumnElement[bool]] = []
    if order.tenant is not None:
        covered.append(threads.c.tenant == order.tenant)
    if order.scope == "thread":
        covered.append(threads.c.thread_id == order.target)
    if order.scope == "agent":
        covered.append(threads.c.agent == order.target)
    paused = select(turns.c.number).where(
        and_(
            turns.c.tenant == threads.c.tenant,
            turns.c.thread_id == threads.c.thread_id,
            turns.c.number == threads.c.turn,
            turns.c.status == TurnStatus.PAUSED.value,
        )
    )
    connection.execute(
        update(threads)
        .where(*covered, paused.exists())
        .values(due_at=now, due_why="stopped", due_mark=threads.c.due_mark + 1, attempts=0)
    )
    news.tell(connection)


def _event(kind: str, order: StopOrder, *, by: str) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        thread_id=order.target if order.scope == "thread" else None,
        data={"stop": order.id, "scope": order.scope, "target": order.target, "by": by},
    )


def _order(connection: Connection, found: Row[tuple[object, ...]]) -> StopOrder:
    row = opened(connection, stops, found)
    return StopOrder(
        id=row.id,
        scope=row.scope,
        tenant=row.tenant,
        target=row.target,
        by=row.set_by,
        why=row.why,
        at=row.set_at,
    )


def times(connection: Connection, *, tenant: str, agent: str, since: float) -> list[tuple[float, float]]:
    """From when to when an agent was stopped, later than `since`. A stop in force lasts for ever."""
    rows = connection.execute(
        select(stops).where(
            or_(stops.c.tenant == tenant, stops.c.tenant.is_(None)),
            or_(stops.c.lifted_at.is_(None), stops.c.lifted_at > since),
        )
    )
    return [
        (row.set_at, math.inf if row.lifted_at is None else row.lifted_at)
        for row in rows
        if _order(connection, row).covers(tenant=tenant, thread_id="", agent=agent)
    ]
