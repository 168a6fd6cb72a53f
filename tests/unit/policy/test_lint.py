"""Warnings about what is allowed and probably not meant, and policies compared in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardkit.policy import Policy, diff, lint
from guardkit.policy.constancy import constant
from guardkit.policy.document import as_mapping
from guardkit.policy.syntax import parse
from tests.unit.policy.desk import PEOPLE, POLICY, TOOLS, people, policy_of, rule, write

EXEMPT = "exclude_requester: false\n    exemption: {reason: one clerk at night}"


def codes(policy: Policy) -> set[str]:
    return {found.code for found in lint(policy)}


def test_findings_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    policy = Policy.from_file(write(tmp_path)).bind(TOOLS)
    assert [(found.code, found.field, found.line) for found in lint(policy)] == [
        ("rule-is-exception", "tools.pay_claim.rules[2].when", 16),
        ("valid-for-ever", "approvals.desk", 18),
        ("no-spare-approver", "approvals.desk.stages[0]", 20),
        ("no-spare-approver", "approvals.desk-then-finance.stages[1]", 26),
    ]


FOUND: dict[str, tuple[str, dict[str, Any]]] = {
    "never": ("rule-never-matches", {"rules": [rule("args.amount > 5.0 && args.amount < 1.0")]}),
    "always": ("rule-always-matches", {"rules": [rule("true")]}),
    "repeated": ("rule-repeated", {"rules": [rule("turn > 1", name="a"), rule("(turn > 1)", "stop", "b")]}),
    "null": ("null-unguarded", {"rules": [rule("args.note > 'a'")]}),
    "exception": ("rule-is-exception", {"rules": [rule("turn > 1", "escalate")], "otherwise": "reject"}),
    "allowed effect": ("effect-allowed", {"rules": [], "otherwise": "allow"}),
    "one approver": ("effect-one-approver", {"rules": []}),
    "unused route": ("route-unused", {"rules": []}),
    "no budget": ("no-budget", {"rules": []}),
}


@pytest.mark.parametrize(("code", "given"), FOUND.values(), ids=FOUND)
def test_what_is_found(code: str, given: dict[str, Any]) -> None:
    assert code in codes(policy_of(*given["rules"], otherwise=given.get("otherwise", "escalate")))


def test_what_is_not_found() -> None:
    quiet = codes(policy_of(rule("args.amount > 5.0 && args.amount < 9.0"), otherwise="escalate"))
    assert quiet.isdisjoint(
        {"rule-never-matches", "rule-always-matches", "null-unguarded", "rule-is-exception"}
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("on_expiry: no_result", "on_expiry: keep", "expiry-keep"),
        ("exclude_requester: true", EXEMPT, "requester-decides"),
        ("review: desk\n", "", "no-review"),
    ],
)
def test_what_is_found_in_a_file(tmp_path: Path, old: str, new: str, code: str) -> None:
    assert code not in codes(Policy.from_file(write(tmp_path)))
    assert code in codes(Policy.from_file(write(tmp_path, POLICY.replace(old, new))))


def test_a_tenant_whose_people_are_too_few(tmp_path: Path) -> None:
    text = f"{PEOPLE}  - {{id: x1, tenant: other, roles: [finance], groups: [finance-desk]}}\n"
    assert "tenant-without-approvers" in codes(Policy.from_file(write(tmp_path, people_text=text)))


def test_routes_that_no_two_people_could_answer() -> None:
    policy = policy_of(rule("turn > 1", "escalate", "a"), rule("turn > 2", "escalate", "b", approval="other"))
    assert "routes-together" in codes(policy)


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("true", True),
        ("1 > 2", False),
        ("!('a' in ['a'])", False),
        ("x > 1", None),
        ("x > 1 || true", True),
        ("x > 1 && false", False),
        ("true && 1 < 2", True),
        ("false || 1 > 2", False),
        ("x > 1 && x < 1", False),
        ("x > 1 && x <= 1", False),
        ("x >= 1 && x <= 1", None),
        ("x > 1 && 1 > x", False),
        ("x == 1 && x == 2", False),
        ("x == 1 && x > 1", False),
        ("x > 1 && x == 1", False),
        ("x == 1 && x >= 1", None),
        ("x == 'a' && x == 'b'", False),
        ("x == 'a' && x == 'a'", None),
        ("x == null && x > 1", False),
        ("x == null && x == 'a'", False),
        ("x.y > 1 && x.z < 1", None),
        ("x == true && x == false", None),
        ("1 / 0 > 1", None),
    ],
)
def test_conditions_with_one_answer(source: str, answer: bool | None) -> None:
    assert constant(parse(source)) is answer


def changed(old: str, new: str) -> list[str]:
    import yaml

    assert old in POLICY
    before = Policy.from_dict(yaml.safe_load(POLICY), directory=people())
    after = Policy.from_dict(yaml.safe_load(POLICY.replace(old, new, 1)), directory=people())
    return [str(change) for change in diff(before.document, after.document)]


CHANGES = {
    "default": ("default: reject", "default: escalate", "default: reject -> escalate (looser)"),
    "otherwise": ("otherwise: escalate", "otherwise: reject", "tools.pay_claim.otherwise: escalate -> reject (tighter)"),
    "condition": ("<= 0.0", "< 0.0", "tools.pay_claim.rules.pay-negative.when: args.amount <= 0.0 -> args.amount < 0.0"),
    "quorum": ("required: 2", "required: 1", "approvals.desk-then-finance.stages[1].required: 2 -> 1 (looser)"),
    "assurance": ("assurance: chat", "assurance: oidc", "approvals.desk-then-finance.stages[0].assurance: chat -> oidc (tighter)"),
    "expiry": ("expires_in: 8h", "expires_in: 90m", "approvals.desk-then-finance.expires_in: 8h -> 1h30m (tighter)"),
    "validity": ("    valid_for: 30m\n", "", "approvals.desk-then-finance.valid_for: removed: 30m (looser)"),
    "budget": ("steps: 12", "steps: 13", "budgets.steps: 12 -> 13 (looser)"),
    "on_expiry": ("on_expiry: no_result", "on_expiry: keep", "approvals.desk-then-finance.on_expiry: no_result -> keep (looser)"),
    "order": ("exclude_requester: true", "order: together", "approvals.desk-then-finance.order: in_turn -> together"),
    "rejections": ("exclude_requester: true", "reject_quorum: 2", "approvals.desk-then-finance.reject_quorum: 1 -> 2 (looser)"),
    "comment": ("exclude_requester: true", "comment_required: approve", "approvals.desk-then-finance.comment_required: [] -> [approve] (tighter)"),
    "sources": ("sources: {admit: 'source.status == \"approved\" && source.owner.endsWith(\"@corp.example\")'}", "", 'sources: removed: admit source.status == "approved" && source.owner.endsWith("@corp.example") (looser)'),
    "tool": ("  lookup_claim: allow\n", "", "tools.lookup_claim: removed: otherwise allow, rules none"),
}  # fmt: skip


def test_an_exemption_in_words() -> None:
    assert changed("exclude_requester: true", EXEMPT) == [
        "approvals.desk-then-finance.exclude_requester: true -> false (looser)",
        "approvals.desk-then-finance.exemption: added: reason one clerk at night (looser)",
    ]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_in_words(change: tuple[str, str, str]) -> None:
    old, new, words = change
    assert changed(old, new) == [words]


def test_equal_policies_do_not_differ(tmp_path: Path) -> None:
    document = Policy.from_file(write(tmp_path)).document
    again = Policy.from_dict(as_mapping(document), directory=people()).document
    assert diff(document, again) == ()


def test_rules_are_compared_by_id_not_by_place() -> None:
    one = policy_of(rule("turn > 1", name="a"), rule("turn > 2", name="b")).document
    other = policy_of(rule("turn > 2", name="b"), rule("turn > 1", name="a")).document
    assert diff(one, other) == ()


def test_a_new_rejecting_rule_is_tighter_and_a_new_allowing_one_is_not_said_to_be() -> None:
    one = policy_of().document
    tighter = policy_of(rule("turn > 1", name="a")).document
    other = policy_of(rule("turn > 1", "allow", name="a")).document
    assert [change.direction for change in diff(one, tighter)] == ["tighter"]
    assert [change.direction for change in diff(tighter, one)] == ["looser"]
    assert [change.direction for change in diff(one, other)] == [None]
