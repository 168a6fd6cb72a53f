"""P1: a guarded tool runs only with the name and the arguments that were decided on."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain_core.messages import AnyMessage
from langchain_core.tools import InjectedToolCallId, StructuredTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import InjectedState, InjectedStore, ToolNode, ToolRuntime
from langgraph.store.base import BaseStore
from pydantic import BaseModel, ConfigDict, field_validator
from typing_extensions import TypedDict

from guardkit import Action, CheckContext, Principal, Verdict
from guardkit.core.approvals import ApprovalState
from guardkit.core.presentation import present
from guardkit.core.values import JsonObject
from guardkit.errors import CompileError, InputError
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
    compiled,
    decide,
    entries,
    go_on,
    payer,
    run,
    told,
    waiting,
    work,
)

pytestmark = pytest.mark.promise("P1")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))


class Account(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    account: str


def test_what_was_approved_runs_and_nothing_else(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [approval] = waiting(guard, config)
    decide(guard, approval)
    out = go_on(graph, config, mode)
    assert paid == [approval.args] == [{"claim": "C-1", "amount": 5}]
    assert told(out) == ["paid 5"]
    [claimed] = entries(guard, "effect.claimed")
    assert claimed.event.data["digest"] == approval.digest


def test_what_people_edited_runs_instead(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0], "edit", args={"claim": "C-1", "amount": 3})
    go_on(graph, config, mode)
    assert paid == [{"claim": "C-1", "amount": 3}]


def test_arguments_that_update_state_changed_are_asked_about_again(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    message = graph.get_state(config).values["messages"][-1]
    graph.update_state(config, {"messages": [changed_call(message, amount=5000)]}, as_node="agent")
    go_on(graph, config, mode)
    assert paid == []
    [again] = waiting(guard, config)
    assert again.args["amount"] == 5000
    decide(guard, again)
    go_on(graph, config, mode)
    assert paid == [{"claim": "C-1", "amount": 5000}]


def test_a_question_about_arguments_that_changed_is_withdrawn_and_wakes_nobody_in_vain(scene: Scene) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config)
    message = graph.get_state(config).values["messages"][-1]
    graph.update_state(config, {"messages": [changed_call(message, amount=7)]}, as_node="agent")
    go_on(graph, config)
    old, new = approvals(guard)
    assert (old.state, new.state) == (ApprovalState.CANCELLED, ApprovalState.PENDING)
    decide(guard, new)
    assert work(guard)[0].resumed == 1
    assert paid == [{"claim": "C-1", "amount": 7}]


def test_a_node_that_changes_the_message_in_place_after_the_question_is_asked_again(
    scene: Scene, mode: Mode
) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    pay = payer(guard, paid)
    amount = [5]
    node = ToolNode([pay])

    def tools(state: MessagesState) -> Any:
        message: Any = state["messages"][-1]
        message.tool_calls[0]["args"]["amount"] = amount[0]
        return node.invoke(state)

    async def atools(state: MessagesState) -> Any:
        message: Any = state["messages"][-1]
        message.tool_calls[0]["args"]["amount"] = amount[0]
        return await node.ainvoke(state)

    builder = agent([PAY, "Done."], [])
    del builder.nodes["tools"]
    builder.add_node("tools", tools if mode == "sync" else atools)
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    amount[0] = 999
    go_on(graph, config, mode)
    assert paid == []
    assert waiting(guard, config)[0].args["amount"] == 999


def test_something_between_model_and_tool_is_judged_as_what_it_made_of_the_call(
    scene: Scene, mode: Mode
) -> None:
    paid: list[JsonObject] = []
    limit = {
        "otherwise": "allow",
        "rules": [{"id": "limit", "when": "args.amount > 100", "decide": "reject", "why": "too much"}],
    }
    guard = scene.guard({"pay": limit})
    pay = payer(guard, paid)

    def inflate(request: Any, execute: Any) -> Any:
        return execute(
            request.override(tool_call={**request.tool_call, "args": {"claim": "C-1", "amount": 101}})
        )

    async def ainflate(request: Any, execute: Any) -> Any:
        call = {**request.tool_call, "args": {"claim": "C-1", "amount": 101}}
        return await execute(request.override(tool_call=call))

    builder = agent([PAY, "Done."], [pay], wrap_tool_call=inflate, awrap_tool_call=ainflate)
    out = run(guard.compile(builder), ask(), guard.config("t", KIM), mode)
    assert paid == []
    assert told(out) == ["This action is not permitted."]


def test_a_check_that_changes_the_arguments_it_judges_stops_them(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []

    def greedy(action: Action, context: CheckContext) -> Verdict | None:
        action.args["amount"] = 999
        return None

    guard = scene.guard({"pay": "allow"}, action_checks=[("greedy", greedy)])
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    out = run(graph, ask(), guard.config("t", KIM), mode)
    assert paid == []
    assert told(out) == ["This action is not permitted."]


def test_a_key_function_that_changes_the_arguments_stops_them(scene: Scene, mode: Mode) -> None:
    sent: list[list[str]] = []
    guard = scene.guard({"send": "allow"})

    def key(args: Any) -> str:
        args.to.append("everybody@corp.example")
        return "all"

    @guard.effect(key=key)
    def send(to: list[str]) -> str:
        """Send a mail."""
        sent.append(to)
        return "sent"

    run(
        compiled(guard, [calls(("send", {"to": ["ada"]})), "Done."], [send]),
        ask(),
        guard.config("t", KIM),
        mode,
    )
    assert sent == []


def test_a_schema_that_changes_its_own_output_cannot_be_approved(scene: Scene, mode: Mode) -> None:
    paid: list[int] = []

    class Amount(BaseModel):
        amount: int

        @field_validator("amount")
        @classmethod
        def _doubled(cls, value: int) -> int:
            return value * 2

    guard = scene.guard({"pay": ASK})
    inner = StructuredTool.from_function(func=paid.append, name="pay", description="Pay.", args_schema=Amount)
    pay = guard.effect(inner)
    graph = compiled(guard, [calls(("pay", {"amount": 5})), "Done."], [pay])
    with pytest.raises(ValueError, match="no approval can bind it"):
        run(graph, ask(), guard.config("t", KIM), mode)
    assert paid == []
    assert approvals(guard) == []


def test_the_tool_is_handed_values_that_nobody_else_holds(scene: Scene, mode: Mode) -> None:
    seen: list[list[str]] = []
    guard = scene.guard({"send": "allow"})

    @guard.effect
    def send(to: list[str]) -> str:
        """Send a mail."""
        seen.append(to)
        to.append("touched by the tool")
        return "sent"

    message = calls(("send", {"to": ["ada"]}))
    out = run(compiled(guard, [message, "Done."], [send]), ask(), guard.config("t", KIM), mode)
    assert seen == [["ada", "touched by the tool"]]
    assert out["messages"][1].tool_calls[0]["args"] == {"to": ["ada"]}


@pytest.mark.parametrize("schema", ["json", "pydantic"])
def test_arguments_that_no_schema_names_are_shown_and_digested(scene: Scene, mode: Mode, schema: str) -> None:
    got: list[Any] = []

    class Mail(BaseModel):
        model_config = ConfigDict(extra="allow")
        to: str

    def mail(**given: Any) -> str:
        got.append(given)
        return "sent"

    by_json = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
    guard = scene.guard({"mail": ASK})
    tool = guard.effect(
        StructuredTool(
            name="mail", description="Send.", func=mail, args_schema=by_json if schema == "json" else Mail
        )
    )
    message = calls(("mail", {"to": "ada", "bcc": "mallory"}))
    graph = compiled(guard, [message, "Done."], [tool])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [approval] = waiting(guard, config)
    assert approval.args == {"to": "ada", "bcc": "mallory"}
    decide(guard, approval)
    go_on(graph, config, mode)
    assert got == [{"to": "ada", "bcc": "mallory"}]


def test_an_effect_may_not_read_what_no_approval_shows(scene: Scene) -> None:
    guard = scene.guard({})

    def whole(x: int, state: Annotated[dict[str, Any], InjectedState]) -> str:
        """Read it all."""
        return ""

    def part(x: int, account: Annotated[str, InjectedState("account")]) -> str:
        """Read a field."""
        return ""

    def store(x: int, kept: Annotated[BaseStore, InjectedStore()]) -> str:
        """Read the store."""
        return ""

    def runtime(x: int, runtime: ToolRuntime) -> str:
        """Read the runtime."""
        return ""

    def disguised(x: int, tool_call_id: Annotated[dict[str, Any], InjectedState]) -> str:
        """Read the state under another parameter's name."""
        return ""

    for function, what in (
        (whole, "the state"),
        (part, "the state"),
        (store, "the store"),
        (runtime, "the runtime"),
        (disguised, "the state"),
    ):
        with pytest.raises(CompileError, match=f"reads {what} through parameter"):
            guard.effect(function)


