"""What must not change while a thread is paused: nodes, edges, state keys and tool schemas."""

from collections.abc import Mapping
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from guardkit.core.digest import sha256
from guardkit.core.values import Json
from guardkit.runtime.tools import ToolSpec


def fingerprint(graph: CompiledStateGraph[Any, Any, Any, Any], tools: Mapping[str, ToolSpec]) -> str:
    """A hash of the graph's shape and its tools' schemas. What a node does inside is not part of it."""
    return sha256(
        "guardkit.fingerprint.v1", [_shape(graph), sorted([n, t.schema_version] for n, t in tools.items())]
    )


def _shape(graph: CompiledStateGraph[Any, Any, Any, Any]) -> Json:
    builder: Any = graph.builder
    inner: dict[str, Json] = {
        name: _shape(node.bound)
        for name, node in graph.nodes.items()
        if isinstance(node.bound, CompiledStateGraph)
    }
    return {
        "nodes": sorted(graph.nodes),
        "edges": sorted([start, end] for start, end in builder.edges),
        "joins": sorted(["+".join(starts), end] for starts, end in builder.waiting_edges),
        "branches": sorted(
            [start, name] for start, branches in builder.branches.items() for name in branches
        ),
        "channels": sorted(builder.channels),
        "inner": inner,
    }
