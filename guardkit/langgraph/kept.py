"""What a tool returned to LangGraph, as JSON and back: messages, commands, and plain data."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from langchain_core.messages import BaseMessage, ToolMessage, message_to_dict, messages_from_dict
from langgraph.types import Command, Send
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from guardkit.core.digest import parse
from guardkit.core.values import Json
from guardkit.errors import CanonicalError

_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def plain(value: object) -> Json:
    """A value as JSON, models as their fields.

    Raises:
        ValueError: it has no JSON form.
    """
    try:
        return parse(_ANY.dump_json(value), path="result")
    except (PydanticSerializationError, CanonicalError, ValueError) as error:
        raise ValueError(
            f"the result of an effect must be JSON, {type(value).__name__} is not: return text or plain data"
        ) from error


def keep(value: object, call_id: str | None) -> Json:
    """A value as JSON that `restore` turns into an equal one; data models become plain data, keys become text.

    Every part says of which kind it is.

    Args:
        value: what a tool returned.
        call_id: the tool call that it answers.

    Raises:
        ValueError: a part has no JSON form, or could not be read back.
    """
    match value:
        case BaseMessage():
            answers = isinstance(value, ToolMessage) and value.tool_call_id == call_id
            return {"answer" if answers else "message": _message(value)}
        case Command():
            command = cast("Command[str]", value)
            if command.resume is not None:
                raise ValueError("the result of an effect must not resume a graph")
            parts = {"update": keep(command.update, call_id), "goto": keep(command.goto, call_id)}
            return {"command": {"graph": command.graph, **parts}}
        case Send(timeout=None):
            return {"send": {"node": value.node, "arg": keep(value.arg, call_id)}}
        case Send():
            raise ValueError("the result of an effect must not send with a timeout of its own")
        case list() | tuple():
            items = [keep(item, call_id) for item in cast("list[object]", value)]
            return {"tuple" if isinstance(value, tuple) else "list": items}
        case Mapping():
            fields = cast("Mapping[object, object]", value)
            if len({str(name) for name in fields}) < len(fields):
                raise ValueError("the result of an effect must not have keys that are the same as text")
            return {"dict": {str(name): keep(item, call_id) for name, item in fields.items()}}
        case _:
            return {"json": plain(value)}


def _message(message: BaseMessage) -> Json:
    kept = plain(message_to_dict(message))
    try:
        messages_from_dict([cast("dict[str, Any]", kept)])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the result of an effect must be readable again, {type(message).__name__} is not"
        ) from error
    return kept


def restore(kept: Json) -> Any:
    """What was kept.

    Raises:
        ValueError: it is none of the kinds that `keep` writes.
    """
    ((kind, held),) = cast("Mapping[str, Any]", kept).items()
    match kind:
        case "answer" | "message":
            return messages_from_dict([held])[0]
        case "command":
            update, goto = restore(held["update"]), restore(held["goto"])
            command: Command[Any] = Command(graph=held["graph"], update=update, goto=goto)
            return command
        case "send":
            return Send(held["node"], restore(held["arg"]))
        case "list":
            return [restore(item) for item in held]
        case "tuple":
            return tuple(restore(item) for item in held)
        case "dict":
            return {name: restore(item) for name, item in held.items()}
        case "json":
            return held
        case _:
            raise ValueError(f"the ledger holds a result of unknown kind {kind!r}")


def answer_in(kept: Json) -> ToolMessage | None:
    """The message that answers the tool call, if what was kept holds one."""
    ((kind, held),) = cast("Mapping[str, Any]", kept).items()
    match kind:
        case "answer":
            return cast("ToolMessage", restore(kept))
        case "command":
            return answer_in(held["update"])
        case "list" | "tuple":
            parts = cast("list[Json]", held)
        case "dict":
            parts = list(cast("dict[str, Json]", held).values())
        case _:
            return None
    return next((found for found in map(answer_in, parts) if found is not None), None)


def changed(value: object, change: Callable[[BaseMessage], BaseMessage]) -> Any:
    """A value with every message in it changed, also in what a command sends to nodes."""
    match value:
        case BaseMessage():
            return change(value)
        case Command():
            command = cast("Command[Any]", value)
            update, goto = changed(command.update, change), changed(command.goto, change)
            return replace(command, update=update, goto=goto)
        case Send():
            return Send(value.node, changed(value.arg, change), timeout=cast("Any", value.timeout))
        case list():
            return [changed(item, change) for item in cast("list[object]", value)]
        case tuple():
            return tuple(changed(item, change) for item in cast("tuple[object, ...]", value))
        case dict():
            return {name: changed(item, change) for name, item in cast("dict[str, object]", value).items()}
        case _:
            return value
