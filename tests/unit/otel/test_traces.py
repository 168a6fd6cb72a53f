"""One run through all guardrails, as OpenTelemetry shows it: readable as a trace, and quiet about what was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider, StatusCode

from guardkit import (
    NoResult,
)
from guardkit.core.runs import StopOrder
from guardkit.otel import OpenTelemetry
from tests.unit.otel.broken import Broken
from tests.unit.otel.scene import (
    ASK,
    KIM,
    SECRETS,
    Mode,
    Seen,
    a_broken_check,
    a_check,
    a_waiting_check,
    agent,
    approve,
    asynchronously,
    paused_run,
    script,
    trace_of,
    under,
    whole_run,
)


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
def test_a_waiting_check_in_a_synchronous_graph_is_a_check_that_failed(tmp_path: Path) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script(), [("slow", a_waiting_check)])
    graph.invoke(ASK, guard.config("conversation-1", KIM))
    span = seen.named("apply_guardrail slow")[0]
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ConfigurationError"
    assert guard.telemetry_faults == 0


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


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    "at",
    ["start", "event", "measure", "traceparent", "enter", "exit", "set", "show", "end", "span traceparent"],
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
