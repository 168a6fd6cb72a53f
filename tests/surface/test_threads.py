"""States, histories, time travel, interrupts and batches of a guarded graph beside those of LangGraph."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from guardkit import Guard, GuardedGraph, Paused, Principal
from guardkit.core.values import JsonObject
from guardkit.testing import calls
from tests.promises.scene import ASK, KIM, Mode, Scene, agent, ask, decide, go_on, payer, run, waiting
from tests.surface.pair import Graph, Log, pair, resumed, streamed


def _chain() -> StateGraph[Any, Any, Any, Any]:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
    for name in ("a", "b", "c"):
        builder.add_node(name, lambda state, name=name: {"log": [name]})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_edge("b", "c")
    return builder


def _asking() -> StateGraph[Any, Any, Any, Any]:
    """Two questions of a user's own in one step, and a third behind them."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
    builder.add_node("left", lambda state: {"log": [f"left {interrupt('left?')}"]})
    builder.add_node("right", lambda state: {"log": [f"right {interrupt('right?')}"]})
    builder.add_node("twice", lambda state: {"log": [interrupt("one?") + interrupt("two?")]})
    builder.add_edge(START, "left")
    builder.add_edge(START, "right")
    builder.add_edge(["left", "right"], "twice")
    return builder


def test_a_state_is_what_langgraph_says_it_is(scene: Scene, mode: Mode) -> None:
    both = pair(scene, _chain, interrupt_before=["c"])

    def do(graph: Graph, config: Any) -> Any:
        run(graph, {"log": []}, config, mode)
        state = graph.get_state(config) if mode == "sync" else asyncio.run(graph.aget_state(config))
        return [state.values, state.next, [task.name for task in state.tasks], state.interrupts]

    assert both.both(do) == [{"log": ["a", "b"]}, ["c"], ["c"], []]


def test_a_history_is_what_langgraph_says_it_is(scene: Scene, mode: Mode) -> None:
    both = pair(scene, _chain)

    def do(graph: Graph, config: Any) -> Any:
        run(graph, {"log": []}, config, mode)

        async def collected() -> Any:
            return [one async for one in graph.aget_state_history(config)]

        history = list(graph.get_state_history(config)) if mode == "sync" else asyncio.run(collected())
        return [(one.values, one.next, (one.metadata or {}).get("step")) for one in history]

    assert len(both.both(do)) == 5


def test_an_updated_state_goes_on_as_in_langgraph(scene: Scene, mode: Mode) -> None:
    both = pair(scene, _chain, interrupt_after=["a"])

    def do(graph: Graph, config: Any) -> Any:
        run(graph, {"log": []}, config, mode)
        if mode == "sync":
            graph.update_state(config, {"log": ["by hand"]}, as_node="b")
        else:
            asyncio.run(graph.aupdate_state(config, {"log": ["by hand"]}, as_node="b"))
        return run(graph, None, config, mode)

    assert both.both(do)["log"] == ["a", "by hand", "c"]


@pytest.mark.parametrize("tenant", ["default", "acme"])
def test_time_travel_replays_and_forks(scene: Scene, mode: Mode, tenant: str) -> None:
    both = pair(scene, _chain)
    principal = Principal(id="kim", tenant=tenant)

    def travel(graph: Graph, config: RunnableConfig) -> list[Any]:
        run(graph, {"log": []}, config, mode)
        before = next(one for one in graph.get_state_history(config) if one.next == ("b",))
        replayed = run(graph, None, before.config, mode)
        forked = graph.update_state(before.config, {"log": ["fork"]})
        went = run(graph, None, forked, mode)
        return [replayed["log"], went["log"], graph.get_state(config).values["log"]]

    stock = travel(both.stock, {"configurable": {"thread_id": "t"}})
    assert travel(both.guarded, both.guard.config("t", principal)) == stock
    assert stock == [["a", "b", "c"], ["a", "fork", "b", "c"], ["a", "fork", "b", "c"]]


