"""The telemetry port over `opentelemetry-api`.

What leaves are identifiers, kinds and numbers, as `guardkit.core.telemetry_schema` lists them. Prompts, arguments,
answers and identities are not among them unless content is asked for; the thread's id is (`gen_ai.conversation.id`),
so a thread should not be named after a person.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version

from opentelemetry import metrics, trace
from opentelemetry._logs import LoggerProvider, SeverityNumber, get_logger
from opentelemetry.context import Context, attach, detach
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import SpanKind as Kind, Status, StatusCode, TracerProvider

from guardkit.core import telemetry_names as names
from guardkit.core.telemetry_schema import EVENTS, SpanKind
from guardkit.otel import drafts
from guardkit.otel.capture import LIMIT, Capture, Where, asked_for
from guardkit.otel.contexts import around, inside, link_to, parent, traceparent_of
from guardkit.otel.instruments import instruments
from guardkit.otel.redaction import Redactor, default_redactors
from guardkit.runtime.events import NO_SPAN, Attributes, Content, Span

_KINDS = {"internal": Kind.INTERNAL, "producer": Kind.PRODUCER, "consumer": Kind.CONSUMER}
_COMMON = {names.SPAN_KIND: "GUARDRAIL"}
"""So that viewers show guardkit's spans as what they are."""


class OpenTelemetry:
    """Shows every decision as a span, an event and a number: `Guard(..., telemetry=OpenTelemetry())`.

    An approval may take hours, and no span stays open for it: a run that goes on after it has a trace of its own,
    linked to the question's. Spans of calls to models come from LangChain's own instrumentation, and are children of
    guardkit's where that one honours the current context.

    Args:
        tracer_provider: where spans go; by default the process's.
        logger_provider: where events go; by default the process's. They are on the spans too.
        meter_provider: where metrics go; by default the process's.
        draft_conventions: whether names of GenAI conventions that are still drafts come along. By default what
            `OTEL_SEMCONV_STABILITY_OPT_IN` says: it lists `gen_ai_latest_experimental`, or it does not.
        content: where arguments, results, thoughts, drafts and people's words are shown: `none`, `span`, `event` (as
            log records `guardkit.content`) or `span_and_event`. By default what
            `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says (`NO_CONTENT`, `SPAN_ONLY`, `EVENT_ONLY`,
            `SPAN_AND_EVENT`), which is nothing where it is not set.
        redactors: what is taken out of content first; by default `default_redactors()`. Best effort.
        content_limit: characters of one attribute that are shown, after that.

    Raises:
        InputError: `content` is none of the four, or `content_limit` is below 0.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        draft_conventions: bool | None = None,
        content: Where | None = None,
        redactors: Sequence[Redactor] | None = None,
        content_limit: int = LIMIT,
    ) -> None:
        installed = version("guardkit")
        self._tracer = trace.get_tracer("guardkit", installed, tracer_provider)
        self._logger = get_logger("guardkit", installed, logger_provider)
        self._record = instruments(metrics.get_meter("guardkit", installed, meter_provider))
        self._drafts = drafts.wanted() if draft_conventions is None else draft_conventions
        self._capture = Capture(
            where=asked_for() if content is None else content,
            redactors=default_redactors() if redactors is None else tuple(redactors),
            limit=content_limit,
        )

    def start(
        self, name: str, attributes: Attributes, *, kind: SpanKind = "internal", links: Sequence[str] = ()
    ) -> Span:
        """Begin a span under the current one."""
        run = around()
        verb = name.partition(" ")[0] if self._drafts else ""
        shown = (
            {**_COMMON, **attributes, **drafts.more_of_span(verb, attributes)}
            if verb
            else {**_COMMON, **attributes}
        )
        span = self._tracer.start_span(
            name,
            context=parent(run),
            kind=_KINDS[kind],
            attributes=shown,
            links=[link for link in map(link_to, links) if link is not None] if links else None,
        )
        if not span.is_recording() and self._nobody_sees(span, run):
            return NO_SPAN
        if self._capture.where == "none":
            return _Span(span, run, verb)
        return _Shown(span, run, verb, partial(self._show, span, attributes))

    def _nobody_sees(self, span: trace.Span, run: trace.Span | None) -> bool:
        """Whether there is no SDK: then the span is none either, and need not become the current one."""
        return run is None and not self._capture.in_events and not span.get_span_context().is_valid

    def event(self, name: str, attributes: Attributes) -> None:
        """Note an event: on the current span, for viewers of traces only, and as a log record."""
        shape = EVENTS.get(name)
        severe = shape is not None and shape.severe
        self._note(name, attributes, SeverityNumber.ERROR if severe else SeverityNumber.INFO)
        if self._drafts:
            for theirs, copied in drafts.events_after(name, attributes):
                self._note(theirs, copied, SeverityNumber.INFO)

    def _note(self, name: str, attributes: Attributes, severity: SeverityNumber) -> None:
        span = trace.get_current_span()
        if span.is_recording():
            span.add_event(name, dict(attributes))
        if self._logger.enabled(severity_number=severity, event_name=name):
            self._logger.emit(event_name=name, severity_number=severity, attributes=dict(attributes))

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        """Add to a counter, or record a value of a histogram.

        Raises:
            KeyError: no metric of the schema has this name.
        """
        self._record[name](value, attributes)

    def traceparent(self) -> str | None:
        """The current W3C trace context, if there is one."""
        return traceparent_of(trace.get_current_span())

    def _show(self, span: trace.Span, attributes: Attributes, content: Content) -> None:
        on_span = self._capture.on_spans and span.is_recording()
        in_event = self._capture.in_events and self._logger.enabled(
            severity_number=SeverityNumber.INFO, event_name=names.CONTENT
        )
        if not on_span and not in_event:
            return
        shown = self._capture.shown(content())
        if on_span:
            span.set_attributes(shown)
        if in_event and shown:
            about = EVENTS[names.CONTENT]
            said = {
                name: attributes[name] for name in (*about.always, *about.sometimes) if name in attributes
            }
            self._logger.emit(
                event_name=names.CONTENT,
                severity_number=SeverityNumber.INFO,
                attributes={**said, **shown},
                context=trace.set_span_in_context(span),
            )


class _Span:
    def __init__(self, span: trace.Span, run: trace.Span | None, verb: str) -> None:
        self._span = span
        self._run = run
        self._verb = verb
        """Empty unless names of drafts come along."""

    def active(self) -> AbstractContextManager[None]:
        return _Active(inside(self._span, self._run))

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)
        if self._verb:
            self._span.set_attributes(drafts.more_of_span(self._verb, attributes))

    def show(self, content: Content) -> None:
        pass  # not asked for

    def end(self, error: str | None = None) -> None:
        if error is not None:
            self._span.set_attribute(names.ERROR_TYPE, error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def traceparent(self) -> str | None:
        return traceparent_of(self._span)


class _Active(AbstractContextManager[None]):
    """Makes a context the current one; `use_span` would call LangGraph's interrupt an error."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> None:
        self._token = attach(self._context)

    def __exit__(self, *error: object) -> None:
        detach(self._token)


class _Shown(_Span):
    """A span of a telemetry that shows content."""

    def __init__(
        self, span: trace.Span, run: trace.Span | None, verb: str, shown: Callable[[Content], None]
    ) -> None:
        super().__init__(span, run, verb)
        self._shown = shown

    def show(self, content: Content) -> None:
        self._shown(content)
