"""Stages that wait at once, rejections that need company, and comments that are demanded, in Slack."""

from __future__ import annotations

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.core.people import Assurance
from guardkit.core.stages import ApprovalStage
from guardkit.testing.slack import OpenView
from tests.unit.slack.office import STAGE, Office, actions, eventually, shown
from tests.unit.slack.test_modals import block
from tests.web.claims import ARGS

pytestmark = pytest.mark.promise("P5")

ONE, OTHER = (
    ApprovalStage(approvers=(name,), channels=("slack",), assurance=Assurance.CHAT)
    for name in ("ana@corp.example", "ben@corp.example")
)


def test_a_click_asks_for_the_demanded_comment_and_decides_nothing(both: Office) -> None:
    approval = both.ask(comment_required=("approve",))
    assert "Approve…" in shown(both.message())
    assert both.click(both.ana).acknowledged
    view = both.view(both.ana)
    assert "The policy asks for a comment" in shown(view)
    assert both.claims.now(approval) == approval
    sent = both.slack.submit(both.ana, view, {"reason": "  "})
    assert sent.errors == {"reason": "Please say why. The reason is kept with the decision."}
    assert both.claims.now(approval).state is ApprovalState.PENDING
    sent = both.slack.submit(both.ana, both.view(both.ana), {"reason": "Checked the invoice."})
    assert sent.response == {"response_action": "clear"}
    after = both.claims.now(approval)
    assert (after.state, after.decisions[0].reason) == (ApprovalState.APPROVED, "Checked the invoice.")


def test_the_comment_of_somebody_who_may_not_decide_counts_for_nothing(office: Office) -> None:
    approval = office.ask(comment_required=("approve",))
    office.click(office.bo)
    office.slack.submit(office.bo, office.view(office.bo), {"reason": "Looks fine."})
    assert "not among the approvers" in shown(office.view(office.bo))
    assert office.claims.now(approval) == approval


def test_an_edit_asks_for_the_demanded_comment_where_it_is_confirmed(office: Office) -> None:
    approval = office.ask(comment_required=("edit",))
    assert actions(office.message())[0] == "gk_approve"
    office.click(office.ana, "gk_edit")
    eventually(lambda: office.view(office.ana).view["callback_id"] == "gk_edit")
    view = office.view(office.ana)
    office.slack.submit(office.ana, view, {str(block(view, "Note")["block_id"]): "short"})
    confirm: OpenView = office.view(office.ana)
    assert "The policy asks for a comment" in shown(confirm)
    sent = office.slack.submit(office.ana, confirm, {"reason": " "})
    assert sent.errors == {"reason": "Please say why. The reason is kept with the decision."}
    assert office.claims.now(approval) == approval
    office.slack.submit(office.ana, office.view(office.ana), {"reason": "Shorter."})
    after = office.claims.now(approval)
    assert (after.args, after.decisions[0].reason) == ({**ARGS, "note": "short"}, "Shorter.")


def test_each_stage_that_waits_has_a_message_whose_buttons_go_when_it_is_done(personal: Office) -> None:
    approval = personal.ask(stages=(ONE, OTHER), order="together")
    rooms = [personal.slack.direct(person).id for person in (personal.ana, personal.ben)]
    anas, bens = (personal.messages(room)[0] for room in rooms)
    for mine in (anas, bens):
        assert "gk_approve" in actions(mine)
        assert "all stages are asked at once" in shown(mine)
    personal.click(personal.ana, on=anas)
    assert personal.round() == []
    assert ["gk_approve" in actions(personal.messages(room)[0]) for room in rooms] == [False, True]
    personal.click(personal.ben, on=bens)
    assert personal.claims.now(approval).state is ApprovalState.APPROVED


def test_a_rejection_that_ends_nothing_yet_is_shown_and_waits_for_others(office: Office) -> None:
    pair = STAGE.model_copy(update={"required": 2, "reject_quorum": 2})
    approval = office.ask(stages=(pair,))
    office.click(office.ana, "gk_reject")
    office.slack.submit(office.ana, office.view(office.ana), {"reason": "Too much."})
    assert office.claims.now(approval).state is ApprovalState.PENDING
    assert office.round() == []
    seen = shown(office.message())
    assert "rejected by 1 of 2 who end it (Ana Silva)" in seen
    assert "Too much." in seen
    assert "gk_approve" in actions(office.message())
    office.click(office.ana)
    office.channel.close()
    assert office.told(office.ana) == ["You have already answered this. It now waits for others."]
