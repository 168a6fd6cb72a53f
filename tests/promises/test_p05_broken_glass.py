"""P5: in an emergency one named person may stand in for the quorum, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from guardkit import Approval, Assurance, Guard, GuardedGraph, Person
from guardkit.core.approvals import ApprovalState
from guardkit.core.people import Delegation
from guardkit.core.principals import UNKNOWN
from guardkit.core.reviews import ReviewVerdict
from guardkit.core.runs import StopOrder
from guardkit.core.signing import Verifier
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.sql import upgrade
from guardkit.sql.codec import wrap
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
    let_be_overdue,
    opened,
    payer,
    policy_of,
    run,
    waiting,
    work,
)

pytestmark = pytest.mark.promise("P5")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
DAY = 86_400.0
REASON = "The ward has no power, and nobody else answers."
GLASS: dict[str, Any] = {
    "people": ["otto@corp.example", "kim@corp.example"],
    "valid_for": "10m",
    "review_by": {"people": ["cleo@corp.example", "otto@corp.example"], "within": "2d"},
}


class Listed(People):
    """The same directory, which can list people."""

    def people_of(self, tenant: str) -> Iterable[Person]:
        return [person for person in self.people.values() if person.tenant == tenant]


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


@pytest.fixture
def file(sqlite_url: str) -> Iterator[Scene]:
    upgrade(sqlite_url)
    yield from opened(sqlite_url)


def _paused(desk: Scene, **changes: Any) -> tuple[Guard, GuardedGraph, Any, list[JsonObject], Approval]:
    paid: list[JsonObject] = []
    principal = changes.pop("principal", KIM)
    route = {"required": 2, "break_glass": GLASS, **changes.pop("route", {})}
    guard = desk.guard({"pay": ASK}, route=route, **changes)
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", principal)
    run(graph, ask(), config)
    [approval] = waiting(guard, config)
    return guard, graph, config, paid, approval


def _break(guard: Guard, approval: Approval, by: str = "otto", **said: Any) -> Approval:
    return guard.desk.emergencies.break_glass(
        approval.request.id,
        identity=by,
        digest=said.pop("digest", approval.digest),
        reason=said.pop("reason", REASON),
        assurance=said.pop("assurance", Assurance.LOCAL_OPERATOR),
        via="test",
        **said,
    )


def _why(guard: Guard, approval: Approval, **said: Any) -> str:
    with pytest.raises(DecisionRefusedError) as refused:
        _break(guard, approval, **said)
    assert entries(guard, "approval.refused")[-1].event.data["why"] == refused.value.reason
    return refused.value.reason


def _review(guard: Guard, approval: Approval, by: str = "cleo", **said: Any) -> Any:
    return guard.desk.emergencies.close_review(
        approval.request.id,
        identity=by,
        verdict=said.pop("verdict", ReviewVerdict.JUSTIFIED),
        comment=said.pop("comment", "I was called, and agree."),
        via="test",
    )


def _review_refused(guard: Guard, approval: Approval, **said: Any) -> str:
    with pytest.raises(DecisionRefusedError) as refused:
        _review(guard, approval, **said)
    return refused.value.reason


def test_a_named_person_stands_in_for_the_quorum_once_and_loudly(desk: Scene) -> None:
    guard, graph, config, paid, approval = _paused(desk)
    after = _break(guard, approval)
    assert after.state is ApprovalState.APPROVED
    [said] = after.decisions
    assert (said.person, said.kind, said.reason) == ("otto", "break_glass", REASON)
    kinds = [entry.event.kind for entry in entries(guard)]
    assert kinds[-3:] == ["approval.decided", "approval.glass_broken", "review.opened"]
    assert REASON not in str([entry.event for entry in entries(guard)])
    go_on(graph, config)
    assert paid == [{"claim": "C-1", "amount": 5}]
    go_on(graph, config)
    assert len(paid) == 1
    assert approvals(guard)[0].state is ApprovalState.CONSUMED
    assert _why(guard, approval) == "already_settled"


def test_a_worker_goes_on_with_it(file: Scene) -> None:
    guard, _, _, paid, approval = _paused(file)
    _break(guard, approval)
    work(guard)
    assert len(paid) == 1


def test_what_others_said_before_stays_said(file: Scene) -> None:
    guard, graph, config, paid, approval = _paused(file)
    once = decide(guard, approval, by="dana")
    after = _break(guard, once)
    assert [said.kind for said in after.decisions] == ["approve", "break_glass"]
    file.people.change("dana", active=False)  # her approval is no longer what it rests on
    go_on(graph, config)
    assert len(paid) == 1


@pytest.mark.promise("P6")
def test_it_is_signed_as_it_was_said(file: Scene) -> None:
    guard, *_, approval = _paused(file)
    [said] = _break(guard, approval).decisions
    verifier = Verifier((file.keys.decision_signer().public_key,))
    assert verifier.decision(said)
    for change in ({"kind": "approve"}, {"person": "dana"}, {"reason": "another"}, {"decided_at": 0.0}):
        assert not verifier.decision(said.model_copy(update=change))


def test_without_the_policy_there_is_no_glass(file: Scene) -> None:
    guard, *_, approval = _paused(file, route={"break_glass": None})
    assert _why(guard, approval) == "not_allowed"


@pytest.mark.parametrize("by", ["dana", "ben"])
def test_who_is_not_named_may_not(desk: Scene, by: str) -> None:
    guard, *_, approval = _paused(desk)
    assert _why(guard, approval, by=by) == "not_an_approver"


def test_a_stranger_may_not(file: Scene) -> None:
    guard, *_, approval = _paused(file)
    with pytest.raises(DecisionRefusedError):
        _break(guard, approval, by="mallory@elsewhere.example")
    assert entries(guard, "approval.refused")[-1].event.data["why"] == "unknown_identity"


@pytest.mark.parametrize("excluded", [True, False], ids=["excluded", "exempt"])
def test_who_asked_may_never(desk: Scene, excluded: bool) -> None:
    exempt = {} if excluded else {"exemption": {"reason": "a desk of one"}}
    guard, *_, approval = _paused(desk, route={"exclude_requester": excluded, **exempt})
    assert _why(guard, approval, by="kim") == "requester"
    assert _why(guard, approval, by="KIM@corp.example") == "requester"


def test_who_asked_may_not_as_somebody_else_whom_they_are_known_as(file: Scene) -> None:
    guard, *_, approval = _paused(file)
    del file.people.people["kim"]
    file.people.change("otto", identities=("kim",))
    assert _why(guard, approval) == "requester"


@pytest.mark.parametrize(("away", "to"), [("kim", "otto"), ("otto", "kim")])
def test_who_speaks_for_whoever_asked_may_not(desk: Scene, away: str, to: str) -> None:
    guard, *_, approval = _paused(desk)
    now = guard.store.now()
    there = (Delegation(to=f"{to}@corp.example", since=now - DAY, until=now + DAY),)
    desk.people.change(away, delegations=there)
    assert _why(guard, approval) == "requester"


def test_where_nobody_knows_who_asked_nobody_may(file: Scene) -> None:
    exempt = {"exclude_requester": False, "exemption": {"reason": "a desk of one"}}
    guard, *_, approval = _paused(file, principal=UNKNOWN, route=exempt)
    assert _why(guard, approval) == "requester"


def test_who_has_left_may_not(file: Scene) -> None:
    guard, *_, approval = _paused(file)
    file.people.change("otto", active=False)
    assert _why(guard, approval) == "inactive"


@pytest.mark.promise("P14")
def test_another_tenants_people_may_not_and_are_told_nothing(desk: Scene) -> None:
    guard, *_, approval = _paused(desk)
    desk.people.change("otto", tenant="elsewhere")
    with pytest.raises(UnknownApprovalError):
        _break(guard, approval)
    assert approvals(guard)[0].state is ApprovalState.PENDING


@pytest.mark.parametrize("reason", ["", " " * 40, "x" * 19, "a" + " " * 40 + "b"])
def test_a_reason_is_needed(file: Scene, reason: str) -> None:
    guard, *_, approval = _paused(file)
    assert _why(guard, approval, reason=reason) == "reason_required"


def test_it_needs_the_surest_sign_in_of_all_stages(file: Scene) -> None:
    def stage(assurance: str) -> dict[str, Any]:
        return {
            "approvers": ["dana@corp.example", "ben@corp.example"],
            "channel": "desk",
            "assurance": assurance,
        }

    route = {"stages": [stage("oidc"), stage("local_operator")]}
    guard, *_, approval = _paused(file, route=route)
    assert _why(guard, approval, assurance=Assurance.CHAT) == "assurance_too_low"
    assert _break(guard, approval, assurance=Assurance.OIDC).state is ApprovalState.APPROVED


def test_a_link_in_a_mail_breaks_no_glass(file: Scene) -> None:
    guard, *_, approval = _paused(file)
    assert _why(guard, approval, assurance=Assurance.EMAIL_LINK) == "assurance_too_low"


@pytest.mark.promise("P1")
def test_it_is_bound_to_what_was_shown(desk: Scene) -> None:
    guard, graph, config, paid, approval = _paused(desk)
    edited = decide(guard, approval, "edit", args={"claim": "C-1", "amount": 500})
    assert _why(guard, edited, digest=approval.digest) == "digest_mismatch"
    assert _why(guard, edited, version=approval.version) == "version_mismatch"
    _break(guard, edited, version=edited.version)
    go_on(graph, config)
    assert paid == [{"claim": "C-1", "amount": 500}]


@pytest.mark.promise("P4")
def test_it_undoes_no_no(file: Scene) -> None:
    guard, graph, config, paid, approval = _paused(file)
    decide(guard, approval, "reject")
    assert _why(guard, approval) == "already_settled"
    go_on(graph, config)
    assert paid == []


@pytest.mark.promise("P9")
def test_a_stop_comes_first(desk: Scene) -> None:
    guard, *_, paid, approval = _paused(desk)
    stop = StopOrder(id="s", scope="thread", tenant="default", target="t", by="ops", why="fire", at=0.0)
    guard.store.set_stop(stop)
    assert _why(guard, approval) == "stopped"
    assert paid == []


@pytest.mark.promise("P9")
def test_a_stop_after_it_comes_first_too(desk: Scene) -> None:
    guard, graph, config, paid, approval = _paused(desk)
    _break(guard, approval)
    guard.store.set_stop(StopOrder(id="s", scope="tenant", tenant="default", by="ops", why="fire", at=0.0))
    go_on(graph, config)
    assert paid == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(None, id="withdrawn"),
        pytest.param({"people": ["ben@corp.example"]}, id="others-named"),
        pytest.param({"valid_for": "1s"}, id="shorter"),
        pytest.param({"reason_length": 1000}, id="longer-reason"),
    ],
)
def test_todays_policy_wins_when_it_is_used(file: Scene, change: dict[str, Any] | None) -> None:
    guard, _, config, paid, approval = _paused(file)
    _break(guard, approval)
    glass = None if change is None else {**GLASS, **change}
    today = file.guard(
        {"pay": ASK},
        given=policy_of({"pay": ASK}, people=file.people, route={"required": 2, "break_glass": glass}),
    )
    graph = compiled(today, [PAY, "Done."], [payer(today, paid)])
    go_on(graph, config)
    assert paid == []


@pytest.mark.parametrize(
    ("who", "change"),
    [
        pytest.param("otto", {"active": False}, id="left"),
        pytest.param("otto", {"tenant": "elsewhere"}, id="moved"),
        pytest.param("otto", {"email": "otto2@corp.example"}, id="named-no-more"),
        pytest.param("otto", {"identities": ("kim",)}, id="is-requester"),
        pytest.param("kim", {"delegations": (Delegation(to="otto", since=0.0, until=1e11),)}, id="delegate"),
    ],
)
def test_it_must_still_hold_when_it_is_used(desk: Scene, who: str, change: dict[str, Any]) -> None:
    guard, graph, config, paid, approval = _paused(desk)
    _break(guard, approval)
    if "identities" in change:
        del desk.people.people["kim"]
    desk.people.change(who, **change)
    go_on(graph, config)
    assert paid == []
    [void] = entries(guard, "approval.void")
    assert "glass" in str(void.event.data["why"])


def test_it_is_valid_for_a_short_time_only(file: Scene) -> None:
    guard, graph, config, paid, approval = _paused(file)
    after = _break(guard, approval)
    [said] = after.decisions
    earlier = file.keys.decision_signer().decision(
        said.model_copy(update={"decided_at": said.decided_at - 601.0})
    )
    _replace(file, approval, earlier)
    go_on(graph, config)
    assert paid == []
    [void] = entries(guard, "approval.void")
    assert void.event.data["why"] == "the glass was broken more than 600 s ago"


@pytest.mark.promise("P6")
def test_a_glass_that_nobody_signed_is_whole(file: Scene) -> None:
    guard, graph, config, paid, approval = _paused(file)
    [said] = _break(guard, approval).decisions
    _replace(file, approval, said.model_copy(update={"signature": "AAAA"}))
    go_on(graph, config)
    assert paid == []


def _replace(scene: Scene, approval: Approval, said: Any) -> None:
    """Put another decision into the database, as somebody might who can write to it."""
    with scene.sqlite() as connection:
        connection.execute(
            "UPDATE gk_approvals SET decisions = ? WHERE id = ?",
            (wrap([said.model_dump(mode="json")], path="decisions"), approval.request.id),
        )


# --- the review ---------------------------------------------------------------------------------------------------


def test_somebody_else_reviews_it_once(desk: Scene) -> None:
    guard, *_, approval = _paused(desk)
    _break(guard, approval)
    cleo = desk.people.people["cleo"]
    [review] = guard.desk.emergencies.reviews(cleo)
    assert (review.broken_by, review.reason, review.state(guard.store.now())) == ("otto", REASON, "open")
    after = _review(guard, approval, verdict=ReviewVerdict.NOT_JUSTIFIED)
    assert after.closed is not None
    assert (after.closed.by, after.closed.verdict.value) == ("cleo", "not_justified")
    assert guard.desk.emergencies.reviews(cleo) == []
    assert [one.approval_id for one in guard.desk.emergencies.reviews(cleo, closed=True)] == [
        approval.request.id
    ]
    [entry] = entries(guard, "review.closed")
    assert (entry.event.data["person"], entry.event.data["verdict"]) == ("cleo", "not_justified")
    assert _review_refused(guard, approval) == "already_settled"


@pytest.mark.parametrize(
    ("by", "why"),
    [("otto", "requester"), ("kim", "requester"), ("dana", "not_an_approver"), ("nobody", "not_an_approver")],
)
def test_who_broke_it_or_asked_or_is_not_named_does_not_review_it(file: Scene, by: str, why: str) -> None:
    review_by = {"people": ["cleo@corp.example", "otto@corp.example", "kim@corp.example"], "within": "2d"}
    guard, *_, approval = _paused(file, route={"break_glass": {**GLASS, "review_by": review_by}})
    _break(guard, approval)
    assert _review_refused(guard, approval, by=by) == why
    [review] = guard.store.reviews("default")
    assert review.closed is None


def test_a_delegate_of_whoever_broke_it_does_not_review_it(file: Scene) -> None:
    guard, *_, approval = _paused(file)
    _break(guard, approval)
    file.people.change("otto", delegations=(Delegation(to="cleo", since=0.0, until=1e11),))
    assert _review_refused(guard, approval) == "requester"


@pytest.mark.parametrize("comment", ["", "  ", "x" * 4001])
def test_a_review_needs_words(file: Scene, comment: str) -> None:
    guard, *_, approval = _paused(file)
    _break(guard, approval)
    assert _review_refused(guard, approval, comment=comment) in ("reason_required", "reason_invalid")


@pytest.mark.promise("P14")
def test_another_tenant_sees_no_review(desk: Scene) -> None:
    guard, *_, approval = _paused(desk)
    _break(guard, approval)
    desk.people.change("cleo", tenant="elsewhere")
    assert guard.desk.emergencies.reviews(desk.people.people["cleo"]) == []
    with pytest.raises(UnknownApprovalError):
        _review(guard, approval)


def test_a_review_that_nobody_closes_in_time_is_loud_once(file: Scene) -> None:
    guard, *_, approval = _paused(file)
    _break(guard, approval)
    [review] = guard.store.reviews("default")
    work(guard)
    assert entries(guard, "review.overdue") == []
    let_be_overdue(file, review)
    work(guard, rounds=2)
    assert len(entries(guard, "review.overdue")) == 1
    assert _review(guard, approval).closed is not None
    assert entries(guard, "review.closed")[0].event.data["overdue"] is True


def test_where_nobody_could_review_it_nobody_breaks_it(file: Scene) -> None:
    file.people = Listed(*PEOPLE)
    guard, *_, approval = _paused(file)
    file.people.change("cleo", active=False)
    assert _why(guard, approval) == "not_allowed"
    file.people.change("cleo", active=True)
    assert _break(guard, approval).state is ApprovalState.APPROVED
