"""A thread with everything in it: an approved payment, a refused call, a verified answer, an operator's stop.

It is run for real; afterwards hours are put between what took seconds, as no test waits for people.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from guardkit import (
    Assurance,
    Authority,
    Guard,
    GuardedGraph,
    Keys,
    Paused,
    PeopleDirectory,
    Person,
    Policy,
    Principal,
    Source,
    Verdict,
)
from guardkit.core.audit import AuditEvent
from guardkit.core.runs import StopOrder
from guardkit.core.steps import Action
from guardkit.core.story import Story, tell
from guardkit.core.verdicts import CheckContext
from guardkit.testing import ExtractiveModel, FakeChannel, ScriptedModel, calls

THREAD = "claim-1042"
PEOPLE = PeopleDirectory(
    [
        Person(id="dana", email="dana@corp.example", roles=("claims-manager",)),
        Person(id="lee", email="lee@corp.example", roles=("finance",)),
        Person(id="mia", email="mia@corp.example", roles=("finance",)),
    ]
)
KIM = Principal(id="kim@corp.example")
POLICY = {
    "policy": "claims",
    "version": "3.2",
    "owner": "claims-risk@corp.example",
    "default": "reject",
    "tools": {
        "lookup_claim": "allow",
        "pay_claim": {"otherwise": "escalate", "approval": "desk-then-finance"},
        "close_claim": "reject",
    },
    "approvals": {
        "desk-then-finance": {
            "stages": [
                {
                    "role": "claims-manager",
                    "approvers": ["dana@corp.example"],
                    "channel": "claims-desk",
                    "assurance": "chat",
                },
                {
                    "role": "finance",
                    "approvers": ["lee@corp.example", "mia@corp.example"],
                    "required": 2,
                    "channel": "finance",
                    "assurance": "chat",
                },
            ],
            "exclude_requester": True,
            "expires_in": "8h",
            "remind": ["1s"],
            "on_expiry": "reject",
            "valid_for": "30m",
        }
    },
}
TEXT = "Lost luggage is covered up to 1,500 euros per person. A delay of luggage is not covered."


def limits(action: Action, context: CheckContext) -> Verdict:
    """A check that wants people to look at large payments."""
    large = Decimal(str(action.args.get("amount", 0))) > 1000
    return Verdict(
        check="limits", outcome="review" if large else "pass", why="more than 1000" if large else None
    )


def compiled(folder: Path) -> tuple[Guard, GuardedGraph]:
    """The claims desk, on a database in a folder."""
    guard = Guard(
        f"sqlite:///{folder / 'guardkit.db'}",
        policy=Policy.from_dict(POLICY, directory=PEOPLE),
        keys=Keys.generate(),
        channels={"claims-desk": FakeChannel("claims-desk"), "finance": FakeChannel("finance")},
        action_checks=[("limits", limits)],
    )

    @guard.read(trust="trusted")
    def lookup_claim(claim_id: str) -> str:
        """Look a claim up."""
        return "open"

    @guard.effect(key=lambda args: args.claim_id)
    def pay_claim(claim_id: str, amount: Decimal) -> str:
        """Pay a claim."""
        time.sleep(0.05)
        return "paid"

    @guard.effect
    def close_claim(claim_id: str) -> str:
        """Close a claim."""
        raise AssertionError("never runs")

    claim = {"claim_id": "C-1042"}
    script = ScriptedModel(
        calls(("lookup_claim", claim)),
        calls(("close_claim", claim)),
        calls(("pay_claim", {**claim, "amount": "1480.00"})),
        "Paid.",
        calls(("lookup_claim", claim)),
    )

    @guard.retriever
    def library(state: Any) -> list[Source]:
        return [
            Source.of(
                TEXT,
                id="terms-2026",
                title="Terms",
                tenant="default",
                owner="legal",
                authority=Authority.AUTHORITATIVE,
            )
        ]

    def think(state: Any) -> dict[str, Any]:
        return {"messages": [script.invoke(state["messages"])]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("agent", think)
    builder.add_node("tools", ToolNode([lookup_claim, pay_claim, close_claim]))
    builder.add_node("answer", guard.draft_critique_verify(model=ExtractiveModel(), retriever=library))
    builder.add_conditional_edges(
        START, lambda state: "answer" if state["messages"][-1].content.endswith("?") else "agent"
    )
    builder.add_conditional_edges(
        "agent", lambda state: "tools" if state["messages"][-1].tool_calls else "__end__"
    )
    builder.add_edge("tools", "agent")
    return guard, guard.compile(builder, name="claims-desk")


def story(folder: Path) -> Story:
    """The thread's story, over an afternoon."""
    guard, graph = compiled(folder)
    store, config = guard.store, guard.config(THREAD, KIM)
    worker = guard.worker(graph)
    waits: list[tuple[float, float]] = []

    def later(seconds: float) -> None:
        waits.append((store.now(), seconds))
        time.sleep(0.02)

    def decided(person: str) -> None:
        approval = store.listed(thread_id=THREAD)[0]
        guard.desk.decide(
            approval.request.id,
            identity=f"{person}@corp.example",
            digest=approval.digest,
            kind="approve",
            reason="Checked against the file." if person == "dana" else None,
            assurance=Assurance.CHAT,
            via="claims-desk" if person == "dana" else "finance",
        )

    def works() -> None:
        asyncio.run(worker.once())

    assert isinstance(guard.outcome(graph.invoke(_user("Pay claim C-1042."), config), config), Paused)
    later(2)
    works()
    time.sleep(1.05)
    later(45 * 60)
    works()
    later(20 * 60)
    decided("dana")
    later(2)
    works()
    later(95 * 60)
    decided("lee")
    later(11 * 60)
    decided("mia")
    later(1)
    works()
    later(26 * 60)
    graph.invoke(_user("Up to what amount is lost luggage covered?"), config)
    later(3 * 60)
    store.set_stop(
        StopOrder(
            id="drill-7",
            scope="agent",
            tenant="default",
            target="claims-desk",
            by="olga",
            why="a drill",
            at=0,
        )
    )
    graph.invoke(_user("Close it."), config)
    turns = [turn for number in (1, 2, 3) if (turn := store.turn("default", THREAD, number)) is not None]
    noon = datetime(2026, 11, 27, 13, 5, 12, 318000, tzinfo=UTC).timestamp()
    begun = turns[0].opened_at

    def when(at: float) -> float:
        return at - begun + noon + sum(added for since, added in waits if at > since)

    told = tell(
        [turn.model_copy(update={"opened_at": when(turn.opened_at)}) for turn in turns],
        [
            one.model_copy(update={"at": when(one.at), "event": placed(one.event)})
            for one in store.history("default", THREAD)
        ],
        store.listed(thread_id=THREAD),
        [
            one.model_copy(update={"delivered_at": one.delivered_at and when(one.delivered_at)})
            for one in store.messages("default", THREAD)
        ],
        store.effects(thread_id=THREAD),
    )
    guard.database.close()
    return told


def placed(event: AuditEvent) -> AuditEvent:
    """The event of a run as if agent and worker had been processes of their own."""
    if event.kind != "run.started":
        return event
    process = "worker-1:4712" if event.data["continued"] else "agent-1:4711"
    return event.model_copy(update={"data": {**event.data, "process": process}})


def _user(text: str) -> dict[str, Any]:
    return {"messages": [("user", text)]}
