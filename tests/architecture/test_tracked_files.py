"""What is under version control names no place that only one machine has, and no package registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.source import ROOT, relative, tracked

REGISTRY = re.compile(r"\b(?:[\w-]+\.)?(?:pypi|pythonhosted|npmjs|crates|anaconda)\.(?:com|io|org)\b")
MACHINE = re.compile(r"(?<![\w.~:\-])/(?:home/\w+|root|tmp|work)/[\w.]")
KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:xox[abp]-\d|ghp_\w{20}|AKIA[A-Z0-9]{16})")


def _found(pattern: re.Pattern[str]) -> list[str]:
    found: list[str] = []
    for path in tracked():
        text = _text(path)
        found.extend(
            f"{relative(path)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        )
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize(
    ("what", "pattern"),
    [("a package registry's host", REGISTRY), ("a path of one machine", MACHINE), ("a secret", KEY)],
    ids=["registry", "machine", "secret"],
)
def test_no_file_names(what: str, pattern: re.Pattern[str]) -> None:
    assert _found(pattern) == [], f"these lines name {what}"


def test_pins_are_exact_and_hashed() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        entries = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8")).splitlines()
        pins = [entry for entry in entries if entry and not entry.startswith("#")]
        assert pins, relative(path)
        loose = [pin for pin in pins if not re.match(r"[\w.\[\],-]+==[^ ]+ .*--hash=sha256:", pin)]
        assert loose == [], relative(path)


def test_pins_agree_with_one_another() -> None:
    """What the demo installs is what the tests were run with."""
    pin = re.compile(r"^([\w.-]+==[^ ;\\]+)", re.MULTILINE)
    tested = set(pin.findall((ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")))
    for name in ("base", "demo", "docs", "tools"):
        pins = set(pin.findall((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")))
        assert pins <= tested, name
