"""P5: a delegate answers for one person who is away, and never adds one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from guardkit import Approval, Guard, GuardedGraph, Person
from guardkit.core.approvals import ApprovalState
from guardkit.core.people import Delegation
from guardkit.core.signing import Verifier
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError
from guardkit.sql import upgrade
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    PEOPLE,
    People,
    Scene,
    approvals,
    ask,
    compiled,
    decide,
    entries,
    go_on,
    opened,
    payer,
    run,
    waiting,
)

pytestmark = pytest.mark.promise("P5")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
DAY = 86_400.0


class Listed(People):
    """The same directory, which can list people, and is not checked when it changes."""

    def find(self, identity: str) -> Person | None:
        found = [person for person in self.people.values() if person.answers_to(identity)]
        return found[0] if len(found) == 1 else None

    def people_of(self, tenant: str) -> Iterable[Person]:
        return [person for person in self.people.values() if person.tenant == tenant]


def _while_away(to: str, *, since: float = -DAY, until: float = DAY) -> dict[str, Any]:
    now = time.time()
    return {"delegations": (Delegation(to=to, since=now + since, until=now + until),)}


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
    for scene in opened(url):
        scene.people = Listed(*PEOPLE)
        scene.people.change("dana", **_while_away("otto@corp.example"))
        yield scene


def _paused(desk: Scene, **changes: Any) -> tuple[Guard, GuardedGraph, Any, list[JsonObject], Approval]:
    paid: list[JsonObject] = []
    changes.setdefault("delegation", True)
    guard = desk.guard({"pay": ASK}, **changes)
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config)
    [approval] = waiting(guard, config)
    return guard, graph, config, paid, approval


def _why(guard: Guard, approval: Approval, **said: Any) -> str:
    with pytest.raises(DecisionRefusedError) as refused:
        decide(guard, approval, **said)
    return refused.value.reason


def test_a_delegate_answers_where_the_absent_person_may_and_it_is_said(desk: Scene) -> None:
    guard, graph, config, paid, approval = _paused(desk)
    assert [one.request.id for one in guard.desk.waiting(desk.people.people["otto"])] == [approval.request.id]
    after = decide(guard, approval, by="otto")
    [said] = after.decisions
    assert (said.person, said.on_behalf_of) == ("otto", "dana")
    [entry] = entries(guard, "approval.decided")
    assert (entry.event.data["person"], entry.event.data["for"]) == ("otto", "dana")
    go_on(graph, config)
    assert len(paid) == 1


@pytest.mark.parametrize("changes", [{"delegation": False}, {}], ids=["said", "silent"])
def test_without_the_policy_there_are_no_delegates(desk: Scene, changes: dict[str, Any]) -> None:
    changes = {"delegation": False, **changes}
    guard, *_, approval = _paused(desk, **changes)
    assert _why(guard, approval, by="otto") == "not_an_approver"
    assert guard.desk.waiting(desk.people.people["otto"]) == []


@pytest.mark.parametrize(
    "window", [{"since": 60.0, "until": DAY}, {"since": -DAY, "until": -1.0}], ids=["not yet", "over"]
)
def test_a_delegate_answers_within_the_time(desk: Scene, window: dict[str, float]) -> None:
    desk.people.change("dana", **_while_away("otto", **window))
    guard, *_, approval = _paused(desk)
    assert _why(guard, approval, by="otto") == "not_an_approver"


@pytest.mark.parametrize("first", ["otto", "dana"])
def test_delegate_and_absent_are_one_person_in_a_quorum(desk: Scene, first: str) -> None:
    guard, graph, config, paid, approval = _paused(desk, route={"required": 2})
    decide(guard, approval, by=first)
    assert _why(guard, approval, by={"otto": "dana", "dana": "otto"}[first]) == "already_decided"
    assert approvals(guard)[0].state is ApprovalState.PENDING
    decide(guard, approval, by="ben")
    go_on(graph, config)
    assert len(paid) == 1


def test_a_delegate_who_may_answer_too_is_still_one_person(desk: Scene) -> None:
    desk.people.change("dana", **_while_away("ben"))
    guard, *_, approval = _paused(desk, route={"required": 2})
    after = decide(guard, approval, by="ben")
    assert after.decisions[0].on_behalf_of is None
    assert _why(guard, approval, by="ben") == "already_decided"
    assert _why(guard, approval, by="dana") == "already_decided"


def test_one_delegate_of_two_people_has_one_voice(desk: Scene) -> None:
    desk.people.change("ben", **_while_away("otto"))
    guard, *_, approval = _paused(desk, route={"required": 2})
    decide(guard, approval, by="otto")
    assert _why(guard, approval, by="otto") == "already_decided"
    assert _why(guard, approval, by="ben") == "already_decided"


def test_delegate_and_absent_are_one_person_across_stages(desk: Scene) -> None:
    def stage(person: str) -> dict[str, Any]:
        return {"approvers": [f"{person}@corp.example"], "channel": "desk", "assurance": "local_operator"}

    stages = [{**stage("dana"), "delegation": True}, stage("otto")]
    guard, *_, approval = _paused(desk, delegation=False, route={"stages": stages})
    decide(guard, approval, by="dana")
    assert _why(guard, approval, by="otto") == "already_decided"


def test_who_began_the_turn_is_nobodys_delegate_and_has_none(desk: Scene) -> None:
    desk.people.change("dana", **_while_away("kim"))
    desk.people.change("kim", **_while_away("otto"))
    guard, *_, approval = _paused(desk)
    assert _why(guard, approval, by="kim") == "requester"
    assert _why(guard, approval, by="otto") == "requester"


def test_a_delegate_has_no_delegate(desk: Scene) -> None:
    desk.people.people["zoe"] = Person(id="zoe")
    desk.people.change("otto", **_while_away("zoe"))
    guard, *_, approval = _paused(desk)
    assert _why(guard, approval, by="zoe") == "not_an_approver"


@pytest.mark.parametrize(
    ("who", "change"),
    [
        pytest.param("dana", {"delegations": ()}, id="ended"),
        pytest.param("dana", _while_away("otto", until=-1.0), id="over"),
        pytest.param("dana", {"active": False}, id="absent-left"),
        pytest.param("dana", {"roles": ()}, id="absent-lost-role"),
        pytest.param("otto", {"active": False}, id="delegate-left"),
        pytest.param("otto", {"tenant": "elsewhere"}, id="delegate-moved"),
        pytest.param("otto", {"identities": ("kim",)}, id="delegate-is-requester"),
    ],
)
def test_a_delegation_must_still_hold_when_it_is_used(desk: Scene, who: str, change: dict[str, Any]) -> None:
    guard, graph, config, paid, approval = _paused(desk)
    decide(guard, approval, by="otto")
    if "identities" in change:
        del desk.people.people["kim"]
    desk.people.change(who, **change)
    go_on(graph, config)
    assert paid == []


@pytest.mark.promise("P6")
def test_for_whom_it_was_said_is_signed(desk: Scene) -> None:
    guard, *_, approval = _paused(desk)
    [said] = decide(guard, approval, by="otto").decisions
    verifier = Verifier((desk.keys.decision_signer().public_key,))
    assert verifier.decision(said)
    assert not verifier.decision(said.model_copy(update={"on_behalf_of": "ben"}))
    assert not verifier.decision(said.model_copy(update={"on_behalf_of": None}))
