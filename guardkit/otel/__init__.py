"""guardkit's decisions as OpenTelemetry spans, events and metrics. Without an SDK they go nowhere."""

from guardkit.otel.redaction import Redactor, default_redactors
from guardkit.otel.telemetry import OpenTelemetry

__all__ = ["OpenTelemetry", "Redactor", "default_redactors"]
