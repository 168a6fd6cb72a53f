"""How people are asked: one route, several at once, and whether an approval stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardkit.core.approvals import ApprovalRequest
from guardkit.core.decisions import Allow, Escalate, Reject
from guardkit.core.people import Assurance, Person
from guardkit.core.principals import Principal
from guardkit.core.stages import ApprovalStage, Escalation, Exemption, Wait
from guardkit.errors import PolicyError
from guardkit.policy import Policy, still_stands, while_paused
from tests.unit.policy.desk import POLICY, TOOLS, action, write


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return Policy.from_file(write(tmp_path)).bind(TOOLS)


def test_a_route_as_it_is_written(policy: Policy) -> None:
    route = policy.route(["desk-then-finance"])
    assert route.stages == (
        ApprovalStage(
            role="manager",
            approvers=("first@corp.example", "second@corp.example"),
            channels=("claims-desk",),
            assurance=Assurance.CHAT,
        ),
        ApprovalStage(
            role="finance",
            groups=("finance-desk",),
            required=2,
            channels=("finance",),
            assurance=Assurance.OIDC,
        ),
    )
    assert (route.expires_in, route.valid_for, route.on_expiry) == (28800, 1800, "no_result")
    assert route.exclude_requester
    assert route.allowed == ("approve", "reject")


def test_several_routes_must_all_agree(policy: Policy) -> None:
    route = policy.route(("desk-then-finance", "desk"))
    assert route.names == ("desk", "desk-then-finance")
    assert route.stages == (*policy.route(["desk"]).stages, *policy.route(["desk-then-finance"]).stages)
    assert (route.expires_in, route.valid_for, route.on_expiry) == (3600, 1800, "no_result")
    assert route.allowed == ("approve", "reject")
    assert policy.route(("desk", "desk-then-finance")) == route


def test_a_stage_that_routes_share_is_asked_once(policy: Policy) -> None:
    assert policy.route(("desk", "desk")).stages == policy.route(["desk"]).stages


def test_the_requester_stays_out_if_any_route_says_so(tmp_path: Path) -> None:
    text = POLICY.replace(
        "    on_expiry: reject\n",
        "    on_expiry: keep\n    exclude_requester: false\n    exemption: {reason: a desk of one}\n",
        1,
    )
    policy = Policy.from_file(write(tmp_path, text))
    assert not policy.route(["desk"]).exclude_requester
    merged = policy.route(["desk", "desk-then-finance"])
    assert merged.exclude_requester
    assert merged.on_expiry == "no_result"


@pytest.mark.parametrize("names", [[], ["dsk"], ["desk", "other"]])
def test_a_route_that_is_not_there(policy: Policy, names: list[str]) -> None:
    with pytest.raises(PolicyError, match="route"):
        policy.route(names)


ROUTE = ("desk-then-finance",)


def changed(*, old: str, new: str) -> Callable[[Path], Policy]:
    def build(folder: Path) -> Policy:
        assert old in POLICY
        return Policy.from_file(write(folder, POLICY.replace(old, new, 1)))

    return build


@pytest.mark.parametrize(
    "build",
    [
        changed(old="args.amount <= 0.0", new="args.amount < 0.0"),
        changed(old="otherwise: escalate", new="otherwise: reject"),
        changed(old="required: 2", new="required: 1"),
        changed(old="expires_in: 8h", new="expires_in: 9h"),
        changed(old="[first@corp.example, second", new="[second"),
    ],
    ids=["rule", "otherwise", "quorum", "expiry", "approvers"],
)
def test_an_approval_falls_with_its_rule_or_route(
    policy: Policy, tmp_path: Path, build: Callable[[Path], Policy]
) -> None:
    assert build(tmp_path).route_hash("pay_claim", ROUTE) != policy.route_hash("pay_claim", ROUTE)


@pytest.mark.parametrize(
    "build",
    [
        changed(old='version: "3.2"', new='version: "3.3"'),
        changed(old="lookup_claim: allow", new="lookup_claim: reject"),
        changed(old="expires_in: 1h", new="expires_in: 2h"),
        changed(old="steps: 12", new="steps: 13"),
    ],
    ids=["version", "another tool", "another route", "budgets"],
)
def test_an_approval_stands_while_its_rule_and_route_are_unchanged(
    policy: Policy, tmp_path: Path, build: Callable[[Path], Policy]
) -> None:
    assert build(tmp_path).route_hash("pay_claim", ROUTE) == policy.route_hash("pay_claim", ROUTE)


def test_a_route_that_was_removed_changes_the_hash(policy: Policy) -> None:
    assert policy.route_hash("pay_claim", ["gone"]) != policy.route_hash("pay_claim", [])
    assert policy.route_hash("pay_claim", ["desk"]) != policy.route_hash("lookup_claim", ["desk"])


BREAK_GLASS = "    valid_for: 30m\n    break_glass: {people: [u1], valid_for: 10m, review_by: {people: [u2], within: 2d}}\n"
TIMES = (
    "    valid_for: 30m\n    remind: [1h]\n    escalate:\n      - {after: 3h, add: [u2], channel: heads}\n"
)


@pytest.mark.parametrize(
    ("said", "hashes"),
    [
        ("    valid_for: 30m\n", ("f5a455d5ce9a0669", "a694889a21b38a51")),
        (BREAK_GLASS, ("55556ad707537400", "bf36d1cd80532e27")),
        (TIMES, ("2edb873ae51b0e59", "9684363695b0753d")),
    ],
    ids=["plain", "broken glass", "times"],
)
def test_what_a_policy_does_not_say_leaves_the_hash_as_older_releases_made_it(
    tmp_path: Path, said: str, hashes: tuple[str, str]
) -> None:
    """Another hash would ask every open question again at an upgrade."""
    policy = Policy.from_file(write(tmp_path, POLICY.replace("    valid_for: 30m\n", said))).bind(TOOLS)
    found = [policy.route_hash("pay_claim", names) for names in (ROUTE, ("desk", *ROUTE))]
    assert tuple(one[:16] for one in found) == hashes


SAID = {
    "order": ("exclude_requester: true", "exclude_requester: true\n    order: together"),
    "rejections": ("exclude_requester: true", "exclude_requester: true\n    reject_quorum: 2"),
    "rejections of a stage": ("required: 2,", "required: 2, reject_quorum: 2,"),
    "comment": ("exclude_requester: true", "exclude_requester: true\n    comment_required: approve"),
    "exemption": (
        "exclude_requester: true",
        "exclude_requester: false\n    exemption: {reason: a desk of one}",
    ),
}


@pytest.mark.parametrize(("old", "new"), SAID.values(), ids=SAID)
def test_what_is_said_of_stages_changes_the_hash(policy: Policy, tmp_path: Path, old: str, new: str) -> None:
    assert changed(old=old, new=new)(tmp_path).route_hash("pay_claim", ROUTE) != policy.route_hash(
        "pay_claim", ROUTE
    )


def test_another_reason_for_an_exemption_is_another_route(tmp_path: Path) -> None:
    one, other = (
        changed(
            old="exclude_requester: true",
            new=f"exclude_requester: false\n    exemption: {{reason: {reason}}}",
        )(tmp_path)
        for reason in ("nights", "weekends")
    )
    assert one.route_hash("pay_claim", ROUTE) != other.route_hash("pay_claim", ROUTE)


def test_a_route_whose_stages_are_asked_together(tmp_path: Path) -> None:
    text = POLICY.replace(
        "    exclude_requester: true\n",
        "    order: together\n    reject_quorum: 2\n    comment_required: approve\n    exclude_requester: false\n"
        "    exemption: {reason: a desk of one, people: [u1, {group: finance-desk}]}\n",
    ).replace("assurance: chat}", "assurance: chat, reject_quorum: 1}")
    policy = Policy.from_file(write(tmp_path, text))
    route = policy.route(ROUTE)
    assert (route.order, route.comment_required) == ("together", ("approve",))
    assert [stage.reject_quorum for stage in route.stages] == [1, 2]
    assert route.exemptions == (
        Exemption(reason="a desk of one", approvers=("u1",), groups=("finance-desk",)),
    )
    merged = policy.route(["desk", *ROUTE])
    assert merged.order == "in_turn", "a route that asks in turn is asked in turn"
    assert merged.exemptions == (), "and one that excludes whoever asked excludes them"
    assert merged.comment_required == ("approve",)


def test_routes_that_are_all_asked_together_are_asked_together(tmp_path: Path) -> None:
    exempt = "exclude_requester: false\n    exemption: {{reason: {reason}}}\n    order: together"
    text = POLICY.replace("exclude_requester: true", exempt.format(reason="nights"))
    text = text.replace(
        "    on_expiry: reject\n", f"    on_expiry: reject\n    {exempt.format(reason='a desk of one')}\n"
    )
    merged = Policy.from_file(write(tmp_path, text)).route(["desk", *ROUTE])
    assert (merged.order, merged.exclude_requester) == ("together", False)
    assert [one.reason for one in merged.exemptions] == ["a desk of one", "nights"]


def request(policy: Policy, **changes: Any) -> ApprovalRequest:
    route = policy.route(ROUTE)
    given: dict[str, Any] = {
        "id": "r1",
        "tenant": "acme",
        "thread_id": "t1",
        "namespace": "",
        "turn": 1,
        "agent": "agent",
        "action": action(),
        "digest": "d",
        "salt": "s",
        "principal": Principal(id="ada"),
        "policy": policy.name,
        "policy_version": policy.version,
        "routes": ROUTE,
        "route_hash": policy.route_hash("pay_claim", ROUTE),
        "stages": route.stages,
        "requested_at": 0.0,
        "on_expiry": route.on_expiry,
        **changes,
    }
    return ApprovalRequest(**given)


def test_an_approval_that_still_stands(policy: Policy, tmp_path: Path) -> None:
    asked = request(policy)
    assert still_stands(asked, policy)
    assert not still_stands(asked, changed(old="required: 2", new="required: 1")(tmp_path))


@pytest.mark.parametrize(
    ("today", "kind"),
    [(Allow(), "escalate"), (Escalate(routes=("other",)), "escalate"), (Reject(), "reject")],
    ids=["allow", "escalate", "reject"],
)
def test_while_paused_the_strictest_of_then_and_today_holds(today: Any, kind: str) -> None:
    decision = while_paused(Escalate(routes=("desk",)), today)
    assert decision.kind == kind
    if isinstance(decision, Escalate):
        assert "desk" in decision.routes


def test_reminders_and_escalations_hold_for_every_stage_of_a_route(tmp_path: Path) -> None:
    text = POLICY.replace(
        "    valid_for: 30m\n",
        "    remind: [2h, 1h]\n"
        "    escalate:\n"
        "      - {after: 4h, add: [u1, {group: finance-desk}], channel: [heads, mail]}\n"
        "      - {after: 3h, add: [u2], role: manager, channel: heads}\n",
    )
    stages = Policy.from_file(write(tmp_path, text)).route(["desk-then-finance"]).stages
    for stage in stages:
        assert stage.reminders == (3600.0, 7200.0)
        assert stage.escalations == (
            Escalation(after=10800.0, role="manager", approvers=("u2",), channels=("heads",)),
            Escalation(
                after=14400.0, approvers=("u1",), groups=("finance-desk",), channels=("heads", "mail")
            ),
        )
    assert stages[0].all_channels == ("claims-desk", "heads", "mail")
    assert Policy.from_file(write(tmp_path, text)).channels == ("claims-desk", "finance", "heads", "mail")


@pytest.mark.promise("P5")
def test_an_escalation_lets_others_answer_after_its_time_and_not_before() -> None:
    head = Person(id="head", groups=("heads",))
    stage = ApprovalStage(
        role="manager",
        groups=("desk",),
        channels=("desk",),
        escalations=(Escalation(after=60.0, groups=("heads",), channels=("heads",)),),
    )
    waits = [Wait(since=0.0, at=at) for at in (0.0, 59.9, 60.0, 6000.0)]
    assert [stage.admits(head, wait) for wait in waits] == [False, False, True, True]
    assert not stage.admits(head)
    assert not stage.admits(Person(id="other", groups=("desk",)), waits[-1]), (
        "the stage's own role is still asked of its own"
    )
