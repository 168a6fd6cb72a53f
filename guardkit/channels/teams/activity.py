"""What Teams sends to a bot, read from JSON without trusting any of it.

Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference, "Activity
object".
"""

from dataclasses import dataclass
from typing import cast

from guardkit.channels.teams.faults import text_of
from guardkit.channels.teams.settings import is_guid
from guardkit.core.digest import parse
from guardkit.core.values import Json, JsonObject
from guardkit.errors import CanonicalError

_ID_LENGTH = 512
"""Characters of the longest id that Teams gives, and then some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One thing that happened in Teams. Texts are empty where the request has none."""

    type: str
    name: str
    """What kind of invoke it is."""

    action: str
    """Whether an app was added or removed."""

    service_url: str
    channel: str
    recipient: str
    sender: str
    """The person's id for this bot, `29:…`."""

    object_id: str
    """The person's id in Entra, a GUID in lower case."""

    conversation: str
    personal: bool
    """Whether it is the conversation of one person with the bot."""

    tenants: frozenset[str]
    """Every Entra tenant that the request names, in lower case."""

    reply_to: str
    """Id of the message whose button was clicked."""

    removed: frozenset[str]
    """Ids of who was removed from the conversation."""

    value: Json

    @property
    def root(self) -> str:
        """The conversation without the thread in it: `19:…;messageid=…` is in `19:…`."""
        return self.conversation.partition(";")[0]


def read_activity(body: bytes) -> Activity | None:
    """The activity in a request; `None` when it is not one.

    Args:
        body: as it was sent.
    """
    try:
        data = parse(body, path="activity")
    except CanonicalError:
        return None
    if not isinstance(data, dict) or not _id(data, "type"):
        return None
    conversation, sender = _object(data, "conversation"), _object(data, "from")
    tenants = (_id(_object(_object(data, "channelData"), "tenant"), "id"), _id(conversation, "tenantId"))
    object_id = _id(sender, "aadObjectId").lower()
    removed = data.get("membersRemoved")
    return Activity(
        type=_id(data, "type"),
        name=_id(data, "name"),
        action=_id(data, "action"),
        service_url=_id(data, "serviceUrl"),
        channel=_id(data, "channelId"),
        recipient=_id(_object(data, "recipient"), "id"),
        sender=_id(sender, "id"),
        object_id=object_id if is_guid(object_id) else "",
        conversation=_id(conversation, "id"),
        personal=_id(conversation, "conversationType") == "personal",
        tenants=frozenset(tenant.lower() for tenant in tenants if tenant),
        reply_to=_id(data, "replyToId"),
        removed=frozenset(
            _id(one, "id") for one in (removed if isinstance(removed, list) else ()) if isinstance(one, dict)
        ),
        value=data.get("value"),
    )


def _object(data: JsonObject, name: str) -> JsonObject:
    value = data.get(name)
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _id(data: JsonObject, name: str) -> str:
    value = text_of(data, name)
    return value if value is not None and len(value) <= _ID_LENGTH else ""
