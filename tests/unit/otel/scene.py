"""A clerk who looks up, asks people and sends mail; what an SDK was given of it, and secrets that it must not see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from guardkit import (
    Assurance,
    Guard,
    Keys,
    Paused,
    PeopleDirectory,
    Person,
    Policy,
    Principal,
    Verdict,
)
from guardkit.core.steps import Action
from guardkit.core.verdicts import CheckContext
from guardkit.langgraph.graph import GuardedGraph
from guardkit.otel import OpenTelemetry
from guardkit.otel.capture import Where
from guardkit.runtime.events import Telemetry
from guardkit.testing import ScriptedModel, calls

PEOPLE = PeopleDirectory(
    [
        Person(id="dana-4711", email="dana.secret@example.com", roles=("manager",)),
        Person(id="kim-0815", email="kim.secret@example.com"),
        Person(id="otto-2342", email="otto.secret@example.com"),
        Person(id="rosa-5665", email="rosa.secret@example.com"),
    ]
)
SECRETS = (
    "dana-4711", "dana.secret", "kim-0815", "kim.secret", "otto-2342", "rosa-5665", "prompt-secret", "argument-secret", "result-secret",
    "thought-secret", "answer-secret", "reason-secret", "error-secret", "edited-secret", "question-secret",
    "why-secret",
)  # fmt: skip
POLICY = {
    "policy": "mail",
    "version": "7",
    "owner": "compliance@example.com",
    "default": "reject",
    "tools": {
        "look_up": "allow",
        "send_mail": {"otherwise": "escalate", "approval": "manager"},
        "wipe": "reject",
    },
    "approvals": {
        "manager": {
            "stages": [
                {
                    "role": "manager",
                    "approvers": ["dana.secret@example.com"],
                    "channel": "desk",
                    "assurance": "local_operator",
                }
            ],
            "exclude_requester": True,
            "expires_in": "8h",
            "on_expiry": "reject",
            "valid_for": "30m",
            "break_glass": {
                "people": ["otto.secret@example.com"],
                "valid_for": "10m",
                "review_by": {"people": ["rosa.secret@example.com"], "within": "2d"},
            },
            "standing": {"scopes": ["thread"], "for_at_most": "1h", "uses": 1},
        }
    },
}

Mode = Callable[[GuardedGraph, Any, Any], Any]


def synchronously(graph: GuardedGraph, given: Any, config: Any) -> Any:
    return graph.invoke(given, config)


def asynchronously(graph: GuardedGraph, given: Any, config: Any) -> Any:
    return asyncio.run(graph.ainvoke(given, config))


class Seen:
    """What an SDK was given."""

    def __init__(
        self,
        *,
        sampler: Sampler | None = None,
        draft_conventions: bool | None = None,
        content: Where | None = None,
        **options: Any,
    ) -> None:
        self.exporter = InMemorySpanExporter()
        self.records = InMemoryLogRecordExporter()
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader], shutdown_on_exit=False)
        self.tracers = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        logs = LoggerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        logs.add_log_record_processor(SimpleLogRecordProcessor(self.records))
        self.telemetry = OpenTelemetry(
            tracer_provider=self.tracers,
            logger_provider=logs,
            meter_provider=self.meters,
            draft_conventions=draft_conventions,
            content=content,
            **options,
        )

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        found = self.named(name)
        assert len(found) == 1, f"{name}: {[span.name for span in self.spans]}"
        return found[0]

    def events(self) -> list[str]:
        return [str(record.log_record.event_name) for record in self.records.get_finished_logs()]

    def logged(self, name: str) -> list[dict[str, Any]]:
        """The attributes of the log records of this event."""
        records = [one.log_record for one in self.records.get_finished_logs()]
        return [dict(one.attributes or {}) for one in records if one.event_name == name]

    def points(self) -> dict[str, list[NumberDataPoint | HistogramDataPoint]]:
        """What was measured, by the metric's name."""
        found: dict[str, list[Any]] = {}
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found.setdefault(metric.name, []).extend(metric.data.data_points)
        return found

    def everything(self) -> str:
        """All that left, as text."""
        spans = [span.to_json() for span in self.spans]
        records = [record.to_json() for record in self.records.get_finished_logs()]
        data = self.reader.get_metrics_data()
        return "\n".join([*spans, *records, "" if data is None else data.to_json()])


