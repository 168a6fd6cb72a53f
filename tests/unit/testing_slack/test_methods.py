"""The Web API, asked by slack_sdk's own client: what it answers, and each of its error codes."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import ActionsBlock, ButtonElement
from slack_sdk.models.metadata import Metadata

import guardkit.testing.slack
from guardkit.testing.clock import FakeClock
from guardkit.testing.slack import Conversation, OpenView, Person, SlackServer
from tests.unit.testing_slack.pieces import Piece, data, modal, posted, question, section, web_client


class Desk:
    """What the calls below need."""

    def __init__(self, slack: SlackServer, clock: FakeClock) -> None:
        self.slack = slack
        self.clock = clock
        self.client = web_client(slack)
        self.ada = slack.person("Ada", "ada@example.com")
        self.ops = slack.conversation("ops", self.ada).id
        self.foreign = slack.conversation("foreign", self.ada, with_bot=False).id

    def say(self, **more: Any) -> None:
        self.client.chat_postMessage(**{"channel": self.ops, "text": "t", **more})

    def raw(self, method: str, body: Piece) -> None:
        self.client.api_call(method, json=body)

    def trigger(self) -> str:
        return self.slack.click(self.ada, posted(self.slack, self.ops), "approve").trigger_id

    def view(self) -> OpenView:
        self.client.views_open(trigger_id=self.trigger(), view=modal())
        view = self.slack.view(self.ada)
        assert view is not None
        return view

    def view_trigger(self) -> str:
        view = self.slack.view(self.ada)
        assert view is not None
        return self.slack.submit(self.ada, view, {"text": "x"}).trigger_id


def _no_token(desk: Desk) -> None:
    WebClient(base_url=desk.slack.base_url, retry_handlers=[]).auth_test()


def _other_token(desk: Desk) -> None:
    WebClient(token="xoxb-other", base_url=desk.slack.base_url, retry_handlers=[]).auth_test()


def _app_token(desk: Desk) -> None:
    WebClient(token=desk.slack.app_token, base_url=desk.slack.base_url, retry_handlers=[]).auth_test()


def _refused_token(error: str) -> Callable[[Desk], None]:
    def call(desk: Desk) -> None:
        desk.slack.refuse_token(error)
        desk.client.auth_test()

    return call


def _revoked(desk: Desk) -> None:
    desk.slack.revoke_token()
    desk.say()


def _missing_scope(desk: Desk) -> None:
    desk.slack.grant("users:read")
    desk.say()


def _archived(desk: Desk) -> None:
    desk.say(channel=desk.slack.conversation("old", archived=True).id)


def _archived_since(desk: Desk) -> None:
    message = posted(desk.slack, desk.ops)
    desk.slack.conversation("ops", desk.ada, id=desk.ops, archived=True)
    desk.client.chat_update(channel=desk.ops, ts=message.ts, text="t")


def _others_message(desk: Desk) -> None:
    conversation = desk.slack.workspace.visible(desk.ops)
    message = desk.slack.say(desk.ada, conversation, "mine")
    desk.client.chat_update(channel=desk.ops, ts=message.ts, text="t")


def _update_to_nothing(desk: Desk) -> None:
    desk.client.api_call(
        "chat.update", json={"channel": desk.ops, "ts": posted(desk.slack, desk.ops).ts, "blocks": []}
    )


def _ratelimited(desk: Desk) -> None:
    desk.slack.limit(1.0, burst=1)
    desk.say()
    desk.say()


def _exchanged(desk: Desk) -> None:
    trigger = desk.trigger()
    desk.client.views_open(trigger_id=trigger, view=modal())
    desk.client.views_open(trigger_id=trigger, view=modal())


def _expired(desk: Desk) -> None:
    trigger = desk.trigger()
    desk.clock.advance(3.0)
    desk.client.views_open(trigger_id=trigger, view=modal())


def _expired_on_demand(desk: Desk) -> None:
    trigger = desk.trigger()
    desk.slack.expire_triggers()
    desk.client.views_open(trigger_id=trigger, view=modal())


def _large_view(desk: Desk) -> None:
    blocks = [section("x" * 3000, block_id=f"b{number}") for number in range(90)]
    desk.client.views_open(trigger_id=desk.trigger(), view=modal(*blocks))


def _view_gone(desk: Desk) -> None:
    view = desk.view()
    desk.slack.dismiss(desk.ada, view)
    desk.client.views_update(view_id=view.id, view=modal())


def _hash_conflict(desk: Desk) -> None:
    view = desk.view()
    desk.client.views_update(view_id=view.id, view=modal(), hash=view.hash)
    desk.client.views_update(view_id=view.id, view=modal(), hash=view.hash)


def _push_without_view(desk: Desk) -> None:
    desk.client.views_push(trigger_id=desk.trigger(), view=modal())


def _too_many_views(desk: Desk) -> None:
    desk.view()
    for _ in range(3):
        desk.client.views_push(trigger_id=desk.view_trigger(), view=modal())


def _gone_person(desk: Desk) -> str:
    return desk.slack.deactivate(desk.slack.person("Gone", "gone@example.com")).id


def _robot(desk: Desk) -> str:
    return desk.slack.person("Robot", is_bot=True).id


def _socket_address_with_bot_token(desk: Desk) -> None:
    desk.client.apps_connections_open(app_token=desk.slack.bot_token)


SEVERAL = "U1,U2"

ERRORS: list[tuple[str, Callable[[Desk], Any], str]] = [
    ("unknown_method", lambda desk: desk.client.api_call("chat.delete", json={"a": 1}), "delete"),
    ("not_authed", _no_token, "bot"),
    ("invalid_auth", _other_token, "bot"),
    ("not_allowed_token_type", _app_token, "app_token"),
    ("not_allowed_token_type", _socket_address_with_bot_token, "bot_token"),
    ("token_revoked", _revoked, "post"),
    *((error, _refused_token(error), "auth") for error in ("account_inactive", "token_expired")),
    ("missing_scope", _missing_scope, "post"),
    ("channel_not_found", lambda desk: desk.say(channel="C404"), "unknown"),
    ("channel_not_found", lambda desk: desk.raw("chat.postMessage", {"text": "t"}), "missing"),
    (
        "channel_not_found",
        lambda desk: desk.say(channel=desk.slack.conversation("hidden", private=True, with_bot=False).id),
        "private",
    ),
    ("channel_not_found", lambda desk: desk.say(channel=_gone_person(desk)), "deactivated"),
    ("not_in_channel", lambda desk: desk.say(channel=desk.foreign), "post"),
    ("is_archived", _archived, "post"),
    ("is_inactive", _archived_since, "update"),
    ("no_text", lambda desk: desk.raw("chat.postMessage", {"channel": desk.ops}), "post"),
    ("no_text", lambda desk: desk.raw("chat.postMessage", {"channel": desk.ops, "text": "  "}), "blank"),
    ("no_text", _update_to_nothing, "update"),
    (
        "no_text",
        lambda desk: desk.raw("chat.postEphemeral", {"channel": desk.ops, "user": desk.ada.id}),
        "ephemeral",
    ),
    ("invalid_blocks", lambda desk: desk.say(blocks=[{"type": "nonsense"}]), "post"),
    ("invalid_blocks_format", lambda desk: desk.say(blocks="[{"), "json"),
    ("invalid_blocks_format", lambda desk: desk.say(blocks={"type": "section"}), "object"),
    (
        "msg_blocks_too_long",
        lambda desk: desk.say(blocks=[section("x" * 3000, block_id=str(number)) for number in range(5)]),
        "post",
    ),
    (
        "msg_too_long",
        lambda desk: desk.client.chat_update(
            channel=desk.ops, ts=posted(desk.slack, desk.ops).ts, text="x" * 4001
        ),
        "update",
    ),
    ("invalid_metadata_format", lambda desk: desk.say(metadata="{"), "json"),
    ("invalid_metadata_format", lambda desk: desk.say(metadata=[1]), "list"),
    ("invalid_metadata_schema", lambda desk: desk.say(metadata={"event_type": "x"}), "payload"),
    ("thread_not_found", lambda desk: desk.say(thread_ts="1.0"), "post"),
    (
        "message_not_found",
        lambda desk: desk.client.chat_update(channel=desk.ops, ts="1.0", text="t"),
        "update",
    ),
    (
        "message_not_found",
        lambda desk: desk.client.chat_getPermalink(channel=desk.ops, message_ts="1.0"),
        "permalink",
    ),
    ("cant_update_message", _others_message, "update"),
    (
        "user_not_in_channel",
        lambda desk: desk.client.chat_postEphemeral(channel=desk.ops, user="U404", text="t"),
        "ephemeral",
    ),
    ("users_not_found", lambda desk: desk.client.users_lookupByEmail(email="x@example.com"), "nobody"),
    (
        "users_not_found",
        lambda desk: [_gone_person(desk), desk.client.users_lookupByEmail(email="gone@example.com")],
        "deactivated",
    ),
    ("bot_not_found", lambda desk: desk.client.bots_info(bot="B404"), "info"),
    ("user_not_found", lambda desk: desk.client.users_info(user="U404"), "info"),
    ("user_not_found", lambda desk: desk.client.conversations_open(users="U404"), "open"),
    ("user_disabled", lambda desk: desk.client.conversations_open(users=_gone_person(desk)), "open"),
    ("cannot_dm_bot", lambda desk: desk.client.conversations_open(users=_robot(desk)), "open"),
    ("users_list_not_supplied", lambda desk: desk.raw("conversations.open", {"return_im": True}), "open"),
    ("missing_scope", lambda desk: desk.client.conversations_open(users=SEVERAL), "several"),
    (
        "method_not_supported_for_channel_type",
        lambda desk: [
            desk.slack.grant("im:write", "mpim:write"),
            desk.client.conversations_open(users=SEVERAL),
        ],
        "several",
    ),
    (
        "invalid_cursor",
        lambda desk: desk.client.conversations_members(channel=desk.ops, cursor="x"),
        "members",
    ),
    (
        "invalid_limit",
        lambda desk: desk.raw("conversations.members", {"channel": desk.ops, "limit": "x"}),
        "members",
    ),
    ("invalid_trigger_id", lambda desk: desk.client.views_open(trigger_id="1.2", view=modal()), "open"),
    ("expired_trigger_id", _expired, "clock"),
    ("expired_trigger_id", _expired_on_demand, "demand"),
    ("exchanged_trigger_id", _exchanged, "open"),
    ("view_too_large", _large_view, "open"),
    ("invalid_arguments", lambda desk: desk.raw("views.open", {"view": modal()}), "no_trigger"),
    ("invalid_arguments", lambda desk: desk.raw("views.open", {"trigger_id": "1"}), "no_view"),
    (
        "invalid_arguments",
        lambda desk: desk.raw("chat.postMessage", {"channel": desk.ops, "text": ["t"]}),
        "text",
    ),
    ("not_found", _view_gone, "update"),
    ("not_found", _push_without_view, "push"),
    ("hash_conflict", _hash_conflict, "update"),
    ("push_limit_reached", _too_many_views, "push"),
    ("ratelimited", _ratelimited, "post"),
]

HTTP_ERRORS = {"invalid_json", "json_not_object"}
RESPONSE_URL_ERRORS = {"expired_url", "invalid_url", "used_url"}
"""Tested in `test_people.py`."""

ASKED_FOR = {"account_inactive", "token_expired", "token_revoked"}
"""Nothing in the server raises these by itself."""


@pytest.mark.parametrize(
    ("error", "call"), [pytest.param(e, call, id=f"{e}-{name}") for e, call, name in ERRORS]
)
def test_error(error: str, call: Callable[[Desk], None], slack: SlackServer, clock: FakeClock) -> None:
    desk = Desk(slack, clock)
    with pytest.raises(SlackApiError) as refused:
        call(desk)
    assert refused.value.response["error"] == error
    assert slack.calls[-1].error == error


def test_every_error_code_has_a_case() -> None:
    folder = Path(guardkit.testing.slack.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    raised = set(re.findall(r'SlackRefusal\(\s*"(\w+)"', source))
    assert raised >= {"no_text", "ratelimited"}
    tested = {error for error, _, _ in ERRORS} - ASKED_FOR
    by_argument = {"invalid_arguments", "invalid_metadata_format", "invalid_blocks_format"}
    assert raised | by_argument == tested | HTTP_ERRORS | RESPONSE_URL_ERRORS


@pytest.mark.parametrize(("body", "error"), [(b"{", "invalid_json"), (b"[]", "json_not_object")])
def test_bodies_that_are_no_json_object(body: bytes, error: str, slack: SlackServer) -> None:
    request = urllib.request.Request(slack.base_url + "auth.test", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answered:
        assert json.load(answered) == {"ok": False, "error": error}


def test_a_missing_scope_is_named(slack: SlackServer, client: WebClient, ops: Conversation) -> None:
    slack.grant("users:read", "im:write")
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel=ops.id, text="t")
    assert refused.value.response["needed"] == "chat:write"
    assert refused.value.response["provided"] == "im:write,users:read"


def test_the_rate_limit_is_per_conversation_and_ends(
    slack: SlackServer, client: WebClient, ops: Conversation, ada: Person, clock: FakeClock
) -> None:
    slack.limit(0.5, burst=2)
    client.chat_postMessage(channel=ops.id, text="1")
    client.chat_postMessage(channel=ops.id, text="2")
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel=ops.id, text="3")
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "2"
    client.chat_postMessage(channel=ada.id, text="elsewhere")
    clock.advance(2.0)
    client.chat_postMessage(channel=ops.id, text="3")
    assert [message.text for message in slack.messages(ops)] == ["1", "2", "3"]


def test_a_message_keeps_what_was_sent(
    slack: SlackServer, client: WebClient, ops: Conversation, ada: Person
) -> None:
    answer = client.chat_postMessage(
        channel=ops.id,
        text="Approve?",
        blocks=[ActionsBlock(elements=[ButtonElement(text="OK", action_id="ok", value="1")])],
        metadata=Metadata("approval", {"id": "r1"}),
    )
    message = slack.messages(ops)[0]
    assert (message.ts, message.user, message.text) == (answer["ts"], slack.bot.id, "Approve?")
    assert message.metadata == {"event_type": "approval", "event_payload": {"id": "r1"}}
    assert message.blocks[0]["block_id"]
    reply = client.chat_postMessage(channel="#ops", text="done", thread_ts=message.ts)
    assert slack.messages(ops)[1].thread_ts == message.ts
    assert str(reply["ts"]) > message.ts
    link = data(client.chat_getPermalink(channel=ops.id, message_ts=message.ts))["permalink"]
    assert link == f"https://guardkit-test.slack.com/archives/{ops.id}/p{message.ts.replace('.', '')}"


def test_blocks_may_come_as_json_in_a_form(slack: SlackServer, client: WebClient, ops: Conversation) -> None:
    client.api_call(
        "chat.postMessage",
        params={"channel": ops.id, "text": "t", "blocks": json.dumps([section(block_id="b")])},
    )
    assert slack.messages(ops)[0].blocks == (section(block_id="b"),)


def test_an_update_without_blocks_takes_them_away(
    slack: SlackServer, client: WebClient, ops: Conversation
) -> None:
    message = posted(slack, ops.id, metadata={"event_type": "x", "event_payload": {}})
    client.chat_update(channel=ops.id, ts=message.ts, text="new", blocks=[section(block_id="b")])
    changed = slack.messages(ops)[0]
    assert (changed.text, changed.blocks, changed.edits, changed.edited) == (
        "new",
        (section(block_id="b"),),
        1,
        False,
    )
    assert changed.metadata == message.metadata
    client.chat_update(channel=ops.id, ts=message.ts, text="bare")
    bare = slack.messages(ops)[0]
    assert (bare.text, bare.blocks, bare.edits, bare.edited) == ("bare", (), 2, True)


def test_direct_messages(slack: SlackServer, client: WebClient, ada: Person) -> None:
    opened = data(client.conversations_open(users=[ada.id]))["channel"]["id"]
    assert client.chat_postMessage(channel=ada.id, text="by person")["channel"] == opened
    assert data(client.conversations_open(users=ada.id, return_im=True))["channel"]["user"] == ada.id
    assert data(client.conversations_info(channel=opened))["channel"]["is_im"] is True
    assert slack.messages(slack.direct(ada))[0].text == "by person"


def test_a_public_channel_may_be_written_to_with_its_scope(
    slack: SlackServer, client: WebClient, ada: Person
) -> None:
    foreign = slack.conversation("foreign", ada, with_bot=False)
    slack.grant("chat:write", "chat:write.public")
    client.chat_postMessage(channel=foreign.id, text="t")
    assert len(slack.messages(foreign)) == 1


def test_only_one_person_sees_an_ephemeral_message(
    slack: SlackServer, client: WebClient, ops: Conversation, ada: Person
) -> None:
    client.chat_postEphemeral(channel=ops.id, user=ada.id, text="not you", blocks=[section()])
    assert [one.text for one in slack.ephemerals(ada)] == ["not you"]
    assert slack.ephemerals(slack.person("Bob")) == ()
    assert slack.messages(ops) == ()


def test_the_app_of_a_bot_is_told(slack: SlackServer, client: WebClient) -> None:
    bot = str(client.auth_test()["bot_id"])
    assert data(client.bots_info(bot=bot))["bot"]["app_id"] == slack.app_id


def test_people_are_described(slack: SlackServer, client: WebClient, ada: Person) -> None:
    assert data(client.users_lookupByEmail(email="ADA@example.com"))["user"]["id"] == ada.id
    assert data(client.users_info(user=ada.id))["user"]["profile"]["email"] == "ada@example.com"
    guest = slack.person("Guest", "g@example.com", is_ultra_restricted=True)
    described = data(client.users_info(user=guest.id))["user"]
    assert (described["is_restricted"], described["is_ultra_restricted"]) == (True, True)
    stranger = slack.person("Stranger", "s@example.org", is_stranger=True)
    described = data(client.users_info(user=stranger.id))["user"]
    assert (described["is_stranger"], described["team_id"]) == (True, "T0STRANGER")
    slack.deactivate(ada)
    assert data(client.users_info(user=ada.id))["user"]["deleted"] is True
    slack.grant("users:read")
    assert "email" not in data(client.users_info(user=guest.id))["user"]["profile"]


def test_conversations_are_described(slack: SlackServer, client: WebClient, ada: Person) -> None:
    secret = slack.conversation("secret", ada, private=True, shared=True)
    described = data(client.conversations_info(channel=secret.id, include_num_members=True))["channel"]
    assert (described["is_group"], described["is_ext_shared"], described["num_members"]) == (True, True, 2)
    pages = client.conversations_members(channel=secret.id, limit=1)
    assert sorted(member for page in pages for member in data(page)["members"]) == sorted(
        [ada.id, slack.bot.id]
    )


def test_calls_are_recorded_without_tokens(slack: SlackServer, client: WebClient) -> None:
    client.auth_test()
    client.api_call("users.info", params={"user": slack.bot.id})
    assert [call.method for call in slack.calls] == ["auth.test", "users.info"]
    assert slack.bot_token not in repr(slack.calls)


def test_views_lie_on_one_another(slack: SlackServer, clock: FakeClock) -> None:
    desk = Desk(slack, clock)
    first = desk.view()
    desk.client.views_update(view_id=first.id, view=modal(question(optional=True)), hash=first.hash)
    updated = slack.view(desk.ada)
    assert updated is not None
    assert updated.id == first.id
    assert updated.hash != first.hash
    trigger = slack.submit(desk.ada, updated).trigger_id
    desk.client.views_push(trigger_id=trigger, view=modal(private_metadata="top"))
    top = slack.view(desk.ada)
    assert top is not None
    assert (top.previous_id, top.root_id, top.private_metadata) == (first.id, first.id, "top")
    assert slack.dismiss(desk.ada, top) is None
    below = slack.view(desk.ada)
    assert below is not None
    assert below.id == first.id
    assert [view.open for view in slack.views] == [True, False]
