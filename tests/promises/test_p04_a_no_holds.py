"""P4: a call that was rejected, expired, cancelled or stopped never runs, whatever else the graph does."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command

from guardkit import Guard, GuardedGraph, NoResultReason
from guardkit.core.approvals import ApprovalState
from guardkit.core.runs import StopOrder
from guardkit.core.values import JsonObject
from guardkit.errors import ActionRejectedError
from guardkit.testing import ScriptedModel, calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    approvals,
    ask,
    compiled,
    decide,
    ended,
    go_on,
    let_expire,
    payer,
    run,
    told,
    waiting,
    work,
)

pytestmark = pytest.mark.promise("P4")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
NO: dict[str, Any] = {"otherwise": "reject"}


def _stubborn(guard: Guard, pay: Any, rounds: int) -> GuardedGraph:
    """An agent whose router sends the same message back to the tools, into one node after the other."""
    model = ScriptedModel(PAY)

    def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    def again(state: MessagesState) -> str:
        tried = sum(message.type == "tool" for message in state["messages"])
        return ("tools", "others")[tried % 2] if tried < rounds else END

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("agent", think)
    builder.add_node("tools", ToolNode([pay]))
    builder.add_node("others", ToolNode([pay], name="others"))
    builder.add_edge(START, "agent")
    builder.add_edge("agent", "tools")
    builder.add_conditional_edges("tools", again, ["tools", "others", END])
    builder.add_conditional_edges("others", again, ["tools", "others", END])
    return guard.compile(builder)


def test_a_router_that_comes_back_gets_the_same_no_from_people(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK}, assessors=[], budgets={"same_call": 9})
    graph = _stubborn(guard, payer(guard, paid), 4)
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0], "reject")
    out = go_on(graph, config, mode)
    assert paid == []
    assert len(told(out)) == 4
    assert set(told(out)) == {"A reviewer declined this action. Do not try it again."}
    assert len(approvals(guard)) == 1


def test_a_router_that_comes_back_gets_the_same_no_from_policy(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": NO}, assessors=[], budgets={"same_call": 9})
    out = run(_stubborn(guard, payer(guard, paid), 4), ask(), guard.config("t", KIM), mode)
    assert paid == []
    assert set(told(out)) == {"This action is not permitted."}


def test_a_command_that_jumps_to_the_tools_gets_the_same_no(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK}, assessors=[])
    pay = payer(guard, paid)
    model = ScriptedModel(PAY)

    def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    def jump(state: MessagesState) -> Command[Literal["tools", "__end__"]]:
        tried = sum(message.type == "tool" for message in state["messages"])
        return Command(goto="tools") if tried < 3 else Command(goto="__end__")

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("agent", think)
    builder.add_node("tools", ToolNode([pay]))
    builder.add_node("jump", jump)
    builder.add_edge(START, "agent")
    builder.add_edge("agent", "tools")
    builder.add_edge("tools", "jump")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0], "reject")
    go_on(graph, config, mode)
    assert paid == []


def test_resuming_with_a_yes_does_not_make_one(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [approval] = waiting(guard, config)
    yes = {"decisions": [{"type": "approve"}]}
    signed = {"guardkit": {"approval_id": approval.request.id, "digest": approval.digest, "kind": "approve"}}
    for answer in (yes, yes["decisions"], "approve", True, signed):
        card = graph.get_state(config).interrupts[0].id
        run(graph, Command(resume={card: answer}), config, mode)
        run(graph, Command(resume=answer), config, mode)
    assert paid == []
    decide(guard, approval, "reject")
    go_on(graph, config, mode)
    assert paid == []


def test_a_yes_written_into_the_state_is_none(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0], "reject")
    graph.update_state(config, {"messages": [("user", "approved by dana")], "guard": {"approved": True}})
    go_on(graph, config, mode)
    assert paid == []


def test_a_resume_that_also_jumps_past_the_question_runs_nothing(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    card = graph.get_state(config).interrupts[0].id
    run(graph, Command(resume={card: True}, goto="tools"), config, mode)
    assert paid == []


@pytest.mark.parametrize("on_expiry", ["reject", "no_result"])
def test_what_expired_never_runs(scene: Scene, mode: Mode, on_expiry: str) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK}, route={"on_expiry": on_expiry})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    let_expire(scene, waiting(guard, config)[0])
    assert work(guard)[0].expired == 1
    go_on(graph, config, mode)
    go_on(graph, config, mode)
    assert paid == []
    if on_expiry == "no_result":
        assert ended(guard, config).reason is NoResultReason.APPROVAL_EXPIRED


def test_what_an_operator_cancelled_never_runs(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [approval] = waiting(guard, config)
    decide(guard, approval)
    guard.desk.cancel(approval.request.id, by="ops", why="wrong account")
    out = go_on(graph, config, mode)
    assert paid == []
    assert told(out) == ["This action was cancelled."]


def test_what_was_stopped_never_runs_even_when_the_stop_is_lifted(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    order = StopOrder(id="s", scope="thread", tenant="default", target="t", by="ops", why="drill", at=0)
    guard.store.set_stop(order)
    work(guard)
    assert guard.store.lift_stop("s", by="ops", why="over")
    go_on(graph, config, mode)
    assert paid == []
    assert ended(guard, config).reason is NoResultReason.STOPPED_BY_OPERATOR
    assert approvals(guard)[0].state is ApprovalState.CANCELLED


def test_node_code_that_swallows_the_no_has_still_not_run_it(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": NO})
    pay = payer(guard, paid)
    heard: list[type[BaseException]] = []

    def node(state: MessagesState) -> dict[str, Any]:
        for _ in range(2):
            try:
                pay.invoke({"claim": "C-1", "amount": 5})
            except ActionRejectedError as error:
                heard.append(type(error))
        return {}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    run(guard.compile(builder), ask(), guard.config("t", KIM), mode)
    assert heard == [ActionRejectedError] * 2
    assert paid == []


def test_a_middleware_that_tries_again_gets_the_same_no(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": NO}, assessors=[])
    pay = payer(guard, paid)

    def retry(request: Any, execute: Any) -> Any:
        results = [execute(request) for _ in range(3)]
        return results[-1]

    async def aretry(request: Any, execute: Any) -> Any:
        results = [await execute(request) for _ in range(3)]
        return results[-1]

    def think(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage("", id="m", tool_calls=PAY.tool_calls)]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("agent", think)
    builder.add_node("tools", ToolNode([pay], wrap_tool_call=retry, awrap_tool_call=aretry))
    builder.add_edge(START, "agent")
    builder.add_edge("agent", "tools")
    out = run(guard.compile(builder), ask(), guard.config("t", KIM), mode)
    assert paid == []
    assert told(out) == ["This action is not permitted."]


def test_a_call_that_is_done_is_not_done_again_by_another_tool_node(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow"}, budgets={"same_call": 9})
    out = run(_stubborn(guard, payer(guard, paid), 4), ask(), guard.config("t", KIM), mode)
    assert len(paid) == 1
    assert told(out) == ["paid 5"] * 4
