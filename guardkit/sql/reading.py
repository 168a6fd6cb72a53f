"""Whole checkpoints from the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, cast

from langgraph.checkpoint.base import Checkpoint, CheckpointMetadata
from sqlalchemy import Connection, TextClause, select, text

from guardkit.errors import MissingDataError
from guardkit.sql import chains, namespaces, pending, state_places
from guardkit.sql.chains import Pair
from guardkit.sql.checkpoints import Body, Place, Stored, at, body_of, metadata_of
from guardkit.sql.dialects import family
from guardkit.sql.lineages import Lineage, Lineages, found
from guardkit.sql.packing import Link, Typed, rebuilt
from guardkit.sql.pending import PendingWrite
from guardkit.sql.sealing import Seal
from guardkit.sql.tables import checkpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A checkpoint as it was stored."""

    place: Place
    checkpoint_id: str
    parent_id: str | None
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    pending_writes: list[PendingWrite]


_CHOSEN = {True: "AND checkpoint_id = :checkpoint_id", False: "ORDER BY checkpoint_id DESC LIMIT 1"}


@lru_cache(maxsize=32)
def _statement(kind: str, prefix: str, *, by_id: bool) -> TextClause:
    """Everything about one checkpoint in one round trip: its row, what its values rest on, its writes."""
    place = "tenant = :tenant AND thread_id = :thread_id AND ns_hash = :ns_hash"
    blobs = f"{prefix}gk_blobs"
    return text(
        f"""
        WITH RECURSIVE head AS (SELECT * FROM {prefix}gk_checkpoints WHERE {place} {_CHOSEN[by_id]}),
        chain (channel, version, base) AS (
            SELECT b.channel, b.version, b.base FROM head h CROSS JOIN {chains.each_named(kind, blobs, "h.refs")}
            UNION
            SELECT b.channel, b.version, b.base FROM chain c {chains.each(kind, blobs, "c.channel", "c.base")}
        )
        SELECT 0, checkpoint_id, ns, parent_id, run_id, type, body, 0, metadata_type, metadata, refs FROM head
        UNION ALL
        SELECT 1, b.channel, b.version, b.base, NULL, b.type, b.value, 0, NULL, NULL, NULL
            FROM chain c {chains.each(kind, blobs, "c.channel", "c.version")}
        UNION ALL
        SELECT 2, task_id, channel, NULL, NULL, type, value, idx, NULL, NULL, task_path
            FROM {prefix}gk_writes WHERE {place} AND checkpoint_id = (SELECT checkpoint_id FROM head)
        """  # noqa: S608  # made of constants, and of a schema's name that was checked
    )


def one(
    connection: Connection, seal: Seal, lineages: Lineages, place: Place, checkpoint_id: str | None
) -> Loaded | None:
    """The checkpoint of that id, or the newest of its place.

    Raises:
        MissingDataError: the value of a channel is gone.
        StorageError: a newer guardkit wrote it.
    """
    kind = family(connection)
    if kind == "mysql":
        row, known, writes = _apart(connection, seal, place, checkpoint_id)
    else:
        row, known, writes = _at_once(connection, seal, kind, place, checkpoint_id)
    if row is None:
        return None
    body = body_of(seal, row)
    if row.refs is None:
        known = chains.links(connection, seal, place.keys(), body.kept)
    values: dict[str, Any] = {}
    for channel, version in body.kept:
        lineage = _lineage(row, known, channel, version)
        lineages.keep(place.key(channel), lineage)
        values[channel] = seal.loaded(lineage.kind, lineage.data)
    return _loaded(
        row, body, values, metadata_of(seal, row), pending.loaded(seal, place, row.checkpoint_id, writes)
    )


