"""An approval inside a subgraph or a subagent holds as it does in the graph itself, and a worker goes on with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from langchain.agents import create_agent
from langgraph.graph import START, MessagesState, StateGraph

from guardkit import ApprovalState, EffectState, Finished, Guard
from guardkit.core.values import JsonObject
from guardkit.testing import ScriptedModel, calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    agent,
    approvals,
    ask,
    decide,
    go_on,
    payer,
    run,
    told,
    waiting,
    work,
)

Kind = Literal["approve", "reject", "edit"]

pytestmark = pytest.mark.promise("P2", "P3", "P4")

PAY = ("pay", {"claim": "C-1", "amount": 5})
LESS = {"claim": "C-1", "amount": 3}
KINDS = pytest.mark.parametrize(
    ("kind", "mode"), [("approve", "sync"), ("reject", "async"), ("edit", "async")], ids=str
)
KEPT = pytest.mark.parametrize(
    ("checkpointer", "kind", "mode"),
    [
        (None, "approve", "sync"),
        (True, "approve", "async"),
        (None, "reject", "async"),
        (True, "edit", "sync"),
    ],
    ids=str,
)
RAN: dict[Kind, list[JsonObject]] = {"approve": [dict(PAY[1])], "reject": [], "edit": [LESS]}


@dataclass
class Desk:
    """A guarded graph that has an agent somewhere inside."""

    guard: Guard
    graph: Any
    paid: list[JsonObject] = field(default_factory=list[JsonObject])

    @property
    def config(self) -> Any:
        return self.guard.config("t", KIM)

    def decided(self, mode: Mode, kind: Kind) -> None:
        """Ask, wake it in vain, and let somebody decide."""
        run(self.graph, ask(), self.config, mode)
        go_on(self.graph, self.config, mode)
        assert self.paid == []
        [approval] = waiting(self.guard, self.config)
        said: dict[str, Any] = {"args": LESS} if kind == "edit" else {}
        decide(self.guard, approval, kind, **said)

    def ends(self, mode: Mode, kind: Kind) -> None:
        """A worker goes on, once, and whoever wakes the thread or travels back finds it done."""
        assert work(self.guard)[0].resumed == 1
        assert self.paid == RAN[kind]
        assert self.guard.outcome(None, self.config) == Finished(text="Done.")
        assert work(self.guard)[0].idle
        before = list(self.graph.get_state_history(self.config))[-1]
        run(self.graph, None, before.config, mode)
        assert self.paid == RAN[kind]
        used = ApprovalState.REJECTED if kind == "reject" else ApprovalState.CONSUMED
        assert approvals(self.guard)[0].state is used
        done = [] if kind == "reject" else [EffectState.DONE]
        assert [one.state for one in self.guard.store.effects()] == done


def _desk(scene: Scene, place: Callable[[Any], Any], checkpointer: bool | None) -> Desk:
    """A desk whose node `inner` is what `place` makes of an agent.

    Args:
        scene: the database.
        place: takes the agent, and returns the node.
        checkpointer: what the agent is compiled with.
    """
    guard = scene.guard({"pay": ASK})
    paid: list[JsonObject] = []
    pay = payer(guard, paid, key=lambda args: args.claim)
    inner = agent([calls(PAY), *["Done."] * 3], [pay]).compile(checkpointer=checkpointer)
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("inner", place(inner))
    builder.add_edge(START, "inner")
    return Desk(guard, guard.compile(builder), paid)


def _in_code(mode: Mode) -> Callable[[Any], Any]:
    def placed(inner: Any) -> Any:
        def call(state: MessagesState) -> Any:
            return {"messages": inner.invoke({"messages": state["messages"]})["messages"]}

        async def acall(state: MessagesState) -> Any:
            return {"messages": (await inner.ainvoke({"messages": state["messages"]}))["messages"]}

        return call if mode == "sync" else acall

    return placed


@KEPT
def test_an_agent_that_is_a_node(scene: Scene, mode: Mode, checkpointer: bool | None, kind: Kind) -> None:
    desk = _desk(scene, lambda inner: inner, checkpointer)
    desk.decided(mode, kind)
    desk.ends(mode, kind)


@KEPT
def test_an_agent_that_node_code_calls(
    scene: Scene, mode: Mode, checkpointer: bool | None, kind: Kind
) -> None:
    desk = _desk(scene, _in_code(mode), checkpointer)
    desk.decided(mode, kind)
    desk.ends(mode, kind)


@KINDS
def test_an_agent_of_langchain_two_graphs_down(scene: Scene, mode: Mode, kind: Kind) -> None:
    guard = scene.guard({"pay": ASK})
    paid: list[JsonObject] = []
    pay = payer(guard, paid, key=lambda args: args.claim)
    graph: Any = create_agent(ScriptedModel(calls(PAY), *["Done."] * 3), [pay])
    for name in ("inner", "outer"):
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
        builder.add_node(name, graph)
        builder.add_edge(START, name)
        graph = builder.compile() if name == "inner" else guard.compile(builder)
    desk = Desk(guard, graph, paid)
    desk.decided(mode, kind)
    desk.ends(mode, kind)


@KINDS
def test_an_agent_that_a_tool_calls(scene: Scene, mode: Mode, kind: Kind) -> None:
    guard = scene.guard({"pay": ASK, "delegate": "allow"})
    paid: list[JsonObject] = []
    pay = payer(guard, paid, key=lambda args: args.claim)
    inner = agent([calls(PAY), *["Paid."] * 3], [pay]).compile()

    def delegate(task: str) -> str:
        """Have somebody else do it."""
        return inner.invoke({"messages": [("user", task)]})["messages"][-1].text

    async def adelegate(task: str) -> str:
        """Have somebody else do it."""
        return (await inner.ainvoke({"messages": [("user", task)]}))["messages"][-1].text

    made = delegate if mode == "sync" else adelegate
    made.__name__ = "delegate"
    lines = [calls(("delegate", {"task": "Pay it."})), *["Done."] * 3]
    desk = Desk(guard, guard.compile(agent(lines, [guard.read(made)])), paid)
    desk.decided(mode, kind)
    desk.ends(mode, kind)
    assert told(desk.graph.get_state(desk.config).values) == ["Paid."]