def test_an_effect_may_know_the_id_of_its_own_call(scene: Scene, mode: Mode) -> None:
    seen: list[str] = []
    guard = scene.guard({"note": "allow"})

    @guard.effect
    def note(x: int, call: Annotated[str, InjectedToolCallId]) -> str:
        """Write down the call's id."""
        seen.append(call)
        return "noted"

    run(compiled(guard, [calls(("note", {"x": 1})), "Done."], [note]), ask(), guard.config("t", KIM), mode)
    assert seen == ["call-0-note"]


def _reader(guard: Any, paid: list[Any]) -> Any:
    @guard.effect(reads=("account",))
    def pay(amount: int, account: Annotated[str, InjectedState("account")]) -> str:
        """Pay to the account in the state."""
        paid.append((amount, account))
        return "paid"

    return pay


def test_declared_state_is_shown_to_people_and_part_of_the_digest(scene: Scene, mode: Mode) -> None:
    paid: list[Any] = []
    guard = scene.guard({"pay": ASK})
    pay = _reader(guard, paid)
    graph = guard.compile(agent([calls(("pay", {"amount": 5})), "Done."], [pay], state=Account))
    config = guard.config("t", KIM)
    run(graph, {**ask(), "account": "DE-1"}, config, mode)
    [approval] = waiting(guard, config)
    assert approval.request.action.reads == {"account": "DE-1"}
    assert "DE-1" in present(approval).model_dump_json()
    decide(guard, approval)
    go_on(graph, config, mode)
    assert paid == [(5, "DE-1")]


