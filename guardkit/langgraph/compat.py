"""Every name that LangGraph keeps private, and the reason it is needed.

`guard.compile` runs a canary through all of this: if a blocked tool would run, it refuses (see canary.py).
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import copy
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import CoroutineType
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.tracers._streaming import _StreamingCallbackHandler, _V2StreamingCallbackHandler
from langgraph._internal._runnable import RunnableCallable
from langgraph.channels import BinaryOperatorAggregate
from langgraph.errors import GraphBubbleUp
from langgraph.graph.state import CompiledStateGraph, _pick_mapper  # pyright: ignore[reportPrivateUsage]
from langgraph.prebuilt import ToolNode
from langgraph.pregel._read import PregelNode
from langgraph.pregel._write import (
    PASSTHROUGH,
    SKIP_WRITE,
    ChannelWrite,
    ChannelWriteEntry,
    ChannelWriteTupleEntry,
)
from langgraph.types import Command, Send

from guardkit.core.values import JsonObject

TASK_ID = "__pregel_task_id"
"""In `configurable` of everything that runs inside a node."""

RESUMING = "__pregel_resuming"
"""In `configurable` of a subgraph whose parent is being resumed."""

INTERRUPT = "__interrupt__"
"""Key of interrupts in `updates` and in the result of `invoke`."""

READ = "__pregel_read"
"""In `configurable` of a node: reads the state as the node itself has changed it, and so holds what it wrote."""

RESUME = "__resume__"
"""The channel of the answers that a node was given; they outlive its failure."""

CHECKPOINTER = "__pregel_checkpointer"
"""In `configurable` of a subgraph: the saver that it inherits."""

DURABILITY = "__pregel_durability"
"""In `configurable`: when checkpoints are written, where no call says so. A graph hands it on to its subgraphs."""

BY_DEFAULT = "__guardkit_durability"
"""In `configurable` beside `DURABILITY`: nobody asked for it."""

STREAM = "__pregel_stream"
RUNTIME = "__pregel_runtime"
"""What a hushed config must not hand on as it is (see hush.py)."""


STREAMING: tuple[type, ...] = (_StreamingCallbackHandler, _V2StreamingCallbackHandler)
"""The handlers that stream tokens to callers."""


def plain_namespace(namespace: str) -> str:
    """A checkpoint namespace without its task ids: the same over resumes and turns."""
    if "|" not in namespace:
        return namespace.partition(":")[0]
    return "|".join([part.partition(":")[0] for part in namespace.split("|")])


class NodeCallable(RunnableCallable):
    """A `RunnableCallable` whose functions take input and config and nothing else, so that nothing is to be injected."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """As `RunnableCallable.invoke`."""
        if self.func is None or config is None:
            return super().invoke(input, config, **kwargs)
        return cast("Any", self.func)(input, config)

    def ainvoke(
        self, input: Any, config: RunnableConfig | None = None, **kwargs: Any
    ) -> "CoroutineType[Any, Any, Any]":
        """As `RunnableCallable.ainvoke`; the function's own coroutine, and none around it."""
        if self.afunc is None or config is None:
            return super().ainvoke(input, config, **kwargs)
        return cast("Any", self.afunc)(input, config)


def node_runnable(
    call: Callable[[Any, RunnableConfig], Any] | None,
    acall: Callable[[Any, RunnableConfig], Any] | None,
    name: str | None,
) -> Runnable[Any, Any]:
    """A runnable without tracing or recursion of its own, which hands on input and config as they are."""
    return cast("Runnable[Any, Any]", NodeCallable(call, acall, name=name, trace=False, recurse=False))


def colours(bound: Runnable[Any, Any]) -> tuple[bool, bool]:
    """Whether a node has a sync and an async side of its own."""
    if isinstance(bound, RunnableCallable):
        return bound.func is not None, bound.afunc is not None
    return True, True


def withdraw(config: RunnableConfig) -> None:
    """Take back what a node has written to the state, so that it counts as failed and runs again.

    LangGraph keeps the writes of a node whose router raised, and then takes the node for finished: its edges never
    fire, and the rest of the graph is lost without a word.
    """
    for held in getattr(config.get("configurable", {}).get(READ), "args", ()):
        writes = getattr(held, "writes", None)
        if isinstance(writes, deque):
            written = cast("deque[tuple[str, Any]]", writes)
            kept = [write for write in written if write[0] == RESUME]
            written.clear()
            written.extend(kept)


def kept_before_effects(config: RunnableConfig, checkpointer: object) -> RunnableConfig:
    """A run's config with which checkpoints are written before the next step begins, unless somebody chose otherwise.

    Args:
        config: the run's.
        checkpointer: the graph's, as it was compiled.
    """
    configurable = config.get("configurable", {})
    saver = configurable.get(CHECKPOINTER) if checkpointer in (None, True) else checkpointer
    if saver is None or saver is False or DURABILITY in configurable:
        return config
    return cast(
        "RunnableConfig", {**config, "configurable": {**configurable, DURABILITY: "sync", BY_DEFAULT: True}}
    )


def keeps_checkpoints(bound: object) -> bool:
    """Whether a node is a graph that keeps checkpoints where the graph around it does."""
    return isinstance(bound, CompiledStateGraph) and cast("Any", bound).checkpointer is not False


def for_node_code(config: RunnableConfig) -> RunnableConfig:
    """A node's config without our default for checkpoints.

    Graphs that the node's code calls may have no saver, and LangGraph's loop fails on `sync` without one.
    """
    configurable = config.get("configurable", {})
    if BY_DEFAULT not in configurable:
        return config
    others = {key: value for key, value in configurable.items() if key not in (DURABILITY, BY_DEFAULT)}
    return cast("RunnableConfig", {**config, "configurable": others})


