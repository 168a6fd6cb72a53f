from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, strategies as st

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.digest import canonical
from guardkit.core.presentation import full_value, present, presentation_hash
from guardkit.core.rows import ROW_LIMIT, VALUE_LIMIT, changes, rows, whole_value
from tests.web.claims import ARGS, DESK_STAGE, FINANCE_STAGE, FIRST, SECOND, THIRD, Claims

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=12), JSON, max_size=6)


def row_of(approval: Approval, path: str):
    return next(row for row in present(approval).args if row.path == path)


def test_it_says_who_asks_what_and_why(claims: Claims) -> None:
    shown = present(claims.ask())
    assert (shown.title, shown.tool, shown.agent, shown.tenant) == (
        "Pay claim",
        "pay_claim",
        "claims-assistant",
        "acme",
    )
    assert shown.asked_by == "req@corp.example"
    assert shown.why == ("payments above 1,000 need a claims manager",)
    assert shown.rules == ("pay-over-1000",)
    assert shown.policy == "claims 3.2"
    assert shown.digest_short == shown.digest[:12]
    assert shown.allowed == ("approve", "edit", "reject")


def test_how_much_and_to_whom_come_first(claims: Claims) -> None:
    paths = [row.path for row in present(claims.ask()).args]
    assert paths[:5] == ["amount", "currency", "recipient", "iban", "claim_id"]
    assert paths[5:8] == ["urgent", "copies", "rate"], "then the order of the schema"
    assert "lines[1].cents" in paths


def test_values_keep_their_type_and_length(claims: Claims) -> None:
    approval = claims.ask(
        {"amount": "12", "n": 12, "x": 0.5, "yes": True, "no": None, "text": "é", "list": [], "map": {}}
    )
    kinds = {row.path: (row.type, row.text, row.bytes) for row in present(approval).args}
    assert kinds == {
        "amount": ("string", "12", 2),
        "n": ("integer", "12", 2),
        "x": ("number", "0.5", 3),
        "yes": ("boolean", "true", 4),
        "no": ("null", "null", 4),
        "text": ("string", "é", 2),
        "list": ("array", "[]", 2),
        "map": ("object", "{}", 2),
    }


def test_a_long_value_is_cut_in_the_middle_with_its_length_and_hash(claims: Claims) -> None:
    value = "A" * 50_000 + "B" * 50_000 + " and then to somebody else"
    row = row_of(claims.ask({"note": value}), "note")
    assert row.text.startswith("AAA")
    assert row.text.endswith("and then to somebody else")
    assert "98,026 of 100,026 characters left out" in row.text
    assert row.bytes == 100_026
    assert row.sha256 == hashlib.sha256(value.encode()).hexdigest()
    assert len(row.text) < VALUE_LIMIT + 100


def test_the_whole_of_a_cut_value_can_be_had(claims: Claims) -> None:
    approval = claims.ask({"note": "x" * 5000, "amount": "1"}, reads={"balance": 3})
    row = row_of(approval, "note")
    assert full_value(approval, "args", row.index) == b"x" * 5000
    assert full_value(approval, "args", None) == canonical(approval.args)
    assert full_value(approval, "reads", 0) == b"3"
    assert full_value(approval, "args", 99) is None


def test_long_lists_are_cut_in_the_middle_too(claims: Claims) -> None:
    approval = claims.ask({"items": [f"v{n}" for n in range(1000)], "amount": "7"})
    shown = present(approval).args
    assert len(shown) == ROW_LIMIT + 2
    assert shown[0].path == "amount"
    assert shown[-1].text == "v999"
    gap = next(row for row in shown if row.type == "omitted")
    assert gap.text == "⟨… 800 of 1,001 values left out …⟩"
    assert gap.sha256 == hashlib.sha256(canonical(approval.args)).hexdigest()


def test_hostile_text_is_inert_everywhere(claims: Claims) -> None:
    bad = "\u202e<script>\x1b[2J⟨U+202E⟩\u200b"
    approval = claims.ask(
        {bad: bad, "n": {bad: [bad]}},
        tool=f"pay{bad}",
        thought=bad,
        why=(bad,),
        rules=(bad,),
        reads={bad: bad},
        thread_id=f"t{bad}",
        schema={},
    )
    claims.decide(approval, kind="reject", reason=bad)
    dumped = json.dumps(present(claims.now(approval)).model_dump(mode="json"), ensure_ascii=False)
    for char in "\u202e\x1b\u200b":
        assert char not in dumped


