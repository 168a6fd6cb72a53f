"""What is counted and timed in one run, and in what became of its question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import NoOpLoggerProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, NumberDataPoint
from opentelemetry.trace import NoOpTracerProvider

from guardkit.core import telemetry_names as names
from guardkit.core.effects import EffectNotDone
from guardkit.otel import OpenTelemetry
from tests.promises.scene import Scene, let_expire
from tests.unit.otel.scene import (
    ASK,
    KIM,
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
    whole_run,
)


def counted(seen: Seen, metric: str, *by: str) -> dict[tuple[Any, ...], float]:
    """Sums of a counter, or counts of a histogram, by some of its attributes."""
    found: dict[tuple[Any, ...], float] = {}
    for point in seen.points().get(metric, []):
        key = tuple((point.attributes or {}).get(name) for name in by)
        found[key] = found.get(key, 0) + (point.value if isinstance(point, NumberDataPoint) else point.count)
    return found


def test_decisions_questions_and_effects_are_counted(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    whole_run(guard, graph, run)
    decisions = counted(seen, names.DECISIONS, names.TOOL, names.DECISION)
    assert set(decisions) == {("look_up", "allow"), ("wipe", "reject"), ("send_mail", "escalate")}
    assert counted(seen, names.APPROVAL_REQUESTS, names.TOOL, names.POLICY_ID) == {("send_mail", "mail"): 1}
    assert counted(seen, names.APPROVAL_WAIT, names.TOOL, names.APPROVAL_OUTCOME) == {
        ("send_mail", "approved"): 1
    }
    assert counted(seen, names.EFFECTS, names.TOOL, names.EFFECT_STATE) == {("send_mail", "done"): 1}
    assert counted(seen, names.NO_RESULTS) == {}


def test_a_question_that_is_met_again_is_counted_once(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    paused = paused_run(guard, graph, run)
    run(graph, None, guard.config("conversation-1"))
    approve(guard, paused)
    assert counted(seen, names.APPROVAL_REQUESTS) == {(): 1}
    assert counted(seen, names.APPROVAL_WAIT) == {(): 1}


def test_a_question_is_counted_once_where_nobody_traces(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    telemetry = OpenTelemetry(
        tracer_provider=NoOpTracerProvider(),
        logger_provider=NoOpLoggerProvider(),
        meter_provider=seen.meters,
    )
    guard, graph, _ = agent(tmp_path, telemetry, script())
    paused = paused_run(guard, graph, run)
    run(graph, None, guard.config("conversation-1"))
    approve(guard, paused)
    run(graph, None, guard.config("conversation-1"))
    assert counted(seen, names.APPROVAL_REQUESTS) == {(): 1}
    assert counted(seen, names.EFFECTS) == {(): 1}


def test_the_time_to_decide_is_the_databases(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    approve(guard, paused_run(guard, graph, run))
    (approval,) = guard.store.listed()
    assert approval.settled_at is not None
    (point,) = seen.points()[names.APPROVAL_WAIT]
    assert isinstance(point, HistogramDataPoint)
    assert point.sum == pytest.approx(approval.settled_at - approval.request.requested_at)


@pytest.mark.parametrize("outcome", ["expired", "cancelled"])
def test_a_question_that_nobody_answers_is_settled_once(tmp_path: Path, run: Mode, outcome: str) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    (approval,) = paused_run(guard, graph, run).approvals
    if outcome == "expired":
        let_expire(Scene(f"sqlite:///{tmp_path / 'guardkit.db'}"), approval)
        assert guard.desk.expire() == 1
    else:
        guard.desk.cancel(approval.request.id, by="dana-4711", why="reason-secret")
    assert guard.desk.expire() == 0
    assert counted(seen, names.APPROVAL_WAIT, names.APPROVAL_OUTCOME) == {(outcome,): 1}


def test_an_approval_that_is_withdrawn_was_decided_before(tmp_path: Path, run: Mode) -> None:
    """Its time to decide is the time to the decision, not to the withdrawal."""
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    paused = paused_run(guard, graph, run)
    approve(guard, paused)
    guard.desk.cancel(paused.approvals[0].request.id, by="dana-4711", why="reason-secret")
    assert counted(seen, names.APPROVAL_WAIT, names.APPROVAL_OUTCOME) == {("approved",): 1}


@pytest.mark.parametrize(
    ("raised", "state"),
    [(EffectNotDone(), "not_done"), (RuntimeError("error-secret"), "in_doubt")],
    ids=["not done", "in doubt"],
)
def test_an_effect_is_counted_by_what_became_of_it(
    tmp_path: Path, run: Mode, raised: Exception, state: str
) -> None:
    seen = Seen()
    guard, graph, sent = agent(tmp_path, seen.telemetry, script(), raises=raised)
    whole_run(guard, graph, run)
    assert not sent
    assert counted(seen, names.EFFECTS, names.TOOL, names.EFFECT_STATE) == {("send_mail", state): 1}
    reasons = {("effect_in_doubt",): 1} if state == "in_doubt" else {}
    assert counted(seen, names.NO_RESULTS, names.NO_RESULT_REASON) == reasons


def test_an_approval_that_nobody_can_have_read_is_counted(tmp_path: Path, run: Mode) -> None:
    seen = Seen()
    guard, graph, _ = agent(tmp_path, seen.telemetry, script())
    approve(guard, paused_run(guard, graph, run))
    assert counted(seen, names.HASTY, names.TOOL, names.POLICY_ID) == {("send_mail", "mail"): 1}
    span = seen.one(f"{names.DECIDE_APPROVAL} send_mail")
    assert (span.attributes or {})[names.APPROVAL_READING] > 0  # pyright: ignore[reportOperatorIssue]


def test_each_check_is_timed_by_verdict_or_failure(tmp_path: Path) -> None:
    seen = Seen()
    checks = [("tidy", a_check), ("slow", a_waiting_check), ("broken", a_broken_check)]
    guard, graph, _ = agent(tmp_path, seen.telemetry, script(), checks, observation_checks=())
    asynchronously(graph, ASK, guard.config("conversation-1", KIM))
    by = (names.GUARD_NAME, names.GUARD_STAGE, names.VERDICT, names.ERROR_TYPE)
    assert counted(seen, names.GUARD_DURATION, *by).keys() == {
        ("tidy", "action", "pass", None),
        ("slow", "action", "pass", None),
        ("broken", "action", None, "RuntimeError"),
    }


def test_a_metric_that_the_schema_does_not_know_is_a_fault() -> None:
    with pytest.raises(KeyError):
        Seen().telemetry.measure("guardkit.unheard_of", 1, {})
