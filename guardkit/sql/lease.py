"""Who may write on a thread. Every function takes the thread's row lock, so what it finds holds until the commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Float,
    Row,
    and_,
    bindparam,
    literal_column,
    select,
    type_coerce,
)

from guardkit.core.runs import RunRef, TurnStatus
from guardkit.errors import BusyError, StaleRunError
from guardkit.sql import dialects
from guardkit.sql.columns import MICROSECONDS
from guardkit.sql.hot import Hot, is_hot
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
        threads.c.lease_run,
        threads.c.turn,
        threads.c.agent,
        turns.c.status,
        threads.c.lease_until,
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
_LEASED = Hot(_LOCKED.with_only_columns(type_coerce(threads.c.lease_until, BigInteger)))
_HELD_NOW = Hot(
    _HELD.with_only_columns(
        threads.c.token,
        threads.c.lease_run,
        threads.c.turn,
        threads.c.agent,
        turns.c.status,
        type_coerce(threads.c.lease_until, BigInteger),
        literal_column(dialects.SQLITE_CLOCK, Float),
    )
)
"""With the clock, which on SQLite may be read with the row: whoever writes has locked the whole file."""


_NOBODY = (None,) * 7


def held(connection: Connection, run: RunRef) -> Held:
    """The lease of a run, if it is still in force.

    A lease that has run out is not in force, even while nobody has taken the thread: whoever saw it dead can rely on
    that.

    Raises:
        StaleRunError: another run has taken the thread, or the lease has run out.
    """
    token, lease_run, turn, agent, status, until, now = _found(connection, run)
    if until is None or (token, lease_run, turn) != (run.token, run.run_id, run.turn):
        raise StaleRunError(f"another run has taken thread {run.thread_id!r}; nothing was written")
    if until <= now:
        raise StaleRunError(
            f"the lease on thread {run.thread_id!r} has run out; nothing was written",
            remedy="the turn is continued by a worker, or by the next call on the thread",
        )
    return Held(now=now, agent=agent, status=TurnStatus(status))


def _found(connection: Connection, run: RunRef) -> Sequence[Any]:
    """Of the thread of a run: token, run, turn, agent, the turn's status, until when it is leased, and what time it is."""
    names = {"of_tenant": run.tenant, "of_thread": run.thread_id}
    if not is_hot(connection):
        row = connection.execute(_HELD, names).one_or_none()
        # Read after the thread is locked.
        now = dialects.now(connection)
        return _NOBODY if row is None else (*row, now)
    found = _HELD_NOW.first(connection, names)
    if found is None:
        return _NOBODY
    *known, until, now = found
    return *known, None if until is None else until / MICROSECONDS, dialects.rounded("sqlite", now)


def locked(connection: Connection, tenant: str, thread_id: str) -> Row[tuple[object, ...]] | None:
    """A thread's row, locked; `None` when guardkit has never run on it."""
    return connection.execute(_LOCKED, {"of_tenant": tenant, "of_thread": thread_id}).one_or_none()


def require_free(connection: Connection, tenant: str, thread_id: str) -> None:
    """Let those write who hold no lease, where nobody holds one.

    Raises:
        BusyError: a run holds the thread.
    """
    leased = _LEASED.first(connection, {"of_tenant": tenant, "of_thread": thread_id})
    if leased is None or leased[0] is None:
        return
    row = locked(connection, tenant, thread_id)
    if row is not None and row.lease_until is not None and row.lease_until > dialects.now(connection):
        raise busy(thread_id, row.lease_owner, row.lease_until - dialects.now(connection))


def busy(thread_id: str, owner: str | None, seconds: float) -> BusyError:
    """The error that says who holds a thread."""
    return BusyError(
        f"thread {thread_id!r} is held by a run of {owner!r}",
        remedy=f"wait for it; should it have died, its lease runs out in {max(seconds, 0.0):.1f} s",
    )
