"""An agent on a LangGraph server that tries whatever its user tells it, under a policy that says nothing about most of it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from guardkit import Action, CheckContext, Guard, Policy, Verdict
from guardkit.core.settings import load_settings
from guardkit.testing import calls

SHARE = {"id": "share", "when": "100 / (args.amount - 5) > 1", "decide": "reject", "why": "a share"}
"""A rule that cannot be evaluated where the amount is 5."""

policy = Policy.from_dict(
    {
        "policy": "strict",
        "version": "1",
        "owner": "compliance@example.com",
        "default": "reject",
        "tools": {"pay": {"otherwise": "allow", "rules": [SHARE]}},
        "budgets": {"tool_calls": 2},
    }
)
settings = load_settings(os.environ, Path.cwd())


async def service(action: Action, context: CheckContext) -> Verdict | None:
    """A check that asks a service, which is down for some and slow for others."""
    match action.args.get("claim"):
        case "down":
            raise RuntimeError("the service is down")
        case "slow":
            await asyncio.sleep(60)
        case _:
            pass
    return None


guard = Guard(
    settings.need_database(),
    policy=policy,
    keys=settings.keys,
    action_checks=[("service", service)],
    check_timeout=0.2,
    lease_seconds=3,
)


@guard.effect(key=lambda args: args.claim)
async def pay(claim: str, amount: int) -> str:
    """Pay a claim."""
    return _did(f"paid-{claim}")


@guard.effect(key=lambda args: args.claim)
async def wipe(claim: str) -> str:
    """Delete a claim. The policy does not know of it."""
    return _did(f"wiped-{claim}")


def _did(what: str) -> str:
    with Path(os.environ["DESK_PAYMENTS"]).open("a", encoding="utf-8") as payments:
        payments.write(f"{what}\n")
    return what


async def think(state: MessagesState) -> dict[str, Any]:
    """Propose one call after the other, as the user says."""
    first, *rest = state["messages"]
    told: list[tuple[str, dict[str, Any]]] = [tuple(call) for call in json.loads(str(first.content))]
    done = sum(one.type == "tool" for one in rest)
    return {"messages": [calls(told[done]) if done < len(told) else ("ai", "Done.")]}


builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
builder.add_node("agent", think)
builder.add_node("tools", ToolNode([pay, wipe]))
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", tools_condition)
builder.add_edge("tools", "agent")
graph = guard.compile(builder, name="strict", checkpointer=False)
