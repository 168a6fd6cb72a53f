"""What is planned when a stage begins to wait, by a clock that stands where the test puts it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from guardkit.core.approvals import Approval, ApprovalState as State, close
from guardkit.core.calendars import BusinessTime, Calendar, Deadline
from guardkit.core.consuming import still_holds
from guardkit.core.deciding import stage_for
from guardkit.core.people import Person
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.errors import DecisionRefusedError
from guardkit.testing import FakeClock, MemoryStore
from guardkit.testing.contracts import samples

BERLIN = ZoneInfo("Europe/Berlin")
NINE_TO_FIVE = ((540, 1020),)
CALENDAR = Calendar(
    name="berlin", zone="Europe/Berlin", week=((NINE_TO_FIVE,) * 5 + ((), ())), holidays=("2026-12-25",)
)
QUIET = CALENDAR.model_copy(update={"quiet": (1200, 420)})
HEAD = Person(id="hal", groups=("heads",))


def heads(after: float | BusinessTime) -> Escalation:
    """An escalation to the heads of the desk."""
    return Escalation(after=after, groups=("heads",), channels=("heads",))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


class Desk:
    """A store whose clock stands at a time in Berlin, and one question."""

    def __init__(self, begins: str, **stage: Any) -> None:
        self.clock = FakeClock(at(begins))
        self.store = MemoryStore(self.clock)
        self.deadlines: tuple[Deadline, ...] = ()
        self.stage = ApprovalStage(groups=("desk",), channels=("desk",), **stage)

    def ask(self, *, expires_in: float | None = 30 * 86400.0, required: int = 1) -> Approval:
        run = samples.opened(self.store, lease_seconds=10 * 86400.0).run
        stage = self.stage.model_copy(update={"required": required})
        request = samples.request(run, stages=(stage,), expires_in=expires_in)
        request = request.model_copy(update={"deadlines": self.deadlines})
        return self.store.register(run, [request], [])[0]

    def told_until(self, end: str) -> list[tuple[str, str, str]]:
        """What goes out, and when by Berlin's clock, looking every half hour; each is delivered at once."""
        told: list[tuple[str, str, str]] = []
        while self.clock() <= at(end):
            for one in self.store.deliveries():
                when = datetime.fromtimestamp(self.clock(), BERLIN).strftime("%a %H:%M")
                told.append((when, one.channel, one.kind))
                self.store.delivered(one, error=None)
            self.clock.advance(1800)
        return told


def test_working_time_and_plain_time_go_side_by_side() -> None:
    step = heads(BusinessTime(seconds=4 * 3600.0))
    desk = Desk(
        "2026-11-27T16:00", calendar=CALENDAR, reminders=(7200.0, BusinessTime(seconds=7200.0)), escalations=(step,)
    )  # fmt: skip
    desk.ask()
    assert desk.told_until("2026-12-02T12:00") == [
        ("Fri 16:00", "desk", "ask"),
        ("Fri 18:00", "desk", "remind"),
        ("Mon 10:00", "desk", "remind"),
        ("Mon 12:00", "heads", "ask"),
    ]


def test_a_time_of_the_day_reminds_on_working_days_until_the_end() -> None:
    desk = Desk("2026-12-23T16:00", calendar=CALENDAR, remind_at=(540,))
    desk.deadlines = (Deadline(after=BusinessTime(days=3), calendar=CALENDAR),)
    approval = desk.ask(expires_in=None)
    assert approval.request.expires_at == at("2026-12-29T16:00")
    assert desk.told_until("2027-01-05T12:00") == [
        ("Wed 16:00", "desk", "ask"),
        ("Thu 09:00", "desk", "remind"),
        ("Mon 09:00", "desk", "remind"),
        ("Tue 09:00", "desk", "remind"),
    ]


def test_across_a_change_of_the_clock_the_time_of_the_day_stays() -> None:
    desk = Desk("2026-03-27T16:00", calendar=CALENDAR, remind_at=(540,))
    desk.ask()
    assert desk.told_until("2026-03-31T12:00")[1:] == [
        ("Mon 09:00", "desk", "remind"),
        ("Tue 09:00", "desk", "remind"),
    ]


@pytest.mark.promise("P5")
def test_others_may_answer_after_the_working_time_and_not_before() -> None:
    step = heads(BusinessTime(seconds=4 * 3600.0))
    desk = Desk("2026-11-27T16:00", calendar=CALENDAR, escalations=(step,))
    approval = desk.ask()
    for early in ("2026-11-27T20:00", "2026-11-29T16:00", "2026-11-30T11:59"):
        with pytest.raises(DecisionRefusedError) as caught:
            stage_for(approval, HEAD, at(early))
        assert caught.value.reason == "not_an_approver"
    assert stage_for(approval, HEAD, at("2026-11-30T12:00")) == 0


