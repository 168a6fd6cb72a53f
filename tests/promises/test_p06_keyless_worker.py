"""P6: what runs graphs needs no private key, reads none, and cannot make up what people say."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from guardkit import Guard, Keys, Policy
from guardkit.channels.host import ChannelHost
from guardkit.core.people import Assurance
from guardkit.errors import ConfigurationError, MissingKeyError
from guardkit.runtime.desk import Desk
from guardkit.sql import Database, SQLStore
from guardkit.testing import FakeChannel, calls
from tests.operations.running import ask as start, running, until
from tests.promises.scene import (
    ASK,
    KIM,
    Scene,
    approvals,
    ask,
    compiled,
    decide,
    entries,
    payer,
    run,
    waiting,
    work,
)

pytestmark = pytest.mark.promise("P6")

APP = '''
from pathlib import Path
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from guardkit import Guard, Principal
from guardkit.demo.terminal import Terminal

guard = Guard.from_env(channels={"desk": Terminal(Path("sent.txt"))})

def note(name, line):
    with open(name, "a", encoding="utf-8") as file:
        file.write(line + "\\n")

@guard.effect
def pay(claim: str) -> str:
    """Pay a claim."""
    note("paid.txt", claim)
    return "paid"

@guard.effect
def close(claim: str) -> str:
    """Close a claim."""
    note("paid.txt", claim)
    return "closed"

def think(state):
    last = state["messages"][-1]
    if last.type == "tool":
        note("told.txt", f"{state['messages'][0].content}: {last.content}")
        return {"messages": [AIMessage("Done.")]}
    tool = "close" if last.content == "late" else "pay"
    call = {"name": tool, "args": {"claim": last.content}, "id": "c", "type": "tool_call"}
    return {"messages": [AIMessage("", tool_calls=[call])]}

builder = StateGraph(MessagesState)
builder.add_node("think", think)
builder.add_node("tools", ToolNode([pay, close]))
builder.add_edge(START, "think")
builder.add_conditional_edges("think", tools_condition)
builder.add_edge("tools", "think")
graph = guard.compile(builder, name="clerk")

if __name__ == "__main__":
    for thread in ("good", "forged", "late", "open"):
        graph.invoke({"messages": [("user", thread)]}, guard.config(thread, Principal(id="kim")))
'''

POLICY = """
policy: claims
version: "1"
owner: compliance@example.com
directory: people.yaml
default: reject
tools:
  pay: {otherwise: escalate, approval: manager}
  close: {otherwise: escalate, approval: soon}
approvals:
  manager:
    stages: [{approvers: [dana@example.com], channel: desk, assurance: local_operator}]
    expires_in: 8h
    on_expiry: reject
  soon:
    stages: [{approvers: [dana@example.com], channel: desk, assurance: local_operator}]
    expires_in: 1s
    on_expiry: reject
