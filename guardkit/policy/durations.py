"""Lengths of time as people write them: `90s`, `30m`, `8h`, `1h30m`, `2d`; and in working time: `4 business hours`."""

import re
from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, PlainSerializer

from guardkit.core.calendars import BusinessTime
from guardkit.core.durations import UNITS, format_duration
from guardkit.policy.sections import mistake

_FORM = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_BUSINESS = re.compile(r"([1-9][0-9]{0,3}) business (minute|hour|day)s?")
_REMEDY = "write it like 90s, 30m, 8h or 1h30m"
_EITHER = "write it like 30m, 8h, 1h30m, 4 business hours or 2 business days"
_YEAR = 366 * 86400


def parse_duration(text: str, *, longest_years: int = 10) -> float:
    """Seconds of a duration: whole days, hours, minutes and seconds, largest first, e.g. `1h30m`.

    Raises:
        ValueError: not of that form, zero, or longer than it may be.
    """
    found = _FORM.fullmatch(text)
    if found is None or not text:
        raise ValueError(f"{text!r} is not a duration")
    seconds = sum(int(part) * unit for part, unit in zip(found.groups("0"), UNITS.values(), strict=True))
    if not 0 < seconds <= longest_years * _YEAR:
        raise ValueError(f"{text!r} is not between one second and {longest_years} years")
    return float(seconds)


def parse_delay(text: str) -> float | BusinessTime:
    """A duration, or business time: a number of business minutes, hours or days, e.g. `2 business days`.

    Raises:
        ValueError: neither of these.
    """
    found = _BUSINESS.fullmatch(text)
    if found is None:
        return parse_duration(text)
    count = int(found[1])
    match found[2]:
        case "day":
            return BusinessTime(days=count)
        case "hour":
            return BusinessTime(seconds=3600.0 * count)
        case _:
            return BusinessTime(seconds=60.0 * count)


def _read(value: object) -> float:
    match value:
        case str():
            try:
                return parse_duration(value)
            except ValueError as error:
                raise mistake(str(error), remedy=_REMEDY) from None
        case timedelta():
            return _read(format_duration(value.total_seconds()))
        case _:
            raise mistake("a duration is text with units", remedy=_REMEDY)


def _read_delay(value: object) -> float | BusinessTime:
    match value:
        case BusinessTime():
            return value
        case str():
            try:
                return parse_delay(value)
            except ValueError as error:
                raise mistake(str(error), remedy=_EITHER) from None
        case _:
            return _read(value)


def format_delay(delay: float | BusinessTime) -> str:
    """A duration or business time as it is written."""
    return str(delay) if isinstance(delay, BusinessTime) else format_duration(delay)


Duration: TypeAlias = Annotated[
    float, BeforeValidator(_read), PlainSerializer(format_duration, return_type=str)
]
"""Seconds, written as text with units (in Python also a `timedelta` of whole seconds)."""

Delay: TypeAlias = Annotated[
    float | BusinessTime, BeforeValidator(_read_delay), PlainSerializer(format_delay, return_type=str)
]
"""Seconds or business time, written as text (in Python also a `timedelta` of whole seconds)."""
