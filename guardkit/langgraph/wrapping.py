"""Wrapping a node: it finds its run, honours the stop, and ends in a no result instead of an exception."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from guardkit.core import telemetry_names as names
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.steps import Thought
from guardkit.core.verdicts import CheckContext, Verdict
from guardkit.errors import OutsideRunError, StaleRunError
from guardkit.langgraph import compat
from guardkit.langgraph.messages import held_in, identify, turnwise
from guardkit.langgraph.net import under_net
from guardkit.langgraph.node import NODE, RUN, Node
from guardkit.langgraph.stopping import NoResultStop
from guardkit.runtime.driver import AsyncHost, Offload, SyncHost, adrive, ask, asked, awaited, drive
from guardkit.runtime.ending import end, stopped
from guardkit.runtime.events import NoTelemetry, watched
from guardkit.runtime.gate import verdict_of
from guardkit.runtime.needs import Flow
from guardkit.runtime.session import Session

NodeCheck = Callable[[Any, CheckContext], "Verdict | None"]
"""Judges what a node is about to write to the state. A plain callable, sync or async."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """How `@guard.node` tunes one node."""

    checks: Sequence[tuple[str, NodeCheck]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHost:
    """What the wrappers of one graph share."""

    messages_key: str
    offload: Offload
    options: Mapping[str, NodeOptions] = field(default_factory=dict[str, NodeOptions])


def wrapped(bound: Runnable[Any, Any], *, name: str, root: bool, host: NodeHost) -> Runnable[Any, Any]:
    """The node as it runs under the guard.

    Args:
        bound: the node's own runnable.
        name: the node's name.
        root: whether the node belongs to the graph that was compiled, not to a subgraph of it. Only there a no
            result becomes a normal end; further down it goes on up.
        host: what the graph's wrappers share.
    """
    checks = host.options.get(name, NodeOptions()).checks
    keeps = compat.keeps_checkpoints(bound)
    sync_host = SyncHost(run_tool=_no_tool, pause=_no_pause)
    async_host = AsyncHost(run_tool=_no_async_tool, pause=_no_pause, offload=host.offload)

    def call(state: Any, config: RunnableConfig) -> Any:
        session = _session(name)
        if session.stop is not None and session.ended is None:
            drive(end(session, stopped(session.stop)), sync_host)
        if session.ended is not None:
            return _closed(session, root)
        node = Node(session, name, state, config, held_in(state, host.messages_key), host.offload)
        inner = under_net(config if keeps else compat.for_node_code(config))
        token, outer = NODE.set(node), var_child_runnable_config.set(inner)
        try:
            output = bound.invoke(state, inner)
        except NoResultStop:
            if not root:
                raise
            output = None
        finally:
            var_child_runnable_config.reset(outer)
            NODE.reset(token)
        if checks and session.ended is None:
            found = ask(_calls(node, checks, output))
            if found.count(None) != len(found):
                drive(_judge(session, checks, found), sync_host)
        return output if session.ended is None else _left(session, output, root)

    async def acall(state: Any, config: RunnableConfig) -> Any:
        session = _session(name)
        if session.stop is not None and session.ended is None:
            await adrive(end(session, stopped(session.stop)), async_host)
        if session.ended is not None:
            return _closed(session, root)
        node = Node(session, name, state, config, held_in(state, host.messages_key), host.offload)
        inner = under_net(config if keeps else compat.for_node_code(config))
        token, outer = NODE.set(node), var_child_runnable_config.set(inner)
        try:
            output = await bound.ainvoke(state, inner)
        except NoResultStop:
            if not root:
                raise
            output = None
        finally:
            var_child_runnable_config.reset(outer)
            NODE.reset(token)
        if checks and session.ended is None:
            found, waiting = asked(_calls(node, checks, output))
            if waiting:
                await awaited(found, waiting, session.services.check_timeout)
            if found.count(None) != len(found):
                await adrive(_judge(session, checks, found), async_host)
        return output if session.ended is None else _left(session, output, root)

    has_sync, has_async = compat.colours(bound)
    return compat.node_runnable(call if has_sync else None, acall if has_async else None, name)


def _session(name: str) -> Session:
    session = RUN.get()
    if session is None:
        raise OutsideRunError(
            f"guarded node {name!r} was entered outside a guarded run",
            remedy="invoke the graph that guard.compile returned, not a part or a copy of its insides",
        )
    if session.lost:
        raise StaleRunError("this run has lost its lease to another one; nothing that it writes counts")
    return session


def _closed(session: Session, root: bool) -> None:
    if not root and session.ended is not None:
        raise NoResultStop(session.ended)


def _left(session: Session, output: Any, root: bool) -> Any:
    if not root and session.ended is not None:
        raise NoResultStop(session.ended)
    return compat.without_goto(output)


def _calls(node: Node, checks: Sequence[tuple[str, NodeCheck]], output: Any) -> Sequence[Callable[[], Any]]:
    context = NodeContext.of(node)
    calls: list[Callable[[], Any]] = [partial(check, output, context) for _, check in checks]
    telemetry = node.session.services.telemetry
    if isinstance(telemetry, NoTelemetry):
        return calls
    about = {**node.session.facts, names.GUARD_STAGE: "output"}
    named = zip(checks, calls, strict=True)
    return [watched(telemetry, name, about, call) for (name, _), call in named]


def _judge(session: Session, checks: Sequence[tuple[str, NodeCheck]], found: Sequence[Any]) -> Flow[None]:
    for (name, _), result in zip(checks, found, strict=True):
        if result is None:
            continue
        verdict = verdict_of(name, result)
        if verdict.outcome != "pass":
            why = f"{name}: {verdict.why or verdict.outcome}"
            yield from end(session, NoResult.because(NoResultReason.CHECK_FAILED, why))
            return


class NodeContext(CheckContext):
    """What a check of the node itself may look at.

    Everything is read when the check asks for it: many node checks ask for little, and a long thread takes long to read.
    """

    __slots__ = ("_node",)
    _node: Node

    @classmethod
    def of(cls, node: Node) -> "NodeContext":
        """The context of one execution of a node."""
        context = object.__new__(cls)
        object.__setattr__(context, "_node", node)
        return context

    def __getattr__(self, name: str) -> Any:
        reader = _READERS.get(name)
        if reader is None:
            raise AttributeError(name)
        for known, value in reader(self._node).items():
            object.__setattr__(self, known, value)
        return object.__getattribute__(self, name)


def _run_facts(node: Node) -> dict[str, Any]:
    session, turn, run = node.session, node.session.turn, node.session.run
    return {
        "principal": turn.principal,
        "agent": turn.agent,
        "thread_id": run.thread_id,
        "turn": run.turn,
        "thought": _NO_THOUGHT,
        "calls": session.tool_calls,
        "elapsed": session.elapsed,
        "flags": frozenset(session.flags),
        "blind": session.unseen or (node.messages is None and session.continued),
    }


def _conversation(node: Node) -> dict[str, Any]:
    session, messages = node.session, node.messages
    if messages is None:
        return {"prompt": (), "history": (), "observations": tuple(session.loose)}
    namespace = node.namespace
    seen = turnwise(
        messages,
        session.services.tools,
        lambda proposer, call: identify(session.run, namespace, proposer, call),
    )
    return {
        "prompt": seen.prompt,
        "history": seen.history,
        "observations": (*seen.observations, *session.loose),
    }


_READERS: Mapping[str, Callable[[Node], Mapping[str, Any]]] = {
    **dict.fromkeys(
        ("principal", "agent", "thread_id", "turn", "thought", "calls", "elapsed", "flags", "blind"),
        _run_facts,
    ),
    **dict.fromkeys(("prompt", "history", "observations"), _conversation),
}


_NO_THOUGHT = Thought(text="")


def _no_tool(args: object, effect: object) -> Any:
    raise AssertionError("a node's own flows run no tool")


async def _no_async_tool(args: object, effect: object) -> Any:
    raise AssertionError("a node's own flows run no tool")


def _no_pause(payload: object) -> Any:
    raise AssertionError("a node's own flows do not pause")
