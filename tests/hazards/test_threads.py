"""Facts 5 to 7: nothing in LangGraph keeps two runs of one thread apart, or makes a finished task durable at once."""

from __future__ import annotations

import operator
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt

from guardkit import EffectState, Guard, GuardedGraph, NoResult, NoResultReason
from guardkit.core.values import JsonObject
from guardkit.errors import BusyError
from guardkit.testing import calls
from tests.hazards.dying import DIED, keys_for, paying, payments
from tests.hazards.stock import CONFIG, Log, one_node, question, still
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    agent,
    ask,
    decide,
    entries,
    last,
    payer,
    run,
    waiting,
    work,
)

PATIENCE = 120.0
"""Seconds after which a test gives up on another thread; no test waits this long when all is well."""


class Started(threading.Thread):
    """A call in a thread of its own, whose result or exception is handed over."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001  # raised again where it is waited for
            self._error = error

    def result(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive(), "the other thread is stuck"
        if self._error is not None:
            raise self._error
        return self._result


# --- 5: no lock on a thread -------------------------------------------------------------------------------------------


def held_payment(
    guard: Guard, paid: list[str], inside: threading.Event, release: threading.Event
) -> GuardedGraph:
    """An agent whose payment takes until it is released."""

    @guard.effect
    def pay(claim: str) -> str:
        """Pay a claim."""
        inside.set()
        release.wait(PATIENCE)
        paid.append(claim)
        return "paid"

    return guard.compile(agent([calls(("pay", {"claim": "C-1"})), "done"], [pay]))


@pytest.mark.promise("P2", "P3", "P11")
def test_of_two_runs_that_resume_one_thread_the_second_is_told_and_changes_nothing(
    scene: Scene, mode: Mode
) -> None:
    inside, release = threading.Event(), threading.Event()
    paid: list[str] = []
    guard, other = scene.guard({"pay": ASK}), scene.guard({"pay": ASK})
    graph, same = (held_payment(one, paid, inside, release) for one in (guard, other))
    config = guard.config("raced", KIM)
    graph.invoke(ask(), config)
    decide(guard, waiting(guard, config)[0])
    wake = Command(resume={graph.get_state(config).interrupts[0].id: "approve"})

    first = Started(lambda: graph.invoke(wake, config))
    assert inside.wait(PATIENCE)
    before = (entries(guard), guard.store.turn("default", "raced"), graph.get_state(config).config)
    with pytest.raises(BusyError):
        run(same, wake, config, mode)
    assert (entries(guard), guard.store.turn("default", "raced"), graph.get_state(config).config) == before
    assert work(other)[0].resumed == 0

    release.set()
    assert last(first.result()) == "done"
    assert paid == ["C-1"]


def test_canary_stock_lets_two_runs_resume_one_interrupt() -> None:
    together = threading.Barrier(2)
    paid: list[str] = []

    def node(state: Any) -> dict[str, Any]:
        answer = interrupt("pay?")
        together.wait(PATIENCE)
        paid.append(answer)
        return {"log": [answer]}

    graph = one_node(node)
    graph.invoke({"log": []}, CONFIG)
    asked = question(graph)
    runs = [
        Started(lambda who=who: graph.invoke(Command(resume={asked: f"paid by {who}"}), CONFIG))
        for who in ("A", "B")
    ]
    try:
        for one in runs:
            one.result()
    except threading.BrokenBarrierError:
        pass
    still(sorted(paid) == ["paid by A", "paid by B"], "two runs of one thread resume the same interrupt")


# --- 6: an interrupt can be answered while its siblings still run ---------------------------------------------------


class Desk(TypedDict):
    """A conversation, and what nodes have written down beside it."""

    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], operator.add]


def beside(guard: Guard, paid: list[JsonObject], slow: Callable[[], None]) -> GuardedGraph:
    """A payment that waits for people, beside a node that takes its time."""
    pay = payer(guard, paid)

    def asking(state: Any) -> dict[str, Any]:
        return {"messages": [AIMessage(pay.invoke({"claim": "C-1", "amount": 5}))]}

    def working(state: Any) -> dict[str, Any]:
        slow()
        return {"log": ["worked"]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Desk)
    builder.add_node("asking", asking)
    builder.add_node("working", working)
    builder.add_edge(START, "asking")
    builder.add_edge(START, "working")
    return guard.compile(builder)


def _eventually(holds: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


@pytest.mark.promise("P2", "P11", "P12")
def test_an_answer_that_comes_while_a_sibling_runs_waits_for_it(scene: Scene) -> None:
    entered: list[str] = []
    release = threading.Event()
    paid: list[JsonObject] = []

    def slow() -> None:
        entered.append("working")
        release.wait(PATIENCE)

    guard, other = scene.guard({"pay": ASK}), scene.guard({"pay": ASK})
    graph, same = beside(guard, paid, slow), beside(other, paid, slow)
    config = guard.config("beside", KIM)
    first = Started(lambda: graph.invoke(ask(), config))
    assert _eventually(lambda: entered and same.get_state(config).interrupts)

    decide(other, waiting(other, config)[0])
    wake = Command(resume={same.get_state(config).interrupts[0].id: "approve"})
    with pytest.raises(BusyError):
        same.invoke(wake, config)
    assert work(other)[0].resumed == 0

    release.set()
    first.result()
    assert paid == []
    assert work(other)[0].resumed == 1
    assert paid == [{"claim": "C-1", "amount": 5}]
    assert entered == ["working"]
    assert same.get_state(config).values["log"] == ["worked"]


def test_canary_stock_runs_a_sibling_again_when_its_neighbour_is_answered_early() -> None:
    entered: list[str] = []
    release = threading.Event()

    def slow(state: Any) -> dict[str, Any]:
        entered.append("working")
        if len(entered) == 1:
            release.wait(PATIENCE)
        return {"log": ["worked"]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Log)
    builder.add_node("asking", lambda state: {"log": [interrupt("pay?")]})
    builder.add_node("working", slow)
    builder.add_edge(START, "asking")
    builder.add_edge(START, "working")
    graph = builder.compile(checkpointer=InMemorySaver())
    first = Started(lambda: graph.invoke({"log": []}, CONFIG))
    hazard = "an interrupt can be answered while a sibling runs, which then runs twice"
    try:
        still(_eventually(lambda: entered and graph.get_state(CONFIG).interrupts), hazard)
        graph.invoke(Command(resume={question(graph): "yes"}), CONFIG)
        still(entered == ["working", "working"], hazard)
    finally:
        release.set()
        first.result()


# --- 7: what a task has done is not durable when it returns -----------------------------------------------------------


@pytest.mark.promise("P3", "P12")
def test_an_effect_whose_process_dies_at_once_is_in_doubt_and_not_repeated(scene: Scene) -> None:
    guard = scene.guard({"pay": ASK})
    graph = paying(guard, None)
    config = guard.config("killed", KIM)
    graph.invoke(ask(), config)
    decide(guard, waiting(guard, config)[0])

    died = subprocess.run(
        [sys.executable, "-m", "tests.hazards.dying", "after_the_effect", scene.url, "killed"],
        env=keys_for(scene),
        check=False,
        timeout=300,
    )
    assert died.returncode == DIED
    assert _eventually(lambda: work(guard)[0].resumed)

    outcome = guard.outcome(None, config)
    assert isinstance(outcome, NoResult)
    assert outcome.reason is NoResultReason.EFFECT_IN_DOUBT
    (effect,) = guard.store.effects()
    assert effect.state in (EffectState.CLAIMED, EffectState.IN_DOUBT)

    again = guard.config("another", KIM)
    graph.invoke(ask(), again)
    decide(guard, waiting(guard, again)[0])
    work(guard)
    assert payments(scene.url) == ["C-1 5"]  # the key stays closed, on whatever thread it is tried again


def test_canary_stock_returns_from_a_task_before_its_result_is_kept(
    report: Callable[[str, object], None],
) -> None:
    unhurried = threading.Event()

    class Saver(InMemorySaver):
        """A saver that takes its time to keep what tasks have written."""

        def put_writes(self, *args: Any, **options: Any) -> None:
            unhurried.wait(0.5)
            super().put_writes(*args, **options)
            kept.append("kept")

    kept: list[str] = []
    early: list[bool] = []

    @task
    def pay() -> str:
        return "paid"

    @entrypoint(checkpointer=Saver())
    def flow(given: str) -> str:
        said = pay().result()
        early.append(not kept)
        unhurried.set()
        return said

    flow.invoke("go", CONFIG, durability="sync")
    report("a task's result was there before it was kept, with durability='sync'", early == [True])