def _at_once(
    connection: Connection, seal: Seal, kind: str, place: Place, checkpoint_id: str | None
) -> tuple[Stored | None, dict[Pair, Link], list[Any]]:
    row: Stored | None = None
    known: dict[Pair, Link] = {}
    writes: list[Any] = []
    bound = place.keys() | ({} if checkpoint_id is None else {"checkpoint_id": checkpoint_id})
    chosen = _statement(kind, namespaces.prefix(connection), by_id=checkpoint_id is not None)
    for part in connection.execute(chosen, bound).all():
        what, a, b, c, run_id, typ, value, idx, metadata_type, metadata, last = part
        match what:
            case 0:
                row = Stored(
                    place.tenant,
                    place.thread_id,
                    place.ns_hash,
                    a,
                    b,
                    c,
                    run_id,
                    typ,
                    value,
                    metadata_type,
                    metadata,
                    last,
                )
            case 1:
                where = state_places.blob(place.keys(), a, b, c)
                known[a, b] = seal.link(where, SimpleNamespace(version=b, base=c, type=typ, value=value))
            case _:
                writes.append(
                    SimpleNamespace(task_id=a, channel=b, task_path=last, idx=idx, type=typ, value=value)
                )
    return row, known, writes


def _apart(
    connection: Connection, seal: Seal, place: Place, checkpoint_id: str | None
) -> tuple[Stored | None, dict[Pair, Link], list[Any]]:
    chosen = select(checkpoints).where(at(checkpoints, place))
    if checkpoint_id is None:
        chosen = chosen.order_by(checkpoints.c.checkpoint_id.desc()).limit(1)
    else:
        chosen = chosen.where(checkpoints.c.checkpoint_id == checkpoint_id)
    row = connection.execute(chosen).one_or_none()
    if row is None:
        return None, {}, []
    stored = Stored.of(row)
    known = (
        {} if stored.refs is None else chains.links(connection, seal, place.keys(), chains.pairs(stored.refs))
    )
    return stored, known, pending.of(connection, place, [stored.checkpoint_id]).get(stored.checkpoint_id, [])


def several(
    connection: Connection, seal: Seal, chosen: Sequence[tuple[Stored, CheckpointMetadata]]
) -> list[Loaded]:
    """Whole checkpoints from their rows and metadata, in their order.

    Raises:
        MissingDataError: the value of a channel is gone.
        StorageError: a newer guardkit wrote one.
    """
    bodies = [body_of(seal, row) for row, _ in chosen]
    places: dict[tuple[str, str], list[int]] = {}
    for index, (row, _) in enumerate(chosen):
        places.setdefault((row.thread_id, row.ns_hash), []).append(index)
    done: dict[int, Loaded] = {}
    for indices in places.values():
        place = chosen[indices[0]][0].place
        pairs = {pair for index in indices for pair in bodies[index].kept}
        known = chains.links(connection, seal, place.keys(), pairs)
        writes = pending.of(connection, place, [chosen[index][0].checkpoint_id for index in indices])
        made: dict[Pair, Typed] = {}
        for index in indices:
            row, metadata = chosen[index]
            values: dict[str, Any] = {}
            for pair in bodies[index].kept:
                if pair not in made:
                    made[pair] = rebuilt(_path(row, known, *pair))
                values[pair[0]] = seal.loaded(*made[pair])
            kept = pending.loaded(seal, place, row.checkpoint_id, writes.get(row.checkpoint_id, []))
            done[index] = _loaded(row, bodies[index], values, metadata, kept)
    return [done[index] for index in range(len(chosen))]


def _path(row: Stored, known: Mapping[Pair, Link], channel: str, version: str) -> tuple[Link, ...]:
    try:
        return chains.path(known, channel, version)
    except MissingDataError as error:
        raise _of(error, row) from error


def _lineage(row: Stored, known: Mapping[Pair, Link], channel: str, version: str) -> Lineage:
    path = _path(row, known, channel, version)
    try:
        return found(path)
    except MissingDataError as error:
        raise _of(error, row, channel) from error


def _of(error: MissingDataError, row: Stored, channel: str | None = None) -> MissingDataError:
    what = "" if channel is None else f"channel {channel!r}: "
    return MissingDataError(
        f"checkpoint {row.checkpoint_id!r} of thread {row.thread_id!r}: {what}{error.message}",
        remedy=error.remedy,
    )


def _loaded(
    row: Stored,
    body: Body,
    values: Mapping[str, Any],
    metadata: CheckpointMetadata,
    pending_writes: list[PendingWrite],
) -> Loaded:
    checkpoint = cast("Checkpoint", {**body.checkpoint, "channel_values": {**body.inline, **values}})
    return Loaded(
        place=row.place,
        checkpoint_id=row.checkpoint_id,
        parent_id=row.parent_id,
        checkpoint=checkpoint,
        metadata=metadata,
        pending_writes=pending_writes,
    )
