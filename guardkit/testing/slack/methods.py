"""The methods of the Web API."""

import threading
from collections.abc import Callable
from typing import TypeAlias

from guardkit.core.values import Json, JsonObject
from guardkit.testing.slack.access import Access
from guardkit.testing.slack.arguments import (
    LONGEST_UPDATE,
    blocks_of,
    metadata_of,
    needed,
    optional,
    switch,
    text_of,
    view_of,
)
from guardkit.testing.slack.blocks import identified
from guardkit.testing.slack.faults import Faults
from guardkit.testing.slack.modals import Modals
from guardkit.testing.slack.objects import conversation_object, message_object, user_object
from guardkit.testing.slack.values import Call, Conversation, Ephemeral, Message, SlackRefusal
from guardkit.testing.slack.workspace import Workspace

_Method: TypeAlias = Callable[[JsonObject], JsonObject]


class Methods:
    """Answers calls of the Web API. Every method may be called from any thread.

    Args:
        workspace: what the calls read and change.
        access: which tokens there are.
        modals: which views are open.
        faults: what goes wrong.
        socket_url: makes an address for Socket Mode.
    """

    def __init__(
        self,
        workspace: Workspace,
        access: Access,
        modals: Modals,
        faults: Faults,
        socket_url: Callable[[], str],
    ) -> None:
        self._workspace = workspace
        self._access = access
        self._modals = modals
        self._faults = faults
        self._socket_url = socket_url
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._methods: dict[str, tuple[_Method, str | None]] = {
            "apps.connections.open": (self._connections_open, None),
            "auth.test": (self._auth_test, None),
            "bots.info": (self._bot_info, "users:read"),
            "chat.getPermalink": (self._get_permalink, None),
            "chat.postEphemeral": (self._post_ephemeral, "chat:write"),
            "chat.postMessage": (self._post_message, "chat:write"),
            "chat.update": (self._update, "chat:write"),
            "conversations.info": (self._conversation_info, None),
            "conversations.members": (self._conversation_members, None),
            "conversations.open": (self._conversation_open, "im:write"),
            "users.info": (self._user_info, "users:read"),
            "users.lookupByEmail": (self._lookup_by_email, "users:read.email"),
            "views.open": (self._views_open, None),
            "views.push": (self._views_push, None),
            "views.update": (self._views_update, None),
        }

    @property
    def names(self) -> frozenset[str]:
        """The methods that there are."""
        return frozenset(self._methods)

    @property
    def calls(self) -> tuple[Call, ...]:
        """All calls, oldest first."""
        with self._lock:
            return tuple(self._calls)

    def call(self, method: str, token: str | None, body: JsonObject) -> JsonObject:
        """Answer a call, and remember it.

        Args:
            method: such as `chat.postMessage`.
            token: what the caller identified itself with.
            body: the arguments.

        Raises:
            SlackRefusal: Slack refuses the call.
        """
        error: str | None = None
        try:
            return {"ok": True, **self._answer(method, token, body)}
        except SlackRefusal as refusal:
            error = refusal.error
            raise
        finally:
            with self._lock:
                self._calls.append(Call(method=method, body=body, error=error))

    def _answer(self, method: str, token: str | None, body: JsonObject) -> JsonObject:
        if method not in self._methods:
            raise SlackRefusal("unknown_method", {"req_method": method})
        answer, scope = self._methods[method]
        self._access.check(token, app=method == "apps.connections.open")
        if scope is not None:
            self._access.require(scope)
        self._faults.check(method)
        with self._workspace.lock:
            return answer(body)

    def _connections_open(self, body: JsonObject) -> JsonObject:
        return {"url": self._socket_url()}

    def _bot_info(self, body: JsonObject) -> JsonObject:
        workspace = self._workspace
        if needed(body, "bot", "bot_not_found") != workspace.bot_id:
            raise SlackRefusal("bot_not_found")
        bot: JsonObject = {"id": workspace.bot_id, "app_id": workspace.app_id, "deleted": False, "updated": 0}
        return {"bot": bot}

    def _auth_test(self, body: JsonObject) -> JsonObject:
        workspace = self._workspace
        return {
            "url": f"https://{workspace.domain}.slack.com/",
            "team": workspace.domain,
            "user": workspace.bot.name,
            "team_id": workspace.team_id,
            "user_id": workspace.bot.id,
            "bot_id": workspace.bot_id,
            "is_enterprise_install": False,
        }

    def _target(self, body: JsonObject) -> Conversation:
        uninvited = "chat:write.public" in self._access.scopes
        return self._workspace.writable(needed(body, "channel", "channel_not_found"), uninvited=uninvited)

    def _post_message(self, body: JsonObject) -> JsonObject:
        blocks, text, metadata = blocks_of(body), text_of(body), metadata_of(body)
        channel = self._target(body).id
        if not text.strip() and not blocks:
            raise SlackRefusal("no_text")
        thread_ts = optional(body, "thread_ts")
        if thread_ts is not None and self._workspace.message(channel, thread_ts) is None:
            raise SlackRefusal("thread_not_found")
        self._faults.admit(channel)
        message = self._workspace.post(
            channel,
            self._workspace.bot.id,
            text,
            blocks=identified(blocks, self._workspace.names()),
            metadata=metadata or None,
            thread_ts=thread_ts,
        )
        return {"channel": channel, "ts": message.ts, "message": message_object(message, self._workspace)}

    def _post_ephemeral(self, body: JsonObject) -> JsonObject:
        blocks, text = blocks_of(body), text_of(body)
        conversation = self._target(body)
        user = needed(body, "user", "user_not_in_channel")
        if user not in conversation.members:
            raise SlackRefusal("user_not_in_channel")
        if not text.strip() and not blocks:
            raise SlackRefusal("no_text")
        self._faults.admit(conversation.id)
        ephemeral = Ephemeral(
            channel=conversation.id,
            user=user,
            ts=self._workspace.stamp(),
            text=text,
            blocks=identified(blocks, self._workspace.names()),
            thread_ts=optional(body, "thread_ts"),
        )
        self._workspace.whisper(ephemeral)
        return {"message_ts": ephemeral.ts}

    def _message(self, body: JsonObject, name: str) -> Message:
        channel = self._workspace.visible(needed(body, "channel", "channel_not_found"))
        message = self._workspace.message(channel.id, needed(body, name, "message_not_found"))
        if message is None:
            raise SlackRefusal("message_not_found")
        return message

    def _update(self, body: JsonObject) -> JsonObject:
        blocks, metadata = blocks_of(body), metadata_of(body)
        text = optional(body, "text") or ""
        if len(text) > LONGEST_UPDATE:
            raise SlackRefusal("msg_too_long")
        message = self._message(body, "ts")
        if message.user != self._workspace.bot.id:
            raise SlackRefusal("cant_update_message")
        if self._workspace.visible(message.channel).archived:
            raise SlackRefusal("is_inactive")
        if not text.strip() and not blocks:
            raise SlackRefusal("no_text")
        changed = self._workspace.update(
            message,
            text,
            blocks=identified(blocks, self._workspace.names()),
            metadata=message.metadata if metadata is None else metadata or None,
            marked=not blocks,
        )
        return {
            "channel": message.channel,
            "ts": message.ts,
            "text": text,
            "message": message_object(changed, self._workspace),
        }

    def _get_permalink(self, body: JsonObject) -> JsonObject:
        message = self._message(body, "message_ts")
        place = f"{message.channel}/p{message.ts.replace('.', '')}"
        return {
            "channel": message.channel,
            "permalink": f"https://{self._workspace.domain}.slack.com/archives/{place}",
        }

    def _readable(self, body: JsonObject) -> Conversation:
        found = self._workspace.visible(needed(body, "channel", "channel_not_found"))
        if found.user is not None:
            self._access.require("im:read")
        else:
            self._access.require("groups:read" if found.private else "channels:read")
        return found

    def _conversation_info(self, body: JsonObject) -> JsonObject:
        found = self._readable(body)
        described = conversation_object(found, self._workspace)
        if switch(body, "include_num_members"):
            described["num_members"] = len(found.members)
        return {"channel": described}

    def _conversation_members(self, body: JsonObject) -> JsonObject:
        members: list[Json] = [*sorted(self._readable(body).members)]
        limit, start = str(body.get("limit") or 100), optional(body, "cursor") or "0"
        if not limit.isdecimal():
            raise SlackRefusal("invalid_limit")
        if not start.isdecimal():
            raise SlackRefusal("invalid_cursor")
        first, last = int(start), int(start) + int(limit)
        after = str(last) if last < len(members) else ""
        return {"members": members[first:last], "response_metadata": {"next_cursor": after}}

    def _conversation_open(self, body: JsonObject) -> JsonObject:
        given = body.get("users")
        users = [str(user) for user in given] if isinstance(given, list) else str(given or "").split(",")
        users = [user for user in users if user]
        if not users:
            raise SlackRefusal("users_list_not_supplied")
        if len(users) > 1:
            self._access.require("mpim:write")
            raise SlackRefusal("method_not_supported_for_channel_type")
        conversation = self._workspace.direct(users[0])
        if switch(body, "return_im"):
            return {"channel": conversation_object(conversation, self._workspace)}
        return {"channel": {"id": conversation.id}}

    def _user_info(self, body: JsonObject) -> JsonObject:
        person = self._workspace.person(needed(body, "user", "user_not_found"))
        if person is None:
            raise SlackRefusal("user_not_found")
        return {"user": user_object(person, email="users:read.email" in self._access.scopes)}

    def _lookup_by_email(self, body: JsonObject) -> JsonObject:
        address = needed(body, "email", "users_not_found").casefold()
        for person in self._workspace.people():
            if person.email is not None and person.email.casefold() == address and not person.deleted:
                return {"user": user_object(person, email=True)}
        raise SlackRefusal("users_not_found")

    def _views_open(self, body: JsonObject) -> JsonObject:
        return {"view": self._modals.open(needed(body, "trigger_id"), view_of(body)).view}

    def _views_push(self, body: JsonObject) -> JsonObject:
        return {"view": self._modals.push(needed(body, "trigger_id"), view_of(body)).view}

    def _views_update(self, body: JsonObject) -> JsonObject:
        name = needed(body, "view_id")
        return {"view": self._modals.update(name, view_of(body), optional(body, "hash")).view}
