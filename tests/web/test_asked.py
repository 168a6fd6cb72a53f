"""Whoever asked: they see what becomes of their questions, and withdraw them; they never decide."""

from __future__ import annotations

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.core.asked import was_asked_by
from guardkit.core.listings import ListName, listings
from guardkit.core.people import Assurance, Person
from guardkit.core.principals import Principal
from tests.web.callers import TOKEN_STAGE, Office, kind_of
from tests.web.claims import BYSTANDER, FIRST, REQUESTER, Claims
from tests.web.test_lists import got, ids_of
from tests.web.visits import Inbox, Visit, text_of

ASKER = REQUESTER.model_copy(update={"roles": (), "groups": ()})
SECRET = "the assessor doubts the invoice"


@pytest.fixture
def rui(inbox: Inbox) -> Visit:
    """Whoever asked, who is no approver."""
    inbox.claims.people.change(REQUESTER, roles=(), groups=())
    return inbox.visit(ASKER)


def test_the_inbox_lists_what_was_asked_for_oneself(inbox: Inbox, rui: Visit, ana: Visit) -> None:
    claims = inbox.claims
    first, second = claims.ask(), claims.ask(tool="send_letter")
    claims.decide(first)
    assert ids_of(got(rui, "/asked")) == [second.request.id, first.request.id]
    assert "Carried out" not in got(rui, "/asked")
    assert ids_of(got(rui, "/asked", state="pending")) == [second.request.id]
    assert ids_of(got(rui, "/asked", state="approved")) == [first.request.id]
    assert ids_of(got(rui, "/asked", tool="send_letter")) == [second.request.id]
    for path in ("/", "/open", "/history"):
        assert ids_of(got(rui, path)) == []
    assert ids_of(got(ana, "/asked")) == []
    assert ana.get("/history?state=pending").status_code == 400


@pytest.mark.promise("P5")
def test_the_page_says_how_it_stands_and_offers_no_decision(inbox: Inbox, rui: Visit) -> None:
    claims = inbox.claims
    approval = claims.ask()
    page = rui.page(approval)
    assert "You started or steered what led to this" in text_of(page)
    assert 'action="/approvals/' in page
    for action in ("approve", "reject", "respond", "edit"):
        assert f"/approvals/{approval.request.id}/{action}" not in page
        assert rui.post(approval, action, reason="me").status_code in (403, 404)
    assert f"/approvals/{approval.request.id}/audit" not in page
    assert rui.get(f"/approvals/{approval.request.id}/audit").status_code == 404
    assert rui.get(f"/approvals/{approval.request.id}/args/all.txt").status_code == 200
    assert claims.now(approval) == approval


def test_what_people_wrote_for_those_who_decide_stays_with_them(inbox: Inbox, rui: Visit, ana: Visit) -> None:
    claims = inbox.claims
    approved, rejected = claims.ask(), claims.ask()
    answered = claims.ask(allowed=("approve", "reject", "respond"))
    claims.decide(approved, reason=SECRET)
    claims.decide(rejected, kind="reject", reason=SECRET)
    claims.decide(answered, kind="respond", reason="ask for the invoice first")
    for approval in (approved, rejected):
        assert SECRET in ana.page(approval)
        assert SECRET not in rui.page(approval)
    assert "Rejected" in text_of(rui.page(rejected))
    assert "Ana Silva" in rui.page(rejected)
    assert "ask for the invoice first" in rui.page(answered)


