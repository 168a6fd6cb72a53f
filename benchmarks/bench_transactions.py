"""How many transactions of its own guardkit adds to a run, counted by SQLAlchemy's events, and what they take on a disk.

Every case runs twice in an SQLite file in the same folder: in raw LangGraph with the same saver, and guarded. The count
of the plain guarded graph is what a run costs; what is above it is what the call costs. Wall time is measured in rounds
in which all cases run once, in a random order. Results go to `benchmarks/results/transactions.json`.

Run: make bench, or python benchmarks/bench_transactions.py [rounds]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from measuring import Median, keep, median, rounds
from sqlalchemy import event

from guardkit import Guard, Policy, Principal, SQLAlchemySaver
from guardkit.sql import Database

KIM = Principal(id="kim@example.com")
POLICY = {
    "policy": "bench",
    "version": "1",
    "owner": "bench@example.com",
    "default": "reject",
    "tools": {"look_up": "allow", "pay": "allow"},
}


@dataclass(frozen=True, slots=True)
class Case:
    """A graph of one node, raw and guarded."""

    name: str
    tools: tuple[str, ...]
    in_node_code: bool = False


CASES = (
    Case("no tool", ()),
    Case("a read", ("look_up",)),
    Case("two reads", ("look_up", "look_up")),
    Case("an effect", ("pay",)),
    Case("two effects", ("pay", "pay")),
    Case("a read in node code", ("look_up",), in_node_code=True),
    Case("two reads in node code", ("look_up", "look_up"), in_node_code=True),
    Case("an effect in node code", ("pay",), in_node_code=True),
)


def look_up(claim: str) -> str:
    """Look a claim up."""
    return f"{claim} is open"


def pay(claim: str) -> str:
    """Pay a claim."""
    return f"{claim} is paid"


def graph_of(case: Case, tools: dict[str, Any]) -> StateGraph[Any, Any, Any, Any]:
    """A graph whose one node calls the case's tools."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)

    def node(state: MessagesState) -> MessagesState:
        said = [
            str(tools[name].invoke({"claim": f"{state['messages'][0].content}-{index}"}))
            for index, name in enumerate(case.tools)
        ]
        return {"messages": [AIMessage(" ".join(said))]}

    runs = node if case.in_node_code or not case.tools else ToolNode(list(tools.values()))
    builder.add_node("work", runs)
    builder.add_edge(START, "work")
    return builder


def given(case: Case, thread: str) -> dict[str, Any]:
    """Input that no other run has: effect keys outlive turns."""
    made = [
        {"name": name, "args": {"claim": f"{thread}-{index}"}, "id": f"c{index}", "type": "tool_call"}
        for index, name in enumerate(case.tools)
    ]
    said = [] if case.in_node_code or not made else [AIMessage("", tool_calls=made)]
    return {"messages": [HumanMessage(thread), *said]}


class Counts:
    """Transactions of a database, while it is asked. Those that only read are among them, and those that share a commit."""

    def __init__(self, database: Database) -> None:
        self._begun = 0
        event.listen(database.engine, "checkout", self._trace)

    def _trace(self, connection: Any, *_: Any) -> None:
        connection.set_trace_callback(self._traced)

    def _traced(self, statement: str) -> None:
        self._begun += statement == "BEGIN" or statement.startswith("SAVEPOINT")

    def of(self, run: Callable[[], Any]) -> int:
        """How many one run begins: the fewest of five, as a lease is renewed beside a run now and then."""
        seen: list[int] = []
        for _ in range(5):
            before = self._begun
            run()
            seen.append(self._begun - before)
        return min(seen)


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    threads = count()
    with TemporaryDirectory() as folder:
        guard = Guard(f"sqlite:///{Path(folder) / 'guarded.db'}", policy=Policy.from_dict(POLICY))
        plain = Database(f"sqlite:///{Path(folder) / 'raw.db'}")
        guarded_tools = {
            "look_up": guard.read(look_up),
            "pay": guard.effect(key=lambda args: args.claim)(pay),
        }
        raw_tools = {"look_up": tool(look_up), "pay": tool(pay)}
        guard.database.prepare()
        plain.prepare()
        runs: dict[str, Callable[[], Any]] = {}
        for case in CASES:
            raw = graph_of(case, raw_tools).compile(checkpointer=SQLAlchemySaver(plain))
            guarded = guard.compile(graph_of(case, guarded_tools), name=case.name)

            def run_raw(graph: Any = raw, case: Case = case) -> None:
                thread = f"t{next(threads)}"
                config = {"configurable": {"thread_id": thread}}
                graph.invoke(given(case, thread), config, durability="sync")

            def run_guarded(graph: Any = guarded, case: Case = case) -> None:
                thread = f"t{next(threads)}"
                graph.invoke(given(case, thread), guard.config(thread, KIM))

            runs[f"raw {case.name}"], runs[f"guarded {case.name}"] = run_raw, run_guarded
        taken = rounds(runs, count=number, clock=time.perf_counter_ns)
        raw_counts, guarded_counts = Counts(plain), Counts(guard.database)
        results = [
            _result(
                case,
                raw_counts.of(runs[f"raw {case.name}"]),
                guarded_counts.of(runs[f"guarded {case.name}"]),
                taken,
            )
            for case in CASES
        ]
        guard.database.close()
        plain.close()
    of_a_run = results[0]["guarded"] - results[0]["raw"]
    print(
        f"transactions, and median wall ms [95% interval] of {number} rounds on SQLite; a run adds {of_a_run}"
    )
    print(
        f"{'case':24} {'raw':>4} {'guarded':>8} {'call adds':>10} {'raw ms':>22} {'guarded ms':>22} {'ratio':>6}"
    )
    for found in results:
        found["added_by_the_call"] = found["guarded"] - found["raw"] - of_a_run
        print(
            f"{found['case']:24} {found['raw']:4} {found['guarded']:8} {found['added_by_the_call']:10}"
            f" {found['raw_ms']!s:>22} {found['guarded_ms']!s:>22} {found['ratio']:6.2f}"
        )
    keep(
        "transactions",
        {"unit": "transactions; ms of wall time", "added_by_a_run": of_a_run, "results": results},
    )


def _result(case: Case, raw: int, guarded: int, taken: dict[str, list[float]]) -> dict[str, Any]:
    raw_ms, guarded_ms = (_ms(taken[f"{kind} {case.name}"]) for kind in ("raw", "guarded"))
    ratio = round(guarded_ms.median / raw_ms.median, 2)
    return {
        "case": case.name,
        "raw": raw,
        "guarded": guarded,
        "raw_ms": raw_ms,
        "guarded_ms": guarded_ms,
        "ratio": ratio,
    }


def _ms(microseconds: list[float]) -> Median:
    return median([one / 1000 for one in microseconds])


if __name__ == "__main__":
    main()
