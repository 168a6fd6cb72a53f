"""The work of redaction grows linearly with the text, whatever the text is.

Nothing is timed. The expressions are looked at as Python's compiler parses them, and the steps of the Python code are
counted.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from guardkit.otel import default_redactors
from guardkit.otel.redaction import contacts, entropy, numbers, redact, redactor, secrets, unfolding

PARSER: Any = re._parser  # pyright: ignore[reportAttributeAccessIssue]
ENDLESS = PARSER.MAXREPEAT
BOUND = 3000
"""Characters that a repetition, those within it included, looks at before it can fail."""

EXPRESSIONS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": value
    for module in (contacts, entropy, numbers, redactor, secrets, unfolding)
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}


def problems(items: Any, *, last: bool) -> Iterator[str]:
    """What could make an expression look at a character more often than a fixed number of times.

    Args:
        items: a sequence of parsed parts.
        last: whether nothing that can fail follows the sequence.
    """
    parts = list(items)
    for index, (kind, value) in enumerate(parts):
        ends = last and all(_may_be_empty(*part) for part in parts[index + 1 :])
        match str(kind):
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, inner = value
                if most is ENDLESS or most - least > 1:
                    yield f"a repetition that gives back: {inner}"
                yield from problems(inner, last=ends and most == 1)
            case "POSSESSIVE_REPEAT":
                least, most, inner = value
                if not ends and (most is ENDLESS or most * _width(inner) > BOUND):
                    yield f"something that can fail follows a long repetition: {parts[index + 1 :]}"
                # A round that fails before its own end ends the repetition, and what it looked at has a bound.
                yield from problems(inner, last=ends and least < 2)
            case "SUBPATTERN":
                yield from problems(value[-1], last=ends)
            case "ATOMIC_GROUP":
                yield from problems(value, last=ends)
            case "BRANCH":
                for branch in value[1]:
                    yield from problems(branch, last=ends)
            case "ASSERT" | "ASSERT_NOT":
                yield from problems(value[1], last=False)
            case _:
                pass


def _width(items: Any) -> int:
    return items.getwidth()[1]


def _may_be_empty(kind: Any, value: Any) -> bool:
    return "REPEAT" in str(kind) and value[0] == 0


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_no_expression_looks_at_a_text_again_and_again(name: str) -> None:
    expression = EXPRESSIONS[name]
    parsed = PARSER.parse(expression.pattern, expression.flags)
    assert list(problems(parsed, last=True)) == []


@pytest.mark.parametrize(
    "pattern", [r"a*b", r"(?:a+)+", r"a++b", r"(?:a++b){3}", r"a{0,9}b", r"(?=a++b)a", r"(?:a|b*)c"]
)
def test_expressions_that_would_are_found(pattern: str) -> None:
    assert list(problems(PARSER.parse(pattern), last=True))


def steps(call: Callable[[], object]) -> int:
    """Lines of Python that are run in the redactors."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if "redaction" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "piece",
    [
        "a", "1", "4111 ", "4111111111111111", "1 ", "a@", "@", "a.", "a@a.", "password", "password=", "password is ",
        "eyJ", "eyJ.", "://", "://a:", "a:b@", "DE89", "D E 8 9 ", "-----BEGIN ", "-----BEGIN PRIVATE KEY", "\n", "\"",
        "\u200b", "\uff14", "&#64;", "(at)", "ghp_", "a1B2", "+1", "00", "(0", "cookie:", "tel", "[secret]",
    ],
)  # fmt: skip
def test_the_work_grows_with_the_text(piece: str) -> None:
    redactors = default_redactors()

    def work(length: int) -> int:
        return steps(lambda: redact(piece * (length // len(piece)), redactors))

    work(400)  # so that what is made once is made
    short, long = work(2_000), work(8_000)
    assert long <= 5 * short + 500, (short, long)