def test_stages_say_what_is_required_and_given(claims: Claims) -> None:
    approval = claims.ask(stages=(DESK_STAGE, FINANCE_STAGE))
    assert [stage.status for stage in present(approval).stages] == ["waiting", "later"]
    claims.decide(approval)
    after = claims.decide(claims.now(approval), SECOND)
    first, second = present(after).stages
    assert (first.status, first.given, first.required) == ("done", (FIRST.id,), 1)
    assert (second.status, second.given, second.required, second.groups) == (
        "waiting",
        (SECOND.id,),
        2,
        ("finance-desk",),
    )


def test_an_edit_is_shown_as_what_was_asked_and_what_is_now(claims: Claims) -> None:
    approval = claims.ask()
    args = {**ARGS, "amount": "900.00", "urgent": True, "cost_centre": "K7"}
    del args["note"]
    shown = present(claims.decide(approval, kind="edit", args=args))
    assert {change.path: (change.before, change.after) for change in shown.changes} == {
        "amount": ("1250.00", "900.00"),
        "urgent": ("false", "true"),
        "cost_centre": ("null", "K7"),
        "note": ("Water damage in the kitchen,\nsecond instalment.", None),
    }
    assert [(said.person, said.kind) for said in shown.said] == [(FIRST.id, "edit")]


def test_an_edit_in_the_middle_of_a_long_text_is_seen() -> None:
    before = "a" * 60_000 + "DE89" + "b" * 60_000
    after = "a" * 60_000 + "GB33" + "b" * 60_000
    (change,) = changes({"body": before}, {"body": after})
    assert change.before is not None
    assert change.after is not None
    assert "DE89" in change.before
    assert "GB33" in change.after
    assert len(change.before) < 500


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("reject", ApprovalState.REJECTED),
        ("respond", ApprovalState.RESPONDED),
        ("approve", ApprovalState.APPROVED),
    ],
    ids=["reject", "respond", "approve"],
)
def test_the_outcome_names_who_when_and_why(claims: Claims, kind: str, state: ApprovalState) -> None:
    approval = claims.ask(allowed=("approve", "reject", "respond"))
    claims.clock.now += 60
    outcome = present(claims.decide(approval, kind=kind, reason="because")).outcome
    assert outcome is not None
    assert (outcome.state, outcome.by, outcome.at, outcome.reason) == (
        state,
        FIRST.id,
        claims.clock.now,
        "because",
    )


def test_an_expired_approval_has_an_outcome_without_a_person(claims: Claims) -> None:
    approval = claims.ask(stages=(FINANCE_STAGE,))
    claims.decide(approval, SECOND)
    claims.clock.now += 9 * 3600
    assert claims.desk.expire() == 1
    shown = present(claims.now(approval))
    assert shown.outcome is not None
    assert (shown.outcome.state, shown.outcome.by) == (ApprovalState.EXPIRED, None)
    assert shown.stages[0].status == "closed"


def test_the_hash_is_of_what_is_seen(claims: Claims) -> None:
    approval = claims.ask(stages=(FINANCE_STAGE,))
    first = presentation_hash(present(approval))
    assert presentation_hash(present(approval)) == first
    assert presentation_hash(present(Approval.model_validate_json(approval.model_dump_json()))) == first
    after = claims.decide(approval, THIRD)
    assert presentation_hash(present(after)) != first


def test_the_order_in_which_arguments_are_stored_changes_nothing(claims: Claims) -> None:
    approval = claims.ask()
    turned = dict(reversed(approval.args.items()))
    assert present(approval.model_copy(update={"args": turned})) == present(approval)


@given(OBJECTS)
def test_every_value_has_a_row_and_its_bytes(values: dict) -> None:
    for row in rows(values):
        whole = whole_value(values, row.index)
        assert whole is not None
        assert len(whole) == row.bytes
        assert row.text


@given(OBJECTS, OBJECTS)
def test_changes_are_shown_exactly_if_there_are_any(before: dict, after: dict) -> None:
    assert bool(changes(before, after)) == (canonical(before) != canonical(after))


@pytest.mark.timeout(60)
def test_ten_megabytes_are_shown_cut(claims: Claims) -> None:
    approval = claims.ask({"note": "x" * 10_000_000, "amount": "1"})
    shown = present(approval)
    assert sum(len(row.text) for row in shown.args) < 3000
