"""Breaking the glass and reviewing it, at the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import POLICY, Desk, Line

GLASS = """
    break_glass:
      people: [nina@example.com]
      valid_for: 10m
      review_by: {people: [rosa@example.com], within: 2d}
"""
PEOPLE = """people:
  - {id: dana, email: dana@example.com, roles: [manager]}
  - {id: nina, email: nina@example.com}
  - {id: rosa, email: rosa@example.com}
"""
REASON = "The [bold]ward[/] has no power."


@pytest.fixture
def line(line: Line) -> Line:
    Path(line.folder / "policy.yaml").write_text(POLICY.rstrip() + GLASS)
    Path(line.folder / "people.yaml").write_text(PEOPLE)
    return line


def test_the_glass_is_broken_told_and_reviewed(line: Line, desk: Desk) -> None:
    approval = desk.start("t")
    name = approval.request.id
    words = ("approvals", "break-glass", name, "--as", "nina@example.com", "--reason", REASON, "--digest")
    wrong = line(*words, "0" * 12)
    assert (wrong.status, desk.paid) == (2, [])
    broken = line(*words, approval.digest[:12])
    assert (broken.status, broken.err) == (0, "")
    assert "the glass is broken: approval is approved" in broken.out
    desk.go_on("t")
    assert desk.paid == ["C-[red]1"]

    told = line("trace", "t").out
    assert "GLASS BROKEN by nina" in told
    assert REASON in told
    shown = line("approvals", "show", name).out
    assert "the glass was broken" in shown

    listed = line("reviews", "list").out
    assert "nina" in listed
    assert REASON in listed
    (review,) = json.loads(line("reviews", "list", "--json").out)
    assert (review["approval_id"], review["state"]) == (name, "open")
    own = line("reviews", "close", name, "justified", "--as", "nina@example.com", "--comment", "fine")
    assert (own.status, "broke the glass" in own.err) == (2, True)
    closed = line("reviews", "close", name, "not_justified", "--as", "rosa@example.com", "--comment", "no")
    assert (closed.status, closed.err) == (0, "")
    assert "not justified" in closed.out
    assert json.loads(line("reviews", "list", "--json").out) == []
    assert "not justified" in line("reviews", "list", "--all").out
    assert "reviewed by rosa: not justified" in line("trace", "t").out


def test_who_is_not_named_breaks_nothing(line: Line, desk: Desk) -> None:
    approval = desk.start("t")
    refused = line(
        "approvals", "break-glass", approval.request.id, "--as", "dana@example.com", "--reason", REASON, "--digest",
        approval.digest,
    )  # fmt: skip
    assert (refused.status, "not named" in refused.err) == (2, True)
    assert json.loads(line("reviews", "list", "--json").out) == []
