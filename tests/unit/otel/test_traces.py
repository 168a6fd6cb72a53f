"""One run through all guardrails, as OpenTelemetry shows it: readable as a trace, and quiet about what was said."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider, StatusCode

from guardkit import (
    Assurance,
    Guard,
    Keys,
    NoResult,
    Paused,
    PeopleDirectory,
    Person,
    Policy,
    Principal,
    Verdict,
)
from guardkit.core.runs import StopOrder
from guardkit.core.steps import Action
from guardkit.core.verdicts import CheckContext
from guardkit.langgraph.graph import GuardedGraph
from guardkit.otel import OpenTelemetry
from guardkit.runtime.events import Attributes, Span, Telemetry
from guardkit.testing import ScriptedModel, calls

PEOPLE = PeopleDirectory(
    [
        Person(id="dana-4711", email="dana.secret@example.com", roles=("manager",)),
        Person(id="kim-0815", email="kim.secret@example.com"),
    ]
)
SECRETS = (
    "dana-4711", "dana.secret", "kim-0815", "kim.secret", "prompt-secret", "argument-secret", "result-secret",
    "thought-secret", "answer-secret", "reason-secret", "error-secret",
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
        }
    },
}

Mode = Callable[[GuardedGraph, Any, Any], Any]


def synchronously(graph: GuardedGraph, given: Any, config: Any) -> Any:
    return graph.invoke(given, config)


def asynchronously(graph: GuardedGraph, given: Any, config: Any) -> Any:
    return asyncio.run(graph.ainvoke(given, config))


@pytest.fixture(params=[synchronously, asynchronously], ids=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Mode:
    return request.param


class Seen:
    """What an SDK was given."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.records = InMemoryLogRecordExporter()
        spans, logs = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
        spans.add_span_processor(SimpleSpanProcessor(self.exporter))
        logs.add_log_record_processor(SimpleLogRecordProcessor(self.records))
        self.telemetry = OpenTelemetry(tracer_provider=spans, logger_provider=logs)

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

    def everything(self) -> str:
        """All that left, as text."""
        spans = [span.to_json() for span in self.spans]
        return "\n".join([*spans, *(record.to_json() for record in self.records.get_finished_logs())])


def a_check(action: Action, context: CheckContext) -> Verdict | None:
    return None


async def a_waiting_check(action: Action, context: CheckContext) -> Verdict | None:
    await asyncio.sleep(0)
    return None


def a_broken_check(action: Action, context: CheckContext) -> NoReturn:
    raise RuntimeError("error-secret")