@pytest.mark.promise("P5")
def test_whether_they_might_answer_is_judged_again_when_it_is_used() -> None:
    step = heads(BusinessTime(days=1))
    desk = Desk("2026-11-27T16:00", calendar=CALENDAR, escalations=(step,))
    approval = desk.ask()
    desk.clock.advance(at("2026-11-30T16:00") - desk.clock())
    after = samples.said(desk.store, approval, HEAD)
    assert after.state is State.APPROVED
    assert still_holds(after, {HEAD.id: HEAD}, desk.clock()) is None
    slower = approval.request.stages[0].model_copy(
        update={"escalations": (step.model_copy(update={"after": BusinessTime(days=2)}),)}
    )
    request = after.request.model_copy(update={"stages": (slower,)})
    other = after.model_copy(update={"request": request})
    assert (
        still_holds(other, {HEAD.id: HEAD}, desk.clock()) == "somebody who approved is no longer entitled to"
    )


@pytest.mark.promise("P5")
def test_an_edit_lets_the_working_time_begin_again() -> None:
    step = heads(BusinessTime(seconds=4 * 3600.0))
    desk = Desk("2026-11-27T10:00", calendar=CALENDAR, escalations=(step,))
    approval = desk.ask(required=2)
    desk.clock.advance(3 * 3600)
    edited = samples.said(desk.store, approval, kind="edit", args={"claim_id": "C-0", "amount": "1"})
    with pytest.raises(DecisionRefusedError):
        stage_for(edited, HEAD, at("2026-11-27T16:59"))
    assert stage_for(edited, HEAD, at("2026-11-27T17:00")) == 0


def test_in_quiet_hours_a_question_waits_and_swallows_its_reminders() -> None:
    step = heads(1800.0)
    desk = Desk("2026-11-26T21:00", calendar=QUIET, reminders=(3600.0, 7200.0, 39600.0), escalations=(step,))
    approval = desk.ask()
    assert stage_for(approval, HEAD, at("2026-11-26T21:30")) == 0, "quiet hours move no escalation"
    assert desk.told_until("2026-11-27T12:00") == [
        ("Fri 07:00", "desk", "ask"),
        ("Fri 07:00", "heads", "ask"),
        ("Fri 08:00", "desk", "remind"),
    ]


def test_several_reminders_of_one_night_become_one() -> None:
    desk = Desk("2026-11-26T19:00", calendar=QUIET, reminders=(7200.0, 10800.0, 14400.0))
    desk.ask()
    assert desk.told_until("2026-11-27T12:00") == [
        ("Thu 19:00", "desk", "ask"),
        ("Fri 07:00", "desk", "remind"),
    ]


def test_what_failed_before_quiet_hours_is_tried_after_them() -> None:
    desk = Desk("2026-11-26T19:59", calendar=QUIET)
    desk.ask()
    (first,) = desk.store.deliveries()
    desk.store.delivered(first, error="no route to host")
    desk.clock.advance(3600)
    assert list(desk.store.deliveries()) == []
    desk.clock.advance(10 * 3600 + 60)
    (again,) = desk.store.deliveries()
    assert (again.id, again.attempts) == (first.id, 2)


def test_an_end_is_told_in_quiet_hours() -> None:
    desk = Desk("2026-11-26T19:00", calendar=QUIET)
    approval = desk.ask(expires_in=7200.0)
    (asked,) = desk.store.deliveries()
    desk.store.delivered(asked, error=None)
    desk.clock.advance(7200)
    (over,) = desk.store.expirable()
    assert over.request.id == approval.request.id, "quiet hours move no expiry"
    desk.store.settle(close(over, State.EXPIRED, desk.clock()), 0, [])
    assert [one.kind for one in desk.store.deliveries()] == ["outcome"]


def test_a_stage_that_was_stored_before_there_were_calendars_is_read() -> None:
    stored = {
        "role": "manager", "approvers": [], "groups": ["desk"], "required": 1, "channels": ["desk"], "assurance": "chat",
        "reminders": [90.0], "delegation": False,
        "escalations": [{"after": 3600.0, "role": None, "approvers": [], "groups": ["heads"], "channels": ["desk"]}],
    }  # fmt: skip
    stage = ApprovalStage.model_validate(stored)
    assert (stage.reminders, stage.escalations[0].after, stage.calendar) == ((90.0,), 3600.0, None)
    dumped = stage.model_dump(mode="json")
    assert {key: dumped[key] for key in stored} == stored
