"""Working time: what begins later is due no sooner, what is due is due in working time, and lengths add up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from guardkit.core.calendars import BusinessTime, Calendar
from guardkit.core.zones import instant, shown, zone

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "UTC")
BEGINS = int(datetime(2025, 12, 25, tzinfo=UTC).timestamp())
"""Everything is asked within two years from here, in which every clock is changed four times."""

spans = st.lists(st.integers(0, 48), min_size=2, max_size=6, unique=True).map(
    lambda halves: tuple(
        (begin * 30, end * 30) for begin, end in zip(sorted(halves)[::2], sorted(halves)[1::2], strict=False)
    )
)
calendars = st.builds(
    lambda name, week, holidays: Calendar(
        name="tested",
        zone=name,
        week=tuple(week),
        holidays=tuple(str(date(2026, 1, 1) + timedelta(days=day)) for day in holidays),
    ),
    st.sampled_from(ZONES),
    st.lists(st.just(()) | spans, min_size=7, max_size=7).filter(any),
    st.sets(st.integers(0, 730), max_size=8),
)
anywhen = st.integers(0, 2 * 365 * 86400)
around_a_change = st.builds(
    lambda day, second: int((day - datetime(2025, 12, 25, tzinfo=UTC)).total_seconds()) + second,
    st.sampled_from([datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 29, tzinfo=UTC),
                     datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)]),
    st.integers(-86400, 86400),
)  # fmt: skip
starts = (anywhen | around_a_change).map(lambda second: float(BEGINS + second))
hours = st.integers(1, 40 * 60).map(lambda minutes: BusinessTime(seconds=minutes * 60.0))
days = st.integers(1, 15).map(lambda count: BusinessTime(days=count))


def in_working_time(calendar: Calendar, at: float) -> bool:
    """By the clock on the wall alone: the minute before an instant or the one after it is worked."""
    for moment in (at, at - 1):
        wall = datetime.fromtimestamp(moment, ZoneInfo(calendar.zone))
        minute = wall.hour * 60 + wall.minute
        if str(wall.date()) not in calendar.holidays and any(
            begin <= minute < end for begin, end in calendar.week[wall.weekday()]
        ):
            return True
    return False


@given(calendars, starts, starts, hours | days)
def test_what_begins_later_is_due_no_sooner(
    calendar: Calendar, one: float, other: float, after: BusinessTime
) -> None:
    sooner, later = sorted((one, other))
    assert calendar.due(after, sooner) <= calendar.due(after, later)


@given(calendars, starts, st.integers(1, 7200), hours | days)
def test_what_begins_a_little_later_is_due_no_sooner(
    calendar: Calendar, since: float, more: int, after: BusinessTime
) -> None:
    assert calendar.due(after, since) <= calendar.due(after, since + more)


@given(calendars, starts, hours | days)
def test_what_is_due_is_due_in_working_time_and_not_before_it_began(
    calendar: Calendar, since: float, after: BusinessTime
) -> None:
    due = calendar.due(after, since)
    assert due >= since + after.seconds
    assert in_working_time(calendar, due)


@given(calendars, starts, hours, hours)
def test_lengths_of_working_time_add_up(
    calendar: Calendar, since: float, one: BusinessTime, other: BusinessTime
) -> None:
    both = BusinessTime(seconds=one.seconds + other.seconds)
    assert calendar.due(other, calendar.due(one, since)) == calendar.due(both, since)


@given(calendars, starts, days, days)
def test_days_add_up_where_all_of_them_have_the_same_hours(
    calendar: Calendar, since: float, one: BusinessTime, other: BusinessTime
) -> None:
    worked = next(spans for spans in calendar.week if spans)
    week = tuple(worked if spans else () for spans in calendar.week)
    even = calendar.model_copy(update={"week": week, "zone": "UTC"})
    both = BusinessTime(days=one.days + other.days)
    assert even.due(other, even.due(one, since)) == even.due(both, since)


@given(calendars, starts, hours)
def test_a_longer_time_is_over_later(calendar: Calendar, since: float, after: BusinessTime) -> None:
    assert calendar.due(after, since) < calendar.due(BusinessTime(seconds=after.seconds + 60), since)


@given(calendars, starts, st.integers(0, 1439), st.integers(0, 1439))
def test_what_waits_for_the_end_of_quiet_hours_waits_once(
    calendar: Calendar, at: float, begin: int, end: int
) -> None:
    quiet = calendar.model_copy(update={"quiet": (begin, end if end != begin else (end + 1) % 1440)})
    rung = quiet.audible(at)
    assert at <= rung <= at + 25 * 3600
    assert quiet.audible(rung) == rung


@given(st.sampled_from(ZONES), starts)
def test_a_clock_is_read_and_set(name: str, at: float) -> None:
    day, second = shown(zone(name), at)
    assert instant(zone(name), day, second) >= at
    assert instant(zone(name), day, second) - at <= 3600


@given(st.sampled_from(ZONES), starts, st.integers(0, 86400))
def test_a_clock_never_goes_back(name: str, at: float, more: int) -> None:
    assert shown(zone(name), at) <= shown(zone(name), at + more)
