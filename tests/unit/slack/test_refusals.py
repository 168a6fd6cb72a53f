"""Whose click counts. Everything else changes nothing, is audited, and is told to whoever tried."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.people import Assurance
from guardkit.testing.slack import Person
from tests.unit.slack.office import PAIR, STAGE, Office, actions, shown

pytestmark = [pytest.mark.promise("P5", "P6")]


def untouched(office: Office, approval: Approval) -> None:
    now = office.claims.now(approval)
    assert (now.state, now.decisions, now.version) == (ApprovalState.PENDING, (), 0)


def altered(office: Office, person: Person, change: Any) -> dict[str, Any]:
    """The payload of a click that Slack would send, changed."""
    payload = copy.deepcopy(office.click(person).payload)
    change(payload)
    return payload


@pytest.mark.parametrize(
    ("who", "why", "words"),
    [
        (
            "req",
            "requester",
            "You started or steered what led to this action, or nobody has verified who did, so others have to decide.",
        ),
        ("bo", "not_an_approver", "You are not among the approvers of a stage that is waiting."),
        ("nobody", "unknown_identity", "You are not among the approvers of a stage that is waiting."),
    ],
)
def test_who_may_not_decide_is_told_so(office: Office, who: str, why: str, words: str) -> None:
    approval = office.ask()
    person: Person = getattr(office, who)
    assert office.click(person).acknowledged
    assert office.told(person) == [words]
    assert office.desk_refused() == [why]
    untouched(office, approval)


@pytest.mark.parametrize(
    ("who", "why", "words"),
    [
        ("guest", "guest", "Guests of this workspace cannot decide."),
        ("stranger", "stranger", "You belong to another workspace, so your answer does not count here."),
    ],
)
def test_who_slack_does_not_vouch_for_is_told_so(office: Office, who: str, why: str, words: str) -> None:
    approval = office.ask()
    person: Person = getattr(office, who)
    assert office.click(person).acknowledged
    assert office.told(person) == [words]
    assert office.refused() == [why]
    untouched(office, approval)


def test_a_stranger_with_the_workspace_s_name_is_found_out(office: Office) -> None:
    """Slack Connect: were `user.team_id` ours, the profile still says whose user it is."""
    approval = office.ask()
    payload = altered(office, office.stranger, lambda sent: sent["user"].update(team_id=office.slack.team_id))
    assert office.channel.take(payload).status == 200
    assert office.refused() == ["stranger", "stranger"]
    untouched(office, approval)


@pytest.mark.parametrize("flag", ["deleted", "is_bot", "is_ultra_restricted"])
def test_an_account_that_is_no_full_member_does_not_count(office: Office, flag: str) -> None:
    approval = office.ask()
    payload = altered(office, office.bo, lambda sent: None)
    flags: Any = {flag: True}
    office.slack.person("Ben", "ben@corp.example", id=office.ben.id, **flags)
    payload["user"]["id"] = office.ben.id
    assert office.channel.take(payload).status == 200
    assert office.refused() == [{"is_bot": "bot", "is_ultra_restricted": "guest"}.get(flag, flag)]
    untouched(office, approval)


def test_another_account_of_somebody_whose_account_is_listed_does_not_count(office: Office) -> None:
    """Whoever can set an e-mail address in Slack does not become the person that the directory names."""
    imposter = office.slack.person("Not Ana", "ana@corp.example")
    office.slack.conversation("claims", imposter, id=office.room.id)
    approval = office.ask()
    office.click(imposter)
    assert office.told(imposter) == [
        "The directory lists another Slack account for you. Please use that one."
    ]
    assert office.refused() == ["other_account"]
    untouched(office, approval)


def test_without_an_address_nobody_is_known(office: Office) -> None:
    approval = office.ask()
    office.slack.grant("chat:write", "users:read")
    office.click(office.ben)
    assert office.refused() == ["no_email"]
    untouched(office, approval)


def test_while_slack_does_not_say_who_it_is_nothing_counts(office: Office) -> None:
    approval = office.ask()
    office.slack.lose_response("users.info")
    assert office.click(office.ben).acknowledged
    assert office.told(office.ben) == [
        "Slack did not say who you are. Nothing was changed; please try again."
    ]
    assert office.refused() == ["unverified"]
    untouched(office, approval)
    office.click(office.ben)
    assert office.claims.now(approval).state is ApprovalState.APPROVED


def test_an_inactive_person_does_not_count(office: Office) -> None:
    approval = office.ask()
    office.directory.change(office.directory.people["p-ana"], active=False)
    office.click(office.ana)
    assert office.desk_refused() == ["inactive"]
    untouched(office, approval)


def test_too_weak_a_sign_in_is_told_where_to_go(office: Office) -> None:
    approval = office.ask(stages=(STAGE.model_copy(update={"assurance": Assurance.OIDC}),))
    office.click(office.ana)
    assert office.told(office.ana) == [
        "The policy asks for a surer way to know who you are. Please decide in the web inbox."
    ]
    untouched(office, approval)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda sent: sent["team"].update(id="T0OTHER"), "wrong_team"),
        (lambda sent: sent.update(api_app_id="A0OTHER"), "wrong_app"),
        (lambda sent: sent.pop("api_app_id"), "wrong_app"),
        (lambda sent: sent["user"].update(team_id="T0OTHER"), "stranger"),
    ],
    ids=["team", "app", "no app", "user's team"],
)
def test_another_workspace_s_or_app_s_payload_does_not_count(office: Office, change: Any, why: str) -> None:
    approval = office.ask()
    payload = altered(office, office.bo, change)
    payload["user"]["id"] = office.ana.id
    office.channel.take(payload)
    assert office.refused() == [why]
    untouched(office, approval)


def test_a_button_in_somebody_else_s_message_does_not_count(office: Office) -> None:
    approval = office.ask()

    def elsewhere(sent: dict[str, Any]) -> None:
        sent["message"].update(ts="1.000001", bot_id="B0OTHER", app_id="A0OTHER")
        sent["user"]["id"] = office.ana.id

    office.channel.take(altered(office, office.bo, elsewhere))
    assert office.refused() == ["foreign_message"]
    untouched(office, approval)


@pytest.mark.parametrize("value", ["", "x", "a:b", "a:1:2:3\n", "é:1", "a:" + "9" * 30, "../x:0", 7, None])
def test_a_button_with_another_value_does_not_count(office: Office, value: Any) -> None:
    approval = office.ask()
    payload = altered(office, office.bo, lambda sent: sent["actions"][0].update(value=value))
    payload["user"]["id"] = office.ana.id
    assert office.channel.take(payload).status in (200, 400)
    assert len(office.refused()) == 1
    untouched(office, approval)


def test_a_version_that_never_was_does_not_count(office: Office) -> None:
    approval = office.ask()
    payload = altered(
        office, office.bo, lambda sent: sent["actions"][0].update(value=f"{approval.request.id}:7")
    )
    payload["user"]["id"] = office.ana.id
    office.channel.take(payload)
    assert office.refused() == ["unknown_version"]
    untouched(office, approval)


def test_an_approval_of_another_tenant_does_not_exist(office: Office) -> None:
    office.directory.change(office.directory.people["p-ana"], tenant="other")
    approval = office.ask()
    office.click(office.ana)
    assert office.told(office.ana) == ["There is no such approval for you."]
    untouched(office, approval)


def test_an_expired_approval_cannot_be_given(office: Office) -> None:
    approval = office.ask()
    office.claims.clock.now += 9 * 3600
    office.click(office.ana)
    assert office.told(office.ana) == ["The time to decide is over. Your answer changed nothing."]
    untouched(office, approval)
    asked = office.message()
    assert office.claims.desk.expire() == 1
    office.click(office.ana, on=asked)
    assert office.told(office.ana)[-1] == "This is already expired. Your answer changed nothing."


def test_what_was_edited_since_cannot_be_approved_as_it_was(office: Office) -> None:
    approval = office.ask(stages=(PAIR,))
    old = office.message()
    office.claims.decide(
        approval,
        office.directory.people["p-ben"],
        kind="edit",
        args={**approval.args, "amount": "9.00"},
        assurance=STAGE.assurance,
    )
    office.click(office.ana)
    (told,) = office.told(office.ana)
    assert told.startswith("The action was edited since this message was written.")
    assert len(office.claims.now(approval).decisions) == 1
    # The message that was clicked on shows the edit now, before the worker has come.
    assert "9.00" in shown(office.message())
    assert "9.00" not in shown(old)
    assert office.click(office.ana).acknowledged
    assert office.claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P2")
def test_a_second_click_is_told_that_it_is_approved(office: Office) -> None:
    approval = office.ask()
    asked = office.message()
    office.click(office.ana)
    for person in (office.ana, office.ben):
        office.click(person, on=asked)
        assert office.told(person) == ["This is already approved by Ana Silva. Your answer changed nothing."]
    assert len(office.claims.now(approval).decisions) == 1
    # Who clicks on a message that shows less than is known sees it change at once.
    assert actions(office.message()) == []


def test_what_is_logged_and_audited_tells_nothing_of_what_was_sent(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    office.ask({"claim_id": "C-1", "recipient": "Secret Recipient", "amount": "1"}, thought="secret thought")
    for person in (office.req, office.guest, office.stranger, office.nobody):
        office.click(person)
    office.told(office.req)
    kept = [
        json.dumps(entry.event.data)
        for chain in ("*", "acme")
        for entry in office.store.entries(chain)
        if "refused" in entry.event.kind
    ]
    assert len(kept) == 4
    seen = " ".join([*kept, *(one.getMessage() for one in caplog.records if one.name.startswith("guardkit"))])
    for secret in ("Secret Recipient", "secret thought", "corp.example", office.slack.bot_token):
        assert secret not in seen
