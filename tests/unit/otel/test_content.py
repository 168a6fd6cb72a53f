"""Content is off; where it is asked for it is redacted, then cut, and a redactor that fails shows nothing."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any, NoReturn

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from guardkit.core import telemetry_names as names
from guardkit.core.values import Json
from guardkit.errors import InputError
from guardkit.otel import Redactor, default_redactors
from guardkit.otel.capture import LIMIT, MOST, VARIABLE
from guardkit.testing import ScriptedModel, calls
from tests.unit.otel.scene import ASK, KIM, SECRETS, Mode, Seen, agent, script, whole_run

CONTENT = "guardkit.content"


def shown(seen: Seen, value: Json) -> dict[str, Any]:
    """What leaves of one value, as an attribute of a span."""
    span = seen.telemetry.start("guard_step look_up", {names.TOOL: "look_up"})
    span.show(lambda: {names.TOOL_RESULT: value})
    span.end()
    return dict(seen.one("guard_step look_up").attributes or {})


def unwanted() -> NoReturn:
    raise AssertionError("content is made although nobody asks for it")


@pytest.mark.promise("P13")
@pytest.mark.parametrize("said", [None, "", "no_content", "NO_CONTENT"])
def test_content_is_off_and_not_even_made(monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if said is not None:
        monkeypatch.setenv(VARIABLE, said)
    seen = Seen()
    span = seen.telemetry.start("guard_step look_up", {})
    span.show(unwanted)
    span.end()
    assert set(seen.one("guard_step look_up").attributes or {}) == {names.SPAN_KIND}
    assert seen.events() == []


@pytest.mark.promise("P13")
@pytest.mark.parametrize("said", ["true", "1", "SPAN", "span_only, event_only"])
def test_a_value_that_the_variable_does_not_know_is_a_no(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    monkeypatch.setenv(VARIABLE, said)
    with caplog.at_level(logging.WARNING, "guardkit"):
        seen = Seen()
    assert names.TOOL_RESULT not in shown(seen, "result-secret")
    (record,) = caplog.records
    assert VARIABLE in record.getMessage()
    assert "SPAN_AND_EVENT" in record.getMessage()


@pytest.mark.parametrize(
    ("said", "on_span", "in_event"),
    [("SPAN_ONLY", True, False), ("EVENT_ONLY", False, True), ("span_and_event", True, True)],
    ids=["span", "event", "both"],
)
def test_the_variable_of_the_conventions_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, said: str, on_span: bool, in_event: bool
) -> None:
    monkeypatch.setenv(VARIABLE, said)
    seen = Seen()
    assert (names.TOOL_RESULT in shown(seen, "paid")) == on_span
    assert seen.logged(CONTENT) == ([{names.TOOL: "look_up", names.TOOL_RESULT: "paid"}] if in_event else [])


@pytest.mark.promise("P13")
def test_the_argument_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "SPAN_AND_EVENT")
    seen = Seen(content="none")
    assert names.TOOL_RESULT not in shown(seen, "paid")
    monkeypatch.setenv(VARIABLE, "NO_CONTENT")
    assert shown(Seen(content="span"), "paid")[names.TOOL_RESULT] == "paid"


def test_a_whole_run_with_content(tmp_path: Path, run: Mode) -> None:
    seen = Seen(content="span")
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    whole_run(guard, graph, run)
    step = dict(seen.named("guard_step look_up")[0].attributes or {})
    assert step[names.THOUGHT] == "thought-secret"
    assert json.loads(str(step[names.TOOL_ARGUMENTS])) == {"topic": "argument-secret"}
    assert step[names.TOOL_RESULT] == "result-secret"
    effect = dict(seen.one("perform_effect send_mail").attributes or {})
    assert json.loads(str(effect[names.TOOL_ARGUMENTS])) == {"to": "[email]", "text": "argument-secret"}
    decided = dict(seen.one("decide_approval send_mail").attributes or {})
    assert decided[names.APPROVAL_REASON] == "reason-secret"
    assert names.TOOL_ARGUMENTS not in decided
    assert seen.logged(CONTENT) == []
    assert guard.telemetry_faults == 0


def test_content_in_events_belongs_to_its_span(tmp_path: Path, run: Mode) -> None:
    seen = Seen(content="event")
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    whole_run(guard, graph, run)
    records = [one.log_record for one in seen.records.get_finished_logs()]
    (record,) = [
        one
        for one in records
        if one.event_name == CONTENT and "reason-secret" in str((one.attributes or {}).values())
    ]
    context = seen.one("decide_approval send_mail").get_span_context()
    assert context is not None
    assert (record.trace_id, record.span_id) == (context.trace_id, context.span_id)
    told = "".join(span.to_json() for span in seen.spans)
    assert [secret for secret in SECRETS if secret in told] == []


@pytest.mark.promise("P13")
def test_a_person_is_in_no_content(tmp_path: Path, run: Mode) -> None:
    """Who somebody is does not leave with what they wrote."""
    seen = Seen(content="span_and_event")
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    whole_run(guard, graph, run)
    text = seen.everything()
    assert "reason-secret" in text
    assert [who for who in ("dana-4711", "dana.secret", "kim-0815", "kim.secret") if who in text] == []


def test_nothing_is_made_for_a_trace_that_is_not_sampled() -> None:
    seen = Seen(content="span", sampler=ALWAYS_OFF)
    span = seen.telemetry.start("guard_step look_up", {})
    span.show(unwanted)
    span.end()
    assert not seen.spans


@pytest.mark.promise("P13")
def test_content_is_redacted_before_it_is_cut() -> None:
    """A secret across the cut would leave its first half, and be found by nothing any more."""
    seen = Seen(content="span", content_limit=40)
    attributes = shown(seen, "x" * 30 + " kim.secret@example.com and so on, and on")
    assert attributes[names.TOOL_RESULT] == "x" * 30 + " [email] a… [40 of 56 characters]"
    assert attributes[names.CONTENT_CUT] is True


def test_content_as_long_as_the_limit_is_whole() -> None:
    attributes = shown(Seen(content="span"), "x" * LIMIT)
    assert attributes[names.TOOL_RESULT] == "x" * LIMIT
    assert names.CONTENT_CUT not in attributes


@pytest.mark.promise("P13")
@pytest.mark.parametrize("value", ["x" * (MOST + 1), ["x" * MOST]], ids=["text", "list"])
def test_content_that_is_too_long_to_be_looked_through_does_not_leave(value: Json) -> None:
    attributes = shown(Seen(content="span"), value)
    assert re.fullmatch(r"\[[0-9]+ characters, not captured\]", attributes[names.TOOL_RESULT])
    assert attributes[names.CONTENT_CUT] is True


def test_what_cannot_be_encoded_does_not_cost_the_batch() -> None:
    attributes = shown(Seen(content="span"), {"a": "\ud83d!"})
    assert attributes[names.TOOL_RESULT] == '{"a": "?!"}'


def broken(text: str) -> NoReturn:
    raise RuntimeError("error-secret")


def outside(text: str) -> list[tuple[int, int]]:
    return [(0, len(text) + 1)]


@pytest.mark.promise("P13")
@pytest.mark.parametrize("find", [broken, outside], ids=["raises", "finds something outside the text"])
@pytest.mark.parametrize("content", ["span", "event"])
def test_a_redactor_that_fails_shows_nothing_and_is_counted(
    tmp_path: Path, run: Mode, find: Any, content: Any
) -> None:
    seen = Seen(content=content, redactors=(*default_redactors(), Redactor("mine", find)))
    guard, graph, sent = agent(tmp_path, seen.telemetry, script())
    output = whole_run(guard, graph, run)
    assert output["messages"][-1].content == "answer-secret"
    assert sent == ["argument-secret"]
    assert guard.telemetry_faults > 0
    assert sum(getattr(point, "value", 0) for point in seen.points()[names.FAULTS]) == guard.telemetry_faults
    assert seen.one("perform_effect send_mail")
    assert [secret for secret in SECRETS if secret in seen.everything()] == []


@pytest.mark.promise("P13")
def test_a_redactor_that_comes_to_no_end_leaves_nothing() -> None:
    """It finds something in what stands for what it found."""
    growing = Redactor("mine", lambda text: [(len(text) - 1, len(text))])
    assert (
        shown(Seen(content="span", redactors=[growing]), "reason-secret")[names.TOOL_RESULT] == "[redacted]"
    )


def test_redactors_of_ones_own(tmp_path: Path) -> None:
    claims = Redactor("claim", re.compile(r"C-[0-9]{4}"))
    seen = Seen(content="span", redactors=(*default_redactors(), claims))
    model = ScriptedModel(calls(("look_up", {"topic": "C-4711 of kim@example.com"})), "done")
    guard, graph, _ = agent(tmp_path, seen.telemetry, model)
    graph.invoke(ASK, guard.config("conversation-1", KIM))
    step = dict(seen.named("guard_step look_up")[0].attributes or {})
    assert json.loads(str(step[names.TOOL_ARGUMENTS])) == {"topic": "[claim] of [email]"}


@pytest.mark.parametrize(
    "options", [{"content": "spans"}, {"content_limit": -1}], ids=["no such place", "a limit below 0"]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Seen(**options)


@pytest.mark.parametrize("kind", ["", "E-mail", "a]", "x" * 33])
def test_a_kind_that_would_not_be_readable_is_refused(kind: str) -> None:
    with pytest.raises(InputError):
        Redactor(kind, re.compile("x"))
