"""Approvals over the HTTP API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.core.digest import parse
from guardkit.core.people import Assurance
from guardkit.core.presentation import present, presentation_hash
from tests.web.callers import TOKEN_STAGE, TWO_FINANCE, Office, kind_of, seen
from tests.web.claims import (
    ARGS,
    BYSTANDER,
    FIRST,
    OUTSIDER,
    REQUESTER,
    SECOND,
    THIRD,
    Claims,
    digest_of,
)


@pytest.fixture
def office(claims: Claims) -> Office:
    return Office(claims)


def test_one_approval_is_shown_whole(office: Office, claims: Claims) -> None:
    args = {**ARGS, "note": "a" * 20_000 + "\u202e hidden"}
    approval = claims.ask(args, stages=(TOKEN_STAGE, TWO_FINANCE), reads={"balance": "10.00"})
    answer = office.caller().get(f"/approvals/{approval.request.id}")
    assert answer.status_code == 200
    assert answer.text.isascii(), "nothing in it is invisible or reorders what is around it"
    shown = answer.json()
    assert shown["execution"]["arguments"] == args
    assert parse(shown["execution"]["canonical"]) == {"arguments": args, "reads": {"balance": "10.00"}}
    assert (shown["digest"], shown["version"]) == (approval.digest, 0)
    assert shown["presentation_hash"] == presentation_hash(present(approval))
    assert shown["arguments_schema"] == approval.request.args_schema
    assert [stage["status"] for stage in shown["stages"]] == ["waiting", "later"]
    assert shown["may_decide"] is True
    at = datetime.fromisoformat(shown["requested_at"])
    assert at == datetime.fromtimestamp(approval.request.requested_at, UTC)
    assert "salt" not in answer.text


def test_what_becomes_of_it_is_shown(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    ana = office.caller()
    assert ana.decide(approval, decision="reject", comment="Not due.").status_code == 200
    shown = ana.get(f"/approvals/{approval.request.id}").json()
    assert shown["state"] == "rejected"
    assert shown["after"] == {"turn": "paused", "effect": None}
    (said,) = shown["decisions"]
    assert (said["person"], said["comment"], said["assurance"], said["via"]) == (
        "p-ana", "Not due.", "api_token", "api",
    )  # fmt: skip
    trail = ana.get(f"/approvals/{approval.request.id}/trail").json()
    assert [entry["kind"] for entry in trail["entries"]] == ["approval.decided"]
    assert trail["complete"] is True


def test_an_edit_is_an_edit_of_everything(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TWO_FINANCE,))
    edited = {**ARGS, "amount": "900.00"}
    ben, cleo = office.caller(SECOND), office.caller(THIRD)
    assert ben.decide(approval).json()["state"] == "pending"
    now = claims.now(approval)
    taken = cleo.decide(now, decision="edit", arguments=edited).json()
    assert taken["digest"] == digest_of(approval, edited)
    assert (taken["state"], taken["version"]) == ("pending", 2)
    shown = ben.get(f"/approvals/{approval.request.id}").json()
    assert shown["execution"]["arguments"] == edited
    assert shown["requested_arguments"] == ARGS
    assert shown["stages"][0]["given"] == ["p-cleo"], "what others had approved is open again"
    assert ben.decide(claims.now(approval)).json()["state"] == "approved"


def test_words_go_back_to_the_model(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,), allowed=("approve", "respond"))
    answer = office.caller().decide(approval, decision="respond", comment="Ask for the invoice first.")
    assert answer.json()["state"] == "responded"


@pytest.mark.promise("P2", "P6")
@pytest.mark.parametrize(
    ("said", "status", "kind"),
    [
        ({"version": 1}, 409, "version_mismatch"),
        ({"digest": "0" * 64}, 409, "digest_mismatch"),
        ({"decision": "reject"}, 422, "reason_required"),
        ({"decision": "reject", "comment": " \n"}, 422, "reason_required"),
        ({"comment": "a\0b"}, 422, "reason_invalid"),
        ({"decision": "respond", "comment": "x"}, 422, "not_allowed"),
        ({"decision": "edit"}, 422, "edit_invalid"),
        ({"arguments": {}}, 422, "edit_invalid"),
        ({"decision": "edit", "arguments": {"amount": 1}}, 422, "edit_invalid"),
        ({"decision": "edit", "arguments": ARGS}, 422, "edit_invalid"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_bound_to_what_was_shown_changes_nothing(
    office: Office, claims: Claims, said: dict[str, Any], status: int, kind: str
) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    answer = office.caller().decide(approval, **said)
    assert (answer.status_code, kind_of(answer)) == (status, kind)
    assert claims.now(approval) == approval
    assert [event["why"] for event in claims.audited("approval.refused")] == [kind]


def test_a_conflict_says_where_the_approval_stands(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TWO_FINANCE,))
    assert office.caller(SECOND).decide(approval).status_code == 200
    late = office.caller(THIRD).decide(approval)
    now = claims.now(approval)
    assert kind_of(late) == "version_mismatch"
    assert late.json()["current"] == {
        "id": approval.request.id, "state": "pending", "version": 1, "digest": now.digest,
    }  # fmt: skip
    assert office.caller(THIRD).decide(now).json()["state"] == "approved"
    after = office.caller(THIRD).decide(now)
    assert kind_of(after) == "already_settled"
    assert after.json()["current"]["state"] == "approved"


@pytest.mark.promise("P5")
def test_only_the_right_people_decide(office: Office, claims: Claims) -> None:
    stage = TOKEN_STAGE.model_copy(update={"groups": ("claims-desk", "finance-desk"), "role": None})
    approval = claims.ask(stages=(stage, TWO_FINANCE))
    refused = office.caller(REQUESTER).decide(approval)
    assert (refused.status_code, kind_of(refused)) == (403, "requester")
    unseen = office.caller(BYSTANDER).decide(approval)
    assert (unseen.status_code, kind_of(unseen)) == (404, "not_found")
    ben = office.caller(SECOND)
    assert ben.decide(approval).status_code == 200
    twice = ben.decide(claims.now(approval))
    assert (twice.status_code, kind_of(twice)) == (409, "already_decided")
    assert [said.person for said in claims.now(approval).decisions] == ["p-ben"]


@pytest.mark.promise("P5")
def test_membership_is_looked_up_at_every_request(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    ana = office.caller()
    assert ana.get("/approvals").json()["items"] != []
    claims.people.change(FIRST, groups=())
    assert kind_of(ana.decide(approval)) == "not_found"
    claims.people.change(FIRST, active=False)
    answer = ana.decide(approval)
    assert (answer.status_code, kind_of(answer)) == (403, "inactive")
    assert kind_of(ana.get("/approvals")) == "inactive"
    claims.people.change(FIRST, tenant="other")
    assert kind_of(ana.get("/approvals")) == "inactive"
    assert claims.now(approval).decisions == ()
    assert "inactive" in [event["why"] for event in claims.audited("api.refused")]


@pytest.mark.promise("P6")
def test_a_stage_that_asks_for_more_than_a_token_is_not_decided_by_one(
    office: Office, claims: Claims
) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE.model_copy(update={"assurance": Assurance.CHAT}),))
    ana = office.caller()
    answer = ana.decide(approval)
    assert (answer.status_code, kind_of(answer)) == (403, "assurance_too_low")
    assert claims.now(approval) == approval
    (shown,) = ana.get("/approvals", for_me="true").json()["items"]
    assert (shown["may_decide"], shown["refusal"]) == (False, "assurance_too_low")


@pytest.mark.promise("P6")
def test_a_service_reads_everything_of_its_tenant_and_decides_nothing(office: Office, claims: Claims) -> None:
    own, _ = claims.ask(stages=(TOKEN_STAGE,)), claims.ask(tenant="other")
    service = office.caller(None)
    assert [one["id"] for one in service.get("/approvals").json()["items"]] == [own.request.id]
    assert kind_of(service.get("/approvals", for_me="true")) == "people_only"
    answer = service.decide(own)
    assert (answer.status_code, kind_of(answer)) == (403, "scope_missing")
    assert claims.now(own) == own


@pytest.mark.promise("P14")
def test_what_another_tenant_has_looks_like_what_nobody_has(office: Office, claims: Claims) -> None:
    foreign = claims.ask(stages=(TOKEN_STAGE,))
    olga = office.caller(OUTSIDER)
    absent = "f" * 32
    bodies = {
        "decisions": {"decision": "approve", **seen(foreign)},
        "cancel": {"why": "not needed"},
    }
    for part in ("", "/trail"):
        there, nowhere = (
            olga.get(f"/approvals/{foreign.request.id}{part}"),
            olga.get(f"/approvals/{absent}{part}"),
        )
        assert (there.status_code, there.content) == (nowhere.status_code, nowhere.content)
        assert kind_of(there) == "not_found"
    for part, body in bodies.items():
        there = olga.post(f"/approvals/{foreign.request.id}/{part}", body)
        nowhere = olga.post(f"/approvals/{absent}/{part}", body)
        assert (there.status_code, there.content) == (nowhere.status_code, nowhere.content)
        assert kind_of(there) == "not_found"
    assert kind_of(olga.get("/history", thread=foreign.request.thread_id)) == "not_found"
    assert olga.get("/approvals").json()["items"] == []
    assert claims.now(foreign) == foreign
    tried = claims.audited("api.refused", "other")
    assert len(tried) == 9
    assert {str(event["why"]) for event in tried} == {"not_found"}
    assert claims.audited("api.refused", "acme") == []


def test_the_list_is_filtered(office: Office, claims: Claims) -> None:
    pays = [claims.ask(stages=(TOKEN_STAGE,)) for _ in range(2)]
    mail = claims.ask(stages=(TOKEN_STAGE, TWO_FINANCE), tool="send_mail")
    claims.decide(pays[0], assurance=Assurance.OIDC)
    ana, ben = office.caller(), office.caller(SECOND)

    def listed(caller: Any, **query: Any) -> list[str]:
        return [one["id"] for one in caller.get("/approvals", **query).json()["items"]]

    assert listed(ana) == [mail.request.id, pays[1].request.id, pays[0].request.id]
    assert listed(ana, state="pending") == [mail.request.id, pays[1].request.id]
    assert listed(ana, state=["approved", "rejected"]) == [pays[0].request.id]
    assert listed(ana, tool="send_mail") == [mail.request.id]
    assert listed(ana, agent="nobody") == []
    assert listed(ana, thread=pays[1].request.thread_id) == [pays[1].request.id]
    assert listed(ana, for_me="true") == [mail.request.id, pays[1].request.id]
    assert listed(ana, requester="req@corp.example", tool="send_mail") == [mail.request.id]
    assert listed(ana, requester="req") == []
    assert listed(ana, search=pays[0].request.id[:10]) == [pays[0].request.id]
    assert listed(ana, search=pays[1].request.thread_id) == [pays[1].request.id]
    assert listed(ana, search="send_mail") == [mail.request.id]
    assert listed(ben, search=pays[0].request.id) == [], "a search shows nobody more"
    asked = datetime.fromtimestamp(pays[1].request.requested_at, UTC).isoformat()
    assert listed(ana, asked_before=asked) == [pays[0].request.id]
    never = claims.ask(stages=(TOKEN_STAGE,), expires_in=None)
    due = datetime.fromtimestamp(mail.request.expires_at or 0, UTC).isoformat()
    assert listed(ana, due_before=due) == [pays[1].request.id, pays[0].request.id]
    claims.decide(never, assurance=Assurance.OIDC)
    assert listed(ben) == [mail.request.id], "only what is for one's eyes"
    assert listed(ben, for_me="true") == [], "the first stage waits for others"


def test_the_requester_withdraws_once(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    path = f"/approvals/{approval.request.id}/cancel"
    assert kind_of(office.caller(FIRST).post(path, {"why": "no"})) == "not_the_requester"
    assert kind_of(office.caller(BYSTANDER).post(path, {"why": "no"})) == "not_found"
    assert claims.now(approval) == approval
    requester = office.caller(REQUESTER)
    answer = requester.post(path, {"why": "The customer has paid."})
    assert answer.json()["state"] == "cancelled"
    assert claims.now(approval).state is ApprovalState.CANCELLED
    again = requester.post(path, {"why": "The customer has paid."})
    assert again.json() == answer.json()
    assert len(claims.audited("approval.cancelled")) == 1
    assert kind_of(office.caller(FIRST).decide(approval)) == "already_settled"


def test_a_decided_approval_is_not_withdrawn(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TOKEN_STAGE,))
    claims.decide(approval, kind="reject", reason="no", assurance=Assurance.OIDC)
    answer = office.caller(REQUESTER).post(f"/approvals/{approval.request.id}/cancel", {"why": "late"})
    assert (answer.status_code, kind_of(answer)) == (409, "already_settled")
    assert answer.json()["current"]["state"] == "rejected"


def test_a_threads_history_is_read_in_pages(office: Office, claims: Claims) -> None:
    approval = claims.ask(stages=(TWO_FINANCE,))
    for person in (SECOND, THIRD):
        claims.decide(claims.now(approval), person, assurance=Assurance.OIDC)
    reader = office.caller(None)
    thread = approval.request.thread_id
    first = reader.get("/history", thread=thread, limit=1).json()
    rest = reader.get("/history", thread=thread, after=first["next"]).json()
    assert [entry["data"]["person"] for entry in first["entries"] + rest["entries"]] == ["p-ben", "p-cleo"]
    assert rest["next"] is None


@pytest.mark.promise("P9", "P14")
def test_stops_are_set_and_lifted_in_ones_own_tenant(office: Office, claims: Claims) -> None:
    ana, service, olga = office.caller(), office.caller(None), office.caller(OUTSIDER)
    made = service.post("/stops", {"scope": "agent", "target": "claims-assistant", "why": "odd payments"})
    assert made.status_code == 201
    stop = made.json()
    assert (stop["by"], stop["scope"], stop["target"]) == ("service:reporting", "agent", "claims-assistant")
    (order,) = claims.store.stops()
    assert (order.id, order.tenant) == (stop["id"], "acme")
    assert olga.get("/stops").json()["items"] == []
    assert ana.get("/stops").json()["items"] == [stop]
    assert kind_of(service.post(f"/stops/{stop['id']}/lift", {"why": "over"})) == "people_only"
    assert kind_of(olga.post(f"/stops/{stop['id']}/lift", {"why": "over"})) == "not_found"
    assert [order.id for order in claims.store.stops()] == [stop["id"]]
    assert ana.post(f"/stops/{stop['id']}/lift", {"why": "over"}).status_code == 200
    assert list(claims.store.stops()) == []
    assert kind_of(ana.post(f"/stops/{stop['id']}/lift", {"why": "over"})) == "not_found"


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "everything", "why": "x"},
        {"scope": "tenant", "target": "t", "why": "x"},
        {"scope": "thread", "why": "x"},
        {"scope": "thread", "target": " t", "why": "x"},
        {"scope": "thread", "target": "t", "why": ""},
        {"scope": "thread", "target": "t", "why": "x", "tenant": "other"},
    ],
    ids=str,
)
def test_a_stop_says_what_it_stops(office: Office, claims: Claims, body: dict[str, str]) -> None:
    answer = office.caller().post("/stops", body)
    assert (answer.status_code, kind_of(answer)) == (422, "invalid")
    assert list(claims.store.stops()) == []
