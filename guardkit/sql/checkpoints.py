"""Checkpoints as rows.

A checkpoint's row holds everything but large channel values. Those have a row for each version that the channel had,
so a step stores what it changed and not the whole state. Everything, metadata included, goes through the saver's
serializer, so an encrypting one leaves nothing in clear but ids, channel names and run ids.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Self, cast

from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from sqlalchemy import ColumnElement, Connection, Row, and_

from guardkit.errors import InputError, StorageError
from guardkit.sql import chains, hot, names, state_places
from guardkit.sql.chains import Pair
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.lineages import Key, Lineage, Lineages, grown, whole
from guardkit.sql.packing import Link
from guardkit.sql.sealing import Seal
from guardkit.sql.tables import blobs, checkpoints

_BODY = 1
"""Version of what a checkpoint's body holds: 1 = `checkpoint` without channel values, `inline` values by channel,
`kept`: the channels whose values have rows of their own."""

_SMALL = 256
"""Bytes of text up to which a value stays in the checkpoint's row. Raising it is safe, lowering it is not: a channel
that has not changed is not stored again."""

_BY_ITSELF = (bool, int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where checkpoints belong: a namespace of a thread of a tenant."""

    tenant: str
    thread_id: str
    ns: str
    ns_hash: str
    """What stands for the namespace in keys: namespaces grow with nesting."""

    @classmethod
    def named(cls, tenant: str, thread_id: str, ns: str) -> Self:
        """The place with these names."""
        return cls(tenant=tenant, thread_id=thread_id, ns=ns, ns_hash=ns_hash(ns))

    def keys(self) -> dict[str, str]:
        """The place as columns."""
        return {"tenant": self.tenant, "thread_id": self.thread_id, "ns_hash": self.ns_hash}

    def key(self, channel: str) -> Key:
        """A channel of the place."""
        return self.tenant, self.thread_id, self.ns_hash, channel


