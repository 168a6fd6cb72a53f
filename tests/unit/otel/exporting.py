"""A program: one process of three around one approval, set up as the standard variables say.

The agent asks, the inbox takes the answer below the span of its web server, the worker goes on.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from pydantic import SecretStr

from guardkit import Keys, Paused
from guardkit.otel import OpenTelemetry
from tests.unit.otel.scene import a_check, agent, approve, paused_run, script, synchronously


def main(role: str, folder: Path) -> None:
    spans, logs = TracerProvider(), LoggerProvider()
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())])
    trace.set_tracer_provider(spans)
    set_logger_provider(logs)
    metrics.set_meter_provider(meters)

    secret = os.environ.get("GUARDKIT_DECISION_KEY")
    keys = Keys(
        decision_key=SecretStr(secret) if secret else None,
        decision_public_keys=(os.environ["GUARDKIT_DECISION_PUBLIC_KEYS"],),
    )
    guard, graph, sent = agent(
        folder, OpenTelemetry(), script(), [("tidy", a_check)], keys=keys, observation_checks=(), assessors=()
    )
    config = guard.config("conversation-1")
    match role:
        case "agent":
            paused_run(guard, graph, synchronously)
        case "inbox":
            outcome = guard.outcome(None, config)
            assert isinstance(outcome, Paused)
            server = trace.get_tracer("web server")
            with server.start_as_current_span("POST /approvals/{id}", kind=SpanKind.SERVER):
                approve(guard, outcome)
        case "worker":
            asyncio.run(guard.worker(graph).once())
            assert sent == ["argument-secret"]
    assert guard.telemetry_faults == 0
    guard.database.close()
    for provider in (spans, logs, meters):
        provider.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
