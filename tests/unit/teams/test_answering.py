"""Clicks: who decides, what they see then, and that a click that comes twice acts once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guardkit.channels.host import ChannelHost
from guardkit.channels.teams import Teams
from guardkit.core.approvals import ApprovalState
from guardkit.core.people import Assurance
from guardkit.core.presentation import shown_hash
from tests.unit.teams.desk import ANA, BEN, CLEO, OBJECT_IDS, PAIR, ROOM, RUI, STAGE, TeamsDesk, texts, verbs
from tests.unit.teams.microsoft import OTHER_TENANT, TENANT
from tests.web.claims import ARGS

CARD = "application/vnd.microsoft.card.adaptive"
TOAST = "application/vnd.microsoft.activity.message"
ERROR = "application/vnd.microsoft.error"


def test_approve(desk: TeamsDesk) -> None:
    approval = desk.ask()
    assert desk.deliver() == []
    answer = desk.says(desk.click(approval))
    assert (answer["statusCode"], answer["type"]) == (200, CARD)
    assert verbs(answer["value"]) == []
    assert "approved" in texts(answer["value"])
    (said,) = desk.claims.now(approval).decisions
    assert (said.kind, said.person, said.assurance, said.via) == (
        "approve",
        "p-ana",
        Assurance.CHAT,
        "finance",
    )
    (post,) = desk.store.posts("acme", approval.request.id)
    assert (said.delivery, said.shown) == (post.delivery, shown_hash(approval, 0))
    assert f"/approvals/{approval.request.id}?delivery={post.delivery}" in str(desk.microsoft.posted())


def test_reject_says_why(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    assert desk.says(desk.click(approval, "reject", data={"reason": "  too much "}))["type"] == CARD
    now = desk.claims.now(approval)
    assert (now.state, now.decisions[0].reason) == (ApprovalState.REJECTED, "too much")


def test_a_rejection_without_words_is_told(desk: TeamsDesk) -> None:
    approval = desk.ask()
    answer = desk.says(desk.click(approval, "reject", data={"reason": "  "}))
    assert (answer["type"], "say why" in answer["value"].lower()) == (TOAST, True)
    assert desk.claims.now(approval).state is ApprovalState.PENDING


def test_respond(desk: TeamsDesk) -> None:
    approval = desk.ask(allowed=("approve", "respond"))
    desk.deliver()
    assert verbs(card_of(desk)) == ["approve", "respond"]
    desk.says(desk.click(approval, "respond", data={"reason": "Ask the assessor first."}))
    assert desk.claims.now(approval).state is ApprovalState.RESPONDED


@pytest.mark.promise("P2")
@pytest.mark.parametrize(
    ("verb", "data"),
    [("approve", {}), ("reject", {"reason": "no"}), ("edit", {"f1": "Maria Okafor-Lind"})],
)
def test_an_invoke_that_comes_again_acts_once_and_is_a_success(
    desk: TeamsDesk, verb: str, data: dict[str, Any]
) -> None:
    approval = desk.ask()
    desk.deliver()
    form = filled(desk, data) if verb == "edit" else data
    activity = desk.click(approval, verb, data=form)
    first = desk.says(activity)
    before = desk.claims.now(approval)
    assert len(before.decisions) == 1
    again = [desk.says(activity) for _ in range(3)]
    assert desk.claims.now(approval) == before
    assert all(answer == first for answer in again)
    assert first["statusCode"] == 200
    assert first["type"] == CARD
    assert desk.claims.audited("approval.refused") == []


@pytest.mark.promise("P2")
def test_another_answer_after_the_first_is_no_success(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.says(desk.click(approval))
    answer = desk.says(desk.click(approval, "reject", data={"reason": "after all not"}))
    assert "already decided" in texts(answer["value"])
    assert verbs(answer["value"]) == []
    assert desk.claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P5")
def test_two_people_are_needed_and_one_person_is_not_two(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(PAIR,))
    desk.microsoft.members["29:p-cleo"] = member(CLEO.id, email="Cleo@corp.example")
    first = desk.says(desk.click(approval, person=BEN))
    assert "waits for others" in texts(first["value"])
    desk.says(desk.click(approval, person=BEN))
    assert desk.claims.now(approval).state is ApprovalState.PENDING
    desk.says(desk.click(approval, person=CLEO))
    assert desk.claims.now(approval).state is ApprovalState.APPROVED


def member(person: str, **changes: str) -> dict[str, str]:
    return {"id": f"29:{person}", "aadObjectId": OBJECT_IDS[person], "tenantId": TENANT, **changes}


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    "changes",
    [
        {"email": "stranger@corp.example"},
        {"email": "cleo@corp.example", "tenantId": OTHER_TENANT},
        {"email": "cleo@corp.example", "tenantId": ""},
        {"email": "cleo@corp.example", "aadObjectId": OBJECT_IDS[ANA.id]},
        {"email": "ben@corp.example"},
    ],
    ids=["stranger", "other-tenant", "no-tenant", "other-account", "somebody-whose-account-is-known"],
)
def test_an_address_counts_only_from_ones_own_account_of_our_tenant(
    desk: TeamsDesk, changes: dict[str, str]
) -> None:
    approval = desk.ask(stages=(PAIR.model_copy(update={"required": 1}),))
    desk.microsoft.members["29:p-cleo"] = member(CLEO.id, **changes)
    answer = desk.says(desk.click(approval, person=CLEO))
    assert answer["type"] == TOAST
    assert "not among the approvers" in answer["value"]
    assert desk.claims.now(approval).decisions == ()
    assert [data["why"] for data in desk.claims.audited("approval.refused")] == ["unknown_identity"]


@pytest.mark.promise("P6")
def test_without_an_account_nothing_counts(desk: TeamsDesk) -> None:
    approval = desk.ask()
    for sender in ({"id": "29:p-ana"}, {"id": "29:p-ana", "aadObjectId": "ana"}, {"aadObjectId": 7}):
        answer = desk.says({**desk.click(approval), "from": sender})
        assert (answer["statusCode"], answer["type"]) == (400, ERROR)
    assert desk.claims.now(approval).decisions == ()
    assert desk.refusals() == ["malformed_action"] * 3


@pytest.mark.promise("P5")
def test_whoever_asked_cannot_decide(desk: TeamsDesk) -> None:
    approval = desk.ask(excluded=("req@corp.example",))
    answer = desk.says(desk.click(approval, person=RUI))
    assert (answer["type"], "started or steered" in answer["value"]) == (TOAST, True)
    assert desk.claims.now(approval).decisions == ()


@pytest.mark.promise("P6")
def test_a_stage_that_wants_more_than_chat_is_not_decided_here(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(STAGE.model_copy(update={"assurance": Assurance.OIDC}),))
    desk.deliver()
    assert verbs(card_of(desk)) == []
    assert "surer way" in texts(card_of(desk))
    answer = desk.says(desk.click(approval))
    assert (answer["type"], "surer way" in answer["value"]) == (TOAST, True)
    assert desk.claims.now(approval).decisions == ()


@pytest.mark.promise("P1")
def test_a_card_that_was_overtaken_by_an_edit_decides_nothing(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(PAIR,))
    old = desk.click(approval, person=BEN)
    desk.claims.decide(
        approval, CLEO, kind="edit", args={**ARGS, "amount": "900.00"}, assurance=Assurance.CHAT
    )
    answer = desk.says(old)
    assert "edited since" in texts(answer["value"])
    assert verbs(answer["value"]) == ["approve", "edit", "reject"]
    assert "900.00" in texts(answer["value"])
    assert len(desk.claims.now(approval).decisions) == 1
    fresh = answer["value"]["actions"][0]["data"]
    desk.says(desk.click(desk.claims.now(approval), person=BEN, data=fresh))
    assert desk.claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P1")
@pytest.mark.parametrize("version", [1, 99, -1, True, None, "x", 1.5, [0], "00000000000"])
def test_a_version_that_never_was_decides_nothing(desk: TeamsDesk, version: Any) -> None:
    approval = desk.ask()
    answer = desk.says(desk.click(approval, data={"version": version}))
    assert (answer["statusCode"], answer["type"]) == (400, ERROR)
    assert desk.claims.now(approval) == approval


def test_a_version_may_come_as_text(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.says(desk.click(approval, data={"version": "0"}))
    assert desk.claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P14")
def test_approvals_of_other_tenants_do_not_exist(desk: TeamsDesk) -> None:
    approval = desk.ask(tenant="other")
    unknown = desk.says(desk.click(approval, data={"id": "0" * 32}))
    assert desk.says(desk.click(approval)) == unknown
    assert unknown["value"] == "There is no such approval for you."
    assert desk.claims.now(approval).decisions == ()


def test_an_expired_question_shows_how_it_stands(desk: TeamsDesk) -> None:
    approval = desk.ask(expires_in=60)
    desk.claims.clock.now += 120
    answer = desk.says(desk.click(approval))
    assert "time to decide is over" in texts(answer["value"])
    assert verbs(answer["value"]) == []


def test_a_database_that_is_away_is_told_and_changes_nothing(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.store.away = True
    answer = desk.says(desk.click(approval))
    assert (answer["type"], "try again" in answer["value"]) == (TOAST, True)
    desk.store.away = False
    desk.says(desk.click(approval))
    assert desk.claims.now(approval).state is ApprovalState.APPROVED


def test_teams_not_telling_an_address_changes_nothing(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(PAIR,))
    desk.microsoft.faults = [502]
    answer = desk.says(desk.click(approval, person=CLEO))
    assert (answer["type"], "try again" in answer["value"]) == (TOAST, True)
    assert desk.claims.now(approval).decisions == ()


def card_of(desk: TeamsDesk, name: str = "m1") -> Any:
    return desk.microsoft.activities[name]["attachments"][0]["content"]


def edit_form(card: Any) -> list[dict[str, Any]]:
    """The inputs of a card's edit form."""
    (form,) = [one for one in card["actions"] if one["title"] == "Edit…"]
    return [one for one in form["card"]["body"] if one["type"].startswith("Input.")]


