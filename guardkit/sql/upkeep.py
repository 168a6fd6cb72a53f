"""Deleting and copying checkpoints.

A value that stays and rests on one that goes is stored whole, in the same transaction. `DeltaChannel` (beta in LangGraph)
keeps only what steps wrote and rebuilds its value from older checkpoints: those that a kept one needs are kept by `prune`,
and `delete_for_runs` refuses to delete them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, delete, insert, literal, select, update

from guardkit.errors import BusyError, InputError
from guardkit.sql import chains, holds, lease, state_places
from guardkit.sql.chains import Pair
from guardkit.sql.checkpoints import Stored, body_of, metadata_of
from guardkit.sql.packing import packed, rebuilt
from guardkit.sql.sealing import Seal
from guardkit.sql.secrecy import row_values
from guardkit.sql.state_places import PLACES
from guardkit.sql.tables import blobs, checkpoints, writes

_TABLES = (checkpoints, blobs, writes)

_SOME = 100

_At = tuple[str, str]
"""Hash of a namespace, id of a checkpoint."""


def delete_thread(connection: Connection, tenant: str, thread_id: str) -> None:
    """Delete a thread's checkpoints, values and writes.

    Raises:
        BusyError: a run holds the thread.
        LegalHoldError: it is under a legal hold.
    """
    holds.require_none(connection, tenant, [thread_id])
    lease.require_free(connection, tenant, thread_id)
    for table in _TABLES:
        connection.execute(delete(table).where(table.c.tenant == tenant, table.c.thread_id == thread_id))
    _undisturbed(connection, tenant, thread_id, set())


def copy_thread(connection: Connection, seal: Seal, tenant: str, source: str, target: str) -> None:
    """Copy a thread's checkpoints, values and writes to a thread that has none.

    Raises:
        InputError: the target has checkpoints.
    """
    lease.require_free(connection, tenant, target)
    if _ids(connection, tenant, target):
        raise InputError(f"thread {target!r} has checkpoints already", remedy="copy to a new thread")
    # Checkpoints first: values may be added meanwhile where reads are not on one snapshot, and must not be lacking.
    if seal.vault.keyed:
        _copy_sealed(connection, seal, tenant, source, target)
        return
    for table in _TABLES:
        columns = [literal(target) if column.name == "thread_id" else column for column in table.c]
        chosen = select(*columns).where(table.c.tenant == tenant, table.c.thread_id == source)
        connection.execute(insert(table).from_select([column.name for column in table.c], chosen))


def _copy_sealed(connection: Connection, seal: Seal, tenant: str, source: str, target: str) -> None:
    """Copy values that are bound to their thread."""
    for table in _TABLES:
        chosen = select(table).where(table.c.tenant == tenant, table.c.thread_id == source)
        found = connection.execute(chosen).mappings().all()
        rows = [moved(seal, table, row_values(row), {"thread_id": target}) for row in found]
        for start in range(0, len(rows), _SOME):
            connection.execute(insert(table), rows[start : start + _SOME])


def moved(seal: Seal, table: Table, row: Mapping[str, Any], to: Mapping[str, Any]) -> dict[str, Any]:
    """A row with other columns, and its values bound to these."""
    new = {**row, **to}
    for kind, column, place in PLACES[table]:
        new[column] = seal.moved(place(row), place(new), row[kind], row[column])
    return new


def delete_for_runs(connection: Connection, seal: Seal, tenant: str, run_ids: Sequence[str]) -> None:
    """Delete the checkpoints of runs, and the values that no other checkpoint points to.

    Raises:
        InputError: a checkpoint that stays is rebuilt from one of them.
        LegalHoldError: one of their threads is under a legal hold.
    """
    if not run_ids:
        return
    gone = set(run_ids)
    holds.share_gate(connection)
    touched = sorted(
        connection.execute(
            select(checkpoints.c.thread_id)
            .where(checkpoints.c.tenant == tenant, checkpoints.c.run_id.in_(list(gone)))
            .distinct()
        ).scalars()
    )
    if touched:
        holds.require_none(connection, tenant, touched)
    for thread_id in touched:
        lease.require_free(connection, tenant, thread_id)
        stored = _of_thread(connection, tenant, thread_id)
        kept = [row for row in stored if row.run_id not in gone]
        for row, needed in _needed(seal, stored, kept):
            if needed.run_id in gone:
                raise InputError(
                    f"checkpoint {row.checkpoint_id!r} of thread {row.thread_id!r} is rebuilt from older ones",
                    remedy="its graph uses DeltaChannel: delete the whole thread, or nothing of it",
                )
        _thin(connection, seal, tenant, thread_id, stored, keeping=lambda row: row.run_id not in gone)


def prune(connection: Connection, seal: Seal, tenant: str, thread_ids: Sequence[str], strategy: str) -> None:
    """Keep the newest checkpoint of each namespace and what it is rebuilt from, or nothing.

    Raises:
        InputError: there is no such strategy.
        LegalHoldError: one of the threads is under a legal hold.
    """
    if strategy not in ("keep_latest", "delete"):
        raise InputError(f"strategy is {strategy!r}", remedy="keep_latest or delete")
    if thread_ids:
        holds.require_none(connection, tenant, thread_ids)
    for thread_id in sorted(set(thread_ids)):
        if strategy == "delete":
            delete_thread(connection, tenant, thread_id)
            continue
        lease.require_free(connection, tenant, thread_id)
        stored = _of_thread(connection, tenant, thread_id)
        newest: dict[str, Stored] = {}
        for row in stored:
            known = newest.get(row.ns_hash)
            if known is None or known.checkpoint_id < row.checkpoint_id:
                newest[row.ns_hash] = row
        kept = {(row.ns_hash, row.checkpoint_id) for row in newest.values()}
        kept |= {(row.ns_hash, row.checkpoint_id) for _, row in _needed(seal, stored, list(newest.values()))}
        _thin(
            connection,
            seal,
            tenant,
            thread_id,
            stored,
            keeping=lambda row, kept=kept: (row.ns_hash, row.checkpoint_id) in kept,
        )


def _ids(connection: Connection, tenant: str, thread_id: str) -> set[_At]:
    chosen = select(checkpoints.c.ns_hash, checkpoints.c.checkpoint_id)
    where = (checkpoints.c.tenant == tenant, checkpoints.c.thread_id == thread_id)
    return {(row.ns_hash, row.checkpoint_id) for row in connection.execute(chosen.where(*where))}


def _of_thread(connection: Connection, tenant: str, thread_id: str) -> Sequence[Stored]:
    chosen = select(checkpoints).where(checkpoints.c.tenant == tenant, checkpoints.c.thread_id == thread_id)
    return [Stored.of(row) for row in connection.execute(chosen)]


def _undisturbed(connection: Connection, tenant: str, thread_id: str, kept: set[_At]) -> None:
    """See that nobody has put a checkpoint meanwhile, which may rest on what was deleted.

    Raises:
        BusyError: somebody has. The transaction must not be committed.
    """
    if _ids(connection, tenant, thread_id) != kept:
        raise BusyError(
            f"thread {thread_id!r} was written to while its checkpoints were deleted; nothing was deleted",
            remedy="try again when no graph runs on it",
        )


def _thin(
    connection: Connection,
    seal: Seal,
    tenant: str,
    thread_id: str,
    stored: Sequence[Stored],
    *,
    keeping: Callable[[Stored], bool],
) -> None:
    """Delete some of a thread's checkpoints, their writes, and the values that nothing points to any more."""
    gone = [row for row in stored if not keeping(row)]
    if not gone:
        return
    kept = [row for row in stored if keeping(row)]
    _delete(connection, checkpoints, gone, "tenant", "thread_id", "ns_hash", "checkpoint_id")
    _delete(connection, writes, gone, "tenant", "thread_id", "ns_hash", "checkpoint_id")
    needed: dict[str, set[Pair]] = {}
    for row in kept:
        needed.setdefault(row.ns_hash, set()).update(
            chains.pairs(row.refs) if row.refs is not None else body_of(seal, row).kept
        )
    columns = (
        blobs.c.tenant,
        blobs.c.thread_id,
        blobs.c.ns_hash,
        blobs.c.channel,
        blobs.c.version,
        blobs.c.base,
    )
    there = connection.execute(
        select(*columns).where(blobs.c.tenant == tenant, blobs.c.thread_id == thread_id)
    ).all()
    for ns_hash, pairs in needed.items():
        moving = [
            (row.channel, row.version)
            for row in there
            if row.ns_hash == ns_hash
            and (row.channel, row.version) in pairs
            and row.base is not None
            and (row.channel, row.base) not in pairs
        ]
        keys = {"tenant": tenant, "thread_id": thread_id, "ns_hash": ns_hash}
        _set_on_their_own(connection, seal, keys, moving)
    loose = [row for row in there if (row.channel, row.version) not in needed.get(row.ns_hash, ())]
    _delete(connection, blobs, loose, "tenant", "thread_id", "ns_hash", "channel", "version")
    _undisturbed(connection, tenant, thread_id, {(row.ns_hash, row.checkpoint_id) for row in kept})


