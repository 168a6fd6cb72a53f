"""The edit form: what is typed comes back in the type that the argument has."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.values import Json, JsonObject
from tests.web.claims import ARGS, digest_of
from tests.web.visits import Inbox, Visit, all_fields, field_named, hidden, text_of, value_of

NUMERIC: list[Json] = [
    {"type": "number"},
    {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"},
]
DECIMAL: JsonObject = {"anyOf": NUMERIC}
COLOUR: JsonObject = {"enum": ["red", "green"], "type": "string"}


def fill(visit: Visit, approval: Approval, **changes: str) -> tuple[Any, str]:
    """Open the form, type into the fields with these labels, send it."""
    page = visit.page(approval, "/edit")
    fields = all_fields(page)
    for label, text in changes.items():
        fields[field_named(page, label.replace("_", " "))] = text
    return visit.post(approval, "edit", **fields), page


def edited(inbox: Inbox, visit: Visit, approval: Approval, **changes: str) -> JsonObject:
    """The arguments after an edit that was confirmed."""
    preview, _ = fill(visit, approval, **changes)
    assert preview.status_code == 200, text_of(preview.text)
    assert inbox.claims.now(approval) == approval, "a preview decides nothing"
    answer = visit.post(approval, "edit/confirm", changes=hidden(preview.text, "changes"))
    assert answer.status_code == 303, text_of(answer.text)
    after = inbox.claims.now(approval)
    assert after.state is ApprovalState.APPROVED
    assert after.digest == digest_of(approval, after.args)
    return after.args


def same(one: Json, other: Json) -> bool:
    """Equal in type too."""
    return json.dumps(one) == json.dumps(other)


MATRIX: list[tuple[JsonObject, Json, str, Json]] = [
    ({"type": "integer"}, 2, "3", 3),
    ({"type": "integer"}, 2, " -3 ", -3),
    ({"type": "number"}, 0.5, "0.25", 0.25),
    ({"type": "number"}, 0.5, "2", 2),
    ({"type": "number"}, 2, "2.5", 2.5),
    (DECIMAL, "1250.00", "900.50", "900.50"),
    (DECIMAL, "1250.00", "7", "7"),
    (DECIMAL, 12.5, "13.5", 13.5),
    ({"type": "string"}, "12", "013", "013"),
    ({"type": "string"}, "true", "false", "false"),
    ({"type": "string"}, "a", "  b ", "  b "),
    ({"type": "string"}, "one\ntwo", "one\r\nthree", "one\nthree"),
    ({"type": "string"}, "a", "", ""),
    ({"type": "boolean"}, True, "false", False),
    ({"type": "boolean"}, False, "true", True),
    (COLOUR, "red", "1", "green"),
    ({"enum": [1, "1", True, 2.5]}, 1, "2", True),
    ({"enum": [1, "1", True, 2.5]}, True, "1", "1"),
    ({"const": "x"}, "y", "x", "x"),
    ({"type": "string", "format": "date"}, "2026-11-24", "2026-12-01", "2026-12-01"),
    (
        {"type": "string", "format": "date-time"},
        "2026-11-24T10:00:00Z",
        "2026-11-24T11:00:00Z",
        "2026-11-24T11:00:00Z",
    ),
    ({"type": "array", "items": {"type": "integer"}}, [1, 2], "[3, 4]", [3, 4]),
    ({"type": "array", "items": DECIMAL}, ["1.10"], '["1.20"]', ["1.20"]),
    ({"type": "object"}, {"a": {"b": 1}}, '{"a": {"b": 2}}', {"a": {"b": 2}}),
    ({"type": "object"}, {"a": "1"}, '{"a": 1}', {"a": 1}),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "x", "", None),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None, "x", "x"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, "5", 5),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 5, "", None),
    ({"anyOf": [*NUMERIC, {"type": "null"}]}, None, "5.10", "5.10"),
    ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, None, "true", True),
    ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, "2026-11-24", "", None),
    ({"anyOf": [COLOUR, {"type": "null"}]}, "red", "", None),
    ({"anyOf": [{"$ref": "#/$defs/Colour"}, {"type": "null"}]}, None, "0", "red"),
    ({"$ref": "#/$defs/Colour"}, "red", "1", "green"),
    ({}, "x", "7", "7"),
    ({}, 7, "8", 8),
]


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    ("schema", "before", "typed", "after"),
    MATRIX,
    ids=[f"{n}-{case[2].strip()[:12]}" for n, case in enumerate(MATRIX)],
)
def test_an_edit_keeps_the_type(
    inbox: Inbox, ana: Visit, schema: JsonObject, before: Json, typed: str, after: Json
) -> None:
    whole: JsonObject = {
        "type": "object",
        "properties": {"value": schema, "other": {"type": "string"}},
        "required": ["value"],
        "$defs": {"Colour": COLOUR},
    }
    approval = inbox.claims.ask({"value": before, "other": "kept"}, schema=whole)
    args = edited(inbox, ana, approval, Value=typed)
    assert same(args, {"other": "kept", "value": after}) or same(args, {"value": after, "other": "kept"})


def test_an_optional_argument_can_be_taken_away_and_added(inbox: Inbox, ana: Visit) -> None:
    schema: JsonObject = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}, "c": {"type": "integer"}},
        "required": ["c"],
    }
    approval = inbox.claims.ask({"a": 1, "c": 3}, schema=schema)
    assert edited(inbox, ana, approval, A="", B="2") == {"b": 2, "c": 3}


WRONG: list[tuple[JsonObject, Json, str, str]] = [
    ({"type": "integer"}, 2, "2.0", "Write a whole number"),
    ({"type": "integer"}, 2, "two", "Write a whole number"),
    ({"type": "integer"}, 2, "1_000", "Write a whole number"),
    ({"type": "integer"}, 2, "٣", "Write a whole number"),
    ({"type": "integer"}, 2, "9007199254740993", "too large to be kept exactly"),
    ({"type": "integer", "maximum": 9}, 2, "12", "at most 9"),
    ({"type": "number"}, 0.5, "1,5", "Write a number like 1250.50"),
    ({"type": "number"}, 0.5, "NaN", "Write a number like 1250.50"),
    ({"type": "number"}, 0.5, "1e999", "more digits than can be kept"),
    ({"type": "number"}, 0.5, "0.12345678901234567890", "more digits than can be kept"),
    (DECIMAL, "1.00", "1.000,50", "Write a number like 1250.50"),
    (DECIMAL, "1.00", "EUR 5", "Write a number like 1250.50"),
    (DECIMAL, "1.00", "", "Write a number like 1250.50"),
    ({"type": "boolean"}, True, "maybe", "Choose yes or no"),
    (COLOUR, "red", "7", "Choose one of the list"),
    (COLOUR, "red", "green", "Choose one of the list"),
    ({"type": "string", "pattern": "^C-[0-9]+$"}, "C-1", "D-1", "must match the pattern"),
    ({"type": "string", "minLength": 1}, "a", "", "at least 1 characters"),
    ({"type": "string", "format": "date"}, "2026-11-24", "20261124", "valid date"),
    ({"type": "string", "format": "date"}, "2026-11-24", "2026-W01-1", "valid date"),
    ({"type": "string", "format": "date"}, "2026-11-24", "2026-02-30", "valid date"),
    ({"type": "array", "items": {"type": "integer"}}, [1], "[1", "not JSON: look at line 1, column 3"),
    ({"type": "array", "items": {"type": "integer"}}, [1], '["1"]', "must be of type integer, not string"),
    ({"type": "array"}, [1], '{"a": 1, "a": 2}', "duplicate key"),
    ({"type": "array"}, [1], "[NaN]", "cannot be used"),
    ({"type": "array"}, [1], "[" + "1" * 5000 + "]", "cannot be used"),
    ({"type": "array"}, [1], "[" * 500 + "]" * 500, "cannot be used"),
    ({"type": "string"}, "a", "a", "Nothing is changed"),
]


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("schema", "before", "typed", "said"), WRONG, ids=[f"{n}-{case[3][:16]}" for n, case in enumerate(WRONG)]
)
def test_what_does_not_fit_is_told_at_its_field(
    inbox: Inbox, ana: Visit, schema: JsonObject, before: Json, typed: str, said: str
) -> None:
    whole: JsonObject = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
    approval = inbox.claims.ask({"value": before}, schema=whole)
    answer, page = fill(ana, approval, Value=typed)
    assert answer.status_code == 422
    assert said in html.unescape(answer.text)
    assert 'role="alert"' in answer.text
    assert value_of(answer.text, field_named(page, "Value")) in (
        typed,
        typed.replace("\n", ""),
    ) or schema in (
        COLOUR,
        {"type": "boolean"},
    ), "what was typed is still there"
    assert inbox.claims.now(approval) == approval


def test_every_wrong_field_is_told_at_once(inbox: Inbox, ana: Visit) -> None:
    answer, page = fill(ana, inbox.claims.ask(), Amount="12,50", Copies="12", Claim_ID="7")
    for label in ("Amount", "Copies", "Claim ID"):
        assert f'id="e-{field_named(page, label)}"' in answer.text


def test_an_untouched_form_changes_nothing(inbox: Inbox, ana: Visit) -> None:
    answer, page = fill(ana, inbox.claims.ask({**ARGS, "note": " a\r\nb\rc \n", "rate": 1.0}))
    assert answer.status_code == 422
    assert "Nothing is changed" in text_of(answer.text)
    assert all_fields(page) == all_fields(answer.text)


def test_every_argument_has_a_labelled_field_in_the_order_of_the_schema(inbox: Inbox, ana: Visit) -> None:
    page = ana.page(inbox.claims.ask(), "/edit")
    labels = [
        "Claim ID",
        "Recipient",
        "IBAN",
        "Amount",
        "Currency",
        "Urgent",
        "Copies",
        "Rate",
        "Note",
        "Cost centre",
    ]
    assert [field_named(page, label) for label in labels] == [f"f{n}" for n in range(len(labels))]
    amount = field_named(page, "Amount")
    assert f'inputmode="decimal" class="num" id="{amount}"' in page
    assert f'aria-describedby="h-{field_named(page, "Claim ID")}"' in page


def test_what_will_be_done_is_shown_before_it_is_decided(inbox: Inbox, ana: Visit) -> None:
    preview, _ = fill(ana, inbox.claims.ask(), Amount="900.00", Cost_centre="K7")
    page = text_of(preview.text)
    assert "Amount 1250.00 900.00" in page
    assert "Cost centre no value K7" in page
    assert "The whole action as it will be" in page
    assert "Maria Okafor" in page


@pytest.mark.promise("P2")
def test_a_second_click_on_an_edit_is_no_second_edit(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    preview, _ = fill(ana, approval, Amount="900.00")
    token, carried = ana.form_token(), hidden(preview.text, "changes")
    for _ in range(2):
        assert ana.post(approval, "edit/confirm", token=token, changes=carried).status_code == 303
    assert len(inbox.claims.now(approval).decisions) == 1


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    ("carried", "status"),
    [
        ("", 400),
        ("[]", 400),
        ("{", 400),
        ('{"set": {}}', 400),
        ('{"set": {}, "removed": []}', 422),
        ('{"set": {"amount": true}, "removed": []}', 422),
        ('{"set": {"recipient2": "x"}, "removed": []}', 422),
        ('{"set": {}, "removed": ["amount"]}', 422),
        ('{"set": {"rate": NaN}, "removed": []}', 400),
        ('{"set": {"amount": "1", "amount": "2"}, "removed": []}', 400),
    ],
)
def test_a_confirmation_that_was_tampered_with_is_judged_again(
    inbox: Inbox, ana: Visit, carried: str, status: int
) -> None:
    approval = inbox.claims.ask()
    answer = ana.post(approval, "edit/confirm", changes=carried)
    assert answer.status_code == status
    assert inbox.claims.now(approval) == approval


def test_what_a_form_cannot_carry_stays_as_it_is(inbox: Inbox, ana: Visit) -> None:
    args: JsonObject = {"long": "x" * 30_000, "nul": "a\0b", "extra": 1, "n": 1}
    schema: JsonObject = {
        "type": "object",
        "properties": {"long": {"type": "string"}, "nul": {"type": "string"}, "n": {"type": "integer"}},
        "additionalProperties": True,
    }
    approval = inbox.claims.ask(args, schema=schema)
    page = ana.page(approval, "/edit")
    assert page.count("Kept as it is") == 3
    assert edited(inbox, ana, approval, N="2") == {**args, "n": 2}


@pytest.mark.parametrize("schema", [{"$ref": "https://schema.example/x"}, {"properties": {"a": {"type": 7}}}])
def test_a_schema_that_cannot_be_judged_lets_no_edit_through(
    inbox: Inbox, ana: Visit, schema: JsonObject
) -> None:
    approval = inbox.claims.ask({"a": "x"}, schema=schema)
    answer, _ = fill(ana, approval, A="y")
    assert answer.status_code == 422
    assert "cannot be judged" in text_of(answer.text)
    assert inbox.claims.now(approval) == approval
