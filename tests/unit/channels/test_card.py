"""What is asked, composed once, and cut to what a messenger carries."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from guardkit.channels.card import Card, compose, fitted, row_note
from guardkit.core.approvals import Approval, ApprovalState, close
from guardkit.core.presentation import present, presentation_hash
from tests.web.claims import ARGS, DESK_STAGE, FINANCE_STAGE, FIRST, Claims

LINK = "http://127.0.0.1:8321/approvals/a"


def asked(**more) -> Approval:
    return Claims().ask(**more)


def everything(card: Card) -> str:
    facts = [*card.facts, *card.stages, *card.said]
    return "\n".join(
        [
            card.headline,
            card.thought,
            card.notice,
            *(f"{fact.label}: {fact.text}" for fact in facts),
            *(f"{row.path}: {row.text} {row_note(row)}" for row in (*card.args, *card.reads)),
            *(f"{change.path}: {change.before} {change.after}" for change in card.changes),
        ]
    )


def test_a_question_names_what_whom_why_until_when_and_who_must_agree() -> None:
    approval = asked(stages=(DESK_STAGE, FINANCE_STAGE), reads={"balance": 12})
    said = everything(compose(approval, link=LINK, who=lambda one: f"<{one}>"))
    for part in (
        "Pay claim: waits for approval",
        "claims-assistant, thread claim-1",
        "<req@corp.example> (tenant acme)",
        "claims 3.2",
        "After that: it is rejected",
        f"digest {approval.digest[:12]}",
        "recipient: Maria Okafor",
        "balance: 12",
        "0 of 1 as claims-manager: group claims-desk [waiting]",
        "0 of 2: group finance-desk [later]",
    ):
        assert part in said


def test_a_question_offers_what_the_policy_allows_and_an_outcome_nothing() -> None:
    approval = asked()
    card = compose(approval)
    assert [choice.kind for choice in card.choices] == list(approval.request.allowed)
    assert (card.approval_id, card.version) == (approval.request.id, 0)
    over = compose(close(approval, ApprovalState.EXPIRED, 1_780_000_100.0))
    assert over.choices == ()
    assert over.tone == "over"
    assert over.headline == "Pay claim: expired"
    assert over.facts[0].at == 1_780_000_100.0


def test_an_outcome_says_who_when_why_and_what_was_changed() -> None:
    claims = Claims()
    approval = claims.ask()
    claims.decide(approval, kind="edit", args={**ARGS, "amount": "900.00"}, reason="less")
    said = everything(compose(claims.now(approval), who=lambda one: "Ana" if one == FIRST.id else one))
    assert "Ana: edited and approved by" in said
    assert ": less" in said
    assert "amount: 1250.00 900.00" in said


def test_the_hash_is_that_of_the_presentation() -> None:
    approval = asked()
    assert compose(approval).hash == presentation_hash(present(approval))


def test_what_fits_is_not_touched() -> None:
    card = compose(asked(), link=LINK)
    assert fitted(card, characters=12_000, values=60) is card


@pytest.mark.promise("P1")
def test_what_is_cut_and_nowhere_whole_cannot_be_approved() -> None:
    approval = asked(args={"note": "x" * 200_000}, schema={})
    linked = fitted(compose(approval, link=LINK), characters=2_000, values=10)
    assert "approve" in [choice.kind for choice in linked.choices]
    assert "does not show everything" in linked.notice
    alone = fitted(compose(approval), characters=2_000, values=10)
    assert [choice.kind for choice in alone.choices] == ["reject"]
    assert "Nobody can approve it from here" in alone.notice


texts = st.text(max_size=400) | st.integers(1, 50_000).map(lambda n: "long " * n)


@given(
    values=st.dictionaries(st.text(min_size=1, max_size=40), texts, max_size=8),
    many=st.integers(0, 400),
    thought=texts,
    why=st.lists(texts, max_size=60),
)
def test_whatever_is_asked_fits(values, many, thought, why) -> None:
    args = {**values, "items": [f"item {number}" for number in range(many)]}
    card = compose(asked(args=args, schema={}, thought=thought, why=tuple(why)), link=LINK)
    cut = fitted(card, characters=12_000, values=40)
    assert cut.characters <= 12_000
    assert len(cut.args) <= 41
    assert (cut == card) == (cut.notice == "")
    assert cut.hash == card.hash
    assert cut.approval_id == card.approval_id
