"""What a policy file may say about standing approvals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardkit import Policy, ToolKind
from guardkit.core.amounts import StandingAmount
from guardkit.core.standing import StandingOffer
from guardkit.errors import PolicyError
from guardkit.policy.diff import diff
from guardkit.policy.standing import least
from guardkit.policy.tools import ToolSchema

pytestmark = pytest.mark.promise("P5", "P15")

PEOPLE = "people:\n  - {id: dana, email: dana@corp.example}\n"
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
    standing:
      scopes: SCOPES
      for_at_most: LONGEST
      uses: USES
      amount: AMOUNT
      same: SAME
"""
WELL = {
    "SCOPES": "[thread, requester]",
    "LONGEST": "8h",
    "USES": "20",
    "AMOUNT": "{argument: cents, at_most: 5000.50}",
    "SAME": "[claim]",
}


def _load(tmp_path: Path, text: str = POLICY, **changes: str) -> Policy:
    for name, value in {**WELL, **changes}.items():
        text = text.replace(f": {name}\n", f": {value}\n")
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return Policy.from_file(path)


def _tools(**properties: Any) -> dict[str, ToolSchema]:
    there: dict[str, Any] = {"claim": {"type": "string"}, "cents": {"type": "integer"}, **properties}
    there = {name: shape for name, shape in there.items() if shape is not None}
    schema: dict[str, Any] = {"type": "object", "properties": there, "required": list(there)}
    return {"pay": ToolSchema(name="pay", kind=ToolKind.EFFECT, json_schema=schema, schema_version="s1")}


def test_what_is_said_is_what_holds(tmp_path: Path) -> None:
    offer = _load(tmp_path).bind(_tools()).route(["desk"]).standing
    assert offer == StandingOffer(
        scopes=("thread", "requester"),
        seconds=28_800.0,
        uses=20,
        amount=StandingAmount(argument="cents", at_most="5000.5"),
        same=("claim",),
    )
    alone = _load(tmp_path, SCOPES="thread", AMOUNT="null", SAME="[]").route(["desk"]).standing
    assert alone == StandingOffer(scopes=("thread",), seconds=28_800.0, uses=20)


