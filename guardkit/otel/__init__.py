"""guardkit's decisions as OpenTelemetry spans, events and metrics. Without an SDK they go nowhere."""

from guardkit.otel.telemetry import OpenTelemetry

__all__ = ["OpenTelemetry"]
