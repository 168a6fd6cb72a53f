"""Stages that wait at once, rejections that need company, demanded comments and exemptions, in the inbox and the API."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.core.people import Assurance
from guardkit.core.stages import Exemption
from tests.unit.email_channel.desk import MAIL_STAGE
from tests.web.callers import Office, kind_of
from tests.web.claims import ARGS, DESK_STAGE, FINANCE_STAGE, FIRST, REQUESTER, SECOND, THIRD, Claims
from tests.web.test_editing import fill
from tests.web.test_mail_links import MailInbox, claims_desk, post
from tests.web.visits import Inbox, Visit, hidden, text_of

pytestmark = pytest.mark.promise("P5")

ONE_FINANCE = FINANCE_STAGE.model_copy(update={"required": 1})
NIGHT = Exemption(reason="the only manager at night")


def by_token(*stages: Any) -> tuple[Any, ...]:
    return tuple(one.model_copy(update={"assurance": Assurance.API_TOKEN}) for one in stages)


def test_the_page_asks_for_the_demanded_comment(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask(comment_required=("approve",))
    page = ana.page(approval)
    assert "Comment required" in text_of(page)
    answer = ana.post(approval, "approve", reason="  ")
    assert answer.status_code == 422
    assert "The policy asks for a comment" in text_of(answer.text)
    assert inbox.claims.now(approval) == approval
    assert ana.post(approval, "approve", reason="checked").status_code == 303
    assert inbox.claims.now(approval).decisions[0].reason == "checked"


def test_an_edit_without_the_demanded_comment_keeps_what_was_written(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask(comment_required=("edit",))
    preview, _ = fill(ana, approval, Note="short")
    assert "Comment required" in text_of(preview.text)
    answer = ana.post(approval, "edit/confirm", changes=hidden(preview.text, "changes"), reason=" ")
    assert answer.status_code == 422
    assert "The policy asks for a comment" in text_of(answer.text)
    assert inbox.claims.now(approval) == approval
    again = ana.post(approval, "edit/confirm", changes=hidden(answer.text, "changes"), reason="shorter")
    assert again.status_code == 303
    assert inbox.claims.now(approval).args == {**ARGS, "note": "short"}


def test_no_comment_is_asked_for_where_the_policy_demands_none(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    assert "Comment optional" in text_of(ana.page(approval))
    assert ana.post(approval, "approve").status_code == 303


def test_a_link_in_a_mail_asks_for_the_demanded_comment() -> None:
    claims = claims_desk()
    inbox = MailInbox(claims)
    approval = claims.ask(stages=(MAIL_STAGE,), comment_required=("approve",))
    browser, token = inbox.stranger(), inbox.token_for(approval)
    assert "Comment required" in text_of(browser.get(f"/mail/{token}").text)
    answer = post(browser, "approve", token)
    assert answer.status_code == 422
    assert claims.now(approval) == approval
    assert post(browser, "approve", token, reason="checked").status_code == 303
    assert claims.now(approval).state is ApprovalState.APPROVED


def test_stages_that_wait_at_once_are_in_everybodys_list(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask(stages=(DESK_STAGE, ONE_FINANCE), order="together")
    ben = inbox.visit(SECOND)
    for visit in (ana, ben):
        assert approval.request.id in visit.get("/").text
        assert "All stages are asked at once" in text_of(visit.page(approval))
    assert ben.post(approval, "approve").status_code == 303
    assert approval.request.id not in ben.get("/").text
    assert ana.post(approval, "approve").status_code == 303
    assert inbox.claims.now(approval).state is ApprovalState.APPROVED


def test_a_rejection_that_ends_nothing_yet_is_shown_to_the_others(inbox: Inbox) -> None:
    stage = FINANCE_STAGE.model_copy(update={"reject_quorum": 2})
    approval = inbox.claims.ask(stages=(stage,))
    ben, cleo = inbox.visit(SECOND), inbox.visit(THIRD)
    assert "It ends when 2 people of this stage reject it" in text_of(cleo.page(approval))
    assert ben.post(approval, "reject", reason="too much").status_code == 303
    page = text_of(cleo.page(approval))
    assert "Rejected by Ben Roth" in page
    assert "too much" in page
    assert "Your answer counts. It waits for others now." in text_of(ben.page(approval))
    assert cleo.post(approval, "reject", reason="me too").status_code == 303
    assert inbox.claims.now(approval).state is ApprovalState.REJECTED


def test_others_read_why_whoever_asked_could_decide(inbox: Inbox, ana: Visit) -> None:
    pair = DESK_STAGE.model_copy(update={"required": 2})
    approval = inbox.claims.ask(stages=(pair,), exemptions=(NIGHT,))
    assert "Whoever asked may decide: the only manager at night" in text_of(ana.page(approval))
    rui = inbox.visit(REQUESTER)
    assert rui.post(approval, "approve").status_code == 303
    assert "Asked for it, and could decide all the same: the only manager at night" in text_of(
        ana.page(approval)
    )
    (event,) = inbox.claims.audited("approval.decided")
    assert event["exemption"] == "the only manager at night"
    assert "the only manager at night" in text_of(ana.get(f"/approvals/{approval.request.id}/audit").text)


def test_the_api_says_which_stages_wait_and_who_rejected() -> None:
    claims = Claims()
    office = Office(claims)
    one, other = by_token(DESK_STAGE, FINANCE_STAGE.model_copy(update={"reject_quorum": 2}))
    approval = claims.ask(stages=(one, other), order="together", exemptions=(NIGHT,))
    ana, ben, rui = (office.caller(person) for person in (FIRST, SECOND, REQUESTER))
    shown = ana.get(f"/approvals/{approval.request.id}").json()
    assert (shown["order"], shown["waiting_stage"], shown["waiting_stages"]) == ("together", 1, [1, 2])
    taken = ben.decide(approval, decision="reject", comment="too much").json()
    assert (taken["state"], taken["stage"]) == ("pending", 2)
    taken = rui.decide(claims.now(approval)).json()
    assert taken["state"] == "pending"
    shown = ben.get(f"/approvals/{approval.request.id}").json()
    assert (shown["stages"][1]["rejected"], shown["stages"][1]["reject_quorum"]) == (["p-ben"], 2)
    assert shown["waiting_stages"] == [2]
    assert [said["exemption"] for said in shown["decisions"]] == [None, "the only manager at night"]
    assert shown["exemptions"] == ["the only manager at night"]
    assert kind_of(ben.decide(claims.now(approval))) == "already_decided"


@pytest.mark.parametrize("comment", [None, " \n"])
def test_the_api_refuses_a_yes_without_the_demanded_comment(comment: str | None) -> None:
    claims = Claims()
    approval = claims.ask(stages=by_token(DESK_STAGE), comment_required=("approve",))
    caller = Office(claims).caller()
    answer = caller.decide(approval, **({} if comment is None else {"comment": comment}))
    assert (answer.status_code, kind_of(answer)) == (422, "reason_required")
    assert claims.now(approval) == approval
    assert caller.get(f"/approvals/{approval.request.id}").json()["comment_required"] == ["approve"]
    assert caller.decide(approval, comment="checked").json()["state"] == "approved"
