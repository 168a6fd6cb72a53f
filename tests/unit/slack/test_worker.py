"""From an agent that pauses to the action that people in Slack approved, by a worker of its own."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from guardkit import Guard, Keys, Paused, Principal
from guardkit.channels.slack import Slack
from guardkit.testing import ScriptedModel, calls
from guardkit.testing.slack import SlackServer
from tests.unit.slack.office import actions, eventually, shown

PEOPLE = """
people:
  - {{id: dana, email: dana@corp.example, name: Dana, identities: ["slack:{team}:{user}"]}}
  - {{id: kim, email: kim@corp.example}}
"""
POLICY = """
policy: claims
version: "1"
owner: claims-risk@corp.example
directory: people.yaml
default: reject
tools:
  pay_claim: {otherwise: escalate, approval: desk}
approvals:
  desk:
    stages: [{approvers: [dana@corp.example], channel: claims-desk}]
    expires_in: 8h
    on_expiry: reject
"""


@pytest.mark.promise("P1", "P6", "P12")
def test_a_click_lets_a_paused_agent_go_on(slack: SlackServer, sqlite_url: str, tmp_path: Path) -> None:
    dana = slack.person("Dana", "dana@corp.example")
    room = slack.conversation("claims", dana)
    (tmp_path / "people.yaml").write_text(PEOPLE.format(team=slack.team_id, user=dana.id))
    (tmp_path / "policy.yaml").write_text(POLICY)
    channel = Slack(
        room.id,
        token=slack.bot_token,
        app_token=slack.app_token,
        app_id=slack.app_id,
        base_url=slack.base_url,
    )
    guard = Guard(
        sqlite_url, policy=tmp_path / "policy.yaml", channels={"claims-desk": channel}, keys=Keys.generate()
    )
    paid: list[str] = []

    @guard.effect(key=lambda args: args.claim_id)
    def pay_claim(claim_id: str, amount: Decimal) -> str:
        """Pay a claim."""
        paid.append(f"{claim_id}: {amount}")
        return "paid"

    model = ScriptedModel(calls(("pay_claim", {"claim_id": "C-1", "amount": "480.00"})), "Done.")
    builder = StateGraph(MessagesState)

    def agent(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    builder.add_node("agent", agent)
    builder.add_node("tools", ToolNode([pay_claim]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    graph = guard.compile(builder, name="claims")
    config = guard.config("thread-1", Principal(id="kim@corp.example"))
    out = graph.invoke({"messages": [("user", "Pay C-1.")]}, config)
    assert isinstance(guard.outcome(out, config), Paused)

    def decide() -> None:
        eventually(lambda: bool(slack.messages(room)))
        slack.wait_for_connections()
        (message,) = slack.messages(room)
        assert "480.00" in shown(message)
        assert paid == []
        assert slack.click(dana, message, "gk_approve").acknowledged
        eventually(lambda: paid == ["C-1: 480.00"])
        eventually(lambda: actions(slack.messages(room)[0]) == [])
        eventually(lambda: "Approved by Dana." in [shown(one) for one in slack.messages(room)])

    async def work() -> None:
        stop = asyncio.Event()
        worker = asyncio.create_task(guard.worker(poll=0.05).run(stop))
        try:
            await asyncio.to_thread(decide)
        finally:
            stop.set()
            await worker

    asyncio.run(work())
    assert slack.connections == ()
    guard.database.close()
