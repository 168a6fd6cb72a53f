"""Streams of a guarded graph beside those of LangGraph."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Send, interrupt

from tests.promises.scene import KIM, Mode, Scene
from tests.surface.pair import Graph, Log, gathered, pair, plain, streamed

MODES = ["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug"]


def _build() -> StateGraph[Any, Any, Any, Any]:
    """Custom events, a subgraph, a fan-out, a model."""

    def first(state: Log) -> dict[str, Any]:
        get_stream_writer()({"first": "says"})
        return {"log": ["first"]}

    def inner_a(state: Log) -> dict[str, Any]:
        get_stream_writer()({"inner": "says"})
        return {"log": ["inner a"]}

    inner: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
    inner.add_node("a", inner_a)
    inner.add_node("b", lambda state: {"log": ["inner b"]})
    inner.add_edge(START, "a")
    inner.add_edge("a", "b")

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
    builder.add_node("first", first)
    builder.add_node("inner", inner.compile())
    builder.add_node("each", lambda state: {"log": [f"each {state}"]})
    builder.add_edge(START, "first")
    builder.add_edge("first", "inner")
    builder.add_conditional_edges("inner", lambda state: [Send("each", 1)], ["each"])
    return builder


def _talking() -> StateGraph[Any, Any, Any, Any]:
    def talk(state: MessagesState) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter([AIMessage("one two three", id="said")]))
        return {"messages": [model.invoke(state["messages"])]}

    async def atalk(state: MessagesState) -> dict[str, Any]:
        model = GenericFakeChatModel(messages=iter([AIMessage("one two three", id="said")]))
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("talk", RunnableLambda(talk, atalk))
    builder.add_edge(START, "talk")
    return builder


@pytest.mark.parametrize("modes", [*MODES, MODES, ["values", "custom"]], ids=[*MODES, "all", "two"])
def test_every_stream_mode_says_what_langgraph_says(scene: Scene, mode: Mode, modes: Any) -> None:
    both = pair(scene, _build)
    for version in ("v1", "v2"):
        for subgraphs in (False, True):

            def do(graph: Graph, config: Any, version: str = version, subgraphs: bool = subgraphs) -> Any:
                options: dict[str, Any] = {"stream_mode": modes, "subgraphs": subgraphs, "version": version}
                return streamed(graph, {"log": ["in"]}, config, mode, **options)

            assert both.both(do, f"{version} {subgraphs}") or modes == "messages"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_tokens_are_streamed_as_langgraph_streams_them(scene: Scene, mode: Mode, version: str) -> None:
    both = pair(scene, _talking)

    def do(graph: Graph, config: Any) -> Any:
        given = {"messages": [("user", "hi")]}
        return streamed(graph, given, config, mode, stream_mode="messages", version=version)

    assert "two" in str(both.both(do))


def _events(graph: Graph, given: Any, config: Any) -> list[tuple[str, str]]:
    events = asyncio.run(gathered(graph.astream_events(given, config, version="v2")))
    return [(event["event"], event["name"].replace("agent", "LangGraph")) for event in events]


def test_events_are_those_of_langgraph(scene: Scene) -> None:
    both = pair(scene, _build)
    assert ["on_chain_end", "inner"] in both.both(lambda graph, config: _events(graph, {"log": []}, config))


def test_a_runnable_as_a_node_says_in_events_only_at_its_end_what_it_returns(scene: Scene) -> None:
    both = pair(scene, _talking)
    given = {"messages": [("user", "hi")]}
    stock = _events(both.stock, given, {"configurable": {"thread_id": "t"}})
    guarded = _events(both.guarded, given, both.guard.config("t", KIM))
    # LangGraph streams through the runnable itself; the guard calls it, since it has to see the whole output first.
    stock.remove(("on_chain_stream", "talk"))
    assert guarded == stock
    assert ("on_chat_model_stream", "GenericFakeChatModel") in guarded


def test_an_interrupt_shows_in_streams_as_in_langgraph(scene: Scene, mode: Mode) -> None:
    def build() -> StateGraph[Any, Any, Any, Any]:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
        builder.add_node("ask", lambda state: {"log": [interrupt("name?")]})
        builder.add_edge(START, "ask")
        return builder

    both = pair(scene, build)

    def do(graph: Graph, config: Any) -> Any:
        return streamed(graph, {"log": []}, config, mode, stream_mode=["updates", "values"])

    assert "name?" in str(both.both(do))


def test_a_stream_that_is_left_gives_the_thread_back(scene: Scene, mode: Mode) -> None:
    both = pair(scene, _build)

    def leave(graph: Graph, config: Any) -> Any:
        if mode == "sync":
            stream = graph.stream({"log": ["in"]}, config)
            first = next(iter(stream))
            stream.close()  # pyright: ignore[reportAttributeAccessIssue]  # it is a generator
            return first

        async def aleave() -> Any:
            stream = graph.astream({"log": ["in"]}, config)
            first = await anext(stream)
            await stream.aclose()  # pyright: ignore[reportAttributeAccessIssue]  # it is a generator
            return first

        return asyncio.run(aleave())

    both.both(leave)
    out = streamed(both.guarded, None, both.guard.config("t"), mode, stream_mode="values")
    assert plain(out[-1])["log"][:2] == ["in", "first"]


def test_the_guard_key_is_the_only_addition(scene: Scene, mode: Mode) -> None:
    both = pair(scene, _build)
    config = both.guard.config("t", KIM)
    chunks = streamed(both.guarded, {"log": ["in"]}, config, mode, stream_mode="values")
    assert {tuple(chunk) for chunk in chunks} == {("log", "guard")}
    assert chunks[-1]["guard"] == {"turn": 1}
