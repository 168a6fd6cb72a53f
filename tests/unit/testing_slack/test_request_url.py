"""Interactions by HTTP, signed as Slack signs them."""

from __future__ import annotations

import json
import threading
from urllib.parse import parse_qs

import pytest
from slack_sdk.signature import Clock, SignatureVerifier

from guardkit.testing.clock import FakeClock
from guardkit.testing.slack import Conversation, Person, SlackServer
from tests.unit.testing_slack.pieces import answer, listening, modal, posted, serving, web_client


class SlackClock(Clock):
    """slack_sdk's clock, set by a `FakeClock`."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock()


@pytest.fixture
def verifier(slack: SlackServer, clock: FakeClock) -> SignatureVerifier:
    return SignatureVerifier(slack.signing_secret, SlackClock(clock))


def test_a_click_comes_signed(
    slack: SlackServer, ops: Conversation, ada: Person, verifier: SignatureVerifier
) -> None:
    with serving(slack, lambda _: (200, b"")) as app:
        interaction = slack.click(ada, posted(slack, ops.id), "approve")
    ((body, headers),) = app.bodies
    assert verifier.is_valid_request(body, headers)
    assert not verifier.is_valid_request(body + b"x", headers)
    assert json.loads(parse_qs(body.decode())["payload"][0]) == interaction.payload
    assert (interaction.acknowledged, interaction.status, interaction.connection) == (True, 200, None)


def test_a_command_comes_as_a_form(slack: SlackServer, ada: Person, verifier: SignatureVerifier) -> None:
    with serving(slack, lambda _: (200, b"plain words")) as app:
        assert slack.command(ada, "/guardkit", "a & b").acknowledged
    ((body, headers),) = app.bodies
    assert verifier.is_valid_request(body, headers)
    assert parse_qs(body.decode())["text"] == ["a & b"]
    assert [one.text for one in slack.ephemerals(ada)] == ["plain words"]


def test_a_submission_is_answered_in_the_response(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    trigger = slack.click(ada, posted(slack, ops.id), "approve").trigger_id
    web_client(slack).views_open(trigger_id=trigger, view=modal())
    view = slack.view(ada)
    assert view is not None
    errors = {"response_action": "errors", "errors": {"reason": "no"}}
    with serving(slack, lambda _: answer(errors)):
        assert slack.submit(ada, view, {"text": "x"}).errors == {"reason": "no"}
    with serving(slack, lambda _: (200, b"")):
        assert slack.submit(ada, view, {"text": "x"}).acknowledged
    assert slack.view(ada) is None


def test_another_status_is_no_acknowledgement(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    with serving(slack, lambda _: (500, b"{}")):
        interaction = slack.click(ada, posted(slack, ops.id), "approve")
    assert interaction.acknowledged is False
    assert interaction.warning == "This app is not responding: status 500."


def test_a_late_answer_is_no_acknowledgement() -> None:
    over = threading.Event()

    def late(_: bytes) -> tuple[int, bytes]:
        over.wait(10)
        return 200, b""

    with SlackServer(ack_seconds=0.05) as slack:
        ada = slack.person("Ada")
        message = posted(slack, slack.conversation("ops", ada).id)
        with serving(slack, late):
            interaction = slack.click(ada, message, "approve")
            over.set()
    assert interaction.warning == "This app is not responding: no answer in time."


def test_nobody_at_the_address_is_no_acknowledgement(
    slack: SlackServer, ops: Conversation, ada: Person
) -> None:
    with serving(slack, lambda _: (200, b"")):
        address = slack.request_url
    slack.request_url = address
    interaction = slack.click(ada, posted(slack, ops.id), "approve")
    assert interaction.warning == "This app is not responding: no answer."


def test_socket_mode_goes_first(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    with serving(slack, lambda _: (200, b"")) as app, listening(slack):
        assert slack.click(ada, posted(slack, ops.id), "approve").connection == "connection-1"
    assert app.bodies == []


def test_an_attacker_can_try_everything(
    slack: SlackServer, verifier: SignatureVerifier, clock: FakeClock
) -> None:
    body = "payload=%7B%7D"
    tries = {
        "right": slack.signed(body),
        "late": slack.signed(body, timestamp=clock() - 301),
        "early": slack.signed(body, timestamp=clock() + 301),
        "other secret": slack.signed(body, secret="guessed"),
        "other body": slack.signed("payload=1"),
        "unsigned": {"Content-Type": "application/x-www-form-urlencoded"},
    }
    with serving(slack, lambda _: (200, b"")) as app:
        for headers in tries.values():
            assert slack.send(body, headers).acknowledged
        assert slack.send(body, slack.signed(body, timestamp="soon")).acknowledged
    seen = [verifier.is_valid_request(raw, headers) for raw, headers in app.bodies[:-1]]
    assert dict(zip(tries, seen, strict=True)) == dict.fromkeys(tries, False) | {"right": True}
    with pytest.raises(ValueError, match="soon"):
        verifier.is_valid_request(*app.bodies[-1])


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "http://example.com/", "http://127.0.0.1.example.com/"]
)
def test_a_request_url_is_on_this_machine(url: str, slack: SlackServer) -> None:
    with pytest.raises(ValueError, match="loopback"):
        slack.request_url = url


def test_sending_needs_a_request_url(slack: SlackServer) -> None:
    with pytest.raises(ValueError, match="request_url"):
        slack.send("payload=1")
