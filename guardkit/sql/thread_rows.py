"""Finding threads by what their latest turn says.

Every statement begins at a query's tenant; there is none without one. Names that may be long or a person's are looked
for by their hash.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from guardkit.core.approvals import ApprovalState
from guardkit.core.digest import sha256
from guardkit.core.principals import Principal
from guardkit.core.runs import TurnStatus
from guardkit.core.threads import ThreadCount, ThreadPage, ThreadPlace, ThreadQuery, ThreadSummary, page_limit
from guardkit.sql.codec import load
from guardkit.sql.dialects import family
from guardkit.sql.secrecy import opened
from guardkit.sql.tables import approvals, threads, turns
from guardkit.sql.vault import Vault, vault_of

_EMBEDDED = "@embedded"
_LAST = "\U0010ffff"


def found_by(
    vault: Vault, agent: str, principal: Principal, status: TurnStatus, now: float
) -> dict[str, Any]:
    """What a thread's row says so that it is found."""
    return {
        "status": status.value,
        "active_at": now,
        "agent_hash": vault.hashed(_agent(agent)),
        "principal_hash": vault.hashed(principal_hash(principal.tenant, principal.id)),
    }


def page(connection: Connection, query: ThreadQuery, *, limit: int, cursor: str | None) -> ThreadPage:
    """Threads, last active first; see `guardkit.core.threads.Threads.find_threads`."""
    page_limit(limit)
    chosen = _chosen(connection, query)
    if cursor is not None:
        place = ThreadPlace.read(cursor, query)
        after = or_(threads.c.active_at < place.active_at, threads.c.thread_id < place.thread_id)
        chosen = chosen.where(threads.c.active_at <= place.active_at, after)
    few = chosen.order_by(threads.c.active_at.desc(), threads.c.thread_id.desc()).limit(limit + 1)
    found = _summaries(connection, few)
    shown = found[:limit]
    if len(found) == len(shown):
        return ThreadPage(threads=tuple(shown))
    last = ThreadPlace(active_at=shown[-1].active_at, thread_id=shown[-1].thread_id)
    return ThreadPage(threads=tuple(shown), next=last.cursor(query))


def counts(connection: Connection, query: ThreadQuery) -> list[ThreadCount]:
    """How many there are by agent and status; see `guardkit.core.threads.Threads.count_threads`."""
    few = _chosen(connection, query).subquery()
    grouped = select(few.c.agent, few.c.status, func.count()).group_by(few.c.agent, few.c.status)
    found: dict[tuple[str, str], int] = {}
    for agent, status, count in connection.execute(grouped):
        key = (agent.removesuffix(_EMBEDDED), status)
        found[key] = found.get(key, 0) + count
    return [
        ThreadCount(agent=agent, status=TurnStatus(status), threads=count)
        for (agent, status), count in sorted(found.items())
    ]


def find(connection: Connection, tenant: str, thread_id: str) -> ThreadSummary | None:
    """A tenant's thread; `None` where it has none of that id."""
    one = select(threads).where(threads.c.tenant == tenant, threads.c.thread_id == thread_id)
    found = _summaries(connection, one)
    return found[0] if found else None


def _chosen(connection: Connection, query: ThreadQuery) -> Select[Any]:
    chosen = select(threads).where(threads.c.tenant == query.tenant)
    vault = vault_of(connection)
    if query.status is not None:
        chosen = chosen.where(threads.c.status == query.status.value)
    if query.agent is not None:
        chosen = chosen.where(vault.is_hash(threads.c.agent_hash, _agent(query.agent)))
    if query.principal is not None:
        hashed = principal_hash(query.tenant, query.principal)
        chosen = chosen.where(vault.is_hash(threads.c.principal_hash, hashed))
    if query.since is not None:
        chosen = chosen.where(threads.c.active_at >= query.since)
    if query.until is not None:
        chosen = chosen.where(threads.c.active_at < query.until)
    if query.prefix is not None:
        chosen = chosen.where(begins_with(connection, threads.c.thread_id, query.prefix))
    if query.pending is not None:
        # What is pending is of the latest turn: a new one and the end of one withdraw it.
        waiting = threads.c.thread_id.in_(
            select(approvals.c.thread_id).where(
                approvals.c.tenant == query.tenant, approvals.c.state == ApprovalState.PENDING.value
            )
        )
        chosen = chosen.where(waiting if query.pending else ~waiting)
    return chosen


def begins_with(connection: Connection, name: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """Whether a name begins with a prefix, byte by byte."""
    if family(connection) != "sqlite":
        return name.startswith(prefix, autoescape=True)
    # SQLite's LIKE takes "A" for "a".
    end = _after(prefix)
    return name >= prefix if end is None else and_(name >= prefix, name < end)


def _after(prefix: str) -> str | None:
    """The least text that is greater than all that begin with a prefix."""
    kept = prefix.rstrip(_LAST)
    if not kept:
        return None
    code = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if code == 0xD800 else code)  # between these are no characters


def _summaries(connection: Connection, chosen: Select[Any]) -> Sequence[ThreadSummary]:
    few = chosen.subquery()
    pending = (
        select(func.count())
        .select_from(approvals)
        .where(
            approvals.c.tenant == few.c.tenant,
            approvals.c.thread_id == few.c.thread_id,
            approvals.c.turn == few.c.turn,
            approvals.c.state == ApprovalState.PENDING.value,
        )
        .scalar_subquery()
    )
    latest = and_(
        turns.c.tenant == few.c.tenant,
        turns.c.thread_id == few.c.thread_id,
        turns.c.number == few.c.turn,
    )
    rows = connection.execute(
        select(few, turns.c.number, turns.c.principal, pending.label("pending"))
        .join(turns, latest)
        .order_by(few.c.active_at.desc(), few.c.thread_id.desc())
    )
    return [
        ThreadSummary(
            tenant=row.tenant,
            thread_id=row.thread_id,
            agent=row.agent,
            turn=row.turn,
            status=TurnStatus(row.status),
            opened_at=row.opened_at,
            pending_approvals=row.pending,
            dead_letter=opened(connection, threads, row).dead_letter,
            principal=load(Principal, opened(connection, turns, row).principal),
            active_at=row.active_at,
        )
        for row in rows
    ]


def _agent(name: str) -> str:
    return sha256("guardkit.thread-agent.v1", name.removesuffix(_EMBEDDED))[:32]


def principal_hash(tenant: str, name: str) -> str:
    """The hash by which a person's threads are found."""
    return sha256("guardkit.thread-principal.v1", [tenant, name])[:32]
