"""Standing approvals in the inbox and over the HTTP API: given, listed, revoked."""

from __future__ import annotations

import re
from typing import Any

import pytest

from guardkit.core.amounts import StandingAmount
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.people import Assurance
from guardkit.core.standing import StandingApproval, StandingOffer, StandingWish
from guardkit.errors import DecisionRefusedError
from tests.architecture.source import PACKAGE
from tests.web.callers import TOKEN_STAGE, Caller, Office, kind_of, seen
from tests.web.claims import BYSTANDER, FINANCE_STAGE, FIRST, OUTSIDER, REQUESTER, SECOND, THIRD, Claims
from tests.web.visits import Inbox, Visit, text_of

pytestmark = pytest.mark.promise("P5", "P6")

OFFER = StandingOffer(
    scopes=("thread", "requester"),
    seconds=4 * 3600.0,
    uses=10,
    amount=StandingAmount(argument="amount", at_most="5000"),
    same=("claim_id",),
)
WELL = {"standing": "thread", "hours": "2", "uses": "5", "at_most": "1200.50"}
SAID = {"scope": "thread", "seconds": 7200, "uses": 5, "at_most": "1200.50"}


def _ask(claims: Claims, **more: Any) -> Approval:
    return claims.ask(standing=OFFER, **more)


def _given(claims: Claims, **more: Any) -> StandingApproval:
    approval = _ask(claims, **more)
    claims.decide(approval, standing=StandingWish(scope="thread", seconds=7200.0, uses=5))
    return claims.store.standing_approvals("acme", limit=1)[0]


# --- inbox ---


def test_the_form_says_what_is_permitted_and_gives_it(inbox: Inbox, ana: Visit) -> None:
    approval = _ask(inbox.claims)
    page = ana.page(approval)
    assert "And all like it" in page
    assert "up to 10 actions like it" in text_of(page)
    assert ana.post(approval, "approve", **WELL).status_code == 303
    [found] = inbox.claims.store.standing_approvals("acme")
    grant = found.grant
    assert (grant.scope, grant.uses, grant.until - grant.given_at) == ("thread", 5, 7200.0)
    assert grant.amount == StandingAmount(argument="amount", at_most="1200.5")
    (said,) = inbox.claims.now(approval).decisions
    assert inbox.claims.verifier.decision(said)
    assert "and 5 actions like it in this thread, within 2h" in text_of(ana.page(approval))


def test_a_plain_yes_and_a_question_without_it(inbox: Inbox, ana: Visit) -> None:
    approval = _ask(inbox.claims)
    assert ana.post(approval, "approve", standing="", hours="", uses="", at_most="").status_code == 303
    assert list(inbox.claims.store.standing_approvals("acme")) == []
    plain = inbox.claims.ask()
    assert "And all like it" not in ana.page(plain)
    answer = ana.post(plain, "approve", **WELL)
    assert (answer.status_code, inbox.claims.now(plain).state) == (422, ApprovalState.PENDING)


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"standing": ""}, "Choose which actions"),
        ({"standing": "tenant"}, "Choose one of the list"),
        ({"hours": ""}, "at most 4h are permitted"),
        ({"hours": "4.1"}, "at most 4h are permitted"),
        ({"hours": "0"}, "at most 4h are permitted"),
        ({"hours": "-1"}, "at most 4h are permitted"),
        ({"hours": "1e9"}, "at most 4h are permitted"),
        ({"uses": "0"}, "from 1 to 10"),
        ({"uses": "11"}, "from 1 to 10"),
        ({"uses": "٣"}, "from 1 to 10"),
        ({"at_most": "all"}, "a number above zero"),
        ({"at_most": "0"}, "a number above zero"),
    ],
)
def test_what_cannot_be_used_is_told_and_kept_in_the_form(
    inbox: Inbox, ana: Visit, wrong: dict[str, str], told: str
) -> None:
    approval = _ask(inbox.claims)
    answer = ana.post(approval, "approve", reason="fine", **{**WELL, **wrong})
    assert answer.status_code == 422
    assert told in text_of(answer.text)
    assert "fine" in answer.text
    if wrong.get("hours") != "":
        assert 'value="5"' in answer.text or wrong.get("uses") is not None
    assert inbox.claims.now(approval) == approval


def test_more_than_the_sum_permits_is_refused_by_the_desk(inbox: Inbox, ana: Visit) -> None:
    approval = _ask(inbox.claims)
    answer = ana.post(approval, "approve", **{**WELL, "at_most": "5000.01"})
    assert answer.status_code == 422
    assert "That much is not permitted" in answer.text
    assert inbox.claims.now(approval) == approval


