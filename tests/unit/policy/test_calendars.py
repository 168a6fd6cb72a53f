"""Calendars in a policy file: what they become, and every slip told with line, field and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardkit.core.calendars import BusinessTime
from guardkit.errors import PolicyError
from guardkit.policy import Policy, diff, lint
from guardkit.policy.document import as_mapping
from guardkit.policy.durations import format_delay, parse_delay
from tests.unit.policy.desk import POLICY, people, write

CALENDARS = """\
calendars:
  berlin:
    zone: Europe/Berlin
    hours:
      mon-thu: ["13:00-17:00", "09:00-12:00"]
      fri: "09:00-14:00"
    holidays: [2027-01-01, 2026-12-25]
    quiet_hours: {from: "20:00", to: "07:00"}
  new-york:
    zone: America/New_York
    hours: {mon-fri: "09:00-17:00"}
"""
ROUTE = """\
approvals:
  desk:
    calendar: berlin
    stages:
      - {approvers: [first@corp.example], channel: claims-desk}
      - {approvers: [second@corp.example], channel: claims-desk, calendar: new-york}
    remind: [2 business hours, 30m]
    remind_at: "09:30"
    escalate:
      - {after: 1 business day, add: [u2], channel: heads}
      - {after: 4 business hours, add: [u3], channel: heads}
    expires_in: 3 business days
    on_expiry: reject
