"""Tool outputs: what the model reads of them, and how they are kept in the ledger as JSON."""

import json
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.messages import ToolMessage
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from guardkit.core.digest import parse
from guardkit.core.values import Json
from guardkit.errors import CanonicalError
from guardkit.langgraph.messages import text_of
from guardkit.runtime.tools import OutputCodec

_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def _plain(value: object) -> Json:
    try:
        return parse(_ANY.dump_json(value), path="result")
    except (PydanticSerializationError, CanonicalError, ValueError) as error:
        raise ValueError(
            f"the result of an effect must be JSON, {type(value).__name__} is not: return text or plain data"
        ) from error


def text(output: Any) -> str:
    """What the model reads of an output."""
    return text_of(output.content) if isinstance(output, ToolMessage) else text_of(output)


def failed(output: Any) -> bool:
    """Whether the tool reported an error."""
    return isinstance(output, ToolMessage) and output.status == "error"


def with_text(output: Any, replaced: str) -> Any:
    """The output with another text."""
    if isinstance(output, ToolMessage):
        return output.model_copy(update={"content": replaced, "artifact": None})
    return replaced


def encode(output: Any) -> Json:
    """An output as JSON.

    Raises:
        ValueError: the output has no JSON form.
    """
    if isinstance(output, ToolMessage):
        return {
            "v": 1,
            "message": {
                "content": _plain(output.content),
                "artifact": _plain(output.artifact),
                "name": output.name,
                "status": output.status,
            },
        }
    return {"v": 1, "value": _plain(output)}


def decode(kept: Json, call_id: str) -> Any:
    """The output again, as the answer to the call `call_id`."""
    if isinstance(kept, Mapping) and isinstance(kept.get("message"), Mapping):
        fields = cast("dict[str, Any]", kept["message"])
        return ToolMessage(tool_call_id=call_id, **fields)
    return kept.get("value") if isinstance(kept, Mapping) else kept


def recorded(output: Any, tool: str, call_id: str | None) -> Any:
    """An output from the ledger in the form that the caller expects: a message for a tool call, a value for node code.

    What a reconciliation recorded is no message, and what a tool call recorded is one.
    """
    if isinstance(output, ToolMessage):
        return output if call_id is not None else output.content
    if call_id is None:
        return output
    if output is None:
        output = "The action took place."
    content = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    return ToolMessage(content, name=tool, tool_call_id=call_id)


CODEC = OutputCodec(text=text, failed=failed, with_text=with_text, encode=encode, decode=decode)
