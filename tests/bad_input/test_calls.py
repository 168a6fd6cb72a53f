"""Calls to a guarded graph with something missing, forged or malformed."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, Overwrite

from guardkit import Finished, Guard, GuardedGraph, Principal
from guardkit.core.runs import TurnStatus
from guardkit.core.values import JsonObject
from guardkit.errors import BusyError, InputError, OutsideRunError, UnknownApprovalError
from guardkit.testing import calls, run_unguarded
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    approvals,
    ask,
    compiled,
    decide,
    entries,
    go_on,
    last,
    payer,
    run,
    waiting,
)

pytestmark = [pytest.mark.promise("P15")]

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))


def asking(scene: Scene, paid: list[JsonObject], *lines: Any) -> tuple[Guard, GuardedGraph]:
    """An agent whose payments people have to approve."""
    guard = scene.guard({"pay": ASK})
    return guard, compiled(guard, lines or [PAY, "done"], [payer(guard, paid)])


def changed_nothing(guard: Guard) -> bool:
    """Whether there is no trace of a call in the database."""
    return not guard.store.threads(None) and not entries(guard) and not guard.store.listed()


# --- thread and principal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "configurable",
    [{}, {"thread_id": ""}, {"thread_id": None}, {"thread_id": ["c-1"]}, {"thread": "c-1"}],
    ids=["none", "empty", "null", "a list", "misspelt"],
)
def test_a_call_without_a_thread_id_is_refused(
    scene: Scene, mode: Mode, configurable: dict[str, Any]
) -> None:
    guard, graph = asking(scene, [])
    config: Any = guard.config("c-1", KIM)
    config["configurable"].pop("thread_id")
    config["configurable"] |= configurable
    with pytest.raises(InputError, match=r"thread_id.*guard\.config") as caught:
        run(graph, ask(), config, mode)
    assert caught.value.remedy is not None
    assert changed_nothing(guard)


def test_a_call_without_any_config_is_refused(scene: Scene) -> None:
    guard, graph = asking(scene, [])
    with pytest.raises(InputError, match="thread_id"):
        graph.invoke(ask())
    assert changed_nothing(guard)


def test_new_input_without_a_principal_is_refused(scene: Scene, mode: Mode) -> None:
    guard, graph = asking(scene, [])
    for config in (guard.config("c-1"), RunnableConfig(configurable={"thread_id": "c-1"})):
        with pytest.raises(InputError, match="principal") as caught:
            run(graph, ask(), config, mode)
        assert "guard.config" in str(caught.value.remedy)
    assert changed_nothing(guard)


FORGED: JsonObject = {"id": "root", "tenant": "default", "verified_by": "me"}


@pytest.mark.promise("P6", "P14")
@pytest.mark.parametrize(
    "forged",
    [
        {"principal": FORGED},
        {"user_id": "root", "tenant": "other"},
        {"__guardkit_caller": {"principal": FORGED, "tenant": "default"}},
        {"__guardkit_caller": "root", "__guardkit_tenant": "other"},
        {"__guardkit_run": {"tenant": "default", "thread_id": "c-1", "turn": 1, "run_id": "x", "token": 99}},
        {"langgraph_auth_user": {"identity": "root"}, "langgraph_auth_user_id": "root"},
        {"langgraph_auth_user_id": "root"},
    ],
    ids=["principal", "user_id", "caller as JSON", "caller as text", "run", "server's user", "server's id"],
)
def test_a_principal_from_the_configurable_is_not_believed(
    scene: Scene, mode: Mode, forged: dict[str, Any]
) -> None:
    guard, graph = asking(scene, [])
    with pytest.raises(InputError, match="principal"):
        run(graph, ask(), {"configurable": {"thread_id": "c-1", **forged}}, mode)
    assert changed_nothing(guard)


@pytest.mark.promise("P6")
def test_what_else_a_configurable_says_does_not_change_who_a_turn_acts_for(scene: Scene) -> None:
    guard, graph = asking(scene, [])
    config: Any = guard.config("c-1", KIM)
    config["configurable"] |= {"principal": FORGED, "langgraph_auth_user_id": "root", "user_id": "root"}
    graph.invoke(ask(), config)
    turn = guard.store.turn("default", "c-1")
    assert turn is not None
    assert turn.principal == KIM


@pytest.mark.promise("P6", "P14")
def test_a_turn_is_not_continued_as_somebody_else(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard, graph = asking(scene, paid)
    config = guard.config("c-1", KIM)
    run(graph, ask(), config, mode)
    with pytest.raises(InputError, match="another principal") as caught:
        run(graph, None, guard.config("c-1", Principal(id="lee")), mode)
    assert caught.value.remedy is not None
    with pytest.raises(InputError, match="no turn"):
        run(graph, None, guard.config("c-1", Principal(id="kim", tenant="other")), mode)
    decide(guard, waiting(guard, config)[0])
    assert last(go_on(graph, guard.config("c-1"), mode)) == "done"
    assert len(paid) == 1


def test_a_thread_without_a_turn_has_nothing_to_continue_and_no_outcome(scene: Scene, mode: Mode) -> None:
    guard, graph = asking(scene, [])
    config = guard.config("nowhere", KIM)
    with pytest.raises(InputError, match=r"'nowhere' has no turn.*send new input"):
        run(graph, None, config, mode)
    with pytest.raises(InputError, match=r"'nowhere' has no turn"):
        guard.outcome(None, config)


# --- how a graph is called ------------------------------------------------------------------------------------------


@pytest.mark.promise("P12")
def test_a_durability_that_could_not_be_resumed_is_refused(scene: Scene, mode: Mode) -> None:
    guard, graph = asking(scene, [])
    config = guard.config("c-1", KIM)
    with pytest.raises(InputError, match=r"durability='exit'.*means 'sync'"):
        run(graph, ask(), config, mode, durability="exit")
    with pytest.raises(InputError, match=r"durability='exit'"):
        run(graph, ask(), config, mode, checkpoint_during=False)
    with pytest.raises(InputError, match=r"durability='exit'"):
        list(graph.stream(ask(), config, durability="exit"))
    assert changed_nothing(guard)


@pytest.mark.promise("P12")
def test_a_graph_around_that_keeps_nothing_is_refused(scene: Scene, mode: Mode) -> None:
    guard, graph = asking(scene, [])
    builder = StateGraph(MessagesState).add_node("inner", graph).add_edge(START, "inner")
    outer = builder.compile(checkpointer=InMemorySaver())
    with pytest.raises(InputError, match=r"durability='exit'"):
        run(outer, ask(), guard.config("c-1", KIM), mode, durability="exit")
    assert changed_nothing(guard)


@pytest.mark.promise("P3")
def test_a_recursion_limit_fails_the_turn_which_can_be_continued(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})
    paid: list[JsonObject] = []
    graph = compiled(guard, [PAY, "done"], [payer(guard, paid)])
    config = guard.config("c-1", KIM)
    with pytest.raises(GraphRecursionError):
        run(graph, ask(), {**config, "recursion_limit": 2}, mode)
    turn = guard.store.turn("default", "c-1")
    assert turn is not None
    assert turn.status is TurnStatus.FAILED
    with pytest.raises(InputError, match=r"turn 1 of thread 'c-1' failed.*continue it"):
        guard.outcome(None, config)

    assert last(run(graph, None, config, mode)) == "done"
    assert len(paid) == 1
    assert isinstance(guard.outcome(None, config), Finished)


class Count(TypedDict):
    """How often a node ran."""

    log: Annotated[list[str], operator.add]


@pytest.mark.promise("P11")
def test_a_run_inside_a_run_of_the_same_thread_is_busy(scene: Scene, mode: Mode) -> None:
    guard, inner = asking(scene, [], "inner")

    def node(state: Any) -> dict[str, Any]:
        inner.invoke(ask(), guard.config("c-1", KIM))
        raise AssertionError("a thread has one run at a time")

    async def anode(state: Any) -> dict[str, Any]:
        await inner.ainvoke(ask(), guard.config("c-1", KIM))
        raise AssertionError("a thread has one run at a time")

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Count)
    builder.add_node("node", node if mode == "sync" else anode)
    builder.add_edge(START, "node")
    graph = guard.compile(builder, name="outer")
    with pytest.raises(BusyError, match="'c-1' is held by the run that this call is part of"):
        run(graph, {"log": []}, guard.config("c-1", KIM), mode)
    assert len(guard.store.threads("default")) == 1


def test_a_run_inside_a_run_may_have_a_thread_of_its_own(scene: Scene, mode: Mode) -> None:
    guard, inner = asking(scene, [], "inner")

    def node(state: Any) -> dict[str, Any]:
        return {"log": [last(inner.invoke(ask(), guard.config("c-2", KIM)))]}

    async def anode(state: Any) -> dict[str, Any]:
        return {"log": [last(await inner.ainvoke(ask(), guard.config("c-2", KIM)))]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Count)
    builder.add_node("node", node if mode == "sync" else anode)
    builder.add_edge(START, "node")
    graph = guard.compile(builder, name="outer")
    assert run(graph, {"log": []}, guard.config("c-1", KIM), mode)["log"] == ["inner"]


@pytest.mark.promise("P7")
async def test_a_guarded_tool_outside_a_run_does_not_run(scene: Scene) -> None:
    guard = scene.guard({"pay": "allow"})
    paid: list[JsonObject] = []
    pay = payer(guard, paid)
    args = {"claim": "C-1", "amount": 5}
    for call in (pay.invoke, pay.run):
        with pytest.raises(OutsideRunError, match=r"'pay'.*run_unguarded"):
            call(args)
    for acall in (pay.ainvoke, pay.arun):
        with pytest.raises(OutsideRunError, match=r"'pay'.*run_unguarded"):
            await acall(args)
    with pytest.raises(OutsideRunError, match="'pay' is called past its gate"):
        pay._run(**args)
    assert paid == []
    with run_unguarded():
        pay.invoke(args)
    assert paid == [args]


# --- answers ------------------------------------------------------------------------------------------------------------

GARBAGE: dict[str, Any] = {
    "text": "approve",
    "true": True,
    "false": False,
    "number": 1,
    "list": [{"type": "accept"}],
    "empty": {},
    "approved by nobody": {"decisions": [{"type": "approve"}]},
    "edited by nobody": {"decisions": [{"type": "edit", "edited_action": {"name": "pay", "args": {}}}]},
    "an unknown id": {"0" * 32: {"decisions": [{"type": "approve"}]}},
    "no id": {"": "approve"},
    "an overwrite": Overwrite("approve"),
    "huge": "approve" * 100_000,
}


@pytest.mark.promise("P2", "P6", "P12")
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_whatever_a_graph_is_resumed_with_the_question_stays_open(
    scene: Scene, mode: Mode, garbage: Any
) -> None:
    paid: list[JsonObject] = []
    guard, graph = asking(scene, paid)
    config = guard.config("c-1", KIM)
    run(graph, ask(), config, mode)
    (asked,) = waiting(guard, config)
    for answer in (garbage, {graph.get_state(config).interrupts[0].id: garbage}):
        run(graph, Command(resume=answer), config, mode)
        assert paid == []
        assert waiting(guard, config) == [asked]

    decide(guard, asked)
    assert last(go_on(graph, config, mode)) == "done"
    assert len(paid) == 1


@pytest.mark.promise("P12")
def test_resuming_with_nothing_is_told_and_keeps_the_question(scene: Scene, mode: Mode) -> None:
    guard, graph = asking(scene, [])
    config = guard.config("c-1", KIM)
    run(graph, ask(), config, mode)
    asked = waiting(guard, config)
    for nothing in (Command(resume=None), Command(), Command(update={}, goto=[])):
        with pytest.raises(InputError, match="Command") as caught:
            run(graph, nothing, config, mode)
        assert caught.value.remedy is not None
        assert waiting(guard, config) == asked


@pytest.mark.promise("P2")
def test_an_answer_to_another_question_answers_none(scene: Scene) -> None:
    paid: list[JsonObject] = []
    guard, graph = asking(scene, paid)
    mine, other = guard.config("mine", KIM), guard.config("other", KIM)
    graph.invoke(ask(), mine)
    graph.invoke(ask(), other)
    (asked,) = waiting(guard, mine)
    decide(guard, waiting(guard, other)[0])
    graph.invoke(Command(resume={graph.get_state(other).interrupts[0].id: "approve"}), mine)
    assert paid == []
    assert waiting(guard, mine) == [asked]


@pytest.mark.promise("P2", "P6")
def test_an_approval_that_does_not_exist_is_no_one_to_decide(scene: Scene) -> None:
    guard, graph = asking(scene, [])
    config = guard.config("c-1", KIM)
    graph.invoke(ask(), config)
    (asked,) = waiting(guard, config)
    before = entries(guard)
    for unknown in ("", "nonsense", "0" * 64, asked.request.id.upper() + "0"):
        bad = asked.model_copy(update={"request": asked.request.model_copy(update={"id": unknown})})
        with pytest.raises(UnknownApprovalError, match="no such approval"):
            decide(guard, bad)
    with pytest.raises(UnknownApprovalError):
        guard.desk.cancel("nonsense", by="op", why="tidying")
    assert entries(guard) == before
    assert approvals(guard) == [asked]


def test_a_state_update_of_an_ordinary_node_is_not_taken_for_an_answer(scene: Scene) -> None:
    guard = scene.guard({"pay": ASK})
    pay = payer(guard, [])

    def desk(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(pay.invoke({"claim": "C-1", "amount": 5}))]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk)
    builder.add_edge(START, "desk")
    graph = guard.compile(builder)
    config = guard.config("c-1", KIM)
    graph.invoke(ask(), config)
    graph.update_state(config, {"messages": [AIMessage("approve")]})
    graph.invoke(None, config)
    assert [one.args["claim"] for one in waiting(guard, config)] == ["C-1"]
