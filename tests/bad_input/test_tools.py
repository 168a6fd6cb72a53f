"""Tools that fail in every way, and arguments that no schema asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import StructuredTool
from langgraph.graph import START, MessagesState, StateGraph

from guardkit import EffectNotDone, EffectState, NoResultReason
from guardkit.core.values import JsonObject
from guardkit.errors import InputError
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    agent,
    ask,
    compiled,
    decide,
    ended,
    entries,
    go_on,
    last,
    payer,
    run,
    told,
    waiting,
)

pytestmark = [pytest.mark.promise("P15")]

PAY = calls(("pay", {"claim": "C-1"}))


# --- what effects do ------------------------------------------------------------------------------------------------


def raises() -> Any:
    raise ConnectionError("the bank hung up, account 4711")


def exits() -> Any:
    raise SystemExit("the bank's library ends the program")


def a_surrogate() -> Any:
    return "\ud800"


BROKEN: dict[str, Callable[[], Any]] = {"raises": raises, "gives a lone surrogate": a_surrogate}


@pytest.mark.promise("P3", "P9")
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_an_effect_without_a_usable_result_is_in_doubt_and_ends_the_turn(
    scene: Scene, mode: Mode, broken: Callable[[], Any]
) -> None:
    guard = scene.guard({"pay": "allow"})
    started: list[str] = []

    @guard.effect(key=lambda a: a.claim)
    def pay(claim: str) -> Any:
        """Pay a claim."""
        started.append(claim)
        return broken()

    graph = compiled(guard, [PAY, PAY, "done"], [pay], name="desk")
    config = guard.config("c-1", KIM)
    run(graph, ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.EFFECT_IN_DOUBT
    (effect,) = guard.store.effects()
    assert effect.state is EffectState.IN_DOUBT
    assert "4711" not in ended(guard, config).model_dump_json()
    assert "4711" not in str([entry.event.data for entry in entries(guard)])

    another = guard.config("c-2", KIM)
    run(graph, ask(), another, mode)
    assert ended(guard, another).reason is NoResultReason.EFFECT_IN_DOUBT
    assert started == ["C-1"]


def in_node_code(pay: Any) -> StateGraph[Any, Any, Any, Any]:
    """A graph that calls an effect from a node, not for a model."""

    def desk(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(str(pay.invoke({"claim": "C-1"})))]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk)
    builder.add_edge(START, "desk")
    return builder


@pytest.mark.promise("P3")
@pytest.mark.parametrize("result", [object(), b"\xff"], ids=["an object", "bytes"])
def test_an_effect_whose_result_is_not_json_is_in_doubt_in_node_code(scene: Scene, result: Any) -> None:
    guard = scene.guard({"pay": "allow"})
    started: list[str] = []

    @guard.effect(key=lambda a: a.claim)
    def pay(claim: str) -> Any:
        """Pay a claim."""
        started.append(claim)
        return result

    graph = guard.compile(in_node_code(pay))
    config = guard.config("c-1", KIM)
    graph.invoke(ask(), config)
    none = ended(guard, config)
    assert none.reason is NoResultReason.EFFECT_IN_DOUBT
    assert "must be JSON" in none.why[0]
    graph.invoke(None, config)
    assert started == ["C-1"]


@pytest.mark.promise("P3")
def test_an_effect_whose_result_is_not_json_is_text_to_the_model(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})

    @guard.effect(key=lambda a: a.claim)
    def pay(claim: str) -> Any:
        """Pay a claim."""
        return {"paid": {1}}

    graph = compiled(guard, [PAY, PAY, "done"], [pay])
    first, again = told(run(graph, ask(), guard.config("c-1", KIM), mode))
    assert first == again  # the second call has the first one's key, and gets what the ledger kept


@pytest.mark.promise("P3")
def test_an_effect_that_ends_the_program_is_in_doubt(scene: Scene) -> None:
    guard = scene.guard({"pay": "allow"})

    @guard.effect
    def pay(claim: str) -> Any:
        """Pay a claim."""
        return exits()

    graph = compiled(guard, [PAY, "done"], [pay])
    with pytest.raises(SystemExit):
        graph.invoke(ask(), guard.config("c-1", KIM))
    (effect,) = guard.store.effects()
    assert effect.state is EffectState.IN_DOUBT


@pytest.mark.promise("P3")
def test_a_word_that_nothing_happened_leaves_the_key_free(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})
    tried: list[str] = []

    @guard.effect(key=lambda a: a.claim)
    def pay(claim: str) -> str:
        """Pay a claim."""
        tried.append(claim)
        if len(tried) == 1:
            raise EffectNotDone(tell_model="The bank is closed.")
        return "paid"

    graph = compiled(guard, [PAY, PAY, "done"], [pay])
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    assert told(output) == ["The bank is closed.", "paid"]
    (effect,) = guard.store.effects()
    assert (effect.state, effect.attempt) == (EffectState.DONE, 2)


@pytest.mark.promise("P3")
def test_an_effect_that_takes_too_long_is_in_doubt(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})
    release = threading.Event()

    def slow(claim: str) -> str:
        """Pay a claim."""
        release.wait(30)
        return "paid"

    async def aslow(claim: str) -> str:
        """Pay a claim."""
        await asyncio.sleep(30)
        return "paid"

    pay = guard.effect(name="pay", timeout=0.2)(slow if mode == "sync" else aslow)
    graph = compiled(guard, [PAY, "done"], [pay])
    config = guard.config("c-1", KIM)
    try:
        run(graph, ask(), config, mode)
        none = ended(guard, config)
        assert none.reason is NoResultReason.EFFECT_IN_DOUBT
        assert "TimeoutError" in none.why[0]
        (effect,) = guard.store.effects()
        assert effect.state is EffectState.IN_DOUBT
    finally:
        release.set()


@pytest.mark.promise("P3")
def test_an_effect_whose_run_is_cancelled_is_in_doubt(scene: Scene) -> None:
    guard = scene.guard({"pay": "allow"})
    started: list[str] = []

    @guard.effect(key=lambda a: a.claim)
    async def pay(claim: str) -> str:
        """Pay a claim."""
        started.append(claim)
        inside.set()
        await asyncio.sleep(30)
        return "paid"

    graph = compiled(guard, [PAY, PAY, "done"], [pay])
    config = guard.config("c-1", KIM)
    inside = asyncio.Event()

    async def cancelled() -> None:
        running = asyncio.create_task(graph.ainvoke(ask(), config))
        await asyncio.wait_for(inside.wait(), 30)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    (effect,) = guard.store.effects()
    assert effect.state in (EffectState.IN_DOUBT, EffectState.CLAIMED)

    asyncio.run(graph.ainvoke(None, config))
    assert ended(guard, config).reason is NoResultReason.EFFECT_IN_DOUBT
    assert started == ["C-1"]


# --- what reads do --------------------------------------------------------------------------------------------------


def test_a_read_may_return_what_it_likes(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"look": "allow"})

    @guard.read
    def look() -> Any:
        """Look something up."""
        return {"found": {1}}

    graph = compiled(guard, [calls(("look", {})), "done"], [look])
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    assert "found" in told(output)[0]
    assert last(output) == "done"


def test_a_read_that_raises_fails_the_turn_and_may_be_tried_again(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"look": "allow"})
    tried: list[str] = []

    @guard.read
    def look() -> str:
        """Look something up."""
        tried.append("look")
        if len(tried) == 1:
            raise ConnectionError("the archive is closed")
        return "found"

    graph = compiled(guard, [calls(("look", {})), "done"], [look])
    config = guard.config("c-1", KIM)
    with pytest.raises(ConnectionError, match="the archive is closed"):
        run(graph, ask(), config, mode)
    assert last(run(graph, None, config, mode)) == "done"
    assert tried == ["look", "look"]


def test_a_read_that_raises_is_told_to_the_model_where_the_tool_node_says_so(
    scene: Scene, mode: Mode
) -> None:
    guard = scene.guard({"look": "allow"})

    @guard.read(timeout=5)
    def look() -> str:
        """Look something up."""
        raise ConnectionError("the archive is closed")

    graph = guard.compile(agent([calls(("look", {})), "done"], [look], handle_tool_errors=True))
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    assert "the archive is closed" in told(output)[0]


# --- arguments ----------------------------------------------------------------------------------------------------------

ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({"claim": "C-1"}, "amount"),
    "of another type": ({"claim": "C-1", "amount": "much"}, "amount"),
    "null": ({"claim": None, "amount": 5}, "claim"),
    "a list": ({"claim": ["C-1"], "amount": 5}, "claim"),
    "NaN": ({"claim": "C-1", "amount": float("nan")}, "amount"),
    "infinite": ({"claim": "C-1", "amount": float("inf")}, "amount"),
    "an unsafe integer": ({"claim": "C-1", "amount": 2**60}, "amount"),
    "a lone surrogate": ({"claim": "C-\ud800", "amount": 5}, "claim"),
}


@pytest.mark.promise("P1")
@pytest.mark.parametrize(("args", "field"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_that_do_not_fit_are_told_by_name_and_nothing_runs(
    scene: Scene, mode: Mode, args: dict[str, Any], field: str
) -> None:
    guard = scene.guard({"pay": "allow"})
    paid: list[JsonObject] = []
    graph = compiled(guard, [calls(("pay", args)), "done"], [payer(guard, paid)])
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    assert field in told(output)[0]
    assert output["messages"][-2].status == "error"
    assert last(output) == "done"
    assert paid == []
    assert guard.store.effects() == []


@pytest.mark.promise("P1")
def test_arguments_that_no_schema_asked_for_do_not_reach_the_tool(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": ASK})
    paid: list[JsonObject] = []
    args = {"claim": "C-1", "amount": 5, "account": "EVIL", "effect": "mine", "config": {}}
    graph = compiled(guard, [calls(("pay", args)), "done"], [payer(guard, paid)])
    config = guard.config("c-1", KIM)
    run(graph, ask(), config, mode)
    asked = waiting(guard, config)
    assert [one.args for one in asked] == [{"claim": "C-1", "amount": 5}]
    decide(guard, asked[0])
    go_on(graph, config, mode)
    assert paid == [{"claim": "C-1", "amount": 5}]


@pytest.mark.promise("P7")
def test_a_huge_argument_is_refused_before_anybody_is_asked(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": ASK})
    paid: list[JsonObject] = []
    args = {"claim": "C-1 and so on " * 100_000, "amount": 5}
    graph = compiled(guard, [calls(("pay", args)), "done"], [payer(guard, paid)])
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    assert told(output) == ["An argument is too long."]
    assert last(output) == "done"
    assert guard.store.listed() == []
    assert paid == []


@pytest.mark.promise("P1", "P12")
def test_without_that_check_huge_arguments_are_shown_kept_and_run_as_they_are(
    scene: Scene, mode: Mode
) -> None:
    guard = scene.guard({"pay": ASK}, action_checks=())
    paid: list[JsonObject] = []
    args = {"claim": "C-1 and so on " * 20_000, "amount": 5}
    graph = compiled(guard, [calls(("pay", args)), "done"], [payer(guard, paid)])
    config = guard.config("c-1", KIM)
    run(graph, ask(), config, mode)
    (asked,) = waiting(guard, config)
    assert asked.args == args
    decide(guard, asked)
    go_on(graph, config, mode)
    assert paid == [args]


@pytest.mark.promise("P7")
def test_arguments_nested_beyond_reason_are_refused_and_nothing_else_happens(
    scene: Scene, mode: Mode
) -> None:
    guard = scene.guard({"file": "allow"})
    filed: list[Any] = []

    @guard.effect
    def file(form: list[Any]) -> str:
        """File a form."""
        filed.append(form)
        return "filed"

    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    graph = compiled(guard, [calls(("file", {"form": deep})), "done"], [file])
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    assert output["messages"][-2].status == "error"
    assert filed == []


@pytest.mark.promise("P7")
def test_arguments_that_do_not_fit_a_json_schema_are_told_by_name(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})
    paid: list[Any] = []

    def pay(**args: Any) -> str:
        paid.append(args)
        return "paid"

    async def apay(**args: Any) -> str:
        return pay(**args)

    schema = {
        "type": "object",
        "properties": {"amount": {"type": "integer", "minimum": 1}},
        "required": ["amount"],
    }
    tool = StructuredTool(name="pay", description="Pay.", args_schema=schema, func=pay, coroutine=apay)
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    bad = [{"amount": 0}, {"amount": "much"}, {}, {"amount": float("nan")}, {"amount": deep}]
    lines = [*(calls(("pay", one)) for one in bad), calls(("pay", {"amount": 5})), "done"]
    graph = compiled(guard, lines, [guard.effect(tool)])
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    said = told(output)
    assert all("amount" in one or "args" in one for one in said[:-1])
    assert said[-1] == "paid"
    assert paid == [{"amount": 5}]


@pytest.mark.promise("P1", "P15")
@pytest.mark.parametrize(
    "bad", [{"claim": "C-1"}, {"claim": "C-1", "amount": "much"}, {"claim": 5, "amount": 2**60}]
)
def test_bad_arguments_in_node_code_are_an_error_that_names_the_field(
    scene: Scene, mode: Mode, bad: dict[str, Any]
) -> None:
    guard = scene.guard({"pay": "allow"})
    paid: list[JsonObject] = []
    pay = payer(guard, paid)

    def desk(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(pay.invoke(bad))]}

    async def adesk(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(await pay.ainvoke(bad))]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk if mode == "sync" else adesk)
    builder.add_edge(START, "desk")
    with pytest.raises(InputError, match=r"amount|claim"):
        run(guard.compile(builder), ask(), guard.config("c-1", KIM), mode)
    assert paid == []


@pytest.mark.promise("P1")
def test_a_call_that_cannot_be_read_spoils_no_other_one(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})
    paid: list[JsonObject] = []
    bad, good = {"claim": "C-\ud800", "amount": 1}, {"claim": "C-1", "amount": 5}
    lines = [calls(("pay", bad), ("pay", good)), calls(("pay", {**good, "amount": 6})), "done"]
    graph = compiled(guard, lines, [payer(guard, paid)])
    output = run(graph, ask(), guard.config("c-1", KIM), mode)
    assert "claim" in told(output)[0]
    assert told(output)[1:] == ["paid 5", "paid 6"]
    assert paid == [good, {**good, "amount": 6}]
