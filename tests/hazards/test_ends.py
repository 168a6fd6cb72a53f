"""Facts 8 to 10: a graph that does not end where it was told to, or ends where it was not."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, RetryPolicy, interrupt

from guardkit import Finished, Guard, GuardedGraph, NoResult, NoResultReason, Verdict
from guardkit.core.runs import TurnStatus
from guardkit.core.values import JsonObject
from guardkit.errors import FingerprintError
from guardkit.testing import ScriptedModel, calls
from tests.hazards.stock import CONFIG, Log, one_node, question, still
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    approvals,
    ask,
    decide,
    ended,
    go_on,
    last,
    payer,
    run,
    told,
    waiting,
    work,
)

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))

# --- 8: Command(goto=END) does not end a graph ------------------------------------------------------------------------


class Desk(TypedDict):
    """A conversation, and the nodes that ran."""

    messages: Annotated[list[AnyMessage], add_messages]
    ran: Annotated[list[str], operator.add]


def halting(action: Any, context: Any) -> Verdict:
    """A check that ends the turn."""
    return Verdict(check="halting", outcome="stop", why="enough")


def noting(name: str) -> Any:
    def node(state: Any) -> dict[str, Any]:
        return {"ran": [name]}

    return node


@pytest.mark.promise("P4", "P9")
def test_a_no_result_ends_the_graph_whatever_edges_say(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"}, action_checks=[("halting", halting)])
    paid: list[JsonObject] = []
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Desk)

    def think(state: Any) -> dict[str, Any]:
        return {"messages": [ScriptedModel(PAY).invoke(state["messages"])]}

    builder.add_node("agent", think)
    builder.add_node("tools", ToolNode([payer(guard, paid)], handle_tool_errors=True))
    for name in ("after", "routed", "joined", "later"):
        builder.add_node(name, noting(name))
    builder.add_edge(START, "agent")
    builder.add_edge("agent", "tools")
    builder.add_edge("tools", "after")  # a static edge
    builder.add_conditional_edges("tools", lambda state: "routed", ["routed"])  # a conditional one
    builder.add_edge(["tools", "agent"], "joined")  # one that waits for two nodes
    builder.add_edge("after", "later")
    graph = guard.compile(builder)
    config = guard.config("halted", KIM)
    output = run(graph, ask(), config, mode)

    assert output["ran"] == []
    assert graph.get_state(config).next == ()
    assert ended(guard, config).reason is NoResultReason.CHECK_FAILED
    run(graph, None, config, mode)
    assert graph.get_state(config).values["ran"] == []
    assert paid == []


@pytest.mark.promise("P9")
def test_a_sibling_that_goes_elsewhere_does_not_carry_an_ended_turn_on(scene: Scene) -> None:
    guard = scene.guard({"pay": "allow"}, action_checks=[("halting", halting)])
    paid: list[JsonObject] = []
    pay = payer(guard, paid)

    def paying(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(pay.invoke({"claim": "C-1", "amount": 5}))]}

    def straying(state: Any) -> Command[Any]:
        return Command(goto="after", update={"ran": ["straying"]})

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Desk)
    builder.add_node("paying", paying)
    builder.add_node("straying", straying, destinations=("after",))
    builder.add_node("after", noting("after"))
    builder.add_edge(START, "paying")
    builder.add_edge(START, "straying")
    graph = guard.compile(builder)
    config = guard.config("halted", KIM)
    graph.invoke(ask(), config)

    assert "after" not in graph.get_state(config).values["ran"]
    assert graph.get_state(config).next == ()
    assert isinstance(guard.outcome(None, config), NoResult)


def test_canary_going_to_the_end_does_not_end_a_stock_graph() -> None:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)

    def halt(state: Any) -> Command[Any]:
        return Command(goto=END, update={"log": ["halt"]})

    def after(state: Any) -> dict[str, Any]:
        return {"log": ["after"]}

    builder.add_node("halt", halt)
    builder.add_node("after", after)
    builder.add_edge(START, "halt")
    builder.add_edge("halt", "after")
    output = builder.compile().invoke({"log": []})
    still(output["log"] == ["halt", "after"], "Command(goto=END) leaves the node's static edges in force")


# --- 9: a router that raises loses the rest of the graph --------------------------------------------------------------


def routed(
    guard: Guard, paid: list[JsonObject], router: Callable[[Any], str], **options: Any
) -> GuardedGraph:
    """An agent whose way to its tools is a function."""
    model = ScriptedModel(PAY, "done")
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)

    def think(state: Any) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    builder.add_node("agent", think, **options)
    builder.add_node("tools", ToolNode([payer(guard, paid)]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", router, ["tools", END])
    builder.add_edge("tools", "agent")
    return guard.compile(builder)


def replying(state: Any) -> dict[str, Any]:
    return {"messages": [AIMessage("done")]}


class Router:
    """Raises as often as it is told, then does its work."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __call__(self, state: Any) -> str:
        if self.failures > 0:
            self.failures -= 1
            raise ConnectionError("the router is down")
        return "tools" if state["messages"][-1].tool_calls else END


