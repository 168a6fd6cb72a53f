"""The outbox: messages to people, written in the transaction that makes them due and sent by workers."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState
from guardkit.core.digest import sha256
from guardkit.core.planning import RINGING, held_until, planned, waiting_anew
from guardkit.core.runs import Delivery, Message
from guardkit.core.values import Json
from guardkit.errors import InputError
from guardkit.sql import approval_rows, dialects, names, news, reviews
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
            approval.request,
            version=approval.version,
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
            _insert(
                connection,
                after.request,
                kind="update",
                stage=stage,
                channel=channel,
                at=now,
                version=after.version,
            )
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
        _insert(
            connection,
            approval.request,
            kind="outcome",
            stage=stage,
            channel=channel,
            at=now,
            version=approval.version,
        )
    _void(connection, approval, "ask", "remind", "update")


def ask_again(connection: Connection, approval: Approval, stage: int, cause: str) -> bool:
    """Ask the people of a stage that waits once more; see `guardkit.core.notices.Notices.ask_again`."""
    stored = approval_rows.locked(connection, approval.request.id)
    if (
        stored is None
        or stored.version != approval.version
        or stored.request.tenant != approval.request.tenant
    ):
        return False
    if stored.state is not ApprovalState.PENDING or stage not in stored.waiting():
        return False
    now, request = dialects.now(connection), stored.request
    ids = {
        channel: sha256("guardkit.notice.v1", [request.id, stage, channel, cause])[:32]
        for channel in request.stages[stage].channels
    }
    there = select(deliveries.c.id).where(deliveries.c.id.in_(list(ids.values())))
    known = set(connection.execute(there).scalars())
    for channel, name in ids.items():
        if name not in known:
            _put(connection, request, name=name, kind="ask", stage=stage, channel=channel, at=now)
    return len(known) < len(ids)


def ask_reviewers(connection: Connection, approval: Approval, now: float) -> None:
    """Ask those who review a broken glass; `delivered` plans when they are reminded."""
    glass, stages = approval.request.break_glass, len(approval.request.stages)
    for channel in () if glass is None else glass.review_channels:
        _insert(connection, approval.request, kind="review", stage=stages, channel=channel, at=now)


def drop_review(connection: Connection, approval_id: str) -> None:
    """Remind nobody of a review any more: it is closed."""
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.approval_id == approval_id,
            deliveries.c.kind == "review",
            deliveries.c.state == _WAITING,
        )
        .values(state=_VOID)
    )


def _remind_reviewers(connection: Connection, delivery: Delivery, now: float) -> None:
    """Plan the next message about a review that is still open."""
    review = reviews.find(connection, delivery.tenant, delivery.approval_id)
    approval = approval_rows.find(connection, delivery.approval_id)
    if review is None or review.closed is not None or approval is None:
        return
    so_far = connection.execute(
        select(func.count())
        .select_from(deliveries)
        .where(
            deliveries.c.approval_id == delivery.approval_id,
            deliveries.c.kind == "review",
            deliveries.c.stage == delivery.stage,
            deliveries.c.channel == delivery.channel,
        )
    ).scalar_one()
    _insert(
        connection,
        approval.request,
        kind="review",
        stage=delivery.stage,
        channel=delivery.channel,
        at=now + review.glass.reminder,
        number=so_far,
    )


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
    request: ApprovalRequest,
    *,
    kind: str,
    stage: int,
    channel: str,
    at: float,
    version: int = 0,
    number: int = 0,
) -> None:
    name = _id(request.id, kind, stage, channel, version, number)
    _put(connection, request, name=name, kind=kind, stage=stage, channel=channel, at=at)


def _put(
    connection: Connection,
    request: ApprovalRequest,
    *,
    name: str,
    kind: str,
    stage: int,
    channel: str,
    at: float,
) -> None:
    connection.execute(
        insert(deliveries).values(
            id=name,
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
        _tried()
        .join(approvals, approvals.c.id == deliveries.c.approval_id)
        .where(approvals.c.tenant == tenant, approvals.c.thread_id == thread_id)
    ).all()
    return _messages(connection, rows, asked)


def about(connection: Connection, approval: Approval) -> list[Message]:
    """What was tried to be sent about one question; see `guardkit.core.ports.Queue.messages_about`."""
    request = approval.request
    rows = connection.execute(
        _tried().where(deliveries.c.approval_id == request.id, deliveries.c.tenant == request.tenant)
    ).all()
    return _messages(connection, rows, {request.id: approval})


def _tried() -> Select[Any]:
    return (
        select(deliveries)
        .where(deliveries.c.attempts > 0)
        .order_by(deliveries.c.delivered_at.is_(None), deliveries.c.delivered_at, deliveries.c.id)
    )


def _messages(
    connection: Connection, rows: Sequence[Row[Any]], asked: Mapping[str, Approval]
) -> list[Message]:
    return [
        Message(
            id=row.id,
            approval_id=row.approval_id,
            channel=row.channel,
            kind=row.kind,
            stage=row.stage,
            escalation=_escalation(row, asked[row.approval_id]),
            attempts=row.attempts,
            delivered_at=row.delivered_at,
            rendered=row.rendered,
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
        if delivery.kind == "review" and row.state == _WAITING:
            _remind_reviewers(connection, delivery, now)
    elif row.state == _WAITING:
        wait = min(_HANDED_OUT * 2 ** max(row.attempts - 1, 0), _LONGEST_WAIT)
        said = sealed(
            connection,
            deliveries,
            {"error": names.plain(error, 500)},
            {"id": delivery.id, "tenant": delivery.tenant},
        )
        connection.execute(change.values(next_at=now + wait, **said))
