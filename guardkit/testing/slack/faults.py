"""What goes wrong on demand: answers that get lost, refusals, delays, the rate limit."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from guardkit.testing.slack.values import SlackRefusal


@dataclass(slots=True)
class _Failure:
    error: str
    times: int


@dataclass(slots=True)
class _Bucket:
    level: float
    since: float


class Faults:
    """Decides about each call. Every method may be called from any thread.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lost: dict[str, int] = {}
        self._failures: dict[str, list[_Failure]] = {}
        self._delays: dict[str, float] = {}
        self._rate: tuple[float, int] | None = None
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def lose(self, method: str, times: int) -> None:
        """Let the next calls of a method work, and their answers get lost."""
        with self._lock:
            self._lost[method] = self._lost.get(method, 0) + times

    def lost(self, method: str) -> bool:
        """Whether the answer to this call gets lost; counts down."""
        with self._lock:
            left = self._lost.get(method, 0)
            self._lost[method] = max(0, left - 1)
            return left > 0

    def fail(self, method: str, error: str, times: int) -> None:
        """Let the next calls of a method be refused."""
        with self._lock:
            self._failures.setdefault(method, []).append(_Failure(error, times))

    def check(self, method: str) -> None:
        """Refuse this call if it was asked for; counts down.

        Raises:
            SlackRefusal: with the error that was asked for.
        """
        with self._lock:
            waiting = self._failures.get(method, [])
            if not waiting:
                return
            failure = waiting[0]
            failure.times -= 1
            if failure.times <= 0:
                waiting.pop(0)
        raise SlackRefusal(failure.error, {"retry_after": 1} if failure.error == "ratelimited" else None)

    def delay(self, method: str, seconds: float) -> None:
        """Let every call of a method take time; zero ends that."""
        with self._lock:
            self._delays[method] = seconds

    def delay_of(self, method: str) -> float:
        """Seconds that a call of a method takes."""
        with self._lock:
            return self._delays.get(method, 0.0)

    def limit(self, per_second: float | None, burst: int) -> None:
        """Set the rate limit of messages.

        Args:
            per_second: messages per second and conversation; `None` for no limit.
            burst: how many may come at once.
        """
        with self._lock:
            self._rate = None if per_second is None else (per_second, burst)
            self._buckets.clear()

    def admit(self, channel: str) -> None:
        """Count a message against the limit of its conversation.

        Raises:
            SlackRefusal: `ratelimited`, with `retry_after` in whole seconds.
        """
        with self._lock:
            if self._rate is None:
                return
            per_second, burst = self._rate
            now = self._clock()
            bucket = self._buckets.setdefault(channel, _Bucket(level=burst, since=now))
            bucket.level = min(burst, bucket.level + (now - bucket.since) * per_second)
            bucket.since = now
            if bucket.level < 1:
                wait = (1 - bucket.level) / per_second
                raise SlackRefusal("ratelimited", {"retry_after": max(1, -int(-wait // 1))})
            bucket.level -= 1