@pytest.mark.parametrize(
    ("changes", "line", "field", "said", "remedy"),
    [
        pytest.param({"SCOPES": "[]"}, 15, "scopes", "at least 1", "", id="nowhere"),
        pytest.param({"SCOPES": "[tenant]"}, 15, "scopes[0]", "not one of", "known: requester, thread", id="tenant"),
        pytest.param({"SCOPES": "[thread, thread]"}, 15, "scopes", "stands twice", "once", id="twice"),
        pytest.param({"LONGEST": "31d"}, 16, "for_at_most", "longer than 30d", "shorter", id="too-long"),
        pytest.param({"LONGEST": "0s"}, 16, "for_at_most", "not between", "write it like", id="no-time"),
        pytest.param({"LONGEST": "4 business hours"}, 16, "for_at_most", "is not a duration", "write it like", id="working-time"),
        pytest.param({"USES": "0"}, 17, "uses", "at least 1", "", id="no-use"),
        pytest.param({"USES": "1001"}, 17, "uses", "at most 1000", "", id="too-often"),
        pytest.param({"USES": "2.5"}, 17, "uses", "whole number", "", id="half-a-use"),
        pytest.param({"AMOUNT": "{argument: cents, at_most: 0}"}, 18, "amount.at_most", "above zero", "write it like", id="nothing"),
        pytest.param({"AMOUNT": "{argument: cents, at_most: -5}"}, 18, "amount.at_most", "above zero", "write it like", id="less-than-nothing"),
        pytest.param({"AMOUNT": "{argument: cents, at_most: lots}"}, 18, "amount.at_most", "above zero", "write it like", id="lots"),
        pytest.param({"AMOUNT": "{argument: cents, at_most: true}"}, 18, "amount.at_most", "above zero", "write it like", id="true"),
        pytest.param({"AMOUNT": "{argument: cents}"}, 18, "amount.at_most", "is missing", "", id="no-limit"),
        pytest.param({"AMOUNT": "{argument: cents, most: 5}"}, 18, "amount.most", "not a known key", "at_most", id="unknown-key"),
        pytest.param({"SAME": "[cents]"}, 19, "same", "is summed", "limit the sum", id="summed-and-same"),
        pytest.param({"SAME": "[claim, claim]"}, 19, "same", "stands twice", "once", id="same-twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told(
    tmp_path: Path, changes: dict[str, str], line: int, field: str, said: str, remedy: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        _load(tmp_path, **changes)
    error = refused.value
    assert (error.line, error.field) == (line, f"approvals.desk.standing.{field}")
    assert said in str(error)
    assert remedy in (error.remedy or "")


@pytest.mark.parametrize(
    ("properties", "line", "field", "said"),
    [
        ({"cents": None}, 18, "amount.argument", "has no argument 'cents'"),
        ({"cents": {"type": "string"}}, 18, "amount.argument", "is text"),
        ({"cents": {"type": "boolean"}}, 18, "amount.argument", "is a truth value"),
        ({"cents": {}}, 18, "amount.argument", "unknown type"),
        (
            {"cents": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
            18,
            "amount.argument",
            "may be missing",
        ),
        ({"claim": None}, 19, "same[0]", "has no argument 'claim'"),
    ],
)
def test_it_must_fit_the_tools_on_the_route(
    tmp_path: Path, properties: dict[str, Any], line: int, field: str, said: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        _load(tmp_path).bind(_tools(**properties))
    error = refused.value
    assert (error.line, error.field) == (line, f"approvals.desk.standing.{field}")
    assert said in str(error)
    assert "route of its own" in (error.remedy or "")


@pytest.mark.parametrize("shape", [{"type": "number"}, {"type": "string", "format": "decimal"}])
def test_numbers_and_decimals_are_summed(tmp_path: Path, shape: dict[str, Any]) -> None:
    assert _load(tmp_path).bind(_tools(cents=shape)).route(["desk"]).standing is not None


def test_tools_of_other_routes_need_no_such_argument(tmp_path: Path) -> None:
    tools = _tools()
    other = {"type": "object", "properties": {}}
    tools["mail"] = ToolSchema(name="mail", kind=ToolKind.EFFECT, json_schema=other, schema_version="s2")
    assert _load(tmp_path).bind(tools).route(["desk"]).standing is not None
    with pytest.raises(PolicyError, match="'mail'"):
        _load(tmp_path, POLICY.replace("default: reject", "default: escalate\nreview: desk")).bind(tools)


def test_routes_that_must_agree_permit_what_all_of_them_do() -> None:
    cents = StandingAmount(argument="cents", at_most="100")
    wide = StandingOffer(scopes=("thread", "requester"), seconds=100.0, uses=10, amount=cents, same=("a",))
    narrow = StandingOffer(scopes=("requester",), seconds=50.0, uses=20, same=("b",))
    assert least([wide, narrow]) == StandingOffer(
        scopes=("requester",), seconds=50.0, uses=10, amount=cents, same=("a", "b")
    )
    assert least([wide, None]) is None
    assert least([None]) is None
    assert least([narrow, StandingOffer(scopes=("thread",), seconds=1.0, uses=1)]) is None
    euros = wide.model_copy(update={"amount": StandingAmount(argument="euros", at_most="1")})
    assert least([wide, euros]) is None
    less = wide.model_copy(update={"amount": StandingAmount(argument="cents", at_most="9.5")})
    found = least([wide, less])
    assert found is not None
    assert found.amount == less.amount


def test_the_hash_of_a_route_without_it_is_that_of_before(tmp_path: Path) -> None:
    """Computed by the release before there were standing approvals."""
    text = POLICY[: POLICY.index("    standing:")]
    assert _load(tmp_path, text).route_hash("pay", ["desk"]) == (
        "68ba9d2ed1f5c64f6fd5edc790a98a42428b9773a4d49a62a62839dd7bd38798"
    )
    assert _load(tmp_path).route_hash("pay", ["desk"]) != _load(tmp_path, text).route_hash("pay", ["desk"])


def test_what_is_new_is_looser(tmp_path: Path) -> None:
    without = _load(tmp_path, POLICY[: POLICY.index("    standing:")]).document
    (change,) = diff(without, _load(tmp_path).document)
    assert (change.field, change.direction) == ("approvals.desk.standing", "looser")
    (change,) = diff(_load(tmp_path).document, without)
    assert change.direction == "tighter"
