"""Tool outputs: what the model reads of them, and how they are kept in the ledger as JSON."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import BaseMessage, ToolMessage
from langgraph.types import Command

from guardkit.core.values import Json
from guardkit.langgraph.kept import changed, keep, plain, restore
from guardkit.langgraph.messages import text_of
from guardkit.runtime.tools import OutputCodec


def text(output: Any, known: Sequence[BaseMessage]) -> str:
    """What an output adds to what the model may read.

    Args:
        output: what the tool returned.
        known: the messages that the state holds already; a hand-off carries them along.
    """
    if not is_update(output):
        return text_of(output.content) if isinstance(output, ToolMessage) else text_of(output)
    ids = {message.id for message in known if message.id is not None}
    return "\n".join(_texts(output, ids))


def is_update(output: Any) -> bool:
    """Whether an output is more than the answer to its call: a command, or a list with one."""
    if isinstance(output, list):
        return any(isinstance(item, Command | BaseMessage) for item in cast("list[object]", output))
    return isinstance(output, Command)


def _texts(part: object, known: Collection[str]) -> Iterator[str]:
    match part:
        case None:
            return
        case BaseMessage():
            if part.id not in known:
                yield text_of(part.content)
        case Command():
            yield from _texts(cast("Command[Any]", part).update, known)
        case Mapping():
            for item in cast("Mapping[str, object]", part).values():
                yield from _texts(item, known)
        case list() | tuple():
            for item in cast("list[object]", part):
                yield from _texts(item, known)
        case str():
            yield part
        case _:
            yield json.dumps(plain(part), ensure_ascii=False)


def failed(output: Any) -> bool:
    """Whether the tool reported an error."""
    return isinstance(output, ToolMessage) and output.status == "error"


def with_text(output: Any, replaced: str, call_id: str | None, *, failed: bool, withheld: bool) -> Any:
    """The output with another text.

    What is withheld takes everything with it: the artifact of a message, the state update of a command.
    """

    def change(message: ToolMessage) -> ToolMessage:
        if message.tool_call_id != call_id:
            return message
        status = "error" if failed else message.status
        return message.model_copy(update={"content": replaced, "artifact": None, "status": status})

    if isinstance(output, ToolMessage):
        return change(output)
    if is_update(output) and not withheld:
        return changed(output, change)
    if call_id is None:
        return replaced
    return ToolMessage(replaced, tool_call_id=call_id, status="error" if failed else "success")


def encode(output: Any, call_id: str | None) -> Json:
    """An output as JSON.

    Raises:
        ValueError: the output has no JSON form.
    """
    if isinstance(output, ToolMessage):
        fields = {"content": plain(output.content), "artifact": plain(output.artifact)}
        return {"v": 1, "message": {**fields, "name": output.name, "status": output.status}}
    if is_update(output):
        return {"v": 1, "update": keep(output, call_id)}
    return {"v": 1, "value": plain(output)}


def decode(kept: Json, call_id: str | None) -> Any:
    """The output again, as the answer to the call `call_id`."""
    match kept:
        case {"message": Mapping() as fields}:
            return ToolMessage(tool_call_id=call_id or "", **cast("dict[str, Any]", fields))
        case {"update": Mapping() as held}:
            return restore(cast("Json", held), call_id or "")
        case Mapping():
            return kept.get("value")
        case _:
            return kept


def recorded(output: Any, tool: str, call_id: str | None) -> Any:
    """An output from the ledger in the form that the caller expects: a message for a tool call, a value for node code.

    What a reconciliation recorded is no message, and what a tool call recorded is one.
    """
    if is_update(output):
        return output
    if isinstance(output, ToolMessage):
        return output if call_id is not None else output.content
    if call_id is None:
        return output
    if output is None:
        output = "The action took place."
    content = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    return ToolMessage(content, name=tool, tool_call_id=call_id)


CODEC = OutputCodec(encode=encode, decode=decode)
