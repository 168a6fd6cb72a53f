"""What a policy file may say about emergencies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardkit import PeopleDirectory, Person, Policy
from guardkit.errors import PolicyError
from guardkit.policy.emergencies import narrowest

pytestmark = pytest.mark.promise("P5", "P15")

PEOPLE = """
people:
  - {id: dana, email: dana@corp.example}
  - {id: nina, email: nina@corp.example, identities: ["slack:T1:NINA"]}
  - {id: rosa, email: rosa@corp.example, groups: [board]}
  - {id: gone, email: gone@corp.example, active: false}
  - {id: far, email: far@corp.example, tenant: other, groups: [far-board]}
"""
POLICY = """policy: p
version: "1"
owner: o
directory: people.yaml
default: reject
tools:
  pay: {otherwise: escalate, approval: desk}
approvals:
  desk:
    stages:
      - {approvers: [dana@corp.example], channel: desk}
    expires_in: 8h
    on_expiry: reject
    break_glass:
      people: PEOPLE
      valid_for: VALID
      reason_length: LENGTH
      review_by: REVIEW
"""
WELL = {
    "PEOPLE": "[nina@corp.example]",
    "VALID": "15m",
    "LENGTH": "20",
    "REVIEW": "{groups: [board], within: 2d}",
}


def _load(tmp_path: Path, **changes: str) -> Policy:
    text = POLICY
    for name, value in {**WELL, **changes}.items():
        text = text.replace(f": {name}\n", f": {value}\n")
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return Policy.from_file(path)


def test_what_is_said_is_what_holds(tmp_path: Path) -> None:
    glass = _load(tmp_path).route(["desk"]).break_glass
    assert glass is not None
    assert (glass.people, glass.valid_for, glass.reason_length) == (("nina@corp.example",), 900.0, 20)
    assert (glass.reviewers, glass.review_groups, glass.review_within) == ((), ("board",), 172_800.0)


@pytest.mark.parametrize(
    ("changes", "line", "field", "said", "remedy"),
    [
        pytest.param({"PEOPLE": "[]"}, 15, "people", "names nobody", "name people", id="empty"),
        pytest.param({"PEOPLE": "{group: board}"}, 15, "people", "is a group", "one by one", id="group"),
        pytest.param({"PEOPLE": "[{group: board}]"}, 15, "people[0]", "is a group", "one by one", id="group-listed"),
        pytest.param({"PEOPLE": '["*"]'}, 15, "people[0]", "is a pattern", "one by one", id="everybody"),
        pytest.param({"PEOPLE": '["*@corp.example"]'}, 15, "people[0]", "is a pattern", "one by one", id="pattern"),
        pytest.param({"PEOPLE": "[nnina@corp.example]"}, 15, "people[0]", "does not know", "did you mean", id="unknown"),
        pytest.param({"PEOPLE": "[gone@corp.example]"}, 15, "people[0]", "not active", "somebody else", id="gone"),
        pytest.param({"VALID": "61m"}, 16, "valid_for", "longer than 1h", "shorter", id="too-long"),
        pytest.param({"VALID": "0s"}, 16, "valid_for", "not between", "write it like", id="no-time"),
        pytest.param({"LENGTH": "9"}, 17, "reason_length", "at least 10", "", id="no-reason"),
        pytest.param({"REVIEW": "null"}, 14, "break_glass", "no review_by", "who reviews", id="no-review"),
        pytest.param({"REVIEW": "{within: 2d}"}, 18, "review_by", "nobody who reviews", "name people", id="nobody"),
        pytest.param({"REVIEW": "{groups: [board]}"}, 18, "within", "is missing", "", id="no-end"),
        pytest.param({"REVIEW": "{groups: [board], within: 31d}"}, 18, "within", "longer than 30d", "shorter", id="late"),
        pytest.param({"REVIEW": "{groups: [bored], within: 2d}"}, 18, "groups[0]", "in the group", "did you mean", id="no-group"),
        pytest.param(
            {"REVIEW": "{people: [Nina@corp.example], within: 2d}"}, 18, "review_by", "only one who reviews", "somebody else",
            id="oneself",
        ),
        pytest.param(
            {"REVIEW": '{people: [nina, "slack:T1:NINA"], within: 2d}'}, 18, "review_by", "nobody but", "somebody else",
            id="oneself-by-other-names",
        ),
        pytest.param(
            {"REVIEW": "{groups: [far-board], within: 2d}"}, 18, "review_by", "nobody but", "same tenant", id="another-tenant",
        ),
        pytest.param(
            {"REVIEW": "{people: [gone@corp.example], within: 2d}"}, 18, "review_by", "nobody but", "active", id="only-who-left",
        ),
    ],
)  # fmt: skip
def test_what_would_protect_nobody_is_refused_with_its_line(
    tmp_path: Path, changes: dict[str, str], line: int, field: str, said: str, remedy: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        _load(tmp_path, **changes)
    error = refused.value
    assert (error.line, (error.file or "").endswith("policy.yaml")) == (line, True)
    assert (error.field or "").endswith(field)
    assert said in error.message
    assert remedy in (error.remedy or "")


def _routes(first: dict[str, Any] | None, second: dict[str, Any] | None) -> Policy:
    def route(glass: dict[str, Any] | None) -> dict[str, Any]:
        stage = {"approvers": ["dana"], "channel": "desk"}
        given = {} if glass is None else {"break_glass": glass}
        return {"stages": [stage], "expires_in": "8h", "on_expiry": "reject", **given}

    directory = PeopleDirectory([Person(id=name) for name in ("dana", "nina", "omar", "rosa")])
    document = {
        "policy": "p",
        "version": "1",
        "owner": "o",
        "default": "reject",
        "approvals": {"a": route(first), "b": route(second)},
    }
    return Policy.from_dict(document, directory=directory)


FIRST = {
    "people": ["nina", "omar"],
    "valid_for": "10m",
    "review_by": {"people": ["rosa", "dana"], "within": "2d"},
}
SECOND = {
    "people": ["omar"],
    "valid_for": "20m",
    "reason_length": 50,
    "review_by": {"people": ["dana"], "within": "1d"},
}


def test_where_routes_must_agree_only_what_all_allow_holds() -> None:
    glass = _routes(FIRST, SECOND).route(["a", "b"]).break_glass
    assert glass is not None
    assert (glass.people, glass.reviewers) == (("omar",), ("dana",))
    assert (glass.valid_for, glass.reason_length, glass.review_within) == (600.0, 50, 86_400.0)
    assert _routes(FIRST, None).route(["a", "b"]).break_glass is None
    apart = {**SECOND, "people": ["rosa"]}
    assert _routes(FIRST, apart).route(["a", "b"]).break_glass is None
    assert narrowest([]) is None


def test_a_route_without_it_keeps_its_hash_and_one_with_it_has_another() -> None:
    def hash_of(first: dict[str, Any] | None) -> str:
        return _routes(first, None).route_hash("pay", ["a"])

    assert len({hash_of(None), hash_of(FIRST), hash_of({**FIRST, "valid_for": "11m"})}) == 3


def test_reviewers_are_reached_by_channels_and_reminded(tmp_path: Path) -> None:
    told = _load(tmp_path, REVIEW="{groups: [board], within: 2d, channel: [risk, mail], remind: 6h}")
    glass = told.route(["desk"]).break_glass
    assert glass is not None
    assert (glass.review_channels, glass.reminder) == (("risk", "mail"), 6 * 3600.0)
    assert set(told.channels) == {"desk", "risk", "mail"}
    one = _load(tmp_path, REVIEW="{groups: [board], within: 2d, channel: risk}").route(["desk"]).break_glass
    assert one is not None
    assert (one.review_channels, one.reminder) == (("risk",), 2 * 86400.0)


def test_a_policy_that_says_nothing_of_it_keeps_its_hashes(tmp_path: Path) -> None:
    """Those that a process of a release before reviewers were written to has made of the same file."""
    policy = _load(tmp_path)
    assert (
        policy.route_hash("pay", ["desk"])
        == "318e7b4e13f95a9bd25914bf2b4309e04ec9e8a2f2e14ffab2cb769934ddb76c"
    )
    told = _load(tmp_path, REVIEW="{groups: [board], within: 2d, channel: risk}")
    assert told.route_hash("pay", ["desk"]) != policy.route_hash("pay", ["desk"])


@pytest.mark.parametrize(
    ("review", "said"),
    [
        ("{groups: [board], within: 2d, remind: 1m}", "1m is shorter than 5m"),
        ("{groups: [board], within: 2d, channel: 3}", "review_by"),
        ("{groups: [board], within: 2d, channels: risk}", "channels"),
    ],
)
def test_what_reviews_cannot_say_of_channels(tmp_path: Path, review: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        _load(tmp_path, REVIEW=review)
