"""Stock LangGraph, to see whether it still does what guardkit guards against."""

from __future__ import annotations

import operator
from importlib.metadata import version
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph

VERSION = version("langgraph")

CONFIG: RunnableConfig = {"configurable": {"thread_id": "stock"}}


class Log(TypedDict):
    """What nodes have written down."""

    log: Annotated[list[str], operator.add]


def still(misbehaves: bool, hazard: str) -> None:
    """Fail when a hazard is gone, so that what was built against it is looked at again."""
    assert misbehaves, (
        f"stock langgraph {VERSION} no longer shows this hazard: {hazard}. Look again at what guardkit does against "
        "it, at docs/concepts/differences.md, and at whether this canary still tries the right thing."
    )


def one_node(node: Any, *, name: str = "node", saver: InMemorySaver | None = None, **options: Any) -> Any:
    """An unguarded graph of one node."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
    builder.add_node(name, node, **options)
    builder.add_edge(START, name)
    return builder.compile(checkpointer=saver or InMemorySaver())


def question(graph: Any) -> str:
    """The id of the one interrupt that waits."""
    (interrupt,) = graph.get_state(CONFIG).interrupts
    return interrupt.id
