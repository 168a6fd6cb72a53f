"""Standing approvals at the command line: given with a yes, listed, shown, revoked, told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import POLICY, Desk, Line

pytestmark = pytest.mark.promise("P5")

STANDING = """
    standing: {scopes: [thread, requester], for_at_most: 8h, uses: 5}
"""
YES = ("--standing", "thread", "--hours", "1.5", "--uses", "2")


@pytest.fixture
def line(line: Line) -> Line:
    Path(line.folder / "policy.yaml").write_text(POLICY.rstrip() + STANDING)
    return line


def _approve(line: Line, desk: Desk, *more: str) -> Any:
    approval = desk.start("t")
    words = ("approvals", "approve", approval.request.id, "--as", "dana@example.com", "--yes", "--digest")
    return line(*words, approval.digest, *more)


def test_it_is_given_listed_shown_used_told_and_revoked(line: Line, desk: Desk) -> None:
    taken = _approve(line, desk, *YES, "--json")
    assert taken.status == 0
    name = json.loads(taken.out)["standing"]
    desk.go_on("t")
    listed = line("approvals", "standing", "list").out
    assert name[:12] in listed
    assert "dana" in listed
    (item,) = json.loads(line("approvals", "standing", "list", "--json").out)["items"]
    assert (item["id"], item["state"], item["uses_left"]) == (name, "active", 2)
    assert item["until"] - item["given_at"] == 5400
    shown = line("approvals", "standing", "show", name[:6])
    assert "2 of 2 actions" in shown.out
    assert json.loads(line("approvals", "standing", "show", name, "--json").out) == item
    assert "standing approval" in line("trace", "t").out
    ended = line(
        "approvals", "standing", "revoke", name, "--as", "dana@example.com", "--why", "[red]enough[/]"
    )
    assert (ended.status, ended.err) == (0, "")
    assert json.loads(line("approvals", "standing", "list", "--json").out)["items"] == []
    assert "[red]enough[/]" in line("approvals", "standing", "show", name).out
    assert "revoked by dana" in line("trace", "t").out
    again = line("approvals", "standing", "revoke", name, "--by", "ops", "--why", "x")
    assert again.status != 0
    assert "already revoked" in again.err


def test_an_operator_revokes_it(line: Line, desk: Desk) -> None:
    assert _approve(line, desk, *YES).status == 0
    (item,) = json.loads(line("approvals", "standing", "list", "--json").out)["items"]
    ended = line("approvals", "standing", "revoke", item["id"], "--by", "ops", "--why", "incident", "--json")
    assert json.loads(ended.out)["revoked_by"] == "ops"


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--standing", "thread"), "needs --hours and --uses"),
        (("--hours", "1"), "go with --standing"),
        (("--standing", "tenant", "--hours", "1", "--uses", "1"), "not thread or requester"),
        ((*YES[:4], "--uses", "6"), "more than permitted"),
        (("--standing", "thread", "--hours", "9", "--uses", "1"), "more than permitted"),
        ((*YES, "--amount", "5"), "limits no amount"),
    ],
)
def test_what_cannot_be_used_is_told_and_decides_nothing(
    line: Line, desk: Desk, more: tuple[str, ...], said: str
) -> None:
    refused = _approve(line, desk, *more)
    assert refused.status != 0
    assert said in " ".join(refused.err.split())
    assert desk.paid == []
    assert json.loads(line("approvals", "standing", "list", "--all", "--json").out)["items"] == []


@pytest.mark.promise("P15")
def test_who_ends_what(line: Line, desk: Desk) -> None:
    assert _approve(line, desk, *YES).status == 0
    (item,) = json.loads(line("approvals", "standing", "list", "--json").out)["items"]
    revoke = ("approvals", "standing", "revoke")
    for words, said in (
        ((item["id"], "--why", "x"), "say who ends it"),
        ((item["id"], "--why", "x", "--as", "dana", "--by", "ops"), "say who ends it"),
        ((item["id"], "--why", "x", "--as", "mallory"), "nobody is known"),
        (("ab", "--why", "x", "--by", "ops"), "too short"),
        (("0" * 32, "--why", "x", "--by", "ops"), "no standing approval"),
    ):
        refused = line(*revoke, *words)
        assert refused.status != 0
        assert said in " ".join(refused.err.split()), refused.err
