"""guardkit's decisions as OpenTelemetry spans and events. Needs only `opentelemetry-api`; without an SDK it does nothing.

What leaves are identifiers, kinds and numbers. Prompts, arguments, answers and identities are not among them; the
thread's id is (`gen_ai.conversation.id`), so a thread should not be named after a person.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, SeverityNumber, get_logger
from opentelemetry.context import attach, detach
from opentelemetry.trace import Link, SpanKind as Kind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from guardkit.runtime.events import Attributes, Span, SpanKind

_KINDS = {"internal": Kind.INTERNAL, "producer": Kind.PRODUCER, "consumer": Kind.CONSUMER}
_W3C = TraceContextTextMapPropagator()
_SEVERE = frozenset({"guardkit.emergency_stop"})
_COMMON = {"openinference.span.kind": "GUARDRAIL"}
"""So that viewers show guardkit's spans as what they are."""


class OpenTelemetry:
    """Shows every decision as a span or an event: `Guard(..., telemetry=OpenTelemetry())`.

    An approval may take hours, and no span stays open for it: a run that goes on after it has a trace of its own,
    linked to the question's. Spans of calls to models come from LangChain's own instrumentation, and are children of
    guardkit's where that one honours the current context.

    Args:
        tracer_provider: where spans go; by default the process's.
        logger_provider: where events go; by default the process's. They are on the spans too.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        installed = version("guardkit")
        self._tracer = trace.get_tracer("guardkit", installed, tracer_provider)
        self._logger = get_logger("guardkit", installed, logger_provider)

    def start(
        self, name: str, attributes: Attributes, *, kind: SpanKind = "internal", links: Sequence[str] = ()
    ) -> Span:
        """Begin a span under the current one."""
        found = [link for link in map(_linked, links) if link is not None]
        span = self._tracer.start_span(
            name, kind=_KINDS[kind], attributes={**_COMMON, **attributes}, links=found
        )
        return _Span(span)

    def event(self, name: str, attributes: Attributes) -> None:
        """Note an event: on the current span, for viewers of traces only, and as a log record."""
        span = trace.get_current_span()
        if span.is_recording():
            span.add_event(name, dict(attributes))
        severity = SeverityNumber.ERROR if name in _SEVERE else SeverityNumber.INFO
        if self._logger.enabled(severity_number=severity, event_name=name):
            self._logger.emit(event_name=name, severity_number=severity, attributes=dict(attributes))

    def traceparent(self) -> str | None:
        """The current W3C trace context, if there is one."""
        return _traceparent(trace.get_current_span())


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @contextmanager
    def active(self) -> Generator[None]:
        # Without `use_span`, which would call LangGraph's interrupt an error.
        token = attach(trace.set_span_in_context(self._span))
        try:
            yield
        finally:
            detach(token)

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def end(self, error: str | None = None) -> None:
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def traceparent(self) -> str | None:
        return _traceparent(self._span)


def _traceparent(span: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, context=trace.set_span_in_context(span))
    return carrier.get("traceparent")


def _linked(traceparent: str) -> Link | None:
    context = trace.get_current_span(_W3C.extract({"traceparent": traceparent})).get_span_context()
    return Link(context, {"guardkit.link.type": "approval_request"}) if context.is_valid else None
