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
from guardkit.errors import ConfigurationError, MissingKeyError
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


def channel_in(slack: SlackServer, room: str, *, listens: bool) -> Slack:
    return Slack(
        room,
        token=slack.bot_token,
        app_token=slack.app_token if listens else None,
        app_id=slack.app_id,
        base_url=slack.base_url,
    )


@pytest.mark.promise("P1", "P6", "P12")
@pytest.mark.parametrize("apart", [False, True], ids=["in one process", "tools and answers apart"])
def test_a_click_lets_a_paused_agent_go_on(
    slack: SlackServer, sqlite_url: str, tmp_path: Path, apart: bool
) -> None:
    dana = slack.person("Dana", "dana@corp.example")
    room = slack.conversation("claims", dana)
    (tmp_path / "people.yaml").write_text(PEOPLE.format(team=slack.team_id, user=dana.id))
    (tmp_path / "policy.yaml").write_text(POLICY)
    keys, policy = Keys.generate(), tmp_path / "policy.yaml"
    own = {"claims-desk": channel_in(slack, room.id, listens=not apart)}
    guard = Guard(sqlite_url, policy=policy, channels=own, keys=keys.for_agent() if apart else keys)
    hearing = {"claims-desk": channel_in(slack, room.id, listens=True)}
    desk = Guard(sqlite_url, policy=policy, channels=hearing, keys=keys) if apart else guard
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
        if apart:
            workers = [guard.worker(poll=0.05), desk.worker(poll=0.05, parts=("messages", "answers"))]
        else:
            workers = [guard.worker(poll=0.05, parts=("runs", "messages", "answers"))]
        running = [asyncio.create_task(worker.run(stop)) for worker in workers]
        try:
            await asyncio.to_thread(decide)
        finally:
            stop.set()
            await asyncio.gather(*running)

    asyncio.run(work())
    assert slack.connections == ()
    guard.database.close()
    desk.database.close()


@pytest.mark.promise("P6", "P15")
def test_a_worker_that_runs_graphs_does_not_listen(
    slack: SlackServer, sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / "people.yaml").write_text(PEOPLE.format(team=slack.team_id, user="U1"))
    (tmp_path / "policy.yaml").write_text(POLICY)
    channels = {"claims-desk": channel_in(slack, slack.conversation("claims").id, listens=True)}
    keys = Keys.generate()
    guard = Guard(sqlite_url, policy=tmp_path / "policy.yaml", channels=channels, keys=keys.for_agent())
    with pytest.raises(ConfigurationError, match="channel 'claims-desk' takes answers"):
        guard.worker()
    with pytest.raises(MissingKeyError, match="decision_key"):
        guard.worker(parts=("messages", "answers"))
    assert slack.connections == ()
    guard.database.close()
