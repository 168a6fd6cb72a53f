"""What guardkit adds to a run's transactions: nothing for an allowed read, two for an effect."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from sqlalchemy import event

from guardkit import Guard, Policy, Principal
from guardkit.langgraph.graph import GuardedGraph

POLICY = {
    "policy": "counted",
    "version": "1",
    "owner": "bench@example.com",
    "default": "reject",
    "tools": {"look_up": "allow", "pay": "allow"},
}
KIM = Principal(id="kim")


def guard_in(folder: Path) -> tuple[Guard, Any, Any]:
    guard = Guard(f"sqlite:///{folder / 'guardkit.db'}", policy=Policy.from_dict(POLICY))

    @guard.read
    def look_up(claim: str) -> str:
        """Look a claim up."""
        return f"{claim} is open"

    @guard.effect(key=lambda a: a.claim)
    def pay(claim: str) -> str:
        """Pay a claim."""
        return f"{claim} is paid"

    return guard, look_up, pay


def graph_calling(guard: Guard, tool: str, call: Any, asynchronous: bool) -> GuardedGraph:
    """A graph whose tool node runs a guarded tool, or is a plain function in its place."""

    def node(state: MessagesState) -> dict[str, Any]:
        made = state["messages"][-1].tool_calls[0]  # pyright: ignore[reportAttributeAccessIssue]
        return {"messages": [ToolMessage(call(**made["args"]), name=tool, tool_call_id=made["id"])]}

    async def anode(state: MessagesState) -> dict[str, Any]:
        return node(state)

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    guarded = hasattr(call, "invoke")
    builder.add_node("tools", ToolNode([call]) if guarded else anode if asynchronous else node)
    builder.add_edge(START, "tools")
    return guard.compile(builder)


def counted(
    guard: Guard, graph: GuardedGraph, tool: str, thread: str, asynchronous: bool
) -> tuple[str, int, int]:
    """What the run says, and the transactions that were begun and committed. Threads that write at once share a commit, so
    the parts of a transaction are counted."""
    begun, committed = 0, 0

    def traced(statement: str) -> None:
        nonlocal begun, committed
        begun += statement == "BEGIN" or statement.startswith("SAVEPOINT")
        committed += statement.startswith("RELEASE")

    def trace(connection: Any, *_: Any) -> None:
        connection.set_trace_callback(traced)

    guard.database.prepare()
    event.listen(guard.database.engine, "checkout", trace)
    try:
        made = {"name": tool, "args": {"claim": "C-1"}, "id": "call-1", "type": "tool_call"}
        given = {"messages": [HumanMessage("Go on."), AIMessage("", tool_calls=[made])]}
        config = guard.config(thread, KIM)
        output = asyncio.run(graph.ainvoke(given, config)) if asynchronous else graph.invoke(given, config)
    finally:
        event.remove(guard.database.engine, "checkout", trace)
    return output["messages"][-1].content, begun, committed


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("tool", "says", "added"), [("look_up", "open", 0), ("pay", "paid", 2)])
def test_a_read_adds_no_transaction_and_an_effect_adds_two(
    tmp_path: Path, tool: str, says: str, added: int, asynchronous: bool
) -> None:
    guard, look_up, pay = guard_in(tmp_path)
    guarded = graph_calling(guard, tool, look_up if tool == "look_up" else pay, asynchronous)
    plain = graph_calling(guard, tool, lambda claim: f"{claim} is {says}", asynchronous)
    raw = counted(guard, plain, tool, "plain", asynchronous)
    ours = counted(guard, guarded, tool, "guarded", asynchronous)
    assert raw[0] == ours[0] == f"C-1 is {says}"
    assert raw[1] > 0
    assert ours[1] - raw[1] == added, "transactions begun"
    assert ours[2] - raw[2] == added, "transactions committed"
