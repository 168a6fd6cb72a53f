"""Checkpoints as rows.

A checkpoint's row holds everything but large channel values. Those have a row for each version that the channel had,
so a step stores what it changed and not the whole state. Everything, metadata included, goes through the saver's
serializer, so an encrypting one leaves nothing in clear but ids, channel names and run ids.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    writes_sort_key,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, tuple_

from guardkit.errors import InputError, MissingDataError, StorageError
from guardkit.sql import dialects, names
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.tables import blobs, checkpoints, writes

_BODY = 1
"""Version of what a checkpoint's body holds: 1 = `checkpoint` without channel values, `inline` values by channel,
`kept`: the channels whose values have rows of their own."""

_SMALL = 256
"""Bytes of text up to which a value stays in the checkpoint's row. Raising it is safe, lowering it is not: a channel
that has not changed is not stored again."""

_BY_ITSELF = (bool, int, float)

Typed = tuple[str, bytes]
PendingWrite = tuple[str, str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where checkpoints belong: a namespace of a thread of a tenant."""

    tenant: str
    thread_id: str
    ns: str

    @property
    def ns_hash(self) -> str:
        """What stands for the namespace in keys: namespaces grow with nesting."""
        return ns_hash(self.ns)

    def keys(self) -> dict[str, str]:
        """The place as columns."""
        return {"tenant": self.tenant, "thread_id": self.thread_id, "ns_hash": self.ns_hash}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A checkpoint as it was stored."""

    place: Place
    checkpoint_id: str
    parent_id: str | None
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    pending_writes: list[PendingWrite]


def ns_hash(ns: str) -> str:
    """The hash of a namespace."""
    return hashlib.sha256(ns.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def pack(
    serde: SerializerProtocol,
    place: Place,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    new_versions: ChannelVersions,
    parent_id: str | None,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A checkpoint as its row, and the rows of the channels that changed. Serializes; touches no database."""
    values = checkpoint["channel_values"]
    versions = checkpoint["channel_versions"]
    inline = {name: value for name, value in values.items() if name not in versions or _is_small(value)}
    rest = {name: value for name, value in values.items() if name not in inline}
    bare = {name: value for name, value in checkpoint.items() if name != "channel_values"}
    kind, body = serde.dumps_typed({"v": _BODY, "checkpoint": bare, "inline": inline, "kept": sorted(rest)})
    metadata_kind, metadata_body = serde.dumps_typed(dict(metadata))
    run_id = metadata.get("run_id")
    row = {
        **place.keys(),
        "ns": place.ns,
        "checkpoint_id": names.checkpoint("checkpoint.id", checkpoint["id"]),
        "parent_id": parent_id,
        "run_id": run_id if isinstance(run_id, str) else None,
        "type": kind,
        "body": body,
        "metadata_type": metadata_kind,
        "metadata": metadata_body,
    }
    changed = [
        _blob(serde, place, name, versions[name], value)
        for name, value in rest.items()
        if name in new_versions
    ]
    return row, changed


def _blob(
    serde: SerializerProtocol, place: Place, channel: str, version: object, value: Any
) -> dict[str, Any]:
    kind, data = serde.dumps_typed(value)
    return {
        **place.keys(),
        "channel": names.checked("channel", channel, NAME_LENGTH),
        "version": str(version),
        "type": kind,
        "value": data,
    }


def _is_small(value: Any) -> bool:
    """Whether a value is not worth a row. Subclasses are: they may serialize to anything."""
    if value is None or type(value) in _BY_ITSELF:
        return True
    return (
        type(value) is str and len(value) <= _SMALL and len(value.encode("utf-8", "surrogatepass")) <= _SMALL
    )


def store(connection: Connection, row: Mapping[str, Any], changed: Sequence[Mapping[str, Any]]) -> None:
    """Write what `pack` made. The same checkpoint again replaces itself; a channel's version never changes."""
    dialects.insert_all_new(connection, blobs, changed)
    dialects.upsert_all(connection, checkpoints, [row])


def pack_writes(
    serde: SerializerProtocol,
    place: Place,
    checkpoint_id: str,
    given: Sequence[tuple[str, Any]],
    task_id: str,
    task_path: str,
) -> list[dict[str, Any]]:
    """A task's writes as rows."""
    rows: list[dict[str, Any]] = []
    for index, (channel, value) in enumerate(given):
        kind, data = serde.dumps_typed(value)
        rows.append(
            {
                **place.keys(),
                "checkpoint_id": names.checkpoint("checkpoint_id", checkpoint_id),
                "task_id": names.checkpoint("task_id", task_id),
                "idx": WRITES_IDX_MAP.get(channel, index),
                "task_path": task_path,
                "channel": channel,
                "type": kind,
                "value": data,
            }
        )
    return rows


