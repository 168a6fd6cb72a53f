"""One builder, compiled twice: by LangGraph and by a guard. What they do is compared."""

from __future__ import annotations

import asyncio
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, GraphOutput, Interrupt
from typing_extensions import TypedDict

from guardkit import Guard, GuardedGraph
from tests.promises.scene import KIM, Mode, Scene, run

Graph = CompiledStateGraph[Any, Any, Any, Any]
Build = Callable[[], StateGraph[Any, Any, Any, Any]]

_TASK = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")

VARYING = frozenset(
    {"timestamp", "config", "parent_config", "metadata", "id", "task_id", "checkpoint", "ls_integration"}
)
"""Keys whose values are another in every run, or hold such ones."""


class Log(TypedDict):
    log: Annotated[list[str], operator.add]


def plain(value: Any) -> Any:
    """A value without what differs from run to run, and without the `guard` key."""
    match value:
        case dict():
            return {str(key): plain(item) for key, item in value.items() if key not in {*VARYING, "guard"}}
        case BaseMessage():
            return (
                value.type,
                value.text,
                value.name,
                [call["name"] for call in getattr(value, "tool_calls", [])],
            )
        case GraphOutput():
            return {"value": plain(value.value), "interrupts": plain(value.interrupts)}
        case Interrupt():
            return ("interrupt", plain(value.value))
        case list() | tuple():
            return [plain(item) for item in value]
        case str():
            return _TASK.sub("*", value)
        case None | bool() | int() | float():
            return value
        case _:
            return _TASK.sub("*", re.sub(r"0x[0-9a-f]+", "*", repr(value)))


@dataclass
class Pair:
    """The two graphs, and threads on which each runs once."""

    guard: Guard
    stock: Graph
    guarded: GuardedGraph

    def both(self, do: Callable[[Graph, Any], Any], thread: str = "t") -> Any:
        """What both do, which must be the same."""
        stock = plain(do(self.stock, {"configurable": {"thread_id": thread}}))
        guarded = plain(do(self.guarded, self.guard.config(thread, KIM)))
        assert guarded == stock
        return guarded

    def run(self, given: Any, mode: Mode = "sync", *more: Any) -> Any:
        """What both return for an input, and then for further ones."""

        def do(graph: Graph, config: Any) -> Any:
            return [run(graph, one, config, mode) for one in (given, *more)][-1]

        return self.both(do)


def pair(scene: Scene, build: Build, **options: Any) -> Pair:
    """A builder's graph, unguarded and guarded."""
    guard = scene.guard({})
    stock = build().compile(checkpointer=InMemorySaver(), **options)
    return Pair(guard, stock, guard.compile(build(), **options))


def one_node(node: Any, state: Any = Log, **options: Any) -> Build:
    """A builder of a graph of one node."""

    def build() -> StateGraph[Any, Any, Any, Any]:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(state)
        builder.add_node("node", node, **options)
        builder.add_edge(START, "node")
        return builder

    return build


async def gathered(stream: Any) -> list[Any]:
    """All of an async stream."""
    return [chunk async for chunk in stream]


def streamed(graph: Graph, given: Any, config: Any, mode: Mode, **options: Any) -> list[Any]:
    """All chunks of a stream, sync or async."""
    if mode == "sync":
        return list(graph.stream(given, config, **options))
    return asyncio.run(gathered(graph.astream(given, config, **options)))


def resumed(graph: Graph, config: Any, *answers: Any) -> Command[Any]:
    """The command that answers all interrupts that wait, in order."""
    waiting: Sequence[Interrupt] = graph.get_state(config).interrupts
    return Command(resume={one.id: answer for one, answer in zip(waiting, answers, strict=True)})
