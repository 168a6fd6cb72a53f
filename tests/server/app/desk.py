"""An agent on a LangGraph server that pays what the user asks for, when somebody approves it."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from guardkit import Guard, PeopleDirectory, Person, Policy
from guardkit.core.settings import load_settings
from guardkit.sql import SQLAlchemySaver
from guardkit.testing import FakeChannel, calls

people = PeopleDirectory([Person(id="dana", email="dana@example.com"), Person(id="kim")])
stage = {"approvers": ["dana@example.com"], "channel": "desk", "assurance": "local_operator"}
policy = Policy.from_dict(
    {
        "policy": "payments",
        "version": "1",
        "owner": "compliance@example.com",
        "default": "reject",
        "tools": {"pay": {"otherwise": "escalate", "approval": "manager"}},
        "approvals": {
            "manager": {"stages": [stage], "expires_in": "8h", "on_expiry": "reject", "valid_for": "30m"}
        },
    },
    directory=people,
)
settings = load_settings(os.environ, Path.cwd())
guard = Guard(
    settings.need_database(),
    policy=policy,
    channels={"desk": FakeChannel("desk")},
    keys=settings.keys,
    lease_seconds=3,
)


@guard.effect(key=lambda args: args.claim)
def pay(claim: str) -> str:
    """Pay a claim."""
    with Path(os.environ["DESK_PAYMENTS"]).open("a", encoding="utf-8") as payments:
        payments.write(f"{claim}\n")
    if claim.startswith("slow"):
        time.sleep(3600)
    return f"paid {claim}"


def think(state: MessagesState) -> dict[str, Any]:
    first, *rest = state["messages"]
    if any(one.type == "tool" for one in rest):
        return {"messages": [("ai", "Done.")]}
    return {"messages": [calls(("pay", {"claim": first.content}))]}


builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
builder.add_node("agent", think)
builder.add_node("tools", ToolNode([pay]))
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", tools_condition)
builder.add_edge("tools", "agent")
graph = guard.compile(builder, name="desk", checkpointer=False)


@asynccontextmanager
async def saver() -> AsyncIterator[SQLAlchemySaver]:
    """The saver of a server that keeps its checkpoints where approvals and effects are."""
    yield SQLAlchemySaver(guard.database)
