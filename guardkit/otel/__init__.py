"""guardkit's decisions as OpenTelemetry spans, events and metrics. Without an SDK they go nowhere."""

from guardkit.otel.gauges import observe
from guardkit.otel.redaction import Redactor, default_redactors
from guardkit.otel.setup import Exporting, configure
from guardkit.otel.telemetry import OpenTelemetry

__all__ = ["Exporting", "OpenTelemetry", "Redactor", "configure", "default_redactors", "observe"]