"""
HEAD, TAIL = POLICY.split("approvals:\n  desk:\n")
OTHER = TAIL[TAIL.index("  desk-then-finance:") :]
TEXT = f"{HEAD}{CALENDARS}{ROUTE}{OTHER}"
LINE = TEXT.splitlines().index("calendars:") + 1
"""The line in which the calendars begin."""

HOURS, DAYS = BusinessTime(seconds=4 * 3600.0), BusinessTime(days=3)


def read(folder: Path, *changes: tuple[str, str]) -> Policy:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return Policy.from_file(write(folder, text))


def test_a_route_with_calendars(tmp_path: Path) -> None:
    route = read(tmp_path).route(["desk"])
    (deadline,) = route.deadlines
    assert (route.expires_in, deadline.after, deadline.calendar.name) == (None, DAYS, "berlin")
    desk, second = route.stages
    assert desk.calendar is not None
    assert desk.calendar == deadline.calendar
    assert desk.calendar.week == (*(((540, 720), (780, 1020)),) * 4, ((540, 840),), (), ())
    assert desk.calendar.holidays == ("2026-12-25", "2027-01-01")
    assert desk.calendar.quiet == (1200, 420)
    assert second.calendar is not None
    assert second.calendar.zone == "America/New_York"
    for stage in route.stages:
        assert stage.reminders == (1800.0, BusinessTime(seconds=7200.0))
        assert [step.after for step in stage.escalations] == [HOURS, BusinessTime(days=1)]
        assert stage.remind_at == (570,)


def test_of_merged_routes_every_end_is_kept(tmp_path: Path) -> None:
    policy = read(tmp_path)
    merged = policy.route(["desk", "desk-then-finance"])
    assert merged.expires_in == 8 * 3600
    assert merged.deadlines == policy.route(["desk"]).deadlines


def test_a_document_with_calendars_is_the_file_again(tmp_path: Path) -> None:
    policy = read(tmp_path)
    written = as_mapping(policy.document)
    again = Policy.from_dict(written, directory=people())
    assert (again.document, again.hash) == (policy.document, policy.hash)
    calendars: Any = written["calendars"]
    assert calendars["berlin"]["quiet_hours"] == {"from": "20:00", "to": "07:00"}
    assert calendars["berlin"]["hours"]["mon-thu"] == ["09:00-12:00", "13:00-17:00"]


@pytest.mark.parametrize(
    ("text", "delay"),
    [("4 business hours", HOURS), ("1 business hour", BusinessTime(seconds=3600.0)), ("3 business days", DAYS),
     ("90 business minutes", BusinessTime(seconds=5400.0)), ("8h", 28800.0)],
)  # fmt: skip
def test_a_business_time_is_read_and_written(text: str, delay: float | BusinessTime) -> None:
    assert parse_delay(text) == delay
    assert format_delay(delay) == text


@pytest.mark.parametrize(
    "text", ["0 business days", "4business hours", "4 hours", "1.5 business days", "-1 business days", "4 Business hours",
             "99999 business days", "1 business day 2 business hours", "business days"]
)  # fmt: skip
def test_anything_else_is_no_business_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_delay(text)


ROUTE_LINE = LINE + CALENDARS.count("\n")
WORKING = "name one of `calendars`"


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("old", "new", "line", "field", "message", "remedy"),
    [
        ("zone: Europe/Berlin", "zone: Europe/Berln", LINE + 2, "calendars.berlin.zone",
         "'Europe/Berln' is not a time zone", "did you mean 'Europe/Berlin'?"),
        ("zone: Europe/Berlin", "zone: Nowhere/Atall", LINE + 2, "calendars.berlin.zone", "is not a time zone", "IANA name"),
        ("    zone: Europe/Berlin\n", "", LINE + 1, "calendars.berlin.zone", "is missing", ""),
        ("      fri:", "      firday:", LINE + 5, "calendars.berlin.hours.firday", "'firday' is not a day", "known: fri"),
        ("      fri:", "      thu-fri:", LINE + 5, "calendars.berlin.hours.thu-fri", "'thu' is already in 'mon-thu'",
         "once"),
        ("      fri:", "      sun-fri:", LINE + 5, "calendars.berlin.hours.sun-fri", "'sun' is not before 'fri'", "two"),
        ('"09:00-14:00"', '"17:00-09:00"', LINE + 5, "calendars.berlin.hours.fri", "ends before it begins",
         'write "17:00-24:00"'),
        ('"09:00-14:00"', '"9-14"', LINE + 5, "calendars.berlin.hours.fri", "times of begin and end", "09:00-17:00"),
        ('"09:00-12:00"]', '"12:00-15:00"]', LINE + 4, "calendars.berlin.hours.mon-thu", "hours overlap at 13:00",
         "one after the other"),
        ('    hours: {mon-fri: "09:00-17:00"}', "    hours: {}", LINE + 10, "calendars.new-york.hours",
         "there are no working hours", "write some"),
        ('{mon-fri: "09:00-17:00"}', "{mon-fri: []}", LINE + 10, "calendars.new-york.hours",
         "there are no working hours", "write some"),
        ('{mon-fri: "09:00-17:00"}', "9 to 5", LINE + 10, "calendars.new-york.hours", "must be a mapping", ""),
        ("2026-12-25]", "25.12.2026]", LINE + 6, "calendars.berlin.holidays[1]", "'25.12.2026' is not a date",
         "2026-12-25"),
        ("2026-12-25]", "2026-02-30]", LINE + 6, "calendars.berlin.holidays[1]", "is not a date", "2026-12-25"),
        ('to: "07:00"', 'to: "20:00"', LINE + 7, "calendars.berlin.quiet_hours.to", "the time at which they begin", ""),
        ('to: "07:00"', 'to: "25:00"', LINE + 7, "calendars.berlin.quiet_hours.to", "not a time of the day", "09:00"),
        ('from: "20:00", to: "07:00"', 'from: "08:00", to: "18:00"', LINE + 7, "calendars.berlin.quiet_hours",
         "cover all working time", "leave some"),
        ("    calendar: berlin", "    calendar: berln", ROUTE_LINE + 2, "approvals.desk.calendar",
         "calendar 'berln' is not among the calendars", "did you mean 'berlin'?"),
        ("calendar: new-york}", "calendar: york}", ROUTE_LINE + 5, "approvals.desk.stages[1].calendar",
         "calendar 'york' is not", "new-york"),
        ("    calendar: berlin\n", "", ROUTE_LINE + 10, "approvals.desk.expires_in",
         "counts working time, and the route names no calendar", WORKING),
        ('remind_at: "09:30"', 'remind_at: ["09:30", "23:00"]', ROUTE_LINE + 7, "approvals.desk.remind_at[1]",
         "23:00 is in the quiet hours of calendar 'berlin'", "choose another time"),
        ('remind_at: "09:30"', 'remind_at: "24:00"', ROUTE_LINE + 7, "approvals.desk.remind_at[0]",
         "no time at which anything begins", '"00:00"'),
        ("[2 business hours, 30m]", "[2 buisness hours]", ROUTE_LINE + 6, "approvals.desk.remind[0]",
         "is not a duration", "4 business hours or 2 business days"),
        ("expires_in: 3 business days", "expires_in: 4h", ROUTE_LINE + 8, "approvals.desk.escalate",
         "4 business hours is not before expires_in, 4h", "choose a shorter time"),
        ("expires_in: 3 business days", "expires_in: 9000 business days", ROUTE_LINE + 11, "approvals.desk.expires_in",
         "take more than ten years", "choose a shorter time"),
        ("    on_expiry: reject\n", "    on_expiry: reject\n    valid_for: 2 business days\n", ROUTE_LINE + 13,
         "approvals.desk.valid_for", "is not a duration", "90s, 30m, 8h or 1h30m"),
    ],
)  # fmt: skip
def test_a_slip_about_time_is_told(
    tmp_path: Path, old: str, new: str, line: int, field: str, message: str, remedy: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        read(tmp_path, (old, new))
    error = caught.value
    assert (error.field, error.line) == (field, line)
    assert message in error.message
    assert remedy in (error.remedy or "")


@pytest.mark.promise("P15")
def test_of_one_calendar_times_in_one_unit_are_compared(tmp_path: Path) -> None:
    late = ("after: 1 business day", "after: 3 business days")
    read(tmp_path, late)
    with pytest.raises(PolicyError, match="3 business days is not before expires_in, 3 business days"):
        read(tmp_path, late, (", calendar: new-york}", "}"))


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("key", "field"), [("remind: [2 business hours]", "remind[0]"), ('remind_at: "09:30"', "remind_at[0]"),
                       ("escalate: [{after: 1 business day, add: [u2], channel: heads}]", "escalate[0].after")]
)  # fmt: skip
def test_every_stage_needs_a_calendar_for_business_times(tmp_path: Path, key: str, field: str) -> None:
    begin, end = ROUTE.index("    remind:"), ROUTE.index("    expires_in:")
    route = f"{ROUTE[:begin]}    {key}\n{ROUTE[end:]}".replace("    calendar: berlin\n", "")
    text = TEXT.replace(ROUTE, route.replace("3 business days", "3d"))
    with pytest.raises(PolicyError, match="neither stage 1 nor the route names a calendar") as caught:
        Policy.from_file(write(tmp_path, text))
    assert caught.value.field == f"approvals.desk.{field}"


def test_hours_until_midnight_and_any_day_are_written(tmp_path: Path) -> None:
    changed = read(tmp_path, ('{mon-fri: "09:00-17:00"}', '{sat: "22:00-24:00", sun: ["00:00-06:00"]}'))
    calendar = changed.route(["desk"]).stages[1].calendar
    assert calendar is not None
    assert calendar.week == ((), (), (), (), (), ((1320, 1440),), ((0, 360),))


def test_an_approval_stands_while_only_the_calendar_changed(tmp_path: Path) -> None:
    policy = read(tmp_path)
    for change in (("2026-12-25]", "2026-12-25, 2027-12-25]"), ('"09:00-14:00"', '"09:00-13:00"')):
        assert read(tmp_path, change).route_hash("t", ["desk"]) == policy.route_hash("t", ["desk"])
    for change in (("calendar: berlin", "calendar: new-york"), ("3 business days", "4 business days"),
                   ('"09:30"', '"10:30"'), (", calendar: new-york}", "}")):  # fmt: skip
        assert read(tmp_path, change).route_hash("t", ["desk"]) != policy.route_hash("t", ["desk"])


def test_a_route_without_a_calendar_has_the_hash_that_it_had_before_there_were_any(tmp_path: Path) -> None:
    before = "3e28173bfcf9a828"
    assert Policy.from_file(write(tmp_path)).route_hash("pay_claim", ["desk"]).startswith(before)


def test_changes_of_times_are_told_with_their_direction_where_it_is_certain(tmp_path: Path) -> None:
    old = read(tmp_path).document

    def told(*changes: tuple[str, str]) -> list[str]:
        return [str(change) for change in diff(old, read(tmp_path, *changes).document)]

    assert told(("3 business days", "2 business days")) == [
        "approvals.desk.expires_in: 3 business days -> 2 business days (tighter)"
    ]
    assert told(("3 business days", "40 business hours")) == [
        "approvals.desk.expires_in: 3 business days -> 40 business hours"
    ]
    assert told(("3 business days", "9d")) == ["approvals.desk.expires_in: 3 business days -> 9d"]
    assert told(("[2027-01-01, ", "[")) == [
        "calendars.berlin.holidays: [2027-01-01, 2026-12-25] -> [2026-12-25]"
    ]


def test_a_calendar_that_nobody_uses_is_found(tmp_path: Path) -> None:
    policy = read(tmp_path, (", calendar: new-york}", "}"))
    (found,) = [one for one in lint(policy) if one.code == "calendar-unused"]
    assert (found.field, found.line) == ("calendars.new-york", LINE + 8)
    assert "calendar-unused" not in {one.code for one in lint(read(tmp_path))}
