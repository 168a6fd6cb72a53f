"""What a span is linked to and what it is below, when those others are sampled out, gone or nonsense."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from guardkit import Guard
from guardkit.langgraph.graph import GuardedGraph
from tests.unit.otel.scene import KIM, Mode, Seen, agent, approve, paused_run, script, trace_of, under

OPEN_INFERENCE = "openinference.instrumentation.langchain"


@pytest.fixture
def langchain_run(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands where OpenInference is loaded, and says what is put here: its package itself is tried in `test_nesting`."""
    said: list[Any] = [None]
    module = types.ModuleType(OPEN_INFERENCE)

    def get_current_span() -> Any:
        if isinstance(said[0], Exception):
            raise said[0]
        return said[0]

    module.get_current_span = get_current_span  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, OPEN_INFERENCE, module)
    return said


def test_a_span_is_below_langchains_run(langchain_run: list[Any]) -> None:
    seen = Seen()
    tracer = seen.tracers.get_tracer("langchain")
    with tracer.start_as_current_span("app"):
        node = langchain_run[0] = tracer.start_span("node")
        outer = seen.telemetry.start("outer", {})
        with outer.active():
            seen.telemetry.start("inner", {}).end()
            tool = langchain_run[0] = tracer.start_span("tool", set_span_in_context(node))
            seen.telemetry.start("check", {}).end()
            tool.end()
            langchain_run[0] = node
            with tracer.start_as_current_span("yours"):
                seen.telemetry.start("deep", {}).end()
        outer.end()
        node.end()
    assert under(seen, seen.one("outer")) == ["node", "app"]
    assert under(seen, seen.one("inner")) == ["outer", "node", "app"]
    assert under(seen, seen.one("check")) == ["tool", "node", "app"]
    assert under(seen, seen.one("deep")) == ["yours", "outer", "node", "app"]


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    "nonsense",
    [None, INVALID_SPAN, "a span", 7, RuntimeError("changed")],
    ids=["none", "invalid", "text", "number", "raises"],
)
def test_what_is_no_span_is_no_parent(langchain_run: list[Any], nonsense: Any) -> None:
    seen = Seen()
    langchain_run[0] = nonsense
    with seen.tracers.get_tracer("app").start_as_current_span("app"):
        seen.telemetry.start("x", {}).end()
    assert under(seen, seen.one("x")) == ["app"]


def test_a_module_of_that_name_with_nothing_in_it_is_no_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, OPEN_INFERENCE, types.ModuleType(OPEN_INFERENCE))
    seen = Seen()
    seen.telemetry.start("x", {}).end()
    assert seen.one("x").parent is None


def test_a_span_below_one_that_is_sampled_out_is_sampled_out(langchain_run: list[Any]) -> None:
    seen = Seen(sampler=ParentBased(ALWAYS_ON))
    langchain_run[0] = NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(0)))
    seen.telemetry.start("x", {}).end()
    assert list(seen.spans) == []


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "garbage",
        "00-0-0-00",
        "00-" + "0" * 32 + "-" + "0" * 16 + "-01",
        "00-" + "g" * 32 + "-" + "1" * 16 + "-01",
        "é" * 55,
        123,
        None,
        b"00",
    ],
    ids=repr,
)
def test_a_malformed_trace_context_is_no_link(traceparent: Any) -> None:
    seen = Seen()
    seen.telemetry.start("x", {}, links=[traceparent]).end()
    assert seen.one("x").links == ()


@pytest.mark.promise("P13")
def test_what_follows_a_question_that_was_sampled_out_is_shown_and_linked(tmp_path: Path, run: Mode) -> None:
    """A trace that continued the question's would be dropped with it."""
    asking, answering = Seen(sampler=ALWAYS_OFF), Seen()
    (tmp_path / "shared").mkdir()
    guard, graph, _ = agent(tmp_path / "shared", asking.telemetry, script())
    paused = paused_run(guard, graph, run)
    again = _another_process(tmp_path / "shared", answering, guard)
    approve(again[0], paused)
    run(again[1], None, again[0].config("conversation-1", KIM))
    assert list(asking.spans) == []
    asked = paused.approvals[0].request.traceparent
    assert asked is not None
    assert not int(asked[-2:], 16) & TraceFlags.SAMPLED
    for name in ("decide_approval send_mail", "resume_approval send_mail"):
        span = answering.one(name)
        assert f"{span.links[0].context.trace_id:032x}" == asked.split("-")[1]
        assert (span.attributes or {})["guardkit.approval.request.trace_id"] == asked.split("-")[1]
    assert trace_of(answering.one("perform_effect send_mail")) == trace_of(answering.one("run_turn clerk"))


def _another_process(folder: Path, seen: Seen, first: Guard) -> tuple[Guard, GuardedGraph]:
    """Another guard on the same database, with the same keys."""
    guard, graph, _ = agent(folder, seen.telemetry, script(), keys=first.keys)
    return guard, graph
