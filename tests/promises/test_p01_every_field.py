"""P1: what approvals are bound to. Each field of the digest is changed while the turn waits for people, or after their yes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from langgraph.prebuilt import InjectedState
from typing_extensions import TypedDict

from guardkit import Guard, GuardedGraph, Principal
from guardkit.core.approvals import ApprovalState
from guardkit.errors import FingerprintError
from guardkit.sql.codec import dump
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    agent,
    approvals,
    ask,
    changed_call,
    decide,
    entries,
    go_on,
    run,
    told,
    waiting,
)

pytestmark = pytest.mark.promise("P1")

Ran = tuple[str, int, str]
"""A tool that ran, with its amount and the account that it read."""


class Account(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    account: str


def _desk(scene: Scene, ran: list[Ran], *, wider: bool = False) -> tuple[Guard, GuardedGraph]:
    """Two tools that differ by their name only; `wider` gives both another schema, as a release of the agent does."""
    guard = scene.guard({"pay": ASK, "send": ASK})

    def tool(name: str) -> Any:
        def narrow(amount: int, account: Annotated[str, InjectedState("account")]) -> str:
            """Move money to the account in the state."""
            ran.append((name, amount, account))
            return "moved"

        def wide(amount: int, account: Annotated[str, InjectedState("account")], memo: str = "") -> str:
            """Move money to the account in the state."""
            ran.append((name, amount, account))
            return "moved"

        function: Any = wide if wider else narrow
        function.__name__ = name
        return guard.effect(reads=("account",))(function)

    lines = [calls(("pay", {"amount": 5})), "Done."]
    return guard, guard.compile(agent(lines, [tool("pay"), tool("send")], state=Account))


SOMEBODY = Principal(id="lee")

Tamper = Callable[[Scene, GuardedGraph, Any], None]


def _call(graph: GuardedGraph, config: Any, **changes: Any) -> None:
    message = graph.get_state(config).values["messages"][-1]
    (call,) = message.tool_calls
    changed = message.model_copy(update={"tool_calls": [{**call, **changes}]})
    graph.update_state(config, {"messages": [changed]}, as_node="agent")


def _args(scene: Scene, graph: GuardedGraph, config: Any) -> None:
    message = graph.get_state(config).values["messages"][-1]
    graph.update_state(config, {"messages": [changed_call(message, amount=5000)]}, as_node="agent")


def _reads(scene: Scene, graph: GuardedGraph, config: Any) -> None:
    graph.update_state(config, {"account": "XX-666"}, as_node="agent")


def _turn(scene: Scene, column: str, value: str) -> None:
    with scene.sqlite() as connection:
        assert connection.execute(f"UPDATE gk_turns SET {column} = ?", (value,)).rowcount == 1


TAMPERS: dict[str, tuple[Tamper, Ran]] = {
    "tool": (lambda scene, graph, config: _call(graph, config, name="send"), ("send", 5, "DE-1")),
    "arguments": (_args, ("pay", 5000, "DE-1")),
    "reads": (_reads, ("pay", 5, "XX-666")),
    "principal": (
        lambda scene, graph, config: _turn(scene, "principal", dump(SOMEBODY)),
        ("pay", 5, "DE-1"),
    ),
    "salt": (lambda scene, graph, config: _turn(scene, "salt", "0" * 32), ("pay", 5, "DE-1")),
}


@pytest.mark.parametrize("decided", [True, False], ids=["after the yes", "before it"])
@pytest.mark.parametrize("field", TAMPERS)
def test_a_field_that_changed_while_people_thought_is_asked_again(
    scene: Scene, mode: Mode, field: str, decided: bool
) -> None:
    tamper, expected = TAMPERS[field]
    ran: list[Ran] = []
    guard, graph = _desk(scene, ran)
    config = guard.config("t", KIM)
    run(graph, {**ask(), "account": "DE-1"}, config, mode)
    [first] = waiting(guard, config)
    if decided:
        decide(guard, first)
    tamper(scene, graph, config)
    caller = guard.config("t", SOMEBODY) if field == "principal" else config
    go_on(graph, caller, mode)
    assert ran == []
    [second] = waiting(guard, config)
    assert second.request.id != first.request.id
    assert second.digest != first.digest
    decide(guard, second)
    go_on(graph, caller, mode)
    assert ran == [expected]
    assert [one.state for one in approvals(guard)] == [ApprovalState.CANCELLED, ApprovalState.CONSUMED]
    assert [one.event.data["digest"] for one in entries(guard, "effect.claimed")] == [second.digest]


@pytest.mark.parametrize("decided", [True, False], ids=["after the yes", "before it"])
def test_a_tools_schema_that_changed_is_asked_again(scene: Scene, mode: Mode, decided: bool) -> None:
    ran: list[Ran] = []
    before, graph = _desk(scene, ran)
    config = before.config("t", KIM)
    run(graph, {**ask(), "account": "DE-1"}, config, mode)
    [first] = waiting(before, config)
    if decided:
        decide(before, first)
    after, graph = _desk(scene, ran, wider=True)
    with pytest.raises(FingerprintError):
        go_on(graph, config, mode)
    assert ran == []
    # The digest holds by itself where somebody says that the graph is the one that was paused.
    _turn(scene, "fingerprint", graph.runs.fingerprint)
    go_on(graph, config, mode)
    assert ran == []
    [second] = waiting(after, config)
    assert second.request.action.schema_version != first.request.action.schema_version
    assert second.digest != first.digest
    decide(after, second)
    out = go_on(graph, config, mode)
    assert ran == [("pay", 5, "DE-1")]
    assert told(out) == ["moved"]


@pytest.mark.parametrize(
    ("column", "value"),
    [("args", '{"amount":5000}'), ("digest", "f" * 64)],
    ids=["the arguments of the approval", "its digest"],
)
def test_an_approval_whose_row_was_changed_runs_nothing(
    scene: Scene, mode: Mode, column: str, value: str
) -> None:
    ran: list[Ran] = []
    guard, graph = _desk(scene, ran)
    config = guard.config("t", KIM)
    run(graph, {**ask(), "account": "DE-1"}, config, mode)
    [first] = waiting(guard, config)
    decide(guard, first)
    with scene.sqlite() as connection:
        assert connection.execute(f"UPDATE gk_approvals SET {column} = ?", (value,)).rowcount == 1
    go_on(graph, config, mode)
    assert ran == []
    assert entries(guard, "effect.claimed") == []
