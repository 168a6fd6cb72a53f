"""Hands spans of the past to a collector, over OTLP and HTTP. Needs the SDK and the exporter: the extra `otel`."""

import logging
from collections.abc import Sequence
from importlib.metadata import version
from urllib.parse import urlsplit

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from guardkit.core import telemetry_names as names
from guardkit.errors import ConfigurationError, ExportError
from guardkit.otel.retold import Place, Retold

_PATH = "/v1/traces"
_BATCH = 500
_KINDS = {"internal": SpanKind.INTERNAL, "producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER}
_LOGGER = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")


def send(spans: Sequence[Retold], endpoint: str | None = None) -> int:
    """Hand spans to a collector. Returns how many it took.

    The scope of the spans is `guardkit.trace`, so that they can be told from those of running agents.

    Args:
        spans: of the past.
        endpoint: base URL of the collector, e.g. `http://127.0.0.1:4318`; by default what the standard variables
            say (`OTEL_EXPORTER_OTLP_ENDPOINT` and its kin, which also say headers and certificates).

    Raises:
        ConfigurationError: the endpoint is no URL.
        ExportError: the collector cannot be reached, or refuses some of it. What it took before stays there; the
            same spans sent again have the same ids.
    """
    resource = _resource()
    made = [_readable(span, resource) for span in spans]
    with _Answers() as answers:
        exporter = OTLPSpanExporter(
            endpoint=None if endpoint is None else _url(endpoint), session=answers.session
        )
        try:
            for begin in range(0, len(made), _BATCH):
                done = exporter.export(made[begin : begin + _BATCH])
                why = answers.refusal()
                if done is not SpanExportResult.SUCCESS or why is not None:
                    raise ExportError(
                        f"the collector did not take all of {len(made)} spans: {why or answers.complaint()}",
                        remedy="repair it and send again; the ids stay the same",
                    )
        finally:
            exporter.shutdown()
    return len(made)


class _Answers(logging.Handler):
    """What a collector answered, and what the exporter complained of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.session = requests.Session()
        self.session.hooks["response"] = [self._note]
        self._last: requests.Response | None = None
        self._complaints: list[str] = []

    def __enter__(self) -> "_Answers":
        self._before = _LOGGER.propagate
        _LOGGER.propagate = False
        _LOGGER.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        _LOGGER.removeHandler(self)
        _LOGGER.propagate = self._before

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what the exporter says."""
        self._complaints.append(record.getMessage())

    def _note(self, response: requests.Response, *_: object, **__: object) -> None:
        self._last = response

    def refusal(self) -> str | None:
        """Why the collector did not take the last batch as a whole; `None` when it did, or did not answer."""
        response = self._last
        if response is None:
            return None
        if response.status_code >= 300:
            return f"HTTP {response.status_code} {response.reason}"
        try:
            partial = ExportTraceServiceResponse.FromString(response.content).partial_success
        except DecodeError:
            return None  # some answer in JSON, or with nothing
        if partial.rejected_spans:
            return f"it rejected {partial.rejected_spans} spans: {partial.error_message}"
        return None

    def complaint(self) -> str:
        """What the exporter said last."""
        return self._complaints[-1] if self._complaints else "it gave no reason"


def _url(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"endpoint {endpoint!r} is no URL of a collector", remedy="e.g. http://127.0.0.1:4318"
        )
    base = endpoint.rstrip("/")
    return base if base.endswith(_PATH) else base + _PATH


def _resource() -> Resource:
    found = Resource.create()
    named = str(found.attributes.get(SERVICE_NAME, "unknown_service"))
    return found.merge(Resource({SERVICE_NAME: "guardkit"})) if named.startswith("unknown_service") else found


def _readable(span: Retold, resource: Resource) -> ReadableSpan:
    links = [Link(_context(span.link), {names.LINK_TYPE: "approval_request"})] if span.link else []
    return ReadableSpan(
        name=span.name,
        context=_context(span.place),
        parent=None if span.parent is None else _context(span.parent),
        resource=resource,
        attributes={names.SPAN_KIND: "GUARDRAIL", **span.attributes},
        events=[Event(name, attributes, _nanoseconds(at)) for name, at, attributes in span.events],
        links=links,
        kind=_KINDS[span.kind],
        status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
        start_time=_nanoseconds(span.start),
        end_time=_nanoseconds(span.end),
        instrumentation_scope=InstrumentationScope("guardkit.trace", version("guardkit")),
    )


def _context(place: Place) -> SpanContext:
    return SpanContext(
        place.trace_id, place.span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )


def _nanoseconds(at: float) -> int:
    """Exact for the database's microseconds, which a float of today's seconds still tells apart."""
    return round(at * 1_000_000) * 1000