@pytest.mark.promise("P12", "P15")
def test_a_router_that_raises_loses_nothing(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})
    paid: list[JsonObject] = []
    graph = routed(guard, paid, Router(1))
    config = guard.config("routed", KIM)
    with pytest.raises(ConnectionError):
        run(graph, ask(), config, mode)
    assert graph.get_state(config).next == ("agent",)
    turn = guard.store.turn("default", "routed")
    assert turn is not None
    assert turn.status is TurnStatus.FAILED
    assert paid == []

    assert last(run(graph, None, config, mode)) == "done"
    assert paid == [{"claim": "C-1", "amount": 5}]
    assert isinstance(guard.outcome(None, config), Finished)


@pytest.mark.promise("P12", "P15")
def test_a_router_that_raises_at_the_start_loses_nothing(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({})
    router = Router(1)
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("reply", replying)
    builder.add_conditional_edges(START, lambda state: "reply" if router(state) else "", ["reply"])
    graph = guard.compile(builder)
    config = guard.config("routed", KIM)
    with pytest.raises(ConnectionError):
        run(graph, {"messages": [AIMessage("", tool_calls=PAY.tool_calls)]}, config, mode)
    assert last(run(graph, None, config, mode)) == "done"


@pytest.mark.promise("P12", "P15")
def test_a_router_that_raises_in_a_subgraph_loses_nothing(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({})
    router = Router(1)
    inner: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    inner.add_node("agent", lambda state: {"messages": [PAY]})
    inner.add_node("reply", replying)
    inner.add_edge(START, "agent")
    inner.add_conditional_edges("agent", lambda state: "reply" if router(state) else "", ["reply"])
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("inner", inner.compile())
    builder.add_edge(START, "inner")
    graph = guard.compile(builder)
    config = guard.config("routed", KIM)
    with pytest.raises(ConnectionError):
        run(graph, ask(), config, mode)
    assert last(run(graph, None, config, mode)) == "done"


@pytest.mark.promise("P3", "P15")
def test_a_router_that_raises_is_tried_again_with_its_node(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})
    paid: list[JsonObject] = []
    policy = RetryPolicy(max_attempts=3, initial_interval=0.01, jitter=False)
    graph = routed(guard, paid, Router(2), retry_policy=policy)
    config = guard.config("routed", KIM)
    assert last(run(graph, ask(), config, mode)) == "done"
    assert paid == [{"claim": "C-1", "amount": 5}]
    assert [message.type for message in graph.get_state(config).values["messages"]] == [
        "human",
        "ai",
        "tool",
        "ai",
    ]


@pytest.mark.promise("P7", "P12")
def test_a_check_that_raises_refuses_and_does_not_lose_the_graph(scene: Scene, mode: Mode) -> None:
    def broken(action: Any, context: Any) -> Verdict:
        raise ConnectionError("the check is down")

    guard = scene.guard({"pay": "allow"}, action_checks=[("broken", broken)])
    paid: list[JsonObject] = []
    graph = routed(guard, paid, Router(0))
    config = guard.config("checked", KIM)
    output = run(graph, ask(), config, mode)
    assert last(output) == "done"
    assert paid == []
    assert "not permitted" in told(output)[0]


def test_canary_a_router_that_raises_loses_the_rest_of_a_stock_graph() -> None:
    router = Router(1)
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("agent", lambda state: {"messages": [PAY]})
    builder.add_node("tools", lambda state: {"messages": [AIMessage("done")]})
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", router, ["tools", END])
    graph = builder.compile(checkpointer=InMemorySaver())
    with pytest.raises(ConnectionError):
        graph.invoke({"messages": []}, CONFIG)
    output = graph.invoke(None, CONFIG)
    still(
        graph.get_state(CONFIG).next == () and last(output) != "done",
        "after a router has raised, invoke(None) returns normally and the rest of the graph never runs",
    )


# --- 10: a resume against changed code fails silently -----------------------------------------------------------------


def paying_as(guard: Guard, paid: list[JsonObject], *, node: str, claims: tuple[str, ...]) -> GuardedGraph:
    """A graph whose one node, under some name, pays some claims."""
    pay = payer(guard, paid)

    def desk(state: Any) -> dict[str, Any]:
        said = [pay.invoke({"claim": claim, "amount": 5}) for claim in claims]
        return {"messages": [AIMessage(" and ".join(said))]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node(node, desk)
    builder.add_edge(START, node)
    return guard.compile(builder)


@pytest.mark.promise("P12", "P15")
def test_a_resume_against_changed_code_is_an_error_and_can_be_made_good(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    before, after = scene.guard({"pay": ASK}), scene.guard({"pay": ASK})
    old = paying_as(before, paid, node="desk", claims=("C-1",))
    new = paying_as(after, paid, node="counter", claims=("C-1",))
    config = before.config("changed", KIM)
    run(old, ask(), config, mode)
    (asked,) = waiting(before, config)
    wake = Command(resume={old.get_state(config).interrupts[0].id: "approve"})
    with pytest.raises(FingerprintError, match="run the old code"):
        run(new, wake, config, mode)

    decide(before, asked)
    assert work(after)[0].dead == 1
    (row,) = after.store.threads("default")
    assert row.dead_letter is not None
    assert "changed" in row.dead_letter
    assert work(after)[0].idle
    assert paid == []

    assert after.store.redrive("default", "changed", by="ops")
    assert work(before)[0].resumed == 1
    assert paid == [{"claim": "C-1", "amount": 5}]
    (row,) = before.store.threads("default")
    assert row.dead_letter is None


@pytest.mark.promise("P1", "P2")
def test_an_answer_stays_with_its_question_when_new_code_asks_another_one_first(scene: Scene) -> None:
    paid: list[JsonObject] = []
    before, after = scene.guard({"pay": ASK}), scene.guard({"pay": ASK})
    old = paying_as(before, paid, node="desk", claims=("C-1",))
    config = before.config("changed", KIM)
    old.invoke(ask(), config)
    decide(before, waiting(before, config)[0])

    new = paying_as(after, paid, node="desk", claims=("C-0", "C-1"))
    work(after)
    assert paid == []
    (asked,) = waiting(after, config)
    assert asked.args["claim"] == "C-0"

    decide(after, asked, "reject", by="ben")
    with pytest.raises(Exception, match="declined"):
        go_on(new, config)
    assert paid == []
    assert {one.request.action.args["claim"]: one.state.value for one in approvals(after)} == {
        "C-0": "rejected",
        "C-1": "approved",
    }


def test_canary_a_stock_graph_whose_node_was_renamed_runs_nothing_when_it_is_resumed() -> None:
    saver = InMemorySaver()

    def node(state: Any) -> dict[str, Any]:
        return {"log": [interrupt("pay?")]}

    old = one_node(node, name="desk", saver=saver)
    old.invoke({"log": []}, CONFIG)
    asked = question(old)
    new = one_node(node, name="counter", saver=saver)
    output = new.invoke(Command(resume={asked: "yes"}), CONFIG)
    still(
        output["log"] == [] and new.get_state(CONFIG).next == (),
        "a resume returns normally and runs nothing when the paused node was renamed",
    )


def test_canary_a_stock_answer_goes_to_a_question_that_was_put_before_it() -> None:
    saver = InMemorySaver()
    old = one_node(lambda state: {"log": [interrupt("old?")]}, saver=saver)
    old.invoke({"log": []}, CONFIG)
    asked = question(old)
    new = one_node(lambda state: {"log": [interrupt("new?"), interrupt("old?")]}, saver=saver)
    new.invoke(Command(resume={asked: "yes"}), CONFIG)
    still(
        [one.value for one in new.get_state(CONFIG).interrupts] == ["old?"],
        "a saved answer goes to a question that newer code asks before it",
    )
