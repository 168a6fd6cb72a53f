"""The contract of working time: stores take it from the calendar that was stored, by their own clock."""

import time
from datetime import UTC, datetime

from guardkit.core.approvals import Approval, waiting_since
from guardkit.core.calendars import BusinessTime, Calendar, Deadline, Span
from guardkit.core.deciding import stage_for
from guardkit.core.people import Person
from guardkit.core.ports import Store
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.errors import DecisionRefusedError
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import expect, holds, refused, there
from guardkit.testing.contracts.samples import TENANT

_ALWAYS: tuple[tuple[Span, ...], ...] = (((0, 1440),),) * 7
_HEAD = Person(id="hal", groups=("heads",), tenant=TENANT)
_SOON = BusinessTime(seconds=3.0)
_HOURS = BusinessTime(seconds=4 * 3600.0)


def _calendar(
    store: Store, *, works_now: bool = True, quiet_for: int | None = None, zone: str = "UTC"
) -> Calendar:
    """A calendar of people who work always, or not for the next days; with quiet hours that began an hour ago."""
    now = datetime.fromtimestamp(store.now(), UTC)
    minute = now.hour * 60 + now.minute
    off = {(now.weekday() + days) % 7 for days in range(-1, 3)} if not works_now else ()
    week = tuple(() if day in off else spans for day, spans in enumerate(_ALWAYS))
    quiet = None if quiet_for is None else ((minute - 60) % 1440, (minute + quiet_for) % 1440)
    return Calendar(name="desk", zone=zone, week=week, quiet=quiet)


def _asked(store: Store, calendar: Calendar, after: BusinessTime = _SOON) -> Approval:
    """A question that reminds after a time, and asks others a little later."""
    later = BusinessTime(seconds=after.seconds + 0.1)
    stage = samples.STAGE.model_copy(
        update={
            "reminders": (after,),
            "escalations": (Escalation(after=later, groups=("heads",), channels=("heads",)),),
            "calendar": calendar,
        }
    )
    run = samples.opened(store).run
    return store.register(run, [samples.request(run, stages=(stage,))], [])[0]


def _sent(store: Store) -> list[tuple[str, str]]:
    return sorted((one.channel, one.kind) for one in store.deliveries())


class CalendarsContract:
    """Reminders, escalations and expiry in working time, and quiet hours."""

    def test_working_time_to_the_expiry_counts_from_the_stores_clock(self, store: Store) -> None:
        run = samples.opened(store).run
        calendar = _calendar(store, works_now=False, zone="Europe/Berlin")
        deadline = Deadline(after=_HOURS, calendar=calendar)
        request = samples.request(run, expires_in=None).model_copy(update={"deadlines": (deadline,)})
        stored = store.register(run, [request], [])[0].request
        ends = there(stored.expires_at, "the end")
        due = calendar.due(_HOURS, stored.requested_at)
        holds(abs(ends - due) < 0.001, f"it expires at {due}, not {ends}")
        holds(ends - stored.requested_at > 24 * 3600.0, "days without work do not count")
        expect(list(store.expirable()), [], "approvals whose time is over")
        expect(stored.deadlines, (deadline,), "what the end was made of")

    def test_the_earliest_of_all_ends_counts(self, store: Store) -> None:
        run = samples.opened(store).run
        free, busy = _calendar(store, works_now=False), _calendar(store)
        both = tuple(Deadline(after=_HOURS, calendar=one) for one in (free, busy))
        for number, (plain, least) in enumerate(((60.0, 60.0), (None, 4 * 3600.0), (86400.0, 4 * 3600.0))):
            request = samples.request(run, number, expires_in=plain)
            found = store.register(run, [request.model_copy(update={"deadlines": both})], [])[0].request
            lasts = there(found.expires_at, "the end") - found.requested_at
            holds(abs(lasts - least) < 0.001, f"it expires after {least} s, not {lasts}")

    def test_working_time_that_is_over_is_found(self, store: Store) -> None:
        run = samples.opened(store).run
        deadline = Deadline(after=BusinessTime(seconds=0.05), calendar=_calendar(store))
        request = samples.request(run, expires_in=None).model_copy(update={"deadlines": (deadline,)})
        store.register(run, [request], [])
        time.sleep(0.2)
        found = [approval.request.id for approval in store.expirable()]
        expect(found, [request.id], "approvals whose time is over")

    def test_while_people_work_they_are_reminded_and_others_asked(self, store: Store) -> None:
        approval = _asked(store, _calendar(store))
        expect(_sent(store), [("desk", "ask")], "at once")
        begun = waiting_since(approval)
        with refused(DecisionRefusedError, "somebody who may answer only later"):
            stage_for(approval, _HEAD, begun + 1.0)
        time.sleep(3.4)
        expect(_sent(store), [("desk", "remind"), ("heads", "ask")], "after the working times of the stage")
        expect(stage_for(approval, _HEAD, begun + 3.2), 0, "the stage of somebody who may answer by now")

    def test_while_nobody_works_no_time_passes(self, store: Store) -> None:
        approval = _asked(store, _calendar(store, works_now=False))
        expect(_sent(store), [("desk", "ask")], "at once: only quiet hours hold a question back")
        time.sleep(3.4)
        expect(_sent(store), [], "reminders and escalations outside of working time")
        with refused(DecisionRefusedError, "somebody who may answer only later"):
            stage_for(approval, _HEAD, store.now())

    def test_the_calendar_is_kept_with_the_question(self, store: Store) -> None:
        approval = _asked(store, _calendar(store, works_now=False, quiet_for=30), _HOURS)
        expect(there(store.find(approval.request.id), "the approval"), approval, "the stored approval")

    def test_in_quiet_hours_nobody_is_rung_and_anybody_decides(self, store: Store) -> None:
        approval = _asked(store, _calendar(store, quiet_for=30))
        time.sleep(3.4)
        expect(_sent(store), [], "messages in quiet hours")
        expect(stage_for(approval, _HEAD, store.now()), 0, "the stage of somebody who may answer by now")
        changed = samples.approved(store, there(store.find(approval.request.id), "the approval"))
        holds(changed.state.settled, "it is decided in quiet hours")
        expect(_sent(store), [], "outcomes, of which there is nobody to tell")

    def test_quiet_hours_are_those_of_the_stage(self, store: Store) -> None:
        stages = (
            samples.STAGE,
            ApprovalStage(groups=("desk",), channels=("late",), calendar=_calendar(store, quiet_for=30)),
        )
        run = samples.opened(store).run
        approval = store.register(run, [samples.request(run, stages=stages)], [])[0]
        expect(_sent(store), [("desk", "ask")], "the first stage, without a calendar")
        store.settle(samples.said(store, approval), 0, [])
        expect(_sent(store), [("desk", "update")], "what is out is brought up to date; the next stage waits")
