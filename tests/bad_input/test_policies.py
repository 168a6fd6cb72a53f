"""Policies that cannot be enforced as written: the file, the line, the field, what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit import Guard
from guardkit.errors import PolicyError
from tests.promises.scene import compiled

POLICY = """\
policy: desk
version: "1"
owner: risk@corp.example
default: reject
tools:
  pay:
    otherwise: allow
    rules:
      - id: pay-limit
        when: "args.amount > 500"
        decide: reject
        why: above the limit
"""

LIMIT = '"args.amount > 500"'
WHEN = "tools.pay.rules[0].when"

pytestmark = pytest.mark.promise("P15")


def guarded(url: str, path: Path, text: str) -> None:
    """What a program does when it starts: a guard over a policy file, a tool, a graph."""
    path.write_text(text, encoding="utf-8")
    guard = Guard(url, policy=path)

    @guard.effect
    def pay(claim: str, amount: int) -> str:
        """Pay a claim."""
        raise AssertionError("nothing runs under a policy that is refused")

    with guard.database:
        compiled(guard, ["done"], [pay])


def test_the_policy_itself_is_fine(sqlite_url: str, tmp_path: Path) -> None:
    guarded(sqlite_url, tmp_path / "policy.yaml", POLICY)


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "message", "remedy"),
    [
        pytest.param("  pay:", "  pya:", 6, "tools.pya", "there is no tool 'pya'", "'pay'", id="unknown tool"),
        pytest.param(
            LIMIT, '"args.amount >"', 10, WHEN, "unexpected end, at character", None, id="CEL that does not compile"
        ),
        pytest.param(
            LIMIT, '"args.amuont > 500"', 10, WHEN, "'amuont'", "'amount'", id="CEL that names an unknown argument"
        ),
        pytest.param(
            LIMIT, '"arg.amount > 500"', 10, WHEN, "'arg'", "'args'", id="CEL that names an unknown variable"
        ),
        pytest.param(
            LIMIT, "\"args.amount == 'much'\"", 10, WHEN, "args.amount", None, id="CEL that compares unlike types"
        ),
        pytest.param(
            LIMIT, '"args.claim > 500"', 10, WHEN, "args.claim", None, id="CEL that compares text with a number"
        ),
        pytest.param(LIMIT, '"args.amount"', 10, WHEN, "truth value", None, id="CEL without a truth value"),
        pytest.param(
            "    rules:",
            "    otherwise: reject\n    rules:",
            8,
            "tools.pay.otherwise",
            "stands here twice, first in line 7",
            "keep one",
            id="duplicate key",
        ),
        pytest.param(
            "  pay:", "  pay: allow\n  pay:", 7, "tools.pay", "stands here twice", "keep one", id="tool listed twice"
        ),
        pytest.param(
            "default:", "defualt:", 4, "defualt", "is not a known key", "'default'", id="unknown key at the top"
        ),
        pytest.param(
            "        decide:", "        decides:", 11, "tools.pay.rules[0].decides", "is not a known key", "'decide'",
            id="unknown key in a rule",
        ),
        pytest.param(
            "    otherwise: allow", "    otherwise: alow", 7, "tools.pay.otherwise", "'alow'", "'allow'",
            id="unknown decision",
        ),
        pytest.param(
            "    otherwise: allow", "    otherwise: escalate", 7, "tools.pay.otherwise", "names no route", "approval",
            id="escalation without a route",
        ),
    ],
)  # fmt: skip
def test_a_slip_is_told_with_line_field_and_remedy(
    sqlite_url: str,
    tmp_path: Path,
    old: str,
    new: str,
    line: int,
    field: str,
    message: str,
    remedy: str | None,
) -> None:
    assert old in POLICY
    path = tmp_path / "policy.yaml"
    with pytest.raises(PolicyError) as caught:
        guarded(sqlite_url, path, POLICY.replace(old, new, 1))
    error = caught.value
    assert (error.file, error.line, error.field) == (str(path), line, field)
    assert message in error.message
    assert str(error).startswith(f"{path}:{line}: {field}: ")
    if remedy is not None:
        assert remedy in f"{error.message} {error.remedy}"


def test_a_policy_file_that_is_not_there_is_named(sqlite_url: str, tmp_path: Path) -> None:
    missing = tmp_path / "no-such-policy.yaml"
    with pytest.raises(PolicyError, match=r"no-such-policy.*name an existing, readable file"):
        Guard(sqlite_url, policy=missing)
