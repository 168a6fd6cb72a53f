"""Deleting and copying checkpoints.

`DeltaChannel` (beta in LangGraph) keeps only what steps wrote and rebuilds its value from older checkpoints. What such
a checkpoint needs is never deleted: the call is refused.
"""

from collections.abc import Callable, Sequence
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from sqlalchemy import Connection, Row, Table, and_, bindparam, delete, insert, literal, select

from guardkit.errors import InputError
from guardkit.sql import checkpoints as rows, lease
from guardkit.sql.tables import blobs, checkpoints, writes

_TABLES = (checkpoints, blobs, writes)


def delete_thread(connection: Connection, tenant: str, thread_id: str) -> None:
    """Delete a thread's checkpoints, values and writes."""
    lease.require_free(connection, tenant, thread_id)
    for table in _TABLES:
        connection.execute(delete(table).where(table.c.tenant == tenant, table.c.thread_id == thread_id))


def copy_thread(connection: Connection, tenant: str, source: str, target: str) -> None:
    """Copy a thread's checkpoints, values and writes to a thread that has none.

    Raises:
        InputError: the target has checkpoints.
    """
    lease.require_free(connection, tenant, target)
    if _of_thread(connection, tenant, target):
        raise InputError(f"thread {target!r} has checkpoints already", remedy="copy to a new thread")
    for table in _TABLES:
        columns = [literal(target) if column.name == "thread_id" else column for column in table.c]
        chosen = select(*columns).where(table.c.tenant == tenant, table.c.thread_id == source)
        connection.execute(insert(table).from_select([column.name for column in table.c], chosen))


def delete_for_runs(
    connection: Connection, serde: SerializerProtocol, tenant: str, run_ids: Sequence[str]
) -> None:
    """Delete the checkpoints of runs, and the values that no other checkpoint points to."""
    if not run_ids:
        return
    touched = connection.execute(
        select(checkpoints.c.thread_id)
        .where(checkpoints.c.tenant == tenant, checkpoints.c.run_id.in_(list(run_ids)))
        .distinct()
    ).scalars()
    for thread_id in sorted(touched):
        lease.require_free(connection, tenant, thread_id)
        _thin(
            connection,
            serde,
            _of_thread(connection, tenant, thread_id),
            going=lambda row: row.run_id in run_ids,
        )


def prune(
    connection: Connection, serde: SerializerProtocol, tenant: str, thread_ids: Sequence[str], strategy: str
) -> None:
    """Keep the newest checkpoint of each namespace, or nothing.

    Raises:
        InputError: there is no such strategy.
    """
    if strategy not in ("keep_latest", "delete"):
        raise InputError(f"strategy is {strategy!r}", remedy="keep_latest or delete")
    for thread_id in sorted(set(thread_ids)):
        if strategy == "delete":
            delete_thread(connection, tenant, thread_id)
            continue
        lease.require_free(connection, tenant, thread_id)
        stored = _of_thread(connection, tenant, thread_id)
        newest: dict[str, str] = {}
        for row in stored:
            newest[row.ns_hash] = max(newest.get(row.ns_hash, ""), row.checkpoint_id)
        _thin(
            connection,
            serde,
            stored,
            going=lambda row, newest=newest: newest[row.ns_hash] != row.checkpoint_id,
        )


def _of_thread(connection: Connection, tenant: str, thread_id: str) -> Sequence[Row[Any]]:
    return connection.execute(
        select(checkpoints).where(checkpoints.c.tenant == tenant, checkpoints.c.thread_id == thread_id)
    ).all()


def _thin(
    connection: Connection,
    serde: SerializerProtocol,
    stored: Sequence[Row[Any]],
    *,
    going: Callable[[Row[Any]], bool],
) -> None:
    """Delete some of a thread's checkpoints, their writes, and the values that nothing points to any more."""
    gone = [row for row in stored if going(row)]
    kept = [row for row in stored if not going(row)]
    _check_delta(serde, gone, kept)
    _delete(connection, checkpoints, gone, "tenant", "thread_id", "ns_hash", "checkpoint_id")
    _delete(connection, writes, gone, "tenant", "thread_id", "ns_hash", "checkpoint_id")
    needed = {(row.ns_hash, *pair) for row in kept for pair in rows.references(serde, row)}
    for tenant, thread_id in {(row.tenant, row.thread_id) for row in gone}:
        there = connection.execute(
            select(
                blobs.c.tenant, blobs.c.thread_id, blobs.c.ns_hash, blobs.c.channel, blobs.c.version
            ).where(blobs.c.tenant == tenant, blobs.c.thread_id == thread_id)
        ).all()
        loose = [blob for blob in there if (blob.ns_hash, blob.channel, blob.version) not in needed]
        _delete(connection, blobs, loose, "tenant", "thread_id", "ns_hash", "channel", "version")


def _delete(connection: Connection, table: Table, gone: Sequence[Any], *keys: str) -> None:
    if gone:
        statement = delete(table).where(and_(*(table.c[key] == bindparam(f"key_{key}") for key in keys)))
        connection.execute(statement, [{f"key_{key}": getattr(row, key) for key in keys} for row in gone])


def _check_delta(serde: SerializerProtocol, gone: Sequence[Row[Any]], kept: Sequence[Row[Any]]) -> None:
    """Refuse to delete what a kept checkpoint is rebuilt from.

    Raises:
        InputError: a kept checkpoint with delta channels descends from one that would go.
    """
    parents = {(row.ns_hash, row.checkpoint_id): row.parent_id for row in (*gone, *kept)}
    lost = {(row.ns_hash, row.checkpoint_id) for row in gone}
    for row in kept:
        if not rows.metadata_of(serde, row).get("counters_since_delta_snapshot"):
            continue
        parent = row.parent_id
        while parent is not None:
            if (row.ns_hash, parent) in lost:
                raise InputError(
                    f"checkpoint {row.checkpoint_id!r} of thread {row.thread_id!r} is rebuilt from older ones",
                    remedy="its graph uses DeltaChannel: delete the whole thread, or nothing of it",
                )
            parent = parents.get((row.ns_hash, parent))
