"""Working time by example: evenings, weekends, holidays, and clocks that are put forward and back."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from guardkit.core.calendars import BusinessTime, Calendar, Span
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.core.zones import zone
from guardkit.errors import ConfigurationError

NINE_TO_FIVE: tuple[Span, ...] = ((540, 1020),)
WITH_A_BREAK: tuple[Span, ...] = ((540, 720), (780, 1020))
NIGHT: tuple[Span, ...] = ((60, 300),)
"""From one to five, across every change of the clock."""


def calendar(
    zone: str, *, mon_thu: tuple[Span, ...] = NINE_TO_FIVE, fri: tuple[Span, ...] = NINE_TO_FIVE,
    weekend: tuple[Span, ...] = (), holidays: tuple[str, ...] = (), quiet: Span | None = None,
) -> Calendar:  # fmt: skip
    week = (*(mon_thu,) * 4, fri, weekend, weekend)
    return Calendar(name="tested", zone=zone, week=week, holidays=holidays, quiet=quiet)


def at(text: str, zone: str) -> float:
    """An instant by a clock on the wall, the offset told where that is needed."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).timestamp()


def wall(moment: float, zone: str) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).isoformat(timespec="minutes")


HOURS, DAY, DAYS = BusinessTime(seconds=4 * 3600.0), BusinessTime(days=1), BusinessTime(days=2)
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
@pytest.mark.parametrize(
    ("asked", "after", "due"),
    [
        ("2026-11-24T10:00", HOURS, "2026-11-24T14:00"),
        ("2026-11-24T13:00", HOURS, "2026-11-24T17:00"),
        ("2026-11-24T16:00", HOURS, "2026-11-25T12:00"),
        ("2026-11-24T22:30", HOURS, "2026-11-25T13:00"),
        ("2026-11-27T16:00", HOURS, "2026-11-30T12:00"),
        ("2026-11-28T12:00", HOURS, "2026-11-30T13:00"),
        ("2026-11-24T10:00", DAY, "2026-11-25T10:00"),
        ("2026-11-27T10:00", DAY, "2026-11-30T10:00"),
        ("2026-11-28T12:00", DAY, "2026-12-01T09:00"),
        ("2026-12-24T16:00", HOURS, "2026-12-28T12:00"),
        ("2026-12-24T16:00", DAYS, "2026-12-29T16:00"),
    ],
)  # fmt: skip
def test_nights_weekends_and_holidays_do_not_count(
    zone: str, asked: str, after: BusinessTime, due: str
) -> None:
    worked = calendar(zone, holidays=("2026-12-25",))
    assert wall(worked.due(after, at(asked, zone)), zone)[:16] == due


def test_a_break_does_not_count() -> None:
    worked = calendar(BERLIN, mon_thu=WITH_A_BREAK)
    assert worked.due(HOURS, at("2026-11-24T10:00", BERLIN)) == at("2026-11-24T15:00", BERLIN)
    assert worked.due(DAY, at("2026-11-24T12:30", BERLIN)) == at("2026-11-25T13:00", BERLIN)


def test_a_day_later_is_in_the_hours_of_that_day() -> None:
    worked = calendar(BERLIN, fri=((600, 840),))
    assert worked.due(DAY, at("2026-11-26T16:00", BERLIN)) == at("2026-11-27T14:00", BERLIN)
    assert worked.due(DAY, at("2026-11-26T09:10", BERLIN)) == at("2026-11-27T10:00", BERLIN)


@pytest.mark.parametrize(
    ("zone", "asked", "hours", "due"),
    [
        # 02:00 to 03:00 is skipped in Berlin on 29 March, in New York on 8 March: the night has three hours.
        (BERLIN, "2026-03-29T01:00", 3, "2026-03-29T05:00+02:00"),
        (NEW_YORK, "2026-03-08T01:00", 3, "2026-03-08T05:00-04:00"),
        # 02:00 to 03:00 is shown twice in Berlin on 25 October, 01:00 to 02:00 in New York on 1 November.
        (BERLIN, "2026-10-25T01:00", 5, "2026-10-25T05:00+01:00"),
        (BERLIN, "2026-10-25T01:00", 2, "2026-10-25T02:00+01:00"),
        (NEW_YORK, "2026-11-01T00:00", 1, "2026-11-01T01:00-05:00"),
        (NEW_YORK, "2026-11-01T00:00", 5, "2026-11-01T05:00-05:00"),
    ],
)  # fmt: skip
def test_hours_count_as_they_pass_while_the_clock_is_changed(
    zone: str, asked: str, hours: int, due: str
) -> None:
    worked = calendar(zone, mon_thu=NIGHT, fri=NIGHT, weekend=NIGHT)
    assert wall(worked.due(BusinessTime(seconds=hours * 3600.0), at(asked, zone)), zone) == due


