"""What the flows tell telemetry. Best effort: a telemetry fault never touches a run."""

import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from guardkit.core.verdicts import Verdict

T = TypeVar("T")

Attributes: TypeAlias = Mapping[str, str | int | float | bool]
"""Identifiers, kinds and numbers. Never user text, never who somebody is."""

SpanKind: TypeAlias = Literal["internal", "producer", "consumer"]

log = logging.getLogger("guardkit")


class Span(Protocol):
    """A piece of work under way."""

    def active(self) -> contextlib.AbstractContextManager[None]:
        """Makes it the current one for a while, so that others become its children. May be entered again."""
        ...

    def set(self, attributes: Attributes) -> None:
        """Says what became known since it began."""
        ...

    def end(self, error: str | None = None) -> None:
        """Ends it. One that is never ended is not reported.

        Args:
            error: name of the exception type, when the guard itself failed. A rejection is none.
        """
        ...

    def traceparent(self) -> str | None:
        """Its W3C trace context, if it has one."""
        ...


class Telemetry(Protocol):
    """Sees decisions go by. Receives identifiers, kinds and numbers, never user text."""

    def start(
        self, name: str, attributes: Attributes, *, kind: SpanKind = "internal", links: Sequence[str] = ()
    ) -> Span:
        """Begins a span under the current one.

        Args:
            name: a verb and a configured name; few different ones.
            attributes: what is known now.
            kind: `producer` asks somebody who answers elsewhere, `consumer` is the answer coming in.
            links: trace contexts (W3C traceparent) of what it belongs to but is not part of.
        """
        ...

    def event(self, name: str, attributes: Attributes) -> None:
        """Something that happened at one instant, within the current span."""
        ...

    def traceparent(self) -> str | None:
        """The current W3C trace context, if there is one."""
        ...


class NoSpan:
    """A span that nobody sees."""

    def active(self) -> contextlib.AbstractContextManager[None]:
        """Nothing."""
        return _NOTHING

    def set(self, attributes: Attributes) -> None:
        """Nothing."""

    def end(self, error: str | None = None) -> None:
        """Nothing."""

    def traceparent(self) -> str | None:
        """Nothing."""
        return None


_NOTHING = contextlib.nullcontext()
NO_SPAN = NoSpan()


class NoTelemetry:
    """Records nothing."""

    def start(
        self, name: str, attributes: Attributes, *, kind: SpanKind = "internal", links: Sequence[str] = ()
    ) -> Span:
        """Nothing."""
        return NO_SPAN

    def event(self, name: str, attributes: Attributes) -> None:
        """Nothing."""

    def traceparent(self) -> str | None:
        """Nothing."""
        return None


class Quiet:
    """Shields runs from a telemetry that fails: its exceptions are counted and go no further.

    Args:
        inner: the telemetry.
    """

    def __init__(self, inner: Telemetry) -> None:
        self._inner = inner
        self.faults = 0
        """How often it has failed in this process."""

    def start(
        self, name: str, attributes: Attributes, *, kind: SpanKind = "internal", links: Sequence[str] = ()
    ) -> Span:
        """As the inner one's."""
        begin = partial(self._inner.start, name, attributes, kind=kind, links=links)
        span = self.tried(begin, None)
        return NO_SPAN if span is None else _QuietSpan(self, span)

    def event(self, name: str, attributes: Attributes) -> None:
        """As the inner one's."""
        self.tried(lambda: self._inner.event(name, attributes), None)

    def traceparent(self) -> str | None:
        """As the inner one's."""
        return self.tried(self._inner.traceparent, None)

    def tried(self, call: Callable[[], T], otherwise: T) -> T:
        """What a call gives, or something else when it raises."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self.faults += 1
            if self.faults == 1:
                log.warning("telemetry failed with %s; further faults are only counted", type(error).__name__)
            return otherwise


class _QuietSpan:
    def __init__(self, quiet: Quiet, inner: Span) -> None:
        self._quiet = quiet
        self._inner = inner

    @contextlib.contextmanager
    def active(self) -> Generator[None]:
        holder = self._quiet.tried(self._inner.active, _NOTHING)
        entered = self._quiet.tried(lambda: (holder.__enter__(), True)[1], False)
        try:
            yield
        finally:
            if entered:
                self._quiet.tried(lambda: holder.__exit__(None, None, None), None)

    def set(self, attributes: Attributes) -> None:
        self._quiet.tried(lambda: self._inner.set(attributes), None)

    def end(self, error: str | None = None) -> None:
        self._quiet.tried(lambda: self._inner.end(error), None)

    def traceparent(self) -> str | None:
        return self._quiet.tried(self._inner.traceparent, None)


@contextlib.contextmanager
def spanned(
    telemetry: Telemetry, name: str, attributes: Attributes, links: Sequence[str] = ()
) -> Generator[Span]:
    """A span around a piece of work. Ways out that are no failures of the guard, such as a pause, leave no error."""
    span = telemetry.start(name, attributes, links=links)
    try:
        with span.active():
            yield span
    finally:
        span.end()


def watched(
    telemetry: Telemetry, name: str, attributes: Attributes, check: Callable[[], Any]
) -> Callable[[], Any]:
    """A check, sync or async, with a span of its own. Without telemetry it is the check itself."""
    if isinstance(telemetry, NoTelemetry):
        return check
    facts = {"gen_ai.operation.name": "apply_guardrail", "guardkit.guard.name": name, **attributes}

    def call() -> Any:
        span = telemetry.start(f"apply_guardrail {name}", facts)
        try:
            with span.active():
                result = check()
        except BaseException as error:
            span.set({"guardkit.fail_mode": "closed"})
            span.end(type(error).__name__)
            raise
        if inspect.isawaitable(result):
            return _waited(span, result)
        _judged(span, result)
        return result

    return call


async def _waited(span: Span, result: Awaitable[Any]) -> Any:
    try:
        with span.active():
            found = await result
    except BaseException as error:
        span.set({"guardkit.fail_mode": "closed"})
        span.end(type(error).__name__)
        raise
    _judged(span, found)
    return found


def _judged(span: Span, result: Any) -> None:
    if isinstance(result, Verdict):
        span.set({"guardkit.verdict": result.outcome})
    elif result is None:
        span.set({"guardkit.verdict": "pass"})
    span.end()
