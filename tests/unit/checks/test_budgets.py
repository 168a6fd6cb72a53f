"""A turn may spend what the policy says, to the last call, and nothing beyond."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from guardkit.checks.budgets import exhausted
from guardkit.core.no_result import NoResultReason


@dataclass(frozen=True)
class Limits:
    steps: int | None = None
    tool_calls: int | None = None
    seconds: float | None = None


def spent(limits: Limits, *, tool_calls: int = 0, steps: int = 0, seconds: float = 0.0) -> tuple[str, ...]:
    """The budgets that are named as spent."""
    stop = exhausted(limits, tool_calls=tool_calls, steps=steps, seconds=seconds)
    if stop is None:
        return ()
    assert stop.reason is NoResultReason.BUDGET_EXHAUSTED
    return stop.rules


@pytest.mark.parametrize(("calls", "over"), [(0, False), (19, False), (20, False), (21, True), (10**9, True)])
def test_the_last_tool_call_is_allowed_and_one_more_is_not(calls: int, over: bool) -> None:
    assert spent(Limits(tool_calls=20), tool_calls=calls) == (("budget.tool calls",) if over else ())


@pytest.mark.parametrize(("steps", "over"), [(0, False), (5, False), (6, True)])
def test_the_last_step_is_allowed_and_one_more_is_not(steps: int, over: bool) -> None:
    assert spent(Limits(steps=5), steps=steps) == (("budget.steps",) if over else ())


@pytest.mark.parametrize(
    ("seconds", "over"), [(0.0, False), (59.999, False), (60.0, False), (60.001, True), (float("inf"), True)]
)
def test_a_turn_may_run_for_the_whole_time(seconds: float, over: bool) -> None:
    assert spent(Limits(seconds=60), seconds=seconds) == (("budget.seconds",) if over else ())


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        (Limits(tool_calls=0), "budget.tool calls"),
        (Limits(steps=0), "budget.steps"),
        (Limits(seconds=0), "budget.seconds"),
    ],
)
def test_a_budget_of_nothing_is_not_a_budget_without_limit(limits: Limits, rule: str) -> None:
    assert spent(limits, tool_calls=1, steps=1, seconds=0.1) == (rule,)
    assert spent(limits) == ()


def test_without_limits_nothing_is_ever_spent() -> None:
    assert spent(Limits(), tool_calls=10**12, steps=10**12, seconds=1e300) == ()


@pytest.mark.parametrize(
    ("what", "limits"),
    [
        ({"tool_calls": 7}, Limits(steps=1, seconds=1)),
        ({"steps": 7}, Limits(tool_calls=1, seconds=1)),
        ({"seconds": 7.0}, Limits(tool_calls=1, steps=1)),
    ],
)
def test_what_one_budget_counts_is_not_charged_to_another(what: dict[str, float], limits: Limits) -> None:
    assert spent(limits, **what) == ()  # pyright: ignore[reportArgumentType]


def test_one_spent_budget_is_enough() -> None:
    limits = Limits(tool_calls=100, steps=100, seconds=1)
    assert spent(limits, tool_calls=1, steps=1, seconds=1.5) == ("budget.seconds",)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(tool_calls=20), "more than 20 tool calls"),
        (Limits(steps=3), "more than 3 steps"),
        (Limits(seconds=60.0), "more than 60 seconds"),
        (Limits(seconds=0.5), "more than 0.5 seconds"),
    ],
)
def test_people_are_told_which_limit_it_was(limits: Limits, why: str) -> None:
    stop = exhausted(limits, tool_calls=1000, steps=1000, seconds=1000)
    assert stop is not None
    assert stop.why == (why,)