def filled(desk: TeamsDesk, data: dict[str, Any], card: Any = None) -> dict[str, Any]:
    """What a client sends: every input with what is in it, and no empty ones."""
    inputs = edit_form(card or card_of(desk))
    values = {one["id"]: one["value"] for one in inputs if one.get("value")}
    return {**values, **data}


def key_of(card: Any, label: str) -> str:
    return next(one["id"] for one in edit_form(card) if one["label"] == label)


def test_an_edit_keeps_types_and_what_the_form_does_not_show(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    card = card_of(desk)
    changes = {
        key_of(card, "Amount"): "900.00",
        key_of(card, "Copies"): 3,
        key_of(card, "Urgent"): "true",
        key_of(card, "Rate"): "0.75",
        "reason": "less",
    }
    answer = desk.says(desk.click(approval, "edit", data=filled(desk, changes)))
    assert "900.00" in texts(answer["value"])
    now = desk.claims.now(approval)
    assert now.args == {**ARGS, "amount": "900.00", "copies": 3, "urgent": True, "rate": 0.75}
    assert (now.state, now.decisions[0].reason) == (ApprovalState.APPROVED, "less")


def test_lists_are_edited_in_the_inbox(desk: TeamsDesk) -> None:
    desk.ask()
    desk.deliver()
    labels = [one["label"] for one in edit_form(card_of(desk))]
    assert "Lines" not in labels
    assert "edited in the inbox" in json.dumps(card_of(desk))


def test_an_edit_that_the_tool_does_not_take_comes_back_with_words(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    card = card_of(desk)
    wrong = {key_of(card, "Copies"): "many", key_of(card, "Claim ID"): "X-1", key_of(card, "Amount"): "1,000"}
    answer = desk.says(desk.click(approval, "edit", data=filled(desk, wrong)))
    assert (answer["statusCode"], answer["type"]) == (200, CARD)
    said = texts(answer["value"])
    for part in ("Nothing was decided", "whole number", "pattern", "with a point"):
        assert part in said
    again = {one["id"]: one.get("value") for one in edit_form(answer["value"])}
    assert again[key_of(card, "Copies")] == "many"
    assert desk.claims.now(approval) == approval
    right = {**filled(desk, {}, answer["value"]), **dict.fromkeys([key_of(card, "Copies")], "2")}
    right |= {key_of(card, "Claim ID"): "C-9", key_of(card, "Amount"): "1000"}
    desk.says(desk.click(approval, "edit", data=right))
    assert desk.claims.now(approval).args == {**ARGS, "claim_id": "C-9", "amount": "1000"}


def test_an_emptied_field_cannot_be_told_from_a_missing_one(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    form = filled(desk, {"f0": "C-7"})
    del form[key_of(card_of(desk), "Note")]
    answer = desk.says(desk.click(approval, "edit", data=form))
    assert "cannot be emptied here" in texts(answer["value"])
    assert desk.claims.now(approval) == approval


def test_an_edit_that_changes_nothing_is_told(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    form = filled(
        desk, {key_of(card_of(desk), "Note"): "Water damage in the kitchen,\r\nsecond instalment. "}
    )
    answer = desk.says(desk.click(approval, "edit", data=form))
    assert "Nothing is changed" in texts(answer["value"])
    assert desk.claims.now(approval) == approval


def test_an_edit_that_the_policy_does_not_allow_is_refused(desk: TeamsDesk) -> None:
    approval = desk.ask(allowed=("approve", "reject"))
    desk.deliver()
    assert verbs(card_of(desk)) == ["approve", "reject"]
    answer = desk.says(desk.click(approval, "edit", data={**{f"f{n}": "1" for n in range(12)}, "f0": "C-7"}))
    assert answer["type"] == TOAST
    assert desk.claims.now(approval) == approval


@pytest.mark.parametrize(
    "value",
    [
        None,
        "approve",
        {},
        {"action": None},
        {"action": {"type": "Action.Submit", "verb": "approve", "data": {}}},
        {"action": {"type": "Action.Execute", "verb": "consume", "data": {"id": "x", "version": 0}}},
        {"action": {"type": "Action.Execute", "verb": "approve", "data": "x"}},
        {"action": {"type": "Action.Execute", "verb": "approve", "data": {"id": "x" * 65, "version": 0}}},
        {
            "action": {
                "type": "Action.Execute",
                "verb": "approve",
                "data": {"id": "x", "version": 0, "reason": 1},
            }
        },
    ],
)
def test_what_no_button_says_gets_an_answer_with_a_body(desk: TeamsDesk, value: Any) -> None:
    answer = desk.says(desk.click(desk.ask(), value=value))
    assert (answer["statusCode"], answer["type"], answer["value"]["code"]) == (400, ERROR, "BadRequest")
    assert desk.refusals() == ["malformed_action"]


def test_invokes_of_other_kinds_are_refused(desk: TeamsDesk) -> None:
    reply = desk.sends(desk.click(desk.ask(), name="composeExtension/query"))
    assert (reply.status, desk.refusals()) == (400, ["unknown_invoke"])


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000, b'{"type":"invoke","type":"x"}']
)
def test_what_is_no_activity_is_refused(desk: TeamsDesk, body: bytes) -> None:
    assert (desk.sends(body).status, desk.refusals()) == (400, ["malformed"])


def test_one_bot_serves_several_channels(desk: TeamsDesk) -> None:
    """All of them get their answers at one address; the decision names the channel that asked."""
    other = Teams("19:desk@thread.tacv2", **desk.microsoft.settings(backoff=0.001))
    other.attach(
        ChannelHost(name="claims-desk", desk=desk.claims.desk, store=desk.store, directory=desk.claims.people)
    )
    approval = desk.ask(stages=(STAGE.model_copy(update={"channels": ("claims-desk",)}),))
    (delivery,) = desk.store.deliveries()
    other.send(delivery, approval)
    other.close()
    conversation = {"id": "19:desk@thread.tacv2;messageid=m1", "tenantId": TENANT}
    desk.says(desk.click(approval, conversation=conversation))
    (said,) = desk.claims.now(approval).decisions
    assert (said.via, said.delivery) == ("claims-desk", delivery.id)


def test_a_message_is_taken_and_nothing_is_said(desk: TeamsDesk) -> None:
    reply = desk.sends(desk.activity(text="/approve everything"))
    assert (reply.status, reply.body) == (200, b"{}")
    assert ROOM not in json.dumps([call.path for call in desk.microsoft.calls])
