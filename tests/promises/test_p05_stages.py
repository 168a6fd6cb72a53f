"""P5: stages that are asked together, rejections that need company, demanded comments, and named exemptions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from guardkit import Approval, Guard, GuardedGraph
from guardkit.core.approvals import ApprovalState
from guardkit.core.runs import Delivery
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError, PolicyError
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    approvals,
    ask,
    compiled,
    decide,
    entries,
    go_on,
    let_expire,
    payer,
    policy_of,
    run,
    told,
    waiting,
    work,
)

pytestmark = pytest.mark.promise("P5")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
GONE = "The approval no longer holds, so the action did not run."


def _stage(*people: str, **more: Any) -> dict[str, Any]:
    named = [f"{person}@corp.example" for person in people]
    return {"approvers": named, "channel": "desk", "assurance": "local_operator", **more}


def _paused(
    scene: Scene, mode: Mode, *stages: dict[str, Any], **route: Any
) -> tuple[Guard, GuardedGraph, Any, list[JsonObject], Approval]:
    paid: list[JsonObject] = []
    if stages:
        route["stages"] = list(stages)
    guard = scene.guard({"pay": ASK}, route=route)
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [approval] = waiting(guard, config)
    return guard, graph, config, paid, approval


def _why(guard: Guard, approval: Approval, kind: Any = "approve", **said: Any) -> str:
    with pytest.raises(DecisionRefusedError) as refused:
        decide(guard, approval, kind, **said)
    return refused.value.reason


@pytest.mark.parametrize("people", [("dana", "ben"), ("ben", "dana")], ids="-".join)
def test_stages_together_wait_at_once_and_run_when_all_are_satisfied(
    scene: Scene, mode: Mode, people: tuple[str, str]
) -> None:
    guard, graph, config, paid, approval = _paused(
        scene, mode, _stage("dana"), _stage("ben"), order="together"
    )
    decide(guard, approval, by=people[0])
    go_on(graph, config, mode)
    assert paid == []
    decide(guard, approval, by=people[1])
    go_on(graph, config, mode)
    assert len(paid) == 1


@pytest.mark.parametrize("other", ["ben", "cleo"])
def test_whoever_may_sit_in_two_stages_keeps_nobody_out(scene: Scene, mode: Mode, other: str) -> None:
    guard, graph, config, paid, approval = _paused(
        scene, mode, _stage("dana", "ben"), _stage("dana", "cleo"), order="together"
    )
    decide(guard, approval, by="dana")
    assert _why(guard, approval, by="dana@corp.example") == "already_decided"
    decide(guard, approval, by=other)
    go_on(graph, config, mode)
    assert len(paid) == 1


@pytest.mark.promise("P2")
def test_people_who_answer_at_the_same_moment_take_as_many_seats_as_there_are(scene: Scene) -> None:
    guard, graph, config, paid, approval = _paused(
        scene, "sync", _stage("dana", "ben"), _stage("dana", "cleo"), order="together"
    )

    def answers(person: str) -> str:
        try:
            decide(guard, approval, by=person)
        except DecisionRefusedError as refused:
            return refused.reason
        return "counts"

    people = ("dana", "ben", "cleo", "dana", "ben", "cleo")
    with ThreadPoolExecutor(len(people)) as pool:
        told_them = list(pool.map(answers, people))
    assert told_them.count("counts") == 2
    assert set(told_them) <= {"counts", "already_settled", "already_decided", "not_an_approver", "conflict"}
    [settled] = approvals(guard)
    assert settled.state is ApprovalState.APPROVED
    assert len({said.person for said in settled.decisions}) == 2
    go_on(graph, config)
    assert len(paid) == 1


def test_every_stage_together_has_its_own_messages(scene: Scene) -> None:
    guard, _, _, _, approval = _paused(scene, "sync", _stage("dana"), _stage("ben"), order="together")
    work(guard)
    assert sorted(_sent(scene)) == [("ask", 0), ("ask", 1)]
    decide(guard, approval, by="dana")
    work(guard)
    assert sorted(_sent(scene)[2:]) == [("update", 0), ("update", 1)]
    decide(guard, approval, by="ben")
    work(guard)
    assert sorted(_sent(scene)[4:]) == [("outcome", 0), ("outcome", 1)]


def _sent(scene: Scene) -> list[tuple[str, int]]:
    deliveries: list[Delivery] = [one.delivery for one in scene.channel.sent]
    return [(one.kind, one.stage) for one in deliveries]


def test_who_is_in_one_of_the_stages_only_when_it_is_used_counts_there(scene: Scene, mode: Mode) -> None:
    stages = (
        {"approvers": [{"group": "desk"}], "channel": "desk", "assurance": "local_operator"},
        {"approvers": [{"group": "risk"}], "channel": "desk", "assurance": "local_operator"},
    )
    scene.people.change("dana", groups=("desk", "risk"))
    scene.people.change("ben", groups=("desk", "risk"))
    guard, graph, config, paid, approval = _paused(scene, mode, *stages, order="together")
    decide(guard, approval, by="dana")
    decide(guard, approval, by="ben")
    scene.people.change("dana", groups=("risk",))
    scene.people.change("ben", groups=("desk",))
    go_on(graph, config, mode)
    assert len(paid) == 1


def test_who_left_the_only_stage_that_nobody_else_fills_takes_the_approval_along(
    scene: Scene, mode: Mode
) -> None:
    stages = (
        {"approvers": [{"group": "desk"}], "channel": "desk", "assurance": "local_operator"},
        {"approvers": [{"group": "risk"}], "channel": "desk", "assurance": "local_operator"},
    )
    scene.people.change("dana", groups=("desk", "risk"))
    scene.people.change("ben", groups=("desk", "risk"))
    guard, graph, config, paid, approval = _paused(scene, mode, *stages, order="together")
    decide(guard, approval, by="dana")
    decide(guard, approval, by="ben")
    for person in ("dana", "ben"):
        scene.people.change(person, groups=("risk",))
    out = go_on(graph, config, mode)
    assert (paid, told(out)) == ([], [GONE])


@pytest.mark.promise("P4")
def test_one_no_of_two_that_are_needed_neither_ends_it_nor_counts_as_a_yes(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, required=2, reject_quorum=2)
    after = decide(guard, approval, "reject", by="dana", reason="too much")
    assert after.state is ApprovalState.PENDING
    assert _why(guard, approval, by="dana") == "already_decided"
    decide(guard, approval, by="ben")
    go_on(graph, config, mode)
    assert paid == []
    decide(guard, approval, by="cleo")
    go_on(graph, config, mode)
    assert len(paid) == 1
    data = entries(guard, "approval.decided")[0].event.data
    assert (data["decision"], data["state"], data["rejections"]) == ("reject", "pending", 1)
    assert data["signature"]


@pytest.mark.promise("P4")
def test_as_many_as_the_policy_says_end_it_for_good(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, required=2, reject_quorum=2)
    decide(guard, approval, "reject", by="dana")
    decide(guard, approval, by="ben")
    after = decide(guard, approval, "reject", by="cleo")
    assert after.state is ApprovalState.REJECTED
    go_on(graph, config, mode)
    assert paid == []


def test_a_person_rejects_once_under_every_name(scene: Scene) -> None:
    guard, _, _, _, approval = _paused(scene, "sync", reject_quorum=2)
    decide(guard, approval, "reject", by="dana")
    for identity in ("dana", "DANA@corp.example", "slack:T1:DANA"):
        assert _why(guard, approval, "reject", by=identity) == "already_decided"
    assert approvals(guard)[0].state is ApprovalState.PENDING


def test_what_can_no_longer_be_approved_ends_as_its_expiry_says(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(
        scene, mode, _stage("dana", "ben", required=2, reject_quorum=2)
    )
    decide(guard, approval, "reject", by="dana")
    decide(guard, approval, by="ben")
    let_expire(scene, approval)
    work(guard)
    assert approvals(guard)[0].state is ApprovalState.EXPIRED
    go_on(graph, config, mode)
    assert paid == []


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_demanded_comment_is_needed_with_a_yes(scene: Scene, mode: Mode, reason: str | None) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, comment_required=["approve", "edit"])
    assert _why(guard, approval, reason=reason) == "reason_required"
    args = {"claim": "C-1", "amount": 3}
    assert _why(guard, approval, "edit", args=args, reason=reason) == "reason_required"
    go_on(graph, config, mode)
    assert paid == []
    decide(guard, approval, reason="checked the invoice")
    go_on(graph, config, mode)
    assert len(paid) == 1


EXEMPT: dict[str, Any] = {
    "exclude_requester": False,
    "exemption": {"reason": "a desk of one at night", "people": ["kim@corp.example"]},
}


def test_a_policy_may_exempt_whoever_asked_and_everybody_reads_why(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, required=2, **EXEMPT)
    work(guard)
    decide(guard, approval, by="kim")
    decide(guard, approval, by="dana")
    go_on(graph, config, mode)
    assert len(paid) == 1
    first, second = entries(guard, "approval.decided")
    assert first.event.data["exemption"] == "a desk of one at night"
    assert "exemption" not in second.event.data
    assert entries(guard, "approval.requested")[0].event.data["exemptions"] == ["a desk of one at night"]
    work(guard)
    assert [one.exemption for one in scene.channel.sent[-1].presentation.said] == [
        "a desk of one at night",
        None,
    ]


def test_an_exemption_is_for_whom_it_names(scene: Scene) -> None:
    exempt = {**EXEMPT, "exemption": {"reason": "a desk of one", "people": ["ben@corp.example"]}}
    guard, _, _, _, approval = _paused(scene, "sync", **exempt)
    assert _why(guard, approval, by="kim") == "requester"
    decide(guard, approval, by="dana")


def test_who_asked_is_no_approver_by_being_exempt(scene: Scene) -> None:
    guard, _, _, _, approval = _paused(scene, "sync", _stage("dana"), **EXEMPT)
    assert _why(guard, approval, by="kim") == "not_an_approver"


@pytest.mark.parametrize("mode", ["sync"])
def test_an_exemption_that_is_taken_back_meanwhile_counts_no_more(scene: Scene, mode: Mode) -> None:
    _, graph, config, paid, approval = _paused(scene, mode, **EXEMPT)
    decide(scene.guards[0], approval, by="kim")
    today = scene.guard({"pay": ASK})
    graph = compiled(today, [PAY, "Done."], [payer(today, paid)])
    go_on(graph, config, mode)
    assert paid == []
    assert [one.state for one in approvals(today)][-1] is ApprovalState.PENDING, "it is asked again"


@pytest.mark.promise("P7")
@pytest.mark.parametrize("reason", [None, {}, {"reason": ""}, {"people": ["kim@corp.example"]}, "nights"])
def test_an_exemption_without_a_reason_loads_no_policy(reason: Any) -> None:
    route: dict[str, Any] = {"exclude_requester": False}
    if reason is not None:
        route["exemption"] = reason
    with pytest.raises(PolicyError) as refused:
        policy_of({"pay": ASK}, route=route)
    assert "approvals.managers" in str(refused.value)
