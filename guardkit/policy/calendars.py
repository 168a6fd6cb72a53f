"""The calendars of a policy file: time zones, working hours, holidays, quiet hours."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Self, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    model_serializer,
    model_validator,
)

from guardkit.core.calendars import Calendar, Span
from guardkit.core.zones import zone_names
from guardkit.policy.sections import Section, did_you_mean, mistake

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")
_MIDNIGHT = 1440


def parse_time(text: str) -> int:
    """Minutes since midnight of a local time, e.g. `09:00`.

    Raises:
        ValueError: not a time of the day.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a time of the day")
    return _MIDNIGHT if found[1] is None else int(found[1]) * 60 + int(found[2])


def format_time(minutes: int) -> str:
    """A time of the day as it is written."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _minute(value: object) -> int:
    remedy = 'write it like "09:00", in quotes'
    if not isinstance(value, str):
        raise mistake("a time of the day is text", remedy=remedy)
    try:
        minutes = parse_time(value)
    except ValueError as error:
        raise mistake(str(error), remedy=remedy) from None
    if minutes == _MIDNIGHT:
        raise mistake("'24:00' is no time at which anything begins", remedy='write "00:00"')
    return minutes


LocalTime: TypeAlias = Annotated[int, BeforeValidator(_minute), PlainSerializer(format_time, return_type=str)]
"""Minutes since midnight, written like `09:00`."""


def _zone(name: str) -> str:
    if name not in zone_names():
        known = [one for one in zone_names() if one.casefold() == name.casefold()] or zone_names()
        close = did_you_mean(name, known)
        remedy = close if close.startswith("did") else "write an IANA name like Europe/Berlin"
        raise mistake(f"{name!r} is not a time zone", remedy=remedy)
    return name


def _holiday(text: str) -> str:
    try:
        if date.fromisoformat(text).isoformat() == text:
            return text
    except ValueError:
        pass
    raise mistake(f"{text!r} is not a date", remedy="write it like 2026-12-25")


def _days(key: str) -> tuple[int, ...]:
    """The days of the week that a key stands for, from 0 for Monday."""
    first, dash, last = key.partition("-")
    names = (first, last) if dash else (first,)
    for name in names:
        if name not in DAYS:
            raise mistake(f"{name!r} is not a day", key=key, remedy=did_you_mean(name, DAYS))
    begin, end = DAYS.index(names[0]), DAYS.index(names[-1])
    if begin > end:
        raise mistake(f"{first!r} is not before {last!r}", key=key, remedy="write two entries")
    return tuple(range(begin, end + 1))


def _span(text: object, key: str) -> Span:
    remedy = 'write it like "09:00-17:00", in quotes; the end of the day is 24:00'
    first, _, last = text.partition("-") if isinstance(text, str) else ("", "", "")
    try:
        begin, end = parse_time(first.strip()), parse_time(last.strip())
    except ValueError:
        raise mistake("hours are the times of begin and end", key=key, remedy=remedy) from None
    if begin >= end:
        raise mistake(
            f"{text!r} ends before it begins",
            key=key,
            remedy=f'hours end on their day; of hours over midnight write "{format_time(begin)}-24:00", and the rest on the next day',
        )
    return begin, end


def _hours(value: object) -> object:
    """Refuse hours that cannot be, with their key; what is no mapping is left to be told by its type."""
    if not isinstance(value, Mapping):
        return value
    read: dict[str, tuple[str, ...]] = {}
    taken: dict[int, str] = {}
    for key, given in cast("Mapping[str, Any]", value).items():
        for day in _days(key):
            if day in taken:
                raise mistake(
                    f"{DAYS[day]!r} is already in {taken[day]!r}", key=key, remedy="name each day once"
                )
            taken[day] = key
        listed = cast("Sequence[Any]", given) if isinstance(given, list | tuple) else (given,)
        spans = sorted(_span(one, key) for one in listed)
        for (_, end), (begin, _) in pairwise(spans):
            if begin < end:
                raise mistake(
                    f"hours overlap at {format_time(begin)}", key=key, remedy="write them one after the other"
                )
        read[key] = tuple(f"{format_time(begin)}-{format_time(end)}" for begin, end in spans)
    if not any(read.values()):
        raise mistake("there are no working hours", remedy='write some, like mon-fri: "09:00-17:00"')
    return read


Hours: TypeAlias = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_hours)]
"""Working hours by day, `mon`, or days, `mon-fri`. In a file also one bare span."""


class QuietHours(Section):
    """The hours in which nobody is rung."""

    since: Annotated[LocalTime, Field(alias="from")]
    until: Annotated[LocalTime, Field(alias="to")]
    """On the next day when it is not after the begin."""

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.since == self.until:
            raise mistake("is the time at which they begin", key="to", remedy="end them at another time")
        return self

    @model_serializer
    def _by_alias(self) -> dict[str, str]:
        return {"from": format_time(self.since), "to": format_time(self.until)}

    def cover(self, minute: int) -> bool:
        """Whether a local time lies in them."""
        if self.since < self.until:
            return self.since <= minute < self.until
        return minute >= self.since or minute < self.until


class CalendarEntry(Section):
    """When the people of a place work."""

    zone: Annotated[str, AfterValidator(_zone)]
    """The IANA name of the time zone."""

    hours: Hours
    """Working hours by day."""

    holidays: Annotated[tuple[Annotated[str, AfterValidator(_holiday)], ...], Field(max_length=1000)] = ()
    """Dates without working hours."""

    quiet_hours: QuietHours | None = None
    """When messages that would ring people wait."""

    @model_validator(mode="after")
    def _leaves_time_to_ask(self) -> Self:
        quiet = self.quiet_hours
        if quiet is not None and all(quiet.cover(minute) for minute in self._worked()):
            raise mistake(
                "cover all working time", key="quiet_hours", remedy="leave some of it to ask people in"
            )
        return self

    def _worked(self) -> set[int]:
        spans = (span for spans in self.calendar("").week for span in spans)
        return {minute for begin, end in spans for minute in range(begin, end)}

    def calendar(self, name: str) -> Calendar:
        """The calendar that the entry describes."""
        week: list[tuple[Span, ...]] = [()] * 7
        for key, spans in self.hours.items():
            for day in _days(key):
                week[day] = tuple(_span(span, key) for span in spans)
        quiet = self.quiet_hours
        return Calendar(
            name=name,
            zone=self.zone,
            week=tuple(week),
            holidays=tuple(sorted(set(self.holidays))),
            quiet=None if quiet is None else (quiet.since, quiet.until),
        )
