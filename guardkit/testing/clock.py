"""A clock that stands still until it is told to go."""

import threading


class FakeClock:
    """Stands for the database's clock in a `MemoryStore`.

    Args:
        now: seconds since the epoch to begin with.
    """

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self._now = now
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Seconds since the epoch."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError("a database's clock does not go back")
        with self._lock:
            self._now += seconds