def test_the_configs_of_snapshots_hold_no_lease(scene: Scene) -> None:
    both = pair(scene, _chain)
    config = both.guard.config("t", KIM)
    run(both.guarded, {"log": []}, config)
    for one in both.guarded.get_state_history(config):
        for found in (one.config, one.parent_config or one.config):
            assert "__guardkit_run" not in found.get("configurable", {})


def test_questions_of_the_users_own_are_answered_as_in_langgraph(scene: Scene, mode: Mode) -> None:
    both = pair(scene, _asking)

    def do(graph: Graph, config: Any) -> Any:
        seen: list[Any] = []
        out = run(graph, {"log": []}, config, mode)
        seen.append(sorted(one.value for one in out["__interrupt__"]))
        waiting = graph.get_state(config).interrupts
        left = next(one for one in waiting if one.value == "left?")
        run(graph, Command(resume={left.id: "L"}), config, mode)
        seen.append([one.value for one in graph.get_state(config).interrupts])
        run(graph, Command(resume="R"), config, mode)
        run(graph, resumed(graph, config, "1"), config, mode)
        seen.append(run(graph, resumed(graph, config, "2"), config, mode))
        return seen

    first, second, last = both.both(do)
    assert first == ["left?", "right?"]
    assert second[-1] == "right?"
    assert sorted(last["log"]) == ["12", "left L", "right R"]


