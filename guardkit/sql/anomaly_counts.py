"""Counting what the audit chain tells of each agent, in windows.

A run pays nothing for it: the chain is read on by whoever looks, from where the last look ended, and the cursor moves in
the transaction that counts, so that every entry counts once. Turns are the exception: those that go well leave no entry,
so they are counted from their rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Connection, and_, delete, func, select, tuple_, type_coerce

from guardkit.core.anomalies import CHECK, Watch
from guardkit.core.digest import sha256
from guardkit.core.no_result import NoResultReason
from guardkit.core.values import Json, JsonObject
from guardkit.errors import StorageError
from guardkit.sql import dialects
from guardkit.sql.codec import load_json
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.secrecy import opened
from guardkit.sql.side_tables import watch_counts, watch_cursors
from guardkit.sql.tables import audit, threads, turns

BATCH = 1000
"""Audit entries that one transaction reads."""

LATE = 60.0
"""Seconds that a turn's row may be committed after its time."""

COUNTED = ("proposed", "blocked", "failed", "answered", "rejected", "turns", "no_results")
NO_TOOL = ""

Cell: TypeAlias = tuple[int, str, float, str]
"""Length of the window, agent, begin of the window, tool."""


@dataclass(slots=True)
class Round:
    """What one transaction has counted."""

    now: float
    looked_at: float | None
    """When somebody looked before; `None` at the very first look."""

    more: bool = False
    """Whether the chain goes on."""

    touched: set[tuple[int, str, float]] = field(default_factory=set[tuple[int, str, float]])
    """Windows in which something was counted: length, agent, begin."""

    def is_news(self, seconds: int, start: float) -> bool:
        """Whether a window may hold what nobody has looked at. At the very first look, all before it is past."""
        before = self.now - seconds if self.looked_at is None else min(self.now - seconds, self.looked_at)
        return start >= began(before, seconds)


@dataclass(frozen=True, slots=True)
class _Told:
    """One thing to count."""

    at: float
    thread: tuple[str, int]
    column: str
    tool: str = NO_TOOL


def fitting(name: str) -> str:
    """A name as a key: itself where every database tells it apart, otherwise cut, with a hash."""
    whole = (
        name == name.strip() and "\x00" not in name and not any("\ud800" <= char <= "\udfff" for char in name)
    )
    if whole and 0 < len(name) <= NAME_LENGTH:
        return name
    kept = "".join(char for char in name.strip() if char.isprintable() and not "\ud800" <= char <= "\udfff")
    return f"{kept[:200]}~{sha256('guardkit.name.v1', [name.encode('utf-8', 'surrogatepass').hex()])[:16]}"


def began(at: float, seconds: int) -> float:
    """When the window began that an instant is in."""
    return float(at // seconds * seconds)


def waiting(connection: Connection, heads: Mapping[str, int]) -> dict[str, bool]:
    """The tenants whose chain is longer than what was read of it, and whether anything was."""
    rows = connection.execute(select(watch_cursors.c.tenant, watch_cursors.c.seq))
    read = {row.tenant: row.seq for row in rows}
    return {tenant: tenant in read for tenant, seq in sorted(heads.items()) if seq > read.get(tenant, 0)}


def begin(connection: Connection, tenant: str) -> None:
    """Begin with a tenant's chain, in a transaction of its own.

    Several that insert the same row and then lock it would wait for one another on MariaDB.
    """
    dialects.insert_new(connection, watch_cursors, {"tenant": tenant, "seq": 0})


def count(connection: Connection, tenant: str, watch: Watch) -> Round:
    """Read a tenant's chain on, and count. Others who would do the same wait until the transaction ends."""
    where = watch_cursors.c.tenant == tenant
    cursor = connection.execute(select(watch_cursors).where(where).with_for_update()).one()
    entries = connection.execute(
        select(
            audit.c.tenant,
            audit.c.seq,
            audit.c.at,
            audit.c.kind,
            audit.c.thread_id,
            audit.c.turn,
            audit.c.data,
        )
        .where(audit.c.tenant == tenant, audit.c.seq > cursor.seq)
        .order_by(audit.c.seq)
        .limit(BATCH)
    ).all()
    done = Round(now=dialects.now(connection), looked_at=cursor.looked_at, more=len(entries) == BATCH)
    told = _told([opened(connection, audit, row) for row in entries])
    agents = _agents(connection, tenant, {one.thread for one in told})
    for seconds in watch.windows:
        first = began(done.now - seconds * watch.history, seconds)
        more = _summed(told, agents, seconds, first)
        since = first if cursor.looked_at is None else max(first, began(cursor.looked_at - LATE, seconds))
        _keep(connection, tenant, seconds, more, _turns(connection, tenant, seconds, since))
        done.touched.update(cell[:3] for cell in more)
        for agent in {cell[1] for cell in more}:
            connection.execute(
                delete(watch_counts).where(
                    watch_counts.c.tenant == tenant,
                    watch_counts.c.seconds == seconds,
                    watch_counts.c.agent == agent,
                    watch_counts.c.began_at < first,
                )
            )
    seq = entries[-1].seq if entries else cursor.seq
    dialects.upsert_all(connection, watch_cursors, [{"tenant": tenant, "seq": seq, "looked_at": done.now}])
    return done


def _told(entries: Sequence[Any]) -> list[_Told]:
    found: list[_Told] = []
    own: set[tuple[str, int]] = set()
    """Turns that the watch itself, or an operator, has ended."""
    for row in entries:
        if row.thread_id is None or row.turn is None:
            continue
        try:
            data = load_json(row.data)
        except (StorageError, TypeError):
            continue  # somebody has changed it; `guardkit audit verify` is who finds that
        if not isinstance(data, dict):
            continue
        thread = (row.thread_id, row.turn)
        if row.kind == "action.decided" and _own(data):
            own.add(thread)
        elif row.kind != "turn.ended" or thread not in own:
            tool = data.get("tool")
            name = fitting(tool) if isinstance(tool, str) and tool else NO_TOOL
            found += [
                _Told(row.at, thread, column, NO_TOOL if column == "no_results" else name)
                for column in _columns(row.kind, data)
            ]
    return found


def _own(data: JsonObject) -> bool:
    """Whether a refusal may be the watch's own doing, or is an operator's stop. These tell nothing of the agent."""
    checks, rules = data.get("checks"), data.get("rules")
    spoke = isinstance(checks, list) and any(_spoke(one) for one in checks)
    stopped = isinstance(rules, list) and "guardkit.stop" in rules
    return data.get("decision") in ("reject", "stop") and (spoke or stopped)


def _spoke(said: Json) -> bool:
    """Whether a check's entry is one of the watch's own check, with something to say."""
    return (
        isinstance(said, dict)
        and said.get("check") == CHECK
        and (said.get("verdict") != "pass" or "remark" in said)
    )


def _columns(kind: str, data: JsonObject) -> tuple[str, ...]:
    match kind:
        case "action.decided":
            return ("proposed", "blocked") if data.get("decision") in ("reject", "stop") else ("proposed",)
        case "approval.decided" if data.get("state") in ("approved", "responded"):
            return ("answered",)
        case "approval.decided" if data.get("state") == "rejected":
            return ("answered", "rejected")
        case "tool.failed":
            return ("failed",)
        case "effect.recorded" if data.get("state") in ("not_done", "in_doubt"):
            return ("failed",)
        case "turn.ended" if data.get("reason") != NoResultReason.STOPPED_BY_OPERATOR.value:
            return ("no_results",)
        case _:
            return ()


def _agents(
    connection: Connection, tenant: str, wanted: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], str]:
    pairs = sorted(wanted)
    found: dict[tuple[str, int], str] = {}
    for start in range(0, len(pairs), 500):
        rows = connection.execute(
            select(turns.c.thread_id, turns.c.number, turns.c.agent).where(
                turns.c.tenant == tenant,
                tuple_(turns.c.thread_id, turns.c.number).in_(pairs[start : start + 500]),
            )
        )
        found |= {(row.thread_id, row.number): fitting(row.agent) for row in rows}
    return found


