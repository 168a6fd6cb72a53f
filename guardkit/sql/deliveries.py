"""The outbox: messages to people, written in the transaction that makes them due and sent by workers."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from guardkit.core.approvals import Approval
from guardkit.core.digest import sha256
from guardkit.core.planning import RINGING, held_until, planned, waiting_anew
from guardkit.core.runs import Delivery, Message
from guardkit.core.values import Json
from guardkit.errors import InputError
from guardkit.sql import approval_rows, dialects, names, news
from guardkit.sql.secrecy import opened, sealed
from guardkit.sql.tables import approvals, deliveries

_HANDED_OUT = 60.0
"""Seconds after which a message that was handed out and not reported is handed out again."""

_LONGEST_WAIT = 3600.0
"""Seconds between two attempts at most."""

_WAITING, _SENT, _VOID = "waiting", "sent", "void"


def ask(connection: Connection, approval: Approval, now: float) -> None:
    """Ask the people of the stages that wait, and plan when they are reminded and who is asked later."""
    for place in approval.waiting():
        _ask(connection, approval, place, now)


def _ask(connection: Connection, approval: Approval, place: int, now: float) -> None:
    """Ask the people of one stage. What was not yet sent to them would show the same, so it is dropped."""
    _drop_planned(connection, approval, place)
    for one in planned(approval, place, now):
        _insert(
            connection,
            approval,
            kind=one.kind,
            stage=place,
            channel=one.channel,
            at=one.at,
            number=one.number,
        )


def bring_up_to_date(connection: Connection, before: Approval, after: Approval, now: float) -> None:
    """After a decision that leaves it open: ask who has to answer now, and let every other message show how it stands."""
    was, asked_again = before.waiting(), waiting_anew(before, after)
    _void(connection, after, "update")
    for place in was:
        if place not in after.waiting():
            _drop_planned(connection, after, place)
    for stage, channel in _asked(connection, after):
        if stage not in asked_again:
            _insert(connection, after, kind="update", stage=stage, channel=channel, at=now)
    for place in asked_again:
        _ask(connection, after, place, now)


def _drop_planned(connection: Connection, approval: Approval, stage: int) -> None:
    """Drop what nobody has tried to send yet to the people of a stage."""
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.approval_id == approval.request.id,
            deliveries.c.kind.in_(("ask", "remind")),
            deliveries.c.stage == stage,
            deliveries.c.state == _WAITING,
            deliveries.c.attempts == 0,
        )
        .values(state=_VOID)
    )


def tell_outcome(connection: Connection, approval: Approval, now: float) -> None:
    """Tell everybody who may have been asked how it ended. Nobody is asked any more."""
    for stage, channel in _asked(connection, approval):
        _insert(connection, approval, kind="outcome", stage=stage, channel=channel, at=now)
    _void(connection, approval, "ask", "remind", "update")


def _asked(connection: Connection, approval: Approval) -> list[tuple[int, str]]:
    """The stages and channels whose people may have been asked."""
    rows = connection.execute(
        select(deliveries.c.stage, deliveries.c.channel)
        .where(
            deliveries.c.approval_id == approval.request.id,
            deliveries.c.kind == "ask",
            deliveries.c.attempts > 0,
        )
        .distinct()
    ).all()
    return sorted((row.stage, row.channel) for row in rows)


def _void(connection: Connection, approval: Approval, *kinds: str) -> None:
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.approval_id == approval.request.id,
            deliveries.c.kind.in_(kinds),
            deliveries.c.state == _WAITING,
        )
        .values(state=_VOID)
    )


def _insert(
    connection: Connection,
    approval: Approval,
    *,
    kind: str,
    stage: int,
    channel: str,
    at: float,
    number: int = 0,
) -> None:
    request = approval.request
    connection.execute(
        insert(deliveries).values(
            id=_id(request.id, kind, stage, channel, approval.version, number),
            approval_id=request.id,
            tenant=request.tenant,
            channel=channel,
            kind=kind,
            stage=stage,
            state=_WAITING,
            attempts=0,
            next_at=at,
        )
    )
    news.tell(connection)


def _id(approval_id: str, kind: str, stage: int, channel: str, version: int, number: int) -> str:
    name: list[Json] = [approval_id, kind, stage, channel, version, number]
    return sha256("guardkit.delivery.v1", name)[:32]


def of_thread(connection: Connection, tenant: str, thread_id: str) -> list[Message]:
    """What was tried to be sent about a thread's questions; see `guardkit.core.ports.Queue.messages`."""
    listed = approval_rows.listed(
        connection, tenant=tenant, thread_id=thread_id, states=None, limit=100_000, after=None
    )
    asked = {one.request.id: one for one in listed}
    rows = connection.execute(
        select(deliveries)
        .join(approvals, approvals.c.id == deliveries.c.approval_id)
        .where(approvals.c.tenant == tenant, approvals.c.thread_id == thread_id, deliveries.c.attempts > 0)
        .order_by(deliveries.c.delivered_at.is_(None), deliveries.c.delivered_at, deliveries.c.id)
    )
    return [
        Message(
            approval_id=row.approval_id,
            channel=row.channel,
            kind=row.kind,
            stage=row.stage,
            escalation=_escalation(row, asked[row.approval_id]),
            attempts=row.attempts,
            delivered_at=row.delivered_at,
            error=opened(connection, deliveries, row).error,
        )
        for row in rows
    ]


