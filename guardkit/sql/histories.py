"""What a `DeltaChannel` is rebuilt from: the writes of a checkpoint's ancestors, back to one that holds a value.

Beta in LangGraph, see `BaseCheckpointSaver.get_delta_channel_history`.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import DeltaChannelHistory
from sqlalchemy import Connection, select

from guardkit.sql import chains, pending
from guardkit.sql.checkpoints import Body, Place, Stored, at, body_of
from guardkit.sql.packing import rebuilt
from guardkit.sql.sealing import Seal
from guardkit.sql.tables import checkpoints

_PAGE = 128


def ancestors(
    connection: Connection, seal: Seal, place: Place, checkpoint_id: str | None
) -> Generator[tuple[Stored, Body]]:
    """The ancestors of a checkpoint, the parent first; of the newest one when no id is given.

    An ancestor's id is smaller as LangGraph makes them, so they are read in pages; one that is not, by itself.
    """
    chosen = select(checkpoints).where(at(checkpoints, place))
    if checkpoint_id is not None:
        chosen = chosen.where(checkpoints.c.checkpoint_id == checkpoint_id)
    first = connection.execute(chosen.order_by(checkpoints.c.checkpoint_id.desc()).limit(1)).one_or_none()
    parent: str | None = None if first is None else first.parent_id
    page: dict[str, Stored] = {}
    seen: set[str] = set()
    while parent is not None and parent not in seen:
        seen.add(parent)
        if parent not in page:
            older = select(checkpoints).where(at(checkpoints, place), checkpoints.c.checkpoint_id <= parent)
            found = connection.execute(older.order_by(checkpoints.c.checkpoint_id.desc()).limit(_PAGE))
            page = {row.checkpoint_id: Stored.of(row) for row in found}
        row = page.get(parent)
        if row is None:
            return
        yield row, body_of(seal, row)
        parent = row.parent_id


def history(
    connection: Connection, seal: Seal, place: Place, checkpoint_id: str | None, channels: Sequence[str]
) -> Mapping[str, DeltaChannelHistory]:
    """Writes to channels on the way to a checkpoint, the oldest first, and the value that they begin with.

    Raises:
        MissingDataError: that value is gone.
    """
    left = set(channels)
    way: list[tuple[str, frozenset[str]]] = []
    seeds: dict[str, Any] = {}
    kept: dict[str, tuple[str, str]] = {}
    for row, body in ancestors(connection, seal, place, checkpoint_id):
        way.append((row.checkpoint_id, frozenset(left)))
        rows = dict(body.kept)
        for channel in left & (set(body.inline) | set(rows)):
            left.discard(channel)
            if channel in rows:
                kept[channel] = (channel, rows[channel])
            else:
                seeds[channel] = body.inline[channel]
        if not left:
            break
    known = chains.links(connection, seal, place.keys(), list(kept.values()))
    for channel, pair in kept.items():
        seeds[channel] = seal.loaded(*rebuilt(chains.path(known, *pair)))
    written = pending.of(connection, place, [one for one, _ in way], channels)
    done: dict[str, DeltaChannelHistory] = {channel: {"writes": []} for channel in channels}
    for one, open_for in reversed(way):
        mine = [row for row in written.get(one, []) if row.channel in open_for]
        for write in pending.loaded(seal, place, one, mine):
            done[write[1]]["writes"].append(write)
    for channel, seed in seeds.items():
        done[channel]["seed"] = seed
    return done