@pytest.mark.promise("P4")
def test_whoever_asked_withdraws_with_a_reason(inbox: Inbox, rui: Visit, ana: Visit) -> None:
    claims = inbox.claims
    approval = claims.ask()
    assert "Withdraw" in rui.page(approval)
    assert "Withdraw" not in ana.page(approval)
    silent = rui.post(approval, "withdraw", why=" ")
    assert (silent.status_code, "Say why" in silent.text) == (422, True)
    assert rui.post(approval, "withdraw", why="paid", token="another").status_code in (400, 403)
    assert ana.post(approval, "withdraw", why="not mine").status_code == 403
    assert inbox.visit(BYSTANDER).post(approval, "withdraw", why="not mine").status_code == 404
    assert claims.now(approval).state is ApprovalState.PENDING
    assert rui.post(approval, "withdraw", why="the customer has paid").status_code == 303
    assert claims.now(approval).state is ApprovalState.CANCELLED
    assert rui.post(approval, "withdraw", why="the customer has paid").status_code == 303, "a second click"
    (said,) = claims.audited("approval.cancelled")
    assert (said["by"], said["why"], said["via"], said["operator"]) == (
        "p-req",
        "the customer has paid",
        "web",
        False,
    )
    assert "Withdrawn" in text_of(rui.page(approval))


def test_what_is_approved_is_withdrawn_until_it_is_used_and_what_is_over_is_not(
    inbox: Inbox, rui: Visit
) -> None:
    claims = inbox.claims
    approved, rejected = claims.ask(), claims.ask()
    claims.decide(approved)
    claims.decide(rejected, kind="reject", reason="no")
    assert rui.post(approved, "withdraw", why="paid").status_code == 303
    assert claims.now(approved).state is ApprovalState.CANCELLED
    assert "Withdraw" not in text_of(rui.page(rejected))
    assert rui.post(rejected, "withdraw", why="paid").status_code == 409


@pytest.mark.promise("P14")
@pytest.mark.parametrize("change", [{"tenant": "other"}, {"active": False}, {"email": "other@corp.example"}])
def test_nobody_else_sees_it(claims: Claims, change: dict[str, object]) -> None:
    approval = claims.ask()
    person: Person = ASKER.model_copy(update=change)
    claims.people.people[person.id] = person
    office = Office(claims)
    answer = office.caller(person).get(f"/approvals/{approval.request.id}")
    assert answer.status_code in (401, 403, 404)


@pytest.mark.promise("P6")
def test_whom_nobody_has_verified_has_asked_nothing(claims: Claims) -> None:
    approval = claims.ask()
    nobody = Principal(id=ASKER.id, tenant="acme", verified_by="nobody")
    request = approval.request.model_copy(update={"principal": nobody})
    assert was_asked_by(approval.request, ASKER)
    assert not was_asked_by(request, ASKER)
    places = listings(approval.model_copy(update={"request": request}))
    assert ListName.ASKED not in {place.list for place in places}


def test_the_api_shows_it_lists_it_and_takes_no_decision(claims: Claims) -> None:
    claims.people.change(REQUESTER, roles=(), groups=())
    office = Office(claims)
    approval = claims.ask(stages=(TOKEN_STAGE,))
    rui, ana = office.caller(ASKER), office.caller(FIRST)
    shown = rui.get(f"/approvals/{approval.request.id}").json()
    assert (shown["state"], shown["may_decide"], shown["refusal"]) == ("pending", False, "requester")
    assert [one["id"] for one in rui.get("/approvals", by_me="true").json()["items"]] == [approval.request.id]
    assert [one["id"] for one in rui.get("/approvals").json()["items"]] == [approval.request.id]
    assert rui.get("/approvals", for_me="true").json()["items"] == []
    assert ana.get("/approvals", by_me="true").json()["items"] == []
    assert kind_of(office.caller(None).get("/approvals", by_me="true")) == "people_only"
    assert kind_of(rui.decide(approval)) == "requester"
    assert kind_of(rui.get(f"/approvals/{approval.request.id}/trail")) == "not_found"
    claims.decide(approval, reason=SECRET, assurance=Assurance.OIDC)
    after = rui.get(f"/approvals/{approval.request.id}")
    assert (after.json()["state"], SECRET in after.text) == ("approved", False)
    assert after.json()["decisions"][0]["person"] == "p-ana"
    assert SECRET in ana.get(f"/approvals/{approval.request.id}").text
