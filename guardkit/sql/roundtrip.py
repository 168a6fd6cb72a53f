"""A put on PostgreSQL in one statement: one round trip, and one transaction without `BEGIN` and `COMMIT`.

The statement does everything or nothing. It locks the thread's row and sees whether the caller may write, sees that what the
checkpoint rests on is there, and locks that too, then inserts. Where it inserts nothing the caller goes the long way, which
finds out why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Connection, Table, TextClause, text

from guardkit.core.runs import RunRef
from guardkit.sql import namespaces
from guardkit.sql.packing import Link
from guardkit.sql.tables import blobs, checkpoints, writes

_FENCE = """
    fence AS MATERIALIZED (
        SELECT token, lease_run, turn, lease_until FROM {prefix}gk_threads
        WHERE tenant = :tenant AND thread_id = :thread_id FOR SHARE
    ),
    -- Read after the row is locked. A run writes while it holds the thread, others while nobody does.
    allowed AS MATERIALIZED (SELECT count(*) FILTER (WHERE {allowed}) AS yes, count(*) AS known FROM fence)
"""
_CLOCK = "(extract(epoch FROM clock_timestamp()) * 1000000)"
_BY_RUN = f"token = :token AND lease_run = :run_id AND turn = :turn AND lease_until > {_CLOCK}"
_FREE = f"lease_until IS NULL OR lease_until <= {_CLOCK}"

_THERE = """
    there_{i} AS MATERIALIZED (
        SELECT 1 FROM {prefix}gk_blobs b
        WHERE b.tenant = :tenant AND b.thread_id = :thread_id AND b.ns_hash = :ns_hash
            AND b.channel = :want_channel_{i} AND b.version = :want_version_{i}
            AND (CAST(:want_size_{i} AS bigint) IS NULL OR (length(b.value) = CAST(:want_size_{i} AS bigint)
            AND b.base IS NOT DISTINCT FROM CAST(:want_base_{i} AS text)))
        FOR KEY SHARE OF b
    )
"""
"""Each value by itself: of several keys in one condition PostgreSQL may look for what they have in common, and read a thread's all."""

Wanted = Mapping[tuple[str, str], Link | None]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a statement's text depends on."""

    prefix: str
    by_run: bool
    wanted: int
    values: int
    checkpoint: bool
    ordinary: int
    special: int


def put(
    connection: Connection,
    run: RunRef | None,
    wanted: Wanted,
    checkpoint: Mapping[str, Any],
    values: Sequence[Mapping[str, Any]],
) -> bool:
    """Store a checkpoint and its values, if the caller may and all that is wanted is there. Returns whether it was stored."""
    shape = _Shape(namespaces.prefix(connection), run is not None, len(wanted), len(values), True, 0, 0)
    bound = _bound(run, checkpoint) | _rows("value", values) | _rows("checkpoint", [checkpoint])
    for index, ((channel, version), link) in enumerate(wanted.items()):
        bound |= {
            f"want_channel_{index}": channel,
            f"want_version_{index}": version,
            f"want_size_{index}": None if link is None else link.stored,
            f"want_base_{index}": None if link is None else link.base,
        }
    return bool(connection.execute(_statement(shape), bound).scalar_one())


def put_writes(connection: Connection, run: RunRef | None, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Store what a task wrote, if the caller may. Returns whether it was stored."""
    ordinary = [row for row in rows if row["idx"] >= 0]
    special = [row for row in rows if row["idx"] < 0]
    shape = _Shape(namespaces.prefix(connection), run is not None, 0, 0, False, len(ordinary), len(special))
    bound = _bound(run, rows[0]) | _rows("ordinary", ordinary) | _rows("special", special)
    return bool(connection.execute(_statement(shape), bound).scalar_one())


def _bound(run: RunRef | None, row: Mapping[str, Any]) -> dict[str, Any]:
    place = {name: row[name] for name in ("tenant", "thread_id", "ns_hash")}
    return place | ({} if run is None else {"token": run.token, "run_id": run.run_id, "turn": run.turn})


def _rows(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{name}_{column}_{i}": row[column] for i, row in enumerate(rows) for column in row}


@lru_cache(maxsize=256)
def _statement(shape: _Shape) -> TextClause:
    parts = [_FENCE.format(prefix=shape.prefix, allowed=_BY_RUN if shape.by_run else _FREE)]
    ready = "yes = 1" if shape.by_run else "yes = known"
    for i in range(shape.wanted):
        parts.append(_THERE.format(prefix=shape.prefix, i=i))
        ready += f" AND EXISTS (SELECT 1 FROM there_{i})"  # noqa: S608  # made of constants
    parts.append(f"go AS MATERIALIZED (SELECT 1 FROM allowed WHERE {ready})")  # noqa: S608  # made of constants
    if shape.values:
        parts.append(_insert("value", shape.prefix, blobs, shape.values, replace=False))
    if shape.checkpoint:
        parts.append(_insert("checkpoint", shape.prefix, checkpoints, 1, replace=True))
    if shape.ordinary:
        parts.append(_insert("ordinary", shape.prefix, writes, shape.ordinary, replace=False))
    if shape.special:
        parts.append(_insert("special", shape.prefix, writes, shape.special, replace=True))
    return text(f"WITH {', '.join(parts)} SELECT count(*) FROM go")  # noqa: S608  # made of constants


_TYPES = {"BLOB": "bytea", "INTEGER": "integer"}


def _insert(name: str, prefix: str, table: Table, count: int, *, replace: bool) -> str:
    columns = [column.name for column in table.columns]
    keys = [column.name for column in table.primary_key.columns]
    rows = " UNION ALL ".join(
        f"SELECT {', '.join(_cast(column, f'{name}_{column.name}_{i}') for column in table.columns)} FROM go"  # noqa: S608
        for i in range(count)
    )
    others = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in keys)
    conflict = f"({', '.join(keys)}) DO UPDATE SET {others}" if replace else "DO NOTHING"
    return f"put_{name} AS (INSERT INTO {prefix}{table.name} ({', '.join(columns)}) {rows} ON CONFLICT {conflict})"


def _cast(column: Column[Any], name: str) -> str:
    return f"CAST(:{name} AS {_TYPES.get(str(column.type), 'text')})"
