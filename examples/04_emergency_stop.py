"""Emergency stop: an operator's stop ends the turn in a typed `NoResult`, and holds until it is lifted.

Run: python examples/04_emergency_stop.py
"""

import operator
import threading
import time
from tempfile import mkdtemp
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph

from guardkit import Guard, NoResult, Policy, Principal
from guardkit.core.runs import StopOrder

policy = Policy.from_dict(
    {"policy": "loop", "version": "1", "owner": "ops@example.com", "default": "reject", "tools": {}}
)
guard = Guard(f"sqlite:///{mkdtemp()}/guardkit.db", policy=policy, lease_seconds=3)


class State(TypedDict):
    """An ordinary state, without messages."""

    rounds: Annotated[list[int], operator.add]


def work(state: State) -> State:
    """One round of something that does not end by itself."""
    time.sleep(0.05)
    return {"rounds": [len(state["rounds"])]}


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
builder.add_conditional_edges("work", lambda state: "work" if len(state["rounds"]) < 10_000 else END)
graph = guard.compile(builder, name="looper")


def operator_stops() -> None:
    """What `guardkit stop set --agent looper --by ops --why drill` does, from any process."""
    time.sleep(0.5)
    guard.store.set_stop(
        StopOrder(id="drill", scope="agent", tenant="default", target="looper", by="ops", why="drill", at=0)
    )


config = guard.config("thread-1", Principal(id="kim"))
threading.Thread(target=operator_stops).start()
output = graph.invoke({"rounds": []}, config)
outcome = guard.outcome(output, config)
assert isinstance(outcome, NoResult)
print(f"ended after {len(output['rounds'])} rounds: {outcome.reason} - {outcome.message}")
print("nothing is next:", graph.get_state(config).next)

again = guard.config("thread-2", Principal(id="kim"))
output = graph.invoke({"rounds": []}, again)
print("while it holds, a new thread does", len(output["rounds"]), "rounds")

guard.store.lift_stop("drill", by="ops", why="drill over")
print("lifted; a turn that it ended stays ended:", isinstance(guard.outcome(None, config), NoResult))
