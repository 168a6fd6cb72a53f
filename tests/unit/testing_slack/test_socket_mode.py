"""Socket Mode, with slack_sdk's own client."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode import SocketModeClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from guardkit.testing.slack import Conversation, Person, SlackServer
from tests.unit.testing_slack.pieces import data, end, listening, posted, web_client


def _address(slack: SlackServer) -> str:
    return str(data(web_client(slack).apps_connections_open(app_token=slack.app_token))["url"])


def test_a_click_reaches_the_app_and_is_acknowledged(
    slack: SlackServer, ops: Conversation, ada: Person
) -> None:
    message = posted(slack, ops.id)
    with listening(slack) as app:
        interaction = slack.click(ada, message, "approve")
        assert app.next() == interaction.payload
    assert (interaction.acknowledged, interaction.warning) == (True, None)
    assert interaction.connection == "connection-1"
    assert [envelope.payload for envelope in slack.envelopes] == [interaction.payload]


def test_each_envelope_goes_to_one_connection(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    message = posted(slack, ops.id)
    with ExitStack() as stack:
        apps = [stack.enter_context(listening(slack)) for _ in range(3)]
        clicks = [slack.click(ada, message, "approve") for _ in range(12)]
    assert all(click.acknowledged for click in clicks)
    received = [[app.next() for _ in range(app.received.qsize())] for app in apps]
    assert all(received)
    triggers = [payload["trigger_id"] for payloads in received for payload in payloads]
    assert sorted(triggers) == sorted(click.trigger_id for click in clicks)


def test_the_choice_of_the_connection_is_repeatable() -> None:
    def chosen(seed: int) -> list[str | None]:
        with SlackServer(seed=seed) as slack, ExitStack() as stack:
            ada = slack.person("Ada")
            message = posted(slack, slack.conversation("ops", ada).id)
            for _ in range(2):
                stack.enter_context(listening(slack))
            return [slack.click(ada, message, "approve").connection for _ in range(8)]

    first = chosen(1)
    assert chosen(1) == first
    assert set(first) == {"connection-1", "connection-2"}


def test_an_envelope_without_acknowledgement_warns_the_person() -> None:
    with SlackServer(ack_seconds=0.05) as slack:
        ada = slack.person("Ada")
        message = posted(slack, slack.conversation("ops", ada).id)
        with listening(slack, ack=False) as app:
            interaction = slack.click(ada, message, "approve")
            assert app.next()["type"] == "block_actions"
    assert interaction.acknowledged is False
    assert interaction.warning == "This app is not responding: no answer in time."


def test_without_a_connection_the_person_is_warned(
    slack: SlackServer, ops: Conversation, ada: Person
) -> None:
    interaction = slack.click(ada, posted(slack, ops.id), "approve")
    assert interaction.warning == "This app is not responding: no connection is open."
    assert slack.envelopes == ()


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
def test_a_client_that_is_told_to_connects_anew(
    reason: str, slack: SlackServer, ops: Conversation, ada: Person
) -> None:
    message = posted(slack, ops.id)
    with listening(slack):
        assert slack.click(ada, message, "approve").connection == "connection-1"
        slack.disconnect(reason)
        slack.wait_for_connections()
        interaction = slack.click(ada, message, "approve")
    assert (interaction.acknowledged, interaction.connection) == (True, "connection-2")


def test_a_single_connection_can_be_told(slack: SlackServer) -> None:
    with listening(slack), listening(slack):
        slack.disconnect("warning", "connection-2")
        slack.wait_for_connections(2)
        assert "connection-3" in slack.connections
        assert "connection-1" in slack.connections


def test_unknown_reasons_and_connections_are_refused(slack: SlackServer) -> None:
    with pytest.raises(ValueError, match="knows no reason 'mood'"):
        slack.disconnect("mood")
    with pytest.raises(ValueError, match="no open connection 'connection-9'"):
        slack.disconnect("warning", "connection-9")


def test_the_client_gets_its_pings_answered(slack: SlackServer) -> None:
    client = SocketModeClient(app_token=slack.app_token, web_client=web_client(slack), ping_interval=0.05)
    try:
        client.connect()
        slack.wait_for_connections()
        session = client.current_session
        assert session is not None
        for _ in range(200):
            if session.last_ping_pong_time is not None:
                break
            client.current_app_monitor.event.wait(0.05)
        assert session.last_ping_pong_time is not None
    finally:
        end(client)


def test_a_connection_is_greeted(slack: SlackServer) -> None:
    with connect(_address(slack)) as socket:
        hello = json.loads(socket.recv(timeout=10))
    assert hello["type"] == "hello"
    assert hello["num_connections"] == 1
    assert hello["connection_info"] == {"app_id": slack.app_id}


def test_an_address_can_be_used_once(slack: SlackServer) -> None:
    address = _address(slack)
    with connect(address) as socket:
        socket.recv(timeout=10)
        with pytest.raises(InvalidStatus, match="403"):
            connect(address).close()


def test_an_eleventh_connection_is_sent_away(slack: SlackServer) -> None:
    with ExitStack() as stack:
        for _ in range(10):
            socket = stack.enter_context(connect(_address(slack)))
            socket.recv(timeout=10)
        slack.wait_for_connections(10)
        last = stack.enter_context(connect(_address(slack)))
        assert json.loads(last.recv(timeout=10))["type"] == "hello"
        assert json.loads(last.recv(timeout=10))["reason"] == "too_many_websockets"
        assert len(slack.connections) == 10


def test_acknowledgements_of_nothing_are_ignored(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    with connect(_address(slack)) as socket:
        socket.recv(timeout=10)
        slack.wait_for_connections()
        for text in ("no JSON", "[]", '{"envelope_id": "never sent"}'):
            socket.send(text)
        assert slack.connections == ("connection-1",)
    until = time.monotonic() + 30
    while slack.connections:  # it hears a moment later that the socket was closed
        assert time.monotonic() < until
        time.sleep(0.01)
    with listening(slack):
        assert slack.click(ada, posted(slack, ops.id), "approve").acknowledged


def test_no_address_for_a_revoked_token(slack: SlackServer) -> None:
    slack.revoke_token()
    with pytest.raises(SlackApiError, match="token_revoked"):
        _address(slack)


def test_waiting_for_connections_ends(slack: SlackServer) -> None:
    with pytest.raises(TimeoutError, match="1 connections"):
        slack.wait_for_connections(seconds=0.01)
