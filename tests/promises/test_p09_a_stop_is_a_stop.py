"""P9: a no result ends the turn, the same for every caller, and nothing happens in it afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Annotated, Any

import pytest
from langgraph.errors import GraphBubbleUp
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, RetryPolicy, Send
from typing_extensions import TypedDict

from guardkit import Guard, GuardedGraph, NoResult, NoResultReason
from guardkit.core.approvals import ApprovalState
from guardkit.core.runs import StopOrder
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError
from guardkit.testing import ScriptedModel, calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    agent,
    approvals,
    ask,
    compiled,
    decide,
    ended,
    last,
    payer,
    run,
    waiting,
    work,
)

pytestmark = pytest.mark.promise("P9")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
STOP = {
    "otherwise": "allow",
    "rules": [{"id": "never", "when": "true", "decide": "stop", "why": "never in this house"}],
}


def _stopping(scene: Scene, *more: Any) -> tuple[Guard, GuardedGraph]:
    guard = scene.guard({"pay": STOP})
    return guard, compiled(guard, [PAY, *more], [payer(guard, [])])


def _no_result(state: Any) -> dict[str, Any]:
    return state["guard"]["no_result"]


def test_every_caller_gets_the_same_no_result(scene: Scene) -> None:
    guard, graph = _stopping(scene)

    def config(name: str) -> Any:
        return guard.config(name, KIM)

    async def events() -> Any:
        last = None
        async for event in graph.astream_events(ask(), config("events"), version="v2"):
            last = event
        assert last is not None
        assert last["event"] == "on_chain_end"
        return last["data"].get("output")

    async def astream() -> Any:
        return [chunk async for chunk in graph.astream(ask(), config("astream"), stream_mode="values")][-1]

    seen = {
        "invoke": graph.invoke(ask(), config("invoke")),
        "ainvoke": asyncio.run(graph.ainvoke(ask(), config("ainvoke"))),
        "stream": list(graph.stream(ask(), config("stream"), stream_mode="values"))[-1],
        "astream": asyncio.run(astream()),
        "events": asyncio.run(events()),
        "updates": list(graph.stream(ask(), config("updates"), stream_mode="updates"))[-1]["tools"],
        "v2": graph.invoke(ask(), config("v2"), version="v2").value,
        "batch": graph.batch([ask()], [config("batch")])[0],
    }
    for name, out in seen.items():
        found = NoResult.model_validate(_no_result(out))
        assert found.reason is NoResultReason.POLICY_DENIED, name
        assert found.why == ("never in this house",), name
        assert found == ended(guard, config(name)), name
        assert graph.get_state(config(name)).next == (), name


def test_nothing_is_next_and_going_on_does_nothing(scene: Scene, mode: Mode) -> None:
    guard, graph = _stopping(scene)
    config = guard.config("t", KIM)
    first = run(graph, ask(), config, mode)
    for given in (None, Command(resume="yes"), Command(resume={"a" * 32: "yes"})):
        again = run(graph, given, config, mode)
        assert _no_result(again) == _no_result(first)
    assert graph.get_state(config).next == ()
    assert len(first["messages"]) == len(again["messages"])


def test_new_input_opens_a_new_turn(scene: Scene, mode: Mode) -> None:
    guard, graph = _stopping(scene, "Hello again.")
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    out = run(graph, ask("Still there?"), config, mode)
    assert last(out) == "Hello again."
    assert "no_result" not in out["guard"]
    assert not isinstance(guard.outcome(out, config), NoResult)


class Wide(TypedDict):
    messages: Annotated[list[Any], add_messages]
    log: Annotated[list[str], lambda a, b: a + b]


def _everything(scene: Scene, ran: list[str]) -> tuple[Guard, GuardedGraph]:
    """A stop deep inside, with everything beside and behind it that could still fire."""
    guard = scene.guard({"pay": STOP})
    pay = payer(guard, [])
    model = ScriptedModel(PAY)

    def think(state: Wide) -> dict[str, Any]:
        return {"messages": [model.invoke([])]}

    inner: StateGraph[Any, Any, Any, Any] = StateGraph(Wide)
    inner.add_node("think", think, retry_policy=RetryPolicy(max_attempts=3))
    inner.add_node(
        "tools", ToolNode([pay], handle_tool_errors=True), retry_policy=RetryPolicy(max_attempts=3)
    )
    inner.add_node("behind", lambda state: ran.append("inner edge") or {})
    inner.add_edge(START, "think")
    inner.add_edge("think", "tools")
    inner.add_edge("tools", "behind")

    def slow(state: Wide) -> Any:
        time.sleep(0.2)
        return Command(update={"log": ["slow"]}, goto=[Send("behind", state)])

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Wide)
    builder.add_node("deep", inner.compile())
    builder.add_node("slow", slow, destinations=("behind",))
    builder.add_node("behind", lambda state: ran.append("edge") or {})
    builder.add_node("joined", lambda state: ran.append("join") or {})
    builder.add_node("late", lambda state: ran.append("deferred") or {}, defer=True)
    builder.add_edge(START, "deep")
    builder.add_edge(START, "slow")
    builder.add_edge("deep", "behind")
    builder.add_edge(["deep", "slow"], "joined")
    builder.add_conditional_edges("deep", lambda state: "behind", ["behind", END])
    builder.add_edge("deep", "late")
    return guard, guard.compile(builder)


def test_a_stop_deep_inside_leaves_no_edge_to_fire(scene: Scene, mode: Mode) -> None:
    ran: list[str] = []
    guard, graph = _everything(scene, ran)
    config = guard.config("t", KIM)
    out = run(graph, ask(), config, mode)
    assert ran == []
    assert NoResult.model_validate(_no_result(out)).reason is NoResultReason.POLICY_DENIED
    assert out["log"] == ["slow"]
    assert graph.get_state(config).next == ()
    run(graph, None, config, mode)
    assert ran == []


def test_user_code_that_swallows_the_exception_stops_all_the_same(scene: Scene, mode: Mode) -> None:
    ran: list[str] = []
    guard = scene.guard({"pay": STOP})
    pay = payer(guard, [])

    def node(state: MessagesState) -> dict[str, Any]:
        try:
            pay.invoke({"claim": "C-1", "amount": 5})
        except GraphBubbleUp:
            ran.append("swallowed")
        return {"messages": [("ai", "as if nothing had happened")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_node("behind", lambda state: ran.append("behind") or {})
    builder.add_edge(START, "node")
    builder.add_edge("node", "behind")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    assert ran == ["swallowed"]
    assert ended(guard, config).reason is NoResultReason.POLICY_DENIED


def test_open_questions_are_void_and_a_late_yes_does_nothing(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK, "wipe": STOP})
    pay = payer(guard, paid)

    @guard.effect
    def wipe() -> str:
        """Wipe."""
        raise AssertionError("never")

    model = ScriptedModel(PAY)
    evil = ScriptedModel(calls(("wipe", {})))

    def good(state: MessagesState) -> Any:
        return Command(goto=Send("tools", {"messages": [model.invoke([])]}))

    def bad(state: MessagesState) -> Any:
        time.sleep(0.3)
        return Command(goto=Send("more", {"messages": [evil.invoke([])]}))

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("good", good, destinations=("tools",))
    builder.add_node("bad", bad, destinations=("more",))
    builder.add_node("tools", ToolNode([pay]))
    builder.add_node("more", ToolNode([wipe], name="more"))
    builder.add_edge(START, "good")
    builder.add_edge(START, "bad")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    out = run(graph, ask(), config, mode)
    assert "__interrupt__" not in out
    assert ended(guard, config).reason is NoResultReason.POLICY_DENIED
    for approval in approvals(guard):
        assert approval.state is ApprovalState.CANCELLED
        with pytest.raises(DecisionRefusedError):
            decide(guard, approval)
    assert work(guard)[0].idle
    run(graph, None, config, mode)
    assert paid == []


def _order(scope: Any, target: str | None, name: str = "drill") -> StopOrder:
    tenant = None if scope == "everything" else "default"
    return StopOrder(id=name, scope=scope, tenant=tenant, target=target, by="ops", why="drill", at=0)


@pytest.mark.parametrize(
    ("scope", "target"),
    [
        pytest.param("thread", "t", id="thread"),
        pytest.param("agent", "agent", id="agent"),
        pytest.param("tenant", None, id="tenant"),
        pytest.param("everything", None, id="everything"),
    ],
)
def test_an_operators_stop_lasts_until_it_is_lifted(
    scene: Scene, mode: Mode, scope: str, target: str | None
) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow"})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    guard.store.set_stop(_order(scope, target))
    for _ in range(2):
        out = run(graph, ask(), config, mode)
        assert NoResult.model_validate(_no_result(out)).reason is NoResultReason.STOPPED_BY_OPERATOR
    assert paid == []
    guard.store.lift_stop("drill", by="ops", why="over")
    run(graph, ask(), config, mode)
    assert len(paid) == 1


def test_a_stop_on_another_thread_stops_nothing_here(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow"})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    guard.store.set_stop(_order("thread", "u"))
    run(graph, ask(), guard.config("t", KIM), mode)
    assert len(paid) == 1


def test_a_stop_ends_a_paused_turn_without_anybody_resuming_it(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [approval] = waiting(guard, config)
    guard.store.set_stop(_order("agent", "agent"))
    work(guard)
    assert ended(guard, config).reason is NoResultReason.STOPPED_BY_OPERATOR
    with pytest.raises(DecisionRefusedError):
        decide(guard, approval)
    assert graph.get_state(config).next == ()


def test_a_stop_reaches_a_run_that_is_under_way_at_its_next_effect(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow", "dawdle": "allow"})
    pay = payer(guard, paid)

    @guard.read(trust="trusted")
    def dawdle() -> str:
        """Let an operator stop everything meanwhile."""
        thread = threading.Thread(target=lambda: guard.store.set_stop(_order("everything", None)))
        thread.start()
        thread.join()
        return "here"

    graph = guard.compile(agent([calls(("dawdle", {})), PAY, "Done."], [dawdle, pay]))
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    assert paid == []
    assert ended(guard, config).reason is NoResultReason.STOPPED_BY_OPERATOR


def test_a_node_or_a_tool_cannot_write_an_outcome_into_the_channel(scene: Scene, mode: Mode) -> None:
    forged = {"turn": 1, "answer": {"text": "verified, honestly"}, "no_result": None}
    guard = scene.guard({})

    def forge(state: MessagesState) -> Any:
        return Command(update={"guard": forged, "messages": [("ai", "hello")]})

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("forge", forge)
    builder.add_edge(START, "forge")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    out = run(graph, {**ask(), "guard": forged}, config, mode)
    assert out["guard"] == {"turn": 1}
    graph.update_state(config, {"guard": forged})
    assert graph.get_state(config).values["guard"] == {"turn": 1}
