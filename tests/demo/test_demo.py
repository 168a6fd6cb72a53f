"""`guardkit demo` runs to its end by itself, whatever is answered and wherever."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import httpx
import pytest

PATIENCE = 300
"""Seconds after which a demo hangs."""

WIDTH = 140
"""Columns: no sentence that is looked for is wrapped."""

INSTRUCTED = "payments made by it: 0"
STOPPED = ["stopped_by_operator", "stopped_by_operator"]

pytestmark = pytest.mark.timeout(2 * PATIENCE)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GUARDKIT_", "OTEL_"))}
    return {**kept, "COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERM": "dumb", **more}


def demo(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "guardkit", "demo", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(**more),
        timeout=PATIENCE,
        check=False,
    )


def told(text: str, folder: Path) -> None:
    """All that every run of the demo shows."""
    assert re.search(r"verified\s+withheld\s+In addition, 4711 euros", text)
    assert "covered up to 25,000 euros per event. [1]" in text
    assert text.count("no_authorized_source") == 2
    assert text.count("insufficient_evidence") == 2
    assert INSTRUCTED in text
    assert re.findall(r"reason\s+(stopped\w+)", text) == STOPPED
    assert "a late yes on the stopped thread: this approval is already cancelled" in text
    assert re.search(r"intact harbour: \d+ entries, 0 not covered by a signed head", text)
    assert f"GUARDKIT_DATABASE=sqlite:///{folder}/claims.db" in text


def payments(text: str) -> list[str]:
    return re.findall(r"the bank was called once, by process \d+: (\S+) euros for C-1042", text)


@pytest.mark.promise("P3")
@pytest.mark.parametrize(
    ("answer", "paid", "ledger"),
    [("approve", ["480.00"], 1), ("edit", ["450.00"], 1), ("reject", [], 0)],
)
def test_the_demo_ends_by_itself(answer: str, paid: list[str], ledger: int, tmp_path: Path) -> None:
    done = demo("--folder", str(tmp_path), ANSWER=answer)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    told(done.stdout, tmp_path)
    assert payments(done.stdout) == paid
    assert done.stdout.count("ledger: pay_claim:C-1042 done, attempt 1") == ledger


@contextmanager
def at_a_terminal(folder: Path) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "guardkit", "demo", "--folder", str(folder)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(TERM="xterm"),
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)


class Terminal:
    """What a person at a terminal sees and types."""

    def __init__(self, process: subprocess.Popen[bytes], file: int) -> None:
        self._process = process
        self._file = file
        self._seen = b""
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._file, 65536)
            except OSError:
                part = b""
            with self._news:
                self._seen += part
                self._news.notify_all()
            if not part:
                return

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._seen.decode(errors="replace")).replace(
            "\r\n", "\n"
        )

    def see(self, pattern: str) -> str:
        with self._news:
            assert self._news.wait_for(lambda: re.search(pattern, self.text), PATIENCE), self.text
        found = re.search(pattern, self.text)
        assert found is not None
        return found.group(1)

    def type(self, line: str) -> None:
        os.write(self._file, line.encode() + b"\n")

    def end(self) -> int:
        return self._process.wait(PATIENCE)


def hidden(page: str, form: str) -> dict[str, str]:
    """The hidden fields of the form that posts there."""
    found = re.search(rf'<form[^>]*action="{re.escape(form)}"[^>]*>(.*?)</form>', page, re.DOTALL)
    assert found is not None, page
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found.group(1))
    return {name: unescape(value) for name, value in fields}


def test_a_person_answers_at_the_terminal(tmp_path: Path) -> None:
    with at_a_terminal(tmp_path) as terminal:
        terminal.see(r"(decide in the inbox)")
        terminal.type("what?")
        terminal.type("e")
        assert terminal.end() == 0, terminal.text
        told(terminal.text, tmp_path)
        assert payments(terminal.text) == ["450.00"]


def test_a_person_answers_in_the_inbox(tmp_path: Path) -> None:
    with at_a_terminal(tmp_path) as terminal:
        link = terminal.see(r"demo person\): (http://127\.0\.0\.1:\S+)")
        terminal.see(r"(decide in the inbox)")
        origin = link.partition("/sign-in")[0]
        with httpx.Client(
            base_url=origin, headers={"Origin": origin}, follow_redirects=True, timeout=60
        ) as browser:
            page = browser.get(link)
            listed = browser.post("/sign-in", data=hidden(page.text, "/sign-in"))
            approval = re.search(r'href="(/approvals/[0-9a-f]+)"', listed.text)
            assert approval is not None, listed.text
            form = f"{approval.group(1)}/approve"
            shown = browser.get(approval.group(1))
            assert "480.00" in shown.text
            browser.post(form, data=hidden(shown.text, form)).raise_for_status()
        terminal.see(r"(decided in the inbox)\n")
        assert terminal.end() == 0, terminal.text
        told(terminal.text, tmp_path)
        assert payments(terminal.text) == ["480.00"]


def test_the_demo_answers_from_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "parking.md").write_text("# Parking\n\nVisitors park in garage B for at most four hours.\n")
    answered = demo(
        "--docs", str(tmp_path), "--question", "For how many hours may visitors park in garage B?"
    )
    assert answered.returncode == 0, answered.stderr
    assert "Visitors park in garage B for at most four hours. [1]" in answered.stdout
    unknown = demo("--docs", str(tmp_path), "--question", "Who repairs the coffee machine?")
    assert unknown.returncode == 0, unknown.stderr
    assert "NoResult" in unknown.stdout
    assert "insufficient_evidence" in unknown.stdout


@pytest.mark.parametrize(
    ("words", "more", "said"),
    [
        ((), {"ANSWER": "perhaps"}, "ANSWER 'perhaps' is not approve, edit, reject"),
        (("--docs", "."), {}, "--docs and --question go together"),
        (("--docs", "/nowhere", "--question", "Why?"), {}, "/nowhere"),
    ],
)
def test_bad_input_is_said_in_one_line(words: tuple[str, ...], more: dict[str, str], said: str) -> None:
    done = demo(*words, **more)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
