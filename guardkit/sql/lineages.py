"""What a process knows of the values it stores next: the last one of each channel, and how it is stored.

A new value is kept as what differs from an older one. Were that always the last one, the newest value would rest on all
values before it. So every 32nd rests on the one 32 before it, every 1024th on the one 1024 before it, and so on: a value
rests on 31 others for each digit of its number at most, and what is stored twice grows with the digits.
"""

import os
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass

from guardkit.sql.packing import Link, compared, packed, rebuilt

_WIDTH = 32
_LAST = 0xFFFF

_HEAVY = 3
"""How many times the bytes of the value that rests on nothing those on top of it may have."""

_SLIGHT = 1024
"""Bytes on top of a value that are never too many."""

Key = tuple[str, str, str, str]
"""Tenant, thread, hash of the namespace, channel."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """A channel's value, and the stored values that it is rebuilt from, the last of which is its own."""

    kind: str
    data: bytes
    path: tuple[Link, ...]

    @property
    def head(self) -> Link:
        """The value's own link."""
        return self.path[-1]

    @property
    def size(self) -> int:
        """Bytes that this takes in memory, about."""
        return len(self.data) + sum(len(link.value) + 200 for link in self.path)


def whole(kind: str, data: bytes, version: str) -> Lineage:
    """A value that rests on no other."""
    return Lineage(kind, data, (Link(version, *packed(kind, data)),))


def grown(last: Lineage | None, kind: str, data: bytes, version: str) -> Lineage:
    """A value that rests on an older one, where that is worth it."""
    if last is None or last.kind != kind or last.head.version == version:
        return whole(kind, data, version)
    number = last.head.number + 1
    step = 1
    while number % (step * _WIDTH) == 0:
        step *= _WIDTH
    at = max(i for i, link in enumerate(last.path) if i == 0 or link.number <= number - step)
    path = last.path[: at + 1]
    older = last.data if at == len(last.path) - 1 else rebuilt(path)[1]
    link = compared(kind, data, version, path[-1], older, number) if number <= _LAST else None
    if link is None:
        return whole(kind, data, version)
    upon = sum(len(other.value) for other in path[1:]) + len(link.value)
    if upon > _SLIGHT and upon > _HEAVY * len(path[0].value):
        return whole(kind, data, version)
    return Lineage(kind, data, (*path, link))


def found(path: tuple[Link, ...]) -> Lineage:
    """A lineage from stored links.

    Raises:
        MissingDataError: they do not fit together.
    """
    kind, data = rebuilt(path)
    return Lineage(kind, data, path)


class Lineages:
    """The lineages that were used last. Losing one costs space, never correctness: what it says is checked when it is used.

    Args:
        limit: bytes to keep, about.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.forget()
        _ALL.add(self)

    def forget(self) -> None:
        """Begin anew. In a child process the lock may have been held by a thread that is not here."""
        self._lock = threading.Lock()
        self._known: OrderedDict[Key, Lineage] = OrderedDict()
        self._size = 0

    def get(self, key: Key) -> Lineage | None:
        """The last value of a channel, as far as it is known."""
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
            return known

    def keep(self, key: Key, lineage: Lineage) -> None:
        """Remember a value that is stored."""
        with self._lock:
            self._drop(key)
            if lineage.size > self._limit:
                return
            self._known[key] = lineage
            self._size += lineage.size
            while self._size > self._limit:
                self._drop(next(iter(self._known)))

    def _drop(self, key: Key) -> None:
        gone = self._known.pop(key, None)
        if gone is not None:
            self._size -= gone.size


_ALL: weakref.WeakSet[Lineages] = weakref.WeakSet()


def _forget_all() -> None:
    for lineages in list(_ALL):
        lineages.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
