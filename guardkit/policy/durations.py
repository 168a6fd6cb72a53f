"""Lengths of time as people write them: `90s`, `30m`, `8h`, `1h30m`, `2d`."""

import re
from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, PlainSerializer

from guardkit.core.durations import UNITS, format_duration
from guardkit.policy.sections import mistake

_FORM = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_REMEDY = "write it like 90s, 30m, 8h or 1h30m"
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


Duration: TypeAlias = Annotated[
    float, BeforeValidator(_read), PlainSerializer(format_duration, return_type=str)
]
"""Seconds, written as text with units (in Python also a `timedelta` of whole seconds)."""
