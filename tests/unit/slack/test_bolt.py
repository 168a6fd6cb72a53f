"""In somebody's own Bolt app, the same answers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from slack_sdk import WebClient

from guardkit.channels.slack import register
from guardkit.core.approvals import ApprovalState
from guardkit.core.values import JsonObject
from guardkit.testing.slack import SlackServer
from tests.unit.slack.office import Office, eventually

bolt = pytest.importorskip("slack_bolt")


class Owner:
    """A Bolt app that somebody has already, with guardkit's listeners in it."""

    def __init__(self, office: Office) -> None:
        slack = office.slack
        self.office = office
        self.app = bolt.App(
            client=bolt_client(slack),
            signing_secret=slack.signing_secret,
            authorize=lambda **_: bolt.authorization.AuthorizeResult(
                enterprise_id=None, team_id=slack.team_id, bot_token=slack.bot_token
            ),
        )
        register(self.app, office.channel)

    def bring(self, payload: Any) -> Any:
        """A request of Slack's to the app."""
        body = urlencode({"payload": json.dumps(payload)} if "type" in payload else payload)
        return self.app.dispatch(
            bolt.BoltRequest(body=body, headers=self.office.slack.signed(body), mode="http")
        )


def bolt_client(slack: SlackServer) -> Any:
    return WebClient(token=slack.bot_token, base_url=slack.base_url)


@pytest.fixture
def owner(slack: SlackServer) -> Owner:
    return Owner(Office(slack, signing_secret=""))


def payload_of(owner: Owner, action: str, person: Any) -> JsonObject:
    """What Slack sends: nobody answers it here."""
    clicked = owner.office.slack.click(person, owner.office.message(), action)
    return clicked.payload


def test_buttons_are_answered(owner: Owner) -> None:
    approval = owner.office.ask()
    answered = owner.bring(payload_of(owner, "gk_approve", owner.office.ana))
    assert answered.status == 200
    assert owner.office.claims.now(approval).state is ApprovalState.APPROVED
    assert owner.bring(payload_of(owner, "gk_approve", owner.office.req)).status == 200
    eventually(lambda: bool(owner.office.slack.ephemerals(owner.office.req)))
    eventually(lambda: any(call.method == "chat.update" for call in owner.office.slack.calls))


def test_modals_are_answered(owner: Owner) -> None:
    office = owner.office
    approval = office.ask()
    assert owner.bring(payload_of(owner, "gk_reject", office.ana)).status == 200
    view = office.view(office.ana)
    payload: Any = dict(office.slack.submit(office.ana, view, {"reason": "   "}).payload)
    answered = owner.bring(payload)
    assert answered.status == 200
    assert "Please say why" in answered.body
    payload = dict(office.slack.submit(office.ana, view, {"reason": "no"}).payload)
    assert owner.bring(payload).status == 200
    assert office.claims.now(approval).state is ApprovalState.REJECTED


def test_the_command_is_answered(owner: Owner) -> None:
    owner.office.ask()
    sent = owner.office.slack.command(owner.office.ana, "/guardkit").payload
    answered = owner.bring(sent)
    assert answered.status == 200
    assert "1 wait for you" in answered.body


def test_other_listeners_stay(owner: Owner) -> None:
    heard: list[str] = []

    def own(ack: Any) -> None:
        ack()
        heard.append("own")

    owner.app.action("own")(own)
    owner.office.ask()
    payload: Any = payload_of(owner, "gk_open", owner.office.ana)
    assert owner.bring(payload).status == 200
    payload["actions"][0]["action_id"] = "own"
    assert owner.bring(payload).status == 200
    assert heard == ["own"]