def store_writes(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write what `pack_writes` made. Of ordinary writes the first holds, of special ones (negative index) the last."""
    dialects.insert_all_new(connection, writes, [row for row in rows if row["idx"] >= 0])
    dialects.upsert_all(connection, writes, [row for row in rows if row["idx"] < 0])


def latest(connection: Connection, place: Place, checkpoint_id: str | None) -> Row[Any] | None:
    """The row of a checkpoint, or of the newest of its place."""
    chosen = select(checkpoints).where(_at(checkpoints, place))
    if checkpoint_id is None:
        chosen = chosen.order_by(checkpoints.c.checkpoint_id.desc()).limit(1)
    else:
        chosen = chosen.where(checkpoints.c.checkpoint_id == checkpoint_id)
    return connection.execute(chosen).one_or_none()


def page(
    connection: Connection,
    *,
    tenant: str,
    thread_id: str | None,
    ns: str | None,
    checkpoint_id: str | None,
    before: str | None,
    after: Row[Any] | None,
    size: int,
) -> Sequence[Row[Any]]:
    """The next rows of a listing, newest first, following the row `after`."""
    table = checkpoints.c
    chosen = select(checkpoints).where(table.tenant == tenant)
    if thread_id is not None:
        chosen = chosen.where(table.thread_id == thread_id)
    if ns is not None:
        chosen = chosen.where(table.ns_hash == ns_hash(ns))
    if checkpoint_id is not None:
        chosen = chosen.where(table.checkpoint_id == checkpoint_id)
    if before is not None:
        chosen = chosen.where(table.checkpoint_id < before)
    if after is not None:
        # Copied threads have checkpoints of the same id.
        same = table.checkpoint_id == after.checkpoint_id
        chosen = chosen.where(
            or_(
                table.checkpoint_id < after.checkpoint_id,
                and_(same, table.thread_id > after.thread_id),
                and_(same, table.thread_id == after.thread_id, table.ns_hash > after.ns_hash),
            )
        )
    ordered = chosen.order_by(table.checkpoint_id.desc(), table.thread_id, table.ns_hash)
    return connection.execute(ordered.limit(size)).all()


def metadata_of(serde: SerializerProtocol, row: Row[Any]) -> CheckpointMetadata:
    """The metadata in a checkpoint's row."""
    return cast("CheckpointMetadata", serde.loads_typed((row.metadata_type, row.metadata)))


def references(serde: SerializerProtocol, row: Row[Any]) -> list[tuple[str, str]]:
    """Channel and version of each value that a checkpoint's row points to."""
    body = _body(serde, row)
    versions = body["checkpoint"]["channel_versions"]
    return [(name, str(versions[name])) for name in body["kept"]]


def load(
    connection: Connection,
    serde: SerializerProtocol,
    row: Row[Any],
    metadata: CheckpointMetadata | None = None,
) -> Loaded:
    """A whole checkpoint from its row.

    Raises:
        MissingDataError: the value of a channel is gone.
        StorageError: a newer guardkit wrote it.
    """
    place = Place(tenant=row.tenant, thread_id=row.thread_id, ns=row.ns)
    body = _body(serde, row)
    versions = body["checkpoint"]["channel_versions"]
    values = dict(body["inline"]) | _values(
        connection, serde, row, [(n, str(versions[n])) for n in body["kept"]]
    )
    checkpoint = cast("Checkpoint", {**body["checkpoint"], "channel_values": values})
    return Loaded(
        place=place,
        checkpoint_id=row.checkpoint_id,
        parent_id=row.parent_id,
        checkpoint=checkpoint,
        metadata=metadata_of(serde, row) if metadata is None else metadata,
        pending_writes=_pending(connection, serde, place, row.checkpoint_id),
    )


def _body(serde: SerializerProtocol, row: Row[Any]) -> dict[str, Any]:
    body = serde.loads_typed((row.type, row.body))
    version: Any = cast("dict[str, Any]", body).get("v") if isinstance(body, dict) else None
    if version != _BODY:
        raise StorageError(
            f"checkpoint {row.checkpoint_id!r} is of version {version!r}, this guardkit reads {_BODY}",
            remedy="upgrade guardkit",
        )
    return cast("dict[str, Any]", body)


def _values(
    connection: Connection, serde: SerializerProtocol, row: Row[Any], wanted: list[tuple[str, str]]
) -> dict[str, Any]:
    if not wanted:
        return {}
    found = connection.execute(
        select(blobs.c.channel, blobs.c.type, blobs.c.value).where(
            blobs.c.tenant == row.tenant,
            blobs.c.thread_id == row.thread_id,
            blobs.c.ns_hash == row.ns_hash,
            tuple_(blobs.c.channel, blobs.c.version).in_(wanted),
        )
    )
    values = {blob.channel: serde.loads_typed((blob.type, blob.value)) for blob in found}
    lost = [channel for channel, _ in wanted if channel not in values]
    if lost:
        raise MissingDataError(
            f"channel {lost[0]!r} of checkpoint {row.checkpoint_id!r} of thread {row.thread_id!r} is gone",
            remedy="restore the database from a backup",
        )
    return values


def _pending(
    connection: Connection, serde: SerializerProtocol, place: Place, checkpoint_id: str
) -> list[PendingWrite]:
    rows = connection.execute(
        select(writes).where(_at(writes, place), writes.c.checkpoint_id == checkpoint_id)
    ).all()
    # Sorted here: databases do not agree on the order of texts.
    ordered = sorted(rows, key=lambda row: writes_sort_key(row.task_path, row.task_id, row.idx))
    return [(row.task_id, row.channel, serde.loads_typed((row.type, row.value))) for row in ordered]


def _at(table: Any, place: Place) -> ColumnElement[bool]:
    return and_(
        table.c.tenant == place.tenant, table.c.thread_id == place.thread_id, table.c.ns_hash == place.ns_hash
    )


def require_id(checkpoint_id: object) -> str:
    """The checkpoint that writes belong to.

    Raises:
        InputError: the config names none.
    """
    if not isinstance(checkpoint_id, str) or not checkpoint_id:
        raise InputError(
            "configurable.checkpoint_id is missing", remedy="pass the config that put() returned"
        )
    return checkpoint_id
