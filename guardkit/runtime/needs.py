"""What a flow asks of its driver.

A flow is a generator. It holds the logic and does nothing itself: it yields a need, and the driver sends back what
came of it or throws what went wrong. The same flow therefore serves sync and async graphs, and a test can drive it
with no database, model or tool at all.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from guardkit.core.effects import Effect
from guardkit.core.values import JsonObject

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InStore:
    """Run one transaction. Sends back its result."""

    do: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """Call user code that may be sync or async, several at once, each under a timeout.

    Sends back one result per call, in order; a call that raised or was late yields its exception.
    """

    calls: Sequence[Callable[[], Any]]
    timeout: float
    """Seconds; applies to awaitables. Plain calls run inline and are expected to be quick."""


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run the guarded tool. Sends back its output."""

    args: JsonObject
    effect: Effect | None
    timeout: float | None
    """Seconds; `None` without limit."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass, while the run keeps its lease."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Interrupt the graph. What is sent back was said by whoever resumed it, and proves nothing."""

    payload: JsonObject


Need: TypeAlias = InStore | Ask | RunTool | Wait | Pause
Flow: TypeAlias = Generator[Need, Any, T]
