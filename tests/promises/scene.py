"""A claims desk on a real SQLite file: a guard, its people, agents that say what they are told to."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import Command

from guardkit import (
    Approval,
    Assurance,
    Guard,
    GuardedGraph,
    Keys,
    NoResult,
    Paused,
    PeopleDirectory,
    Person,
    Policy,
    Principal,
)
from guardkit.core.approvals import ApprovalState, DecisionKind
from guardkit.core.audit import AuditEntry
from guardkit.core.reviews import Review
from guardkit.core.values import JsonObject
from guardkit.sql.codec import dump
from guardkit.testing import FakeChannel, ScriptedModel
from guardkit.worker import Done

Mode = Literal["sync", "async"]
MODES: tuple[Mode, ...] = ("sync", "async")

KIM = Principal(id="kim")

PEOPLE = (
    Person(id="dana", email="dana@corp.example", roles=("manager",), identities=("slack:T1:DANA",)),
    Person(id="ben", email="ben@corp.example", roles=("manager",)),
    Person(id="cleo", email="cleo@corp.example", roles=("manager",)),
    Person(id="kim", email="kim@corp.example", roles=("manager",)),
    Person(id="otto", email="otto@corp.example"),
)
"""Four managers, of whom Kim is the one that turns act for, and Otto, who may decide nothing."""


class People:
    """A directory that is changed while people work."""

    def __init__(self, *people: Person) -> None:
        self.people = {person.id: person for person in people}

    def find(self, identity: str) -> Person | None:
        return PeopleDirectory(self.people.values()).find(identity)

    def change(self, person: str, **changes: Any) -> None:
        self.people[person] = self.people[person].model_copy(update=changes)


def route(**changes: Any) -> dict[str, Any]:
    """An approval route: one manager, and not who asked."""
    stage = {
        "role": "manager",
        "approvers": ["dana@corp.example", "ben@corp.example", "cleo@corp.example", "kim@corp.example"],
        "channel": "desk",
        "assurance": "local_operator",
        "required": changes.pop("required", 1),
    }
    return {
        "stages": [stage],
        "exclude_requester": True,
        "expires_in": "8h",
        "on_expiry": "reject",
        "valid_for": "30m",
        **changes,
    }


ASK: dict[str, Any] = {"otherwise": "escalate", "approval": "managers"}
"""A tool that a manager has to say yes to."""


def policy_of(tools: Mapping[str, Any], **changes: Any) -> Policy:
    """A policy about these tools; `route` changes the route, `people` the directory."""
    people = changes.pop("people", None) or People(*PEOPLE)
    managers = route(**changes.pop("route", {}))
    document: dict[str, Any] = {
        "policy": "desk",
        "version": "1",
        "owner": "risk@corp.example",
        "default": "reject",
        "tools": dict(tools),
        **changes,
    }
    if "managers" in str(tools):
        document.setdefault("approvals", {"managers": managers})
    return Policy.from_dict(document, directory=people)


@dataclass
class Scene:
    """One database, and the guards of the processes that share it."""

    url: str
    keys: Keys = field(default_factory=Keys.generate)
    people: People = field(default_factory=lambda: People(*PEOPLE))
    channel: FakeChannel = field(default_factory=lambda: FakeChannel("desk"))
    guards: list[Guard] = field(default_factory=list[Guard])

    def guard(self, tools: Mapping[str, Any], **options: Any) -> Guard:
        """A guard; what `Guard` does not know goes to the policy."""
        own = {
            name: options.pop(name)
            for name in (
                "action_checks",
                "observation_checks",
                "assessors",
                "lease_seconds",
                "check_timeout",
                "decide_at",
            )
            if name in options
        }
        policy = options.pop("given", None) or policy_of(tools, people=self.people, **options)
        guard = Guard(
            self.url,
            policy=policy,
            keys=self.keys,
            directory=self.people,
            channels={"desk": self.channel},
            **own,
        )
        self.guards.append(guard)
        return guard

    @contextmanager
    def sqlite(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own to the database file; what is done on it is committed."""
        connection = sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=30)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def close(self) -> None:
        for guard in self.guards:
            guard.database.close()


def opened(url: str) -> Iterator[Scene]:
    """The body of a fixture."""
    scene = Scene(url)
    yield scene
    scene.close()


