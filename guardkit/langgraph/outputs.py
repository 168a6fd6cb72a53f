"""Tool outputs: what the model reads of them, and how they are kept in the ledger as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.types import Command, Send

from guardkit.core.values import Json
from guardkit.langgraph.kept import answer_in, changed, keep, plain, restore
from guardkit.langgraph.messages import WRITER, text_of
from guardkit.runtime.tools import OutputCodec


def text(output: Any, known: Sequence[BaseMessage]) -> str:
    """What an output adds to what the model may read.

    Args:
        output: what the tool returned.
        known: the messages that the state holds already; a hand-off carries them along.
    """
    if not is_update(output):
        return text_of(output.content) if isinstance(output, ToolMessage) else text_of(output)
    return "\n".join(_texts(output, known))


def is_update(output: Any) -> bool:
    """Whether an output is more than the answer to its call: a command, or a list with one."""
    if isinstance(output, list):
        return any(isinstance(item, Command | BaseMessage) for item in cast("list[object]", output))
    return isinstance(output, Command)


def _texts(part: object, known: Sequence[BaseMessage]) -> Iterator[str]:
    match part:
        case None:
            return
        case BaseMessage():
            if part not in known:
                yield text_of(part.content)
                if isinstance(part, AIMessage) and part.tool_calls:
                    yield json.dumps(part.tool_calls, ensure_ascii=False, default=str)
        case Command():
            command = cast("Command[Any]", part)
            update: object = command.update
            fields = (
                cast("Mapping[str, object]", update).values() if isinstance(update, Mapping) else [update]
            )
            for field in fields:
                yield from _texts(field, known)
            goto: object = command.goto
            places = cast("Sequence[object]", goto) if isinstance(goto, list | tuple) else [goto]
            for place in places:
                if isinstance(place, Send):
                    yield from _texts(place.arg, known)
        case Mapping():
            for name, item in cast("Mapping[object, object]", part).items():
                yield str(name)
                yield from _texts(item, known)
        case list() | tuple():
            for item in cast("list[object]", part):
                yield from _texts(item, known)
        case str():
            yield part
        case _:
            yield _as_text(part)


def _as_text(part: object) -> str:
    try:
        return json.dumps(plain(part), ensure_ascii=False)
    except ValueError:
        return str(part)


def failed(output: Any) -> bool:
    """Whether the tool reported an error."""
    return isinstance(output, ToolMessage) and output.status == "error"


def not_of_the_user(output: Any, tool: str, known: Sequence[BaseMessage]) -> Any:
    """The output, with a mark on each human message that it adds: the user did not write it."""
    if not is_update(output):
        return output

    def change(message: BaseMessage) -> BaseMessage:
        if not isinstance(message, HumanMessage) or message in known:
            return message
        return message.model_copy(update={"response_metadata": {**message.response_metadata, WRITER: tool}})

    return changed(output, change)


def with_text(output: Any, replaced: str, call_id: str | None, *, failed: bool, withheld: bool) -> Any:
    """The output with another text.

    What is withheld takes everything with it: the artifact of a message, the state update of a command.
    """

    def rewritten(message: ToolMessage) -> ToolMessage:
        status = "error" if failed else message.status
        return message.model_copy(update={"content": replaced, "artifact": None, "status": status})

    def change(message: BaseMessage) -> BaseMessage:
        if isinstance(message, ToolMessage) and message.tool_call_id == call_id:
            return rewritten(message)
        return message

    if isinstance(output, ToolMessage):
        return rewritten(output)
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
        return {"v": 1, "update": keep(output, call_id), "call": call_id}
    return {"v": 1, "value": plain(output)}


def decode(kept: Json, call_id: str | None) -> Any:
    """The output again. An update of the state is for the call that made it; another call only gets the answer."""
    match kept:
        case {"message": Mapping() as fields}:
            return ToolMessage(tool_call_id=call_id or "", **cast("dict[str, Any]", fields))
        case {"update": Mapping() as held, "call": made_by}:
            if made_by == call_id:
                return restore(cast("Json", held))
            answer = answer_in(cast("Json", held))
            return None if answer is None else answer.model_copy(update={"tool_call_id": call_id or ""})
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
