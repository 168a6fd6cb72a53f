"""The card: valid by the official schema, within Teams' limits, and inert whatever is in it."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, strategies as st
from jsonschema import Draft6Validator

from guardkit.channels.card import compose
from guardkit.channels.teams.card import SIZE, Sheet, draw, size
from guardkit.channels.teams.form import fields_for, inputs, leaves_out, read_form
from guardkit.channels.teams.text import labelled, plain_words, runs
from guardkit.core.answers import Reading
from guardkit.core.approvals import Approval
from guardkit.core.presentation import present
from guardkit.core.values import JsonObject
from tests.unit.teams.desk import ANA, texts
from tests.web.claims import ARGS, SCHEMA, Claims

LINK = "http://127.0.0.1:8321/approvals/x"
HOSTILE = (
    "[invoice](https://evil.example) <at>everybody</at> **bold** {{DATE(2030-01-01T00:00:00Z, LONG)}} "
    "{{TIME(2030-01-01T00:00:00Z)}} ${secret} \u202e\u0007 <script>alert(1)</script> \\n &lt; `x`"
)


@cache
def schema() -> dict[str, Any]:
    """The official schema of version 1.5."""
    return json.loads(files("adaptive_cards").joinpath("schemas/schema-1.5.json").read_text())


@cache
def definition(name: str) -> Draft6Validator:
    """What the schema says of one element: much faster than the whole, which tries every kind for each."""
    return Draft6Validator({**schema(), "$ref": f"#/definitions/{name}"})


def valid(card: Any) -> Any:
    errors = [
        f"{list(error.absolute_path)}: {error.message[:200]}"
        for error in Draft6Validator(schema()).iter_errors(card)
    ]
    assert errors == []
    assert size(card) <= SIZE
    return card


def sheet(approval: Approval, **more: Any) -> Sheet:
    fields = fields_for(approval.request.args_schema, approval.args)
    card = compose(approval, link=LINK)
    return Sheet(**{"card": card, "fields": fields, **more})


def walk(node: Any) -> list[dict[str, Any]]:
    """Every element, action and run."""
    if isinstance(node, list):
        return [one for item in node for one in walk(item)]
    if isinstance(node, dict):
        return [node, *(one for item in node.values() for one in walk(item))]
    return []


def test_a_question_is_a_valid_card_of_version_1_5() -> None:
    claims = Claims()
    card = valid(draw(sheet(claims.ask(reads={"balance": 12}))))
    assert card["version"] == "1.5"
    assert {one["version"] for one in walk(card) if one.get("type") == "AdaptiveCard"} == {"1.5"}
    kinds = {one["type"] for one in walk(card) if str(one.get("type", "")).startswith("Action.")}
    assert kinds == {"Action.Execute", "Action.ShowCard", "Action.OpenUrl"}


def test_an_outcome_is_a_valid_card_without_decisions() -> None:
    claims = Claims()
    approval = claims.ask()
    claims.decide(approval, ANA, kind="edit", args={**ARGS, "amount": "900.00"}, reason=HOSTILE)
    card = valid(draw(sheet(claims.now(approval), fields=())))
    assert [action["type"] for action in card["actions"]] == ["Action.OpenUrl"]


def test_without_an_inbox_and_without_decisions_there_are_no_actions() -> None:
    claims = Claims()
    approval = claims.ask()
    claims.decide(approval, kind="reject", reason="no")
    card = valid(draw(Sheet(card=compose(claims.now(approval)))))
    assert "actions" not in card


def test_buttons_carry_nothing_but_what_was_shown() -> None:
    approval = Claims().ask()
    card = draw(sheet(approval))
    data = [one["data"] for one in walk(card) if one.get("type") == "Action.Execute"]
    assert data == [{"id": approval.request.id, "version": 0}] * 3
    (approve,) = [one for one in walk(card) if one.get("verb") == "approve"]
    assert approve["associatedInputs"] == "none"


def test_a_reason_is_required_to_reject() -> None:
    card = draw(sheet(Claims().ask()))
    (reject,) = [one for one in walk(card) if one.get("title") == "Reject…"]
    (words,) = [one for one in reject["card"]["body"] if one["type"] == "Input.Text"]
    assert (words["isRequired"], words["errorMessage"], words["maxLength"]) == (True, "Say why", 4000)


@pytest.mark.promise("P15")
def test_hostile_text_is_nowhere_but_in_runs_and_inputs() -> None:
    claims = Claims()
    args: JsonObject = {**ARGS, "note": HOSTILE, "recipient": HOSTILE}
    approval = claims.ask(args, thought=HOSTILE, why=(HOSTILE,), rules=(HOSTILE,), reads={HOSTILE: HOSTILE})
    claims.decide(approval, kind="reject", reason=HOSTILE)
    for card in (valid(draw(sheet(approval))), valid(draw(sheet(claims.now(approval))))):
        assert "evil.example" in texts(card), "it is shown, as text"
        inert(card, "evil.example", "everybody", "secret")


def inert(card: Any, *words: str) -> None:
    """Foreign words only where nothing reads markup, and nothing that a client would replace."""
    for node in walk(card):
        kind = str(node.get("type", ""))
        live = {name: value for name, value in node.items() if isinstance(value, str)}
        if kind == "TextRun":
            assert not re.search(r"\{\{\s*(DATE|TIME)", live.pop("text"), re.IGNORECASE)
        if kind.startswith("Input."):
            live.pop("value", None)
        for value in live.values():
            assert not any(word in value for word in words), node
    assert "FactSet" not in json.dumps(card)


@pytest.mark.promise("P15")
@given(text=st.text(max_size=400) | st.from_regex(r"(\{|DATE|TIME|\(|\)|Z|,| |\n){0,80}", fullmatch=True))
def test_runs_show_exactly_the_text_and_split_what_a_client_replaces(text: str) -> None:
    made = runs(text, "value")
    said = [run["text"] for run in made if isinstance(run, dict)]
    assert "".join(map(str, said)) == text
    assert not any(re.search(r"\{\{\s*(date|time)", str(part), re.IGNORECASE) for part in said)


@given(text=st.text(max_size=300).map(lambda text: text.replace("\r", "")))
def test_lines_of_a_value_are_lines_of_the_card(text: str) -> None:
    shown = texts([*labelled("Note", text, "value")])
    whole = shown.removeprefix("Note: ").replace("⟨U+000A⟩", "\n").lstrip("\n")
    assert whole.replace("\n \n", "\n\n").strip() == re.sub(r"\n \n", "\n\n", text).lstrip("\n").strip()


def test_a_value_of_many_lines_is_marked_where_they_end() -> None:
    shown = texts([*labelled("Note", "\n".join(["x"] * 30), "value")])
    assert shown.count("\n") == 0
    assert shown.count("⟨U+000A⟩") == 29


@given(text=st.text(max_size=200))
def test_plain_words_hold_no_punctuation(text: str) -> None:
    assert re.fullmatch(r"[^\W_]+( [^\W_]+)*", plain_words(text, "Value"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
).filter(lambda value: "\\ud" not in json.dumps(value))


@pytest.mark.promise("P15")
@given(args=st.dictionaries(st.text(min_size=1, max_size=20), JSON, max_size=6), words=st.text(max_size=300))
def test_any_action_is_a_valid_card_that_shows_all_of_it(args: JsonObject, words: str) -> None:
    if "\\ud" in json.dumps([args, words]):
        return
    approval = Claims().ask(args, schema={}, thought=words, why=(words,), reads={"words": words})
    card = valid(draw(sheet(approval)))
    said = texts(card).replace("⟨U+000A⟩", "\n").replace("\n", "")
    for row in present(approval).args:
        assert row.text.replace("⟨U+000A⟩", "\n").replace("\n", "").strip() in said.replace(" ", " ")


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("length", "values"), [(20_000, 1), (1_000, 40), (20_000, 40), (10, 400), (1_000, 400)]
)
@pytest.mark.parametrize("filling", ["x", '"', "\u202e", "\n", "{{DATE", "🎉"])
def test_it_fits_whatever_is_asked(length: int, values: int, filling: str) -> None:
    text = (filling * length)[:length]
    args: JsonObject = {f"a{n}": text for n in range(values)}
    approval = Claims().ask(args, schema={}, thought=text, why=(text,) * 60, rules=(text[:300],) * 60)
    card = draw(sheet(approval))
    assert size(card) <= SIZE
    assert "Open in the inbox" in json.dumps(card)


def test_cut_and_without_an_inbox_nobody_can_approve() -> None:
    approval = Claims().ask({f"a{n}": "x" * 2000 for n in range(100)}, schema={})
    card = draw(Sheet(card=compose(approval)))
    assert [one["verb"] for one in walk(card) if one.get("type") == "Action.Execute"] == ["reject"]
    assert "Nobody can approve it from here." in texts(card)


# --- the edit form -----------------------------------------------------------------------------------------------


def back(args: JsonObject, schema: JsonObject = SCHEMA, **data: Any) -> Reading:
    """What comes back of a form in which this was written."""
    fields = fields_for(schema, args)
    sent = {field.key: field.text for field in fields if field.text}
    return read_form(schema, args, {**sent, **data})


def test_the_form_has_an_input_for_each_simple_argument() -> None:
    fields = {field.name: field.kind for field in fields_for(SCHEMA, ARGS)}
    assert fields == {
        "claim_id": "line",
        "recipient": "line",
        "iban": "line",
        "amount": "decimal",
        "currency": "choice",
        "urgent": "boolean",
        "copies": "integer",
        "rate": "number",
        "note": "text",
        "cost_centre": "line",
    }
    assert leaves_out(fields_for(SCHEMA, ARGS), SCHEMA, ARGS)
    small: JsonObject = {"properties": {"a": {"type": "string"}}}
    assert not leaves_out(fields_for(small, {"a": "x"}), small, {"a": "x"})


@pytest.mark.parametrize("text", ["a\u200bb", "x" * 1001, "\u202eabc"])
def test_what_an_input_would_not_carry_is_left_to_the_inbox(text: str) -> None:
    args: JsonObject = {**ARGS, "note": text}
    assert "note" not in {field.name for field in fields_for(SCHEMA, args)}
    assert back(args, f0="C-3").args == {**args, "claim_id": "C-3"}


def test_a_form_that_nobody_touched_changes_nothing() -> None:
    reading = back(ARGS)
    assert reading.args == ARGS
    assert "Nothing is changed" in reading.problems[0]


@pytest.mark.parametrize(("sent", "value"), [(True, True), ("true", True), ("false", False)])
def test_a_switch_comes_back_as_it_likes(sent: Any, value: bool) -> None:
    assert back({**ARGS, "urgent": not value}, f5=sent).args["urgent"] is value


@pytest.mark.promise("P1")
@given(data=st.dictionaries(st.sampled_from([f"f{n}" for n in range(14)]), JSON, max_size=8))
def test_whatever_comes_back_of_a_form_it_is_judged(data: dict[str, Any]) -> None:
    reading = read_form(SCHEMA, ARGS, data)
    assert reading.args["lines"] == ARGS["lines"]
    assert set(reading.args) <= set(ARGS)
    for element in inputs(reading.fields):
        assert isinstance(element, dict)
        assert definition(str(element["type"])).is_valid(element)


def test_choices_are_those_of_the_schema() -> None:
    card = draw(sheet(Claims().ask()))
    (choice,) = [one for one in walk(card) if one.get("label") == "Currency"]
    assert [one["title"] for one in choice["choices"]] == ["EUR", "USD", "GBP"]
    assert back(ARGS, f4="2").args["currency"] == "GBP"
    assert not back(ARGS, f4="9").ok