def agent(
    model: ScriptedModel | Sequence[Any],
    tools: Sequence[Any],
    *,
    state: Any = MessagesState,
    **options: Any,
) -> StateGraph[Any, Any, Any, Any]:
    """An ordinary ReAct agent over a script.

    Args:
        model: the script, or its lines.
        tools: for the tool node.
        state: the schema.
        options: for the tool node.
    """
    spoken = model if isinstance(model, ScriptedModel) else ScriptedModel(*model)

    def think(state: Any) -> dict[str, Any]:
        return {"messages": [spoken.invoke(state["messages"])]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(state)
    builder.add_node("agent", think)
    builder.add_node("tools", ToolNode(list(tools), **options))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return builder


def ask(text: str = "Do it.") -> dict[str, Any]:
    """New input."""
    return {"messages": [("user", text)]}


def run(graph: Any, given: Any, config: RunnableConfig, mode: Mode = "sync", **options: Any) -> Any:
    """Run a graph to its end or its next pause."""
    if mode == "sync":
        return graph.invoke(given, config, **options)
    return asyncio.run(graph.ainvoke(given, config, **options))


def go_on(graph: Any, config: RunnableConfig, mode: Mode = "sync") -> Any:
    """Wake every interrupt that waits, as a stranger would: with an answer that proves nothing."""
    state = graph.get_state(config)
    if not state.interrupts:
        return run(graph, None, config, mode)
    return run(graph, Command(resume={one.id: {"type": "approve"} for one in state.interrupts}), config, mode)


def work(guard: Guard, *, rounds: int = 1) -> list[Done]:
    """What a worker does in some rounds."""
    worker = guard.worker(backoff=0.0)

    async def rounds_of() -> list[Done]:
        return [await worker.once() for _ in range(rounds)]

    return asyncio.run(rounds_of())


def waiting(guard: Guard, config: RunnableConfig) -> list[Approval]:
    """The questions that a paused thread waits for, oldest first."""
    outcome = guard.outcome(None, config)
    assert isinstance(outcome, Paused), outcome
    return list(reversed(outcome.approvals))


def approvals(guard: Guard, *states: ApprovalState) -> list[Approval]:
    """Every question ever asked, oldest first."""
    return list(reversed(guard.store.listed(states=states or None, limit=1000)))


def decide(
    guard: Guard, approval: Approval, kind: DecisionKind = "approve", by: str = "dana", **said: Any
) -> Approval:
    """What one person says, at the machine itself."""
    if kind in ("reject", "respond"):
        said.setdefault("reason", "No.")
    return guard.desk.decide(
        approval.request.id,
        identity=by,
        digest=said.pop("digest", approval.digest),
        kind=kind,
        assurance=said.pop("assurance", Assurance.LOCAL_OPERATOR),
        via="test",
        **said,
    )


def let_expire(scene: Scene, approval: Approval) -> None:
    """Let the time to decide be over, without waiting for it."""
    with scene.sqlite() as connection:
        request = approval.request.model_copy(update={"expires_at": approval.request.requested_at})
        connection.execute(
            "UPDATE gk_approvals SET request = ?, expires_at = requested_at WHERE id = ?",
            (dump(request), approval.request.id),
        )


def let_be_overdue(scene: Scene, review: Review) -> None:
    """Let the time to review be over, without waiting for it."""
    late = review.model_copy(update={"due_at": review.opened_at})
    with scene.sqlite() as connection:
        connection.execute(
            "UPDATE gk_reviews SET review = ?, due_at = ? WHERE approval_id = ?",
            (dump(late), round(review.opened_at * 1_000_000), review.approval_id),
        )


def entries(guard: Guard, kind: str | None = None, tenant: str = "default") -> list[AuditEntry]:
    """The audit log, in order."""
    return [entry for entry in guard.store.entries(tenant, limit=10_000) if kind in (None, entry.event.kind)]


def told(output: Any) -> list[str]:
    """What tools told the model."""
    return [message.text for message in output["messages"] if isinstance(message, ToolMessage)]


def last(output: Any) -> str:
    """The last message's text."""
    return output["messages"][-1].text


def ended(guard: Guard, config: RunnableConfig) -> NoResult:
    """The no result that a turn ended in."""
    outcome = guard.outcome(None, config)
    assert isinstance(outcome, NoResult), outcome
    return outcome


def payer(guard: Guard, paid: list[JsonObject], **options: Any) -> Any:
    """An effect tool that pays, or rather writes down that it did."""

    @guard.effect(**options)
    def pay(claim: str, amount: int) -> str:
        """Pay a claim."""
        paid.append({"claim": claim, "amount": amount})
        return f"paid {amount}"

    return pay


def compiled(guard: Guard, lines: Sequence[Any], tools: Sequence[Any], **options: Any) -> GuardedGraph:
    """A guarded agent."""
    return guard.compile(agent(lines, tools), **options)


def changed_call(message: AIMessage, **args: Any) -> AIMessage:
    """The message with other arguments in its first call."""
    first, *rest = message.tool_calls
    return message.model_copy(update={"tool_calls": [{**first, "args": {**first["args"], **args}}, *rest]})
