"""P7: whatever is unknown, undecidable, broken, late or spent means no."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph

from guardkit import Action, CheckContext, Guard, NoResultReason, Observation, ToolKind, Verdict
from guardkit.core.values import JsonObject
from guardkit.errors import GuardkitError, MissingKeyError, PolicyError, UndeclaredToolError
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    agent,
    ask,
    compiled,
    ended,
    entries,
    go_on,
    payer,
    policy_of,
    run,
    told,
)

pytestmark = pytest.mark.promise("P7")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
NOT_PERMITTED = "This action is not permitted."


def _tried(scene: Scene, mode: Mode, policy: Any = "allow", **options: Any) -> tuple[Guard, list[Any], Any]:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": policy}, **options)
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    return guard, paid, run(graph, ask(), guard.config("t", KIM), mode)


def test_a_tool_that_nobody_declared_and_no_policy_names_cannot_be_compiled(scene: Scene) -> None:
    @tool
    def wipe() -> str:
        """Wipe the disk."""
        return "wiped"

    guard = scene.guard({})
    with pytest.raises(UndeclaredToolError, match="wipe"):
        guard.compile(agent(["Done."], [wipe]))


def test_a_tool_that_nobody_declared_counts_as_an_effect(scene: Scene, mode: Mode) -> None:
    ran: list[int] = []

    @tool
    def wipe() -> str:
        """Wipe the disk."""
        ran.append(1)
        return "wiped"

    guard = scene.guard({"wipe": "allow"})
    graph = guard.compile(agent([calls(("wipe", {})), "Done."], [wipe]))
    run(graph, ask(), guard.config("t", KIM), mode)
    assert ran == [1]
    assert graph.runs.services.tools["wipe"].kind is ToolKind.EFFECT
    assert len(entries(guard, "effect.claimed")) == 1


def test_a_tool_without_an_entry_is_rejected(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    out = run(graph, ask(), guard.config("t", KIM), mode)
    assert (paid, told(out)) == ([], [NOT_PERMITTED])


def test_a_tool_that_the_model_made_up_does_not_run(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow"})
    graph = compiled(guard, [calls(("pay_twice", {})), "Done."], [payer(guard, paid)])
    out = run(graph, ask(), guard.config("t", KIM), mode)
    assert paid == []
    assert "pay_twice is not a valid tool" in told(out)[0]


def test_a_tool_that_is_not_guarded_is_stopped_in_node_code(scene: Scene, mode: Mode) -> None:
    ran: list[int] = []

    @tool
    def wipe() -> str:
        """Wipe the disk."""
        ran.append(1)
        return "wiped"

    def node(state: MessagesState) -> dict[str, Any]:
        wipe.invoke({})
        return {}

    async def anode(state: MessagesState) -> dict[str, Any]:
        await wipe.ainvoke({})
        return {}

    guard = scene.guard({})
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("node", node if mode == "sync" else anode)
    builder.add_edge(START, "node")
    with pytest.raises(UndeclaredToolError, match="wipe"):
        run(guard.compile(builder), ask(), guard.config("t", KIM), mode)
    assert ran == []


def _raises(action: Action, context: CheckContext) -> Verdict:
    raise RuntimeError("the service is down")


def _junk(action: Action, context: CheckContext) -> Any:
    return True


async def _late(action: Action, context: CheckContext) -> Verdict | None:
    await asyncio.sleep(30)
    return None


async def _araises(action: Action, context: CheckContext) -> Verdict | None:
    raise RuntimeError("the service is down")


@pytest.mark.parametrize(
    ("check", "modes"),
    [
        pytest.param(_raises, ("sync", "async"), id="raises"),
        pytest.param(_junk, ("sync", "async"), id="junk"),
        pytest.param(_late, ("async",), id="late"),
        pytest.param(_late, ("sync",), id="async-check-in-a-sync-graph"),
        pytest.param(_araises, ("async",), id="async-raises"),
    ],
)
def test_a_check_that_does_not_say_yes_says_no(scene: Scene, check: Any, modes: Any) -> None:
    for mode in modes:
        guard = scene.guard({"pay": "allow"}, action_checks=[("one", check)], check_timeout=0.05)
        paid: list[JsonObject] = []
        graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)], name=mode)
        out = run(graph, ask(), guard.config(mode, KIM), mode)
        assert (paid, told(out)) == ([], [NOT_PERMITTED])


def test_the_strictest_check_wins_in_any_order(scene: Scene, mode: Mode) -> None:
    def fine(action: Action, context: CheckContext) -> Verdict | None:
        return Verdict(check="fine")

    def bad(action: Action, context: CheckContext) -> Verdict | None:
        return Verdict(check="bad", outcome="block")

    for number, checks in enumerate(([("a", fine), ("b", bad)], [("b", bad), ("a", fine)])):
        guard = scene.guard({"pay": "allow"}, action_checks=checks)
        paid: list[JsonObject] = []
        graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)], name=f"a{number}")
        run(graph, ask(), guard.config(f"t{number}", KIM), mode)
        assert paid == []


def test_a_rule_that_cannot_be_evaluated_rejects(scene: Scene, mode: Mode) -> None:
    rule = {"id": "share", "when": "100 / (args.amount - 5) > 1", "decide": "reject", "why": "share"}
    _, paid, out = _tried(scene, mode, {"otherwise": "allow", "rules": [rule]})
    assert (paid, told(out)) == ([], [NOT_PERMITTED])


def test_a_rule_that_cannot_be_read_is_told_before_anything_runs(scene: Scene) -> None:
    rule = {"id": "typo", "when": "args.amuont > 5", "decide": "reject", "why": "typo"}
    guard = scene.guard({"pay": {"otherwise": "allow", "rules": [rule]}})
    pay = payer(guard, [])
    with pytest.raises(PolicyError, match="amuont"):
        guard.compile(agent(["Done."], [pay]))


def test_a_policy_that_asks_people_needs_the_keys_to_know_them_by(scene: Scene) -> None:
    with pytest.raises(MissingKeyError, match="decision_public_keys"):
        Guard(scene.url, policy=policy_of({"pay": ASK}))


@pytest.mark.parametrize(
    "budgets",
    [
        pytest.param({"tool_calls": 1}, id="tool_calls"),
        pytest.param({"steps": 1}, id="steps"),
        pytest.param({"seconds": 0.0001}, id="seconds"),
    ],
)
def test_a_spent_budget_ends_the_turn(scene: Scene, mode: Mode, budgets: dict[str, Any]) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow"}, budgets=budgets)
    more = [calls(("pay", {"claim": f"C-{number}", "amount": number})) for number in range(3)]
    graph = compiled(guard, [*more, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.BUDGET_EXHAUSTED
    assert len(paid) <= 1


def test_a_budget_is_not_refilled_by_a_pause(scene: Scene, mode: Mode) -> None:
    from tests.promises.scene import decide, waiting

    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK}, budgets={"tool_calls": 1})
    more = [calls(("pay", {"claim": f"C-{number}", "amount": number})) for number in range(3)]
    graph = compiled(guard, [*more, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    go_on(graph, config, mode)
    assert len(paid) == 1
    assert ended(guard, config).reason is NoResultReason.BUDGET_EXHAUSTED


def test_the_same_call_without_end_ends_the_turn(scene: Scene, mode: Mode) -> None:
    looked: list[str] = []
    guard = scene.guard({"look": "allow"}, budgets={"same_call": 2})

    @guard.read(trust="trusted")
    def look(claim: str) -> str:
        """Look up a claim."""
        looked.append(claim)
        return "open"

    graph = compiled(guard, [calls(("look", {"claim": "C-1"}))] * 5, [look])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.NO_PROGRESS
    assert len(looked) == 2


def _observation_raises(observation: Observation, context: CheckContext) -> Verdict:
    raise RuntimeError("the service is down")


def test_an_observation_that_could_not_be_checked_is_withheld(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"look": "allow"}, observation_checks=[("broken", _observation_raises)])

    @guard.read
    def look() -> str:
        """Look."""
        return "a secret"

    out = run(compiled(guard, [calls(("look", {})), "Done."], [look]), ask(), guard.config("t", KIM), mode)
    assert told(out) == ["The result is withheld: it did not pass a safety check."]


def test_a_next_step_that_could_not_be_decided_ends_the_turn(scene: Scene, mode: Mode) -> None:
    def broken(step: Any, context: CheckContext) -> Any:
        raise RuntimeError("the service is down")

    guard = scene.guard({"look": "allow"}, assessors=[("broken", broken)])

    @guard.read
    def look() -> str:
        """Look."""
        return "fine"

    config = guard.config("t", KIM)
    run(compiled(guard, [calls(("look", {})), "Done."], [look]), ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.CHECK_FAILED


def test_a_node_check_that_raises_ends_the_turn_and_its_output_is_not_written_on(
    scene: Scene, mode: Mode
) -> None:
    behind: list[int] = []
    guard = scene.guard({})

    def broken(output: Any, context: CheckContext) -> Verdict | None:
        raise RuntimeError("the service is down")

    @guard.node(checks=[("broken", broken)])
    def write(state: MessagesState) -> dict[str, Any]:
        return {"messages": [("ai", "hello")]}

    def after(state: MessagesState) -> dict[str, Any]:
        behind.append(1)
        return {}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node(write)
    builder.add_node("after", after)
    builder.add_edge(START, "write")
    builder.add_edge("write", "after")
    config = guard.config("t", KIM)
    run(guard.compile(builder), ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.CHECK_FAILED
    assert behind == []


def test_a_database_that_cannot_be_reached_lets_nothing_run(scene: Scene, mode: Mode, tmp_path: Any) -> None:
    paid: list[JsonObject] = []
    scene.url = f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'x.db'}"
    guard = scene.guard({"pay": "allow"})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    with pytest.raises(GuardkitError, match=r"x\.db|folder"):
        run(graph, ask(), guard.config("t", KIM), mode)
    assert paid == []
