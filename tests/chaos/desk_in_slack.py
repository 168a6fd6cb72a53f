"""A claims desk whose approvals are given in a local Slack, for processes that are killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from guardkit import Guard, Keys, PeopleDirectory, Person, Policy
from guardkit.channels import Slack

POLICY = {
    "policy": "payments",
    "version": "1",
    "owner": "finance@corp.example",
    "default": "reject",
    "tools": {"pay": {"otherwise": "escalate", "approval": "desk"}},
    "approvals": {
        "desk": {
            "stages": [{"approvers": {"group": "desk"}, "required": 2, "channel": "desk"}],
            "expires_in": "8h",
            "on_expiry": "reject",
        }
    },
}
PEOPLE = PeopleDirectory(
    Person(id=name, name=name.title(), email=f"{name}@corp.example", groups=("desk",))
    for name in ("ana", "ben", "cleo")
)
PAID = "paid.txt"


def desk(folder: Path, keys: Keys, slack: dict[str, Any]) -> tuple[Guard, Any]:
    """The guard and its graph.

    Args:
        folder: where the database and the bank's book are.
        keys: of this process.
        slack: arguments of the channel.
    """
    guard = Guard(
        f"sqlite:///{folder / 'guardkit.db'}",
        policy=Policy.from_dict(POLICY, directory=PEOPLE),
        keys=keys,
        channels={"desk": Slack(**slack)},
        lease_seconds=2.0,
    )

    @guard.effect(key=lambda args: args.claim)
    def pay(claim: str) -> str:
        """Pay a claim."""
        with (folder / PAID).open("a", encoding="utf-8") as book:
            book.write(f"pay:{claim}\n")
        return f"{claim} is paid"

    def agent(state: MessagesState) -> MessagesState:
        last = state["messages"][-1]
        if isinstance(last, ToolMessage):
            return {"messages": [AIMessage("done")]}
        call = {"name": "pay", "args": {"claim": str(last.content)}, "id": "c", "type": "tool_call"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", ToolNode([pay]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return guard, guard.compile(builder, name="payments")


def work(folder: Path, keys: Keys, slack: dict[str, Any]) -> None:
    """The whole life of a worker: it sends, takes clicks by Socket Mode and goes on, until it is killed."""
    guard, graph = desk(folder, keys, slack)
    asyncio.run(guard.worker(graph, poll=0.05, parts=("runs", "messages", "answers")).run())
