"""What goes wrong on demand, and what slack_sdk's clients make of it."""

from __future__ import annotations

from http.client import RemoteDisconnected

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler

from guardkit.testing.slack import Conversation, SlackServer
from tests.unit.testing_slack.pieces import posted, web_client


def test_a_lost_answer_is_posted_again_by_the_default_handlers(slack: SlackServer, ops: Conversation) -> None:
    client = WebClient(token=slack.bot_token, base_url=slack.base_url)
    assert [type(handler) for handler in client.retry_handlers] == [ConnectionErrorRetryHandler]
    slack.lose_response("chat.postMessage")
    client.chat_postMessage(channel=ops.id, text="t")
    assert [message.text for message in slack.messages(ops)] == ["t", "t"]


def test_a_lost_answer_is_an_error_without_handlers(
    slack: SlackServer, client: WebClient, ops: Conversation
) -> None:
    slack.lose_response("chat.postMessage", times=2)
    for _ in range(2):
        with pytest.raises(RemoteDisconnected):
            client.chat_postMessage(channel=ops.id, text="t")
    client.chat_postMessage(channel=ops.id, text="t")
    assert len(slack.messages(ops)) == 3


def test_the_answer_of_a_refused_call_can_get_lost_too(slack: SlackServer, client: WebClient) -> None:
    slack.lose_response("chat.postMessage")
    with pytest.raises(RemoteDisconnected):
        client.chat_postMessage(channel="C404", text="t")
    with pytest.raises(SlackApiError, match="channel_not_found"):
        client.chat_postMessage(channel="C404", text="t")


def test_a_failure_on_demand_has_no_effect_and_ends(
    slack: SlackServer, client: WebClient, ops: Conversation
) -> None:
    message = posted(slack, ops.id)
    slack.fail("chat.update", error="fatal_error", times=2)
    for _ in range(2):
        with pytest.raises(SlackApiError, match="fatal_error"):
            client.chat_update(channel=ops.id, ts=message.ts, text="new")
    assert slack.messages(ops) == (message,)
    client.chat_update(channel=ops.id, ts=message.ts, text="new")
    assert slack.messages(ops)[0].text == "new"


def test_a_rate_limit_on_demand(slack: SlackServer, client: WebClient, ops: Conversation) -> None:
    slack.fail("chat.postMessage", error="ratelimited")
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel=ops.id, text="t")
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "1"


def test_a_late_answer_comes_after_the_effect(slack: SlackServer, ops: Conversation) -> None:
    slack.delay("chat.postMessage", 30.0)
    with pytest.raises(TimeoutError):
        web_client(slack, timeout=1).chat_postMessage(channel=ops.id, text="t")
    slack.delay("chat.postMessage", 0.0)
    assert [message.text for message in slack.messages(ops)] == ["t"]


def test_a_revoked_token_can_be_given_back(slack: SlackServer, client: WebClient) -> None:
    slack.revoke_token()
    with pytest.raises(SlackApiError, match="token_revoked"):
        client.auth_test()
    slack.refuse_token(None)
    assert client.auth_test()["ok"]


def test_nothing_answers_after_the_end() -> None:
    with SlackServer() as slack:
        client = web_client(slack)
        client.auth_test()
    with pytest.raises(OSError, match="refused"):
        client.auth_test()
