"""What the flows tell telemetry. Best effort: a telemetry fault never touches a run."""

import contextlib
from collections.abc import Generator
from typing import Protocol


class Telemetry(Protocol):
    """Sees decisions go by. Receives identifiers, kinds and numbers, never user text."""

    def span(
        self, name: str, attributes: dict[str, str | int | float | bool]
    ) -> contextlib.AbstractContextManager[None]:
        """A span around a piece of work that does not pause."""
        ...

    def event(self, name: str, attributes: dict[str, str | int | float | bool]) -> None:
        """Something that happened at one instant."""
        ...

    def traceparent(self) -> str | None:
        """The current W3C trace context, if there is one."""
        ...


class NoTelemetry:
    """Records nothing."""

    @contextlib.contextmanager
    def span(self, name: str, attributes: dict[str, str | int | float | bool]) -> Generator[None]:
        """Nothing."""
        yield

    def event(self, name: str, attributes: dict[str, str | int | float | bool]) -> None:
        """Nothing."""

    def traceparent(self) -> str | None:
        """Nothing."""
        return None
