"""Tools of every kind do under a guard what they do without."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AnyMessage, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import InjectedState, InjectedStore, ToolNode, ToolRuntime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from pydantic import BaseModel
from typing_extensions import TypedDict

from guardkit.errors import UndeclaredToolError
from guardkit.testing import ScriptedModel, calls
from tests.promises.scene import ASK, KIM, Mode, Scene, agent, ask, decide, go_on, last, run, told, waiting


class WithAccount(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    account: str


def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


async def ashout(text: str) -> str:
    """Say it louder."""
    return text.upper()


class ShoutTool(BaseTool):
    name: str = "shout"
    description: str = "Say it louder."

    def _run(self, text: str) -> str:
        return text.upper()


class Shouted(BaseModel):
    text: str


def _kinds() -> dict[str, Any]:
    return {
        "function": shout,
        "structured": StructuredTool.from_function(func=shout, args_schema=Shouted),
        "both-colours": StructuredTool.from_function(func=shout, coroutine=ashout),
        "class": ShoutTool(),
    }


@pytest.mark.parametrize("kind", ["function", "structured", "both-colours", "class"])
@pytest.mark.parametrize("declared", ["read", "effect"])
def test_a_tool_of_any_kind(scene: Scene, mode: Mode, kind: str, declared: str) -> None:
    guard = scene.guard({"shout": "allow"})
    tool = getattr(guard, declared)(_kinds()[kind])
    lines = [calls(("shout", {"text": "hello"})), "Done."]
    out = run(guard.compile(agent(lines, [tool])), ask(), guard.config("t", KIM), mode)
    stock = run(agent(lines, [_kinds()[kind]]).compile(), ask(), {}, mode)
    assert told(out) == told(stock) == ["HELLO"]


def test_an_async_tool_runs_in_async_graphs_only(scene: Scene) -> None:
    guard = scene.guard({"ashout": "allow"})
    tool = guard.read(ashout)
    graph = guard.compile(agent([calls(("ashout", {"text": "hello"})), "Done."], [tool]))
    assert told(run(graph, ask(), guard.config("a", KIM), "async")) == ["HELLO"]
    with pytest.raises(Exception, match="async only"):
        run(graph, ask(), guard.config("b", KIM), "sync")


def test_a_read_is_handed_all_that_langgraph_injects(scene: Scene, mode: Mode) -> None:
    seen: dict[str, Any] = {}

    def look(
        x: int,
        state: Annotated[dict[str, Any], InjectedState],
        account: Annotated[str, InjectedState("account")],
        store: Annotated[BaseStore, InjectedStore()],
        call: Annotated[str, InjectedToolCallId],
        runtime: ToolRuntime,
    ) -> str:
        """Look at everything."""
        seen.update(keys=set(state) - {"guard"}, account=account, call=call, same=runtime.store is store)
        return "seen"

    guard = scene.guard({"look": "allow"})
    builder = agent([calls(("look", {"x": 1})), "Done."], [guard.read(look)], state=WithAccount)
    graph = guard.compile(builder, store=InMemoryStore())
    run(graph, {**ask(), "account": "DE-1"}, guard.config("t", KIM), mode)
    assert seen == {
        "keys": {"messages", "account"},
        "account": "DE-1",
        "call": "call-0-look",
        "same": True,
    }


def test_the_model_sees_the_tool_that_it_would_see(scene: Scene) -> None:
    from langchain_core.utils.function_calling import convert_to_openai_tool

    guard = scene.guard({"shout": "allow"})
    stock = StructuredTool.from_function(func=shout)
    assert convert_to_openai_tool(guard.read(shout)) == convert_to_openai_tool(stock)


def test_artifacts_and_messages_of_tools_are_kept(scene: Scene, mode: Mode) -> None:
    def find(text: str) -> tuple[str, Any]:
        """Find it."""
        return "found", {"at": 7}

    def answer(text: str, call: Annotated[str, InjectedToolCallId]) -> ToolMessage:
        """Answer."""
        return ToolMessage("own message", tool_call_id=call, status="error")

    guard = scene.guard({"find": "allow", "answer": "allow"})
    tools = [
        guard.effect(StructuredTool.from_function(func=find, response_format="content_and_artifact")),
        guard.read(answer),
    ]
    both = calls(("find", {"text": "x"}), ("answer", {"text": "x"}))
    out = run(guard.compile(agent([both, "Done."], tools)), ask(), guard.config("t", KIM), mode)
    found, answered = (message for message in out["messages"] if isinstance(message, ToolMessage))
    assert (found.text, found.artifact) == ("found", {"at": 7})
    assert (answered.text, answered.status) == ("own message", "error")


def test_a_read_may_return_a_command(scene: Scene, mode: Mode) -> None:
    def set_account(account: str, call: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Remember the account."""
        return Command(update={"account": account, "messages": [ToolMessage("set", tool_call_id=call)]})

    guard = scene.guard({"set_account": "allow"})
    tool = guard.read(set_account)
    builder = agent([calls(("set_account", {"account": "DE-2"})), "Done."], [tool], state=WithAccount)
    out = run(guard.compile(builder), {**ask(), "account": "DE-1"}, guard.config("t", KIM), mode)
    assert (out["account"], told(out)) == ("DE-2", ["set"])


