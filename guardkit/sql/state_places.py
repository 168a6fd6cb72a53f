"""The places of a saver's values: what is authenticated with each of them.

A difference is bound to what it rests on, so that neither is exchanged. The type of a value is bound to it by `Seal`.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from sqlalchemy import Table

from guardkit.sql.tables import blobs, checkpoints, writes
from guardkit.sql.vault import Where

Keys: TypeAlias = Mapping[str, Any]
"""Columns of a row, at least those that are named here."""


def body(keys: Keys) -> Where:
    """Of a checkpoint's body."""
    return _of_checkpoint("body", keys)


def metadata(keys: Keys) -> Where:
    """Of a checkpoint's metadata."""
    return _of_checkpoint("metadata", keys)


def _of_checkpoint(column: str, keys: Keys) -> Where:
    return [*_begin("gk_checkpoints", column, keys), keys["checkpoint_id"], keys["parent_id"]]


def blob(keys: Keys, channel: str, version: str, base: str | None) -> Where:
    """Of a channel's value."""
    return [*_begin("gk_blobs", "value", keys), channel, version, base]


def write(keys: Keys) -> Where:
    """Of what a task wrote."""
    rest = [keys[name] for name in ("checkpoint_id", "task_id", "idx", "task_path", "channel")]
    return [*_begin("gk_writes", "value", keys), *rest]


def _begin(table: str, column: str, keys: Keys) -> list[str | int | None]:
    return [table, column, keys["tenant"], keys["thread_id"], keys["ns_hash"]]


def _blob(keys: Keys) -> Where:
    return blob(keys, keys["channel"], keys["version"], keys["base"])


PLACES: Mapping[Table, tuple[tuple[str, str, Callable[[Keys], Where]], ...]] = {
    checkpoints: (("type", "body", body), ("metadata_type", "metadata", metadata)),
    blobs: (("type", "value", _blob),),
    writes: (("type", "value", write),),
}
"""By table: the columns of type and value, and the place of the value in a row."""
