"""Log lines: one a record, whatever the record holds."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from guardkit import logs
from guardkit.errors import ConfigurationError
from guardkit.logs import JsonLines, TextLines
from guardkit.testing import ScriptedModel
from tests.unit.otel.scene import ASK, KIM, agent, approve, paused_run, script, synchronously

FIRST = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ +\S+: ")


@contextmanager
def written(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("guardkit")
    logger.addHandler(handler)
    try:
        yield stream
    finally:
        logger.removeHandler(handler)


def record(message: str, *args: object, **more: Any) -> logging.LogRecord:
    return logging.LogRecord("guardkit.web", logging.WARNING, "f.py", 1, message, args, more.get("exc_info"))


@pytest.mark.promise("P13")
@given(st.text())
def test_a_message_is_one_line_of_json(message: str) -> None:
    line = JsonLines().format(record("%s", message))
    assert line.isascii()
    assert line.isprintable(), "no control character, so no line break of any kind"
    assert json.loads(line)["message"] == message


@pytest.mark.promise("P13")
@given(st.text())
def test_a_message_begins_no_line_of_its_own(message: str) -> None:
    first, *others = TextLines().format(record("%s", message)).split("\n")
    assert FIRST.match(first)
    assert all(line.startswith("    | ") for line in others)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", first + "".join(others)
    )


@pytest.mark.promise("P13")
def test_a_forged_line_is_seen_as_what_it_is() -> None:
    forged = 'ok\n2026-01-01T00:00:00.000Z ERROR    guardkit: all money is gone\r\x1b[2K{"level":"error"}'
    assert TextLines().format(record("%s", forged)).count("\n") == 1
    assert "\n    | 2026-01-01" in TextLines().format(record("%s", forged))
    assert json.loads(JsonLines().format(record("%s", forged)))["level"] == "warning"


@pytest.mark.promise("P13")
def test_an_exception_is_its_type_and_places_without_its_text() -> None:
    try:
        raise ValueError("error-secret")
    except ValueError:
        about = sys.exc_info()
    failed = record(
        "Task exception was never retrieved\nfuture: <Task ValueError('error-secret')>", exc_info=about
    )
    for line in (JsonLines().format(failed), TextLines().format(failed)):
        assert "error-secret" not in line
        assert "ValueError" in line
        assert Path(__file__).name in line
    assert json.loads(JsonLines().format(failed))["error"] == "ValueError"


def test_arguments_that_do_not_fit_break_nothing() -> None:
    line = JsonLines().format(record("%d of %d", "x"))
    assert json.loads(line)["message"] == "a message that cannot be formatted"


def test_the_fields_are_the_documented_ones() -> None:
    facts = json.loads(JsonLines().format(record("said")))
    assert list(facts) == ["time", "level", "logger", "message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", facts["time"])


def test_a_line_in_a_span_names_it() -> None:
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        facts = json.loads(JsonLines().format(record("said")))
    context = span.get_span_context()
    assert facts["trace_id"] == trace.format_trace_id(context.trace_id)
    assert facts["span_id"] == trace.format_span_id(context.span_id)


def test_a_line_in_a_run_names_run_and_thread(tmp_path: Path) -> None:
    def noisy(action: Any, context: Any) -> None:
        logging.getLogger("guardkit").warning("a check speaks")

    guard, graph, _ = agent(tmp_path, None, script(), [("noisy", noisy)])
    with written(JsonLines()) as stream:
        synchronously(graph, ASK, guard.config("conversation-1", KIM))
    first = json.loads(stream.getvalue().splitlines()[0])
    assert (first["message"], first["agent"], first["thread_id"]) == (
        "a check speaks",
        "clerk",
        "conversation-1",
    )
    assert re.fullmatch(r"[0-9a-f]{32}", first["run_id"])


def test_a_thread_that_cannot_be_resumed_is_named(tmp_path: Path) -> None:
    model = ScriptedModel(*script().lines[:-1], RuntimeError("error-secret"))
    guard, graph, _ = agent(tmp_path, None, model)
    approve(guard, paused_run(guard, graph, synchronously))
    with written(JsonLines()) as stream:
        assert asyncio.run(guard.worker(graph).once()).failed == 1
    (facts,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (facts["agent"], facts["thread_id"]) == ("clerk", "conversation-1")
    assert "error-secret" not in stream.getvalue()


@pytest.mark.promise("P15")
def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'xml'.*json or text"):
        logs.configure("xml")
