"""Breaking the glass in the inbox, and reviewing it there."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.core.approvals import Approval
from guardkit.core.glass import BreakGlass
from guardkit.core.runs import StopOrder
from tests.web.claims import BYSTANDER, DESK_STAGE, FIRST, OUTSIDER, REQUESTER, SECOND, THIRD, Claims
from tests.web.visits import Inbox, Visit, hidden, text_of

pytestmark = pytest.mark.promise("P5", "P6")

GLASS = BreakGlass(
    people=("by@corp.example", "req@corp.example"),
    valid_for=600.0,
    reason_length=20,
    reviewers=("cleo@corp.example", "by@corp.example"),
    review_within=7200.0,
)
REASON = "The house is on fire and <b>nobody</b> answers."


def asked(claims: Claims, **more: Any) -> Approval:
    return claims.ask(stages=(DESK_STAGE,), break_glass=GLASS, **more)


def fields_of(visit: Visit, approval: Approval) -> dict[str, str]:
    page = visit.page(approval, "/break-glass")
    return {name: hidden(page, name) for name in ("token", "digest", "shown", "version")}


def broken(visit: Visit, approval: Approval, **more: str) -> Any:
    fields = {**fields_of(visit, approval), "reason": REASON, "sure": "yes", **more}
    return visit.post(approval, "break-glass", **fields)


def close(visit: Visit, approval: Approval, **more: str) -> Any:
    fields = {"token": visit.form_token(), "verdict": "justified", "comment": "I was called.", **more}
    return visit.client.post(f"/reviews/{approval.request.id}/close", data=fields, follow_redirects=False)


def test_the_glass_is_broken_behind_a_page_of_its_own(claims: Claims, inbox: Inbox) -> None:
    approval = asked(claims)
    bo = inbox.visit(BYSTANDER)
    page = bo.page(approval)
    assert "In an emergency: break the glass" in text_of(page)
    said = text_of(bo.page(approval, "/break-glass"))
    assert "You decide alone" in said
    assert "for 10m, once" in said
    assert "Cleo Marsh" in said
    assert "DE89 3704 0044 0532 0130 00" in said
    answer = broken(bo, approval)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/approvals/{approval.request.id}")
    now = claims.now(approval)
    assert (now.state.value, now.decisions[0].kind, now.decisions[0].via) == (
        "approved",
        "break_glass",
        "web",
    )
    assert claims.verifier.decision(now.decisions[0])
    assert now.decisions[0].reason == REASON
    assert len(claims.audited("approval.glass_broken")) == 1
    shown = bo.page(now)
    assert "Glass broken" in text_of(shown)
    assert "<b>nobody</b>" not in shown


def test_a_second_click_breaks_nothing_more(claims: Claims, inbox: Inbox) -> None:
    approval = asked(claims)
    bo = inbox.visit(BYSTANDER)
    fields = {**fields_of(bo, approval), "reason": REASON, "sure": "yes"}
    assert [bo.post(approval, "break-glass", **fields).status_code for _ in range(2)] == [303, 303]
    assert len(claims.now(approval).decisions) == 1
    assert claims.audited("approval.refused") == []


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"reason": "Fire!"}, "20 characters or more"),
        ({"reason": "r" * 4001}, "At most 4,000 characters"),
        ({"sure": ""}, "Tick the box"),
    ],
    ids=["short", "long", "unsure"],
)
def test_what_is_missing_is_asked_for_and_nothing_is_lost(
    claims: Claims, inbox: Inbox, said: dict[str, str], told: str
) -> None:
    approval = asked(claims)
    answer = broken(inbox.visit(BYSTANDER), approval, **said)
    assert answer.status_code == 422
    assert told in text_of(answer.text)
    assert said.get("reason", REASON)[:5] in answer.text
    assert claims.now(approval) == approval


@pytest.mark.parametrize(
    ("said", "status"),
    [({"digest": "0" * 64}, 409), ({"version": "7"}, 409), ({"version": "x"}, 400), ({"token": "x"}, 403)],
    ids=["changed", "answered-since", "no-version", "foreign"],
)
def test_what_does_not_count_changes_nothing(
    claims: Claims, inbox: Inbox, said: dict[str, str], status: int
) -> None:
    approval = asked(claims)
    assert broken(inbox.visit(BYSTANDER), approval, **said).status_code == status
    assert claims.now(approval) == approval


@pytest.mark.promise("P14")
@pytest.mark.parametrize(
    ("who", "status"), [(REQUESTER, 403), (FIRST, 403), (SECOND, 404), (OUTSIDER, 404)], ids=lambda one: str(getattr(one, "id", one))
)  # fmt: skip
def test_who_is_not_named_sees_no_such_page(claims: Claims, inbox: Inbox, who: Any, status: int) -> None:
    approval = asked(claims)
    visit = inbox.visit(who)
    assert visit.get(f"/approvals/{approval.request.id}/break-glass").status_code == status
    if status == 403:
        assert "break the glass" not in text_of(visit.page(approval)).casefold()
    fields = {"version": "0", "reason": REASON, "sure": "yes"}
    assert visit.post(approval, "break-glass", **fields).status_code == status
    assert claims.now(approval) == approval


@pytest.mark.promise("P9")
def test_a_stop_comes_first(claims: Claims, inbox: Inbox) -> None:
    approval = asked(claims)
    bo = inbox.visit(BYSTANDER)
    fields = {**fields_of(bo, approval), "reason": REASON, "sure": "yes"}
    claims.store.set_stop(StopOrder(id="s", scope="tenant", tenant="acme", by="ops", why="drill", at=0.0))
    answer = bo.post(approval, "break-glass", **fields)
    assert (answer.status_code, "An operator has stopped this" in text_of(answer.text)) == (409, True)
    assert claims.now(approval) == approval


def test_a_review_is_listed_looked_at_and_closed_once(claims: Claims, inbox: Inbox) -> None:
    approval = asked(claims)
    cleo, bo = inbox.visit(THIRD), inbox.visit(BYSTANDER)
    assert "Reviews" not in text_of(cleo.get("/").text)
    assert broken(bo, approval).status_code == 303
    assert 'href="/reviews"' in cleo.get("/").text
    listed = cleo.get("/reviews")
    assert "Bo Bystander" in text_of(listed.text)
    page = cleo.get(f"/reviews/{approval.request.id}")
    said = text_of(page.text)
    assert "<b>nobody</b>" not in page.text
    assert "The house is on fire" in said
    assert "DE89 3704 0044 0532 0130 00" in said
    own = text_of(bo.get(f"/reviews/{approval.request.id}").text)
    assert "cannot review it" in own
    assert close(bo, approval).status_code == 403
    for wrong, told in (
        ({"verdict": ""}, "Choose what you find"),
        ({"comment": " "}, "Say why you find so"),
        ({"comment": "c" * 4001}, "At most 4,000"),
    ):
        refused = close(cleo, approval, **wrong)
        assert (refused.status_code, told in text_of(refused.text)) == (422, True)
    claims.clock.now += 7300
    assert "Overdue" in text_of(cleo.get("/reviews").text)
    done = [close(cleo, approval, verdict="not_justified") for _ in range(2)]
    assert [one.status_code for one in done] == [303, 303]
    assert close(cleo, approval).status_code == 409, "it is closed once"
    assert "Not justified" in text_of(cleo.get(f"/reviews/{approval.request.id}").text)
    assert "Nothing waits for your review" in text_of(cleo.get("/reviews").text)
    assert "Bo Bystander" in text_of(cleo.get("/reviews?closed=yes").text)
    assert [one["verdict"] for one in claims.audited("review.closed")] == ["not_justified"]


@pytest.mark.promise("P14", "P15")
def test_reviews_of_others_are_not_there(claims: Claims, inbox: Inbox) -> None:
    approval = asked(claims)
    assert broken(inbox.visit(BYSTANDER), approval).status_code == 303
    for who in (FIRST, OUTSIDER):
        visit = inbox.visit(who)
        assert visit.get(f"/reviews/{approval.request.id}").status_code == 404
        assert close(visit, approval).status_code == 404
        assert "Nothing waits for your review" in text_of(visit.get("/reviews").text)
    ana = inbox.visit(THIRD)
    assert ana.get("/reviews/none").status_code == 404
    assert ana.get("/reviews?closed=maybe").status_code == 400
    assert close(ana, approval, token="x").status_code == 403
