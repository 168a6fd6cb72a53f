"""Nodes of every kind, in states of every kind, do under a guard what they do without."""

from __future__ import annotations

import functools
import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from langchain_core.messages import AnyMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph.errors import NodeError
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, RetryPolicy, Send, StreamWriter
from pydantic import BaseModel
from typing_extensions import TypedDict

from tests.promises.scene import KIM, Mode, Scene, ask, run
from tests.surface.pair import Graph, Log, one_node, pair, streamed


class Owner:
    def method(self, state: Log) -> dict[str, Any]:
        return {"log": ["method"]}

    async def amethod(self, state: Log) -> dict[str, Any]:
        return {"log": ["amethod"]}

    def __call__(self, state: Log) -> dict[str, Any]:
        return {"log": ["called"]}


class AsyncCallable:
    async def __call__(self, state: Log) -> dict[str, Any]:
        return {"log": ["acalled"]}


class OwnRunnable(Runnable[Any, Any]):
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return {"log": ["runnable"]}


def function(state: Log) -> dict[str, Any]:
    return {"log": ["function"]}


async def afunction(state: Log) -> dict[str, Any]:
    return {"log": ["afunction"]}


def generator(state: Log) -> Any:
    yield {"log": ["first"]}
    yield {"log": ["last"]}


def chained(update: Any) -> dict[str, Any]:
    return {"log": [*update["log"], "chain"]}


def with_more(more: str, state: Log) -> dict[str, Any]:
    return {"log": [more]}


NODES: dict[str, tuple[Any, str]] = {
    "function": (function, "both"),
    "async-function": (afunction, "async"),
    "method": (Owner().method, "both"),
    "async-method": (Owner().amethod, "async"),
    "callable": (Owner(), "both"),
    "async-callable": (AsyncCallable(), "async"),
    "partial": (functools.partial(with_more, "partial"), "both"),
    "lambda": (lambda state: {"log": ["lambda"]}, "both"),
    "runnable": (OwnRunnable(), "both"),
    "runnable-lambda": (RunnableLambda(function, afunction), "both"),
    "chain": (
        RunnableLambda(function) | RunnableLambda(chained),
        "both",
    ),
    "generator": (generator, "both"),
}


@pytest.mark.parametrize("name", NODES)
def test_a_node_of_any_kind(scene: Scene, mode: Mode, name: str) -> None:
    node, modes = NODES[name]
    if modes == "async" and mode == "sync":
        guarded = pair(scene, one_node(node))
        for graph, config in (
            (guarded.stock, RunnableConfig(configurable={"thread_id": "t"})),
            (guarded.guarded, guarded.guard.config("t", KIM)),
        ):
            with pytest.raises(TypeError, match="No synchronous function"):
                run(graph, {"log": []}, config)
        return
    out = pair(scene, one_node(node)).run({"log": ["in"]}, mode)
    assert len(out["log"]) > 1


def test_everything_that_can_be_injected_is(scene: Scene, mode: Mode) -> None:
    class Context(TypedDict):
        who: str

    def node(
        state: Log,
        config: RunnableConfig,
        *,
        runtime: Runtime[Context],
        store: BaseStore,
        writer: StreamWriter,
    ) -> dict[str, Any]:
        writer({"wrote": 1})
        store.put(("n",), "k", {"v": 1})
        found = store.get(("n",), "k")
        assert found is not None
        thread = config.get("configurable", {})["thread_id"]
        same = runtime.store is store
        return {"log": [runtime.context["who"], thread, str(found.value), str(same)]}

    def build() -> StateGraph[Any, Any, Any, Any]:
        builder: Any = StateGraph(Log, context_schema=Context)
        builder.add_node("node", node)
        builder.add_edge(START, "node")
        return builder

    both = pair(scene, build, store=InMemoryStore())

    def do(graph: Graph, config: Any) -> Any:
        return streamed(
            graph, {"log": []}, config, mode, stream_mode=["custom", "values"], context={"who": "ada"}
        )

    assert "ada" in str(both.both(do))


