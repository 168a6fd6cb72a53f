"""Deciding at a real terminal: 80 columns, keys, an editor."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guardkit.core.approvals import ApprovalState
from tests.demo.test_demo import Terminal
from tests.unit.cli.office import ARGS, Office, hash_of

WIDTH = 80


@contextmanager
def terminal(office: Office, *words: str, **environment: str) -> Iterator[Terminal]:
    """`guardkit approvals …` at a terminal of 80 columns, as over ssh."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "guardkit", "approvals", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"PATH": "/usr/bin:/bin", "TERM": "xterm", **office.environment, **environment},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)


def editor(folder: Path, *rounds: tuple[str, str]) -> str:
    """An editor that replaces a text by another, each time it is opened the next."""
    script = folder / "editor.py"
    script.write_text(
        "import pathlib, sys\n"
        f"rounds = {rounds!r}\n"
        "count = pathlib.Path(__file__).with_suffix('.count')\n"
        "number = int(count.read_text()) if count.exists() else 0\n"
        "count.write_text(str(number + 1))\n"
        "file = pathlib.Path(sys.argv[-1])\n"
        "assert file.stat().st_mode & 0o777 == 0o600, oct(file.stat().st_mode)\n"
        "text = file.read_text()\n"
        "assert rounds[number][0] in text, text\n"
        "file.write_text(text.replace(*rounds[number]))\n"
        "pathlib.Path(__file__).with_suffix('.seen').write_text(str(file))\n"
    )
    return f"{sys.executable} '{script}'"


@pytest.mark.promise("P1")
def test_somebody_is_shown_it_and_asked(office: Office) -> None:
    approval = office.ask()
    with terminal(office, "approve", approval.request.id[:6], "--as", "dana@example.com") as seen:
        seen.type("y")  # before anything is shown: it answers nothing
        seen.see(r"(as dana@example.com\? \[y/N\])")
        assert "48000" in seen.text
        assert office.now(approval) == approval, "nothing is decided before the answer"
        seen.type("n")
        assert seen.end() == 1
    assert office.now(approval) == approval
    with terminal(
        office, "approve", approval.request.id[:6], "--as", "dana@example.com", NO_COLOR="1"
    ) as seen:
        seen.see(r"(\[y/N\])")
        seen.type("y")
        assert seen.end() == 0
        seen.see(r"(approval is approved)")
        lines = seen.text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert office.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P1")
def test_what_changes_while_somebody_thinks_is_not_approved(office: Office) -> None:
    approval = office.ask(required=2)
    with terminal(office, "approve", approval.request.id, "--as", "dana") as seen:
        seen.see(r"(\[y/N\])")
        office.decide(approval, "eli", "edit", args={**ARGS, "cents": 99000})
        seen.type("y")
        assert seen.end() == 6
    assert [said.person for said in office.now(approval).decisions] == ["eli"]


def test_a_reason_is_asked_for(office: Office) -> None:
    approval = office.ask()
    with terminal(office, "reject", approval.request.id, "--as", "dana") as seen:
        seen.see(r"(Why \(kept with the decision\))")
        seen.type("too much")
        seen.see(r"(Reject: Pay claim, as dana\? \[y/N\])")
        seen.type("y")
        assert seen.end() == 0
    assert office.now(approval).decisions[0].reason == "too much"


@pytest.mark.promise("P5")
@pytest.mark.parametrize("kind", ["approve", "edit"])
def test_a_demanded_comment_is_asked_for(office: Office, kind: str) -> None:
    approval = office.ask(comment_required=(kind,))
    sets = ("--set", "cents=450") if kind == "edit" else ()
    with terminal(office, kind, approval.request.id, "--as", "dana", *sets) as seen:
        seen.see(r"(Why \(the policy asks for a comment\))")
        seen.type("checked the invoice")
        seen.see(r"(\[y/N\])")
        seen.type("y")
        assert seen.end() == 0
    assert office.now(approval).decisions[0].reason == "checked the invoice"


def test_an_edit_is_written_in_the_editor_and_mended_there(office: Office, tmp_path: Path) -> None:
    approval = office.ask({**ARGS, "note": "a\u202eb"})
    command = editor(tmp_path, ("48000", "0"), ('"cents": 0', '"cents": 450'), ("unreachable", "unreachable"))
    with terminal(
        office, "edit", approval.request.id, "--as", "dana", VISUAL=command, EDITOR="false"
    ) as seen:
        seen.see(r"(args\.cents must be at least 1)")
        seen.see(r"(Edit again\? \[y/N\])")
        seen.type("y")
        seen.see(r"(Edit and approve: Pay claim, as dana\? \[y/N\])")
        assert re.search(r"cents\s+48000\s+450\s", seen.text)
        seen.type("y")
        assert seen.end() == 0
    assert office.now(approval).args == {**ARGS, "note": "a\u202eb", "cents": 450}
    assert not Path((tmp_path / "editor.seen").read_text()).exists()


@pytest.mark.parametrize("command", ["false", "/nowhere/editor", "'"])
def test_an_editor_that_fails_decides_nothing(office: Office, command: str) -> None:
    approval = office.ask()
    with terminal(office, "edit", approval.request.id, "--as", "dana", EDITOR=command) as seen:
        assert seen.end() == 2
        seen.see(r"(the editor)")
    assert office.now(approval) == approval


def test_a_list_fits_into_80_columns_without_colour(office: Office) -> None:
    approval = office.ask(
        thread="a-thread-with-a-name-that-is-longer-than-what-fits-into-a-line-of-80-columns"
    )
    with terminal(office, "list", NO_COLOR="1") as seen:
        assert seen.end() == 0
        seen.see(f"({approval.request.id[:12]})")
        lines = seen.text.splitlines()
        assert not re.search(r"\x1b\[(?:3|4|9|10)\dm", seen._seen.decode())
    assert max(map(len, lines)) <= WIDTH
    assert any(line.startswith(approval.request.id[:12]) for line in lines)


def test_a_terminal_without_unicode_is_shown_codes(office: Office) -> None:
    approval = office.ask({**ARGS, "claim": "\u202e→"})
    with terminal(office, "show", approval.request.id, PYTHONIOENCODING="latin-1") as seen:
        assert seen.end() == 0
        seen.see(r"(\\u2192)")


def test_a_word_without_a_hash_is_asked_for_at_a_terminal(office: Office) -> None:
    approval = office.ask()
    with terminal(office, "decide", approval.request.id, "approve", "--as", "dana") as seen:
        seen.see(r"(Approve: Pay claim, as dana\? \[y/N\])")
        seen.type("y")
        assert seen.end() == 0
    assert "48000" in seen.text
    (said,) = office.now(approval).decisions
    assert (said.shown, said.delivery) == (hash_of(approval), "cli")
