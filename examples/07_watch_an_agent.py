"""The anomaly watch: an agent that behaves unlike itself is noticed, and policy stops it.

Run: python examples/07_watch_an_agent.py
"""

import asyncio
import logging
import time
from tempfile import mkdtemp

from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from guardkit import Guard, GuardedGraph, Keys, NoResult, Outcome, Policy, Principal, Watch
from guardkit.sql import SQLAnomalies
from guardkit.testing import ScriptedModel, calls

logging.getLogger("guardkit").setLevel(logging.ERROR)
why = "the agent is not itself"
rule = {"id": "not-itself", "when": "'unusual-behaviour' in flags", "decide": "stop", "why": why}
head = {"policy": "desk", "version": "1", "owner": "claims-risk@example.com", "default": "reject"}
policy = Policy.from_dict({**head, "tools": {"find_claim": {"otherwise": "allow", "rules": [rule]}}})

# A past of four seconds, so that the example is short. The defaults look back a day, and 12 days.
watch = Watch(windows=(1,), enough=4, every=0, stale=0, demand="note")
guard = Guard(f"sqlite:///{mkdtemp()}/guardkit.db", policy=policy, keys=Keys.generate(), watch=watch)


@guard.read(trust="trusted")
def find_claim(number: str) -> str:
    """Find a claim."""
    return "open"


@guard.effect
def delete_claim(number: str) -> str:
    """Delete a claim. The policy does not know it, so it is rejected."""
    raise AssertionError("this must never happen")


def graph_of(*lines: AIMessage | str) -> GuardedGraph:
    model = ScriptedModel(*lines)

    def agent(state: MessagesState) -> MessagesState:
        return {"messages": [model.invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", ToolNode([find_claim, delete_claim]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return guard.compile(builder, name="claims")


def turn(graph: GuardedGraph, thread: str) -> Outcome:
    config = guard.config(thread, Principal(id="kim"))
    return guard.outcome(graph.invoke({"messages": [("user", "Go on.")]}, config), config)


normal = graph_of(calls(*(("find_claim", {"number": f"C-{n}"}) for n in range(4))), "All are open.")
hijacked = graph_of(calls(*(("delete_claim", {"number": f"C-{n}"}) for n in range(12))), "Not permitted.")

for second in range(6):
    turn(normal, f"normal-{second}")
    time.sleep(1)
asyncio.run(guard.worker().once())
print("1. six seconds like any others:", turn(normal, "normal"))

turn(hijacked, "hijacked")
asyncio.run(guard.worker().once())
(found,) = SQLAnomalies(guard.database).anomalies()
print("2. the worker finds something", found.says().partition(";")[0] + ")")

outcome = turn(normal, "afterwards")
assert isinstance(outcome, NoResult)
print("3. and the policy stops what comes next:", outcome.reason, outcome.why)
