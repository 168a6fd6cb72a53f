"""Facts 1 to 4: an answer meets a question that it was not given to, or is lost."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

from guardkit import Finished, Guard, GuardedGraph, Paused
from guardkit.core.values import JsonObject
from guardkit.errors import DecisionRefusedError
from guardkit.testing import calls
from tests.hazards.dying import DIED, keys_for, paying, payments
from tests.hazards.stock import CONFIG, one_node, question, still
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    approvals,
    ask,
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

APPROVE = {"decisions": [{"type": "approve"}]}
"""What LangChain's own user interfaces resume with."""


# --- 1: resume values are matched by call order inside a task ---------------------------------------------------------


def files(guard: Guard, ran: list[str]) -> Sequence[Any]:
    """A harmless tool and a terrible one; people are asked about both."""

    @guard.effect
    def read_file(path: str) -> str:
        """Read a file."""
        ran.append(f"read {path}")
        return "text"

    @guard.effect
    def delete_prod(database: str) -> str:
        """Delete production."""
        ran.append(f"deleted {database}")
        return "gone"

    return read_file, delete_prod


BOTH = calls(("read_file", {"path": "a.txt"}), ("delete_prod", {"database": "claims"}))


@pytest.mark.promise("P1", "P4")
def test_an_approval_runs_the_action_that_was_approved_and_no_other(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"read_file": ASK, "delete_prod": ASK})
    ran: list[str] = []
    graph = compiled(guard, [BOTH, "done"], files(guard, ran))
    config = guard.config("files", KIM)
    run(graph, ask(), config, mode)
    asked = {one.request.action.tool: one for one in waiting(guard, config)}

    decide(guard, asked["read_file"])
    go_on(graph, config, mode)
    assert ran == []  # the barrier: nothing of a message runs while people still decide on any of it

    decide(guard, asked["delete_prod"], "reject", by="ben")
    output = go_on(graph, config, mode)
    assert ran == ["read a.txt"]
    assert "declined" in told(output)[1]


@pytest.mark.promise("P1", "P2")
def test_whatever_the_graph_is_resumed_with_only_the_store_decides(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"read_file": ASK, "delete_prod": ASK})
    ran: list[str] = []
    graph = compiled(guard, [BOTH, "done"], files(guard, ran))
    config = guard.config("files", KIM)
    run(graph, ask(), config, mode)
    for answer in ("approve", True, APPROVE, [{"type": "accept", "args": None}]):
        run(graph, Command(resume=answer), config, mode)
        ids = [one.id for one in graph.get_state(config).interrupts]
        run(graph, Command(resume=dict.fromkeys(ids, answer)), config, mode)
    assert ran == []
    assert len(waiting(guard, config)) == 2


def test_canary_stock_runs_the_call_that_reaches_the_answer_first() -> None:
    ran: list[str] = []
    deleting = threading.Event()
    resumed = False

    def read_file() -> str:
        """Read a file."""
        if resumed:
            deleting.wait(5)
        ran.append(f"read: {interrupt('read the file?')}")
        return "text"

    def delete_prod() -> str:
        """Delete production."""
        try:
            ran.append(f"delete: {interrupt('delete production?')}")
        finally:
            deleting.set()
        return "gone"

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode([read_file, delete_prod]))
    builder.add_edge(START, "tools")
    graph = builder.compile(checkpointer=InMemorySaver())
    made = [{"name": name, "args": {}, "id": name} for name in ("read_file", "delete_prod")]
    graph.invoke({"messages": [AIMessage("", tool_calls=made)]}, CONFIG)
    (shown,) = graph.get_state(CONFIG).interrupts
    assert shown.value == "read the file?"
    resumed = True
    deleting.clear()
    graph.invoke(Command(resume={shown.id: "yes, read it"}), CONFIG)
    still(ran == ["delete: yes, read it"], "an answer goes to the call that reaches interrupt() first")


# --- 2 and 3: a late or stale answer approves the next question -------------------------------------------------------


