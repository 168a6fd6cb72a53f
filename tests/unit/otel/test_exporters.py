"""An exporter that is dead, that hangs or that raises neither delays nor breaks a run; without an SDK nothing is said."""

from __future__ import annotations

import logging
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from guardkit.otel import OpenTelemetry
from tests.unit.otel.scene import Mode, a_check, agent, script, whole_run


class Hanging(SpanExporter):
    """Does not come back before it is let go."""

    def __init__(self) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.exported: list[str] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        self.let_go.wait()
        self.exported.extend(span.name for span in spans)
        return SpanExportResult.SUCCESS


class Raising(SpanExporter):
    """Raises whatever it is given."""

    def __init__(self) -> None:
        self.raised = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.raised += 1
        raise OSError("the collector is gone")


def whole(folder: Path, provider: TracerProvider, run: Mode) -> int:
    """A whole run to its end. Returns how often telemetry has failed."""
    telemetry = OpenTelemetry(
        tracer_provider=provider,
        logger_provider=NoOpLoggerProvider(),
        meter_provider=NoOpMeterProvider(),
        draft_conventions=False,
    )
    guard, graph, sent = agent(folder, telemetry, script())
    output = whole_run(guard, graph, run)
    assert output["messages"][-1].content == "answer-secret"
    assert sent == ["argument-secret"]
    return guard.telemetry_faults


def batched(exporter: SpanExporter, **options: Any) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, **options))
    return provider


@pytest.mark.promise("P13")
def test_a_run_ends_while_the_exporter_hangs(tmp_path: Path, run: Mode) -> None:
    exporter = Hanging()
    provider = batched(exporter, max_export_batch_size=1)
    try:
        with provider.get_tracer("app").start_as_current_span("before"):
            pass
        assert exporter.entered.wait(60)
        assert whole(tmp_path, provider, run) == 0
        assert exporter.exported == []
    finally:
        exporter.let_go.set()
        provider.shutdown()
    assert "perform_effect send_mail" in exporter.exported


@pytest.mark.promise("P13")
def test_a_run_ends_while_the_queue_of_the_exporter_is_full(tmp_path: Path, run: Mode) -> None:
    exporter = Hanging()
    provider = batched(exporter, max_queue_size=1, max_export_batch_size=1)
    try:
        with provider.get_tracer("app").start_as_current_span("before"):
            pass
        assert exporter.entered.wait(60)
        assert whole(tmp_path, provider, run) == 0
    finally:
        exporter.let_go.set()
        provider.shutdown()
    assert exporter.exported[0] == "before"


@pytest.mark.promise("P13")
def test_a_run_ends_where_the_exporter_raises(tmp_path: Path, run: Mode) -> None:
    exporter = Raising()
    provider = batched(exporter, max_export_batch_size=1)
    try:
        assert whole(tmp_path, provider, run) == 0
    finally:
        provider.shutdown()
    assert exporter.raised > 0


@pytest.mark.promise("P13")
def test_a_run_ends_where_nobody_listens(tmp_path: Path, run: Mode) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        # Bound and not listening: every connection is refused, and nobody else can take the port.
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces"
        provider = batched(OTLPSpanExporter(endpoint=endpoint, timeout=1), max_export_batch_size=1)
        try:
            assert whole(tmp_path, provider, run) == 0
        finally:
            provider.shutdown()


@contextmanager
def collector(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, threading.Event]]:
    """A collector on loopback that treats its connections as it is told; and whether one has come."""
    stop, reached = threading.Event(), threading.Event()
    held: list[socket.socket] = []
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)

    def serve() -> None:
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            held.append(connection)
            reached.set()
            answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", reached
    finally:
        stop.set()
        thread.join()
        for one in (*held, server):
            one.close()


def says_nothing(connection: socket.socket) -> None:
    """Accepts, and never answers."""


def resets(connection: socket.socket) -> None:
    """Closes at once, with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def is_down(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 60\r\n\r\n")


def talks_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"\x00\xff no HTTP at all\r\n\r\n")


@pytest.mark.promise("P13")
@pytest.mark.parametrize("answer", [says_nothing, resets, is_down, talks_nonsense])
def test_a_run_ends_whatever_the_collector_does(
    tmp_path: Path, run: Mode, answer: Callable[[socket.socket], None], caplog: pytest.LogCaptureFixture
) -> None:
    """All three signals go to it, and it is being asked while the run is under way."""
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    with collector(answer) as (endpoint, reached):
        spans = batched(
            OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=0.2), schedule_delay_millis=20
        )
        logs = LoggerProvider(shutdown_on_exit=False)
        logs.add_log_record_processor(
            BatchLogRecordProcessor(
                OTLPLogExporter(endpoint=f"{endpoint}/v1/logs", timeout=0.2), schedule_delay_millis=20
            )
        )
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics", timeout=0.2), export_interval_millis=50
        )
        meters = MeterProvider([reader], shutdown_on_exit=False)
        with spans.get_tracer("app").start_as_current_span("before"):
            pass
        assert reached.wait(60)
        telemetry = OpenTelemetry(
            tracer_provider=spans, logger_provider=logs, meter_provider=meters, content="span_and_event"
        )
        try:
            guard, graph, sent = agent(tmp_path, telemetry, script(), [("tidy", a_check)])
            output = whole_run(guard, graph, run)
            assert output["messages"][-1].content == "answer-secret"
            assert sent == ["argument-secret"]
            assert guard.telemetry_faults == 0
        finally:
            for provider in (spans, logs, meters):
                provider.shutdown()


PROGRAM = """
import sys
from pathlib import Path
from guardkit.otel import OpenTelemetry
from tests.unit.otel.scene import a_check, agent, asynchronously, script, synchronously, whole_run

for run in (synchronously, asynchronously):
    folder = Path(sys.argv[1]) / run.__name__
    folder.mkdir()
    guard, graph, sent = agent(folder, OpenTelemetry(), script(), [("tidy", a_check)])
    whole_run(guard, graph, run)
    assert sent == ["argument-secret"], sent
    assert guard.telemetry_faults == 0
    guard.database.close()
"""


@pytest.mark.promise("P13")
def test_without_an_sdk_nothing_is_printed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
