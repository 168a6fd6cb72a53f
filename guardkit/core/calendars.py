"""Calendars: when people work, and times that only count while they do.

Hours begin when the local clock first shows their begin, and end when it last shows their end: an hour that the clock
repeats within them counts twice, one that it skips not at all. What is left between two changes of a day's clock may be
nothing; such a day is no working day.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby, pairwise
from typing import Annotated, Self, TypeAlias

from pydantic import Field, model_validator

from guardkit.core.values import Value
from guardkit.core.zones import instant, shown, zone

_MICRO = 1_000_000
_DAY = timedelta(days=1)
_MIDNIGHT = 1440

Minute: TypeAlias = Annotated[int, Field(ge=0, le=_MIDNIGHT)]
"""Minutes since midnight, as a local clock shows them; 1440 is the next midnight."""

Span: TypeAlias = tuple[Minute, Minute]


class BusinessTime(Value):
    """A length of working time: whole working days, or seconds of working time."""

    days: int = Field(default=0, ge=0)
    seconds: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.days > 0) == (self.seconds > 0):
            raise ValueError("a business time has either days or seconds")
        return self

    def __str__(self) -> str:
        count, unit = self.days, "day"
        if not self.days:
            whole = self.seconds % 3600 == 0
            count, unit = (self.seconds / 3600, "hour") if whole else (self.seconds / 60, "minute")
        return f"{count:g} business {unit}{'' if count == 1 else 's'}"


class Calendar(Value):
    """When the people of a place work."""

    name: str
    zone: str
    """The IANA name of the time zone."""

    week: tuple[tuple[Span, ...], ...] = Field(min_length=7, max_length=7)
    """Working hours of each day from Monday: begin and end, in order, none overlapping."""

    holidays: tuple[str, ...] = ()
    """Dates without working hours, e.g. `2026-12-25`."""

    quiet: Span | None = None
    """Begin and end of the hours in which nobody is rung; the end may be on the next day."""

    @model_validator(mode="after")
    def _is_worked(self) -> Self:
        for spans in self.week:
            ends = [-1, *(minute for span in spans for minute in span)]
            if any(later < sooner for sooner, later in pairwise(ends)):
                raise ValueError("the hours of a day overlap, or end before they begin")
        if self.weekly <= 0:
            raise ValueError("a calendar needs working hours")
        return self

    @property
    def weekly(self) -> int:
        """Seconds of working time in a week without holidays and changes of the clock."""
        return sum(60 * (end - begin) for spans in self.week for begin, end in spans)

    def due(self, after: BusinessTime, since: float) -> float:
        """When a business time is over. Always in working time, its last instant included.

        Seconds are counted while people work. A number of days later is the same time by the local clock on that
        working day, or the closest one in its hours; what begins outside of working time begins with the next.

        Args:
            after: how long.
            since: seconds since the epoch.
        """
        if after.days:
            return self._days_later(after.days, since)
        left, begun = round(after.seconds * _MICRO), round(since * _MICRO)
        for _, begin, end in self._spans(shown(zone(self.zone), since)[0]):
            start = max(begin * _MICRO, begun)
            if left <= end * _MICRO - start:
                return (start + left) / _MICRO
            left -= max(end * _MICRO - start, 0)
        raise AssertionError("working time goes on for ever")

    def _days_later(self, days: int, since: float) -> float:
        rules = zone(self.zone)
        ahead = (span for span in self._spans(shown(rules, since)[0]) if since <= span[2])
        listed = groupby(ahead, key=lambda span: span[0])
        day, spans = next(listed)
        on, second = shown(rules, max(next(spans)[1], since))
        second += (on - day).days * 86400
        for _ in range(days - 1):
            next(listed)
        target, spans = next(listed)
        at = instant(rules, target, second)
        last = 0
        for _, begin, last in spans:
            if at <= last:
                return float(max(begin, at))
        return float(last)

    def daily(self, minutes: Sequence[int], since: float, until: float, limit: int) -> Iterator[float]:
        """Instants of some local times on each working day, after one instant and before another.

        Args:
            minutes: since midnight.
            since: seconds since the epoch.
            until: seconds since the epoch.
            limit: how many at most.
        """
        rules = zone(self.zone)
        for day, _ in groupby(self._spans(shown(rules, since)[0]), key=lambda span: span[0]):
            for minute in sorted(set(minutes)):
                at = float(instant(rules, day, minute * 60))
                if at >= until or limit == 0:
                    return
                if at > since:
                    yield at
                    limit -= 1

    def audible(self, at: float) -> float:
        """The instant itself, or the end of the quiet hours that it lies in."""
        if self.quiet is None:
            return at
        rules, (begin, end) = zone(self.zone), self.quiet
        today = shown(rules, at)[0]
        for day in (today - _DAY, today, today + _DAY):
            until = instant(rules, day if begin < end else day + _DAY, end * 60, last=True)
            if instant(rules, day, begin * 60) <= at < until:
                at = float(until)
        return at

    def _spans(self, today: date) -> Iterator[tuple[date, int, int]]:
        """Working hours from the day before one: the day, begin and end, in seconds since the epoch. For ever."""
        rules, holidays = zone(self.zone), frozenset(self.holidays)
        day, reached = today - _DAY, 0
        while True:
            for first, last in self.week[day.weekday()] if day.isoformat() not in holidays else ():
                begin = max(instant(rules, day, first * 60), reached)
                end = instant(rules, day, last * 60, last=last < _MIDNIGHT)
                if begin < end:
                    yield day, begin, end
                    reached = end
            day += _DAY


class Deadline(Value):
    """A business time by a calendar."""

    after: BusinessTime
    calendar: Calendar
