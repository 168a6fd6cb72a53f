"""Each promise that is made is written down with its limits, and carried by tests."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import ROOT

CARRIED = tuple(f"P{number}" for number in range(1, 16))
"""The promises that are made: all of them have tests."""


def _tested() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr="promise"), args=arguments):
                    found.update(
                        str(argument.value) for argument in arguments if isinstance(argument, ast.Constant)
                    )
                case _:
                    pass
    return found


def test_every_promise_is_carried_by_a_test() -> None:
    tested = _tested()
    assert [promise for promise in CARRIED if promise not in tested] == []


def test_every_promise_has_its_section() -> None:
    page = (ROOT / "docs" / "concepts" / "promises.md").read_text(encoding="utf-8")
    missing = [one for one in CARRIED if not re.search(rf"^#+ .*\b{one}\b", page, re.MULTILINE)]
    assert missing == []