@pytest.mark.parametrize(
    ("zone", "asked", "due"),
    [
        (BERLIN, "2026-03-28T02:30", "2026-03-29T03:00+02:00"),
        (NEW_YORK, "2026-03-07T02:30", "2026-03-08T03:00-04:00"),
        (BERLIN, "2026-10-24T02:30", "2026-10-25T02:30+02:00"),
        (NEW_YORK, "2026-10-31T01:30", "2026-11-01T01:30-04:00"),
        (BERLIN, "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        (BERLIN, "2026-10-25T02:30+01:00", "2026-10-26T03:00+01:00"),
        (NEW_YORK, "2026-11-01T01:30-05:00", "2026-11-02T02:00-05:00"),
    ],
)
def test_a_day_later_keeps_the_local_time_while_the_clock_is_changed(zone: str, asked: str, due: str) -> None:
    worked = calendar(zone, mon_thu=NIGHT, fri=NIGHT, weekend=NIGHT)
    assert wall(worked.due(DAY, at(asked, zone)), zone) == due


def test_office_hours_stay_what_the_clock_says_after_a_change() -> None:
    worked = calendar(BERLIN)
    due = worked.due(HOURS, at("2026-03-27T15:00", BERLIN))
    assert wall(due, BERLIN) == "2026-03-30T11:00+02:00"
    assert due - at("2026-03-27T15:00", BERLIN) == 67 * 3600.0
    assert wall(worked.due(DAY, at("2026-03-27T15:00", BERLIN)), BERLIN) == "2026-03-30T15:00+02:00"


def test_hours_that_the_clock_skips_make_no_working_day() -> None:
    worked = calendar(BERLIN, mon_thu=((120, 180),), fri=((120, 180),), weekend=((120, 180),))
    assert wall(worked.due(DAY, at("2026-03-28T02:10", BERLIN)), BERLIN) == "2026-03-30T02:10+02:00"
    half = BusinessTime(seconds=5400.0)
    assert wall(worked.due(half, at("2026-03-28T02:00", BERLIN)), BERLIN) == "2026-03-30T02:30+02:00"
    assert wall(worked.due(half, at("2026-10-25T02:00", BERLIN)), BERLIN) == "2026-10-25T02:30+01:00"


def test_hours_until_midnight_go_on_after_it() -> None:
    worked = calendar(NEW_YORK, mon_thu=((0, 360), (1320, 1440)), fri=((0, 360), (1320, 1440)))
    assert worked.due(HOURS, at("2026-11-24T22:00", NEW_YORK)) == at("2026-11-25T02:00", NEW_YORK)


def test_a_time_of_the_day_comes_on_each_working_day() -> None:
    worked = calendar(BERLIN, holidays=("2026-12-25",))
    since = at("2026-12-23T10:00", BERLIN)
    found = worked.daily([540, 900], since, at("2026-12-29T09:00", BERLIN), 20)
    assert [wall(moment, BERLIN)[:16] for moment in found] == [
        "2026-12-23T15:00", "2026-12-24T09:00", "2026-12-24T15:00", "2026-12-28T09:00", "2026-12-28T15:00",
    ]  # fmt: skip
    assert len(list(worked.daily([540], since, float("inf"), 20))) == 20


def test_quiet_hours_end_on_the_next_day() -> None:
    worked = calendar(BERLIN, quiet=(1200, 420))
    assert worked.audible(at("2026-11-27T23:00", BERLIN)) == at("2026-11-28T07:00", BERLIN)
    assert worked.audible(at("2026-11-27T06:59", BERLIN)) == at("2026-11-27T07:00", BERLIN)
    for loud in ("2026-11-27T07:00", "2026-11-27T19:59"):
        assert worked.audible(at(loud, BERLIN)) == at(loud, BERLIN)
    early = calendar(BERLIN, quiet=(60, 150))
    assert wall(early.audible(at("2026-10-25T01:30", BERLIN)), BERLIN) == "2026-10-25T02:30+01:00"
    assert wall(early.audible(at("2026-03-29T01:30", BERLIN)), BERLIN) == "2026-03-29T03:00+02:00"


def test_the_rules_are_those_of_the_package_and_an_unknown_zone_is_told() -> None:
    assert zone(BERLIN).key == BERLIN
    for name in ("Europe/Nowhere", "../../etc/passwd", ""):
        with pytest.raises(ConfigurationError, match="install a newer tzdata"):
            zone(name)


@pytest.mark.parametrize(
    ("time", "text"),
    [(DAY, "1 business day"), (DAYS, "2 business days"), (HOURS, "4 business hours"),
     (BusinessTime(seconds=3600.0), "1 business hour"), (BusinessTime(seconds=5400.0), "90 business minutes")],
    ids=str,
)  # fmt: skip
def test_a_business_time_reads_as_it_is_written(time: BusinessTime, text: str) -> None:
    assert str(time) == text


def test_values_that_make_no_sense_cannot_be_made() -> None:
    for fields in ({}, {"days": 1, "seconds": 1.0}, {"days": -1}):
        with pytest.raises(ValidationError):
            BusinessTime.model_validate(fields)
    with pytest.raises(ValidationError, match="needs working hours"):
        calendar(BERLIN, mon_thu=(), fri=())
    for wrong in (((540, 480),), ((540, 720), (660, 780))):
        with pytest.raises(ValidationError, match="overlap"):
            calendar(BERLIN, fri=wrong)
    step = Escalation(after=HOURS, groups=("heads",), channels=("desk",))
    for fields in ({"escalations": (step,)}, {"reminders": (DAY,)}, {"remind_at": (540,)}):
        with pytest.raises(ValidationError, match="needs a calendar"):
            ApprovalStage.model_validate({"channels": ("desk",), **fields})
