"""What Slack sends when somebody clicks, submits a modal or writes a command.

Only the fields that are used are read; each has to be there with its type. What a payload says is authentic once its
transport is; it is still judged like anything from outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

_LONGEST_ID = 255

Values: TypeAlias = Mapping[str, str]
"""What is in the fields of a modal, by `block_id`; empty where nothing is."""


class MalformedError(ValueError):
    """A payload without a field that it must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a payload comes from."""

    team: str
    """Id of the workspace whose app it is for."""

    app: str | None
    user: str
    user_team: str | None
    """Id of the workspace that the user belongs to, where Slack says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """Somebody pressed a button of a message (`block_actions`)."""

    origin: Origin
    action: str
    value: str
    trigger: str
    """Opens one modal within 3 seconds."""

    channel: str
    ts: str
    bot: str | None
    """The `bot_id` of whoever wrote the message."""

    app: str | None
    """The app that wrote the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Somebody submitted a modal (`view_submission`)."""

    origin: Origin
    callback: str
    metadata: str
    app: str | None
    """The app whose modal it is."""

    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Somebody wrote a slash command."""

    origin: Origin


Interaction: TypeAlias = Click | Submission | Command


def read(payload: Mapping[str, Any]) -> Interaction | None:
    """An interaction that guardkit answers; `None` for any other, such as a closed modal.

    Raises:
        MalformedError: it lacks what such a payload has.
    """
    match payload.get("type"):
        case "block_actions":
            return _click(payload)
        case "view_submission":
            return _submission(payload)
        case None if "command" in payload:
            return Command(
                origin=Origin(
                    team=_text(payload, "team_id"),
                    app=_maybe(payload, "api_app_id"),
                    user=_text(payload, "user_id"),
                    user_team=None,
                )
            )
        case str():
            return None
        case _:
            raise MalformedError("type")


def _click(payload: Mapping[str, Any]) -> Click | None:
    listed: object = payload.get("actions")
    actions = cast("list[object]", listed) if isinstance(listed, list) else []
    if len(actions) != 1 or not isinstance(actions[0], dict):
        raise MalformedError("actions")
    action = cast("dict[str, Any]", actions[0])
    name = _text(action, "action_id")
    if action.get("type") != "button" or _maybe(payload, "container", "type") == "view":
        return None
    return Click(
        origin=_origin(payload),
        action=name,
        value=_maybe(action, "value") or "",
        trigger=_text(payload, "trigger_id", longest=1000),
        channel=_text(payload, "channel", "id"),
        ts=_text(payload, "message", "ts"),
        bot=_maybe(payload, "message", "bot_id"),
        app=_maybe(payload, "message", "app_id"),
    )


def _submission(payload: Mapping[str, Any]) -> Submission:
    return Submission(
        origin=_origin(payload),
        callback=_text(payload, "view", "callback_id"),
        metadata=_text(payload, "view", "private_metadata", longest=3000),
        app=_maybe(payload, "view", "app_id"),
        values=_values(_at(payload, "view", "state", "values")),
    )


def _origin(payload: Mapping[str, Any]) -> Origin:
    return Origin(
        team=_text(payload, "team", "id"),
        app=_maybe(payload, "api_app_id"),
        user=_text(payload, "user", "id"),
        user_team=_text(payload, "user", "team_id"),
    )


def _values(found: object) -> Values:
    if not isinstance(found, dict):
        raise MalformedError("view.state.values")
    blocks = cast("dict[str, object]", found)
    return {
        block: _value(next(iter(cast("dict[str, object]", elements).values())))
        for block, elements in blocks.items()
        if isinstance(elements, dict) and elements
    }


def _value(element: object) -> str:
    """What is in a field, whichever kind it is; empty where nothing is."""
    if not isinstance(element, dict):
        raise MalformedError("view.state.values")
    known = cast("dict[str, object]", element)
    option = known.get("selected_option")
    chosen = cast("dict[str, object]", option).get("value") if isinstance(option, dict) else None
    found = next(
        (one for one in (known.get("value"), known.get("selected_date"), chosen) if one is not None), ""
    )
    if not isinstance(found, str):
        raise MalformedError("view.state.values")
    return found


def _at(payload: Mapping[str, Any], *path: str) -> object:
    found: object = payload
    for name in path:
        found = cast("dict[str, object]", found).get(name) if isinstance(found, Mapping) else None
    return found


def _text(payload: Mapping[str, Any], *path: str, longest: int = _LONGEST_ID) -> str:
    found = _at(payload, *path)
    if not isinstance(found, str) or not 0 < len(found) <= longest:
        raise MalformedError(".".join(path))
    return found


def _maybe(payload: Mapping[str, Any], *path: str) -> str | None:
    found = _at(payload, *path)
    return found if isinstance(found, str) and found else None
