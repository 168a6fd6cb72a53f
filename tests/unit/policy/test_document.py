"""Every slip in a policy file is an error that names file, line, field, value and remedy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from guardkit.errors import PolicyError
from guardkit.policy import Approver, Policy, PolicyDocument, RouteEntry, StageEntry, ToolEntry, ToolRule
from guardkit.policy.document import as_mapping
from tests.unit.policy.desk import PEOPLE, POLICY, people, write

pytestmark = pytest.mark.promise("P15")

NEGATIVE = 'when: "args.amount <= 0.0"'

SLIPS: dict[str, tuple[str, str, str, str]] = {
    # what: old text, new text, message, field
    "version as a number": ('"3.2"', "3.2", r"not the number 3\.2 \(quote it", "version"),
    "unknown key": ("owner:", "ownr:", "did you mean 'owner'", "ownr"),
    "unknown default": ("default: reject", "default: allow", "'allow' is not one of 'reject' or 'escalate'", "default"),
    "misspelt decision": ("lookup_claim: allow", "lookup_claim: alow", "did you mean 'allow'", "tools.lookup_claim.otherwise"),
    "unknown key of a rule": ("why: \"not a payment\"", "wy: \"not a payment\"", "did you mean 'why'", "tools.pay_claim.rules[0].wy"),
    "rule without why": (", why: \"not a payment\"", "", "needs a why", "tools.pay_claim.rules[0]"),
    "tell_model of an allow": ("decide: allow}", "decide: allow, tell_model: x}", "belongs to 'reject'", "tools.pay_claim.rules[2].tell_model"),
    "reason of a reject": ("decide: reject, why: \"not", "decide: reject, reason: no_progress, why: \"not", "belongs to 'stop'", "tools.pay_claim.rules[0].reason"),
    "rule id with a dot": ("id: pay-small", "id: pay.small", r"'pay\.small' is not a name", "tools.pay_claim.rules[2].id"),
    "rule id twice": ("id: pay-small", "id: pay-negative", "stands twice, first in line 14", "tools.pay_claim.rules[2].id"),
    "duration without a unit": ("expires_in: 8h", "expires_in: 8", "duration is text with units", "approvals.desk-then-finance.expires_in"),
    "misspelt duration": ("expires_in: 8h", "expires_in: 8hours", "'8hours' is not a duration", "approvals.desk-then-finance.expires_in"),
    "expiry without a meaning": ("    on_expiry: no_result\n", "", "is missing", "approvals.desk-then-finance.on_expiry"),
    "text as a number": ("required: 2", 'required: "2"', "must be a whole number, not '2'", "approvals.desk-then-finance.stages[1].required"),
    "nobody required": ("required: 2", "required: 0", "must be at least 1, not 0", "approvals.desk-then-finance.stages[1].required"),
    "text as a truth value": ("exclude_requester: true", "exclude_requester: 'yes'", "must be true or false", "approvals.desk-then-finance.exclude_requester"),
    "requester without a reason": ("exclude_requester: true", "exclude_requester: false", r"names no exemption \(say why with `exemption", "approvals.desk-then-finance.exclude_requester"),
    "exemption of nobody": ("exclude_requester: true", "exclude_requester: true\n    exemption: {reason: x}", "nothing to exempt", "approvals.desk-then-finance.exemption"),
    "exemption without a reason": ("exclude_requester: true", "exemption: {people: [u1]}\n    exclude_requester: false", "is missing", "approvals.desk-then-finance.exemption.reason"),
    "exemption with an empty reason": ("exclude_requester: true", "exemption: {reason: ''}\n    exclude_requester: false", "must not be empty", "approvals.desk-then-finance.exemption.reason"),
    "exemption as text": ("exclude_requester: true", "exemption: night shift\n    exclude_requester: false", "must be a mapping", "approvals.desk-then-finance.exemption"),
    "exemption of an unknown person": ("exclude_requester: true", "exemption: {reason: x, people: [frst@corp.example]}\n    exclude_requester: false", "did you mean 'first@corp.example'", "approvals.desk-then-finance.exemption.people[0]"),
    "exemption of an unknown group": ("exclude_requester: true", "exemption: {reason: x, people: {group: finance-dsk}}\n    exclude_requester: false", "did you mean 'finance-desk'", "approvals.desk-then-finance.exemption.people[0]"),
    "unknown order": ("exclude_requester: true", "order: togther", "did you mean 'together'", "approvals.desk-then-finance.order"),
    "no rejection ends it": ("exclude_requester: true", "reject_quorum: 0", "must be at least 1, not 0", "approvals.desk-then-finance.reject_quorum"),
    "too few people to reject": ("required: 2,", "required: 2, reject_quorum: 3,", "needs 3 people to reject, and 2 active people are eligible", "approvals.desk-then-finance.stages[1]"),
    "comment with what needs one anyway": ("exclude_requester: true", "comment_required: [reject]", "'reject'", "approvals.desk-then-finance.comment_required[0]"),
    "comment with what is not allowed": ("exclude_requester: true", "comment_required: [edit]", "not among the allowed_decisions", "approvals.desk-then-finance.comment_required"),
    "unknown assurance": ("assurance: oidc", "assurance: oicd", "did you mean 'oidc'", "approvals.desk-then-finance.stages[1].assurance"),
    "approvers as text": ("approvers: [first@corp.example]", "approvers: first@corp.example", "must be a list", "approvals.desk.stages[0].approvers"),
    "no approvers": ("approvers: [first@corp.example]", "approvers: []", "must have at least 1 entry", "approvals.desk.stages[0].approvers"),
    "group misspelt": ("{group: finance-desk}", "{grup: finance-desk}", "did you mean 'group'", "approvals.desk-then-finance.stages[1].approvers[0].grup"),
    "nobody can say no": ("allowed_decisions: [approve, reject]", "allowed_decisions: [approve]", "lacks 'reject'", "approvals.desk-then-finance.allowed_decisions"),
    "escalation to nobody named": ("valid_for: 30m", "escalate: [{after: 2h, channel: heads}]", "is missing", "approvals.desk-then-finance.escalate[0].add"),
    "escalation to an unknown group": ("valid_for: 30m", "escalate: [{after: 2h, add: {group: finance-dsk}, channel: heads}]", "did you mean 'finance-desk'", "approvals.desk-then-finance.escalate[0].add[0]"),
    "escalation to an unknown role": ("valid_for: 30m", "escalate: [{after: 2h, add: [u1], role: finanse, channel: heads}]", "nobody in the directory has the role", "approvals.desk-then-finance.escalate[0].role"),
    "escalation that adds nobody": ("valid_for: 30m", "escalate: [{after: 2h, add: [u1], role: finance, channel: heads}]", "adds nobody", "approvals.desk-then-finance.escalate[0]"),
    "escalation after the end": ("valid_for: 30m", "escalate: [{after: 8h, add: [u1], channel: heads}]", "8h is not before expires_in, 8h", "approvals.desk-then-finance.escalate"),
    "reminder after the end": ("valid_for: 30m", "remind: [1h, 9h]", "9h is not before expires_in, 8h", "approvals.desk-then-finance.remind"),
    "reminder at no time": ("valid_for: 30m", "remind: [0s]", "'0s' is not between one second", "approvals.desk-then-finance.remind[0]"),
    "overlays": ("budgets:", "overlays: {}\nbudgets:", "not enforced by this version", "overlays"),
    "fraction of a step": ("steps: 12", "steps: 1.5", "must be a whole number", "budgets.steps"),
    "budget of nothing": ("steps: 12", "steps: 0", "must be at least 1", "budgets.steps"),
    "number too large": ("steps: 12", "steps: 99999999999999999", "outside", "budgets.steps"),
    "unknown route": ("approval: desk-then-finance", "approval: desk-then-finanse", "did you mean 'desk-then-finance'", "tools.pay_claim.approval"),
    "unknown review route": ("review: desk", "review: dask", "did you mean 'desk'", "review"),
    "unknown role": ("role: finance,", "role: finanse,", "nobody in the directory has the role 'finanse'", "approvals.desk-then-finance.stages[1].role"),
    "unknown group": ("group: finance-desk", "group: finance-dsk", "did you mean 'finance-desk'", "approvals.desk-then-finance.stages[1].approvers[0]"),
    "unknown person": ("[first@corp.example, second", "[frst@corp.example, second", "did you mean 'first@corp.example'", "approvals.desk-then-finance.stages[0].approvers[0]"),
    "too few people": ("required: 2", "required: 3", "needs 3 people, and 2 active people are eligible", "approvals.desk-then-finance.stages[1]"),
    "broken condition": (NEGATIVE, 'when: "args.amount <="', "has an unexpected end, at character 15", "tools.pay_claim.rules[0].when"),
    "unknown variable": (NEGATIVE, 'when: "arg.amount <= 0.0"', "did you mean 'args'", "tools.pay_claim.rules[0].when"),
    "unknown function": (NEGATIVE, 'when: "taint(args.amount)"', "did you mean 'tainted'", "tools.pay_claim.rules[0].when"),
    "condition without a truth value": (NEGATIVE, 'when: "1 + 1"', "gives a whole number, not a truth value", "tools.pay_claim.rules[0].when"),
    "unknown field of a source": ("source.status ==", "source.state ==", "did you mean 'status'", "sources.admit"),
    "status that does not exist": ('== "approved"', '== "aproved"', "did you mean 'approved'", "sources.admit"),
    "tainted source": ("source.status ==", "tainted(source.id) || source.status ==", "unknown function 'tainted'", "sources.admit"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message", "field"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_told_with_line_field_and_remedy(
    tmp_path: Path, old: str, new: str, message: str, field: str
) -> None:
    assert old in POLICY
    changed = POLICY.replace(old, new, 1)
    path = write(tmp_path, changed)
    with pytest.raises(PolicyError, match=message) as caught:
        Policy.from_file(path)
    error = caught.value
    assert error.field == field
    assert error.file == str(path)
    assert error.line is not None
    assert error.line == _line(changed, old, new) or "missing" in error.message


def _line(text: str, old: str, new: str) -> int:
    """The line that the slip is in: the first that differs from the right policy, or where the new text is."""
    right = POLICY.splitlines()
    return next(
        number
        for number, line in enumerate(text.splitlines(), start=1)
        if number > len(right) or line != right[number - 1]
    )


def test_every_tool_name_is_checked_against_the_graph(tmp_path: Path) -> None:
    from tests.unit.policy.desk import TOOLS

    policy = Policy.from_file(write(tmp_path, POLICY.replace("lookup_claim: allow", "lookup_clam: allow")))
    with pytest.raises(PolicyError, match="there is no tool 'lookup_clam'") as caught:
        policy.bind(TOOLS)
    assert caught.value.remedy == "did you mean 'lookup_claim'?"
    assert caught.value.line == 9


def test_approvals_need_people() -> None:
    document: dict[str, Any] = {
        "policy": "p",
        "version": "1",
        "owner": "o",
        "default": "reject",
        "approvals": {
            "r": {
                "stages": [{"approvers": ["a@x"], "channel": "c"}],
                "expires_in": "1h",
                "on_expiry": "reject",
            }
        },
    }
    with pytest.raises(PolicyError, match="no directory of people"):
        Policy.from_dict(document)


@pytest.mark.parametrize("entry", ["escalate", {"otherwise": "allow", "rules": [
    {"id": "r", "when": "true", "decide": "escalate", "why": "w"}]}], ids=["otherwise", "rule"])  # fmt: skip
def test_an_escalation_needs_a_route(entry: Any) -> None:
    document = {"policy": "p", "version": "1", "owner": "o", "default": "reject", "tools": {"t": entry}}
    with pytest.raises(PolicyError, match="escalates, and names no route"):
        Policy.from_dict(document)


def test_the_default_needs_a_route_to_escalate() -> None:
    with pytest.raises(PolicyError, match="default: escalates, and names no route"):
        Policy.from_dict({"policy": "p", "version": "1", "owner": "o", "default": "escalate"})


@pytest.mark.parametrize("value", [{1: 2}, {"policy": {1, 2}}, {"policy": float("nan")}, {"policy": "\ud800"}, {}],
                         ids=["key", "set", "nan", "surrogate", "empty"])  # fmt: skip
def test_a_mapping_that_is_not_json_is_refused(value: dict[Any, Any]) -> None:
    with pytest.raises(PolicyError):
        Policy.from_dict(value)


def test_the_first_mistake_is_told_and_the_others_counted(tmp_path: Path) -> None:
    text = POLICY.replace("on_expiry: no_result", "on_expiry: never").replace("steps: 12", "steps: none")
    with pytest.raises(
        PolicyError, match=r"on_expiry: 'never' is not one of .*; 1 more mistake in this file"
    ):
        Policy.from_file(write(tmp_path, text))


def test_a_document_is_the_file_again(tmp_path: Path) -> None:
    policy = Policy.from_file(write(tmp_path))
    again = Policy.from_dict(as_mapping(policy.document), directory=people())
    assert again.document == policy.document
    assert again.hash == policy.hash


def test_a_policy_is_built_in_python_from_the_same_models(tmp_path: Path) -> None:
    stage = StageEntry(approvers=(Approver(identity="first@corp.example"),), channel=("claims-desk",))
    document = PolicyDocument(
        policy="claims",
        version="1",
        owner="tests",
        default="reject",
        tools={"pay_claim": ToolEntry(otherwise="escalate", approval="desk", rules=(
            ToolRule(id="r", when="args.amount < 0.0", decide="reject", why="no payment"),))},
        approvals={"desk": RouteEntry(stages=(stage,), expires_in=timedelta(hours=8), on_expiry="reject")},  # pyright: ignore[reportArgumentType]
    )  # fmt: skip
    built = Policy(document, directory=people())
    assert built.route(["desk"]).expires_in == 28800
    assert Policy.from_dict(as_mapping(document), directory=people()).hash == built.hash


def test_the_order_of_keys_is_no_part_of_the_hash(tmp_path: Path) -> None:
    head, tail = POLICY.split("tools:\n")
    tools, rest = tail.split("approvals:\n")
    moved = f"{head}approvals:\n{rest}tools:\n{tools}"
    assert Policy.from_file(write(tmp_path, moved)).hash == Policy.from_file(write(tmp_path)).hash


def test_comments_are_no_part_of_the_hash_and_rules_are(tmp_path: Path) -> None:
    one = Policy.from_file(write(tmp_path)).hash
    assert Policy.from_file(write(tmp_path, f"# a comment\n{POLICY}")).hash == one
    assert Policy.from_file(write(tmp_path, POLICY.replace("<= 0.0", "< 0.0"))).hash != one


def test_people_are_found_beside_the_policy(tmp_path: Path) -> None:
    policy = Policy.from_file(write(tmp_path))
    assert policy.directory is not None
    found = policy.directory.find("slack:T1:U2")
    assert found is not None
    assert found.id == "u2"


def test_a_directory_that_is_handed_in_stands_in_for_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, people_text="people: 1")
    with pytest.raises(PolicyError, match=r"people\.yaml:1: people: must be a list"):
        Policy.from_file(path)
    assert Policy.from_file(path, directory=people()).name == "claims"


def test_a_people_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, people_text=PEOPLE)
    (tmp_path / "people.yaml").unlink()
    with pytest.raises(PolicyError, match=r"people\.yaml: cannot be read"):
        Policy.from_file(path)
