"""P8: no part of a draft reaches a caller before it is verified, in any stream, event, state or snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langgraph.graph import START, MessagesState, StateGraph

from guardkit import Answer, Authority, Guard, GuardedGraph, Source
from guardkit.grounding import Outcome as Trail
from guardkit.testing import ExtractiveModel
from tests.promises.scene import KIM, Scene, ask, ended, run

pytestmark = pytest.mark.promise("P8")

CANARY = "without any further condition"
"""Words of the sentence that the model invents in its first draft."""

VERIFIED = "2,000 euros per person"
QUESTION = "Up to what amount is lost luggage covered?"
UNANSWERED = "Is damage by an earthquake covered?"

ALL_MODES: list[Any] = ["values", "updates", "messages", "custom", "debug", "tasks", "checkpoints"]


def _answering(
    scene: Scene, trails: list[Trail], *, wrap: bool = False, **model: Any
) -> tuple[Guard, GuardedGraph]:
    guard = scene.guard({})
    text = "Lost luggage is covered up to 2,000 euros per person. Claims are made in writing."
    document = Source.of(
        text, id="terms", tenant="default", owner="legal", authority=Authority.AUTHORITATIVE, title="Terms"
    )

    @guard.retriever
    def library(state: Any) -> list[Source]:
        return [document]

    node = guard.draft_critique_verify(
        model=ExtractiveModel(**{"misbehave": "invent", **model}), retriever=library, on_outcome=trails.append
    )
    if wrap:
        inner: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
        inner.add_node("answer", node)
        inner.add_edge(START, "answer")
        node = inner.compile()
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("answer", node)
    builder.add_edge(START, "answer")
    return guard, guard.compile(builder)


class Overhearing(BaseCallbackHandler):
    """A caller's own printer of tokens."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.tokens.append(token)


def _texts(chunk: Any) -> str:
    if isinstance(chunk, BaseMessage):
        return f"{chunk.content!r} {chunk.additional_kwargs!r}"
    return repr(chunk)


async def _astreamed(graph: GuardedGraph, config: Any, **options: Any) -> list[str]:
    return [_texts(chunk) async for chunk in graph.astream(ask(QUESTION), config, **options)]


async def _events(graph: GuardedGraph, config: Any, version: Any) -> list[str]:
    return [repr(event) async for event in graph.astream_events(ask(QUESTION), config, version=version)]


def _heard(graph: GuardedGraph, config: Any, how: str) -> Sequence[str]:
    subgraphs = how.endswith("+subgraphs")
    mode: Any = how.removesuffix("+subgraphs").split(" ")[-1]
    mode = ALL_MODES if mode == "all" else mode
    match how.split(" ", maxsplit=1)[0]:
        case "stream":
            chunks = graph.stream(ask(QUESTION), config, stream_mode=mode, subgraphs=subgraphs)
            return [_texts(chunk) for chunk in chunks]
        case "v2":
            chunks = graph.stream(ask(QUESTION), config, stream_mode=mode, subgraphs=subgraphs, version="v2")
            return [_texts(chunk) for chunk in chunks]
        case "astream":
            return asyncio.run(_astreamed(graph, config, stream_mode=mode, subgraphs=subgraphs))
        case "events":
            return asyncio.run(_events(graph, config, mode))
        case _:
            return [repr(run(graph, ask(QUESTION), config, "async" if mode == "ainvoke" else "sync"))]


WAYS = [
    "call invoke",
    "call ainvoke",
    *(f"stream {mode}" for mode in ALL_MODES),
    *(f"stream {mode}+subgraphs" for mode in ALL_MODES),
    *(f"astream {mode}+subgraphs" for mode in ALL_MODES),
    "stream all+subgraphs",
    "v2 all+subgraphs",
    "astream all+subgraphs",
    "events v1",
    "events v2",
]


def _drafted(trails: Sequence[Trail]) -> bool:
    return any(CANARY in repr(trail) for trail in trails)


@pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated")
@pytest.mark.parametrize("wrap", [False, True], ids=["node", "nested"])
def test_no_part_of_a_draft_is_heard(scene: Scene, wrap: bool) -> None:
    trails: list[Trail] = []
    guard, graph = _answering(scene, trails, wrap=wrap)
    leaks: list[str] = []
    silent: list[str] = []
    for number, how in enumerate(WAYS):
        overhearing = Overhearing()
        config: Any = {**guard.config(f"t{number}", KIM), "callbacks": [overhearing]}
        heard = [*_heard(graph, config, how), *overhearing.tokens]
        if any(CANARY in text for text in heard):
            leaks.append(how)
        if how not in QUIET and not any(VERIFIED in text for text in heard):
            silent.append(how)
    assert _drafted(trails)
    assert leaks == []
    assert silent == []


QUIET = {"stream custom", "stream custom+subgraphs", "astream custom+subgraphs"}
"""Ways in which a graph like this one says nothing at all."""


def test_the_verified_text_is_streamed_as_one_message(scene: Scene) -> None:
    guard, graph = _answering(scene, [])
    config = guard.config("t", KIM)
    chunks: list[Any] = list(graph.stream(ask(QUESTION), config, stream_mode="messages"))
    answer = guard.outcome(None, config)
    assert isinstance(answer, Answer)
    assert "".join(message.content for message, _ in chunks) == answer.text
    assert len({message.id for message, _ in chunks}) == 1


def test_no_checkpoint_or_state_holds_a_draft(scene: Scene) -> None:
    trails: list[Trail] = []
    guard, graph = _answering(scene, trails, wrap=True)
    config = guard.config("t", KIM)
    run(graph, ask(QUESTION), config)
    assert _drafted(trails)
    snapshots = [graph.get_state(config, subgraphs=True), *graph.get_state_history(config)]
    assert not any(CANARY in repr(snapshot) for snapshot in snapshots)
    with scene.sqlite() as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):
                assert CANARY not in repr(row), table


def test_a_draft_that_cannot_be_verified_ends_the_turn_unquoted(scene: Scene) -> None:
    guard, graph = _answering(scene, [], misbehave="malformed")
    config = guard.config("t", KIM)
    heard = [repr(c) for c in graph.stream(ask(QUESTION), config, stream_mode=ALL_MODES, subgraphs=True)]
    assert ended(guard, config)
    assert not any("E9999" in text for text in heard)


def test_what_no_document_answers_is_not_answered(scene: Scene) -> None:
    guard, graph = _answering(scene, [])
    config = guard.config("t", KIM)
    out = run(graph, ask(UNANSWERED), config)
    assert ended(guard, config)
    assert [message.type for message in out["messages"]] == ["human"]


def test_an_unguarded_parent_hears_no_draft_either(scene: Scene) -> None:
    from langgraph.checkpoint.memory import InMemorySaver

    trails: list[Trail] = []
    guard, graph = _answering(scene, trails)
    parent: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    parent.add_node("inner", graph)
    parent.add_edge(START, "inner")
    outer = parent.compile(checkpointer=InMemorySaver())
    config = guard.config("t", KIM)
    heard = [repr(c) for c in outer.stream(ask(QUESTION), config, stream_mode=ALL_MODES, subgraphs=True)]
    assert _drafted(trails)
    assert any(VERIFIED in text for text in heard)
    assert not any(CANARY in text for text in heard)
    assert not any(CANARY in repr(snapshot) for snapshot in outer.get_state_history(config))


def test_a_tracer_hears_everything(scene: Scene) -> None:
    from langchain_core.tracers.base import BaseTracer
    from langchain_core.tracers.schemas import Run

    kept: list[Run] = []

    class Keeping(BaseTracer):
        def _persist_run(self, run: Run) -> None:
            kept.append(run)

    guard, graph = _answering(scene, [])
    config: Any = {**guard.config("t", KIM), "callbacks": [Keeping()]}
    run(graph, ask(QUESTION), config)
    runs = list(kept)
    for one in runs:
        runs.extend(one.child_runs)
    assert any(CANARY in repr(one.outputs) for one in runs if one.run_type == "llm")
