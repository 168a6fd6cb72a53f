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
from guardkit.langgraph.messages import identify, messages_in, turnwise
from guardkit.langgraph.node import NODE, RUN, Node
from guardkit.langgraph.stopping import NoResultStop
from guardkit.runtime.driver import AsyncHost, Offload, SyncHost, adrive, drive
from guardkit.runtime.ending import end, stopped
from guardkit.runtime.events import NoTelemetry, watched
from guardkit.runtime.gate import verdict_of
from guardkit.runtime.needs import Ask, Flow
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
    options = host.options.get(name, NodeOptions())
    keeps = compat.keeps_checkpoints(bound)
    sync_host = SyncHost(run_tool=_no_tool, pause=_no_pause)
    async_host = AsyncHost(run_tool=_no_async_tool, pause=_no_pause, offload=host.offload)

    def call(state: Any, config: RunnableConfig) -> Any:
        session = _session(name)
        if _must_end(session):
            drive(_enter(session), sync_host)
        if session.ended is not None:
            return _closed(session, root)
        node = _node(session, name, state, config, host)
        inner = config if keeps else compat.for_node_code(config)
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
        if options.checks and session.ended is None:
            drive(_judge(node, options, output), sync_host)
        return output if session.ended is None else _left(session, output, root)

    async def acall(state: Any, config: RunnableConfig) -> Any:
        session = _session(name)
        if _must_end(session):
            await adrive(_enter(session), async_host)
        if session.ended is not None:
            return _closed(session, root)
        node = _node(session, name, state, config, host)
        inner = config if keeps else compat.for_node_code(config)
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
        if options.checks and session.ended is None:
            await adrive(_judge(node, options, output), async_host)
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


def _must_end(session: Session) -> bool:
    return session.stop is not None and session.ended is None


def _enter(session: Session) -> Flow[None]:
    if session.stop is not None:
        yield from end(session, stopped(session.stop))


def _closed(session: Session, root: bool) -> None:
    if not root and session.ended is not None:
        raise NoResultStop(session.ended)


def _left(session: Session, output: Any, root: bool) -> Any:
    if not root and session.ended is not None:
        raise NoResultStop(session.ended)
    return compat.without_goto(output)


def _node(session: Session, name: str, state: Any, config: RunnableConfig, host: NodeHost) -> Node:
    configurable: Mapping[str, Any] = config.get("configurable", {})
    namespace = str(configurable.get("checkpoint_ns", ""))
    return Node(
        session=session,
        name=name,
        namespace=compat.plain_namespace(namespace),
        task_id=str(configurable.get(compat.TASK_ID, "")),
        messages=messages_in(state, host.messages_key),
        state=state,
        offload=host.offload,
    )


def _judge(node: Node, options: NodeOptions, output: Any) -> Flow[None]:
    session = node.session
    context = NodeContext.of(node)
    telemetry = session.services.telemetry
    calls: list[Callable[[], Any]] = [partial(check, output, context) for _, check in options.checks]
    if not isinstance(telemetry, NoTelemetry):
        about = {**session.facts, names.GUARD_STAGE: "output"}
        named = zip(options.checks, calls, strict=True)
        calls = [watched(telemetry, name, about, call) for (name, _), call in named]
    results: Sequence[Any] = yield Ask(calls, session.services.check_timeout)
    for (name, _), result in zip(options.checks, results, strict=True):
        if result is None:
            continue
        verdict = verdict_of(name, result)
        if verdict.outcome != "pass":
            why = f"{name}: {verdict.why or verdict.outcome}"
            yield from end(session, NoResult.because(NoResultReason.CHECK_FAILED, why))
            return


class NodeContext(CheckContext):
    """What a check of the node itself may look at.

    The thread's messages are read when the check asks for what they say: many node checks do not, and a long thread
    takes long to read.
    """

    __slots__ = ("_node",)
    _node: Node

    @classmethod
    def of(cls, node: Node) -> "NodeContext":
        """The context of one execution of a node."""
        session = node.session
        context = object.__new__(cls)
        put, turn, run = object.__setattr__, session.turn, session.run
        put(context, "_node", node)
        put(context, "principal", turn.principal)
        put(context, "agent", turn.agent)
        put(context, "thread_id", run.thread_id)
        put(context, "turn", run.turn)
        put(context, "thought", _NO_THOUGHT)
        put(context, "blind", session.unseen or (node.messages is None and session.continued))
        put(context, "calls", session.tool_calls)
        put(context, "elapsed", session.elapsed)
        put(context, "flags", frozenset(session.flags))
        return context

    def __getattr__(self, name: str) -> Any:
        if name not in ("prompt", "history", "observations"):
            raise AttributeError(name)
        node, session = self._node, self._node.session
        put = partial(object.__setattr__, self)
        if node.messages is None:
            put("prompt", ())
            put("history", ())
            put("observations", tuple(session.loose))
        else:
            seen = turnwise(
                node.messages,
                session.services.tools,
                lambda proposer, call: identify(session.run, node.namespace, proposer, call),
            )
            put("prompt", seen.prompt)
            put("history", seen.history)
            put("observations", (*seen.observations, *session.loose))
        return object.__getattribute__(self, name)


_NO_THOUGHT = Thought(text="")


def _no_tool(args: object, effect: object) -> Any:
    raise AssertionError("a node's own flows run no tool")


async def _no_async_tool(args: object, effect: object) -> Any:
    raise AssertionError("a node's own flows run no tool")


def _no_pause(payload: object) -> Any:
    raise AssertionError("a node's own flows do not pause")
