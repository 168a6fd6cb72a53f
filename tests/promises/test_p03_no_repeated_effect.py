"""P3: an effect key is started at most once, and what nobody knows is in doubt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph

from guardkit import Effect, EffectNotDone, EffectState, Guard, NoResultReason, Reconciled, SQLAlchemySaver
from guardkit.core.audit import AuditEvent
from guardkit.testing import calls
from tests.promises.scene import KIM, Mode, Scene, agent, ask, compiled, ended, entries, run, told

pytestmark = pytest.mark.promise("P3")

PAY = calls(("pay", {"claim": "C-1"}))


class Bank:
    """What is outside, and what it does next."""

    def __init__(self) -> None:
        self.started: list[Effect] = []
        self.next: Exception | None = None

    def pay(self, effect: Effect) -> str:
        self.started.append(effect)
        if self.next is not None:
            raise self.next
        return "paid"


def _payer(guard: Guard, bank: Bank, mode: Mode, **options: Any) -> Any:
    options.setdefault("key", lambda args: args.claim)

    def pay(claim: str, *, effect: Effect) -> str:
        """Pay a claim."""
        return bank.pay(effect)

    async def apay(claim: str, *, effect: Effect) -> str:
        """Pay a claim."""
        return bank.pay(effect)

    apay.__name__ = "pay"
    return guard.effect(**options)(pay if mode == "sync" else apay)


def _thread(scene: Scene, mode: Mode, bank: Bank, **options: Any) -> tuple[Guard, Callable[[str], Any]]:
    guard = scene.guard({"pay": "allow"})
    graph = compiled(
        guard, [PAY, "Done.", PAY, "Done.", PAY, "Done."], [_payer(guard, bank, mode, **options)]
    )

    def turn(thread: str) -> Any:
        return run(graph, ask(), guard.config(thread, KIM), mode)

    return guard, turn


def _state(guard: Guard) -> EffectState:
    record = guard.store.effect("default", "pay:C-1")
    assert record is not None
    return record.state


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(RuntimeError("boom"), id="error"),
        pytest.param(ConnectionError("reset"), id="connection"),
        pytest.param(TimeoutError("late"), id="timeout"),
    ],
)
def test_an_exception_after_the_claim_leaves_it_in_doubt(scene: Scene, mode: Mode, fault: Exception) -> None:
    bank = Bank()
    guard, turn = _thread(scene, mode, bank)
    bank.next = fault
    turn("a")
    assert ended(guard, guard.config("a", KIM)).reason is NoResultReason.EFFECT_IN_DOUBT
    assert _state(guard) is EffectState.IN_DOUBT


def test_every_call_with_a_key_in_doubt_is_refused(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    guard, turn = _thread(scene, mode, bank)
    bank.next = RuntimeError("boom")
    turn("a")
    bank.next = None
    for thread in ("b", "c"):
        turn(thread)
        assert ended(guard, guard.config(thread, KIM)).reason is NoResultReason.EFFECT_IN_DOUBT
    assert len(bank.started) == 1


def test_a_person_settles_what_is_in_doubt(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    guard, turn = _thread(scene, mode, bank)
    bank.next = RuntimeError("boom")
    turn("a")
    bank.next = None
    event = AuditEvent(kind="effect.reconciled", data={"by": "dana"})
    settled = guard.store.reconcile(
        "default", "pay:C-1", state=EffectState.NOT_DONE, result=None, by="dana", events=[event]
    )
    assert settled
    assert told(turn("b")) == ["paid"]
    assert [one.attempt for one in bank.started] == [1, 2]
    assert bank.started[0].key == bank.started[1].key


def test_the_tool_finds_out_that_it_was_done(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    asked: list[str] = []

    def reconcile(key: str) -> Reconciled:
        asked.append(key)
        return Reconciled(state="done", result="paid after all")

    guard, turn = _thread(scene, mode, bank, reconcile=reconcile)
    bank.next = ConnectionError("reset")
    turn("a")
    turn("b")
    assert len(bank.started) == 1
    assert asked == [bank.started[0].key]
    assert _state(guard) is EffectState.DONE


def test_the_tool_finds_out_that_it_was_not_done(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    guard, turn = _thread(scene, mode, bank, reconcile=lambda key: Reconciled(state="not_done"))
    bank.next = ConnectionError("reset")
    turn("a")
    bank.next = None
    assert told(turn("b")) == ["paid"]
    assert [one.attempt for one in bank.started] == [1, 2]
    assert _state(guard) is EffectState.DONE


def test_that_it_was_not_done_counts_after_the_deadline_only(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    asked: list[float] = []

    def reconcile(key: str) -> Reconciled:
        asked.append(guard.store.now())
        return Reconciled(state="not_done")

    guard, turn = _thread(scene, mode, bank, reconcile=reconcile, timeout=1.0)
    bank.next = ConnectionError("reset")
    turn("a")
    bank.next = None
    assert told(turn("b")) == ["paid"]
    deadline = bank.started[0].deadline
    assert deadline is not None
    assert asked[-1] >= deadline
    assert [one.attempt for one in bank.started] == [1, 2]


def test_what_reaches_the_outside_until_the_deadline_is_found_then(scene: Scene, mode: Mode) -> None:
    bank = Bank()

    def reconcile(key: str) -> Reconciled:
        deadline = bank.started[0].deadline
        assert deadline is not None
        return Reconciled(state="not_done" if guard.store.now() < deadline else "done", result="paid late")

    guard, turn = _thread(scene, mode, bank, reconcile=reconcile, timeout=1.0)
    bank.next = ConnectionError("reset")
    turn("a")
    turn("b")
    assert len(bank.started) == 1
    assert _state(guard) is EffectState.DONE


def test_that_it_was_done_counts_at_once(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    guard, turn = _thread(
        scene, mode, bank, reconcile=lambda key: Reconciled(state="done", result="paid"), timeout=3600
    )
    bank.next = ConnectionError("reset")
    turn("a")
    turn("b")
    assert len(bank.started) == 1
    assert _state(guard) is EffectState.DONE


def test_a_tool_without_a_timeout_has_no_deadline(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    _, turn = _thread(scene, mode, bank)
    turn("a")
    assert [one.deadline for one in bank.started] == [None]


@pytest.mark.parametrize("found", ["unknown", "raises", "junk"])
def test_a_tool_that_does_not_know_leaves_it_in_doubt(scene: Scene, mode: Mode, found: str) -> None:
    def reconcile(key: str) -> Any:
        if found == "raises":
            raise RuntimeError("no connection")
        return Reconciled(state="unknown") if found == "unknown" else True

    bank = Bank()
    guard, turn = _thread(scene, mode, bank, reconcile=reconcile)
    bank.next = ConnectionError("reset")
    turn("a")
    bank.next = None
    turn("b")
    assert len(bank.started) == 1
    assert _state(guard) is EffectState.IN_DOUBT


def test_a_tool_that_says_nothing_happened_may_be_tried_again(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    guard, turn = _thread(scene, mode, bank)
    bank.next = EffectNotDone("The bank is closed.")
    assert told(turn("a")) == ["The bank is closed."]
    assert _state(guard) is EffectState.NOT_DONE
    bank.next = None
    assert told(turn("b")) == ["paid"]
    assert [one.attempt for one in bank.started] == [1, 2]


def test_a_tool_that_is_late_leaves_it_in_doubt(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})

    def pay(claim: str) -> str:
        """Pay, slowly."""
        time.sleep(0.5)
        return "paid"

    async def apay(claim: str) -> str:
        """Pay, slowly."""
        await asyncio.sleep(0.5)
        return "paid"

    apay.__name__ = "pay"
    tool = guard.effect(key=lambda args: args.claim, timeout=0.05)(pay if mode == "sync" else apay)
    config = guard.config("a", KIM)
    run(compiled(guard, [PAY, "Done."], [tool]), ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.EFFECT_IN_DOUBT
    assert _state(guard) is EffectState.IN_DOUBT


def test_a_run_cancelled_while_the_tool_runs_leaves_it_in_doubt(scene: Scene) -> None:
    guard = scene.guard({"pay": "allow"})
    began = asyncio.Event()

    @guard.effect(key=lambda args: args.claim)
    async def pay(claim: str) -> str:
        """Pay, and never come back."""
        began.set()
        await asyncio.sleep(60)
        return "paid"

    graph = compiled(guard, [PAY, "Done.", PAY, "Done."], [pay])

    async def cancelled() -> None:
        task = asyncio.create_task(graph.ainvoke(ask(), guard.config("a", KIM)))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert _state(guard) is EffectState.IN_DOUBT
    config = guard.config("b", KIM)
    run(graph, ask(), config, "async")
    assert ended(guard, config).reason is NoResultReason.EFFECT_IN_DOUBT


def test_an_exception_that_is_no_error_leaves_it_in_doubt_and_goes_on(scene: Scene) -> None:
    guard = scene.guard({"pay": "allow"})

    @guard.effect(key=lambda args: args.claim)
    def pay(claim: str) -> str:
        """Be interrupted at the terminal."""
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(compiled(guard, [PAY, "Done."], [pay]), ask(), guard.config("a", KIM))
    assert _state(guard) is EffectState.IN_DOUBT


def test_an_effect_that_pauses_by_itself_is_in_doubt_and_not_repeated(scene: Scene, mode: Mode) -> None:
    from langgraph.types import interrupt

    started: list[str] = []
    guard = scene.guard({"pay": "allow"})

    @guard.effect(key=lambda args: args.claim)
    def pay(claim: str) -> str:
        """Pay, and ask afterwards."""
        started.append(claim)
        return str(interrupt("was that right?"))

    graph = compiled(guard, [PAY, "Done."], [pay])
    config = guard.config("a", KIM)
    run(graph, ask(), config, mode)
    assert ended(guard, config).reason is NoResultReason.EFFECT_IN_DOUBT
    assert started == ["C-1"]


def test_a_key_is_worth_one_effect_in_all_threads(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    _, turn = _thread(scene, mode, bank)
    assert told(turn("a")) == ["paid"]
    for thread in ("a", "b"):
        assert told(turn(thread))[-1] == "This was done before, under the same key. Do not try it again."
    assert len(bank.started) == 1


def test_without_a_key_each_call_is_an_effect_of_its_own(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    _, turn = _thread(scene, mode, bank, key=None)
    turn("a")
    turn("a")
    turn("b")
    assert len({one.key for one in bank.started}) == 3


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda args: "", id="empty"),
        pytest.param(lambda args: None, id="none"),
        pytest.param(lambda args: args.nothing, id="raises"),
        pytest.param(lambda args: True, id="bool"),
    ],
)
def test_a_key_that_cannot_be_told_refuses_the_call(scene: Scene, mode: Mode, key: Any) -> None:
    bank = Bank()
    _, turn = _thread(scene, mode, bank, key=key)
    assert told(turn("a")) == ["This action is not permitted."]
    assert bank.started == []


def test_node_code_that_runs_again_starts_its_effect_once(scene: Scene, mode: Mode) -> None:
    bank = Bank()
    guard = scene.guard({"pay": "allow"})
    pay = _payer(guard, bank, mode, key=None)
    fails = [True]

    def node(state: MessagesState) -> dict[str, Any]:
        pay.invoke({"claim": "C-1"})
        if fails.pop() if fails else False:
            raise RuntimeError("after the effect")
        return {}

    async def anode(state: MessagesState) -> dict[str, Any]:
        await pay.ainvoke({"claim": "C-1"})
        if fails.pop() if fails else False:
            raise RuntimeError("after the effect")
        return {}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("node", node if mode == "sync" else anode)
    builder.add_edge(START, "node")
    graph = guard.compile(builder)
    config = guard.config("a", KIM)
    with pytest.raises(RuntimeError, match="after the effect"):
        run(graph, ask(), config, mode)
    run(graph, None, config, mode)
    assert len(bank.started) == 1


def test_the_claim_is_written_before_and_the_outcome_after(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"})
    seen: list[Any] = []

    @guard.effect(key=lambda args: args.claim)
    def pay(claim: str) -> str:
        """Look into the ledger."""
        record = guard.store.effect("default", "pay:C-1")
        seen.append(record.state if record else None)
        return "paid"

    run(compiled(guard, [PAY, "Done."], [pay]), ask(), guard.config("a", KIM), mode)
    assert seen == [EffectState.CLAIMED]
    assert _state(guard) is EffectState.DONE
    assert [one.event.data["state"] for one in entries(guard, "effect.recorded")] == ["done"]


def test_two_calls_of_one_message_with_one_key_do_it_once_and_end_nothing(scene: Scene, mode: Mode) -> None:
    """Models propose things twice. The second call is told so, whether the first is done by then or not."""
    guard = scene.guard({"pay": "allow"})
    paid: list[str] = []

    @guard.effect(key=lambda args: args.claim)
    def pay(claim: str) -> str:
        """Pay a claim."""
        paid.append(claim)
        time.sleep(0.3)
        return "paid"

    twice = calls(("pay", {"claim": "C-1"}), ("pay", {"claim": "C-1"}))
    graph = guard.compile(agent([twice, "Done."], [pay]))
    config = guard.config("t", KIM)
    out = run(graph, ask(), config, mode)

    assert paid == ["C-1"]
    assert sorted(told(out)) in (
        ["Another call is doing just this. Do not try it again.", "paid"],
        ["paid", "paid"],
    )
    assert out["messages"][-1].text == "Done."
    assert [one.state for one in guard.store.effects()] == [EffectState.DONE]


class SlowSaver(SQLAlchemySaver):
    """A saver on a busy disk."""

    def put(self, *args: Any, **options: Any) -> Any:
        time.sleep(0.1)
        return super().put(*args, **options)

    async def aput(self, *args: Any, **options: Any) -> Any:
        await asyncio.sleep(0.1)
        return await super().aput(*args, **options)


@pytest.mark.parametrize("place", ["graph", "subgraph"])
def test_an_effect_starts_when_the_message_that_proposed_it_is_kept(
    scene: Scene, mode: Mode, place: str
) -> None:
    """Were it not, a process killed in between would have the model propose the same action as a new one."""
    kept: list[bool] = []
    guard = scene.guard({"pay": "allow"})

    @guard.effect
    def pay(claim: str) -> str:
        """Pay a claim."""
        saver = SQLAlchemySaver(guard.database)
        listed = saver.list({"configurable": {"thread_id": "t"}})
        spaces = {one.config.get("configurable", {})["checkpoint_ns"] for one in listed}
        for space in spaces:
            found = saver.get_tuple({"configurable": {"thread_id": "t", "checkpoint_ns": space}})
            assert found is not None
            messages = found.checkpoint["channel_values"].get("messages", [])
            kept.extend(True for message in messages if getattr(message, "tool_calls", None))
        return "paid"

    slow = SlowSaver(guard.database)
    builder = agent([PAY, "Done."], [pay])
    if place == "subgraph":
        builder = StateGraph(MessagesState).add_node("agent", builder.compile()).add_edge(START, "agent")
    graph = guard.compile(builder, checkpointer=slow)
    run(graph, ask(), guard.config("t", KIM), mode)
    assert kept == [True]
