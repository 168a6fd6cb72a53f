"""LangChain messages to steps, parsed once at the border."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage

from guardkit.core.digest import action_id
from guardkit.core.runs import RunRef
from guardkit.core.steps import Action, Observation, Step, Thought, ToolKind, Trust
from guardkit.core.values import JsonObject
from guardkit.runtime.tools import ToolSpec

WRITER = "guardkit_tool"
"""In `response_metadata` of a human message: the tool that put it into the state."""

_UNKNOWN: tuple[AIMessage | None, dict[str, Any]] = (None, {})


def text_of(content: object) -> str:
    """The text of a message's content, blocks joined by line breaks."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts: list[str] = []
        for block in cast("list[object]", content):
            if isinstance(block, str):
                parts.append(block)
            elif isinstance(block, Mapping):
                fields = cast("Mapping[str, object]", block)
                parts.append(str(fields.get("text", fields)))
        return "\n".join(parts)
    return str(content)


def of_user(message: object) -> bool:
    """Whether the user wrote a message: it is a human one, and no tool has put it into the state."""
    return isinstance(message, HumanMessage) and WRITER not in message.response_metadata


def held_in(state: object, key: str) -> object:
    """What a node's input holds as its messages, in whatever shape LangGraph hands it over."""
    if type(state) is dict or isinstance(state, Mapping):  # the first is ten times as fast
        fields = cast("Mapping[str, object]", state)
        if fields.get("__type") == "tool_call_with_context":
            return held_in(fields.get("state"), key)
        return fields.get(key)
    return cast("object", state) if isinstance(state, list) else getattr(state, key, None)


def messages_of(held: object) -> list[AnyMessage] | None:
    """A list of messages as such; of anything else, `None`."""
    if not isinstance(held, list):
        return None
    items = cast("list[object]", held)
    if not all(isinstance(item, BaseMessage) for item in items):
        return None
    return cast("list[AnyMessage]", items)


def messages_in(state: object, key: str) -> list[AnyMessage] | None:
    """The messages of a node's input; `None` when it has none."""
    return messages_of(held_in(state, key))


def fields_of(value: object) -> Mapping[str, Any]:
    """The items of a mapping; of anything else, none."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnwise:
    """What the messages say about the present turn."""

    prompt: tuple[str, ...]
    """All that users wrote in the thread."""

    history: tuple[Step, ...]
    """Finished steps of this turn."""

    observations: tuple[Observation, ...]
    """What tools returned in the whole thread."""

    steps: int
    """Messages of the model in this turn."""


def identify(run: RunRef, namespace: str, message_id: str | None, call: str) -> str:
    """The id of a proposed call.

    A call of a message is the same one in every node and every turn: another tool node that is handed the message, or a
    later turn that travels back to it, proposes nothing new. A call that no message holds is told apart by both.
    """
    return action_id(
        tenant=run.tenant,
        thread_id=run.thread_id,
        namespace=namespace if message_id is None else "",
        turn=run.turn if message_id is None else 0,
        message_id=message_id,
        call=call,
    )


def thought_of(message: AIMessage) -> Thought:
    """What the model wrote beside its calls."""
    return Thought(text=text_of(message.content), message_id=message.id)


def caller_of(messages: Sequence[AnyMessage], call_id: str) -> AIMessage | None:
    """The last model message that makes this call."""
    for message in reversed(messages):
        if isinstance(message, AIMessage) and any(call["id"] == call_id for call in message.tool_calls):
            return message
    return None


def turnwise(
    messages: Sequence[AnyMessage],
    tools: Mapping[str, ToolSpec],
    identified: Callable[[str | None, str], str],
) -> Turnwise:
    """Read the thread's messages: the user's words, and the finished steps since the user last spoke.

    A tool message of a tool that the guard does not know counts as untrusted.
    """
    prompt = tuple(text_of(message.content) for message in messages if of_user(message))
    start = max((i for i, message in enumerate(messages) if of_user(message)), default=-1) + 1
    calls: dict[str, tuple[AIMessage, dict[str, Any]]] = {}
    history: list[Step] = []
    observations: list[Observation] = []
    steps = 0
    for position, message in enumerate(messages):
        if isinstance(message, AIMessage):
            steps += position >= start
            for call in message.tool_calls:
                calls[call["id"] or ""] = (message, cast("dict[str, Any]", call))
        elif isinstance(message, ToolMessage):
            proposer, made = calls.get(message.tool_call_id, _UNKNOWN)
            tool = str(made.get("name") or message.name or "unknown")
            spec = tools.get(tool)
            message_id = proposer.id if proposer is not None else None
            identity = identified(message_id, message.tool_call_id)
            observation = Observation(
                action_id=identity,
                tool=tool,
                text=text_of(message.content),
                trust=spec.trust if spec is not None else Trust.UNTRUSTED,
                failed=message.status == "error",
            )
            observations.append(observation)
            if position < start:
                continue
            action = Action(
                id=identity,
                tool=tool,
                kind=spec.kind if spec is not None else ToolKind.EFFECT,
                schema_version=spec.schema_version if spec is not None else "",
                args=_json_args(spec, made.get("args", {})),
                call_id=message.tool_call_id,
                message_id=message_id,
            )
            thought = thought_of(proposer) if proposer is not None else Thought(text="")
            history.append(Step(thought=thought, action=action, observation=observation))
    return Turnwise(prompt=prompt, history=tuple(history), observations=tuple(observations), steps=steps)


def _json_args(spec: ToolSpec | None, args: object) -> JsonObject:
    if spec is None:
        return {}
    try:
        return spec.validate(fields_of(args))
    except ValueError:
        return {}
