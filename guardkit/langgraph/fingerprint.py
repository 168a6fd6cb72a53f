"""What must not change while a thread is paused: nodes, edges, state keys and tool schemas."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from collections.abc import Iterable, Mapping
from typing import Any, cast

from langgraph.graph.state import CompiledStateGraph

from guardkit.core.digest import sha256
from guardkit.core.values import Json, JsonObject
from guardkit.runtime.tools import ToolSpec


def fingerprint(graph: CompiledStateGraph[Any, Any, Any, Any], tools: Mapping[str, ToolSpec]) -> str:
    """A hash of the graph's shape and its tools' schemas. What a node does inside is not part of it."""
    versions: JsonObject = {name: tool.schema_version for name, tool in tools.items()}
    return sha256("guardkit.fingerprint.v1", [_shape(graph), versions])


def _shape(graph: CompiledStateGraph[Any, Any, Any, Any]) -> Json:
    builder: Any = graph.builder
    members: dict[str, Any] = dict(graph.nodes)
    inner: dict[str, Json] = {
        name: _shape(cast("CompiledStateGraph[Any, Any, Any, Any]", node.bound))
        for name, node in members.items()
        if isinstance(node.bound, CompiledStateGraph)
    }
    return {
        "nodes": list[Json](sorted(graph.nodes)),
        "edges": _sorted([start, end] for start, end in builder.edges),
        "joins": _sorted(["+".join(starts), end] for starts, end in builder.waiting_edges),
        "branches": _sorted(
            [start, name] for start, branches in builder.branches.items() for name in branches
        ),
        "channels": list[Json](sorted(builder.channels)),
        "inner": inner,
    }


def _sorted(pairs: Iterable[list[str]]) -> list[Json]:
    return [[start, end] for start, end in sorted(pairs)]