class Gate(NodeCallable):
    """Lets a node's edges fire only while the turn is open. When one raises, the node has failed."""

    def __init__(
        self,
        inner: Runnable[Any, Any],
        is_open: Callable[[], bool],
        configured: Callable[[RunnableConfig], RunnableConfig],
    ) -> None:
        def write(value: Any, config: RunnableConfig) -> Any:
            try:
                return inner.invoke(value, configured(config)) if is_open() else value
            except GraphBubbleUp:
                raise
            except BaseException:
                withdraw(config)
                raise

        async def awrite(value: Any, config: RunnableConfig) -> Any:
            try:
                return await inner.ainvoke(value, configured(config)) if is_open() else value
            except GraphBubbleUp:
                raise
            except BaseException:
                withdraw(config)
                raise

        super().__init__(write, awrite, name="GuardGate", trace=False, recurse=False)
        if hasattr(inner, "_is_channel_writer"):
            self._is_channel_writer = getattr(inner, "_is_channel_writer")  # noqa: B009  # no type knows it


def gated(
    edge: Runnable[Any, Any],
    is_open: Callable[[], bool],
    configured: Callable[[RunnableConfig], RunnableConfig],
) -> Runnable[Any, Any]:
    """An edge that fires only while the turn is open.

    LangGraph joins consecutive plain writes into one step of the node, so a plain edge stays a plain write.

    Args:
        edge: LangGraph's.
        is_open: whether edges may fire.
        configured: the config for the code of a router.
    """
    if type(edge) is not ChannelWrite:
        return Gate(cast("RunnableCallable", edge), is_open, configured)

    def unless_closed(value: Any) -> Any:
        return value if is_open() else SKIP_WRITE

    entries: list[ChannelWriteEntry] = []
    for entry in edge.writes:
        if not isinstance(entry, ChannelWriteEntry) or entry.value is PASSTHROUGH or entry.mapper is not None:
            return Gate(edge, is_open, configured)
        entries.append(entry._replace(mapper=unless_closed))
    return cast("Runnable[Any, Any]", ChannelWrite(tuple(entries)))


def writer(mapper: Callable[[Any], Sequence[tuple[str, Any]] | None]) -> Runnable[Any, Any]:
    """A writer that computes its updates when the node has finished."""
    return cast("Runnable[Any, Any]", ChannelWrite((ChannelWriteTupleEntry(mapper=mapper),)))


def rewritten(
    node: PregelNode,
    *,
    bound: Runnable[Any, Any],
    subgraphs: Sequence[Any] | None,
    writers: Sequence[Runnable[Any, Any]],
) -> PregelNode:
    """A copy of a node with another body and other writers; its cached parts are dropped."""
    update: dict[str, Any] = {"bound": bound, "writers": list(writers)}
    if subgraphs is not None:
        update["subgraphs"] = subgraphs
    return node.copy(update)


def aggregate(merge: Callable[[JsonObject, JsonObject], JsonObject]) -> BinaryOperatorAggregate[Any]:
    """A channel of JSON objects, merged by a function."""
    return BinaryOperatorAggregate(dict, merge)


def attributes(graph: CompiledStateGraph[Any, Any, Any, Any]) -> dict[str, Any]:
    """What a compiled graph is made of, for building one of another class."""
    hidden = ("__orig_class__", "_output_mapper", "_state_mapper", "_serde_allowlist")
    return {name: value for name, value in vars(graph).items() if name not in hidden}


def mapper(keys: str | Sequence[str], schema: Any, without: str) -> Callable[[Any], Any] | None:
    """How v2 streams turn a dict of channels into the user's type, our own channel left out."""
    names = [keys] if isinstance(keys, str) else [key for key in keys if key != without]
    inner = _pick_mapper(names, schema)
    if inner is None:
        return None

    def typed(values: Any) -> Any:
        if isinstance(values, Mapping):
            values = {
                key: value for key, value in cast("Mapping[str, Any]", values).items() if key != without
            }
        return inner(values)

    return typed


def tools_of(bound: object) -> Mapping[str, BaseTool]:
    """The tools of a ToolNode; of anything else, none."""
    return bound.tools_by_name if isinstance(bound, ToolNode) else {}


def with_tools(node: ToolNode, tools: Mapping[str, BaseTool]) -> ToolNode:
    """A copy of a ToolNode with some of its tools replaced; what it injects stays as the original tools ask."""
    twin = copy.copy(node)
    twin._tools_by_name = {**node.tools_by_name, **tools}  # pyright: ignore[reportPrivateUsage]
    # The node's own entry points are bound methods of the original, so they are bound again.
    twin.func = twin._func  # pyright: ignore[reportPrivateUsage]
    twin.afunc = twin._afunc  # pyright: ignore[reportPrivateUsage]
    return twin


def body_of(tool: BaseTool) -> Callable[..., Any]:
    """The function that a tool calls."""
    found = getattr(tool, "func", None) or getattr(tool, "coroutine", None)
    return found or tool._run  # pyright: ignore[reportPrivateUsage]


def without_goto(output: Any) -> Any:
    """A node's output with its state updates kept and everything that would start another node removed."""
    match output:
        case Command():
            return Command(update=output.update) if output.graph is None else None
        case Send():
            return None
        case list() | tuple():
            kept = [without_goto(item) for item in cast("Sequence[Any]", output)]
            return [item for item in kept if item is not None] or None
        case _:
            return output