def test_the_next_approver_sees_what_was_said_and_may_say_less(inbox: Inbox, ana: Visit) -> None:
    claims = inbox.claims
    approval = _ask(claims, stages=(FINANCE_STAGE,))
    claims.decide(approval, SECOND, standing=StandingWish(scope="requester", seconds=3600.0, uses=9))
    cleo = inbox.visit(THIRD)
    now = claims.now(approval)
    assert "and 9 actions like it in all threads of whoever asked" in text_of(cleo.page(now))
    assert cleo.post(now, "approve", **{**WELL, "hours": "0.5", "uses": "2"}).status_code == 303
    [found] = claims.store.standing_approvals("acme")
    assert (found.grant.scope, found.grant.uses, found.grant.givers) == ("thread", 2, ("p-ben", "p-cleo"))


def _revoke(visit: Visit, standing: StandingApproval, why: str = "enough", **fields: str) -> Any:
    fields = {"token": visit.form_token(), "why": why, **fields}
    return visit.client.post(f"/standing/{standing.id}/revoke", data=fields, follow_redirects=False)


def test_what_stands_is_listed_and_revoked(inbox: Inbox, ana: Visit) -> None:
    standing = _given(inbox.claims)
    page = text_of(ana.get("/standing").text)
    assert "5 of 5 actions, 5000 of 5000 amount" in page
    assert "Stands" in page
    assert "Ana Silva" in page
    assert 'href="/standing"' in ana.get("/").text
    answer = _revoke(ana, standing, "too many\u202e")
    assert (answer.status_code, answer.headers["location"]) == (303, "/standing")
    page = text_of(ana.get("/standing").text)
    assert "Revoked" in page
    assert "too many ⟨U+202E⟩" in page
    assert _revoke(ana, standing).status_code == 409
    found = inbox.claims.store.standing_approval("acme", standing.id)
    assert found is not None
    assert found.revocation is not None
    assert inbox.claims.verifier.revocation(found.revocation)
    assert (found.revocation.by, found.revocation.via) == (FIRST.id, "web")


@pytest.mark.promise("P14")
@pytest.mark.parametrize("who", [BYSTANDER, OUTSIDER], ids=["bystander", "other-tenant"])
def test_who_sees_nothing_of_it_ends_nothing(inbox: Inbox, who: Any) -> None:
    standing = _given(inbox.claims)
    visit = inbox.visit(who)
    assert standing.id not in visit.get("/standing").text
    assert _revoke(visit, standing).status_code == 404
    found = inbox.claims.store.standing_approval("acme", standing.id)
    assert found == standing


@pytest.mark.promise("P15")
def test_a_foreign_form_no_reason_and_no_such_one(inbox: Inbox, ana: Visit) -> None:
    standing = _given(inbox.claims)
    assert _revoke(ana, standing, token="made up").status_code == 403
    assert _revoke(ana, standing, " ").status_code == 422
    assert _revoke(ana, standing, "x" * 501).status_code == 422
    answer = ana.client.post(
        "/standing/none/revoke", data={"token": ana.form_token(), "why": "x"}, follow_redirects=False
    )
    assert answer.status_code == 400
    assert inbox.stranger().get("/standing").status_code == 403
    assert inbox.claims.store.standing_approval("acme", standing.id) == standing


def test_everything_foreign_in_it_is_text(inbox: Inbox, ana: Visit) -> None:
    bad = "<script>x</script>"
    standing = _given(
        inbox.claims, args={"claim_id": bad, "amount": "5", "iban": "x"}, thread_id=bad, tool=bad
    )
    page = ana.get("/standing").text
    assert bad not in page
    assert "&lt;script&gt;" in page
    assert standing.grant.subject.same == {"claim_id": bad}


# --- HTTP API ---


@pytest.fixture
def office(claims: Claims) -> Office:
    return Office(claims)


def _decide(caller: Caller, approval: Approval, key: str | None = None, **said: Any) -> Any:
    body = {"decision": "approve", **seen(approval), **said}
    return caller.post(f"/approvals/{approval.request.id}/decisions", body, key)


