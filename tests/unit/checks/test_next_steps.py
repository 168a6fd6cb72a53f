"""Ready-made opinions on what follows: of the right tool, about the right results, and silent otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guardkit.checks import (
    clarify_when,
    complete_when,
    default_assessors,
    retry_when,
    stop_after_failures,
)
from guardkit.checks.next_steps import Opinion, Says
from guardkit.core import next_step
from guardkit.core.no_result import NoResultReason
from guardkit.core.steps import Observation, Step
from guardkit.errors import ConfigurationError
from tests.unit.checks.desk import call, context, seen, step


def ran(tool: str, failed: bool | None, id: str) -> Step:
    """A finished call that failed, succeeded, or (`None`) has no observation."""
    return step(call(tool=tool, id=id), None if failed is None else seen("result", tool=tool, failed=failed))


def after(history: str, limit: int = 3) -> next_step.NextStep | None:
    """What follows a history, one letter a call: upper case is the paying tool, `F` failed, `S` succeeded, `N` nothing.

    Lower case is another tool; the last letter is the step that is assessed, and already part of the history.
    """
    steps = [
        ran(
            "pay_claim" if letter.isupper() else "find_claim",
            {"f": True, "s": False, "n": None}[letter.lower()],
            f"{i}",
        )
        for i, letter in enumerate(history)
    ]
    return stop_after_failures(limit)(steps[-1], context(history=steps))


@pytest.mark.parametrize(
    "history", ["FFF", "SFFF", "FFFF", "FfFsF", "FNFF", "FFSFFF", "fffFFF", "FssssssssFF"]
)
def test_three_failures_in_a_row_end_the_turn(history: str) -> None:
    stop = after(history)
    assert isinstance(stop, next_step.Stop)
    assert stop.reason is NoResultReason.NO_PROGRESS
    assert "'pay_claim' failed" in stop.why


@pytest.mark.parametrize(
    "history", ["F", "S", "N", "FF", "FFS", "FFN", "FFSF", "FSFSF", "ffF", "ffffF", "SSS", "FFsS"]
)
def test_fewer_failures_or_a_success_between_them_do_not(history: str) -> None:
    assert after(history) is None


@pytest.mark.parametrize(("limit", "failures"), [(1, 1), (2, 2), (5, 5), (20, 20)])
def test_the_limit_is_how_many_failures_end_the_turn(limit: int, failures: int) -> None:
    assert isinstance(after("F" * failures, limit), next_step.Stop)
    assert after("S" + "F" * (failures - 1), limit) is None or failures == 1
    assert after("F" * failures, limit + 1) is None


def test_a_step_that_is_not_yet_in_the_history_counts_once_as_well() -> None:
    history = [ran("pay_claim", True, "0"), ran("pay_claim", True, "1")]
    now = ran("pay_claim", True, "2")
    for known in (history, [*history, now]):
        stop = stop_after_failures(3)(now, context(history=known))
        assert isinstance(stop, next_step.Stop)
        assert "failed 3 times" in stop.why


def test_another_tool_whose_name_begins_alike_is_another_tool() -> None:
    history = [ran("pay", True, "0"), ran("pay_claim_now", True, "1"), ran("PAY_CLAIM", True, "2")]
    assert stop_after_failures(2)(ran("pay_claim", True, "3"), context(history=history)) is None


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_ends_every_turn_is_refused(limit: int) -> None:
    with pytest.raises(ConfigurationError, match=f"limit is {limit}"):
        stop_after_failures(limit)


def test_a_guard_ends_a_turn_after_three_failures_by_default() -> None:
    ((name, assess),) = default_assessors()
    assert name == "failures"
    steps = [ran("pay_claim", True, str(i)) for i in range(3)]
    assert isinstance(assess(steps[2], context(history=steps)), next_step.Stop)
    assert assess(steps[1], context(history=steps[:2])) is None


def two_claims(observation: Observation) -> str | None:
    return "Which year?" if "2 claims" in observation.text else None


SAYING: dict[str, tuple[Callable[[str, Says], Opinion], next_step.NextStep]] = {
    "clarify": (clarify_when, next_step.Clarify(question="Which year?")),
    "complete": (complete_when, next_step.Complete(why="Which year?")),
    "retry": (retry_when, next_step.Retry(tell_model="Which year?")),
}
each = pytest.mark.parametrize(("make", "expected"), SAYING.values(), ids=SAYING)


@each
def test_what_was_said_about_a_result_follows(
    make: Callable[[str, Says], Opinion], expected: next_step.NextStep
) -> None:
    found = step(call(tool="find_claim"), seen("2 claims of Ada: 2025, 2026", tool="find_claim"))
    assert make("find_claim", two_claims)(found, context()) == expected


@each
@pytest.mark.parametrize(
    "silent",
    [
        step(call(tool="find_claim"), seen("1 claim of Ada: 2026")),
        step(call(tool="find_claim"), seen("")),
        step(call(tool="find_claim")),
        step(call(tool="find_claims"), seen("2 claims of Ada")),
        step(call(tool="find"), seen("2 claims of Ada")),
        step(call(tool="Find_Claim"), seen("2 claims of Ada")),
    ],
    ids=["one claim", "nothing", "no result", "longer name", "shorter name", "other case"],
)
def test_nothing_follows_other_results_and_other_tools(
    make: Callable[[str, Says], Opinion], expected: next_step.NextStep, silent: Step
) -> None:
    assert make("find_claim", two_claims)(silent, context()) is None


@each
def test_empty_words_say_nothing(make: Callable[[str, Says], Opinion], expected: next_step.NextStep) -> None:
    found = step(call(tool="find_claim"), seen("2 claims"))
    assert make("find_claim", lambda observation: "")(found, context()) is None


@each
def test_a_result_that_cannot_be_judged_is_not_passed_over(
    make: Callable[[str, Says], Opinion], expected: next_step.NextStep
) -> None:
    found = step(call(tool="find_claim"), seen("two claims"))
    with pytest.raises(ValueError, match="invalid literal"):
        make("find_claim", lambda observation: str(int(observation.text)))(found, context())


@each
def test_the_question_may_look_at_failures(
    make: Callable[[str, Says], Opinion], expected: next_step.NextStep
) -> None:
    broken = make("find_claim", lambda observation: "Which year?" if observation.failed else None)
    assert broken(step(call(tool="find_claim"), seen("timeout", failed=True)), context()) == expected
    assert broken(step(call(tool="find_claim"), seen("timeout")), context()) is None