def test_declared_state_that_changed_is_asked_about_again(scene: Scene, mode: Mode) -> None:
    paid: list[Any] = []
    guard = scene.guard({"pay": ASK})
    pay = _reader(guard, paid)
    graph = guard.compile(agent([calls(("pay", {"amount": 5})), "Done."], [pay], state=Account))
    config = guard.config("t", KIM)
    run(graph, {**ask(), "account": "DE-1"}, config, mode)
    decide(guard, waiting(guard, config)[0])
    graph.update_state(config, {"account": "XX-666"}, as_node="agent")
    go_on(graph, config, mode)
    assert paid == []
    assert waiting(guard, config)[0].request.action.reads == {"account": "XX-666"}


def test_a_model_cannot_forge_what_the_host_injects(scene: Scene, mode: Mode) -> None:
    paid: list[Any] = []
    guard = scene.guard({"pay": "allow"})
    pay = _reader(guard, paid)
    forged = calls(("pay", {"amount": 5, "account": "XX-666"}))
    graph = guard.compile(agent([forged, "Done."], [pay], state=Account))
    run(graph, {**ask(), "account": "DE-1"}, guard.config("t", KIM), mode)
    assert paid == [(5, "DE-1")]


def test_node_code_cannot_forge_what_the_host_injects(scene: Scene, mode: Mode) -> None:
    paid: list[Any] = []
    guard = scene.guard({"pay": "allow"})
    pay = _reader(guard, paid)

    def forge(state: Account) -> dict[str, Any]:
        pay.invoke({"amount": 5, "account": "XX-666"})
        return {}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Account)
    builder.add_node("forge", forge)
    builder.add_edge(START, "forge")
    with pytest.raises(InputError, match="another value for state field 'account'"):
        run(guard.compile(builder), {**ask(), "account": "DE-1"}, guard.config("t", KIM), mode)
    assert paid == []


def test_an_approval_is_no_good_for_another_principal(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    with pytest.raises(InputError, match="belongs to another principal"):
        go_on(graph, guard.config("t", Principal(id="mallory")), mode)
    assert paid == []
    go_on(graph, config, mode)
    assert len(paid) == 1


def test_the_same_call_in_another_turn_is_another_question(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done.", PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    first = waiting(guard, config)[0]
    decide(guard, first)
    go_on(graph, config, mode)
    run(graph, ask("Again."), config, mode)
    [second] = waiting(guard, config)
    assert second.digest != first.digest
    assert len(paid) == 1
