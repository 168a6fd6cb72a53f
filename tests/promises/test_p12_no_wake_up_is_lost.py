"""P12: every settled decision resumes its turn when a worker lives again. Short versions, in one process."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph

from guardkit import Finished
from guardkit.core.runs import TurnStatus
from guardkit.core.values import JsonObject
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
    let_expire,
    payer,
    run,
    told,
    waiting,
    work,
)

pytestmark = pytest.mark.promise("P12")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))


def _die(scene: Scene) -> None:
    """What a killed process leaves: a lease that nobody renews."""
    with scene.sqlite() as connection:
        connection.execute(
            "UPDATE gk_threads SET lease_owner = 'dead', lease_run = 'dead', lease_until = 1, token = token + 1"
        )


@pytest.mark.parametrize("kind", ["approve", "reject", "edit", "respond"])
def test_a_worker_goes_on_with_what_was_decided(scene: Scene, mode: Mode, kind: Any) -> None:
    paid: list[JsonObject] = []
    more = {"allowed_decisions": ["approve", "edit", "reject", "respond"]}
    guard = scene.guard({"pay": ASK}, route=more)
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    said: dict[str, Any] = {"args": {"claim": "C-1", "amount": 3}} if kind == "edit" else {}
    decide(guard, waiting(guard, config)[0], kind, **said)
    assert work(guard)[0].resumed == 1
    assert guard.outcome(None, config) == Finished(text="Done.")
    assert len(paid) == (kind in ("approve", "edit"))
    assert work(guard)[0].idle


def test_a_worker_with_a_guard_of_its_own_goes_on(scene: Scene, mode: Mode) -> None:
    first, second = [], []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, first)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    other = scene.guard({"pay": ASK})
    compiled(other, [PAY, "Done."], [payer(other, second)])
    assert work(other)[0].resumed == 1
    assert (first, len(second)) == ([], 1)


def test_an_expired_question_wakes_its_turn(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, [])])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    let_expire(scene, waiting(guard, config)[0])
    done = work(guard)[0]
    assert (done.expired, done.resumed) == (1, 1)
    assert guard.outcome(None, config) == Finished(text="Done.")


def test_only_the_last_of_several_answers_wakes_the_turn(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    two = calls(("pay", {"claim": "C-1", "amount": 1}), ("pay", {"claim": "C-2", "amount": 2}))
    graph = compiled(guard, [two, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    first, second = waiting(guard, config)
    decide(guard, first)
    assert work(guard)[0].resumed == 0
    decide(guard, second)
    assert work(guard)[0].resumed == 1
    assert len(paid) == 2


def test_a_worker_that_dies_right_after_taking_a_thread_loses_nothing(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    _die(scene)
    assert work(guard)[0].resumed == 1
    assert len(paid) == 1


def test_a_turn_whose_process_died_between_two_steps_goes_on(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow"})
    graph = guard.compile(agent([PAY, "Done."], [payer(guard, paid)]), interrupt_before=["tools"])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    assert graph.get_state(config).next == ("tools",)
    _die(scene)
    assert work(guard, rounds=2)[0].resumed == 1
    assert len(paid) == 1


def test_a_turn_whose_process_died_before_its_first_checkpoint_starts_again(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow"})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask("Pay C-1."), config, mode)
    with scene.sqlite() as connection:
        for table in ("gk_checkpoints", "gk_blobs", "gk_writes", "gk_effects"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("UPDATE gk_turns SET status = 'running'")
    _die(scene)
    assert work(guard)[0].resumed == 1
    state = graph.get_state(config)
    assert [message.text for message in state.values["messages"]] == ["Pay C-1.", "", "paid 5", "Done."]


def test_user_code_that_fails_is_tried_again_and_given_up_visibly(scene: Scene) -> None:
    guard = scene.guard({"pay": ASK})
    pay = payer(guard, [])
    tried: list[int] = []

    def after(state: MessagesState) -> dict[str, Any]:
        tried.append(1)
        raise RuntimeError("broken")

    builder = agent([PAY], [pay])
    builder.edges.discard(("tools", "agent"))
    builder.add_node("after", after)
    builder.add_edge("tools", "after")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, ask(), config)
    decide(guard, waiting(guard, config)[0])
    rounds = work(guard, rounds=8)
    assert [one.failed for one in rounds[:5]] == [1] * 5
    assert sum(one.dead for one in rounds) == 1
    assert len(tried) == 6
    [row] = guard.store.threads("default")
    assert row.dead_letter == "RuntimeError after 6 attempts"
    assert row.status is TurnStatus.FAILED
    assert guard.store.redrive("default", "t", by="ops")
    assert work(guard)[0].failed == 1


def test_a_graph_that_changed_while_it_was_paused_is_given_up_visibly(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    other = scene.guard({"pay": ASK})
    builder = agent([PAY, "Done."], [payer(other, paid)])
    builder.add_node("new", lambda state: {})
    builder.add_edge("new", "agent")
    other.compile(builder)
    assert work(other)[0].dead == 1
    assert paid == []
    [row] = other.store.threads("default")
    assert (row.dead_letter or "").startswith("fingerprint")
    assert guard.store.redrive("default", "t", by="ops")
    assert work(guard)[0].resumed == 1
    assert len(paid) == 1


def test_waking_a_turn_twice_is_waking_it_once(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    decide(guard, waiting(guard, config)[0])
    work(guard)
    for _ in range(2):
        _die(scene)
        work(guard)
    assert len(paid) == 1
    assert told(graph.get_state(config).values) == ["paid 5"]


def test_a_guarded_graph_with_nodes_of_its_own_state_goes_on_too(scene: Scene, mode: Mode) -> None:
    from typing_extensions import TypedDict

    class Bare(TypedDict):
        done: str

    guard = scene.guard({"pay": ASK})
    pay = payer(guard, [])

    def node(state: Bare) -> dict[str, Any]:
        return {"done": pay.invoke({"claim": "C-1", "amount": 1})}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Bare)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, {"done": "no"}, config, mode)
    decide(guard, waiting(guard, config)[0])
    assert work(guard)[0].resumed == 1
    assert graph.get_state(config).values["done"] == "paid 1"