def _summed(
    told: Iterable[_Told], agents: Mapping[tuple[str, int], str], seconds: int, first: float
) -> dict[Cell, dict[str, int]]:
    cells: dict[Cell, dict[str, int]] = {}
    for one in told:
        agent, start = agents.get(one.thread), began(one.at, seconds)
        if agent is not None and start >= first:
            counts = cells.setdefault((seconds, agent, start, one.tool), {})
            counts[one.column] = counts.get(one.column, 0) + 1
    return cells


def _turns(connection: Connection, tenant: str, seconds: int, since: float) -> dict[Cell, int]:
    """All turns that were opened in each window from `since` on. A thread's own time is that of its latest turn."""
    micros = type_coerce(turns.c.opened_at, BigInteger)
    window = (micros - micros % (seconds * 1_000_000)).label("window")
    rows = connection.execute(
        select(turns.c.agent, window, func.count().label("opened"))
        .join(threads, and_(threads.c.tenant == turns.c.tenant, threads.c.thread_id == turns.c.thread_id))
        .where(threads.c.tenant == tenant, threads.c.opened_at >= since, turns.c.opened_at >= since)
        .group_by(turns.c.agent, window)
    )
    return {(seconds, fitting(row.agent), row.window / 1_000_000, NO_TOOL): row.opened for row in rows}


def _keep(
    connection: Connection,
    tenant: str,
    seconds: int,
    more: Mapping[Cell, Mapping[str, int]],
    opened: Mapping[Cell, int],
) -> None:
    cells = {*more, *opened}
    if not cells:
        return
    starts = [cell[2] for cell in cells]
    there = {
        (seconds, row.agent, row.began_at, row.tool): row
        for row in connection.execute(
            select(watch_counts).where(
                watch_counts.c.tenant == tenant,
                watch_counts.c.seconds == seconds,
                watch_counts.c.agent.in_(sorted({cell[1] for cell in cells})),
                watch_counts.c.began_at.between(min(starts), max(starts)),
            )
        )
    }
    rows: list[dict[str, Any]] = []
    for cell in sorted(cells):
        before, added = there.get(cell), more.get(cell, {})
        counts = {
            name: (0 if before is None else int(getattr(before, name))) + added.get(name, 0)
            for name in COUNTED
        }
        counts["turns"] = opened.get(cell, counts["turns"])
        if added or before is None or counts["turns"] != before.turns:
            key = {
                "tenant": tenant,
                "seconds": seconds,
                "agent": cell[1],
                "began_at": cell[2],
                "tool": cell[3],
            }
            rows.append({**key, **counts})
    dialects.upsert_all(connection, watch_counts, rows)
