"""Forks of a process that has SQLite files open.

SQLite counts in the memory of a process what that process has locked in a file. A child inherits the counts, but not the locks:
a connection that it opens takes locks for held that it does not hold, and whoever closes the file last then takes away the log
that the child writes to. So no connection is open while a process forks. Servers need nothing of the kind.
"""

import threading
import time
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Engine, QueuePool

_PATIENCE = 5.0
"""Seconds to wait for transactions under way. Whoever forks inside one waits in vain, and forks all the same."""

_LOOKS = 0.002


class Writer(Protocol):
    """Who writes to a file."""

    def rest(self, seconds: float) -> bool:
        """Commit what is open, and let nobody write until `go_on`; returns whether it rests."""
        ...

    def go_on(self) -> None:
        """Let others write again."""
        ...


class Forks:
    """What holds back new connections to SQLite files while this process forks."""

    def __init__(self) -> None:
        self.begin_life()

    def begin_life(self) -> None:
        """In a child process: the locks are those of the parent's threads."""
        self.opening = threading.Lock()
        """Held while a connection to a file is opened."""

        self._forking = threading.Lock()
        self._resting: list[Writer] = []

    def before(self, files: Sequence[tuple[Engine, Writer]]) -> None:
        """Close all connections, and let nobody open one.

        Args:
            files: the engines of the files, and their writers.
        """
        self._forking.acquire()
        until = time.monotonic() + _PATIENCE
        self._resting = [writer for _, writer in files if writer.rest(_left(until))]
        self.opening.acquire()
        for engine, _ in files:
            _close(engine, until)

    def after(self) -> None:
        """In the parent: go on."""
        self.opening.release()
        for writer in self._resting:
            writer.go_on()
        self._resting = []
        self._forking.release()


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.0)


def _close(engine: Engine, until: float) -> None:
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    engine.dispose()
    while pool.checkedout() > 0 and _left(until) > 0:
        time.sleep(_LOOKS)
    pool.dispose()


FORKS = Forks()
