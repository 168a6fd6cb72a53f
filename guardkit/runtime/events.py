"""What the flows tell telemetry. Best effort: a telemetry fault never touches a run."""

import contextlib
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from guardkit.core import telemetry_names as names
from guardkit.core.telemetry_schema import SpanKind
from guardkit.core.values import Json
from guardkit.core.verdicts import Verdict
from guardkit.errors import ConfigurationError

T = TypeVar("T")

Attributes: TypeAlias = Mapping[str, str | int | float | bool]
"""Identifiers, kinds and numbers. Never user text, never who somebody is."""

Content: TypeAlias = Callable[[], Mapping[str, Json]]
"""What people and models wrote, by the attribute that it is for. Made only where it is asked for."""

log = logging.getLogger("guardkit")


class Span(Protocol):
    """A piece of work under way."""

    def active(self) -> contextlib.AbstractContextManager[None]:
        """Makes it the current one for a while, so that others become its children. May be entered again."""
        ...

    def set(self, attributes: Attributes) -> None:
        """Says what became known since it began."""
        ...

    def show(self, content: Content) -> None:
        """Shows what people and models wrote, where that is asked for; otherwise nothing, and nothing is made.

        Args:
            content: gives it. What is shown has been through the redactors.
        """
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
    """Sees decisions go by. Receives identifiers, kinds and numbers, never user text.

    `guardkit.core.telemetry_schema` lists every name that it is given, and what goes with each.
    """

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

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """Adds to a counter, or records a value of a histogram.

        Args:
            name: one of `guardkit.core.telemetry_schema.METRICS`, which says which of the two it is.
            value: in the unit that is given there.
            attributes: few different values; never an id of a thread, run, approval or person.
        """
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

    def show(self, content: Content) -> None:
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

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
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
        try:
            span = self._inner.start(name, attributes, kind=kind, links=links)
        except Exception as error:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self.failed(error)
            return NO_SPAN
        return span if span is NO_SPAN else _QuietSpan(self, span)

    def event(self, name: str, attributes: Attributes) -> None:
        """As the inner one's."""
        try:
            self._inner.event(name, attributes)
        except Exception as error:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self.failed(error)

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """As the inner one's."""
        try:
            self._inner.measure(name, value, attributes)
        except Exception as error:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self.failed(error)

    def traceparent(self) -> str | None:
        """As the inner one's."""
        return self.tried(self._inner.traceparent, None)

    def tried(self, call: Callable[[], T], otherwise: T) -> T:
        """What a call gives, or something else when it raises."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self.failed(error)
            return otherwise

    def failed(self, error: Exception) -> None:
        """Counts a fault, and tells of it as far as that can be."""
        self.faults += 1
        kind = type(error).__name__
        if self.faults == 1:
            log.warning("telemetry failed with %s; further faults are only counted", kind)
        try:
            self._inner.measure(names.FAULTS, 1, {names.ERROR_TYPE: kind})
        except Exception:  # noqa: BLE001  # nothing is left to tell it to
            self.faults += 1


class _QuietSpan:
    __slots__ = ("_inner", "_quiet")

    def __init__(self, quiet: Quiet, inner: Span) -> None:
        self._quiet = quiet
        self._inner = inner

    def active(self) -> contextlib.AbstractContextManager[None]:
        return _QuietActive(self._quiet, self._inner)

    def set(self, attributes: Attributes) -> None:
        try:
            self._inner.set(attributes)
        except Exception as error:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self._quiet.failed(error)

    def show(self, content: Content) -> None:
        try:
            self._inner.show(content)
        except Exception as error:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self._quiet.failed(error)

    def end(self, error: str | None = None) -> None:
        try:
            self._inner.end(error)
        except Exception as fault:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self._quiet.failed(fault)

    def traceparent(self) -> str | None:
        return self._quiet.tried(self._inner.traceparent, None)


class _QuietActive(contextlib.AbstractContextManager[None]):
    __slots__ = ("_holder", "_inner", "_quiet")

    def __init__(self, quiet: Quiet, inner: Span) -> None:
        self._quiet = quiet
        self._inner = inner
        self._holder: contextlib.AbstractContextManager[None] | None = None

    def __enter__(self) -> None:
        try:
            holder = self._inner.active()
            holder.__enter__()
            self._holder = holder
        except Exception as error:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self._quiet.failed(error)

    def __exit__(self, *error: object) -> None:
        if self._holder is None:
            return
        try:
            self._holder.__exit__(None, None, None)
        except Exception as fault:  # noqa: BLE001  # whatever telemetry raises, the run goes on
            self._quiet.failed(fault)


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
    """A check, sync or async, with a span of its own. Without telemetry it is the check itself.

    Args:
        telemetry: sees it.
        name: the check's.
        attributes: with the stage that it judges.
        check: the check with what it judges.
    """
    if isinstance(telemetry, NoTelemetry):
        return check
    facts = {names.OPERATION: names.APPLY_GUARDRAIL, names.GUARD_NAME: name, **attributes}

    def call() -> Any:
        watch = _Watch(
            telemetry,
            telemetry.start(f"{names.APPLY_GUARDRAIL} {name}", facts),
            {names.GUARD_NAME: name, names.GUARD_STAGE: attributes[names.GUARD_STAGE]},
            time.perf_counter(),
        )
        try:
            with watch.span.active():
                result = check()
        except BaseException as error:
            watch.failed(error)
            raise
        if inspect.isawaitable(result):
            return _Waiting(watch, result)
        watch.judged(result)
        return result

    return call


@dataclass(slots=True)
class _Watch:
    telemetry: Telemetry
    span: Span
    about: Attributes
    began: float

    def failed(self, error: BaseException) -> None:
        kind = type(error).__name__
        self.span.set({names.FAIL_MODE: "closed"})
        self.span.end(kind)
        self._measured({names.ERROR_TYPE: kind})

    def judged(self, result: Any) -> None:
        # As the gate reads it: what is neither a verdict nor nothing is a block.
        said = result.outcome if isinstance(result, Verdict) else "pass" if result is None else "block"
        self.span.set({names.VERDICT: said})
        if isinstance(result, Verdict) and result.why:
            why = result.why
            self.span.show(lambda: {names.VERDICT_WHY: why})
        self.span.end()
        self._measured({names.VERDICT: said})

    def _measured(self, outcome: Attributes) -> None:
        seconds = time.perf_counter() - self.began
        self.telemetry.measure(names.GUARD_DURATION, seconds, {**self.about, **outcome})


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A check that waits for something, as it is awaited, or closed where nothing can be awaited."""

    watch: _Watch
    result: Awaitable[Any]

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._judged().__await__()

    async def _judged(self) -> Any:
        try:
            with self.watch.span.active():
                found = await self.result
        except BaseException as error:
            self.watch.failed(error)
            raise
        self.watch.judged(found)
        return found

    def close(self) -> None:
        close: Callable[[], None] | None = getattr(self.result, "close", None)
        if close is not None:
            close()
        self.watch.failed(ConfigurationError("an async check was not awaited", remedy="use ainvoke"))
