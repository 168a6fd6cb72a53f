"""What a guarded node with one inline check costs beside the same node in raw LangGraph: thread CPU, sync and async.

Graphs are chains of nodes. Guarded and raw chains of 24 and of 192 nodes run interleaved in every round, in a random
order; the difference between the two, divided by 168, is the cost of one node, and what is left over is the fixed cost
of a call (lease and turn: two transactions). No checkpoint saver, no telemetry SDK, no garbage collection while the
clock runs. Results go to `benchmarks/results/node.json`.

Run: make bench, or python benchmarks/bench_node.py [rounds]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from measuring import Median, arounds, keep, median, rounds

from guardkit import Guard, Policy, Principal, Verdict
from guardkit.core.verdicts import CheckContext

SHORT, LONG = 24, 192
NODES = LONG - SHORT
TARGET = 50.0
"""Microseconds of thread CPU that a guarded node with one inline check may add."""

LIMIT = 10_000
POLICY = {"policy": "bench", "version": "1", "owner": "bench@example.com", "default": "reject", "tools": {}}
PRINCIPAL = Principal(id="bench@example.com")


class Plain(TypedDict):
    total: int


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    total: int


def within_limit(output: Any, context: CheckContext) -> Verdict | None:
    """The inline deterministic check: bounded input, no waiting."""
    if output["total"] < LIMIT:
        return None
    return Verdict(check="limit", outcome="block", why="the total is above the limit")


def conversation(steps: int) -> list[AnyMessage]:
    """A turn with as many finished tool calls."""
    messages: list[AnyMessage] = [HumanMessage("What is the state of my claims?", id="h")]
    for number in range(steps):
        call = {
            "name": "lookup",
            "args": {"claim": f"C-{number}"},
            "id": f"call-{number}",
            "type": "tool_call",
        }
        messages.append(AIMessage("I look it up.", tool_calls=[call], id=f"a{number}"))
        messages.append(ToolMessage("paid", tool_call_id=f"call-{number}", name="lookup", id=f"t{number}"))
    return messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    schema: type
    given: Callable[[], dict[str, Any]]


CASES = (
    Case(name="state without messages", schema=Plain, given=lambda: {"total": 0}),
    Case(name="1 message", schema=Chat, given=lambda: {"messages": [HumanMessage("Hi", id="h")], "total": 0}),
    Case(
        name="21 messages, 10 tool calls",
        schema=Chat,
        given=lambda: {"messages": conversation(10), "total": 0},
    ),
)


def chain(case: Case, length: int, asynchronous: bool) -> StateGraph[Any, Any, Any, Any]:
    """A chain of nodes that each add one."""

    def step(state: Any) -> Any:
        return {"total": state["total"] + 1}

    async def astep(state: Any) -> Any:
        return {"total": state["total"] + 1}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(case.schema)
    before = START
    for number in range(length):
        builder.add_node(f"step_{number}", astep if asynchronous else step)
        builder.add_edge(before, f"step_{number}")
        before = f"step_{number}"
    return builder


def guard_with_checks(database: Path) -> Guard:
    """A guard under which every node of a chain has the check."""
    guard = Guard(f"sqlite:///{database}", policy=Policy.from_dict(POLICY))
    for number in range(LONG):

        def tuned() -> None: ...

        tuned.__name__ = f"step_{number}"
        guard.node(checks=[("limit", within_limit)])(tuned)
    return guard


def measured(case: Case, guard: Guard, asynchronous: bool, number: int) -> dict[str, Median]:
    """One case, in one colour."""
    threads = count()
    runs: dict[str, Any] = {}
    for length in (SHORT, LONG):
        builder = chain(case, length, asynchronous)
        raw = builder.compile(checkpointer=False)
        guarded = guard.compile(builder, name=f"bench-{length}", checkpointer=False)
        for kind, graph in (("raw", raw), ("guarded", guarded)):

            def run(graph: Any = graph, kind: str = kind) -> Any:
                config = guard.config(f"{case.name}-{asynchronous}-{kind}-{next(threads)}", PRINCIPAL) | {
                    "recursion_limit": 2 * LONG
                }
                given = case.given()
                return graph.ainvoke(given, config) if asynchronous else graph.invoke(given, config)

            runs[f"{kind} {length}"] = run
    taken = asyncio.run(arounds(runs, count=number)) if asynchronous else rounds(runs, count=number)
    raw_short, raw_long = taken[f"raw {SHORT}"], taken[f"raw {LONG}"]
    guarded_short, guarded_long = taken[f"guarded {SHORT}"], taken[f"guarded {LONG}"]
    raw_node = [(b - a) / NODES for a, b in zip(raw_short, raw_long, strict=True)]
    guarded_node = [(b - a) / NODES for a, b in zip(guarded_short, guarded_long, strict=True)]
    added = [g - r for g, r in zip(guarded_node, raw_node, strict=True)]
    fixed = [g - r - SHORT * extra for g, r, extra in zip(guarded_short, raw_short, added, strict=True)]
    return {
        "raw_node": median(raw_node),
        "guarded_node": median(guarded_node),
        "added_per_node": median(added),
        "added_per_call": median(fixed),
    }


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    results: list[dict[str, Any]] = []
    print(
        f"µs of thread CPU, median [95% interval] of {number} paired rounds, chains of {SHORT} and {LONG} nodes"
    )
    print(
        f"{'case':28} {'':5} {'raw node':>26} {'guarded node':>26} {'ratio':>6} {'added':>26} {'per call':>28}"
    )
    with TemporaryDirectory() as folder:
        guard = guard_with_checks(Path(folder) / "guardkit.db")
        for case in CASES:
            for asynchronous in (False, True):
                found = measured(case, guard, asynchronous, number)
                colour = "async" if asynchronous else "sync"
                ratio = found["guarded_node"].median / found["raw_node"].median
                met = found["added_per_node"].median <= TARGET
                results.append(
                    {"case": case.name, "colour": colour, **found, "ratio": round(ratio, 2), "met": met}
                )
                print(
                    f"{case.name:28} {colour:5} {found['raw_node']!s:>26} {found['guarded_node']!s:>26} {ratio:6.2f}"
                    f" {found['added_per_node']!s:>26} {found['added_per_call']!s:>28} {'' if met else 'ABOVE TARGET'}"
                )
        guard.database.close()
    keep(
        "node",
        {
            "unit": "us thread CPU",
            "nodes": [SHORT, LONG],
            "target_added_per_node": TARGET,
            "results": results,
        },
    )


if __name__ == "__main__":
    main()
