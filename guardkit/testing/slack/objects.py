"""People, conversations and messages as the Web API and interactions describe them."""

from guardkit.core.values import JsonObject
from guardkit.testing.slack.values import Conversation, Message, Person
from guardkit.testing.slack.workspace import Workspace


def user_object(person: Person, *, email: bool) -> JsonObject:
    """Somebody, as `users.info` describes them.

    Args:
        person: who.
        email: whether the app may see addresses.
    """
    profile: JsonObject = {
        "real_name": person.name,
        "display_name": person.name,
        "team": person.team_id,
    }
    if email and person.email is not None:
        profile["email"] = person.email
    described: JsonObject = {
        "id": person.id,
        "team_id": person.team_id,
        "name": handle(person),
        "deleted": person.deleted,
        "profile": profile,
        "is_bot": person.is_bot,
        "is_app_user": False,
        "updated": 0,
    }
    if person.deleted:
        return described
    return {
        **described,
        "real_name": person.name,
        "tz": "Etc/UTC",
        "tz_offset": 0,
        "is_admin": False,
        "is_owner": False,
        "is_restricted": person.is_restricted or person.is_ultra_restricted,
        "is_ultra_restricted": person.is_ultra_restricted,
        "is_stranger": person.is_stranger,
    }


def handle(person: Person) -> str:
    """The short name that payloads carry as `username`."""
    return person.name.lower().replace(" ", ".")


def conversation_object(conversation: Conversation, workspace: Workspace) -> JsonObject:
    """A conversation, as `conversations.info` describes it."""
    direct = conversation.user is not None
    described: JsonObject = {
        "id": conversation.id,
        "created": 0,
        "is_archived": conversation.archived,
        "is_im": direct,
        "is_channel": not direct and not conversation.private,
        "is_group": not direct and conversation.private,
        "is_mpim": False,
        "is_private": conversation.private,
        "is_shared": conversation.shared,
        "is_ext_shared": conversation.shared,
        "is_org_shared": False,
        "context_team_id": workspace.team_id,
    }
    if direct:
        return {**described, "user": conversation.user}
    return {
        **described,
        "name": conversation.name,
        "name_normalized": conversation.name,
        "is_general": False,
        "is_member": workspace.bot.id in conversation.members,
    }


def message_object(message: Message, workspace: Workspace) -> JsonObject:
    """A message, as answers of the Web API and payloads hold it."""
    described: JsonObject = {
        "type": "message",
        "user": message.user,
        "ts": message.ts,
        "text": message.text,
        "team": workspace.team_id,
    }
    if message.user == workspace.bot.id:
        described |= {"bot_id": workspace.bot_id, "app_id": workspace.app_id}
    if message.blocks:
        described["blocks"] = list(message.blocks)
    if message.metadata is not None:
        described["metadata"] = message.metadata
    if message.thread_ts is not None:
        described["thread_ts"] = message.thread_ts
    if message.edited:
        described["edited"] = {"user": message.user, "ts": message.ts}
    return described


def brief_conversation(conversation: Conversation) -> JsonObject:
    """A conversation, as interactions name it."""
    if conversation.user is not None:
        return {"id": conversation.id, "name": "directmessage"}
    return {"id": conversation.id, "name": "privategroup" if conversation.private else conversation.name}
