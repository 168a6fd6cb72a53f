"""How long an approved action waits: from the moment in which a person's yes is handed in until a worker performs it.

The run was paused by another process than the worker, which waits beside it as `guardkit worker` does. Once with nothing
else in the database, once with ten thousand paused threads. The effect writes down when it begins; both processes read
the clock of this machine. SQLite is a file with full synchronisation, PostgreSQL the server that is named
(`GUARDKIT_TEST_POSTGRES`; left out where there is none). Results go to `benchmarks/results/resumes.json`.

Run: make bench, or python benchmarks/bench_resumes.py [decisions]
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from measuring import keep, median
from pydantic import SecretStr
from sqlalchemy import create_engine, insert, make_url, select, text

from guardkit import Assurance, Guard, GuardedGraph, Keys, Paused, PeopleDirectory, Person, Policy, Principal
from guardkit.core.signing import Signer
from guardkit.sql import upgrade
from guardkit.sql.tables import approvals, threads, turns
from guardkit.testing import FakeChannel, ScriptedModel, calls
from guardkit.testing.contracts import samples

TARGETS = {"sqlite": 500.0, "postgresql": 100.0}
"""Milliseconds that the median may be."""

CROWD = 10_000
"""Paused threads beside, in the second half."""

PEOPLE = PeopleDirectory([Person(id="dana", email="dana@example.com"), Person(id="kim")])
STAGE = {"approvers": ["dana@example.com"], "channel": "desk", "assurance": "local_operator"}
POLICY = Policy.from_dict(
    {
        "policy": "bench",
        "version": "1",
        "owner": "bench@example.com",
        "default": "reject",
        "tools": {"pay": {"otherwise": "escalate", "approval": "manager"}},
        "approvals": {
            "manager": {"stages": [STAGE], "expires_in": "8h", "on_expiry": "reject", "valid_for": "30m"}
        },
    },
    directory=PEOPLE,
)


def keys() -> Keys:
    """The same in both processes; good for nothing but this."""
    decision = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    return Keys(decision_key=SecretStr(decision), decision_public_keys=(Signer(decision).public_key,))


def agent(url: str, journal: Path) -> tuple[Guard, GuardedGraph]:
    """A desk that pays one claim a thread, and asks before."""
    guard = Guard(url, policy=POLICY, channels={"desk": FakeChannel("desk")}, keys=keys())

    @guard.effect(key=lambda args: args.claim)
    def pay(claim: str) -> str:
        """Pay a claim."""
        with journal.open("a") as lines:
            lines.write(f"{claim} {time.time_ns()}\n")
        return "paid"

    def model(state: MessagesState) -> Any:
        script = ScriptedModel(calls(("pay", {"claim": str(state["messages"][0].content)})), "Done.")
        return {"messages": [script.invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("agent", model)
    builder.add_node("tools", ToolNode([pay]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return guard, guard.compile(builder, name="payer")


def work(url: str, journal: Path) -> None:
    """A worker, until it is told to stop."""
    guard, graph = agent(url, journal)

    journal.touch()

    async def until_told() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        working = asyncio.ensure_future(guard.worker(graph).run(stop))
        await working

    asyncio.run(until_told())
    guard.database.close()


def crowd(guard: Guard) -> None:
    """Other threads that wait for people: copies of one, in one transaction."""
    run = guard.store.open_run(samples.opening("crowd"), []).run
    guard.store.register(run, [samples.request(run, 0)], [])
    guard.store.close_run(run, samples.closing("paused"), [])
    with guard.database.writing() as connection:
        for table in (threads, turns, approvals):
            (row,) = connection.execute(select(table).where(table.c.thread_id == "crowd")).mappings()
            copies = ({**row, "thread_id": f"crowd-{number}"} for number in range(CROWD))
            if table is approvals:
                copies = ({**one, "id": one["thread_id"]} for one in copies)
            connection.execute(insert(table), list(copies))


def waited(guard: Guard, graph: GuardedGraph, journal: Path, name: str, decisions: int) -> list[float]:
    """Milliseconds that each of several decisions waits for its effect, one after the other."""
    taken: list[float] = []
    for number in range(decisions):
        claim = f"{name}-{number}"
        config = guard.config(claim, Principal(id="kim"))
        paused = guard.outcome(graph.invoke({"messages": [("user", claim)]}, config), config)
        assert isinstance(paused, Paused)
        time.sleep(0.2)  # the worker has sent its message, and waits
        approval = paused.approvals[0]
        begun = time.time_ns()
        guard.desk.decide(
            approval.request.id,
            identity="dana@example.com",
            digest=approval.digest,
            kind="approve",
            assurance=Assurance.LOCAL_OPERATOR,
            via="bench",
        )
        taken.append((_performed(journal, claim) - begun) / 1e6)
    return taken


def _performed(journal: Path, claim: str) -> int:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for line in journal.read_text().splitlines():
            which, _, at = line.partition(" ")
            if which == claim:
                return int(at)
        time.sleep(0.002)
    raise RuntimeError(f"{claim} was not paid")


@contextmanager
def databases(folder: Path, kind: str) -> Generator[str]:
    """A new database; a server's is dropped afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'guardkit.db'}"
        return
    server, name = os.environ["GUARDKIT_TEST_POSTGRES"], f"bench_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def measured(kind: str, decisions: int) -> list[dict[str, Any]]:
    """A database alone, and with a crowd in it."""
    results: list[dict[str, Any]] = []
    with TemporaryDirectory() as folder, databases(Path(folder), kind) as url:
        journal = Path(folder) / "paid"
        upgrade(url)
        worker = subprocess.Popen([sys.executable, __file__, "work", url, str(journal)])
        guard, graph = agent(url, journal)
        try:
            while not journal.exists():
                time.sleep(0.1)
            for others in (0, CROWD):
                if others:
                    crowd(guard)
                waited(guard, graph, journal, f"warm-{others}", 5)
                taken = median(waited(guard, graph, journal, f"claim-{others}", decisions))
                met = taken.high <= TARGETS[kind]
                results.append({"database": kind, "others": others, "milliseconds": taken, "met": met})
                print(f"{kind:12} {others:8} others {taken} {'' if met else 'ABOVE TARGET'}", flush=True)
        finally:
            worker.terminate()
            worker.wait(30)
            guard.database.close()
    return results


def main() -> None:
    if sys.argv[1:2] == ["work"]:
        work(sys.argv[2], Path(sys.argv[3]))
        return
    decisions = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print(f"ms from a decision to its effect in a waiting worker, median [95% interval] of {decisions}")
    kinds = ["sqlite", *(["postgresql"] if os.environ.get("GUARDKIT_TEST_POSTGRES") else [])]
    results = [one for kind in kinds for one in measured(kind, decisions)]
    keep("resumes", {"unit": "ms", "targets": TARGETS, "decisions": decisions, "results": results})


if __name__ == "__main__":
    main()