def test_the_users_own_questions_and_approvals_wait_beside_one_another(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    pay = payer(guard, paid)
    builder = agent([calls(("pay", {"claim": "C-1", "amount": 5})), "Done."], [pay])
    builder.add_node("own", lambda state: {"messages": [("user", interrupt("your name?"))]})
    builder.add_edge("agent", "own")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    paused = guard.outcome(None, config)
    assert isinstance(paused, Paused)
    assert [one["value"] for one in paused.interrupts] == ["your name?"]
    own = str(paused.interrupts[0]["id"])
    run(graph, Command(resume={own: "Ada"}), config, mode)
    assert paid == []
    [approval] = waiting(guard, config)
    decide(guard, approval)
    go_on(graph, config, mode)
    assert len(paid) == 1


def test_an_answer_to_the_users_own_question_withdraws_no_approval(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": ASK})
    pay = payer(guard, [])
    builder = agent([calls(("pay", {"claim": "C-1", "amount": 5})), "Done."], [pay])
    builder.add_node("own", lambda state: {"messages": [("user", interrupt("your name?"))]})
    builder.add_edge("agent", "own")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    before = waiting(guard, config)
    card = next(one.id for one in graph.get_state(config).interrupts if one.value == "your name?")
    run(graph, Command(resume={card: "Ada"}), config, mode)
    assert waiting(guard, config) == before


def test_no_input_goes_on_and_new_input_begins_anew(scene: Scene, mode: Mode) -> None:
    both = pair(scene, _chain, interrupt_before=["b"])
    assert both.run({"log": ["in"]}, mode, None)["log"] == ["in", "a", "b", "c"]


@pytest.mark.parametrize("how", ["batch", "abatch", "batch_as_completed"])
def test_batches_run_each_input_on_its_thread(scene: Scene, how: str) -> None:
    both = pair(scene, _chain)
    given: list[Any] = [{"log": [f"in {n}"]} for n in range(3)]
    configs = [both.guard.config(f"t{n}", KIM) for n in range(3)]
    match how:
        case "batch":
            outputs = both.guarded.batch(given, configs)
        case "abatch":
            outputs = asyncio.run(both.guarded.abatch(given, configs))
        case _:
            outputs = [
                out for _, out in sorted(both.guarded.batch_as_completed(given, configs), key=lambda o: o[0])
            ]
    assert [out["log"][0] for out in outputs] == ["in 0", "in 1", "in 2"]
    assert all(out["log"][1:] == ["a", "b", "c"] for out in outputs)


def test_output_keys_and_bound_configs(scene: Scene, mode: Mode) -> None:
    both = pair(scene, _chain)
    bound: Any = both.guarded.with_config(both.guard.config("t", KIM))
    assert isinstance(bound, GuardedGraph)
    assert run(bound, {"log": []}, {}, mode, output_keys=["log"]) == {"log": ["a", "b", "c"]}


def test_a_drawing_is_langgraphs(scene: Scene) -> None:
    both = pair(scene, _chain)
    assert both.guarded.get_graph().draw_mermaid() == both.stock.get_graph().draw_mermaid()
    inner: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
    inner.add_node("sub", _chain().compile())
    inner.add_edge(START, "sub")
    nested = pair(scene, lambda: inner)
    stock = nested.stock.get_graph(xray=True).draw_mermaid()
    assert nested.guarded.get_graph(xray=True).draw_mermaid() == stock
    assert "sub" in stock


def test_schemas_are_langgraphs(scene: Scene) -> None:
    both = pair(scene, _chain)
    assert both.guarded.get_input_jsonschema() == both.stock.get_input_jsonschema()


def _outer(inner: Any) -> StateGraph[Any, Any, Any, Any]:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
    builder.add_node("before", lambda state: {"log": ["before"]})
    builder.add_node("inner", inner)
    builder.add_edge(START, "before")
    builder.add_edge("before", "inner")
    return builder


def _parents(guard: Guard, inner: Any) -> dict[str, Any]:
    return {
        "unguarded": _outer(inner).compile(checkpointer=InMemorySaver()),
        "guarded": guard.compile(_outer(inner), name="outer"),
    }


@pytest.mark.parametrize("parent", ["unguarded", "guarded"])
def test_a_guarded_graph_is_a_node_of_another(scene: Scene, mode: Mode, parent: str) -> None:
    guard = scene.guard({})
    graph = _parents(guard, guard.compile(_asking(), name="inner"))[parent]
    config = guard.config("t", KIM)
    run(graph, {"log": []}, config, mode)
    inside = graph.get_state(config, subgraphs=True).tasks[0].state
    assert set(inside.next) == {"left", "right"}
    for answers in (("L", "R"), ("1",), ("2",)):
        out = run(graph, resumed(graph, config, *answers), config, mode)
    assert min(out["log"]) == "12"
    assert graph.get_state(config).next == ()


@pytest.mark.parametrize("parent", ["unguarded", "guarded"])
def test_an_approval_inside_a_node_is_resumed_by_the_parents_caller(
    scene: Scene, mode: Mode, parent: str
) -> None:
    from langgraph.graph import MessagesState

    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    pay = payer(guard, paid)
    inner = guard.compile(
        agent([calls(("pay", {"claim": "C-1", "amount": 5})), "Done."], [pay]), name="inner"
    )
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("inner", inner)
    builder.add_edge(START, "inner")
    graph = builder.compile(checkpointer=InMemorySaver()) if parent == "unguarded" else guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [approval] = guard.store.listed()
    decide(guard, approval)
    out = go_on(graph, config, mode)
    assert len(paid) == 1
    assert out["messages"][-1].text == "Done."


def test_a_graph_that_a_node_calls_runs_as_in_langgraph(scene: Scene, mode: Mode) -> None:
    inner = _chain().compile()

    def build() -> StateGraph[Any, Any, Any, Any]:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
        builder.add_node("calls", lambda state: {"log": inner.invoke({"log": ["inner"]})["log"]})
        builder.add_edge(START, "calls")
        return builder

    assert pair(scene, build).run({"log": ["in"]}, mode)["log"] == ["in", "inner", "a", "b", "c"]


def test_the_builder_stays_as_it_is(scene: Scene) -> None:
    builder = _chain()
    guard = scene.guard({})
    guard.compile(builder)
    out = builder.compile().invoke({"log": []})
    assert out == {"log": ["a", "b", "c"]}
    assert streamed(guard.compile(builder, name="again"), {"log": []}, guard.config("t", KIM), "sync")
