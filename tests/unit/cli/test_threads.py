"""Finding threads on the command line."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Desk, Line


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """Two threads, one with a hostile name; one was answered."""
    desk.start("c-[red]1")
    desk.start("d-2")
    return desk


def ids(text: str) -> list[str]:
    return [one["thread_id"] for one in json.loads(text)["threads"]]


def test_threads_are_listed_page_by_page(line: Line, filled: Desk) -> None:
    listed = line("threads", "list")
    assert (listed.status, listed.err) == (0, "")
    assert "c-[red]1" in listed.out
    assert "kim@example.com" in listed.out
    first = line("threads", "list", "--limit", "1", "--json").out
    assert ids(first) == ["d-2"]
    cursor = json.loads(first)["next"]
    assert f"--cursor {cursor}" in line("threads", "list", "--limit", "1").out
    second = line("threads", "list", "--limit", "1", "--cursor", cursor, "--json").out
    assert ids(second) == ["c-[red]1"]
    assert json.loads(second)["next"] is None


def test_threads_are_filtered(line: Line, filled: Desk) -> None:
    asked = [
        (["--status", "paused", "--agent", "claims", "--pending"], ["d-2", "c-[red]1"]),
        (["--prefix", "c-", "--principal", "kim@example.com", "--since", "1h"], ["c-[red]1"]),
        (["--no-pending"], []),
        (["--until", "1h"], []),
        (["--tenant", "north"], []),
    ]
    for words, expected in asked:
        assert ids(line("threads", "list", "--json", *words).out) == expected, words


def test_one_thread_is_shown(line: Line, filled: Desk) -> None:
    shown = line("threads", "show", "c-[red]1")
    assert shown.status == 0
    assert "c-[red]1" in shown.out
    assert "paused" in shown.out
    found = json.loads(line("threads", "show", "d-2", "--json").out)
    assert (found["status"], found["pending_approvals"]) == ("paused", 1)


def test_threads_are_counted(line: Line, filled: Desk) -> None:
    counted = json.loads(line("threads", "count", "--json").out)
    assert counted == [{"agent": "claims", "status": "paused", "threads": 2}]
    assert "claims" in line("threads", "count", "--prefix", "d").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list", "--cursor", "nonsense"], "begin without a cursor"),
        (["list", "--since", "1h", "--until", "2h"], "is not after since"),
        (["list", "--since", "soon"], "--since 'soon' is no time"),
        (["count", "--until", "soon"], "--until 'soon' is no time"),
        (["list", "--limit", "0"], "limit is 0"),
        (["list", "--agent", ""], "agent has 0 characters"),
        (["list", "--status", "asleep"], "asleep"),
        (["show", "d-2", "--tenant", "north"], "tenant 'north' has no thread 'd-2'"),
    ],
)
def test_what_cannot_be_asked_is_told(line: Line, filled: Desk, words: list[str], told: str) -> None:
    ran = line("threads", *words)
    assert ran.status == 2
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_the_cursor_of_another_tenant_is_refused(line: Line, filled: Desk) -> None:
    cursor = json.loads(line("threads", "list", "--limit", "1", "--json").out)["next"]
    ran = line("threads", "list", "--tenant", "north", "--cursor", cursor)
    assert ran.status == 2
    assert "another tenant or with other filters" in ran.err
