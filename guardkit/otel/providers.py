"""Providers and exporters of the OpenTelemetry SDK. The only module that needs the extra `otel`."""

import importlib
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider, set_logger_provider
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from guardkit.errors import ConfigurationError
from guardkit.otel.variables import Signal

_CONSOLE: Mapping[Signal, Callable[[], Any]] = {
    "traces": ConsoleSpanExporter,
    "logs": ConsoleLogRecordExporter,
    "metrics": ConsoleMetricExporter,
}
_OTLP: Mapping[Signal, tuple[str, str]] = {
    "traces": ("trace_exporter", "OTLPSpanExporter"),
    "logs": ("_log_exporter", "OTLPLogExporter"),
    "metrics": ("metric_exporter", "OTLPMetricExporter"),
}
_PROTOCOLS = {"http/protobuf": "http", "grpc": "grpc"}


def resource_of(service: str, version: str | None) -> Resource:
    """What the process says of itself. What the environment says of it wins."""
    known = {"service.name": service, "service.instance.id": str(uuid.uuid4())}
    if version is not None:
        known["service.version"] = version
    return Resource.create({**known, **OTELResourceDetector().detect().attributes})


def exporter(signal: Signal, name: str, protocol: str) -> Any:
    """An exporter of the SDK. Endpoint, headers and timeouts it reads from the environment by itself.

    Args:
        signal: what it exports.
        name: `otlp` or `console`.
        protocol: of OTLP.

    Raises:
        ConfigurationError: the package that speaks the protocol is not installed.
    """
    if name == "console":
        return _CONSOLE[signal]()
    way = _PROTOCOLS[protocol]
    module, kind = _OTLP[signal]
    try:
        found = importlib.import_module(f"opentelemetry.exporter.otlp.proto.{way}.{module}")
    except ImportError as error:
        raise ConfigurationError(
            f"OTLP by {protocol} needs a package that is not installed",
            remedy=f"pip install opentelemetry-exporter-otlp-proto-{way}",
        ) from error
    return getattr(found, kind)()


def provide(signal: Signal, resource: Resource, exporters: Sequence[Any]) -> Callable[[], object] | None:
    """Give the process a provider of one signal. Returns what closes it, or `None` if there was one already."""
    match signal:
        case "traces":
            if _is_set(trace.get_tracer_provider()):
                return None
            tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
            for one in exporters:
                tracers.add_span_processor(BatchSpanProcessor(one))
            trace.set_tracer_provider(tracers)
            return tracers.shutdown
        case "logs":
            if _is_set(get_logger_provider()):
                return None
            loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
            for one in exporters:
                loggers.add_log_record_processor(BatchLogRecordProcessor(one))
            set_logger_provider(loggers)
            return loggers.shutdown
        case "metrics":
            if _is_set(metrics.get_meter_provider()):
                return None
            readers = [PeriodicExportingMetricReader(one) for one in exporters]
            meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
            metrics.set_meter_provider(meters)
            return meters.shutdown
        case _:
            assert_never(signal)


def scraping(resource: Resource) -> tuple[Callable[[], bytes], Callable[[], object] | None]:
    """What renders the process's metrics for Prometheus, and what closes the provider if it was set here.

    Raises:
        ConfigurationError: the process has a provider of metrics that nothing can be added to.
    """
    closer = provide("metrics", resource, ())
    provider = metrics.get_meter_provider()
    if not isinstance(provider, MeterProvider):
        raise ConfigurationError(
            f"metrics are to be shown, and the process has a {type(provider).__name__} for them",
            remedy="use the SDK's MeterProvider, or do without --metrics-port",
        )
    registry = CollectorRegistry()
    provider.add_metric_reader(PrometheusMetricReader(scope_info_enabled=False, registry=registry))
    alone = threading.Lock()

    def scrape() -> bytes:
        # Two collections at once would show each series twice.
        with alone:
            return generate_latest(registry)

    return scrape, closer


def _is_set(provider: object) -> bool:
    """Whether the process has a provider of its own; until then the API gives out a proxy."""
    kind = type(provider)
    return not (
        kind.__module__.startswith("opentelemetry.") and kind.__name__.lstrip("_").startswith("Proxy")
    )
