"""The watch over agents, in the database: counts, judges, keeps what it finds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, RowMapping, func, select, update

from guardkit.core.anomalies import Anomaly, Measure, Score, Share, Watch, seldom, unusual
from guardkit.core.audit import AuditEvent
from guardkit.core.digest import sha256
from guardkit.errors import InputError
from guardkit.sql import audit, dialects, names, stops
from guardkit.sql.anomaly_counts import COUNTED, Round, begin, count, fitting, waiting
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone
from guardkit.sql.engines import Target
from guardkit.sql.secrecy import opened_values, row_values, sealed
from guardkit.sql.side_tables import anomalies, watch_counts
from guardkit.sql.tables import audit_heads

ROUNDS = 20
"""Transactions that one look spends on a tenant; what is left of a long chain is for the next look."""

_OF: Mapping[Measure, tuple[str, str]] = {
    Measure.BLOCKED: ("blocked", "proposed"),
    Measure.REJECTED: ("rejected", "answered"),
    Measure.NO_RESULT: ("no_results", "turns"),
    Measure.TOOL_ERROR: ("failed", "proposed"),
}

_Windows: TypeAlias = Mapping[float, Mapping[str, int]]
"""What was counted, all tools together, by the begin of the window."""


class SQLAnomalies:
    """Finds and keeps anomalies; implements `guardkit.core.ports.Anomalies`.

    Args:
        database: the database, or its URL.

    Raises:
        ConfigurationError: not a database that guardkit can keep its promises on.
    """

    def __init__(self, database: Database | Target) -> None:
        self.database = database if isinstance(database, Database) else Database(database)

    def look(self, watch: Watch) -> Sequence[Anomaly]:
        """Count what is new, judge the windows that it is in, and return what was found for the first time."""
        with self.database.reading() as connection:
            heads = {row.tenant: row.seq for row in connection.execute(select(audit_heads))}
            tenants = waiting(connection, heads)
        found: list[Anomaly] = []
        for tenant, known in tenants.items():
            if tenant == names.EVERYBODY:
                continue
            if not known:
                with self.database.writing() as connection:
                    begin(connection, tenant)
            for _ in range(ROUNDS):
                fresh, more = self._round(tenant, watch)
                found += fresh
                if not more:
                    break
        return found

    @redone
    def _round(self, tenant: str, watch: Watch) -> tuple[Sequence[Anomaly], bool]:
        """What some new entries of a tenant show, and whether there are more."""
        with self.database.writing() as connection:
            done = count(connection, tenant, watch)
            fresh = _judged(connection, tenant, watch, done)
            audit.append(connection, tenant, [_event(one) for one in fresh], done.now)
            return fresh, done.more

    def standing(self, tenant: str, agent: str) -> Sequence[Anomaly]:
        """The anomalies of an agent that stand now, oldest first."""
        with self.database.reading() as connection:
            rows = connection.execute(
                select(anomalies)
                .where(
                    anomalies.c.tenant == tenant,
                    anomalies.c.agent == fitting(agent),
                    anomalies.c.stands_until > dialects.now(connection),
                )
                .order_by(anomalies.c.found_at, anomalies.c.id)
            )
            return [_read(connection, row) for row in rows.mappings()]

    def anomalies(
        self, *, tenant: str | None = None, standing: bool = False, limit: int = 100
    ) -> Sequence[Anomaly]:
        """Anomalies, newest first.

        Args:
            tenant: whose; of all tenants if `None`.
            standing: only those that stand now.
            limit: how many at most.

        Raises:
            InputError: `limit` is no number of rows.
        """
        if not 0 <= limit <= 100_000:
            raise InputError(f"limit is {limit!r}", remedy="0 to 100000")
        with self.database.reading() as connection:
            chosen = select(anomalies).order_by(anomalies.c.found_at.desc(), anomalies.c.id).limit(limit)
            if tenant is not None:
                chosen = chosen.where(anomalies.c.tenant == tenant)
            if standing:
                chosen = chosen.where(anomalies.c.stands_until > dialects.now(connection))
            return [_read(connection, row) for row in connection.execute(chosen).mappings()]

    @redone
    def settle_anomaly(self, anomaly_id: str, *, by: str, why: str, anew: bool = False) -> bool:
        """End the standing of an anomaly, audited.

        Args:
            anomaly_id: which.
            by: the operator, for the audit log.
            why: the operator's reason, for the audit log; cut to 500 characters.
            anew: whether the agent's past begins anew with the anomaly's window, because what was unusual is usual from
                now on. Nothing is said of the agent until that past is long enough.

        Returns:
            Whether there is one that was not settled.

        Raises:
            InputError: `by` is empty.
        """
        names.checked("anomaly.by", by, NAME_LENGTH)
        with self.database.writing() as connection:
            where = (anomalies.c.id == anomaly_id, anomalies.c.settled_by.is_(None))
            row = connection.execute(select(anomalies).where(*where).with_for_update()).one_or_none()
            if row is None:
                return False
            now = dialects.now(connection)
            connection.execute(
                update(anomalies)
                .where(*where)
                .values(
                    **sealed(connection, anomalies, {"settled_by": by}, row),
                    anew=anew,
                    stands_until=min(row.stands_until, now),
                )
            )
            data = {"anomaly": anomaly_id, "agent": row.agent, "by": by, "why": names.plain(why, 500)}
            audit.append(
                connection, row.tenant, [AuditEvent(kind="anomaly.settled", data={**data, "anew": anew})], now
            )
            return True


def _judged(connection: Connection, tenant: str, watch: Watch, done: Round) -> list[Anomaly]:
    """What is unusual in the windows that were touched, as far as they are the present, and was not found before."""
    found: list[Anomaly] = []
    for seconds, agent, start in sorted(done.touched):
        if not done.is_news(seconds, start):
            continue
        for measure, tool, present, result in _outliers(connection, tenant, watch, agent, seconds, start):
            named = [tenant, agent, measure.value, tool, seconds, round(start)]
            one = Anomaly(
                id=sha256("guardkit.anomaly.v1", [*named])[:16],
                tenant=tenant,
                agent=agent,
                measure=measure,
                tool=tool or None,
                seconds=seconds,
                began_at=start,
                count=present.count,
                of=present.of,
                usual=round(result.usual, 6),
                score=round(result.score, 3),
                past=result.past,
                found_at=done.now,
                stands_until=done.now + watch.hold,
            )
            if dialects.insert_new(connection, anomalies, _row(one)):
                found.append(one)
    return found


def _outliers(
    connection: Connection, tenant: str, watch: Watch, agent: str, seconds: int, start: float
) -> list[tuple[Measure, str, Share, Score]]:
    first = start - watch.history * seconds
    counted = _windows(connection, tenant, agent, seconds, first, start)
    away = _away(connection, tenant, agent, first)
    past = [
        window
        for window in counted
        if window < start and not any(since < window + seconds and window < until for since, until in away)
    ]
    found: list[tuple[Measure, str, Share, Score]] = []
    for measure, (part, whole) in _OF.items():
        present = _share(counted.get(start, {}), part, whole)
        result = unusual(watch, [_share(counted[window], part, whole) for window in past], present)
        if result is not None:
            found.append((measure, "", present, result))
    proposed = counted.get(start, {}).get("proposed", 0)
    for tool, calls in _tools(connection, tenant, watch, agent, seconds, first, start).items():
        shares = [Share(calls.get(window, 0), counted[window]["proposed"]) for window in past]
        if not seldom(watch, sum(one.count for one in shares), sum(one.of for one in shares)):
            continue
        present = Share(calls[start], proposed)
        result = unusual(watch, shares, present)
        if result is not None:
            found.append((Measure.UNUSUAL_TOOL, tool, present, result))
    return found


def _share(counted: Mapping[str, int], part: str, whole: str) -> Share:
    return Share(counted.get(part, 0), counted.get(whole, 0))


def _windows(
    connection: Connection, tenant: str, agent: str, seconds: int, first: float, last: float
) -> _Windows:
    rows = connection.execute(
        select(watch_counts.c.began_at, *(func.sum(watch_counts.c[name]).label(name) for name in COUNTED))
        .where(
            watch_counts.c.tenant == tenant,
            watch_counts.c.seconds == seconds,
            watch_counts.c.agent == agent,
            watch_counts.c.began_at.between(first, last),
        )
        .group_by(watch_counts.c.began_at)
    )
    return {row.began_at: {name: int(getattr(row, name)) for name in COUNTED} for row in rows}


def _tools(
    connection: Connection, tenant: str, watch: Watch, agent: str, seconds: int, first: float, last: float
) -> dict[str, dict[float, int]]:
    """Calls by window, of the tools that are called often enough in the present one."""
    mine = (
        watch_counts.c.tenant == tenant,
        watch_counts.c.seconds == seconds,
        watch_counts.c.agent == agent,
        watch_counts.c.tool != "",
    )
    often = (
        connection.execute(
            select(watch_counts.c.tool).where(
                *mine, watch_counts.c.began_at == last, watch_counts.c.proposed >= watch.least
            )
        )
        .scalars()
        .all()
    )
    calls: dict[str, dict[float, int]] = {}
    if often:
        rows = connection.execute(
            select(watch_counts.c.tool, watch_counts.c.began_at, watch_counts.c.proposed).where(
                *mine, watch_counts.c.tool.in_(often), watch_counts.c.began_at.between(first, last)
            )
        )
        for row in rows:
            calls.setdefault(row.tool, {})[row.began_at] = row.proposed
    return calls


def _away(connection: Connection, tenant: str, agent: str, since: float) -> list[tuple[float, float]]:
    """Times that are no past: while the agent was unusual, or stopped, and all before its past began anew."""
    rows = connection.execute(
        select(anomalies.c.began_at, anomalies.c.seconds, anomalies.c.stands_until, anomalies.c.anew).where(
            anomalies.c.tenant == tenant, anomalies.c.agent == agent, anomalies.c.stands_until > since
        )
    )
    away = stops.times(connection, tenant=tenant, agent=agent, since=since)
    for row in rows:
        over = max(row.stands_until, row.began_at + row.seconds)
        away.append((-math.inf, row.began_at) if row.anew else (row.began_at, over))
    return away


def _event(found: Anomaly) -> AuditEvent:
    shown = {"agent", "measure", "tool", "seconds", "began_at", "count", "of", "usual", "score", "past"}
    return AuditEvent(
        kind="anomaly.found", data={"anomaly": found.id, **found.model_dump(mode="json", include=shown)}
    )


def _row(found: Anomaly) -> dict[str, Any]:
    fields = found.model_dump(mode="json")
    part, whole = fields.pop("count"), fields.pop("of")
    return {**fields, "tool": found.tool or "", "part": part, "whole": whole}


def _read(connection: Connection, row: RowMapping) -> Anomaly:
    fields = {**row, **opened_values(connection, anomalies, row_values(row))}
    count, of = fields.pop("part"), fields.pop("whole")
    return Anomaly.model_validate({**fields, "tool": fields["tool"] or None, "count": count, "of": of})
