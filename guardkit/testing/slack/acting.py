"""What people do in Slack, and what Slack makes of the app's answers."""

import copy
from collections.abc import Callable, Mapping
from typing import Protocol

from guardkit.core.values import Json, JsonObject
from guardkit.testing.slack.blocks import elements, objects
from guardkit.testing.slack.inputs import state_of
from guardkit.testing.slack.modals import Modals, check_view
from guardkit.testing.slack.objects import brief_conversation, handle, message_object
from guardkit.testing.slack.response_urls import ResponseUrls
from guardkit.testing.slack.values import (
    Ack,
    CannotActError,
    Conversation,
    Interaction,
    Message,
    OpenView,
    Person,
    SlackRefusal,
)
from guardkit.testing.slack.workspace import Workspace

TROUBLE = "We had some trouble connecting. Try again?"
"""What people read in a modal when the app did not answer as it should."""


class Deliver(Protocol):
    """Brings a payload to the app."""

    def __call__(self, kind: str, payload: JsonObject, *, accepts_response: bool) -> Ack:
        """Deliver `interactive` or `slash_commands`, and wait for the answer."""
        ...


class Acting:
    """Builds the payloads of people's actions, delivers them, and applies the answers.

    Args:
        workspace: who and what there is.
        modals: which views are open.
        response_urls: makes response URLs.
        deliver: brings payloads to the app.
        base: address before the path of response URLs.
    """

    def __init__(
        self,
        workspace: Workspace,
        modals: Modals,
        response_urls: ResponseUrls,
        deliver: Deliver,
        base: Callable[[], str],
    ) -> None:
        self._workspace = workspace
        self._modals = modals
        self._response_urls = response_urls
        self._deliver = deliver
        self._base = base

    def click(
        self,
        person: Person,
        on: Message | OpenView,
        action_id: str,
        *,
        block_id: str | None,
        values: Mapping[str, Json],
        as_seen: bool,
    ) -> Interaction:
        """Press a button; see `SlackServer.click`."""
        person = self._known(person)
        if isinstance(on, OpenView):
            return self._click_view(person, on, action_id, block_id, values)
        conversation = self._where(person, on.channel)
        current = self._workspace.message(on.channel, on.ts)
        if current is None:
            raise CannotActError(f"the message {on.ts} is gone")
        shown = on if as_seen else current
        blocks: list[Json] = [*shown.blocks]
        container: JsonObject = {
            "type": "message",
            "message_ts": on.ts,
            "channel_id": on.channel,
            "is_ephemeral": False,
        }
        if on.thread_ts is not None:
            container["thread_ts"] = on.thread_ts
        payload: JsonObject = {
            **self._common("block_actions", person),
            "trigger_id": self._modals.trigger(person.id),
            "container": container,
            "channel": brief_conversation(conversation),
            "message": message_object(shown, self._workspace),
            "state": {"values": state_of(blocks, values, complete=False)},
            "response_url": self._base() + self._response_urls.make(on.channel, person.id, on.ts),
            "actions": [self._action(blocks, action_id, block_id)],
        }
        return self._button(payload)

    def _click_view(
        self,
        person: Person,
        on: OpenView,
        action_id: str,
        block_id: str | None,
        values: Mapping[str, Json],
    ) -> Interaction:
        current = self._in_front(person, on)
        blocks = current.view.get("blocks")
        state: JsonObject = {"values": state_of(blocks, values, complete=False)}
        payload: JsonObject = {
            **self._common("block_actions", person),
            "trigger_id": self._modals.trigger(person.id, on.id),
            "container": {"type": "view", "view_id": on.id},
            "view": {**current.view, "state": state},
            "state": state,
            "actions": [self._action(blocks, action_id, block_id)],
        }
        return self._button(payload)

    def _button(self, payload: JsonObject) -> Interaction:
        ack = self._deliver("interactive", payload, accepts_response=False)
        warning = None if ack.acknowledged else f"This app is not responding: {ack.reason}."
        return _interaction(payload, ack, warning=warning)

    def submit(self, person: Person, view: OpenView, values: Mapping[str, Json]) -> Interaction:
        """Submit a modal; see `SlackServer.submit`."""
        person = self._known(person)
        current = self._in_front(person, view)
        if current.view.get("submit") is None:
            raise CannotActError("the view has no button to submit it")
        state: JsonObject = {"values": state_of(current.view.get("blocks"), values, complete=True)}
        payload: JsonObject = {
            **self._common("view_submission", person),
            "trigger_id": self._modals.trigger(person.id, view.id),
            "view": {**current.view, "state": state},
            "response_urls": [],
        }
        ack = self._deliver("interactive", payload, accepts_response=True)
        if not ack.acknowledged:
            return _interaction(payload, ack, warning=TROUBLE)
        try:
            errors = self._apply(current, ack.response)
        except SlackRefusal as refusal:
            return _interaction(payload, ack, warning=f"{TROUBLE} ({refusal})", refused=True)
        return _interaction(payload, ack, errors=errors)

    def _apply(self, current: OpenView, response: Json) -> Mapping[str, str]:
        if response is None or response in ("", {}):
            self._modals.close(current.id)
            return {}
        if not isinstance(response, dict):
            raise SlackRefusal("the answer is not an object")
        view = response.get("view")
        match response.get("response_action"):
            case "clear":
                self._modals.clear(current.user)
            case "errors":
                return _errors(current, response.get("errors"))
            case "update" if isinstance(view, dict):
                self._modals.update(current.id, view)
            case "push" if isinstance(view, dict):
                check_view(view)
                self._modals.lay(current, view)
            case other:
                raise SlackRefusal(f"the answer has no usable response_action: {other!r}")
        return {}

    def dismiss(self, person: Person, view: OpenView) -> Interaction | None:
        """Close a modal; see `SlackServer.dismiss`."""
        person = self._known(person)
        current = self._in_front(person, view)
        cleared = current.view.get("clear_on_close") is True
        if cleared:
            self._modals.clear(person.id)
        else:
            self._modals.close(view.id)
        if current.view.get("notify_on_close") is not True:
            return None
        payload: JsonObject = {
            **self._common("view_closed", person),
            "view": current.view,
            "is_cleared": cleared,
        }
        return _interaction(payload, self._deliver("interactive", payload, accepts_response=False))

    def command(self, person: Person, command: str, text: str, conversation: Conversation) -> Interaction:
        """Send a slash command; see `SlackServer.command`."""
        person = self._known(person)
        if person.is_stranger:
            raise CannotActError(f"{person.name} is of another workspace, where this command does not exist")
        place = brief_conversation(self._where(person, conversation.id))
        payload: JsonObject = {
            "token": "local",
            "team_id": self._workspace.team_id,
            "team_domain": self._workspace.domain,
            "channel_id": place["id"],
            "channel_name": place["name"],
            "user_id": person.id,
            "user_name": handle(person),
            "command": command,
            "text": text,
            "api_app_id": self._workspace.app_id,
            "is_enterprise_install": "false",
            "response_url": self._base() + self._response_urls.make(conversation.id, person.id, None),
            "trigger_id": self._modals.trigger(person.id),
        }
        ack = self._deliver("slash_commands", payload, accepts_response=True)
        if not ack.acknowledged:
            error = "operation_timeout" if ack.reason == "no answer in time" else "dispatch_failed"
            return _interaction(payload, ack, warning=f'{command} failed with the error "{error}"')
        answer: Json = {"text": ack.response} if isinstance(ack.response, str) else ack.response
        if isinstance(answer, dict) and answer:
            try:
                self._response_urls.say(answer, channel=conversation.id, user=person.id, ts=None)
            except SlackRefusal as refusal:
                return _interaction(payload, ack, warning=f"{command} failed: {refusal.error}", refused=True)
        return _interaction(payload, ack)

    def shortcut(self, person: Person, message: Message, callback_id: str) -> Interaction:
        """Use a shortcut on a message; see `SlackServer.shortcut`."""
        person = self._known(person)
        conversation = self._where(person, message.channel)
        current = self._workspace.message(message.channel, message.ts)
        if current is None:
            raise CannotActError(f"the message {message.ts} is gone")
        payload: JsonObject = {
            **self._common("message_action", person),
            "callback_id": callback_id,
            "trigger_id": self._modals.trigger(person.id),
            "action_ts": self._workspace.stamp(),
            "message_ts": message.ts,
            "channel": brief_conversation(conversation),
            "message": message_object(current, self._workspace),
            "response_url": self._base() + self._response_urls.make(message.channel, person.id, message.ts),
        }
        return self._button(payload)

    def _common(self, kind: str, person: Person) -> JsonObject:
        return {
            "type": kind,
            "user": {
                "id": person.id,
                "username": handle(person),
                "name": handle(person),
                "team_id": person.team_id,
            },
            "api_app_id": self._workspace.app_id,
            "token": "local",
            "team": {"id": self._workspace.team_id, "domain": self._workspace.domain},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _action(self, blocks: Json, action_id: str, block_id: str | None) -> JsonObject:
        for block in objects(blocks):
            if block_id not in (None, block.get("block_id")):
                continue
            for element in elements(block):
                if element.get("type") == "button" and element.get("action_id") == action_id:
                    return {
                        **{name: copy.deepcopy(value) for name, value in element.items()},
                        "block_id": block.get("block_id"),
                        "action_ts": self._workspace.stamp(),
                    }
        raise CannotActError(f"no button {action_id!r} is shown")

    def _known(self, person: Person) -> Person:
        known = self._workspace.person(person.id)
        if known is None:
            raise CannotActError(f"nobody has the id {person.id}")
        if known.deleted:
            raise CannotActError(f"{person.name} can no longer sign in")
        return known

    def _where(self, person: Person, channel: str) -> Conversation:
        conversation = self._workspace.conversation(channel)
        if conversation is None:
            raise CannotActError(f"there is no conversation {channel}")
        guest = person.is_restricted or person.is_ultra_restricted or person.is_stranger
        if person.id not in conversation.members and (conversation.private or guest):
            raise CannotActError(f"{person.name} does not see the conversation {channel}")
        return conversation

    def _in_front(self, person: Person, view: OpenView) -> OpenView:
        top = self._modals.top(person.id)
        if top is None or top.id != view.id:
            raise CannotActError(f"{person.name} does not have the view {view.id} in front of them")
        return top


def _errors(current: OpenView, errors: Json) -> Mapping[str, str]:
    if not isinstance(errors, dict) or not errors:
        raise SlackRefusal("the errors are missing")
    inputs = [
        block.get("block_id") for block in objects(current.view.get("blocks")) if block.get("type") == "input"
    ]
    strange = sorted(name for name in errors if name not in inputs)
    if strange:
        raise SlackRefusal(f"the errors name no input: {', '.join(strange)}")
    return {name: str(text) for name, text in errors.items()}


def _interaction(
    payload: JsonObject,
    ack: Ack,
    *,
    warning: str | None = None,
    errors: Mapping[str, str] | None = None,
    refused: bool = False,
) -> Interaction:
    return Interaction(
        payload=payload,
        acknowledged=ack.acknowledged and not refused,
        seconds=ack.seconds,
        response=ack.response,
        warning=warning,
        errors=errors or {},
        status=ack.status,
        connection=ack.connection,
    )
