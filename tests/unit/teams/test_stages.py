"""Stages that wait at once, rejections that need company, and comments that are demanded, in Teams."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.core.people import Assurance
from guardkit.core.stages import ApprovalStage
from tests.unit.teams.desk import BEN, PAIR, STAGE, TeamsDesk, texts, verbs
from tests.unit.teams.test_answering import TOAST, card_of, edit_form, filled

pytestmark = pytest.mark.promise("P5")


def opens(card: Any, title: str) -> list[Any]:
    """The inputs below a button."""
    (action,) = [one for one in card["actions"] if one["title"] == title]
    return [one for one in action["card"]["body"] if one["type"].startswith("Input.")]


def test_a_yes_asks_for_the_demanded_comment_in_the_card(desk: TeamsDesk) -> None:
    approval = desk.ask(comment_required=("approve",))
    desk.deliver()
    card = card_of(desk)
    (words,) = opens(card, "Approve…")
    assert (words["id"], words["isRequired"]) == ("reason", True)
    assert verbs(card)[0] == "approve"
    for data in ({}, {"reason": "  "}):
        answer = desk.says(desk.click(approval, data=data))
        assert (answer["type"], "say why" in answer["value"].lower()) == (TOAST, True)
        assert desk.claims.now(approval) == approval
    desk.says(desk.click(approval, data={"reason": "Checked the invoice."}))
    after = desk.claims.now(approval)
    assert (after.state, after.decisions[0].reason) == (ApprovalState.APPROVED, "Checked the invoice.")


def test_an_edit_asks_for_the_demanded_comment_in_its_form(desk: TeamsDesk) -> None:
    approval = desk.ask(comment_required=("edit",))
    desk.deliver()
    words = edit_form(card_of(desk))[-1]
    assert (words["id"], words["isRequired"]) == ("reason", True)
    form = filled(desk, {"f1": "Maria Okafor-Lind"})
    assert desk.says(desk.click(approval, "edit", data=form))["type"] == TOAST
    assert desk.claims.now(approval) == approval
    desk.says(desk.click(approval, "edit", data={**form, "reason": "Her name now."}))
    assert desk.claims.now(approval).decisions[0].reason == "Her name now."


def test_stages_that_wait_at_once_are_both_open(desk: TeamsDesk) -> None:
    finance = ApprovalStage(approvers=("ben@corp.example",), channels=("finance",), assurance=Assurance.CHAT)
    approval = desk.ask(stages=(STAGE, finance), order="together")
    assert desk.deliver() == []
    assert [verbs(card_of(desk, name))[:1] for name in ("m1", "m2")] == [["approve"], ["approve"]]
    answer = desk.says(desk.click(approval, person=BEN, replyToId="m2"))
    assert "waits for others" in texts(answer["value"])
    assert desk.deliver() == []
    assert (verbs(card_of(desk, "m1"))[:1], verbs(card_of(desk, "m2"))) == (["approve"], [])
    desk.says(desk.click(desk.claims.now(approval)))
    assert desk.claims.now(approval).state is ApprovalState.APPROVED


def test_a_rejection_that_comes_twice_counts_once(desk: TeamsDesk) -> None:
    pair = PAIR.model_copy(update={"reject_quorum": 2})
    approval = desk.ask(stages=(pair,))
    desk.deliver()
    click = desk.click(approval, "reject", person=BEN, data={"reason": "Too much."})
    first, again = desk.says(click), desk.says(click)
    assert first["statusCode"] == again["statusCode"] == 200
    assert "rejected by 1 of 2 who end it (Ben Roth)" in texts(first["value"])
    now = desk.claims.now(approval)
    assert (now.state, len(now.decisions)) == (ApprovalState.PENDING, 1)
    assert desk.claims.audited("approval.refused") == []
