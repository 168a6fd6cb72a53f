"""Durations are written with units and read back exactly."""

from __future__ import annotations

import pytest

from guardkit.policy.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("8h", 28800), ("1h30m", 5400), ("2d", 172800), ("1d1h1m1s", 90061)],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0s", "8", "8 h", "h", "-1h", "1.5h", "30m1h", "8H", "1h1h", "99999d", "٣h"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_duration(text)


@pytest.mark.parametrize(("seconds", "text"), [(90, "1m30s"), (28800, "8h"), (86400, "1d"), (0, "0s")])
def test_seconds_are_written_with_the_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
