"""Who may write on a thread. Every function takes the thread's row lock, so what it finds holds until the commit."""

from dataclasses import dataclass

from sqlalchemy import Connection, Row, and_, bindparam, select

from guardkit.core.runs import RunRef, TurnStatus
from guardkit.errors import BusyError, StaleRunError
from guardkit.sql import dialects
from guardkit.sql.tables import threads, turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease that was found in force."""

    now: float
    """Seconds since the epoch by the database's clock, read after the thread was locked."""

    agent: str
    status: TurnStatus
    """Where the turn of the run stands."""


_HELD = (
    select(
        threads.c.token,
        threads.c.turn,
        threads.c.agent,
        threads.c.lease_run,
        threads.c.lease_until,
        turns.c.status,
    )
    .join(
        turns,
        and_(
            turns.c.tenant == threads.c.tenant,
            turns.c.thread_id == threads.c.thread_id,
            turns.c.number == threads.c.turn,
        ),
    )
    .where(threads.c.tenant == bindparam("of_tenant"), threads.c.thread_id == bindparam("of_thread"))
    .with_for_update(of=threads)
)
_LOCKED = (
    select(threads)
    .where(threads.c.tenant == bindparam("of_tenant"), threads.c.thread_id == bindparam("of_thread"))
    .with_for_update()
)
_HOLDER = _LOCKED.with_only_columns(threads.c.lease_owner, threads.c.lease_until)


def held(connection: Connection, run: RunRef) -> Held:
    """The lease of a run, if it is still in force.

    A lease that has run out is not in force, even while nobody has taken the thread: whoever saw it dead can rely on
    that.

    Raises:
        StaleRunError: another run has taken the thread, or the lease has run out.
    """
    row = connection.execute(_HELD, {"of_tenant": run.tenant, "of_thread": run.thread_id}).one_or_none()
    now = dialects.now(connection)
    if row is None or row.token != run.token or row.lease_run != run.run_id or row.turn != run.turn:
        raise StaleRunError(f"another run has taken thread {run.thread_id!r}; nothing was written")
    if row.lease_until <= now:
        raise StaleRunError(
            f"the lease on thread {run.thread_id!r} has run out; nothing was written",
            remedy="the turn is continued by a worker, or by the next call on the thread",
        )
    return Held(now=now, agent=row.agent, status=TurnStatus(row.status))


def locked(connection: Connection, tenant: str, thread_id: str) -> Row[tuple[object, ...]] | None:
    """A thread's row, locked; `None` when guardkit has never run on it."""
    return connection.execute(_LOCKED, {"of_tenant": tenant, "of_thread": thread_id}).one_or_none()


def require_free(connection: Connection, tenant: str, thread_id: str) -> None:
    """Let those write who hold no lease, where nobody holds one.

    Raises:
        BusyError: a run holds the thread.
    """
    row = connection.execute(_HOLDER, {"of_tenant": tenant, "of_thread": thread_id}).first()
    if row is not None and row.lease_until is not None and row.lease_until > dialects.now(connection):
        raise busy(thread_id, row.lease_owner, row.lease_until - dialects.now(connection))


def busy(thread_id: str, owner: str | None, seconds: float) -> BusyError:
    """The error that says who holds a thread."""
    return BusyError(
        f"thread {thread_id!r} is held by a run of {owner!r}",
        remedy=f"wait for it; should it have died, its lease runs out in {max(seconds, 0.0):.1f} s",
    )
