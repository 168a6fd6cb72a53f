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
    """A value as JSON that `restore` turns into an equal one. Every part says of which kind it is.

    Args:
        value: what a tool returned.
        call_id: the tool call that it answers; the messages that answer it follow the call when it is replayed.

    Raises:
        ValueError: a part has no JSON form.
    """
    match value:
        case ToolMessage(tool_call_id=answered) if answered == call_id:
            return {"answer": plain(message_to_dict(value))}
        case BaseMessage():
            return {"message": plain(message_to_dict(value))}
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
            fields = cast("Mapping[str, object]", value)
            return {"dict": {str(name): keep(item, call_id) for name, item in fields.items()}}
        case _:
            return {"json": plain(value)}


def restore(kept: Json, call_id: str) -> Any:
    """The value again, as the answer to the tool call `call_id`."""
    ((kind, held),) = cast("Mapping[str, Any]", kept).items()
    match kind:
        case "answer":
            (message,) = messages_from_dict([held])
            return message.model_copy(update={"tool_call_id": call_id})
        case "message":
            return messages_from_dict([held])[0]
        case "command":
            update, goto = restore(held["update"], call_id), restore(held["goto"], call_id)
            command: Command[Any] = Command(graph=held["graph"], update=update, goto=goto)
            return command
        case "send":
            return Send(held["node"], restore(held["arg"], call_id))
        case "list":
            return [restore(item, call_id) for item in held]
        case "tuple":
            return tuple(restore(item, call_id) for item in held)
        case "dict":
            return {name: restore(item, call_id) for name, item in held.items()}
        case "json":
            return held
        case _:
            raise ValueError(f"the ledger holds a result of unknown kind {kind!r}")


def changed(value: object, change: Callable[[ToolMessage], ToolMessage]) -> Any:
    """A value with every tool message in it changed."""
    match value:
        case ToolMessage():
            return change(value)
        case Command():
            command = cast("Command[Any]", value)
            return replace(command, update=changed(command.update, change))
        case list():
            return [changed(item, change) for item in cast("list[object]", value)]
        case tuple():
            return tuple(changed(item, change) for item in cast("tuple[object, ...]", value))
        case dict():
            return {name: changed(item, change) for name, item in cast("dict[str, object]", value).items()}
        case _:
            return value
