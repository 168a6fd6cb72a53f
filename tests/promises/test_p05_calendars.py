"""P5: working time decides when others may answer, by the calendar that people were asked with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from guardkit import Approval, Guard, GuardedGraph
from guardkit.core.approvals import ApprovalState
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError
from guardkit.policy.calendars import DAYS
from guardkit.sql import upgrade
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    Scene,
    approvals,
    ask,
    compiled,
    decide,
    go_on,
    opened,
    payer,
    run,
    waiting,
)

pytestmark = pytest.mark.promise("P5")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
ALWAYS: dict[str, Any] = {"zone": "UTC", "hours": {"mon-sun": "00:00-24:00"}}


def _off() -> dict[str, Any]:
    """A calendar of people who do not work yesterday, today, nor on the next two days."""
    today = datetime.fromtimestamp(time.time(), UTC).weekday()
    off = {DAYS[(today + days) % 7] for days in range(-1, 3)}
    hours = {day: "09:00-17:00" for day in DAYS if day not in off}
    return {"zone": "Europe/Berlin", "hours": hours}


def _route(**changes: Any) -> dict[str, Any]:
    step = {"after": "4 business hours", "add": ["otto@corp.example"], "channel": "desk"}
    return {"calendar": "office", "escalate": [step], "expires_in": "2 business days", **changes}


@pytest.fixture(
    params=[
        "sqlite_url",
        pytest.param("postgres_url", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", marks=pytest.mark.mariadb),
    ]
)
def desk(request: pytest.FixtureRequest) -> Iterator[Scene]:
    url = request.getfixturevalue(request.param)
    upgrade(url)
    yield from opened(url)


class Office:
    """Processes that share a database, each with the policy as it was when it began."""

    def __init__(self, desk: Scene) -> None:
        self.desk = desk
        self.paid: list[JsonObject] = []

    def begun(
        self, calendar: dict[str, Any], lines: list[Any], **route: Any
    ) -> tuple[Guard, GuardedGraph, Any]:
        guard = self.desk.guard({"pay": ASK}, calendars={"office": calendar}, route=_route(**route))
        graph = compiled(guard, lines, [payer(guard, self.paid)])
        return guard, graph, guard.config("t", KIM)


def _why(guard: Guard, approval: Approval, **said: Any) -> str:
    with pytest.raises(DecisionRefusedError) as refused:
        decide(guard, approval, **said)
    return refused.value.reason


def test_while_nobody_works_others_may_not_answer_and_nothing_expires(desk: Scene) -> None:
    guard, graph, config = Office(desk).begun(_off(), [PAY, "Done."])
    run(graph, ask(), config)
    [approval] = waiting(guard, config)
    assert _why(guard, approval, by="otto") == "not_an_approver"
    assert guard.desk.waiting(desk.people.people["otto"]) == []
    ends = approval.request.expires_at
    assert ends is not None
    assert ends - approval.request.requested_at > 2 * 86400


def test_an_open_question_keeps_its_calendar_when_the_policy_is_loaded_anew(desk: Scene) -> None:
    office = Office(desk)
    guard, graph, config = office.begun(_off(), [PAY, "Done."])
    run(graph, ask(), config)
    [asked] = waiting(guard, config)
    later, graph, config = office.begun(ALWAYS, [PAY, "Done."])
    go_on(graph, config)
    [kept] = waiting(later, config)
    assert kept.request == asked.request
    assert _why(later, kept, by="otto") == "not_an_approver"
    decide(later, kept, by="dana")
    go_on(graph, config)
    assert office.paid == [{"claim": "C-1", "amount": 5}]


def test_another_working_time_asks_anew(desk: Scene) -> None:
    office = Office(desk)
    guard, graph, config = office.begun(_off(), [PAY, "Done."])
    run(graph, ask(), config)
    [asked] = waiting(guard, config)
    later, graph, config = office.begun(_off(), [PAY, "Done."], expires_in="3 business days")
    go_on(graph, config)
    old, new = approvals(later)
    assert (old.request.id, old.state) == (asked.request.id, ApprovalState.CANCELLED)
    assert new.state is ApprovalState.PENDING
    assert _why(later, old, by="dana") == "already_settled"
    assert office.paid == []


def test_whoever_may_decide_may_do_so_in_quiet_hours(desk: Scene) -> None:
    office = Office(desk)
    minute = int(time.time() // 60) % 1440
    quiet = {"from": _clock(minute - 60), "to": _clock(minute + 60)}
    guard, graph, config = office.begun({**ALWAYS, "quiet_hours": quiet}, [PAY, "Done."])
    run(graph, ask(), config)
    assert list(guard.store.deliveries()) == []
    decide(guard, waiting(guard, config)[0], by="dana")
    go_on(graph, config)
    assert len(office.paid) == 1


def _clock(minute: int) -> str:
    return f"{minute % 1440 // 60:02}:{minute % 60:02}"
