"""From an ordinary compiled graph to its guarded form: nodes wrapped, edges gated, the guard channel added."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from collections.abc import Callable, Mapping
from typing import Any, cast

from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langgraph.constants import START
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode

from guardkit.core.values import JsonObject
from guardkit.errors import CompileError
from guardkit.langgraph import compat
from guardkit.langgraph.channel import CHANNEL, merge, shown
from guardkit.langgraph.net import under_net
from guardkit.langgraph.node import RUN
from guardkit.langgraph.wrapping import NodeHost, wrapped

Graph = CompiledStateGraph[Any, Any, Any, Any]
ToolGuard = Callable[[BaseTool], BaseTool]


def turn_open() -> bool:
    """Whether the edges of the present run may fire."""
    session = RUN.get()
    return session is None or session.ended is None


def channel_update(_output: Any) -> list[tuple[str, JsonObject]] | None:
    """What the guard channel is told when a node of the root graph has finished."""
    session = RUN.get()
    if session is None or (session.ended is None and session.outcome is None):
        return None
    return [(CHANNEL, shown(session))]


def turn_begins(_input: Any) -> list[tuple[str, JsonObject]] | None:
    """What the guard channel is told when new input comes in."""
    session = RUN.get()
    return None if session is None else [(CHANNEL, {"turn": session.run.turn})]


def woven(graph: Graph, host: NodeHost, guard_tool: ToolGuard) -> dict[str, Any]:
    """The attributes of a graph's guarded form. The graph itself stays as it is.

    Raises:
        CompileError: the state already has a `guard` key, or a node caches its results.
    """
    if CHANNEL in graph.channels:
        raise CompileError(
            f"the state already has a key {CHANNEL!r}",
            remedy="rename it: guardkit writes the turn's outcome there",
        )
    nodes: dict[str, Any] = {}
    members: dict[str, Any] = dict(graph.nodes)
    for name, node in members.items():
        if name == START:
            nodes[name] = _start(node, compat.writer(turn_begins))
        else:
            nodes[name] = _node(name, node, host, guard_tool, root=True)
    attributes = compat.attributes(graph)
    attributes["nodes"] = nodes
    attributes["channels"] = {**graph.channels, CHANNEL: compat.aggregate(merge)}
    for keys in ("output_channels", "stream_channels"):
        if isinstance(attributes[keys], list):
            attributes[keys] = [*attributes[keys], CHANNEL]
    return attributes


def _inner(graph: Graph, host: NodeHost, guard_tool: ToolGuard) -> Graph:
    members: dict[str, Any] = dict(graph.nodes)
    nodes = {
        name: _start(node) if name == START else _node(name, node, host, guard_tool, root=False)
        for name, node in members.items()
    }
    return graph.copy({"nodes": nodes})


def _node(name: str, node: Any, host: NodeHost, guard_tool: ToolGuard, *, root: bool) -> Any:
    if node.cache_policy is not None:
        raise CompileError(
            f"node {name!r} caches its results, and a cache hit would skip the guard",
            remedy="remove its cache_policy",
        )
    bound: Runnable[Any, Any] = node.bound
    body: Any = node.bound
    subgraphs: list[Any] | None = None
    if isinstance(bound, CompiledStateGraph) and not hasattr(body, "is_guarded"):
        bound = _inner(cast("Graph", body), host, guard_tool)
        subgraphs = [bound]
    elif isinstance(bound, CompiledStateGraph):
        subgraphs = [body]
    elif isinstance(bound, ToolNode):
        bound = compat.with_tools(
            body, {name: guard_tool(tool) for name, tool in compat.tools_of(body).items()}
        )
    outer = wrapped(cast("Runnable[Any, Any]", bound), name=name, root=root, host=host)
    own = (compat.writer(channel_update),) if root else ()
    return compat.rewritten(node, bound=outer, subgraphs=subgraphs, writers=_writers(node, *own))


def _start(node: Any, *own: Runnable[Any, Any]) -> Any:
    return compat.rewritten(node, bound=node.bound, subgraphs=None, writers=_writers(node, *own))


def _writers(node: Any, *own: Runnable[Any, Any]) -> list[Runnable[Any, Any]]:
    """A node's writers, its edges gated. Our own come beside its first one, so that LangGraph joins them."""
    held: list[Runnable[Any, Any]] = node.writers
    first, *edges = held
    return [first, *own, *(compat.gated(edge, turn_open, under_net) for edge in edges)]


def tools_in(graph: Graph) -> Mapping[str, list[BaseTool]]:
    """The tools of every ToolNode in a graph and the subgraphs that are its nodes, by name."""
    found: dict[str, list[BaseTool]] = {}
    members: dict[str, Any] = dict(graph.nodes)
    for node in members.values():
        bound: object = node.bound
        if isinstance(bound, CompiledStateGraph):
            for name, tools in tools_in(cast("Graph", bound)).items():
                found.setdefault(name, []).extend(tools)
        for name, tool in compat.tools_of(node.bound).items():
            found.setdefault(name, []).append(tool)
    return found
