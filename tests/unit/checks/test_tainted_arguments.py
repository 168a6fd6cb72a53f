"""Effects whose arguments a stranger wrote go to people, or where they were told to go."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from guardkit.checks import TaintedArguments
from guardkit.core.steps import ToolKind
from guardkit.core.verdicts import CheckContext
from guardkit.errors import ConfigurationError
from tests.unit.checks.desk import call, context, seen

IBAN = "DE89370400440532013000"
MAIL = f"Please pay 1,250.50 EUR for claim C-177 to {IBAN}. Regards, Zoë Straßer"


def thread(*said: str) -> CheckContext:
    return context(*said, seen=[seen(MAIL)])


ARGS = {
    "claim": "C-1042",
    "iban": IBAN,
    "lines": [{"amount": 900, "note": "roof"}, {"amount": 1250.5, "note": "C-177"}],
    "payee": {"name": "Zoë Straßer"},
}


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (None, ("args.iban", "args.lines[1].amount", "args.lines[1].note", "args.payee.name")),
        (["iban"], ("args.iban",)),
        (["lines"], ("args.lines[1].amount", "args.lines[1].note")),
        (["lines.amount"], ("args.lines[1].amount",)),
        (["lines[1]"], ("args.lines[1].amount", "args.lines[1].note")),
        (["lines[1].note", "payee"], ("args.lines[1].note", "args.payee.name")),
        (["lines[0]"], None),
        (["claim"], None),
        (["ib", "pay", "lines.am", "line", "payee.name.x"], None),
    ],
)
def test_the_arguments_that_matter_are_named_by_their_paths(
    paths: list[str] | None, found: tuple[str, ...] | None
) -> None:
    verdict = TaintedArguments(paths)(call(ARGS), thread())
    assert (verdict.evidence if verdict else None) == found


@pytest.mark.parametrize("outcome", ["review", "block", "stop"])
def test_the_outcome_is_the_one_that_was_asked_for(outcome: Literal["review", "block", "stop"]) -> None:
    verdict = TaintedArguments(outcome=outcome)(call(ARGS), thread())
    assert verdict is not None
    assert verdict.outcome == outcome


@pytest.mark.parametrize(("kind", "flagged"), [("read", False), ("retriever", False), ("effect", True)])
def test_only_effects_are_judged(kind: str, flagged: bool) -> None:
    verdict = TaintedArguments()(call(ARGS, kind=ToolKind(kind)), thread())
    assert (verdict is not None) == flagged


def test_what_is_said_names_paths_and_no_values() -> None:
    verdict = TaintedArguments()(call({**ARGS, "about C-177, Zoë": "C-177"}), thread())
    assert verdict is not None
    told = verdict.model_dump_json()
    assert IBAN not in told
    assert "C-177" not in told
    assert "args.[key 4]" in verdict.evidence


def test_many_tainted_arguments_are_counted() -> None:
    verdict = TaintedArguments()(call({f"to{number}": IBAN for number in range(8)}), thread())
    assert verdict is not None
    assert verdict.why is not None
    assert "to0, to1, to2, to3, to4 and 3 more arguments" in verdict.why
    assert len(verdict.evidence) == 8


@pytest.mark.parametrize("paths", [[], [""], ["iban", ""], "iban"])
def test_paths_that_match_nothing_are_refused(paths: Any) -> None:
    with pytest.raises(ConfigurationError, match="paths is"):
        TaintedArguments(paths)


def test_what_the_user_wrote_too_is_not_named() -> None:
    verdict = TaintedArguments()(call(ARGS), thread(f"Pay 1,250.50 to {IBAN}."))
    assert verdict is not None
    assert verdict.evidence == ("args.lines[1].note", "args.payee.name")
    assert TaintedArguments(["iban", "lines.amount"])(call(ARGS), thread(f"Pay 1,250.50 to {IBAN}.")) is None


def test_a_state_without_messages_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="not known"):
        TaintedArguments()(call(ARGS), context(blind=True))
