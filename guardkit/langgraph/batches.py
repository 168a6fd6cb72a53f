"""Which calls belong together: all guarded calls of one AIMessage, or one call made in node code."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from guardkit.core.digest import sha256
from guardkit.core.steps import Action, Thought
from guardkit.core.values import JsonObject
from guardkit.core.verdicts import CheckContext
from guardkit.langgraph.messages import Turnwise, caller_of, identify, thought_of, turnwise
from guardkit.langgraph.node import Node
from guardkit.runtime.acting import Call
from guardkit.runtime.tools import ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Calls that are gated, and asked about, together."""

    key: str
    """Names the batch within its node execution."""

    own: str
    """Action id of the call that is entered now."""

    calls: tuple[Call, ...]
    thought: Thought
    context: CheckContext
    """The entered call's context."""


def batch_of(
    node: Node, spec: ToolSpec, args: JsonObject, reads: JsonObject, call_id: str | None, step: int
) -> Batch:
    """The batch of one call that is about to run.

    Args:
        node: the node execution.
        spec: the tool.
        args: validated arguments, exactly as they would run.
        reads: declared state that the tool also reads.
        call_id: the tool call's id, or `None` for a call made in node code.
        step: LangGraph's step number; tells repeated calls of node code in one turn apart.
    """
    session = node.session
    tools = session.services.tools
    message = caller_of(node.messages, call_id) if node.messages is not None and call_id is not None else None
    message_id = message.id if message is not None else None

    def identified(proposer: str | None, call: str) -> str:
        return identify(session.run, node.namespace, proposer, call)

    seen = (
        turnwise(node.messages, tools, identified)
        if node.messages is not None
        else Turnwise(prompt=(), history=(), observations=(), steps=session.steps)
    )
    session.steps = max(session.steps, seen.steps)
    thought = thought_of(message) if message is not None else Thought(text="")
    own = _action(
        spec,
        args,
        reads,
        call_id or "",
        message_id,
        identified(message_id, _call(spec.name, args, reads, call_id or f"{node.name}@{step}"))
        if call_id is not None
        else identified(None, _in_code(node, spec.name, args, reads, step)),
    )
    proposed: list[tuple[ToolSpec, Action]] = []
    if message is not None:
        for made in message.tool_calls:
            other = tools.get(made["name"])
            if other is None:
                continue
            action = _proposed(node, other, made["args"], made["id"] or "", message_id)
            if action is not None:
                proposed.append((other, action))
    key = message_id or own.id
    if all(action.id != own.id for _, action in proposed):
        # Something between the model and the tool changed the call. It is judged as what it is now.
        proposed.append((spec, own))
        key = f"{key}:{own.id}"
    calls: list[Call] = []
    mine: CheckContext | None = None
    for index, (other, action) in enumerate(proposed):
        context = _context(node, thought, seen, session.tool_calls + index + 1)
        calls.append(Call(spec=other, action=action, context=context))
        if action.id == own.id:
            mine = context
    assert mine is not None  # the loop above put it there
    return Batch(key=key, own=own.id, calls=tuple(calls), thought=thought, context=mine)


def _context(node: Node, thought: Thought, seen: Turnwise, calls: int) -> CheckContext:
    session = node.session
    return CheckContext(
        principal=session.turn.principal,
        agent=session.turn.agent,
        thread_id=session.run.thread_id,
        turn=session.run.turn,
        thought=thought,
        prompt=seen.prompt,
        history=seen.history,
        observations=(*seen.observations, *session.loose),
        blind=session.unseen or (node.messages is None and session.continued),
        calls=calls,
        elapsed=session.elapsed,
        flags=frozenset(session.flags),
    )


def _call(tool: str, args: JsonObject, reads: JsonObject, call: str) -> str:
    # Some models repeat call ids within a message, so the id alone does not tell two calls apart.
    return f"{call}:{sha256('guardkit.call.v1', [tool, args, reads])[:16]}"


def _in_code(node: Node, tool: str, args: JsonObject, reads: JsonObject, step: int) -> str:
    made = _call(tool, args, reads, f"{node.name}@{step}")
    return f"{made}:{node.nth(made)}"


def _action(
    spec: ToolSpec, args: JsonObject, reads: JsonObject, call_id: str, message_id: str | None, identity: str
) -> Action:
    return Action(
        id=identity,
        tool=spec.name,
        kind=spec.kind,
        schema_version=spec.schema_version,
        args=args,
        reads=reads,
        call_id=call_id,
        message_id=message_id,
    )


def _proposed(
    node: Node, spec: ToolSpec, raw: Mapping[str, Any], call_id: str, message_id: str | None
) -> Action | None:
    """A sibling call as it will run, or `None` when its arguments do not fit: then it will not run either."""
    try:
        args = spec.validate(raw)
        reads = bound_reads(spec, node.state)
    except ValueError:
        return None
    identity = identify(node.session.run, node.namespace, message_id, _call(spec.name, args, reads, call_id))
    return _action(spec, args, reads, call_id, message_id, identity)


def bound_reads(spec: ToolSpec, state: object) -> JsonObject:
    """The declared state fields that a tool reads, as JSON.

    Raises:
        ValueError: a field is missing or is not JSON.
    """
    holder: object = state
    if isinstance(state, Mapping) and "__type" in state:
        holder = cast("Mapping[str, object]", state).get("state")
    reads: JsonObject = {}
    for name in spec.reads:
        if isinstance(holder, Mapping):
            fields = cast("Mapping[str, Any]", holder)
            value = fields.get(name, _MISSING)
        else:
            value = getattr(holder, name, _MISSING)
        if value is _MISSING:
            raise ValueError(f"{spec.name!r} reads state field {name!r}, which is not there")
        reads[name] = value
    return reads


_MISSING: Any = object()