def test_configs_of_the_caller_reach_the_node(scene: Scene, mode: Mode) -> None:
    def node(state: Log, config: RunnableConfig) -> dict[str, Any]:
        mine = config.get("configurable", {}).get("mine")
        return {"log": [str(mine), str(config.get("tags")), str(config.get("metadata", {}).get("more"))]}

    both = pair(scene, one_node(node))

    def do(graph: Graph, config: Any) -> Any:
        config = {
            "configurable": {**config["configurable"], "mine": 7},
            "tags": ["tag"],
            "metadata": {"more": "x"},
        }
        return run(graph, {"log": []}, config, mode)

    assert both.both(do)["log"] == ["7", "['tag']", "x"]


@dataclass
class DataState:
    log: Annotated[list[str], operator.add] = field(default_factory=list)
    count: int = 0


class PydanticState(BaseModel):
    log: Annotated[list[str], operator.add] = []
    count: int = 0


class DictState(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    count: int


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    "state", [DataState, PydanticState, DictState], ids=["dataclass", "pydantic", "dict"]
)
def test_a_state_of_any_kind(scene: Scene, mode: Mode, state: Any, version: str) -> None:
    def node(state: Any) -> dict[str, Any]:
        return {"log": [type(state).__name__], "count": 3}

    both = pair(scene, one_node(node, state))

    def do(graph: Graph, config: Any) -> Any:
        return run(graph, {"log": ["in"]}, config, mode, version=version)

    assert "in" in str(both.both(do))


def test_messages_and_more_reducers(scene: Scene, mode: Mode) -> None:
    class More(MessagesState):
        notes: Annotated[list[str], operator.add]
        other: Annotated[list[AnyMessage], add_messages]

    def node(state: More) -> dict[str, Any]:
        return {"messages": [("ai", "a")], "notes": ["n"], "other": [("ai", "b")]}

    out = pair(scene, one_node(node, More)).run({**ask(), "notes": ["in"]}, mode)
    assert [out["notes"], len(out["messages"]), len(out["other"])] == [["in", "n"], 2, 1]


def test_input_and_output_schemas_and_private_states(scene: Scene, mode: Mode) -> None:
    class In(TypedDict):
        question: str

    class Out(TypedDict):
        answer: str

    class Whole(In, Out):
        secret: str

    class Private(TypedDict):
        secret: str

    def first(state: In) -> dict[str, Any]:
        assert set(state) == {"question"}
        return {"secret": state["question"] * 2}

    def second(state: Private) -> dict[str, Any]:
        assert set(state) == {"secret"}
        return {"answer": state["secret"]}

    def build() -> StateGraph[Any, Any, Any, Any]:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(Whole, input_schema=In, output_schema=Out)
        builder.add_node("first", first, input_schema=In)
        builder.add_node("second", second, input_schema=Private)
        builder.add_edge(START, "first")
        builder.add_edge("first", "second")
        return builder

    assert pair(scene, build).run({"question": "x"}, mode) == {"answer": "xx"}


def test_commands_sends_joins_and_deferred_nodes(scene: Scene, mode: Mode) -> None:
    def jump(state: Log) -> Command[Literal["a", "b"]]:
        return Command(update={"log": ["jump"]}, goto=["a", "b"])

    def fan(state: Log) -> Any:
        return [Send("each", n) for n in range(3)]

    def build() -> StateGraph[Any, Any, Any, Any]:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
        builder.add_node("jump", jump)
        for name in ("a", "b", "joined"):
            builder.add_node(name, lambda state, name=name: {"log": [name]})
        builder.add_node("each", lambda state: {"log": [f"each {state}"]})
        builder.add_node("late", lambda state: {"log": ["late"]}, defer=True)
        builder.add_edge(START, "jump")
        builder.add_edge(["a", "b"], "joined")
        builder.add_conditional_edges("joined", fan, ["each"])
        builder.add_edge("each", "late")
        return builder

    out = pair(scene, build).run({"log": []}, mode)
    assert out["log"] == ["jump", "a", "b", "joined", "each 0", "each 1", "each 2", "late"]


