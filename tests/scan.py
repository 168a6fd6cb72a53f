"""A plugin of pytest: whatever guardkit exports while tests run is looked through for what was planted in them.

Guards that are given no telemetry get one for the session, with an SDK behind it. After each test everything that it has
exported is encoded as OTLP, byte for byte as a collector would receive it, and the lines of guardkit's loggers likewise.
A planted text in it, an e-mail address or a credential fails the test. Content is off meanwhile.

Processes that a test starts are not looked into; those of `tests/unit/otel/test_processes.py` look for themselves.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guardkit import Guard
from guardkit.otel import OpenTelemetry
from guardkit.otel.capture import VARIABLE

os.environ.pop(VARIABLE, None)

PLANTED = (
    # tests/unit/otel/scene.py
    "dana-4711", "dana.secret", "kim-0815", "kim.secret", "prompt-secret", "argument-secret", "result-secret",
    "thought-secret", "answer-secret", "reason-secret", "error-secret", "edited-secret", "question-secret", "why-secret",
    # tests/surface/answering.py: questions, drafts, documents
    "burst pipes", "Theft of", "25,000 euros", "777 euros", "Lyon to Marseille",
    # what people say of their decisions, and users of their wishes, in the tests of promises, inbox and channels
    "private-words", "private-reason", "checked the report", "The account is not hers", "ask the assessor first",
    "Pay C-1.", "Tell Ada.", "approved by dana", "What is covered?", "Never mind.",
)  # fmt: skip
_PLANTED = re.compile("|".join(map(re.escape, PLANTED)).encode())
_FORMS = re.compile(
    rb"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+(?:example|com|net|org|invalid)"  # e-mail addresses
    rb"|xox[abeps]-\w|xapp-\w|gh[pousr]_\w{8}|AKIA[A-Z0-9]{16}|eyJ[\w-]{10}|-----BEGIN |[Bb]earer [\w.-]{8}"
)
"""Simpler than the redactors, and not theirs: what they miss should be found here."""


class Exported:
    """Where telemetry goes, and what has come of it since it was looked at last."""

    def __init__(self) -> None:
        delta = AggregationTemporality.DELTA
        self._spans = InMemorySpanExporter()
        self._records = InMemoryLogRecordExporter()
        self._reader = InMemoryMetricReader(preferred_temporality={Counter: delta, Histogram: delta})
        tracers, loggers = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self._records))
        self.telemetry = OpenTelemetry(
            tracer_provider=tracers,
            logger_provider=loggers,
            meter_provider=MeterProvider(metric_readers=[self._reader], shutdown_on_exit=False),
            draft_conventions=True,
        )

    def taken(self) -> Iterator[tuple[str, bytes]]:
        """Each signal as OTLP."""
        spans, records = self._spans.get_finished_spans(), self._records.get_finished_logs()
        self._spans.clear()
        self._records.clear()
        measured = self._reader.get_metrics_data()
        if spans:
            yield "spans", encode_spans(spans).SerializeToString()
        if records:
            yield "events", encode_logs(records).SerializeToString()
        if measured is not None and measured.resource_metrics:
            yield "metrics", encode_metrics(measured).SerializeToString()


class Lines(logging.Handler):
    """The lines of guardkit's loggers, as they would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def taken(self) -> Iterator[tuple[str, bytes]]:
        lines, self.lines = self.lines, []
        if lines:
            yield "log", "\n".join(lines).encode("utf-8", "replace")


def leaks(signal: str, sent: bytes) -> Iterator[str]:
    """What was found in what was sent."""
    for pattern in (_PLANTED, _FORMS):
        for found in pattern.finditer(sent):
            yield f"{signal}: {found[0].decode()!r}"


class Scan:
    """Looks after each test."""

    def __init__(self) -> None:
        self.exported = Exported()
        self.lines = Lines()
        self._defaults: dict[str, Any] = Guard.__init__.__kwdefaults__ or {}

    def begin(self) -> None:
        assert self._defaults["telemetry"] is None
        self._defaults["telemetry"] = self.exported.telemetry
        logging.getLogger("guardkit").addHandler(self.lines)

    def found(self) -> list[str]:
        """What has leaked since the last look."""
        sent = [*self.exported.taken(), *self.lines.taken()]
        return sorted({leak for signal, data in sent for leak in leaks(signal, data)})

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        found = self.found()
        if found:
            pytest.fail(f"{item.nodeid} leaked, although content is off:\n" + "\n".join(found), pytrace=False)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if found := self.found():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            print("leaked after the last test:", *found, sep="\n")

    def pytest_unconfigure(self) -> None:
        self._defaults["telemetry"] = None
        logging.getLogger("guardkit").removeHandler(self.lines)


def pytest_configure(config: pytest.Config) -> None:
    scan = Scan()
    scan.begin()
    config.pluginmanager.register(scan, "guardkit-scan")
