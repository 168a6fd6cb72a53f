"""What a local Slack holds and reports: people, conversations, messages, views, calls, interactions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from guardkit.core.values import Json, JsonObject


class CannotActError(Exception):
    """A person tried what Slack's own client does not let them do, such as press a button that is not there."""


class SlackRefusal(Exception):
    """Slack answers a call with `ok: false`.

    Args:
        error: Slack's error code.
        detail: more fields of the answer, such as `needed` or `response_metadata`.
    """

    def __init__(self, error: str, detail: Mapping[str, Json] | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.detail: JsonObject = dict(detail or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in the workspace, or in a channel that is shared with it."""

    id: str
    name: str
    email: str | None
    team_id: str
    deleted: bool = False
    is_restricted: bool = False
    """A guest of several channels."""
    is_ultra_restricted: bool = False
    """A guest of one channel."""
    is_bot: bool = False
    is_stranger: bool = False
    """Of another workspace, seen only through a shared channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A channel, or the direct messages between the app and one person."""

    id: str
    name: str
    private: bool = False
    members: frozenset[str] = frozenset()
    """Ids of people; the bot's own id, where it was invited."""
    archived: bool = False
    shared: bool = False
    """Shared with another workspace."""
    user: str | None = None
    """Whose direct messages these are; `None` for a channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it is now."""

    channel: str
    ts: str
    user: str
    """Id of its author."""
    text: str
    blocks: tuple[JsonObject, ...] = ()
    metadata: JsonObject | None = None
    thread_ts: str | None = None
    edits: int = 0
    """How many times `chat.update` or a response URL replaced it."""
    edited: bool = False
    """Whether people see the mark "(edited)"."""
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ephemeral:
    """A message that only one person sees."""

    channel: str
    user: str
    ts: str
    text: str
    blocks: tuple[JsonObject, ...] = ()
    thread_ts: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenView:
    """A modal that was opened for a person."""

    id: str
    user: str
    view: JsonObject
    """As Slack stores it: with ids on every block and input, `hash`, `state` and the rest."""
    hash: str
    root_id: str
    previous_id: str | None
    open: bool = True

    @property
    def private_metadata(self) -> str:
        """What the app put there for itself."""
        return str(self.view.get("private_metadata") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the Web API, in the order of arrival."""

    method: str
    body: JsonObject
    """The arguments, without the token."""
    error: str | None
    """The code of a refusal; `None` after success."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message of Socket Mode that waits, or waited, for its acknowledgement."""

    id: str
    type: str
    payload: JsonObject
    connection: str
    """Which connection it went to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """How an app answered a delivery."""

    acknowledged: bool
    seconds: float
    """From the delivery to the answer, or to the deadline."""
    response: Json = None
    status: int | None = None
    """HTTP status; `None` with Socket Mode or without an answer."""
    connection: str | None = None
    """Which connection of Socket Mode carried it."""
    reason: str | None = None
    """Why it does not count as acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """What came of a person's action."""

    payload: JsonObject
    """What the app received."""
    acknowledged: bool
    """Whether the app answered in time, and in a form that Slack accepts."""
    seconds: float
    response: Json = None
    """What the app answered with, if anything."""
    warning: str | None = None
    """What the person sees when the action did not work; `None` when nothing is shown."""
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    """What stands below the inputs of a view that was not accepted, by block id."""
    status: int | None = None
    connection: str | None = None

    @property
    def trigger_id(self) -> str:
        """For one `views.open` within its lifetime."""
        return str(self.payload.get("trigger_id") or "")

    @property
    def response_url(self) -> str:
        """For up to five messages within half an hour; empty for views."""
        return str(self.payload.get("response_url") or "")
