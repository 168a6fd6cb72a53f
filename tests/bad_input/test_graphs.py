"""Graphs that cannot be guarded as they are, and shapes of state that are unusual."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.tools import StructuredTool
from langgraph.cache.memory import InMemoryCache
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import InjectedState, InjectedStore, ToolNode
from langgraph.types import CachePolicy

from guardkit import Finished, Guard
from guardkit.core.values import JsonObject
from guardkit.errors import (
    ActionRejectedError,
    CompileError,
    ConfigurationError,
    InputError,
    UndeclaredToolError,
)
from guardkit.testing import ExtractiveModel, ScriptedModel, calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    agent,
    ask,
    compiled,
    decide,
    go_on,
    last,
    payer,
    run,
    told,
    waiting,
)

pytestmark = [pytest.mark.promise("P15")]


def transfer(amount: int) -> str:
    """Transfer money."""
    RAN.append(amount)
    return "transferred"


RAN: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_ran_yet() -> None:
    RAN.clear()


# --- tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P7")
def test_a_tool_that_is_neither_decorated_nor_named_is_refused_at_compile_time(scene: Scene) -> None:
    guard = scene.guard({})
    with pytest.raises(UndeclaredToolError, match=r"'transfer'.*'desk'.*guard\.effect"):
        compiled(guard, ["done"], [transfer])


@pytest.mark.promise("P7")
def test_such_a_tool_is_found_in_a_subgraph_too(scene: Scene) -> None:
    guard = scene.guard({})
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("inner", agent(["done"], [transfer]).compile())
    builder.add_edge(START, "inner")
    with pytest.raises(UndeclaredToolError, match="'transfer'"):
        guard.compile(builder)


@pytest.mark.promise("P7")
def test_an_undecorated_tool_that_node_code_calls_is_stopped(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({})
    tool = StructuredTool.from_function(transfer)

    def desk(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(tool.invoke({"amount": 5}))]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk)
    builder.add_edge(START, "desk")
    graph = guard.compile(builder)
    with pytest.raises(UndeclaredToolError, match=r"'transfer' is not guarded.*guard\.effect"):
        run(graph, ask(), guard.config("c-1", KIM), mode)
    assert RAN == []


@pytest.mark.promise("P7")
def test_an_undecorated_tool_that_a_router_calls_is_stopped(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({})
    tool = StructuredTool.from_function(transfer)

    def desk(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage("Where to?")]}

    def route(state: Any) -> str:
        tool.invoke({"amount": 5})
        return END

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk)
    builder.add_conditional_edges(START, lambda state: "desk", ["desk"])
    builder.add_conditional_edges("desk", route, [END])
    graph = guard.compile(builder)
    with pytest.raises(UndeclaredToolError, match=r"'transfer' is not guarded.*guard\.effect"):
        run(graph, ask(), guard.config("c-1", KIM), mode)
    assert RAN == []


@pytest.mark.promise("P7")
def test_an_undecorated_tool_that_the_first_router_calls_is_stopped(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({})
    tool = StructuredTool.from_function(transfer)

    def route(state: Any) -> str:
        tool.invoke({"amount": 5})
        return "desk"

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", lambda state: {"messages": [AIMessage("Here.")]})
    builder.add_conditional_edges(START, route, ["desk"])
    graph = guard.compile(builder)
    with pytest.raises(UndeclaredToolError, match=r"'transfer' is not guarded.*guard\.effect"):
        run(graph, ask(), guard.config("c-1", KIM), mode)
    assert RAN == []


@pytest.mark.promise("P7")
def test_an_undecorated_tool_of_a_graph_that_node_code_calls_is_stopped(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({})
    tool = StructuredTool.from_function(transfer)

    def helper(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(tool.invoke({"amount": 5}))]}

    inner: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    inner.add_node("helper", helper)
    inner.add_edge(START, "helper")
    helped = inner.compile()

    def desk(state: Any) -> Any:
        return helped.invoke(state)

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk)
    builder.add_edge(START, "desk")
    graph = guard.compile(builder)
    with pytest.raises(UndeclaredToolError, match=r"'transfer' is not guarded.*guard\.effect"):
        run(graph, ask(), guard.config("c-1", KIM), mode)
    assert RAN == []


@pytest.mark.promise("P7")
def test_an_undecorated_tool_that_the_policy_names_counts_as_an_effect(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"transfer": ASK})
    graph = compiled(guard, [calls(("transfer", {"amount": 5})), "done"], [transfer])
    config = guard.config("c-1", KIM)
    run(graph, ask(), config, mode)
    assert RAN == []
    decide(guard, waiting(guard, config)[0])
    assert last(go_on(graph, config, mode)) == "done"
    assert RAN == [5]
    assert [effect.tool for effect in guard.store.effects()] == ["transfer"]


def test_two_decorated_tools_of_one_name_are_refused(scene: Scene) -> None:
    guard = scene.guard({})
    guard.effect(transfer)
    with pytest.raises(ConfigurationError, match=r"two tools are called 'transfer'.*name="):
        guard.read(transfer)


@pytest.mark.promise("P1")
def test_an_undecorated_tool_beside_the_decorated_one_is_refused(scene: Scene) -> None:
    guard = scene.guard({"transfer": "allow"})
    guard.effect(transfer)
    with pytest.raises(UndeclaredToolError, match=r"undecorated tool 'transfer'.*the decorated tool"):
        compiled(guard, ["done"], [transfer])


@pytest.mark.promise("P1")
def test_two_guarded_tools_of_one_name_in_one_graph_are_refused(scene: Scene) -> None:
    def other(amount: int) -> str:
        """Transfer money elsewhere."""
        raise AssertionError("not the tool that was shown to anybody")

    guard, foreign = scene.guard({"transfer": "allow"}), scene.guard({"transfer": "allow"})
    own, theirs = guard.effect(transfer), foreign.effect(name="transfer")(other)
    builder = agent(["done"], [own])
    builder.add_node("more", ToolNode([theirs]))
    builder.add_edge("tools", "more")
    with pytest.raises(CompileError, match=r"two tools are called 'transfer'.*name="):
        guard.compile(builder)


def test_one_undecorated_function_in_two_tool_nodes_is_refused_with_the_way_out(scene: Scene) -> None:
    guard = scene.guard({"transfer": "allow"})
    builder = agent(["done"], [transfer])
    builder.add_node("more", ToolNode([transfer]))
    builder.add_edge("tools", "more")
    with pytest.raises(CompileError, match=r"two tools are called 'transfer'"):
        guard.compile(builder)

    tool = guard.tool(StructuredTool.from_function(transfer))
    builder = agent([calls(("transfer", {"amount": 5})), "done"], [tool])
    builder.add_node("more", ToolNode([tool]))
    assert last(guard.compile(builder).invoke(ask(), guard.config("c-1", KIM))) == "done"
    assert RAN == [5]


def test_a_tool_that_is_guarded_already_is_not_guarded_again(scene: Scene) -> None:
    guard, other = scene.guard({}), scene.guard({})
    with pytest.raises(CompileError, match=r"'transfer' is guarded already"):
        other.read(guard.effect(transfer))


@pytest.mark.promise("P1")
@pytest.mark.parametrize(
    ("hint", "what"),
    [(InjectedState, "the state"), (InjectedState("claim"), "the state"), (InjectedStore(), "the store")],
    ids=["whole state", "a field of it", "store"],
)
def test_an_effect_that_reads_what_no_approval_would_show_is_refused(
    scene: Scene, hint: Any, what: str
) -> None:
    guard = scene.guard({})

    def pay(amount: int, hidden: Annotated[Any, hint]) -> str:
        """Pay."""
        return "paid"

    pay.__annotations__["hidden"] = Annotated[Any, hint]
    with pytest.raises(CompileError, match=rf"'pay' reads {what} through parameter 'hidden'.*reads="):
        guard.effect(pay)


def test_an_async_tool_in_a_sync_run_is_told_what_to_do(scene: Scene) -> None:
    guard = scene.guard({"pay": "allow"})

    @guard.effect
    async def pay(amount: int) -> str:
        """Pay."""
        raise AssertionError("a sync run cannot await it")

    def desk(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(pay.invoke({"amount": 5}))]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk)
    builder.add_edge(START, "desk")
    with pytest.raises(ConfigurationError, match=r"'pay' is async only.*ainvoke"):
        guard.compile(builder).invoke(ask(), guard.config("c-1", KIM))


# --- nodes ------------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P4")
@pytest.mark.parametrize("inside", [False, True], ids=["at the root", "in a subgraph"])
def test_a_node_that_caches_its_results_is_refused(scene: Scene, inside: bool) -> None:
    guard = scene.guard({})
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)

    def desk(state: Any) -> dict[str, Any]:
        return {}

    builder.add_node("desk", desk, cache_policy=CachePolicy(ttl=60))
    builder.add_edge(START, "desk")
    if inside:
        outer: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
        outer.add_node("inner", builder.compile())
        outer.add_edge(START, "inner")
        builder = outer
    with pytest.raises(CompileError, match=r"node 'desk' caches its results.*remove its cache_policy"):
        guard.compile(builder, cache=InMemoryCache())


def test_a_state_with_a_guard_key_of_its_own_is_refused(scene: Scene) -> None:
    class State(TypedDict):
        messages: Annotated[list[AnyMessage], add_messages]
        guard: str

    guard = scene.guard({})
    with pytest.raises(CompileError, match=r"already has a key 'guard'.*rename it"):
        guard.compile(agent(["done"], [], state=State))


# --- messages -----------------------------------------------------------------------------------------------------------


class Numbers(TypedDict):
    """A state without messages."""

    amount: int
    said: str


@pytest.mark.promise("P1", "P4")
def test_a_state_without_messages_is_guarded_where_node_code_calls_tools(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": ASK})
    paid: list[JsonObject] = []
    pay = payer(guard, paid)

    def desk(state: Numbers) -> dict[str, Any]:
        return {"said": pay.invoke({"claim": "C-1", "amount": state["amount"]})}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Numbers)
    builder.add_node("desk", desk)
    builder.add_edge(START, "desk")
    graph = guard.compile(builder)
    config = guard.config("c-1", KIM)
    run(graph, {"amount": 5}, config, mode)
    (asked,) = waiting(guard, config)
    assert asked.args == {"claim": "C-1", "amount": 5}
    decide(guard, asked)
    assert go_on(graph, config, mode)["said"] == "paid 5"
    assert guard.outcome(None, config) == Finished(text=None)

    rejected = guard.config("c-2", KIM)
    run(graph, {"amount": 6}, rejected, mode)
    decide(guard, waiting(guard, rejected)[0], "reject")
    with pytest.raises(ActionRejectedError, match="'pay' was refused"):
        go_on(graph, rejected, mode)
    assert len(paid) == 1


class Chat(TypedDict):
    """Messages under another name."""

    chat: Annotated[list[AnyMessage], add_messages]


@pytest.mark.promise("P1", "P4")
@pytest.mark.parametrize("named", [True, False], ids=["named to the guard", "not named"])
def test_messages_under_another_key_are_guarded_whether_the_guard_was_told_or_not(
    scene: Scene, mode: Mode, named: bool
) -> None:
    guard = scene.guard({"pay": ASK})
    paid: list[JsonObject] = []
    model = ScriptedModel(calls(("pay", {"claim": "C-1", "amount": 5})))

    def think(state: Chat) -> dict[str, Any]:
        return {"chat": [model.invoke(state["chat"])]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Chat)
    builder.add_node("agent", think)
    builder.add_node("tools", ToolNode([payer(guard, paid)], messages_key="chat"))
    builder.add_edge(START, "agent")
    builder.add_edge("agent", "tools")
    graph = guard.compile(builder, messages_key="chat") if named else guard.compile(builder)
    config = guard.config("c-1", KIM)
    run(graph, {"chat": [("user", "Pay.")]}, config, mode)
    assert paid == []
    decide(guard, waiting(guard, config)[0])
    assert go_on(graph, config, mode)["chat"][-1].text == "paid 5"
    assert len(paid) == 1


@pytest.mark.parametrize(
    "messages", [[], [AIMessage("Good morning.")]], ids=["no message", "none of a human being"]
)
def test_an_answer_without_a_question_is_told(scene: Scene, mode: Mode, messages: list[AnyMessage]) -> None:
    guard = scene.guard({})
    answer = guard.draft_critique_verify(model=ExtractiveModel(), retriever=guard.retriever(nothing))
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    graph = guard.compile(builder)
    with pytest.raises(InputError, match=r"'messages' hold no human message.*question="):
        run(graph, {"messages": messages}, guard.config("c-1", KIM), mode)


def nothing(state: Any) -> list[Any]:
    """A library without a document."""
    return []


def test_a_retriever_that_returns_something_else_is_named(scene: Scene, mode: Mode) -> None:
    def wrong(state: Any) -> Any:
        return [{"text": "just a dict"}]

    guard = scene.guard({})
    answer = guard.draft_critique_verify(model=ExtractiveModel(), retriever=guard.retriever(wrong))
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    graph = guard.compile(builder)
    with pytest.raises(InputError, match=r"retriever 'wrong' returned dict.*Source"):
        run(graph, {"messages": [HumanMessage("What is covered?")]}, guard.config("c-1", KIM), mode)


def test_an_answer_graph_on_its_own_is_told_where_it_belongs(scene: Scene) -> None:
    guard: Guard = scene.guard({})
    answer = guard.draft_critique_verify(model=ExtractiveModel(), retriever=guard.retriever(nothing))
    with pytest.raises(InputError, match=r"only inside a guarded graph.*guard\.compile"):
        answer.invoke({"messages": [HumanMessage("What is covered?")]})


def test_a_tool_the_model_made_up_is_told_to_the_model(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})
    graph = compiled(guard, [calls(("fly", {})), "done"], [payer(guard, [])])
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    assert "fly is not a valid tool" in told(output)[0]
    assert last(output) == "done"