def agent(
    folder: Path, telemetry: Telemetry | None, model: ScriptedModel, checks: Sequence[tuple[str, Any]] = ()
) -> tuple[Guard, GuardedGraph, list[str]]:
    guard = Guard(
        f"sqlite:///{folder / 'guardkit.db'}",
        policy=Policy.from_dict(POLICY, directory=PEOPLE),
        keys=Keys.generate(),
        action_checks=checks,
        telemetry=telemetry,
    )
    sent: list[str] = []

    @guard.read(trust="untrusted")
    def look_up(topic: str) -> str:
        """Look something up."""
        return "result-secret"

    @guard.effect
    def send_mail(to: str, text: str) -> str:
        """Send a mail."""
        sent.append(text)
        return "sent"

    @guard.effect
    def wipe(what: str) -> str:
        """Wipe something."""
        raise AssertionError("never runs")

    def think(state: Any) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("agent", think)
    builder.add_node("tools", ToolNode([look_up, send_mail, wipe]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
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


@pytest.mark.promise("P13")
def test_a_run_is_one_trace_from_the_turn_down_to_the_effect(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, sent = agent(tmp_path, seen.telemetry, script(), [("tidy", a_check)])
    whole_run(guard, graph, run)
    assert sent == ["argument-secret"]

    first, second = seen.named("run_turn clerk")
    assert first.parent is None
    assert first.attributes is not None
    assert first.attributes["guardkit.run.status"] == "paused"
    assert first.attributes["gen_ai.conversation.id"] == "conversation-1"
    assert second.attributes is not None
    assert second.attributes["guardkit.run.status"] == "done"

    (rejected,) = [
        span
        for span in seen.named("apply_policy mail")
        if (span.attributes or {})["gen_ai.tool.name"] == "wipe"
    ]
    assert rejected.attributes is not None
    assert rejected.attributes["guardkit.decision"] == "reject"
    assert rejected.status.status_code is StatusCode.UNSET
    assert under(seen, rejected) == ["guard_step wipe", "run_turn clerk"]

    checked = seen.named("apply_guardrail tidy")[0]
    assert checked.attributes is not None
    assert checked.attributes["guardkit.verdict"] == "pass"
    assert under(seen, checked) == ["apply_policy mail", "guard_step look_up", "run_turn clerk"]

    effect = seen.one("perform_effect send_mail")
    assert effect.attributes is not None
    assert effect.attributes["guardkit.effect.state"] == "done"
    assert under(seen, effect) == ["guard_step send_mail", "run_turn clerk"]
    assert trace_of(effect) == trace_of(second)
    assert [event.name for event in effect.events] == [
        "guardkit.approval.consumed",
        "guardkit.effect.claimed",
        "guardkit.effect.recorded",
    ]


@pytest.mark.promise("P13")
def test_an_approval_is_short_spans_that_are_linked(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    whole_run(guard, graph, run)
    asked = seen.one("request_approval send_mail")
    context = asked.get_span_context()
    assert context is not None
    for name in ("decide_approval send_mail", "resume_approval send_mail"):
        span = seen.one(name)
        assert [(link.context.trace_id, link.context.span_id) for link in span.links] == [
            (context.trace_id, context.span_id)
        ]
        assert span.attributes is not None
        assert asked.attributes is not None
        assert span.attributes["guardkit.approval.id"] == asked.attributes["guardkit.approval.id"]
        assert span.attributes["guardkit.approval.outcome"] == "approved"


@pytest.mark.promise("P13")
def test_a_question_that_is_met_again_is_told_once(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    paused = paused_run(guard, graph, run)
    for _ in range(2):  # nobody has decided yet: the node runs from its top and waits again
        run(graph, None, guard.config("conversation-1"))
    assert seen.events().count("guardkit.run.paused") == 3
    approve(guard, paused)
    run(graph, None, guard.config("conversation-1"))
    seen.one("request_approval send_mail")
    assert seen.events().count("guardkit.approval.requested") == 1


@pytest.mark.promise("P13")
def test_neither_a_pause_nor_a_rejection_is_an_error(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    paused_run(guard, graph, run)
    assert seen.named("guard_step send_mail")
    assert {span.status.status_code for span in seen.spans} == {StatusCode.UNSET}
    assert not [event for span in seen.spans for event in span.events if event.name == "exception"]


@pytest.mark.promise("P13")
def test_no_prompt_argument_answer_or_identity_leaves(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    broken = [("broken", a_broken_check)]
    (tmp_path / "a").mkdir()
    guard, graph, sent = agent(tmp_path / "a", seen.telemetry, script())
    whole_run(guard, graph, run)
    assert sent
    (tmp_path / "b").mkdir()
    guard, graph, _ = agent(tmp_path / "b", seen.telemetry, script(), broken)
    run(graph, ASK, guard.config("conversation-2", KIM))
    text = seen.everything()
    assert "guard_step look_up" in text
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.mark.promise("P13")
def test_a_check_that_fails_is_an_error_that_says_no_more_than_its_type(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script(), [("broken", a_broken_check)])
    run(graph, ASK, guard.config("conversation-1", KIM))
    span = seen.named("apply_guardrail broken")[0]
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert span.attributes is not None
    assert span.attributes["error.type"] == "RuntimeError"
    assert span.attributes["guardkit.fail_mode"] == "closed"
    assert not span.events


@pytest.mark.promise("P13")
def test_a_waiting_check_has_a_span_of_its_own(tmp_path: Path) -> None:
    seen = Seen()
    guard, graph, _ = agent(
        tmp_path, seen.telemetry, script(), [("slow", a_waiting_check), ("tidy", a_check)]
    )
    asynchronously(graph, ASK, guard.config("conversation-1", KIM))
    for name in ("slow", "tidy"):
        span = seen.named(f"apply_guardrail {name}")[0]
        assert under(seen, span) == ["apply_policy mail", "guard_step look_up", "run_turn clerk"]


@pytest.mark.promise("P13")
def test_an_emergency_stop_shows_on_the_turn(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    guard.store.set_stop(StopOrder(id="drill", scope="everything", by="dana-4711", why="reason-secret", at=0))
    config = guard.config("conversation-1", KIM)
    assert isinstance(guard.outcome(run(graph, ASK, config), config), NoResult)
    turn = seen.one("run_turn clerk")
    assert turn.attributes is not None
    assert turn.attributes["guardkit.result"] == "no_result"
    assert turn.attributes["guardkit.no_result.reason"] == "stopped_by_operator"
    assert "guardkit.emergency_stop" in seen.events()


class Broken:
    """A telemetry that raises at one of its methods, or at one of its spans'."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.raised = 0

    def fail(self, where: str) -> None:
        if where == self.at:
            self.raised += 1
            raise OSError("the collector is gone")

    def start(self, name: str, attributes: Attributes, **options: Any) -> Span:
        self.fail("start")
        return BrokenSpan(self)

    def event(self, name: str, attributes: Attributes) -> None:
        self.fail("event")

    def traceparent(self) -> str | None:
        self.fail("traceparent")
        return None


class BrokenSpan:
    def __init__(self, owner: Broken) -> None:
        self.owner = owner

    @contextlib.contextmanager
    def active(self) -> Any:
        self.owner.fail("enter")
        yield
        self.owner.fail("exit")

    def set(self, attributes: Attributes) -> None:
        self.owner.fail("set")

    def end(self, error: str | None = None) -> None:
        self.owner.fail("end")

    def traceparent(self) -> str | None:
        self.owner.fail("span traceparent")
        return None


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    "at", ["start", "event", "traceparent", "enter", "exit", "set", "end", "span traceparent"]
)
def test_a_telemetry_that_raises_does_not_touch_the_run(tmp_path: Path, run: Mode, at: str) -> None:
    broken = Broken(at)
    guard, graph, sent = agent(tmp_path, broken, script(), [("tidy", a_check)])
    output = whole_run(guard, graph, run)
    assert output["messages"][-1].content == "answer-secret"
    assert sent == ["argument-secret"]
    assert broken.raised > 0
    assert guard.telemetry_faults == broken.raised


@pytest.mark.promise("P13")
def test_an_exporter_that_raises_does_not_touch_the_run(tmp_path: Path, run: Mode) -> None:
    class Failing(SimpleSpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            raise OSError("the collector is gone")

        def on_end(self, span: ReadableSpan) -> None:
            raise OSError("the collector is gone")

    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(Failing(InMemorySpanExporter()))
    guard, graph, sent = agent(tmp_path, OpenTelemetry(tracer_provider=spans), script())
    whole_run(guard, graph, run)
    assert sent == ["argument-secret"]
    assert guard.telemetry_faults > 0


@pytest.mark.promise("P13")
def test_without_an_sdk_a_run_is_as_it_is(tmp_path: Path, run: Mode) -> None:
    telemetry = OpenTelemetry(tracer_provider=NoOpTracerProvider(), logger_provider=NoOpLoggerProvider())
    guard, graph, sent = agent(tmp_path, telemetry, script(), [("tidy", a_check)])
    whole_run(guard, graph, run)
    assert sent == ["argument-secret"]
    assert guard.telemetry_faults == 0


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    "traceparent", ["", "garbage", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"]
)
def test_a_malformed_trace_context_is_no_link(traceparent: str) -> None:
    seen = Seen()
    seen.telemetry.start("x", {}, links=[traceparent]).end()
    assert seen.one("x").links == ()
    json.loads(seen.one("x").to_json())