def a_check(action: Action, context: CheckContext) -> Verdict | None:
    return None


def a_chatty_check(action: Action, context: CheckContext) -> Verdict:
    return Verdict(check="chatty", why="why-secret")


def an_output_check(output: Any, context: CheckContext) -> Verdict | None:
    return None


async def a_waiting_check(action: Action, context: CheckContext) -> Verdict | None:
    await asyncio.sleep(0)
    return None


def a_broken_check(action: Action, context: CheckContext) -> NoReturn:
    raise RuntimeError("error-secret")


def agent(
    folder: Path,
    telemetry: Telemetry | None,
    model: ScriptedModel,
    checks: Sequence[tuple[str, Any]] = (),
    *,
    node_checks: Sequence[tuple[str, Any]] = (),
    keys: Keys | None = None,
    raises: Exception | None = None,
    policy: Mapping[str, Any] = POLICY,
    **options: Any,
) -> tuple[Guard, GuardedGraph, list[str]]:
    guard = Guard(
        f"sqlite:///{folder / 'guardkit.db'}",
        policy=Policy.from_dict(policy, directory=PEOPLE),
        keys=keys or Keys.generate(),
        action_checks=checks,
        telemetry=telemetry,
        **options,
    )
    sent: list[str] = []

    @guard.read(trust="untrusted")
    def look_up(topic: str) -> str:
        """Look something up."""
        return "result-secret"

    @guard.effect
    def send_mail(to: str, text: str) -> str:
        """Send a mail."""
        if raises is not None:
            raise raises
        sent.append(text)
        return "sent"

    @guard.effect
    def wipe(what: str) -> str:
        """Wipe something."""
        raise AssertionError("never runs")

    @guard.node(checks=node_checks)
    def think(state: Any) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("think", think)
    builder.add_node("tools", ToolNode([look_up, send_mail, wipe]))
    builder.add_edge(START, "think")
    builder.add_conditional_edges("think", tools_condition)
    builder.add_edge("tools", "think")
    return guard, guard.compile(builder, name="clerk"), sent


def script() -> ScriptedModel:
    return ScriptedModel(
        calls(("look_up", {"topic": "argument-secret"}), text="thought-secret"),
        calls(("wipe", {"what": "argument-secret"})),
        calls(("send_mail", {"to": "argument-secret@example.net", "text": "argument-secret"})),
        "answer-secret",
    )


ASK = {"messages": [("user", "prompt-secret")]}
KIM = Principal(id="kim-0815")


def paused_run(guard: Guard, graph: GuardedGraph, run: Mode) -> Paused:
    config = guard.config("conversation-1", KIM)
    paused = guard.outcome(run(graph, ASK, config), config)
    assert isinstance(paused, Paused)
    return paused


def approve(guard: Guard, paused: Paused) -> None:
    approval = paused.approvals[0]
    guard.desk.decide(
        approval.request.id,
        identity="dana.secret@example.com",
        digest=approval.digest,
        kind="approve",
        reason="reason-secret",
        assurance=Assurance.LOCAL_OPERATOR,
        via="web",
    )


def whole_run(guard: Guard, graph: GuardedGraph, run: Mode) -> Any:
    """Asks, is approved, goes on."""
    approve(guard, paused_run(guard, graph, run))
    return run(graph, None, guard.config("conversation-1"))


def trace_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id


def under(seen: Seen, span: ReadableSpan) -> list[str]:
    """The names of a span's ancestors, nearest first."""
    by_id = {one.get_span_context().span_id: one for one in seen.spans}  # pyright: ignore[reportOptionalMemberAccess]
    names: list[str] = []
    while span.parent is not None:
        span = by_id[span.parent.span_id]
        names.append(span.name)
    return names