def _set_on_their_own(
    connection: Connection, seal: Seal, keys: Mapping[str, str], moving: Sequence[Pair]
) -> None:
    """Store values whole that rested on others."""
    known = chains.links(connection, seal, keys, moving)
    for channel, version in moving:
        where = state_places.blob(keys, channel, version, None)
        kind, value = seal.closed(where, *packed(*rebuilt(chains.path(known, channel, version))))
        connection.execute(
            update(blobs)
            .where(
                *(blobs.c[name] == key for name, key in keys.items()),
                blobs.c.channel == channel,
                blobs.c.version == version,
            )
            .values(type=kind, value=value, base=None)
        )


def _delete(connection: Connection, table: Table, gone: Sequence[Any], *keys: str) -> None:
    if gone:
        statement = delete(table).where(and_(*(table.c[key] == bindparam(f"key_{key}") for key in keys)))
        connection.execute(statement, [{f"key_{key}": getattr(row, key) for key in keys} for row in gone])


def _needed(seal: Seal, stored: Sequence[Stored], kept: Sequence[Stored]) -> list[tuple[Stored, Stored]]:
    """Checkpoints with delta channels, each with every older one that it is rebuilt from."""
    rows = {(row.ns_hash, row.checkpoint_id): row for row in stored}
    found: list[tuple[Stored, Stored]] = []
    for row in kept:
        left = set(metadata_of(seal, row).get("counters_since_delta_snapshot") or ())
        left -= _holds(seal, row)
        parent = row.parent_id
        while left and parent is not None:
            older = rows.get((row.ns_hash, parent))
            if older is None or (row, older) in found:
                break
            found.append((row, older))
            left -= _holds(seal, older)
            parent = older.parent_id
    return found


def _holds(seal: Seal, row: Stored) -> set[str]:
    """Channels whose values a checkpoint has."""
    body = body_of(seal, row)
    return {*body.inline, *(channel for channel, _ in body.kept)}
