"""Settings: what is missing or wrong is told when the channel is attached, and where it is examined."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import SecretStr

from guardkit.channels.slack import Slack, examine, manifest
from guardkit.core.approvals import ApprovalState
from guardkit.errors import ChannelError, ConfigurationError, InputError
from guardkit.testing.slack import SlackServer
from tests.unit.slack.office import Office

pytestmark = pytest.mark.promise("P15")


def test_an_agent_s_process_needs_neither_the_extra_nor_secrets() -> None:
    program = """
import sys
sys.modules["slack_sdk"] = None
from guardkit.channels.slack import Slack, examine, manifest, register
channel = Slack("C0123")
try:
    channel.attach(None)
except Exception as error:
    print(type(error).__name__, error)
print(examine(channel)[0].remedy)
print("slack_sdk.web" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "ConfigurationError the Slack channel needs slack_sdk (pip install guardkit[slack])",
        "pip install guardkit[slack]",
        "False",
    ]


def test_secrets_are_read_when_it_is_attached(slack: SlackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(slack)
    channel = Slack(office.room.id, base_url=slack.base_url)
    monkeypatch.delenv("SLACK_BOT_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="SLACK_BOT_TOKEN is not set"):
        channel.attach(office.host())
    with pytest.raises(ChannelError, match="not attached"):
        channel.open()
    monkeypatch.setenv("SLACK_BOT_TOKEN", slack.bot_token)
    monkeypatch.setenv("SLACK_APP_TOKEN", slack.app_token)
    channel.attach(office.host())
    channel.open()
    slack.wait_for_connections()
    channel.close()
    assert slack.bot_token not in repr(channel)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("invalid_auth", "copy the token"),
        ("token_revoked", "install the app"),
        ("account_inactive", "was removed"),
        ("missing_scope", "add the scope"),
        ("token_expired", "token rotation"),
    ],
)
def test_a_token_that_slack_refuses_is_told_apart(slack: SlackServer, error: str, remedy: str) -> None:
    slack.refuse_token(error)
    with pytest.raises(ConfigurationError, match=error) as raised:
        Office(slack)
    assert remedy in str(raised.value)


def test_a_slack_that_does_not_answer_is_tried_again_later(slack: SlackServer) -> None:
    slack.lose_response("auth.test", times=2)
    with pytest.raises(ChannelError, match=r"did not answer auth\.test"):
        Office(slack)
    Office(slack).channel.close()


@pytest.mark.promise("P6")
def test_without_an_app_id_slack_is_asked_and_other_apps_are_refused(slack: SlackServer) -> None:
    office = Office(slack, app_id=None)
    approval = office.ask()
    slack.request_url = None
    click = dict(office.click(office.ana).payload)
    assert office.channel.take({**click, "api_app_id": "A0OTHER"}).status == 200
    assert office.refused() == ["wrong_app"]
    office.channel.take(click)
    assert office.claims.now(approval).state is ApprovalState.APPROVED
    office.channel.close()


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    ("error", "says"),
    [("missing_scope", "add the scope"), ("bot_not_found", "bots.info")],
)
def test_an_app_that_slack_does_not_name_is_not_worked_for(slack: SlackServer, error: str, says: str) -> None:
    slack.fail("bots.info", error)
    with pytest.raises((ConfigurationError, ChannelError), match=says):
        Office(slack, app_id=None)
    Office(slack, app_id=None).channel.close()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"token": "xoxp-user"}, "SLACK_BOT_TOKEN does not begin with xoxb-"),
        ({"token": SecretStr("xapp-1")}, "SLACK_BOT_TOKEN does not begin with xoxb-"),
        ({"app_token": "xoxb-bot"}, "SLACK_APP_TOKEN does not begin with xapp-"),
        ({"base_url": "http://slack.example/api/"}, "not an HTTPS address"),
        ({"base_url": "ftp://127.0.0.1/"}, "not an HTTPS address"),
        ({"conversation": " "}, "an id such as"),
        ({"values": 1}, "at least 2"),
    ],
)
def test_settings_that_cannot_work_are_refused(slack: SlackServer, given: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match) as raised:
        Office(slack, **given)
    assert "xoxp-user" not in str(raised.value)


def test_the_manifests() -> None:
    sockets: Any = manifest(socket_mode=True)
    assert sockets["settings"]["socket_mode_enabled"] is True
    assert sockets["settings"]["token_rotation_enabled"] is False
    assert sockets["oauth_config"]["scopes"]["bot"] == [
        "chat:write",
        "commands",
        "im:write",
        "users:read",
        "users:read.email",
    ]
    url = "https://inbox.corp.example/hooks/slack"
    http: Any = manifest(socket_mode=False, request_url=url)
    assert http["settings"]["interactivity"] == {"is_enabled": True, "request_url": url}
    assert http["features"]["slash_commands"][0]["url"] == url
    assert json.loads(json.dumps(http)) == http


@pytest.mark.parametrize(
    "given",
    [
        {"socket_mode": False},
        {"socket_mode": False, "request_url": "http://inbox.corp.example/hooks/slack"},
        {"socket_mode": True, "request_url": "https://inbox.corp.example/hooks/slack"},
        {"socket_mode": True, "name": ""},
        {"socket_mode": True, "name": "n" * 36},
    ],
    ids=["no address", "not https", "both", "no name", "long name"],
)
def test_a_manifest_that_slack_would_refuse_is_not_made(given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        manifest(**given)


def levels(channel: Slack) -> dict[str, str]:
    return {found.subject: found.level for found in examine(channel)}


def test_what_works_is_said(slack: SlackServer) -> None:
    office = Office(slack, app_token=slack.app_token)
    found = levels(office.channel)
    assert found["token"] == "ok"
    assert found["conversation"] == "ok"
    assert found["socket mode"] == "ok"
    assert found["http"] == "ok"
    assert found["clock"] == "ok"
    assert office.slack.messages() == ()


def test_what_does_not_work_is_said(slack: SlackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"):
        monkeypatch.delenv(name, raising=False)
    base: Any = {"base_url": slack.base_url}
    assert levels(Slack("C1", **base)) == {"token": "error"}
    assert levels(Slack("C1", token="xoxb-wrong", **base))["token"] == "error"
    assert levels(Slack("C1", token=slack.bot_token, **base)) | {"scopes": ""} == {
        "token": "ok",
        "scopes": "",
        "clock": "ok",
        "conversation": "error",
        "answers": "warning",
    }
    away = slack.conversation("away", with_bot=False)
    archived = slack.conversation("old", archived=True)
    for conversation in (away, archived):
        assert levels(Slack(conversation.id, token=slack.bot_token, **base))["conversation"] == "error"
    assert levels(Slack(token=slack.bot_token, app_token="xapp-wrong", **base))["socket mode"] == "error"
    slack.grant("chat:write")
    assert levels(Slack(away.id, token=slack.bot_token, **base))["conversation"] == "warning"
