"""A telemetry that fails."""

from __future__ import annotations

import contextlib
from typing import Any

from guardkit.runtime.events import Attributes, Content, Span


class Broken:
    """A telemetry that raises at one of its methods, or at one of its spans'."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.raised = 0

    def fail(self, where: str) -> None:
        if where == self.at:
            self.raised += 1
            raise OSError("the collector is gone")

    def start(self, name: str, attributes: Attributes, **options: Any) -> Span:
        self.fail("start")
        return BrokenSpan(self)

    def event(self, name: str, attributes: Attributes) -> None:
        self.fail("event")

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        self.fail("measure")

    def traceparent(self) -> str | None:
        self.fail("traceparent")
        return None


class BrokenSpan:
    def __init__(self, owner: Broken) -> None:
        self.owner = owner

    @contextlib.contextmanager
    def active(self) -> Any:
        self.owner.fail("enter")
        yield
        self.owner.fail("exit")

    def set(self, attributes: Attributes) -> None:
        self.owner.fail("set")

    def show(self, content: Content) -> None:
        self.owner.fail("show")

    def end(self, error: str | None = None) -> None:
        self.owner.fail("end")

    def traceparent(self) -> str | None:
        self.owner.fail("span traceparent")
        return None
