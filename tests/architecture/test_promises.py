"""Each promise that is made is written down with its limits, and carried by tests."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import ROOT

CARRIED = ("P1", "P2", "P3", "P4", "P5", "P7", "P8", "P9", "P10", "P11", "P12", "P15")
"""The promises whose tests exist; the others are stated in the documentation with what still lacks."""


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
    assert [promise for promise in CARRIED if promise not in _tested()] == []


def test_every_promise_has_its_section() -> None:
    page = (ROOT / "docs" / "concepts" / "promises.md").read_text(encoding="utf-8")
    missing = [f"P{n}" for n in range(1, 16) if not re.search(rf"^#+ .*\bP{n}\b", page, re.MULTILINE)]
    assert missing == []
