"""What tasks wrote for the next checkpoint, as rows."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import WRITES_IDX_MAP, writes_sort_key
from sqlalchemy import Connection, select

from guardkit.sql import hot, names, state_places
from guardkit.sql.checkpoints import Place, at
from guardkit.sql.sealing import Seal
from guardkit.sql.tables import writes

PendingWrite = tuple[str, str, Any]

_SOME = 500
"""How many checkpoints are asked for at once."""


def rows(
    seal: Seal,
    place: Place,
    checkpoint_id: str,
    given: Sequence[tuple[str, Any]],
    task_id: str,
    task_path: str,
) -> list[dict[str, Any]]:
    """A task's writes as rows."""
    made: list[dict[str, Any]] = []
    for index, (channel, value) in enumerate(given):
        keys = {
            **place.keys(),
            "checkpoint_id": names.checkpoint("checkpoint_id", checkpoint_id),
            "task_id": names.checkpoint("task_id", task_id),
            "idx": WRITES_IDX_MAP.get(channel, index),
            "task_path": task_path,
            "channel": channel,
        }
        made.append(row(seal, keys, value))
    return made


def row(seal: Seal, keys: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """A write as its row."""
    kind, data = seal.dump(state_places.write(keys), value)
    return {**keys, "type": kind, "value": data}


def store(connection: Connection, made: Sequence[Mapping[str, Any]]) -> None:
    """Write what `rows` made. Of ordinary writes the first holds, of special ones (negative index) the last."""
    hot.insert_all_new(connection, writes, [row for row in made if row["idx"] >= 0])
    hot.upsert_all(connection, writes, [row for row in made if row["idx"] < 0])


def of(
    connection: Connection,
    place: Place,
    checkpoint_ids: Sequence[str],
    channels: Collection[str] | None = None,
) -> dict[str, list[Any]]:
    """The rows of writes of checkpoints, in no order, by checkpoint.

    Args:
        connection: a transaction.
        place: of the checkpoints.
        checkpoint_ids: which.
        channels: only writes to these.
    """
    found: dict[str, list[Any]] = {}
    for start in range(0, len(checkpoint_ids), _SOME):
        some = checkpoint_ids[start : start + _SOME]
        chosen = select(writes).where(
            at(writes, place),
            # So that a database reads no more than what lies between, if it does not look for each by itself.
            writes.c.checkpoint_id.between(min(some), max(some)),
            writes.c.checkpoint_id.in_(some),
        )
        if channels is not None:
            chosen = chosen.where(writes.c.channel.in_(list(channels)))
        for row in connection.execute(chosen):
            found.setdefault(row.checkpoint_id, []).append(row)
    return found


def loaded(seal: Seal, place: Place, checkpoint_id: str, found: Sequence[Any]) -> list[PendingWrite]:
    """Writes of one checkpoint in the order in which a step applies them."""
    keys = {**place.keys(), "checkpoint_id": checkpoint_id}
    # Sorted here: databases do not agree on the order of texts.
    ordered = sorted(found, key=lambda row: writes_sort_key(row.task_path, row.task_id, row.idx))
    return [(one.task_id, one.channel, value_of(seal, keys, one)) for one in ordered]


def value_of(seal: Seal, keys: Mapping[str, Any], found: Any) -> Any:
    """What a write's row holds; `keys` name its checkpoint."""
    own = {name: getattr(found, name) for name in ("task_id", "idx", "task_path", "channel")}
    return seal.load(state_places.write({**keys, **own}), found.type, found.value)
