"""What people's clicks do, over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from guardkit.channels.host import ChannelHost
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.people import Assurance, Person
from guardkit.core.presentation import shown_hash
from tests.web.claims import (
    BYSTANDER,
    DESK_STAGE,
    FINANCE_STAGE,
    FIRST,
    OUTSIDER,
    REQUESTER,
    SECOND,
    THIRD,
    Claims,
)
from tests.web.visits import URL, Inbox, Visit, hidden, text_of


def changes_nothing(claims: Claims, approval: Approval, act: Callable[[], Any]) -> Any:
    before = claims.now(approval)
    answer = act()
    assert claims.now(approval) == before
    return answer


@pytest.mark.promise("P6")
def test_an_approval_is_signed_with_how_surely_the_person_was_known(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    (message,) = inbox.claims.store.deliveries()
    answer = ana.post(approval, "approve", reason="  checked the report ", delivery=message.id)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/approvals/{approval.request.id}")
    after = inbox.claims.now(approval)
    assert after.state is ApprovalState.APPROVED
    (said,) = after.decisions
    assert inbox.claims.verifier.decision(said)
    assert (said.person, said.via, said.assurance) == (FIRST.id, "web", Assurance.LOCAL_OPERATOR)
    assert (said.reason, said.delivery, said.digest) == ("checked the report", message.id, approval.digest)
    assert said.shown == shown_hash(approval, 0)
    page = text_of(ana.page(approval))
    assert "Approved by Ana Silva" in page
    assert "checked the report" in page
    assert "Your decision" not in page


@pytest.mark.promise("P4")
def test_a_rejection_carries_its_reason(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    assert ana.post(approval, "reject", reason="wrong\r\naccount").status_code == 303
    after = inbox.claims.now(approval)
    assert (after.state, after.decisions[0].reason) == (ApprovalState.REJECTED, "wrong\naccount")
    page = text_of(ana.page(approval))
    assert "Rejected by Ana Silva" in page
    assert "The action does not run." in page


@pytest.mark.parametrize("action", ["reject", "respond"])
@pytest.mark.parametrize("reason", ["", "   ", "\n\t"], ids=["empty", "blanks", "lines"])
def test_without_words_nothing_is_rejected_or_answered(
    inbox: Inbox, ana: Visit, action: str, reason: str
) -> None:
    approval = inbox.claims.ask(allowed=("approve", "reject", "respond"))
    answer = changes_nothing(inbox.claims, approval, lambda: ana.post(approval, action, reason=reason))
    assert answer.status_code == 422
    assert f'id="e-{action}"' in answer.text
    assert "<details open>" in answer.text, "the form is open again"


def test_what_was_typed_is_not_lost(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    long = "<b>" + "x" * 4000
    answer = changes_nothing(inbox.claims, approval, lambda: ana.post(approval, "reject", reason=long))
    assert answer.status_code == 422
    assert "At most 4,000 characters; this has 4,003." in text_of(answer.text)
    assert "&lt;b&gt;" + "x" * 4000 in answer.text


def test_an_answer_to_the_assistant_is_kept(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask(allowed=("approve", "respond"))
    assert ana.post(approval, "respond", reason="ask the assessor first").status_code == 303
    assert inbox.claims.now(approval).state is ApprovalState.RESPONDED


@pytest.mark.promise("P2")
def test_a_double_click_counts_once_and_is_no_error(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    token = ana.form_token()
    for _ in range(2):
        assert ana.post(approval, "approve", token=token).status_code == 303
    assert len(inbox.claims.now(approval).decisions) == 1
    assert len(inbox.claims.audited("approval.decided")) == 1


@pytest.mark.promise("P2")
def test_of_many_clicks_at_once_one_counts(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    token = ana.form_token()
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda _: ana.post(approval, "approve", token=token).status_code, range(6)))
    assert codes == [303] * 6
    assert len(inbox.claims.now(approval).decisions) == 1


@pytest.mark.promise("P2")
def test_what_is_decided_stays_decided(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    ana.post(approval, "reject", reason="no")
    for action in ("approve", "edit", "edit/confirm"):
        answer = changes_nothing(
            inbox.claims, approval, lambda action=action: ana.post(approval, action, reason="yes")
        )
        assert answer.status_code == 409, action
        assert "already decided" in text_of(answer.text)
        assert f'href="/approvals/{approval.request.id}"' in answer.text
    assert ana.get(f"/approvals/{approval.request.id}/edit").status_code == 409


@pytest.mark.promise("P1")
@pytest.mark.parametrize("action", ["approve", "reject", "edit", "edit/confirm"])
@pytest.mark.parametrize("digest", ["", "0" * 64, "x"], ids=["none", "other", "odd"])
def test_what_is_not_on_the_screen_is_not_decided(inbox: Inbox, ana: Visit, action: str, digest: str) -> None:
    approval = inbox.claims.ask()
    answer = changes_nothing(
        inbox.claims, approval, lambda: ana.post(approval, action, digest=digest, reason="x")
    )
    assert answer.status_code == 409
    assert "changed since you looked" in text_of(answer.text)


@pytest.mark.promise("P1")
def test_a_page_from_before_an_edit_decides_nothing(inbox: Inbox, ana: Visit) -> None:
    stages = (
        DESK_STAGE.model_copy(
            update={"required": 2, "groups": ("claims-desk", "finance-desk"), "role": None}
        ),
    )
    approval = inbox.claims.ask(stages=stages)
    inbox.claims.decide(approval, SECOND, kind="edit", args={**approval.args, "amount": "1.00"})
    edited = inbox.claims.now(approval)
    assert ana.post(approval, "approve").status_code == 409
    assert inbox.claims.now(approval) == edited
    page = ana.page(approval)
    assert "edited, was" in text_of(page)
    assert hidden(page, "digest") == edited.digest
    assert ana.post(edited, "approve").status_code == 303
    assert inbox.claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P7")
@pytest.mark.parametrize("closed", [False, True], ids=["not yet closed", "closed"])
def test_after_the_time_is_over_a_click_does_nothing(inbox: Inbox, ana: Visit, closed: bool) -> None:
    approval = inbox.claims.ask(expires_in=60)
    token = ana.form_token()
    inbox.claims.clock.now += 60
    if closed:
        inbox.claims.desk.expire()
    page = text_of(ana.page(approval))
    assert ("Expired" if closed else "The time to decide is over") in page
    assert "Your decision" not in page
    answer = changes_nothing(inbox.claims, approval, lambda: ana.post(approval, "approve", token=token))
    assert answer.status_code == 409
    assert ("already decided" if closed else "time to decide is over") in text_of(answer.text)


def test_an_answer_that_the_policy_does_not_offer_is_refused(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask(allowed=("reject",))
    page = ana.page(approval)
    for absent in ("/approve", "/edit", "/respond"):
        assert f"/approvals/{approval.request.id}{absent}" not in page
    for action in ("approve", "respond", "edit"):
        answer = changes_nothing(
            inbox.claims, approval, lambda action=action: ana.post(approval, action, reason="x")
        )
        assert answer.status_code == 400, action
        assert "not offered" in text_of(answer.text)


def test_a_text_that_cannot_be_kept_is_refused(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    answer = changes_nothing(inbox.claims, approval, lambda: ana.post(approval, "approve", reason="a\0b"))
    assert answer.status_code == 422
    assert "cannot be kept" in text_of(answer.text)


@pytest.mark.promise("P6")
def test_the_link_of_a_message_is_what_the_decision_names(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    (message,) = inbox.claims.store.deliveries()
    host = ChannelHost(
        name="desk",
        desk=inbox.claims.desk,
        store=inbox.claims.store,
        directory=inbox.claims.people,
        inbox=inbox.settings.url,
    )
    link = host.link(approval, message.id) or ""
    page = ana.get(link.removeprefix(inbox.settings.url)).text
    assert hidden(page, "delivery") == message.id
    edit = ana.get(f"/approvals/{approval.request.id}/edit?delivery={message.id}").text
    assert hidden(edit, "delivery") == message.id
    fields = {name: hidden(page, name) for name in ("token", "digest", "shown", "delivery")}
    assert ana.post(approval, "approve", **fields).status_code == 303
    (said,) = inbox.claims.now(approval).decisions
    assert (said.delivery, said.shown) == (message.id, shown_hash(approval, 0))
    assert inbox.claims.verifier.decision(said)
    assert not inbox.claims.verifier.decision(said.model_copy(update={"shown": "0" * 64}))
    assert not inbox.claims.verifier.decision(said.model_copy(update={"shown": None}))
    (audited,) = inbox.claims.audited("approval.decided")
    assert (audited["delivery"], audited["shown"]) == (said.delivery, said.shown)


@pytest.mark.promise("P6")
@pytest.mark.parametrize("named", ["nothing", "made up", "another question's", "another stage's", "not sent"])
def test_whoever_came_by_no_message_of_theirs_came_by_the_inbox(inbox: Inbox, named: str) -> None:
    stages = (DESK_STAGE, FINANCE_STAGE)
    claims = inbox.claims
    approval, other = claims.ask(stages=stages), claims.ask()
    waiting = {one.approval_id: one for one in claims.store.deliveries()}
    claims.decide(approval)
    names = {
        "nothing": "",
        "made up": '"><b>x',
        "another question's": waiting[other.request.id].id,
        "another stage's": waiting[approval.request.id].id,
        "not sent": f"{approval.request.id}-ask-1",
    }
    ben = inbox.visit(SECOND)
    page = ben.get(f"/approvals/{approval.request.id}?delivery={quote(names[named])}").text
    assert 'name="delivery"' not in page
    assert ben.post(approval, "approve", delivery=names[named]).status_code == 303
    assert claims.now(approval).decisions[1].delivery == "inbox"


@pytest.mark.promise("P6")
@pytest.mark.parametrize("shown", ["", "0" * 64, "x"], ids=["none", "other", "odd"])
@pytest.mark.parametrize("action", ["approve", "reject", "edit", "edit/confirm"])
def test_what_looked_otherwise_is_not_decided(inbox: Inbox, ana: Visit, action: str, shown: str) -> None:
    approval = inbox.claims.ask()
    changes = '{"set": {"amount": "1.00"}, "removed": []}'
    answer = changes_nothing(
        inbox.claims,
        approval,
        lambda: ana.post(approval, action, shown=shown, reason="x", changes=changes),
    )
    assert answer.status_code == 409
    assert "look" in text_of(answer.text)
    if action != "edit":  # which only shows what would be decided
        assert [one["why"] for one in inbox.claims.audited("approval.refused")] == ["shown_mismatch"]


@pytest.mark.promise("P6")
def test_a_page_from_before_others_answered_decides_nothing(inbox: Inbox, ana: Visit) -> None:
    two = DESK_STAGE.model_copy(
        update={"required": 2, "groups": ("claims-desk", "finance-desk"), "role": None}
    )
    approval = inbox.claims.ask(stages=(two,))
    before = ana.page(approval)
    inbox.claims.decide(approval, SECOND, reason="only if the garage confirms")
    old = {"shown": hidden(before, "shown"), "digest": hidden(before, "digest")}
    now = inbox.claims.now(approval)
    assert ana.post(approval, "approve", **old).status_code == 409
    assert inbox.claims.now(approval) == now
    assert ana.post(approval, "approve", shown=hidden(ana.page(approval), "shown")).status_code == 303


@pytest.mark.promise("P5")
def test_whoever_asked_sees_it_and_cannot_decide(inbox: Inbox) -> None:
    approval = inbox.claims.ask()
    rui = inbox.visit(REQUESTER)
    page = rui.page(approval)
    assert "others have to decide" in text_of(page)
    assert re.findall(r'action="/approvals/\w+/([^"]+)"', page) == ["withdraw"]
    for action in ("approve", "reject", "edit", "edit/confirm"):
        answer = changes_nothing(
            inbox.claims, approval, lambda action=action: rui.post(approval, action, reason="x")
        )
        assert answer.status_code in (400, 403), action
    assert rui.get(f"/approvals/{approval.request.id}/edit").status_code == 403
    assert rui.get(f"/approvals/{approval.request.id}").status_code == 200


@pytest.mark.promise("P5")
def test_a_later_stage_waits_for_its_turn(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask(stages=(DESK_STAGE, FINANCE_STAGE))
    ben, cleo = inbox.visit(SECOND), inbox.visit(THIRD)
    assert "other approvers at this stage" in text_of(ben.page(approval))
    assert changes_nothing(inbox.claims, approval, lambda: ben.post(approval, "approve")).status_code == 403
    assert ana.post(approval, "approve").status_code == 303
    assert "Your answer counts. It waits for others now." in text_of(ana.page(approval))
    assert ben.post(approval, "approve").status_code == 303
    assert inbox.claims.now(approval).state is ApprovalState.PENDING
    assert ben.post(approval, "approve").status_code == 303, "a second click is no second voice"
    assert inbox.claims.now(approval).state is ApprovalState.PENDING
    answer = changes_nothing(
        inbox.claims, approval, lambda: ben.post(approval, "reject", reason="no, after all")
    )
    assert answer.status_code == 409
    assert "already answered" in text_of(answer.text)
    assert cleo.post(approval, "approve").status_code == 303
    assert inbox.claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P6")
def test_a_stage_that_asks_for_more_than_a_link_refuses_a_link(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask(stages=(DESK_STAGE.model_copy(update={"assurance": Assurance.CHAT}),))
    page = ana.page(approval)
    assert "stronger sign-in" in text_of(page)
    assert 'action="/approvals/' not in page
    answer = changes_nothing(inbox.claims, approval, lambda: ana.post(approval, "approve"))
    assert answer.status_code == 403
    assert "stronger sign-in" in text_of(answer.text)


@pytest.mark.promise("P5")
def test_who_loses_the_role_between_look_and_click_decides_nothing(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    token = hidden(ana.page(approval), "token")
    inbox.claims.people.change(FIRST, roles=())
    answer = changes_nothing(inbox.claims, approval, lambda: ana.post(approval, "approve", token=token))
    assert answer.status_code == 404


PARTS = ("", "/edit", "/audit", "/args/0.txt", "/args/all.txt", "/reads/all.txt")


@pytest.mark.promise("P14")
@pytest.mark.parametrize("person", [OUTSIDER, BYSTANDER], ids=["tenant", "role"])
def test_what_is_not_for_somebodys_eyes_looks_like_nothing(inbox: Inbox, person: Person) -> None:
    approval = inbox.claims.ask()
    other = inbox.visit(person)
    for part in PARTS:
        theirs = other.get(f"/approvals/{approval.request.id}{part}")
        nothing = other.get(f"/approvals/{'0' * 32}{part}")
        assert theirs.status_code == nothing.status_code == 404, part
        assert theirs.text == nothing.text
    for path in ("/", "/open", "/history"):
        listed = other.get(path).text
        assert approval.request.id not in listed
        assert "Okafor" not in listed
    token = other.form_token()
    for action in ("approve", "reject", "respond", "edit", "edit/confirm"):
        answer = changes_nothing(
            inbox.claims,
            approval,
            lambda action=action: other.post(approval, action, token=token, reason="x"),
        )
        assert answer.status_code == 404, action


@pytest.mark.promise("P14")
def test_a_decided_approval_is_history_for_its_tenant_only(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    ana.post(approval, "approve")
    assert approval.request.id in ana.get("/history").text
    assert approval.request.id not in ana.get("/").text
    assert approval.request.id not in inbox.visit(OUTSIDER).get("/history").text


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    "path",
    [
        "/approvals/",
        "/approvals/x",
        "/approvals/" + "0" * 32,
        "/approvals/" + "a" * 5000,
        "/approvals/%F0%9F%92%A9",
        "/approvals/%ff%fe",
        "/approvals/..%2f..%2fetc%2fpasswd",
        "/approvals/'%20OR%201=1",
        "/approvals/<script>",
        "/approvals/x/edit",
        "/approvals/x/audit",
        "/approvals/x/args/0.txt",
        "/static/..%2fsettings.py",
        "/static/nothing.css",
        "/nothing",
    ],
)
def test_what_does_not_exist_is_a_page(ana: Visit, path: str) -> None:
    answer = ana.client.get(path)
    assert answer.status_code == 404
    assert "There is nothing here" in text_of(answer.text)
    assert "<script" not in answer.text


def test_no_path_becomes_a_link_to_another_host(inbox: Inbox) -> None:
    stranger = inbox.stranger()
    for path in ("//evil.example/", "//evil.example/approvals/x", "/approvals/x//evil.example"):
        page = stranger.get(f"{URL}{path}").text
        assert 'href="//' not in page
        assert 'href="http' not in page


@pytest.mark.parametrize(
    "part",
    ["args/99.txt", "args/x.txt", "args/-1.txt", "args/%C2%B2.txt", "secrets/0.txt", "args/123456789.txt"],
)
def test_a_value_that_does_not_exist_is_a_page(inbox: Inbox, ana: Visit, part: str) -> None:
    assert ana.get(f"/approvals/{inbox.claims.ask().request.id}/{part}").status_code == 404


def test_how_long_it_waits_is_said(inbox: Inbox, ana: Visit) -> None:
    inbox.claims.ask(expires_in=3 * 3600)
    inbox.claims.ask(expires_in=None)
    page = text_of(ana.get("/").text)
    assert "decide in 2 h 59 min" in page
    assert page.count("decide in") == 1


def test_the_audit_trail_names_who_did_what(inbox: Inbox, ana: Visit) -> None:
    approval = inbox.claims.ask()
    other = inbox.claims.ask()
    ana.post(approval, "approve", digest="0" * 64)
    ana.post(approval, "approve", reason="private-words")
    ana.post(other, "reject", reason="no")
    page = text_of(ana.page(approval, "/audit"))
    assert "Approval refused" in page
    assert "Why digest_mismatch" in page
    assert "Approval decided" in page
    assert "Person Ana Silva" in page
    assert "Stage 1" in page
    assert "reject" not in page, "of another approval"
    assert "private-words" not in page


def test_a_cut_value_can_be_had_whole_and_inert(inbox: Inbox, ana: Visit) -> None:
    value = "<script>" + "x" * 5000
    approval = inbox.claims.ask({"note": value}, schema={})
    page = ana.page(approval)
    assert f"/approvals/{approval.request.id}/args/0.txt" in page
    whole = ana.get(f"/approvals/{approval.request.id}/args/0.txt")
    assert whole.text == value
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in whole.headers["content-security-policy"]
    assert whole.headers["cache-control"] == "no-store"
