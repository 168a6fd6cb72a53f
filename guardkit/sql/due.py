"""Which threads a worker has to look at.

A mark counts what made a thread due. Whoever settles, postpones or gives up a thread names the mark and the token that
it has seen; what came after stays due, so no wake-up is lost.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, select, update

from guardkit.core.audit import AuditEvent
from guardkit.core.runs import DueThread
from guardkit.errors import InputError
from guardkit.sql import audit, dialects, lease, names, news
from guardkit.sql.columns import Moment
from guardkit.sql.secrecy import sealed
from guardkit.sql.tables import threads

ABANDONED = "abandoned"
_FIRST_DUE = func.coalesce(threads.c.due_at, threads.c.lease_until)


def mark(connection: Connection, tenant: str, thread_id: str, why: str, now: float) -> None:
    """Make a thread due now."""
    connection.execute(
        update(threads)
        .where(threads.c.tenant == tenant, threads.c.thread_id == thread_id)
        .values(due_at=now, due_why=why, due_mark=threads.c.due_mark + 1, attempts=0)
    )
    news.tell(connection)


def waiting(now: float) -> ColumnElement[bool]:
    """Whether a worker has to look at a thread now."""
    free = or_(threads.c.lease_until.is_(None), threads.c.lease_until <= now)
    called = and_(threads.c.due_at <= now, free)
    # Most threads are not due: SQLite must not look for these by the index, but for leases that have run out.
    not_due = func.coalesce(threads.c.due_at, literal(0.0, Moment())) == literal(0.0, Moment())
    abandoned = and_(threads.c.lease_until <= now, not_due)
    return and_(threads.c.dead_letter.is_(None), or_(called, abandoned))


def due(connection: Connection, limit: int, agents: Sequence[str] | None = None) -> list[DueThread]:
    """Threads to look at, oldest first; see `guardkit.core.ports.Queue.due`."""
    chosen = select(threads).where(waiting(dialects.now(connection)))
    if agents is not None:
        chosen = chosen.where(threads.c.agent.in_(agents))
    rows = connection.execute(chosen.order_by(_FIRST_DUE, threads.c.tenant, threads.c.thread_id).limit(limit))
    return [
        DueThread(
            tenant=row.tenant,
            thread_id=row.thread_id,
            agent=row.agent,
            turn=row.turn,
            why=row.due_why or ABANDONED,
            attempts=row.attempts,
            seen=f"{row.due_mark}.{row.token}",
        )
        for row in rows
    ]


def _seen(thread: DueThread) -> tuple[ColumnElement[bool], int]:
    """Whether a thread is as it was handed out, and the token that it had then.

    Raises:
        InputError: `due` has not handed it out.
    """
    mark, _, token = thread.seen.partition(".")
    if not (mark.isdecimal() and token.isdecimal()):
        raise InputError(f"due.seen is {thread.seen!r}", remedy="pass a thread that due() has returned")
    same = and_(
        threads.c.tenant == thread.tenant,
        threads.c.thread_id == thread.thread_id,
        threads.c.due_mark == int(mark),
    )
    return same, int(token)


def postpone(connection: Connection, thread: DueThread, seconds: float) -> None:
    """Count an attempt and wait before the next; see `guardkit.core.ports.Queue.postpone`.

    Raises:
        InputError: `seconds` is not a time to wait.
    """
    if not 0 <= seconds < 1e9:
        raise InputError(f"seconds is {seconds!r}, not a time to wait")
    same, _ = _seen(thread)
    connection.execute(
        update(threads)
        .where(same)
        .values(
            attempts=threads.c.attempts + 1,
            due_at=dialects.now(connection) + seconds,
            due_why=func.coalesce(threads.c.due_why, thread.why[:32]),
        )
    )


def settled(connection: Connection, thread: DueThread) -> None:
    """The thread needs no worker now; see `guardkit.core.ports.Queue.settled`."""
    same, token = _seen(thread)
    connection.execute(update(threads).where(same).values(due_at=None, due_why=None, attempts=0))
    # The lease of a run that died keeps a thread due; whoever looked at it and found nothing to do clears it.
    connection.execute(
        update(threads)
        .where(same, threads.c.token == token, threads.c.lease_until <= dialects.now(connection))
        .values(lease_owner=None, lease_run=None, lease_until=None)
    )


def dead_letter(connection: Connection, thread: DueThread, why: str) -> None:
    """Give up on a thread; see `guardkit.core.ports.Queue.dead_letter`."""
    same, _ = _seen(thread)
    # One that was abandoned gets a time too: dead letters are counted by the index of due ones.
    connection.execute(
        update(threads)
        .where(same)
        .values(
            **sealed(
                connection,
                threads,
                {"dead_letter": names.plain(why) or "unknown"},
                {"tenant": thread.tenant, "thread_id": thread.thread_id},
            ),
            due_at=func.coalesce(threads.c.due_at, literal(dialects.now(connection), Moment())),
        )
    )


def redrive(connection: Connection, tenant: str, thread_id: str, *, by: str) -> bool:
    """Make a dead-lettered thread due again; see `guardkit.core.ports.Queue.redrive`."""
    row = lease.locked(connection, tenant, thread_id)
    if row is None or row.dead_letter is None:
        return False
    connection.execute(
        update(threads)
        .where(threads.c.tenant == tenant, threads.c.thread_id == thread_id)
        .values(dead_letter=None)
    )
    now = dialects.now(connection)
    mark(connection, tenant, thread_id, row.due_why or "redriven", now)
    event = AuditEvent(kind="turn.redriven", thread_id=thread_id, turn=row.turn, data={"by": names.plain(by)})
    audit.append(connection, tenant, [event], now)
    return True
