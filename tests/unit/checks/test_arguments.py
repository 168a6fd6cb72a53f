"""Arguments that hide something from the people who approve them are blocked; every honest script passes."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.checks import ArgumentSanity, default_action_checks
from guardkit.core.steps import ToolKind
from guardkit.core.verdicts import Verdict
from guardkit.errors import ConfigurationError
from tests.unit.checks.desk import call, context


def judged(args: dict[str, Any], **settings: int) -> Verdict | None:
    return ArgumentSanity(**settings)(call(args), context())


HIDING = {
    "null": "DE-1\x00DE-2",
    "escape": "DE-1\x1b[2K",
    "backspaces": "900\x08\x08\x08100",
    "vertical tab": "DE-1\x0bDE-2",
    "form feed": "DE-1\x0c",
    "delete": "DE-1\x7f",
    "C1 control": "DE-1\x9bDE-2",
    "next line": "DE-1\x85DE-2",
    "soft hyphen": "pay\xadee",
    "grapheme joiner": "pay\u034fee",
    "Hangul filler": "\u3164",
    "half-width filler": "\uffa0Kim",
    "zero-width space": "DE\u200b-1",
    "word joiner": "DE\u2060-1",
    "invisible times": "2\u206250",
    "byte order mark": "\ufeffDE-1",
    "right-to-left override": "invoice_\u202efdp.exe",
    "isolate": "\u2066DE-1\u2069",
    "embedding": "\u202bDE-1\u202c",
    "mark in Latin text": "DE\u200e-1",
    "Arabic mark in Latin text": "DE\u061c-1",
    "annotation": "DE-1\ufff9DE-2\ufffb",
    "joiner in Latin text": "DE\u200d-1",
    "non-joiner at the end": "DE-1\u200c",
    "joiner at the beginning": "\u200dمریم",
    "two joiners": "می\u200c\u200cخو\u0627\u0647م",
    "selector behind a letter": "D\ufe0fE-1",
    "selector alone": "\ufe0f",
    "two selectors": "❤\ufe0f\ufe0f",
    "selectors that carry bytes": "❤\U000e0158\U000e0151\U000e0149",
    "tags": "DE-1\U000e0070\U000e0061\U000e0079",
    "language tag": "\U000e0001",
    "tags behind a flag": "🏴" + "".join(chr(0xE0000 + ord(letter)) for letter in "payDE-66"),
}

HONEST = {
    "empty": "",
    "plain": "Water damage in the kitchen, 1,250.50 EUR",
    "lines": "Kim Ode\nQuay 4\r\n20457 Hamburg\t(DE)",
    "German": "Überschwemmung in der Straße, Größe 40 m²",
    "decomposed": "Jose\u0301 Nu\u0303ez",
    "Japanese": "東京海上の保険金、¥\uff11\uff12\uff0c\uff10\uff10\uff10",
    "Korean": "보험금 청구",
    "Hebrew with marks": "תביעה\u200f 12-4\u200e",
    "Arabic with a mark": "مطالبة\u061c 12",
    "Persian with a non-joiner": "می\u200cخو\u0627\u0647م",
    "Devanagari with a joiner": "क्\u200dष",
    "family emoji": "👨\u200d👩\u200d👧",
    "heart": "❤\ufe0f",
    "keycaps": "1\ufe0f\u20e3 #\ufe0f\u20e3 *\ufe0f\u20e3",
    "flag of Scotland": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "ideograph with a selector": "葛\U000e0100",
    "no-break space": "1\u00a0250,50\u202f€",
    "written escapes": r"\u202e \x00",
}


@pytest.mark.parametrize("text", HIDING.values(), ids=HIDING)
def test_what_hides_is_blocked_and_named_by_its_path(text: str) -> None:
    verdict = judged({"claim": "C-1042", "payee": text})
    assert verdict is not None
    assert (verdict.outcome, verdict.evidence) == ("block", ("args.payee",))


@pytest.mark.parametrize("text", HONEST.values(), ids=HONEST)
def test_what_people_write_passes(text: str) -> None:
    assert judged({"payee": text, text: 1}) is None


@pytest.mark.parametrize(
    "value", [None, True, False, 0, -1, 1e300, 2**53, [], {}, [None, [True, {"a": 1.5}]]]
)
def test_values_without_text_pass(value: Any) -> None:
    assert judged({"value": value}) is None


def test_no_arguments_pass() -> None:
    assert judged({}) is None


@pytest.mark.parametrize(
    ("args", "paths"),
    [
        ({"lines": [{"iban": "DE-1"}, {"iban": "DE\u200b-2"}]}, ("args.lines[1].iban",)),
        ({"a": {"b": [["\u202e"]]}}, ("args.a.b[0][0]",)),
        ({"a": "\x00", "b": "ok", "c": "\x00"}, ("args.a", "args.c")),
        ({"lines": ["\x00", "ok", "\x00"]}, ("args.lines[0]", "args.lines[2]")),
        ({"pa\u200byee": "Kim"}, ("args.[key 0]",)),
        ({"lines": [{"ok": 1, "\u202eegnar": 2}]}, ("args.lines[0][key 1]",)),
        ({"\x00": {"iban": "DE-1"}}, ("args.[key 0]",)),
    ],
)
def test_nested_texts_and_keys_are_looked_at(args: dict[str, Any], paths: tuple[str, ...]) -> None:
    verdict = judged(args)
    assert verdict is not None
    assert verdict.evidence == paths


def test_no_text_of_an_argument_gets_into_a_verdict() -> None:
    verdict = judged({"note for Kim Ode \u200b": "secret\u202e"})
    assert verdict is not None
    told = verdict.model_dump_json()
    assert "Kim" not in told
    assert "secret" not in told


@pytest.mark.parametrize(("length", "passes"), [(9, True), (10, True), (11, False)])
def test_a_text_may_be_as_long_as_was_said(length: int, passes: bool) -> None:
    assert (judged({"note": "x" * length}, max_chars=10) is None) == passes
    assert (judged({"x" * length: "note"}, max_chars=10) is None) == passes
    assert (judged({"note": "\U0001f525" * length}, max_chars=10) is None) == passes


def test_many_short_texts_are_not_one_long_one() -> None:
    assert judged({"notes": ["x" * 10] * 1000}, max_chars=10) is None


def test_a_text_of_a_million_letters_is_too_long_unless_that_is_allowed() -> None:
    args = {"report": {"body": "the roof is wet " * 62_500}}
    verdict = judged(args)
    assert verdict is not None
    assert verdict.outcome == "block"
    assert verdict.why == "a text has more than 100,000 characters"
    assert verdict.evidence == ("args.report.body",)
    assert judged(args, max_chars=1_000_000) is None


def test_the_model_learns_no_limit() -> None:
    verdict = judged({"note": "x" * 4322}, max_chars=4321)
    assert verdict is not None
    assert verdict.tell_model is not None
    assert not any(letter.isdigit() for letter in verdict.tell_model)


@pytest.mark.parametrize("kind", ToolKind)
def test_every_kind_of_tool_is_judged(kind: ToolKind) -> None:
    verdict = ArgumentSanity()(call({"claim": "C\u200b-1"}, kind=kind), context())
    assert verdict is not None
    assert verdict.outcome == "block"


@pytest.mark.parametrize("max_chars", [0, -1])
def test_a_limit_that_allows_nothing_is_refused(max_chars: int) -> None:
    with pytest.raises(ConfigurationError, match=f"max_chars is {max_chars}"):
        ArgumentSanity(max_chars)


def test_it_is_the_check_that_every_guard_has() -> None:
    ((name, check),) = default_action_checks()
    assert name == "argument-sanity"
    verdict = check(call({"payee": "\u202e"}), context())
    assert isinstance(verdict, Verdict)
    assert verdict.outcome == "block"