def two_payments(guard: Guard, paid: list[JsonObject]) -> GuardedGraph:
    """One node that pays twice, and asks each time."""
    pay = payer(guard, paid)

    def desk(state: Any) -> dict[str, Any]:
        said = [pay.invoke({"claim": claim, "amount": 5}) for claim in ("C-1", "C-2")]
        return {"messages": [AIMessage(" and ".join(said))]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("desk", desk)
    builder.add_edge(START, "desk")
    return guard.compile(builder)


@pytest.mark.promise("P2")
def test_a_late_duplicate_answer_does_not_answer_the_next_question(scene: Scene) -> None:
    guard = scene.guard({"pay": ASK})
    paid: list[JsonObject] = []
    graph = two_payments(guard, paid)
    config = guard.config("twice", KIM)
    graph.invoke(ask(), config)
    (first,) = waiting(guard, config)
    answered = {graph.get_state(config).interrupts[0].id: APPROVE}
    decide(guard, first)
    graph.invoke(Command(resume=answered), config)
    assert paid == [{"claim": "C-1", "amount": 5}]

    graph.invoke(Command(resume=answered), config)
    with pytest.raises(DecisionRefusedError) as refused:
        decide(guard, first, by="ben")
    assert refused.value.reason == "already_settled"
    assert paid == [{"claim": "C-1", "amount": 5}]
    (second,) = waiting(guard, config)
    assert second.args["claim"] == "C-2"


@pytest.mark.promise("P2")
def test_going_on_after_a_scalar_answer_asks_the_next_question(scene: Scene) -> None:
    guard = scene.guard({"pay": ASK})
    paid: list[JsonObject] = []
    graph = two_payments(guard, paid)
    config = guard.config("twice", KIM)
    graph.invoke(ask(), config)
    decide(guard, waiting(guard, config)[0])
    graph.invoke(Command(resume="approve"), config)
    for _ in range(3):
        graph.invoke(None, config)
    assert paid == [{"claim": "C-1", "amount": 5}]

    decide(guard, waiting(guard, config)[0])
    graph.invoke(None, config)
    assert [one["claim"] for one in paid] == ["C-1", "C-2"]
    assert isinstance(guard.outcome(None, config), Finished)


def _two_questions(state: Any) -> dict[str, Any]:
    return {"log": [f"{interrupt('first?')} and {interrupt('second?')}"]}


def test_canary_a_repeated_answer_answers_the_next_question_in_stock() -> None:
    graph = one_node(_two_questions)
    graph.invoke({"log": []}, CONFIG)
    answered = {question(graph): "yes"}
    graph.invoke(Command(resume=answered), CONFIG)
    assert graph.get_state(CONFIG).interrupts[0].value == "second?"
    graph.invoke(Command(resume=answered), CONFIG)
    still(
        graph.get_state(CONFIG).values["log"] == ["yes and yes"],
        "the first question's answer, delivered again, answers the second question",
    )


def test_canary_going_on_after_a_scalar_answer_answers_the_next_question_in_stock() -> None:
    graph = one_node(_two_questions)
    graph.invoke({"log": []}, CONFIG)
    graph.invoke(Command(resume="yes"), CONFIG)
    graph.invoke(None, CONFIG)
    still(
        graph.get_state(CONFIG).values["log"] == ["yes and yes"],
        "invoke(None) after a scalar answer answers the next question with it",
    )


# --- 4: an answer is not durable until the task commits ---------------------------------------------------------------


@pytest.mark.promise("P12", "P3")
def test_a_decision_outlives_the_process_that_was_resumed_with_it(scene: Scene) -> None:
    guard = scene.guard({"pay": ASK})
    graph = paying(guard, None)
    config = guard.config("killed", KIM)
    graph.invoke(ask(), config)
    (asked,) = waiting(guard, config)
    decide(guard, asked)

    died = subprocess.run(
        [sys.executable, "-m", "tests.hazards.dying", "before_the_claim", scene.url, "killed"],
        env=keys_for(scene),
        check=False,
        timeout=300,
    )
    assert died.returncode == DIED
    assert payments(scene.url) == []

    deadline = time.monotonic() + 30
    while not sum(done.resumed for done in work(guard)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(payments(scene.url)) == 1
    assert len(approvals(guard)) == 1  # nobody was asked again
    assert len(entries(guard, "approval.requested")) == 1
    assert not isinstance(guard.outcome(None, config), Paused)


def test_canary_stock_loses_an_answer_by_id_when_the_node_dies() -> None:
    dies = True

    class Killed(BaseException):
        pass

    def node(state: Any) -> dict[str, Any]:
        answer = interrupt("pay?")
        if dies:
            raise Killed
        return {"log": [answer]}

    graph = one_node(node)
    graph.invoke({"log": []}, CONFIG)
    with pytest.raises(Killed):
        graph.invoke(Command(resume={question(graph): "yes"}), CONFIG)
    dies = False
    graph.invoke(None, CONFIG)
    still(
        [one.value for one in graph.get_state(CONFIG).interrupts] == ["pay?"],
        "an answer by interrupt id is lost when the resumed node dies, and people are asked again",
    )
