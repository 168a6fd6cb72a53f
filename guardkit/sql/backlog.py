"""What waits in the database, for gauges: counts that read an index and stop at a limit."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from guardkit.core.approvals import ApprovalState
from guardkit.core.backlog import Backlog
from guardkit.core.effects import EffectState
from guardkit.sql import dialects
from guardkit.sql.due import waiting
from guardkit.sql.side_tables import reviews
from guardkit.sql.tables import approvals, effects, threads

LIMIT = 10_000
"""Rows that each count reads at most."""

_EMBEDDED = "@embedded"


def backlog(connection: Connection) -> list[Backlog]:
    """What waits, by agent. Counts stop at 10,000 rows each; an age is then that of the oldest row that was counted."""
    now = dialects.now(connection)
    found: dict[str, dict[str, Any]] = {}
    for agent, count, since in _counted(connection, _pending()):
        _add(found, agent, "pending", count, "pending_age", now - since)
    for agent, count, since in _counted(connection, _due(now)):
        # Nobody but its caller goes on with a graph inside an unguarded one.
        if not agent.endswith(_EMBEDDED):
            _add(found, agent, "due", count, "due_lag", now - since)
    for agent, count, _ in _counted(connection, _dead()):
        _add(found, agent, "dead_letters", count)
    for agent, count, _ in _counted(connection, _in_doubt(now)):
        _add(found, agent, "in_doubt", count)
    for agent, count, since in _counted(connection, _reviews()):
        _add(found, agent, "reviews", count, "reviews_age", max(now - since, 0.0))
    for agent, count, _ in _counted(connection, _reviews().where(reviews.c.due_at <= now)):
        _add(found, agent, "reviews_overdue", count)
    return [Backlog(agent=agent, **counts) for agent, counts in sorted(found.items())]


def _add(
    found: dict[str, dict[str, Any]], agent: str, name: str, count: int, age: str = "", seconds: float = 0.0
) -> None:
    counts = found.setdefault(agent.removesuffix(_EMBEDDED), {})
    counts[name] = counts.get(name, 0) + count
    if age:
        counts[age] = max(counts.get(age, 0.0), seconds)


def _counted(connection: Connection, chosen: Select[Any, Any]) -> Iterator[tuple[str, int, float]]:
    """Agent, count and earliest instant of the chosen rows."""
    few = chosen.limit(LIMIT).subquery()
    counted = select(few.c.agent, func.count(), func.min(few.c.since)).group_by(few.c.agent)
    for row in connection.execute(counted):
        yield row[0], row[1], row[2]


def _reviews() -> Select[Any, Any]:
    """Open reviews, since their glasses were broken: that settled the question."""
    same = and_(threads.c.tenant == reviews.c.tenant, threads.c.thread_id == reviews.c.thread_id)
    return (
        select(
            func.coalesce(threads.c.agent, "").label("agent"),
            func.coalesce(approvals.c.settled_at, reviews.c.due_at).label("since"),
        )
        .select_from(reviews)
        .outerjoin(threads, same)
        .outerjoin(approvals, approvals.c.id == reviews.c.approval_id)
        .where(reviews.c.closed_at.is_(None))
    )


def _pending() -> Select[Any, Any]:
    same = and_(threads.c.tenant == approvals.c.tenant, threads.c.thread_id == approvals.c.thread_id)
    return (
        select(threads.c.agent, approvals.c.requested_at.label("since"))
        .select_from(approvals)
        .join(threads, same)
        .where(approvals.c.state == ApprovalState.PENDING.value)
    )


def _due(now: float) -> Select[Any, Any]:
    since = func.coalesce(threads.c.due_at, threads.c.lease_until)
    return select(threads.c.agent, since.label("since")).where(waiting(now))


def _dead() -> Select[Any, Any]:
    # A dead letter keeps its place among the due ones, so that it is found by their index.
    return select(threads.c.agent, threads.c.due_at.label("since")).where(
        threads.c.due_at > 0.0, threads.c.dead_letter.is_not(None)
    )


def _in_doubt(now: float) -> Select[Any, Any]:
    same = and_(threads.c.tenant == effects.c.tenant, threads.c.thread_id == effects.c.thread_id)
    live = and_(
        threads.c.token == effects.c.token,
        threads.c.lease_run == effects.c.run_id,
        threads.c.lease_until > now,
    )
    lost = and_(effects.c.state == EffectState.CLAIMED.value, or_(live.is_(None), ~live))
    return (
        select(func.coalesce(threads.c.agent, "").label("agent"), effects.c.claimed_at.label("since"))
        .select_from(effects)
        .outerjoin(threads, same)
        .where(
            effects.c.state.in_([EffectState.IN_DOUBT.value, EffectState.CLAIMED.value]),
            or_(effects.c.state == EffectState.IN_DOUBT.value, lost),
        )
    )