"""

PEOPLE = "people:\n  - {id: dana, email: dana@example.com}\n  - {id: kim}\n"


def furnished(folder: Path) -> dict[str, str]:
    """Write the agent into a folder. Returns the environment of processes that have no key."""
    for name, text in (("desk_app.py", APP), ("policy.yaml", POLICY), ("people.yaml", PEOPLE)):
        (folder / name).write_text(text, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GUARDKIT_", "OTEL_"))}
    return {
        **clean,
        "GUARDKIT_DATABASE": f"sqlite:///{folder / 'guardkit.db'}",
        "GUARDKIT_POLICY": str(folder / "policy.yaml"),
    }


def public(keys: Keys) -> dict[str, str]:
    return {"GUARDKIT_DECISION_PUBLIC_KEYS": ",".join(keys.decision_public_keys)}


def lines(path: Path) -> list[str]:
    return sorted(path.read_text(encoding="utf-8").splitlines()) if path.exists() else []


@pytest.mark.timeout(500)
def test_a_worker_with_public_keys_does_all_but_decide(tmp_path: Path) -> None:
    """Agent and worker are real processes; people and a forger decide in this one."""
    people, forger = Keys.generate(), Keys.generate()
    # A process that reads its private key ends: there is no such file.
    missing = {"GUARDKIT_DECISION_KEY_FILE": str(tmp_path / "decision.key")}
    keyless = {**furnished(tmp_path), **public(people), **missing}
    start(tmp_path, keyless)
    store = SQLStore(Database(keyless["GUARDKIT_DATABASE"]))
    directory = Policy.from_file(tmp_path / "policy.yaml").directory
    assert directory is not None
    asked = {one.request.thread_id: one for one in store.listed()}
    assert set(asked) == {"good", "forged", "late", "open"}
    for thread, keys in (("good", people), ("forged", forger)):
        Desk(store, directory, keys.decision_signer()).decide(
            asked[thread].request.id,
            identity="dana",
            digest=asked[thread].digest,
            kind="approve",
            assurance=Assurance.OIDC,
            via="test",
        )

    question = f"ask {asked['open'].request.id} pending"
    with running(tmp_path, keyless, "worker", "desk_app:graph") as worker:
        until(lambda: len(lines(tmp_path / "told.txt")) == 3, "three threads to end")
        until(lambda: question in lines(tmp_path / "sent.txt"), "a question to go out")
        assert worker.end() == 0
    assert lines(tmp_path / "paid.txt") == ["good"]
    forged, good, late = lines(tmp_path / "told.txt")
    assert (good, late.startswith("late: ")) == ("good: paid", True)
    assert forged == "forged: The approval no longer holds, so the action did not run."
    states = {one.request.thread_id: one.state.value for one in store.listed()}
    assert (states["late"], states["open"]) == ("expired", "pending")
    store.database.close()


def test_the_key_is_read_where_answers_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys.generate()
    assert keys.decision_key is not None
    for name, value in {**furnished(tmp_path), **public(keys)}.items():
        if name.startswith("GUARDKIT_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("GUARDKIT_DECISION_KEY_FILE", str(tmp_path / "decision.key"))
    monkeypatch.delenv("GUARDKIT_DECISION_KEY", raising=False)
    guard = Guard.from_env(tmp_path)
    guard.worker()
    guard.ready()
    for begin in (lambda: guard.desk, lambda: guard.worker(parts=("messages", "answers"))):
        with pytest.raises(ConfigurationError, match="GUARDKIT_DECISION_KEY_FILE"):
            begin()
    (tmp_path / "decision.key").write_text(keys.decision_key.get_secret_value())
    guard.worker(parts=("messages", "answers"))
    guard.ready()
    assert guard.desk is guard.desk
    assert guard.keys.decision_key is None
    guard.database.close()


class Attached(FakeChannel):
    """Keeps what the process gives it."""

    host: ChannelHost | None = None

    def attach(self, host: ChannelHost) -> None:
        self.host = host


def test_an_answer_without_the_key_is_refused_and_changes_nothing(scene: Scene) -> None:
    paid: list[Any] = []
    scene.keys, scene.channel = scene.keys.for_agent(), Attached("desk")
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [calls(("pay", {"claim": "C-1", "amount": 5})), "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config)
    assert work(guard)[0].delivered == 1
    assert isinstance(scene.channel, Attached)
    assert scene.channel.host is not None
    [approval] = waiting(guard, config)
    before = entries(guard)
    with pytest.raises(MissingKeyError, match="takes no answers") as refused:
        scene.channel.host.desk.decide(
            approval.request.id,
            identity="dana",
            digest=approval.digest,
            kind="approve",
            assurance=Assurance.CHAT,
            via="desk",
        )
    assert isinstance(refused.value, ConfigurationError)
    assert "--parts messages,answers" in (refused.value.remedy or "")
    with pytest.raises(MissingKeyError):
        _ = guard.desk
    assert approvals(guard) == [approval]
    assert entries(guard) == before
    work(guard)
    assert paid == []


class Connected(Attached):
    """Takes answers by a connection of the worker."""

    def open(self) -> None: ...

    def close(self) -> None: ...


def test_a_worker_that_takes_no_answers_says_who_must(scene: Scene) -> None:
    scene.keys, scene.channel = scene.keys.for_agent(), Connected("desk")
    guard = scene.guard({"pay": ASK})
    with pytest.raises(ConfigurationError, match="channel 'desk' takes answers") as refused:
        guard.worker()
    assert "--parts messages,answers" in (refused.value.remedy or "")
    guard.worker(parts=("runs",))
    assert scene.channel.host is None, "a worker that only runs connects to no messenger"
    for wrong in ((), ("runs", "walks")):
        with pytest.raises(ConfigurationError, match="part"):
            guard.worker(parts=wrong)


def test_a_worker_that_takes_answers_runs_nothing_unless_told_to(scene: Scene) -> None:
    paid: list[Any] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [calls(("pay", {"claim": "C-1", "amount": 5})), "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config)
    [approval] = waiting(guard, config)
    desk = guard.worker(parts=("messages", "answers"))
    assert asyncio.run(desk.once()).delivered == 1
    decide(guard, approval)
    done = asyncio.run(desk.once())
    assert (done.resumed, paid) == (0, [])
    assert work(guard)[0].resumed == 1
    assert len(paid) == 1
