"""One call that sets up the OpenTelemetry SDK for a process."""

import atexit
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from guardkit.errors import ConfigurationError
from guardkit.otel.variables import Signal, wanted

CLOSING = 5.0
"""Seconds that a process waits at its end for telemetry to go out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """What `configure` has set up."""

    signals: tuple[Signal, ...]
    """Signals whose provider was set here. Of others the provider was there already, or nothing asks for them."""

    scrape: Callable[[], bytes] | None
    """Renders the metrics in Prometheus's text format; `None` unless that was asked for."""

    closers: tuple[Callable[[], object], ...]

    def close(self, seconds: float = CLOSING) -> bool:
        """Send what is still waiting, and stop. Later telemetry of the process goes nowhere.

        Args:
            seconds: how long that may take. A collector that is slow or gone costs what was not sent by then.

        Returns:
            Whether everything was closed in time.
        """
        atexit.unregister(self.close)
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=closer, name="guardkit-otel-close", daemon=True)
            for closer in self.closers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in threads)


def configure(
    service: str = "guardkit-agent", *, version: str | None = None, prometheus: bool = False
) -> Exporting:
    """Set up the OpenTelemetry SDK as the standard environment variables say.

    Call it once, when the process starts. Nothing happens unless a variable asks for it: an OTLP endpoint
    (`OTEL_EXPORTER_OTLP_ENDPOINT`, or that of one signal) or an exporter (`OTEL_TRACES_EXPORTER`,
    `OTEL_LOGS_EXPORTER`, `OTEL_METRICS_EXPORTER`: `otlp`, `console` or `none`). A signal whose provider the process
    has already, e.g. by `opentelemetry-instrument`, keeps that one. Exporting happens in batches and in threads of its
    own; what is left goes out when the process ends, within five seconds.

    Args:
        service: `service.name`, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` says another.
        version: `service.version`, likewise.
        prometheus: whether metrics are collected for `Exporting.scrape` too.

    Raises:
        ConfigurationError: a variable names what is not known, or what is asked for is not installed.
    """
    asked = wanted()
    if not (asked.exporters or prometheus):
        return Exporting(signals=(), scrape=None, closers=())
    if asked.disabled:
        raise ConfigurationError(
            "metrics are to be shown, and OTEL_SDK_DISABLED is true", remedy="unset one of the two"
        )
    try:
        from guardkit.otel import providers  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise ConfigurationError(
            "exporting telemetry needs the extra 'otel'", remedy="pip install guardkit[otel]"
        ) from error
    resource = providers.resource_of(service, version)
    closers: dict[Signal, Callable[[], object]] = {}
    for signal, names in asked.exporters.items():
        exporters = [providers.exporter(signal, name, asked.protocols.get(signal, "")) for name in names]
        closer = providers.provide(signal, resource, exporters)
        if closer is not None:
            closers[signal] = closer
    scrape = None
    if prometheus:
        scrape, closer = providers.scraping(resource)
        if closer is not None:
            closers["metrics"] = closer
    exporting = Exporting(signals=tuple(closers), scrape=scrape, closers=tuple(closers.values()))
    if closers:
        atexit.register(exporting.close)
    return exporting
