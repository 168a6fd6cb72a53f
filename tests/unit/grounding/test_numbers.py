"""Numbers in all the ways they are written: equal ones are one, others are not."""

# ruff: noqa: RUF001  # typography is a part of what is tested

from __future__ import annotations

import pytest

from guardkit.grounding.numbers import numbers


def values(text: str) -> list[str]:
    return [number.value for number in numbers(text)]


def measured(text: str) -> list[tuple[str, str | None]]:
    return [(number.value, number.unit) for number in numbers(text)]


EQUAL = [
    ("5 million", "5,000,000"),
    ("5m euros and €5m", "5m euros and 5,000,000 euros"),
    ("1\u00a0000\u202f000", "1,000,000"),
    ("twenty-five", "25"),
    ("two hundred and", "200 and"),
    ("three million", "3,000,000"),
    ("2.50", "2.5"),
    ("1.0", "1"),
    ("half past 9:00", "half past 9 am"),
    ("9 p.m.", "21:00"),
    ("12 am", "0:00"),
    ("3 May 2024", "3rd May 2024"),
    ("A-17", "a17"),
    ("½", "0.5"),
    ("−5", "-5"),
    ("٥٠٠", "500"),
    ("500 [3]", "500"),
    ("2 lakh", "200,000"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_one_number_has_one_value(one: str, other: str) -> None:
    assert values(one)
    assert values(one) == values(other)


DIFFERENT = [
    ("5", "50"),
    ("5", "-5"),
    ("5 million", "5 billion"),
    ("1.5", "15"),
    ("1.000", "1,000"),
    ("1,5", "1.5"),
    ("9:00", "9:30"),
    ("9 am", "9 pm"),
    ("9:00", "900"),
    ("A-17", "A-18"),
    ("A-17", "17"),
    ("1990s", "1990"),
    ("2024-05-03", "2024-03-05"),
    ("12345678901234567890", "12345678901234567891"),
    ("twenty five", "twenty six"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_numbers_have_different_values(one: str, other: str) -> None:
    assert values(one) != values(other)


UNITS = {
    "euro sign": ("€500", "eur"),
    "euro after": ("500 euros", "eur"),
    "code before": ("EUR 500", "eur"),
    "dollar": ("$500", "usd"),
    "yen": ("¥500", "jpy"),
    "percent": ("5 per cent", "%"),
    "points": ("5 percentage points", "point"),
    "permille": ("5‰", "permille"),
    "glued": ("5kg", "kg"),
    "glued and unknown": ("5psi", "psi"),
    "glued and long": ("5mmol", "mmol"),
    "hyphen": ("a 30-day wait", "d"),
    "degrees": ("5 °C", "c"),
    "rank": ("the 5th repair", "th"),
    "rank in words": ("the fifth repair", "th"),
    "rank in a date": ("May 5th", None),
    "square": ("5²", "²"),
    "words": ("thirty days", "d"),
    "none": ("500 forms", None),
}


@pytest.mark.parametrize(("text", "unit"), UNITS.values(), ids=UNITS)
def test_a_number_knows_its_unit(text: str, unit: str | None) -> None:
    assert measured(text)[-1][1] == unit


def test_ranges_are_two_numbers() -> None:
    assert values("10-20 and 10–20 and from 10 to 20") == ["10", "20"] * 3
    assert values("2019-2021") == ["2019", "2021"]


def test_small_words_and_months_are_soft() -> None:
    found = {number.value: number.soft for number in numbers("five of twenty in May; 5 first")}
    assert found == {"5": False, "20": False, "month:5": True, "1": True}


def test_a_clock_is_not_four_numbers() -> None:
    assert values("9:00-22:30") == ["time:9:00", "time:22:30"]


@pytest.mark.parametrize("text", ["may be", "a second look at marching", "", "none", "ten-nis"])
def test_words_that_only_look_like_numbers(text: str) -> None:
    assert [number for number in numbers(text) if not number.soft] == []


@pytest.mark.parametrize(
    "text", ["In 2024 we paid €1,234.50 (3rd of May), at 9:00 am, A-17.", "５００ and ½"]
)
def test_offsets_index_the_text(text: str) -> None:
    for number in numbers(text):
        assert any(sign.isalnum() for sign in text[number.start : number.end])


def test_a_mark_within_the_text_is_a_number() -> None:
    assert values("90) The fee is 50 euros.") == ["90", "50"]
