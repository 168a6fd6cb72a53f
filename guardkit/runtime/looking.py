"""A look at something that may be slow, such as a database: bounded in time, and remembered for a while."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from guardkit.errors import GuardkitError

_log = logging.getLogger("guardkit")

T = TypeVar("T")


class Look(Generic[T]):
    """Looks in a thread of its own, one look at a time, whoever asks.

    Whoever asks waits for `patience` seconds at most, and nobody for a look that was late a moment ago: a database that
    hangs delays neither a probe nor a scrape by more than that. When looks begin to fail, and when they are back, the
    log says so once.

    Args:
        what: what is looked at, for the log.
        look: the call; what it returns is not `None`.
        fresh: seconds that what was seen counts, and that a failure does.
        patience: seconds that a caller waits.
    """

    def __init__(
        self, what: str, look: Callable[[], T], *, fresh: float = 10.0, patience: float = 2.0
    ) -> None:
        self._what = what
        self._look = look
        self._fresh = fresh
        self._patience = patience
        self._lock = threading.Lock()
        self._seen: T | None = None
        self._until = 0.0
        self._under_way: threading.Event | None = None
        self._failing = False

    def __call__(self) -> T | None:
        """What was seen at most `fresh` seconds ago, or `None` when it cannot be seen now."""
        with self._lock:
            if time.monotonic() < self._until:
                return self._seen
            done = self._under_way
            if done is None:
                done = self._under_way = threading.Event()
                threading.Thread(target=self._take, args=(done,), name="guardkit-look", daemon=True).start()
        if not done.wait(self._patience):
            with self._lock:
                if not done.is_set():
                    self._keep(None, f"no answer within {self._patience:g} s")
        with self._lock:
            return self._seen

    def _take(self, done: threading.Event) -> None:
        seen: T | None = None
        problem = ""
        try:
            seen = self._look()
        except GuardkitError as error:
            problem = f"{error.code}: {error}"
        except Exception as error:  # noqa: BLE001  # whatever a look raises, it has seen nothing
            problem = type(error).__name__
        with self._lock:
            self._keep(seen, problem)
            self._under_way = None
            done.set()

    def _keep(self, seen: T | None, problem: str) -> None:
        self._seen = seen
        self._until = time.monotonic() + self._fresh
        if problem and not self._failing:
            _log.error("%s: %s", self._what, problem)
        if self._failing and not problem:
            _log.warning("%s: back", self._what)
        self._failing = bool(problem)


class Readiness:
    """Whether a process can do its work: its check passes, and it is not about to end.

    Args:
        check: raises when the process could not do its work now. It is asked once at a time, and has three seconds.
    """

    def __init__(self, check: Callable[[], object]) -> None:
        self._look: Look[bool] = Look("readiness", lambda: (check(), True)[1], fresh=0.0, patience=3.0)
        self._draining = False

    def drain(self) -> None:
        """The process ends: it is not ready from now on, whatever the check says."""
        self._draining = True

    def __call__(self) -> bool:
        """Whether it is ready now."""
        return not self._draining and self._look() is not None
