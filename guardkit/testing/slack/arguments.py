"""The arguments of a call, whether they came as JSON or as a form."""

import json

from guardkit.core.values import Json, JsonObject
from guardkit.testing.slack.blocks import BLOCK_TEXT, message_problems, text_length
from guardkit.testing.slack.values import SlackRefusal

LONGEST_TEXT = 40_000
"""Characters of a message; more are cut off."""

LONGEST_UPDATE = 4_000
"""Characters of `text` in `chat.update`; more are refused."""


def optional(body: JsonObject, name: str) -> str | None:
    """A string argument; `None` when it is missing or empty.

    Raises:
        SlackRefusal: it is not a string.
    """
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise SlackRefusal(
            "invalid_arguments", {"response_metadata": {"messages": [f"[ERROR] {name} must be a string"]}}
        )
    return value


def needed(body: JsonObject, name: str, error: str = "invalid_arguments") -> str:
    """A string argument that must be there.

    Raises:
        SlackRefusal: it is missing, with `error`.
    """
    value = optional(body, name)
    if value is None:
        raise SlackRefusal(
            error, {"response_metadata": {"messages": [f"[ERROR] missing required field: {name}"]}}
        )
    return value


def switch(body: JsonObject, name: str) -> bool:
    """An argument that is on or off."""
    return body.get(name) in (True, 1, "1", "true", "True")


def parsed(value: Json, error: str) -> Json:
    """A structured argument; a form carries it as JSON.

    Raises:
        SlackRefusal: it is a string that is not JSON, with `error`.
    """
    if not isinstance(value, str):
        return value
    try:
        found: Json = json.loads(value)
    except ValueError as invalid:
        raise SlackRefusal(error) from invalid
    return found


def blocks_of(body: JsonObject) -> list[Json] | None:
    """The checked blocks of a message; `None` when there is no such argument.

    Raises:
        SlackRefusal: `invalid_blocks_format`, `invalid_blocks` or `msg_blocks_too_long`.
    """
    if body.get("blocks") in (None, ""):
        return None
    blocks = parsed(body["blocks"], "invalid_blocks_format")
    if not isinstance(blocks, list):
        raise SlackRefusal("invalid_blocks_format")
    problems = message_problems(blocks)
    if problems:
        raise SlackRefusal(
            "invalid_blocks", {"response_metadata": {"messages": [str(problem) for problem in problems]}}
        )
    if text_length(blocks) > BLOCK_TEXT:
        raise SlackRefusal("msg_blocks_too_long")
    return blocks


def metadata_of(body: JsonObject) -> JsonObject | None:
    """The metadata of a message; `None` when there is no such argument.

    Raises:
        SlackRefusal: `invalid_metadata_format` or `invalid_metadata_schema`.
    """
    if body.get("metadata") in (None, ""):
        return None
    metadata = parsed(body["metadata"], "invalid_metadata_format")
    if not isinstance(metadata, dict):
        raise SlackRefusal("invalid_metadata_format")
    if metadata and not (
        isinstance(metadata.get("event_type"), str) and isinstance(metadata.get("event_payload"), dict)
    ):
        raise SlackRefusal("invalid_metadata_schema")
    return metadata


def text_of(body: JsonObject) -> str:
    """The text of a message, cut where Slack cuts it.

    Raises:
        SlackRefusal: it is not a string.
    """
    return (optional(body, "text") or "")[:LONGEST_TEXT]


def view_of(body: JsonObject) -> JsonObject:
    """The view of a call.

    Raises:
        SlackRefusal: it is missing or not an object.
    """
    view = parsed(body.get("view"), "invalid_arguments")
    if not isinstance(view, dict):
        raise SlackRefusal(
            "invalid_arguments", {"response_metadata": {"messages": ["[ERROR] missing required field: view"]}}
        )
    return view