def _escalation(row: Row[Any], approval: Approval) -> int:
    """Which escalation a message carries out: its id says so."""
    if row.kind != "ask":
        return 0
    stage: int = row.stage
    for number in range(1, len(approval.request.stages[stage].escalations) + 1):
        for version in range(approval.version + 1):
            if row.id == _id(row.approval_id, row.kind, row.stage, row.channel, version, number):
                return number
    return 0


def take(connection: Connection, limit: int) -> list[Delivery]:
    """Take messages that have to go out; see `guardkit.core.ports.Queue.deliveries`.

    What fell due before quiet hours and would go out in them, because it failed or nobody was there to send it, waits.
    """
    now = dialects.now(connection)
    found = connection.execute(
        select(deliveries)
        .where(deliveries.c.state == _WAITING, deliveries.c.next_at <= now)
        .order_by(deliveries.c.next_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    quiet = _quiet(connection, found, now)
    for until in sorted(set(quiet.values())):
        held = [name for name, at in quiet.items() if at == until]
        connection.execute(update(deliveries).where(deliveries.c.id.in_(held)).values(next_at=until))
    rows = [row for row in found if row.id not in quiet]
    if not rows:
        return []
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_([row.id for row in rows]))
        .values(attempts=deliveries.c.attempts + 1, next_at=now + _HANDED_OUT)
    )
    return [
        Delivery(
            id=row.id,
            approval_id=row.approval_id,
            tenant=row.tenant,
            channel=row.channel,
            kind=row.kind,
            stage=row.stage,
            attempts=row.attempts + 1,
        )
        for row in rows
    ]


def _quiet(connection: Connection, rows: Sequence[Row[Any]], now: float) -> dict[str, float]:
    """Messages that would go out in quiet hours, and when these end."""
    asked = approval_rows.readable(
        connection, sorted({row.approval_id for row in rows if row.kind in RINGING})
    )
    ends = {
        row.id: held_until(asked[row.approval_id], row.stage, row.kind, now)
        for row in rows
        if row.approval_id in asked
    }
    return {name: until for name, until in ends.items() if until is not None}


def delivered(connection: Connection, delivery: Delivery, *, error: str | None, rendered: str | None) -> None:
    """Note what became of a message; see `guardkit.core.ports.Queue.delivered`.

    Raises:
        InputError: there is no such delivery, or `rendered` is no hash.
    """
    if rendered is not None and len(rendered) > 64:
        raise InputError(f"rendered has {len(rendered)} characters", remedy="give the SHA-256 in hexadecimal")
    row = connection.execute(
        select(deliveries.c.state, deliveries.c.attempts)
        .where(deliveries.c.id == delivery.id, deliveries.c.tenant == delivery.tenant)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise InputError(f"there is no delivery {delivery.id!r} of tenant {delivery.tenant!r}")
    now = dialects.now(connection)
    change = update(deliveries).where(deliveries.c.id == delivery.id)
    if error is None:
        state = _SENT if row.state == _WAITING else row.state
        connection.execute(change.values(state=state, delivered_at=now, rendered=rendered, error=None))
    elif row.state == _WAITING:
        wait = min(_HANDED_OUT * 2 ** max(row.attempts - 1, 0), _LONGEST_WAIT)
        said = sealed(
            connection,
            deliveries,
            {"error": names.plain(error, 500)},
            {"id": delivery.id, "tenant": delivery.tenant},
        )
        connection.execute(change.values(next_at=now + wait, **said))
