"""Socket Mode: every envelope is answered, or the log says why not."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.errors import ChannelError
from guardkit.testing.slack import SlackServer
from tests.unit.slack.office import Office, eventually, shown


@pytest.mark.parametrize("error", ["invalid_auth", "not_allowed_token_type", "token_revoked"])
def test_a_bad_app_token_fails_at_once(slack: SlackServer, error: str) -> None:
    office = Office(slack, app_token="xapp-wrong", signing_secret="")
    slack.fail("apps.connections.open", error)
    with pytest.raises(ChannelError, match="invalid_auth"):
        office.channel.open()
    office.channel.close()
    assert slack.connections == ()


def test_a_bot_token_is_no_app_token(slack: SlackServer) -> None:
    office = Office(slack, app_token=slack.app_token)
    slack.fail("apps.connections.open", "not_allowed_token_type")
    with pytest.raises(ChannelError, match="xapp-"):
        office.channel.open()
    office.channel.open()
    slack.wait_for_connections()
    office.channel.open()  # a second time changes nothing
    assert len(slack.connections) == 1
    office.channel.close()
    office.channel.close()
    assert slack.connections == ()


def test_it_ends_however_early_it_is_closed(wired: Office) -> None:
    """slack_sdk's own closing can wait for ever for a session that begins in that moment."""
    for _ in range(8):
        wired.channel.open()
        wired.channel.close()
    eventually(lambda: wired.slack.connections == ())
    assert not [one.name for one in threading.enumerate() if one.name == "guardkit-slack-close"]


def test_without_an_app_token_there_is_nothing_to_open(office: Office) -> None:
    office.channel.open()
    assert office.slack.connections == ()


@pytest.mark.promise("P12")
def test_a_new_connection_takes_over_where_slack_asks_for_one(wired: Office) -> None:
    approval = wired.ask()
    (before,) = wired.slack.connections
    wired.slack.disconnect()
    eventually(lambda: wired.slack.connections not in ((), (before,)))
    wired.slack.wait_for_connections()
    assert wired.click(wired.ana).acknowledged
    assert wired.claims.now(approval).state is ApprovalState.APPROVED


@pytest.mark.promise("P6", "P12")
def test_while_the_database_is_away_an_envelope_is_not_answered(
    slack: SlackServer, caplog: pytest.LogCaptureFixture
) -> None:
    with SlackServer(ack_seconds=3.0) as impatient:
        office = Office(impatient, app_token=impatient.app_token)
        office.channel.open()
        impatient.wait_for_connections()
        approval = office.ask()
        office.store.settles = False
        assert not office.click(office.ana).acknowledged
        assert "an envelope of Slack is not acknowledged: storage" in caplog.text
        office.store.settles = True
        assert office.click(office.ana).acknowledged
        assert office.claims.now(approval).state is ApprovalState.APPROVED
        office.channel.close()


@pytest.mark.promise("P13")
def test_an_error_while_answering_is_logged_by_its_type_alone(caplog: pytest.LogCaptureFixture) -> None:
    with SlackServer(ack_seconds=3.0) as impatient:
        office = Office(impatient, app_token=impatient.app_token)
        office.channel.open()
        impatient.wait_for_connections()
        office.ask()

        def broken(identity: str) -> None:
            raise LookupError(f"the directory broke at {identity}")

        office.directory.find = broken  # somebody else's directory
        assert not office.click(office.ana).acknowledged
        assert "an envelope of Slack is not acknowledged: LookupError" in caplog.text
        assert "the directory broke" not in caplog.text
        office.channel.close()


@pytest.mark.promise("P2")
def test_an_envelope_that_comes_again_counts_once(wired: Office) -> None:
    approval = wired.ask()
    payload: Any = copy.deepcopy(dict(wired.click(wired.ana).payload))
    assert wired.channel.take(payload).body is None
    assert len(wired.claims.now(approval).decisions) == 1


@pytest.mark.promise("P12")
def test_what_has_come_in_is_finished_before_the_connection_ends(wired: Office) -> None:
    approval = wired.ask()
    wired.slack.delay("users.info", 0.5)
    answers: list[bool] = []

    def click() -> None:
        answers.append(wired.click(wired.ben).acknowledged)

    clicking = threading.Thread(target=click)
    clicking.start()
    eventually(lambda: any(call.method == "users.info" for call in wired.slack.calls))
    wired.channel.close()
    clicking.join()
    assert answers == [True]
    assert wired.claims.now(approval).state is ApprovalState.APPROVED


def test_two_processes_share_the_clicks(wired: Office) -> None:
    other = wired.new_channel(app_token=wired.slack.app_token)
    other.open()
    wired.slack.wait_for_connections(2)
    for _ in range(6):
        approval = wired.ask()
        assert wired.click(wired.ana).acknowledged
        assert wired.claims.now(approval).state is ApprovalState.APPROVED
    assert len({one.connection for one in wired.slack.envelopes}) == 2
    other.close()


def test_refusals_are_told_by_socket_mode_too(wired: Office) -> None:
    wired.ask()
    assert wired.click(wired.req).acknowledged
    eventually(lambda: bool(wired.slack.ephemerals(wired.req)))
    assert shown(wired.slack.ephemerals(wired.req)[0]).startswith("You started or steered")
