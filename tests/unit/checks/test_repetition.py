"""The very same call is told from one that only looks like it."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.checks.repetition import repeated, same_call
from guardkit.core.no_result import NoResultReason
from tests.unit.checks.desk import call, context, seen, step

PAY = {
    "claim": "C-1042",
    "amount": 1250,
    "to": {"iban": "DE-1", "name": "Kim Ode"},
    "tags": ["water", "roof"],
}


def count(now: Any, *before: Any) -> int:
    """How often the arguments `now` were used before."""
    history = [step(call({"value": one}, id=f"before-{i}")) for i, one in enumerate(before)]
    return repeated(context(history=history), call({"value": now}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PAY, {**PAY}),
        (PAY, dict(reversed(PAY.items()))),
        (PAY, {**PAY, "to": {"name": "Kim Ode", "iban": "DE-1"}}),
        (1250, 1250.0),
        (1250.5, 1250.50),
        (0, -0.0),
        (1e3, 1000),
        (None, None),
        ("Überschwemmung", "Überschwemmung"),
        ([], []),
        ({}, {}),
        ("", ""),
    ],
)
def test_another_spelling_of_the_same_arguments_is_the_same_call(one: Any, other: Any) -> None:
    assert count(one, other) == count(other, one) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (True, 1),
        (False, 0),
        (None, False),
        (None, ""),
        (None, "null"),
        (1, "1"),
        (1250, 1250.5),
        ("1250.5", "1250.50"),
        ("C-1042", "c-1042"),
        ("C-1042", "C-1042 "),
        ("C-1042", "C-1042\u200b"),
        ("Jos\u00e9", "Jose\u0301"),
        ("A", "\uff21"),
        ([], {}),
        ([], None),
        (["water", "roof"], ["roof", "water"]),
        ([1, 2], [1, 2, 2]),
        ([[1], 2], [[1, 2]]),
        ({"iban": None}, {}),
        ({"iban": "DE-1"}, {"IBAN": "DE-1"}),
        (PAY, {**PAY, "amount": 1251}),
        (PAY, {**PAY, "to": {"iban": "DE-2", "name": "Kim Ode"}}),
    ],
)
def test_other_arguments_are_another_call(one: Any, other: Any) -> None:
    assert count(one, other) == count(other, one) == 0


def test_every_earlier_one_counts_and_nothing_else() -> None:
    assert count("C-1", "C-1", "C-2", "C-1", "C-3", "C-1") == 3
    assert count("C-4", "C-1", "C-2", "C-3") == 0
    assert count("C-1") == 0


def test_another_tool_with_the_same_arguments_is_another_call() -> None:
    history = [
        step(call(PAY, tool=tool, id=tool)) for tool in ("pay", "Pay_claim", "pay_claim_", "read_mail")
    ]
    assert repeated(context(history=history), call(PAY)) == 0


def test_the_call_itself_does_not_count_when_its_node_runs_again() -> None:
    now = call(PAY)
    history = [step(call(PAY, id="before")), step(now)]
    assert repeated(context(history=history), now) == 1


@pytest.mark.parametrize("failed", [True, False])
def test_what_came_of_it_means_nothing(failed: bool) -> None:
    history = [step(call(PAY, id="before"), seen("no such claim", failed=failed))]
    assert repeated(context(history=history), call(PAY)) == 1


@pytest.mark.parametrize(
    ("before", "limit", "stops"),
    [(0, 1, False), (1, 1, True), (2, 3, False), (3, 3, True), (4, 3, True), (0, 0, True), (50, None, False)],
)
def test_a_call_may_be_made_as_often_as_the_limit_says(before: int, limit: int | None, stops: bool) -> None:
    history = [step(call(PAY, id=f"before-{i}")) for i in range(before)]
    stop = same_call(context(history=history), call(PAY), limit)
    assert (stop is not None) == stops
    if stop is not None:
        assert stop.reason is NoResultReason.NO_PROGRESS
        assert stop.rules == ("guardkit.same-call",)


def test_the_arguments_are_not_repeated_in_the_reason() -> None:
    stop = same_call(context(history=[step(call(PAY, id="before"))]), call(PAY), 1)
    assert stop is not None
    assert "'pay_claim'" in stop.why[0]
    assert "DE-1" not in stop.model_dump_json()


def test_a_long_history_of_large_calls_is_compared_whole() -> None:
    large = {"lines": [{"iban": f"DE-{i}", "amount": i} for i in range(2_000)]}
    other = {"lines": [*large["lines"][:-1], {"iban": "DE-1999", "amount": 2_000}]}
    assert count(large, *[other] * 20, large) == 1
