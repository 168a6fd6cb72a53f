"""Lists of checkpoints, newest first, some rows at a time.

The key of a checkpoint's row begins with its thread and namespace, so a list of one namespace reads the key's index from where it
stopped. Others have no index in their order: one would have to be written by every put. They sort keys without rows, and more of
them each time, so that a list sorts its keys few times however long it is.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Connection, Select, and_, or_, select

from guardkit.sql.checkpoints import Place, Stored, at, ns_hash
from guardkit.sql.tables import checkpoints

_GROWS = 8
"""How many times as many keys are sorted the next time."""

_MOST = 1 << 15
"""Keys that are kept at most."""

_Rows = TypeVar("_Rows", bound=Select[*tuple[Any, ...]])

_Key: TypeAlias = tuple[str, str, str]
"""Id of a checkpoint, thread, hash of a namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which checkpoints are listed. What is `None` does not matter."""

    tenant: str
    thread_id: str | None
    ns: str | None
    checkpoint_id: str | None
    before: str | None
    """Only those of a smaller id."""


class Pages:
    """A list of checkpoints on its way.

    Args:
        asked: which.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._keys: deque[_Key] = deque()
        self._after: _Key | None = None
        self._many = 0
        self._no_more = False

    @property
    def over(self) -> bool:
        """Whether all have been given."""
        return self._no_more and not self._keys

    def next(self, connection: Connection, size: int) -> Sequence[Stored]:
        """So many rows that follow, fewer only at the end or where some were deleted meanwhile."""
        asked = self._asked
        if asked.thread_id is not None and asked.ns is not None:
            return self._of_one(connection, Place.named(asked.tenant, asked.thread_id, asked.ns), size)
        if not self._keys and not self._no_more:
            self._sort(connection, size)
        keys = [self._keys.popleft() for _ in range(min(size, len(self._keys)))]
        return _rows(connection, asked.tenant, keys)

    def _of_one(self, connection: Connection, place: Place, size: int) -> Sequence[Stored]:
        chosen = self._bounded(select(checkpoints).where(at(checkpoints, place)))
        if self._after is not None:
            chosen = chosen.where(checkpoints.c.checkpoint_id < self._after[0])
        ordered = chosen.order_by(checkpoints.c.checkpoint_id.desc()).limit(size)
        rows = [Stored.of(row) for row in connection.execute(ordered)]
        self._no_more = len(rows) < size
        if rows:
            self._after = (rows[-1].checkpoint_id, place.thread_id, place.ns_hash)
        return rows

    def _sort(self, connection: Connection, size: int) -> None:
        """Take the keys that follow."""
        self._many = max(size, min(self._many * _GROWS, _MOST))
        table, asked = checkpoints.c, self._asked
        chosen = select(table.checkpoint_id, table.thread_id, table.ns_hash)
        chosen = self._bounded(chosen.where(table.tenant == asked.tenant))
        if asked.thread_id is not None:
            chosen = chosen.where(table.thread_id == asked.thread_id)
        if asked.ns is not None:
            chosen = chosen.where(table.ns_hash == ns_hash(asked.ns))
        if self._after is not None:
            # Copied threads have checkpoints of the same id.
            last, thread_id, hashed = self._after
            in_thread = and_(table.thread_id == thread_id, table.ns_hash > hashed)
            chosen = chosen.where(
                table.checkpoint_id <= last,
                or_(table.checkpoint_id < last, table.thread_id > thread_id, in_thread),
            )
        ordered = chosen.order_by(table.checkpoint_id.desc(), table.thread_id, table.ns_hash)
        found = connection.execute(ordered.limit(self._many)).all()
        self._keys.extend((row.checkpoint_id, row.thread_id, row.ns_hash) for row in found)
        self._no_more = len(found) < self._many
        if found:
            self._after = self._keys[-1]

    def _bounded(self, chosen: _Rows) -> _Rows:
        if self._asked.checkpoint_id is not None:
            chosen = chosen.where(checkpoints.c.checkpoint_id == self._asked.checkpoint_id)
        if self._asked.before is not None:
            chosen = chosen.where(checkpoints.c.checkpoint_id < self._asked.before)
        return chosen


def _rows(connection: Connection, tenant: str, keys: Sequence[_Key]) -> list[Stored]:
    """The rows with these keys, in their order."""
    places: dict[tuple[str, str], list[str]] = {}
    for checkpoint_id, *place in keys:
        places.setdefault((place[0], place[1]), []).append(checkpoint_id)
    found: dict[_Key, Stored] = {}
    for (thread_id, hashed), ids in places.items():
        table = checkpoints.c
        chosen = select(checkpoints).where(
            table.tenant == tenant,
            table.thread_id == thread_id,
            table.ns_hash == hashed,
            # So that a database reads no more than what lies between, if it does not look for each by itself.
            table.checkpoint_id.between(min(ids), max(ids)),
            table.checkpoint_id.in_(ids),
        )
        for row in connection.execute(chosen):
            one = Stored.of(row)
            found[one.checkpoint_id, thread_id, hashed] = one
    return [found[key] for key in keys if key in found]
