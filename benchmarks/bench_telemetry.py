"""What telling telemetry of one check costs: its span, its metric, and the event of the decision, in thread CPU.

Three columns are measured in the same rounds, in a random order: the bare calls of OpenTelemetry's API, guardkit with
`telemetry=OpenTelemetry()`, and guardkit with content shown, a text of 2,000 characters through all redactors. Once without an
SDK, and once with one: batch processors for spans and log records, a reader of metrics in memory, everything sampled.
Results go to `benchmarks/results/telemetry.json`.

Run: make bench, or python benchmarks/bench_telemetry.py [rounds]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from measuring import Median, keep, median, rounds
from opentelemetry import metrics, trace
from opentelemetry._logs import SeverityNumber, get_logger
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guardkit.core import telemetry_names as names
from guardkit.otel import OpenTelemetry
from guardkit.runtime.events import Quiet, watched

CALLS = 200
"""Checks in one round."""

MOST_WITHOUT_SDK = 1.2
"""Times the bare calls."""

MOST_WITH_SDK = 60.0
"""Microseconds of thread CPU."""

FACTS = {
    names.AGENT: "clerk",
    names.CONVERSATION: "conversation-1",
    names.SESSION: "conversation-1",
    names.RUN_ID: "0b9e1c524c1f4e0a9a442f5f2a7c1d3e",
    names.TURN: 3,
    names.TOOL: "send_mail",
}
DECISION = {
    names.TOOL: "send_mail",
    names.DECISION: "allow",
    names.POLICY_ID: "mail",
    names.TOOL_CALL: "call-1",
    names.POLICY_VERSION: "7",
    names.POLICY_RULE: "send_mail",
}
TEXT = ("The claim C-4711 was paid on 28.11.2026, EUR 1,234.50, as the policy of the household says. " * 30)[
    :2000
]


class Sdk:
    """Providers: none of their own where `on` is false."""

    def __init__(self, on: bool) -> None:
        self.providers: dict[str, Any] = {}
        self.spans, self.records = InMemorySpanExporter(), InMemoryLogRecordExporter()
        if on:
            tracers = TracerProvider(shutdown_on_exit=False)
            tracers.add_span_processor(BatchSpanProcessor(self.spans))
            loggers = LoggerProvider(shutdown_on_exit=False)
            loggers.add_log_record_processor(BatchLogRecordProcessor(self.records))
            meters = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
            self.providers = {
                "tracer_provider": tracers,
                "logger_provider": loggers,
                "meter_provider": meters,
            }

    def drain(self) -> None:
        """Empty the queues, so that none is full while the clock runs."""
        for name in ("tracer_provider", "logger_provider"):
            if name in self.providers:
                self.providers[name].force_flush()
        self.spans.clear()
        self.records.clear()

    def shutdown(self) -> None:
        for provider in self.providers.values():
            provider.shutdown()


def bare(sdk: Sdk) -> Callable[[], None]:
    """What a user would write with the API alone, with the same attributes."""
    tracer = trace.get_tracer("bare", "1", sdk.providers.get("tracer_provider"))
    logger = get_logger("bare", "1", sdk.providers.get("logger_provider"))
    meter = metrics.get_meter("bare", "1", sdk.providers.get("meter_provider"))
    duration = meter.create_histogram("bare.duration", unit="s")
    facts = {
        names.SPAN_KIND: "GUARDRAIL",
        names.OPERATION: names.APPLY_GUARDRAIL,
        names.GUARD_NAME: "limit",
        names.GUARD_STAGE: "action",
        **FACTS,
    }

    def call() -> None:
        for _ in range(CALLS):
            began = time.perf_counter()
            with tracer.start_as_current_span(
                "apply_guardrail limit",
                attributes=facts,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                span.set_attribute(names.VERDICT, "pass")
            about = {names.GUARD_NAME: "limit", names.GUARD_STAGE: "action", names.VERDICT: "pass"}
            duration.record(time.perf_counter() - began, about)
            current = trace.get_current_span()
            if current.is_recording():
                current.add_event(names.TOOL_DECISION, DECISION)
            logger.emit(
                event_name=names.TOOL_DECISION, severity_number=SeverityNumber.INFO, attributes=DECISION
            )

    return call


def guarded(sdk: Sdk, *, content: bool = False) -> Callable[[], None]:
    """What a run does: a watched check, and the event of the decision."""
    telemetry = Quiet(
        OpenTelemetry(**sdk.providers, draft_conventions=False, content="span" if content else "none")
    )
    about = {**FACTS, names.GUARD_STAGE: "action"}

    def call() -> None:
        for _ in range(CALLS):
            watched(telemetry, "limit", about, lambda: None)()
            telemetry.event(names.TOOL_DECISION, DECISION)

    def show() -> None:
        for _ in range(CALLS):
            span = telemetry.start("guard_step send_mail", FACTS)
            span.show(lambda: {names.TOOL_RESULT: TEXT})
            span.end()

    return show if content else call


def measured(on: bool, count: int) -> dict[str, Median]:
    sdk = Sdk(on)
    runs = {"bare": bare(sdk), "guardkit": guarded(sdk)}
    if on:
        runs["content"] = guarded(sdk, content=True)
    taken = rounds(runs, count=count, before=sdk.drain)
    sdk.shutdown()
    each = {name: [value / CALLS for value in values] for name, values in taken.items()}
    ratio = [ours / theirs for ours, theirs in zip(each["guardkit"], each["bare"], strict=True)]
    return {**{name: median(values) for name, values in each.items()}, "ratio": median(ratio)}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    without, with_sdk = measured(False, count), measured(True, count)
    print(f"µs of thread CPU a check, median [95% interval] of {count} paired rounds of {CALLS}")
    for title, found in (("no SDK", without), ("SDK, batch processors", with_sdk)):
        for name, value in found.items():
            print(f"{title:24} {name:10} {value.median:8.2f}  [{value.low:.2f}, {value.high:.2f}]")
    met = {
        "without_sdk": without["ratio"].high <= MOST_WITHOUT_SDK,
        "with_sdk": with_sdk["guardkit"].high <= MOST_WITH_SDK,
    }
    print(met)
    keep(
        "telemetry",
        {
            "unit": "us thread CPU a check (span, metric, event); content: us a text of 2,000 characters",
            "calls": CALLS,
            "most_without_sdk_times_bare": MOST_WITHOUT_SDK,
            "most_with_sdk": MOST_WITH_SDK,
            "without_sdk": without,
            "with_sdk": with_sdk,
            "met": met,
        },
    )


if __name__ == "__main__":
    main()
