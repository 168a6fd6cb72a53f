"""Breaking the glass over the HTTP API, and reviewing it."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.core.approvals import Approval
from guardkit.core.glass import BreakGlass
from guardkit.core.runs import StopOrder
from tests.web.callers import TOKEN_STAGE, TWO_FINANCE, Caller, Office, kind_of, seen
from tests.web.claims import BYSTANDER, FIRST, OUTSIDER, REQUESTER, SECOND, THIRD, Claims

pytestmark = pytest.mark.promise("P5", "P6")

GLASS = BreakGlass(
    people=("by@corp.example", "req@corp.example"),
    valid_for=600.0,
    reason_length=20,
    reviewers=("cleo@corp.example", "by@corp.example"),
    review_within=3600.0,
)
REASON = "The house is on fire and the desk is empty."


@pytest.fixture
def office(claims: Claims) -> Office:
    return Office(claims)


def _asked(claims: Claims, **more: Any) -> Approval:
    return claims.ask(stages=(TOKEN_STAGE, TWO_FINANCE), break_glass=GLASS, **more)


def _break(caller: Caller, approval: Approval, key: str | None = None, **said: Any) -> Any:
    body = {**seen(approval), "reason": REASON, **said}
    return caller.post(f"/approvals/{approval.request.id}/break-glass", body, key)


def _close(caller: Caller, approval: Approval, key: str | None = None, **said: Any) -> Any:
    body = {"verdict": "justified", "comment": "I was called.", **said}
    return caller.post(f"/reviews/{approval.request.id}/close", body, key)


def test_the_glass_is_broken_once_and_reviewed_by_somebody_else(office: Office, claims: Claims) -> None:
    approval = _asked(claims)
    bo = office.caller(BYSTANDER)
    key = bo.key()
    taken = _break(bo, approval, key)
    assert taken.status_code == 200
    assert (taken.json()["decision"], taken.json()["state"]) == ("break_glass", "approved")
    assert _break(bo, approval, key).json() == taken.json(), "the same request again"
    assert kind_of(_break(bo, claims.now(approval))) == "already_settled"
    shown = bo.get(f"/approvals/{approval.request.id}").json()
    assert [(said["decision"], said["person"], said["comment"]) for said in shown["decisions"]] == [
        ("break_glass", "p-by", REASON)
    ]

    cleo = office.caller(THIRD)
    (review,) = cleo.get("/reviews").json()["items"]
    assert (review["approval"], review["state"], review["broken_by"]) == (approval.request.id, "open", "p-by")
    claims.clock.now += 3601
    assert cleo.get("/reviews").json()["items"][0]["state"] == "overdue"
    assert kind_of(_close(bo, approval)) == "requester", "not by whoever broke it"
    assert kind_of(_close(office.caller(FIRST), approval)) == "not_an_approver"
    assert kind_of(_close(office.caller(OUTSIDER), approval)) == "not_found"
    key = cleo.key()
    closed = _close(cleo, approval, key, verdict="not_justified")
    assert (closed.json()["state"], closed.json()["closed"]["verdict"]) == ("closed", "not_justified")
    assert _close(cleo, approval, verdict="not_justified").status_code == 200, "said already"
    assert kind_of(_close(cleo, approval)) == "already_settled"
    assert cleo.get("/reviews").json()["items"] == []
    assert len(cleo.get("/reviews", closed="true").json()["items"]) == 1


def test_a_service_sees_all_reviews_and_does_nothing(office: Office, claims: Claims) -> None:
    approval = _asked(claims)
    assert _break(office.caller(BYSTANDER), approval).status_code == 200
    service = office.caller(None)
    assert len(service.get("/reviews").json()["items"]) == 1
    assert kind_of(_close(service, approval)) == "scope_missing"
    assert kind_of(_break(service, approval)) == "scope_missing"


@pytest.mark.parametrize(
    ("who", "said", "problem"),
    [
        (REQUESTER, {}, "requester"),
        (SECOND, {}, "not_an_approver"),
        (OUTSIDER, {}, "not_found"),
        (BYSTANDER, {"reason": "Short."}, "reason_required"),
        (BYSTANDER, {"digest": "0" * 64}, "digest_mismatch"),
        (BYSTANDER, {"version": 7}, "version_mismatch"),
    ],
    ids=["requester", "not-named", "another-tenant", "no-reason", "changed", "answered-since"],
)
def test_what_does_not_count_changes_nothing(
    office: Office, claims: Claims, who: Any, said: dict[str, Any], problem: str
) -> None:
    approval = _asked(claims)
    assert kind_of(_break(office.caller(who), approval, **said)) == problem
    assert claims.now(approval) == approval
    assert office.caller(None).get("/reviews").json()["items"] == []


def test_without_the_policy_there_is_no_glass(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    assert kind_of(_break(office.caller(FIRST), approval)) == "not_allowed"
    assert kind_of(_break(office.caller(BYSTANDER), approval)) == "not_found"


@pytest.mark.promise("P9")
def test_a_stop_comes_first(office: Office, claims: Claims) -> None:
    approval = _asked(claims)
    claims.store.set_stop(StopOrder(id="s", scope="tenant", tenant="acme", by="ops", why="drill", at=0.0))
    assert kind_of(_break(office.caller(BYSTANDER), approval)) == "stopped"
