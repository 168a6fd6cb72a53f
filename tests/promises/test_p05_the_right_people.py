"""P5: an approval is worth as much as the distinct, entitled people who gave it."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit import Approval, Guard, GuardedGraph
from guardkit.core.approvals import ApprovalState
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError
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
    payer,
    run,
    told,
    waiting,
)

pytestmark = pytest.mark.promise("P5")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))


def _paused(
    scene: Scene, mode: Mode, **route: Any
) -> tuple[Guard, GuardedGraph, Any, list[JsonObject], Approval]:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK}, route=route)
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [approval] = waiting(guard, config)
    return guard, graph, config, paid, approval


def _why(guard: Guard, approval: Approval, **said: Any) -> str:
    with pytest.raises(DecisionRefusedError) as refused:
        decide(guard, approval, **said)
    return refused.value.reason


def test_two_means_two_people(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, required=2)
    decide(guard, approval, by="dana")
    go_on(graph, config, mode)
    assert paid == []
    decide(guard, approval, by="ben")
    go_on(graph, config, mode)
    assert len(paid) == 1


@pytest.mark.parametrize("identity", ["dana", "dana@corp.example", "DANA@corp.example", "slack:T1:DANA"])
def test_one_person_counts_once_under_every_name(scene: Scene, identity: str) -> None:
    guard, _, _, _, approval = _paused(scene, "sync", required=2)
    decide(guard, approval, by="dana")
    assert _why(guard, approval, by=identity) == "already_decided"
    assert approvals(guard)[0].state is ApprovalState.PENDING


@pytest.mark.parametrize("identity", ["kim", "kim@corp.example"])
def test_whoever_began_the_turn_cannot_decide_on_it(scene: Scene, identity: str) -> None:
    guard, _, _, _, approval = _paused(scene, "sync")
    assert _why(guard, approval, by=identity) == "requester"


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        pytest.param("otto", "not_an_approver", id="no-manager"),
        pytest.param("nobody@corp.example", "not_an_approver", id="unknown"),
        pytest.param("", "not_an_approver", id="empty"),
    ],
)
def test_nobody_else_decides(scene: Scene, identity: str, reason: str) -> None:
    guard, _, _, _, approval = _paused(scene, "sync")
    assert _why(guard, approval, by=identity) == reason
    assert len(entries(guard, "approval.refused")) == 1


def test_somebody_who_is_sure_of_too_little_does_not_decide(scene: Scene) -> None:
    strict = scene.guard(
        {"pay": ASK},
        route={
            "stages": [
                {
                    "role": "manager",
                    "approvers": ["dana@corp.example"],
                    "channel": "desk",
                    "assurance": "oidc",
                }
            ]
        },
    )
    graph = compiled(strict, [PAY, "Done."], [payer(strict, [])])
    config = strict.config("t", KIM)
    run(graph, ask(), config)
    assert _why(strict, waiting(strict, config)[0]) == "assurance_too_low"


def test_an_edit_opens_what_others_approved_again(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode, required=2)
    decide(guard, approval, by="dana")
    edited = decide(guard, approval, "edit", by="ben", args={"claim": "C-1", "amount": 3})
    assert edited.state is ApprovalState.PENDING
    go_on(graph, config, mode)
    assert paid == []
    assert _why(guard, approval, by="dana") == "digest_mismatch"
    decide(guard, edited, by="dana")
    go_on(graph, config, mode)
    assert paid == [{"claim": "C-1", "amount": 3}]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"roles": ()}, id="role"),
        pytest.param({"active": False}, id="left"),
        pytest.param({"tenant": "elsewhere"}, id="moved"),
    ],
)
def test_who_approved_must_still_be_entitled_when_it_is_used(
    scene: Scene, mode: Mode, change: dict[str, Any]
) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode)
    decide(guard, approval)
    scene.people.change("dana", **change)
    out = go_on(graph, config, mode)
    assert paid == []
    assert told(out) == ["The approval no longer holds, so the action did not run."]


def test_who_turns_out_to_be_the_requester_does_not_count_when_it_is_used(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid, approval = _paused(scene, mode)
    decide(guard, approval)
    del scene.people.people["kim"]
    scene.people.change("dana", identities=("kim",))
    go_on(graph, config, mode)
    assert paid == []


def test_membership_is_looked_up_when_people_decide(scene: Scene) -> None:
    guard, _, _, _, approval = _paused(scene, "sync")
    scene.people.change("dana", roles=())
    assert _why(guard, approval) == "not_an_approver"
    scene.people.change("dana", roles=("manager",), active=False)
    assert _why(guard, approval) == "inactive"


def test_stages_are_answered_in_order_by_their_own_people(scene: Scene, mode: Mode) -> None:
    def stage(person: str) -> dict[str, Any]:
        return {"approvers": [f"{person}@corp.example"], "channel": "desk", "assurance": "local_operator"}

    guard, graph, config, paid, approval = _paused(scene, mode, stages=[stage("dana"), stage("ben")])
    assert _why(guard, approval, by="ben") == "not_an_approver"
    decide(guard, approval, by="dana")
    go_on(graph, config, mode)
    assert paid == []
    decide(guard, approval, by="ben")
    go_on(graph, config, mode)
    assert len(paid) == 1


def test_an_approval_that_is_too_old_does_not_count(scene: Scene, mode: Mode) -> None:
    import time

    guard, graph, config, paid, approval = _paused(scene, mode, valid_for="1s")
    decide(guard, approval)
    time.sleep(1.1)
    go_on(graph, config, mode)
    assert paid == []


@pytest.mark.promise("P6")
def test_a_decision_signed_by_somebody_else_does_not_count(scene: Scene, mode: Mode) -> None:
    from guardkit import Keys

    _, graph, config, paid, approval = _paused(scene, mode)
    scene.keys = Keys.generate()
    forger = scene.guard({"pay": ASK})
    decide(forger, approval)
    out = go_on(graph, config, mode)
    assert paid == []
    assert told(out) == ["The approval no longer holds, so the action did not run."]