@lru_cache(maxsize=256)
def ns_hash(ns: str) -> str:
    """The hash of a namespace."""
    return hashlib.sha256(ns.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint's row."""

    tenant: str
    thread_id: str
    ns_hash: str
    checkpoint_id: str
    ns: str
    parent_id: str | None
    run_id: str | None
    type: str
    body: bytes
    metadata_type: str
    metadata: bytes
    refs: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The row as SQLAlchemy gives it."""
        return cls(*(getattr(row, name) for name in _COLUMNS))

    def keys(self) -> dict[str, str | None]:
        """What tells it from other rows, and its parent."""
        return {**self.place.keys(), "checkpoint_id": self.checkpoint_id, "parent_id": self.parent_id}

    @property
    def place(self) -> Place:
        """Where it belongs."""
        return Place(tenant=self.tenant, thread_id=self.thread_id, ns=self.ns, ns_hash=self.ns_hash)


_COLUMNS = tuple(one.name for one in fields(Stored))


@dataclass(slots=True, kw_only=True)
class Prepared:
    """A checkpoint on its way into the database."""

    place: Place
    seal: Seal
    row: Mapping[str, Any]
    changed: dict[str, Lineage]
    """Values that are stored anew, by channel."""

    unchanged: Mapping[str, tuple[str, Any]]
    """Versions and values that should be there."""

    stored: dict[str, Lineage] = field(default_factory=dict[str, Lineage])

    def wanted(self) -> dict[Pair, Link | None]:
        """What has to be there for this to be rebuilt."""
        there: dict[Pair, Link | None] = {
            (channel, version): None for channel, (version, _) in self.unchanged.items()
        }
        for channel, lineage in self.changed.items():
            base = lineage.head.base
            if base is not None:
                there[channel, base] = next(link for link in lineage.path if link.version == base)
        return there

    def rows(self, missing: set[Pair]) -> list[dict[str, Any]]:
        """The rows of values. What was thought to be there and is not, is stored whole."""
        rows: list[dict[str, Any]] = []
        for channel, lineage in self.changed.items():
            link = lineage.head
            if link.base is not None and (channel, link.base) in missing:
                lineage = whole(lineage.kind, lineage.data, link.version)
            rows.append(self._row(channel, lineage))
        for channel, (version, value) in self.unchanged.items():
            if (channel, version) in missing:
                rows.append(self._row(channel, whole(*self.seal.dumped(value), version)))
        return rows

    def _row(self, channel: str, lineage: Lineage) -> dict[str, Any]:
        link = lineage.head
        where = state_places.blob(self.place.keys(), channel, link.version, link.base)
        kind, value = self.seal.closed(where, link.type, link.value)
        self.stored[channel] = Lineage(
            lineage.kind, lineage.data, (*lineage.path[:-1], replace(link, stored=len(value)))
        )
        return {
            **self.place.keys(),
            "channel": names.checked("channel", channel, NAME_LENGTH),
            "version": link.version,
            "type": kind,
            "value": value,
            "base": link.base,
        }

    def remember(self, lineages: Lineages) -> None:
        """After the commit: what the next values can rest on."""
        for channel, lineage in self.stored.items():
            lineages.keep(self.place.key(channel), lineage)


def prepare(
    seal: Seal,
    lineages: Lineages,
    place: Place,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    new_versions: ChannelVersions,
    parent_id: str | None,
) -> Prepared:
    """A checkpoint as its row and those of the values that changed. Serializes; touches no database."""
    values = checkpoint["channel_values"]
    versions = checkpoint["channel_versions"]
    inline: dict[str, Any] = {}
    changed: dict[str, Lineage] = {}
    unchanged: dict[str, tuple[str, Any]] = {}
    for name, value in values.items():
        if name not in versions or _is_small(value):
            inline[name] = value
        elif name in new_versions:
            version = str(versions[name])
            changed[name] = grown(lineages.get(place.key(name)), *seal.dumped(value), version)
        else:
            unchanged[name] = (str(versions[name]), value)
    kept = sorted([*changed, *unchanged])
    bare = {name: value for name, value in checkpoint.items() if name != "channel_values"}
    checkpoint_id = names.checkpoint("checkpoint.id", checkpoint["id"])
    keys = {**place.keys(), "checkpoint_id": checkpoint_id, "parent_id": parent_id}
    whole_body = {"v": _BODY, "checkpoint": bare, "inline": inline, "kept": kept}
    kind, body = seal.dump(state_places.body(keys), whole_body)
    metadata_kind, metadata_body = seal.dump(state_places.metadata(keys), dict(metadata))
    run_id = metadata.get("run_id")
    row = {
        **keys,
        "ns": place.ns,
        "run_id": run_id if isinstance(run_id, str) else None,
        "type": kind,
        "body": body,
        "metadata_type": metadata_kind,
        "metadata": metadata_body,
        "refs": chains.refs([(name, str(versions[name])) for name in kept]),
    }
    return Prepared(place=place, seal=seal, row=row, changed=changed, unchanged=unchanged)


def _is_small(value: Any) -> bool:
    """Whether a value is not worth a row. Subclasses are: they may serialize to anything."""
    if value is None or type(value) in _BY_ITSELF:
        return True
    return (
        type(value) is str and len(value) <= _SMALL and len(value.encode("utf-8", "surrogatepass")) <= _SMALL
    )


def store(connection: Connection, prepared: Prepared) -> None:
    """Write a checkpoint. The same one again replaces itself; a channel's version never changes."""
    wanted = prepared.wanted()
    missing = set(wanted) - chains.standing(connection, prepared.row, wanted)
    hot.insert_all_new(connection, blobs, prepared.rows(missing))
    hot.upsert_all(connection, checkpoints, [prepared.row])


def metadata_of(seal: Seal, row: Stored) -> CheckpointMetadata:
    """The metadata in a checkpoint's row."""
    return cast(
        "CheckpointMetadata", seal.load(state_places.metadata(row.keys()), row.metadata_type, row.metadata)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a checkpoint's row says of its channels."""

    checkpoint: Mapping[str, Any]
    inline: Mapping[str, Any]
    kept: Sequence[Pair]
    """Channel and version of each value that has a row of its own."""


def body_of(seal: Seal, row: Stored) -> Body:
    """The body of a checkpoint's row.

    Raises:
        StorageError: a newer guardkit wrote it.
    """
    found = seal.load(state_places.body(row.keys()), row.type, row.body)
    version: Any = cast("dict[str, Any]", found).get("v") if isinstance(found, dict) else None
    if version != _BODY:
        raise StorageError(
            f"checkpoint {row.checkpoint_id!r} is of version {version!r}, this guardkit reads {_BODY}",
            remedy="upgrade guardkit",
        )
    body = cast("dict[str, Any]", found)
    versions = body["checkpoint"]["channel_versions"]
    return Body(
        checkpoint=body["checkpoint"],
        inline=body["inline"],
        kept=[(name, str(versions[name])) for name in body["kept"]],
    )


def at(table: Any, place: Place) -> ColumnElement[bool]:
    """Rows of a place."""
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
