"""Code that swallows every exception, around guarded tools, pauses and stops."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from guardkit import ApprovalState, Guard, GuardedGraph, NoResultReason, Verdict
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    agent,
    approvals,
    ask,
    decide,
    ended,
    last,
    payer,
    run,
)

pytestmark = [pytest.mark.promise("P15")]

PAY = {"claim": "C-1", "amount": 5}
OTHER = {"claim": "C-2", "amount": 6}


def stopping(action: Any, context: Any) -> Verdict:
    """A check that ends the turn at the first claim only."""
    if action.args.get("claim") == "C-1":
        return Verdict(check="stopping", outcome="stop", why="enough")
    return Verdict(check="stopping")


def swallowing(guard: Guard, paid: list[JsonObject], mode: Mode, *, then: bool = False) -> GuardedGraph:
    """A node that swallows all that a payment raises, goes on, and is followed by another."""
    pay = payer(guard, paid)

    def desk(state: Any) -> dict[str, Any]:
        with contextlib.suppress(BaseException):
            pay.invoke(PAY)
        if then:
            with contextlib.suppress(BaseException):
                pay.invoke(OTHER)
        return {"messages": [AIMessage("went on")]}

    async def adesk(state: Any) -> dict[str, Any]:
        with contextlib.suppress(BaseException):
            await pay.ainvoke(PAY)
        if then:
            with contextlib.suppress(BaseException):
                await pay.ainvoke(OTHER)
        return {"messages": [AIMessage("went on")]}

    def after(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage("after")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk if mode == "sync" else adesk)
    builder.add_node("after", after)
    builder.add_edge(START, "desk")
    builder.add_edge("desk", "after")
    return guard.compile(builder)


@pytest.mark.promise("P4", "P7")
def test_a_swallowed_refusal_is_still_a_refusal(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "reject"})
    paid: list[JsonObject] = []
    graph = swallowing(guard, paid, mode)
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    assert paid == []
    assert last(output) == "after"


@pytest.mark.promise("P4", "P9")
def test_a_swallowed_stop_still_ends_the_turn(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"}, action_checks=[("stopping", stopping)])
    paid: list[JsonObject] = []
    graph = swallowing(guard, paid, mode, then=True)
    config = guard.config("c-1", KIM)
    output = run(graph, ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.CHECK_FAILED
    assert "after" not in [message.text for message in output["messages"]]
    assert graph.get_state(config).next == ()
    assert paid == []  # nor did the second effect start, which nobody had objected to


@pytest.mark.promise("P4", "P2")
def test_a_swallowed_pause_runs_nothing_and_withdraws_its_question(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": ASK})
    paid: list[JsonObject] = []
    graph = swallowing(guard, paid, mode)
    config = guard.config("c-1", KIM)
    output = run(graph, ask(), config, mode)
    assert last(output) == "after"
    assert paid == []
    (asked,) = approvals(guard)
    assert asked.state is ApprovalState.CANCELLED
    with pytest.raises(DecisionRefusedError):
        decide(guard, asked)
    run(graph, None, config, mode)
    assert paid == []


@pytest.mark.promise("P4", "P9")
def test_a_guarded_tool_that_swallows_the_stop_of_another_ends_the_turn(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow", "batch": "allow"}, action_checks=[("stopping", stopping)])
    paid: list[JsonObject] = []
    pay = payer(guard, paid)

    def batch() -> str:
        """Pay what is due."""
        for one in (PAY, OTHER):
            with contextlib.suppress(BaseException):
                pay.invoke(one)
        return "all paid"

    async def abatch() -> str:
        """Pay what is due."""
        for one in (PAY, OTHER):
            with contextlib.suppress(BaseException):
                await pay.ainvoke(one)
        return "all paid"

    tool = guard.read(name="batch")(batch if mode == "sync" else abatch)
    graph = guard.compile(agent([calls(("batch", {})), "done"], [tool], handle_tool_errors=True))
    config = guard.config("c-1", KIM)
    output = run(graph, ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.CHECK_FAILED
    assert paid == []
    assert last(output) != "done"


@pytest.mark.promise("P9")
def test_a_tool_node_that_turns_every_error_into_a_message_does_not_turn_a_stop_into_one(
    scene: Scene, mode: Mode
) -> None:
    guard = scene.guard({"pay": "allow"}, action_checks=[("stopping", stopping)])
    paid: list[JsonObject] = []
    builder = agent([calls(("pay", PAY)), "done"], [payer(guard, paid)], handle_tool_errors=True)
    graph = guard.compile(builder)
    config = guard.config("c-1", KIM)
    output = run(graph, ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.CHECK_FAILED
    assert last(output) != "done"
    assert paid == []


@pytest.mark.promise("P3")
def test_a_swallowed_failure_of_an_effect_leaves_it_in_doubt_and_ends_the_turn(
    scene: Scene, mode: Mode
) -> None:
    guard = scene.guard({"pay": "allow"})
    started: list[str] = []

    def pay(claim: str, amount: int) -> str:
        """Pay a claim."""
        started.append(claim)
        raise ConnectionError("the bank hung up")

    async def apay(claim: str, amount: int) -> str:
        """Pay a claim."""
        return pay(claim, amount)

    tool = guard.effect(name="pay", key=lambda a: a.claim)(pay if mode == "sync" else apay)

    def desk(state: Any) -> dict[str, Any]:
        for _ in range(3):
            with contextlib.suppress(BaseException):
                tool.invoke(PAY)
        return {"messages": [AIMessage("went on")]}

    async def adesk(state: Any) -> dict[str, Any]:
        for _ in range(3):
            with contextlib.suppress(BaseException):
                await tool.ainvoke(PAY)
        return {"messages": [AIMessage("went on")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk if mode == "sync" else adesk)
    builder.add_edge(START, "desk")
    graph = guard.compile(builder)
    config = guard.config("c-1", KIM)
    run(graph, ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.EFFECT_IN_DOUBT
    assert started == ["C-1"]


@pytest.mark.promise("P9")
def test_a_subgraph_that_swallows_a_stop_does_not_go_on(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"}, action_checks=[("stopping", stopping)])
    paid: list[JsonObject] = []
    inner: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    inner.add_node("tools", ToolNode([payer(guard, paid)]))
    inner.add_edge(START, "tools")
    subgraph = inner.compile()

    def call(state: Any) -> dict[str, Any]:
        with contextlib.suppress(BaseException):
            subgraph.invoke(state)
        return {"messages": [AIMessage("went on")]}

    async def acall(state: Any) -> dict[str, Any]:
        with contextlib.suppress(BaseException):
            await subgraph.ainvoke(state)
        return {"messages": [AIMessage("went on")]}

    def after(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage("after")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("call", call if mode == "sync" else acall)
    builder.add_node("after", after)
    builder.add_edge(START, "call")
    builder.add_edge("call", "after")
    graph = guard.compile(builder)
    config = guard.config("c-1", KIM)
    output = run(graph, {"messages": [calls(("pay", PAY))]}, config, mode)
    assert ended(guard, config).reason is NoResultReason.CHECK_FAILED
    assert "after" not in [message.text for message in output["messages"]]
    assert paid == []