def test_it_is_given_shown_and_revoked_over_http(office: Office, claims: Claims) -> None:
    approval = _ask(claims, stages=(TOKEN_STAGE,))
    ana = office.caller(FIRST)
    shown = ana.get(f"/approvals/{approval.request.id}").json()
    assert shown["standing"] == {
        "scopes": ["thread", "requester"], "seconds": 14400.0, "uses": 10, "argument": "amount", "at_most": "5000",
        "same": ["claim_id"],
    }  # fmt: skip
    key = ana.key()
    taken = _decide(ana, approval, key, standing=SAID)
    assert taken.status_code == 200, taken.text
    assert _decide(ana, approval, key, standing=SAID).json() == taken.json()
    (item,) = ana.get("/standing").json()["items"]
    assert (item["state"], item["uses_left"], item["amount_left"]) == ("active", 5, "1200.5")
    assert (item["givers"], item["approval"]) == ([FIRST.id], approval.request.id)
    assert ana.get(f"/standing/{item['id']}").json() == item
    assert len(office.caller(None).get("/standing").json()["items"]) == 1, "services see all of the tenant"
    assert len(office.caller(REQUESTER).get("/standing").json()["items"]) == 1, "whom it acts for"
    key = ana.key()
    ended = ana.post(f"/standing/{item['id']}/revoke", {"why": "enough"}, key)
    assert (ended.status_code, ended.json()["state"], ended.json()["revoked"]["by"]) == (
        200,
        "revoked",
        FIRST.id,
    )
    assert ana.post(f"/standing/{item['id']}/revoke", {"why": "enough"}, key).json() == ended.json()
    assert kind_of(ana.post(f"/standing/{item['id']}/revoke", {"why": "again"})) == "already_settled"
    assert ana.get("/standing").json()["items"] == []
    assert len(ana.get("/standing", all="true").json()["items"]) == 1


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"standing": {**SAID, "uses": 11}}, "standing_invalid"),
        ({"standing": {**SAID, "seconds": 14401}}, "standing_invalid"),
        ({"standing": {**SAID, "at_most": "5001"}}, "standing_invalid"),
        ({"standing": {**SAID, "at_most": "-1"}}, "invalid"),
        ({"standing": {**SAID, "uses": 0}}, "invalid"),
        ({"standing": {**SAID, "scope": "tenant"}}, "invalid"),
        ({"standing": {**SAID, "givers": ["p-ben"]}}, "invalid"),
        ({"standing": {"scope": "thread"}}, "invalid"),
        ({"standing": SAID, "decision": "reject", "comment": "no"}, "standing_invalid"),
    ],
)
def test_what_does_not_count_changes_nothing(
    office: Office, claims: Claims, said: dict[str, Any], problem: str
) -> None:
    approval = _ask(claims, stages=(TOKEN_STAGE,))
    assert kind_of(_decide(office.caller(FIRST), approval, **said)) == problem
    assert claims.now(approval) == approval
    plain = claims.ask(stages=(TOKEN_STAGE,))
    assert kind_of(_decide(office.caller(FIRST), plain, standing=SAID)) == "not_allowed"


@pytest.mark.promise("P14")
def test_who_may_not_see_it_finds_nothing(office: Office, claims: Claims) -> None:
    standing = _given(claims)
    for who in (BYSTANDER, OUTSIDER):
        caller = office.caller(who)
        assert caller.get("/standing", all="true").json()["items"] == []
        assert kind_of(caller.get(f"/standing/{standing.id}")) == "not_found"
        assert kind_of(caller.post(f"/standing/{standing.id}/revoke", {"why": "x"})) == "not_found"
    assert (
        kind_of(office.caller(None).post(f"/standing/{standing.id}/revoke", {"why": "x"})) == "scope_missing"
    )
    assert kind_of(office.caller(None).get(f"/standing/{'0' * 32}")) == "not_found"
    assert claims.store.standing_approval("acme", standing.id) == standing


# --- where it is not offered ---


def test_a_link_in_a_mail_does_not_offer_it_and_takes_none(claims: Claims) -> None:
    approval = _ask(claims)
    with pytest.raises(DecisionRefusedError):
        claims.decide(
            approval,
            assurance=Assurance.EMAIL_LINK,
            standing=StandingWish(scope="thread", seconds=1.0, uses=1),
        )
    assert claims.now(approval) == approval


def test_no_channel_knows_the_word() -> None:
    """What comes in from Slack, Teams and mail is handed to the desk without it: none of them names it."""
    for path in [*(PACKAGE / "channels").rglob("*.py"), PACKAGE / "web" / "mail_links.py"]:
        assert not re.search(r"standing=|StandingWish|read_wish", path.read_text(encoding="utf-8")), path