def test_arguments_that_do_not_fit_are_told_to_the_model(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"shout": "allow"})
    lines = [calls(("shout", {"text": 5})), "Done."]
    out = run(guard.compile(agent(lines, [guard.read(shout)])), ask(), guard.config("t", KIM), mode)
    assert "text" in told(out)[0]
    assert last(out) == "Done."


def test_a_read_that_raises_is_handled_as_the_tool_node_says(scene: Scene, mode: Mode) -> None:
    def broken(text: str) -> str:
        """Break."""
        raise ValueError("broken")

    guard = scene.guard({"broken": "allow"})
    tool = guard.read(broken)
    lines = [calls(("broken", {"text": "x"})), "Done."]
    with pytest.raises(ValueError, match="broken"):
        run(guard.compile(agent(lines, [tool])), ask(), guard.config("a", KIM), mode)
    lenient = guard.compile(agent(lines, [tool], handle_tool_errors="sorry"), name="lenient")
    assert told(run(lenient, ask(), guard.config("b", KIM), mode)) == ["sorry"]


def test_several_calls_of_one_message_answer_in_order(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"shout": "allow"})
    message = calls(*(("shout", {"text": text}) for text in ("a", "b", "c")))
    out = run(
        guard.compile(agent([message, "Done."], [guard.read(shout)])), ask(), guard.config("t", KIM), mode
    )
    assert told(out) == ["A", "B", "C"]


def test_an_agent_of_langchain_runs_as_a_node(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"shout": ASK})
    tool = guard.effect(shout)
    inner = create_agent(ScriptedModel(calls(("shout", {"text": "hi"})), "Done."), [tool])
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("inner", inner)
    builder.add_edge(START, "inner")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    out = go_on(graph, config, mode)
    assert (told(out), last(out)) == (["HI"], "Done.")


def test_an_agent_of_langchain_with_a_tool_that_nobody_declared_does_not_compile(scene: Scene) -> None:
    guard = scene.guard({})
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node(
        "inner", create_agent(ScriptedModel("Done."), [StructuredTool.from_function(func=shout)])
    )
    builder.add_edge(START, "inner")
    with pytest.raises(UndeclaredToolError, match="shout"):
        guard.compile(builder)


def test_a_tool_node_that_is_compiled_alone(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"shout": "allow"})
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([guard.read(shout)]))
    builder.add_edge(START, "tools")
    given = {"messages": [calls(("shout", {"text": "hi"}))]}
    out = run(guard.compile(builder), given, guard.config("t", KIM), mode)
    assert told(out) == ["HI"]