def test_a_command_to_the_parent(scene: Scene, mode: Mode) -> None:
    def up(state: Log) -> Command[Any]:
        return Command(graph=Command.PARENT, update={"log": ["up"]}, goto="after")

    def build() -> StateGraph[Any, Any, Any, Any]:
        inner: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
        inner.add_node("up", up)
        inner.add_edge(START, "up")
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
        builder.add_node("inner", inner.compile(), destinations=("after",))
        builder.add_node("after", lambda state: {"log": ["after"]})
        builder.add_edge(START, "inner")
        return builder

    assert pair(scene, build).run({"log": []}, mode)["log"] == ["up", "after"]


def test_a_command_as_input(scene: Scene, mode: Mode) -> None:
    def build() -> StateGraph[Any, Any, Any, Any]:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
        builder.add_node("a", lambda state: {"log": ["a"]})
        builder.add_node("b", lambda state: {"log": ["b"]})
        builder.add_edge(START, "a")
        return builder

    out = pair(scene, build).run({"log": []}, mode, Command(update={"log": ["more"]}, goto="b"))
    assert out["log"] == ["a", "more", "b"]


def test_retries_and_error_handlers(scene: Scene, mode: Mode) -> None:
    tries: list[int] = []

    def flaky(state: Log) -> dict[str, Any]:
        tries.append(1)
        if len(tries) % 3:
            raise ConnectionError("try again")
        return {"log": ["at last"]}

    retry = RetryPolicy(max_attempts=3, initial_interval=0.001, jitter=False)
    assert pair(scene, one_node(flaky, retry_policy=retry)).run({"log": []}, mode)["log"] == ["at last"]
    assert len(tries) == 6


def test_error_handlers(scene: Scene, mode: Mode) -> None:
    def broken(state: Log) -> dict[str, Any]:
        raise ValueError("broken")

    def handler(state: Log, error: NodeError) -> Command[Any]:
        return Command(update={"log": [f"handled {type(error.error).__name__}"]}, goto=END)

    out = pair(scene, one_node(broken, error_handler=handler)).run({"log": []}, mode)
    assert out["log"] == ["handled ValueError"]


def test_an_exception_reaches_the_caller_as_it_is(scene: Scene, mode: Mode) -> None:
    class Mine(Exception):
        pass

    def node(state: Log) -> dict[str, Any]:
        raise Mine("as it is")

    both = pair(scene, one_node(node))
    with pytest.raises(Mine, match="as it is"):
        run(both.guarded, {"log": []}, both.guard.config("t", KIM), mode)


def test_the_recursion_limit_holds(scene: Scene, mode: Mode) -> None:
    from langgraph.errors import GraphRecursionError

    def build() -> StateGraph[Any, Any, Any, Any]:
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
        builder.add_node("loop", lambda state: {"log": ["x"]})
        builder.add_edge(START, "loop")
        builder.add_conditional_edges("loop", lambda s: "loop" if len(s["log"]) < 40 else END, ["loop", END])
        return builder

    both = pair(scene, build)
    assert len(both.run({"log": []}, mode)["log"]) == 40
    with pytest.raises(GraphRecursionError):
        run(both.guarded, {"log": []}, {**both.guard.config("u", KIM), "recursion_limit": 5}, mode)


def _logging_graph(checkpointer: Any) -> Any:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
    builder.add_node("inner", lambda state: {"log": ["inner"]})
    builder.add_edge(START, "inner")
    return builder.compile(checkpointer=checkpointer)


@pytest.mark.parametrize("checkpointer", [None, False, True], ids=str)
@pytest.mark.parametrize("place", ["node", "code"])
def test_a_subgraph_with_any_checkpointer(scene: Scene, mode: Mode, checkpointer: Any, place: str) -> None:
    sub = _logging_graph(checkpointer)

    def call(state: Log) -> Any:
        return {"log": sub.invoke({"log": []})["log"]}

    async def acall(state: Log) -> Any:
        return {"log": (await sub.ainvoke({"log": []}))["log"]}

    node = sub if place == "node" else call if mode == "sync" else acall
    assert pair(scene, one_node(node)).run({"log": ["a"]}, mode)["log"][-1] == "inner"


def test_a_guarded_graph_without_a_saver(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({})
    graph = guard.compile(one_node(lambda state: {"log": ["ran"]})(), checkpointer=False)
    assert run(graph, {"log": []}, guard.config("t", KIM), mode)["log"] == ["ran"]
