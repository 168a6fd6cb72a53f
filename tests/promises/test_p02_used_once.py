"""P2: a decision is settled once, consumed by one execution, and answers no other question."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langgraph.types import Command

from guardkit import Approval, Guard, GuardedGraph
from guardkit.core.approvals import ApprovalState
from guardkit.core.values import JsonObject
from guardkit.errors import BusyError, DecisionRefusedError
from guardkit.testing import calls
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
    last,
    payer,
    run,
    told,
    waiting,
    work,
)

pytestmark = pytest.mark.promise("P2")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
TWO = calls(("pay", {"claim": "C-1", "amount": 5}), ("pay", {"claim": "C-2", "amount": 6}))


def _paused(scene: Scene, mode: Mode, *lines: Any) -> tuple[Guard, GuardedGraph, Any, list[JsonObject]]:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [*lines], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    return guard, graph, config, paid


def test_the_second_click_changes_nothing(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid = _paused(scene, mode, PAY, "Done.")
    [approval] = waiting(guard, config)
    decide(guard, approval)
    for kind in ("approve", "reject"):
        with pytest.raises(DecisionRefusedError) as refused:
            decide(guard, approval, kind, by="ben")
        assert refused.value.reason == "already_settled"
    go_on(graph, config, mode)
    assert len(paid) == 1
    assert len(entries(guard, "approval.refused")) == 2


def test_many_people_at_once_settle_it_once(scene: Scene) -> None:
    guard, graph, config, paid = _paused(scene, "sync", PAY, "Done.")
    [approval] = waiting(guard, config)
    took: list[Approval] = []
    reasons: list[str] = []
    gate = threading.Barrier(6)

    def click(number: int) -> None:
        gate.wait()
        try:
            kind = "reject" if number % 2 else "approve"
            took.append(decide(guard, approval, kind, by=("dana", "ben", "cleo")[number % 3]))
        except DecisionRefusedError as error:
            reasons.append(error.reason)

    threads = [threading.Thread(target=click, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == 1
    assert set(reasons) <= {"already_settled", "conflict"}
    assert len(reasons) == 5
    go_on(graph, config)
    assert len(paid) == (took[0].state is ApprovalState.APPROVED)


def test_resuming_as_often_as_one_likes_runs_it_once(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid = _paused(scene, mode, PAY, "Done.")
    card = graph.get_state(config).interrupts[0].id
    decide(guard, waiting(guard, config)[0])
    for _ in range(3):
        run(graph, Command(resume={card: {"type": "approve"}}), config, mode)
    assert len(paid) == 1
    assert approvals(guard)[0].state is ApprovalState.CONSUMED


def test_runs_that_resume_at_once_run_it_once(scene: Scene) -> None:
    guard, graph, config, paid = _paused(scene, "sync", PAY, "Done.")
    decide(guard, waiting(guard, config)[0])
    gate = threading.Barrier(4)
    faults: list[BusyError] = []

    def resume() -> None:
        gate.wait()
        try:
            go_on(graph, config)
        except BusyError as error:
            faults.append(error)

    threads = [threading.Thread(target=resume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paid) == 1
    assert len(faults) < 4


def test_an_answer_to_one_question_answers_no_other(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid = _paused(scene, mode, TWO, "Done.")
    first, second = sorted(waiting(guard, config), key=lambda one: str(one.args["claim"]))
    decide(guard, second)
    go_on(graph, config, mode)
    assert paid == []
    decide(guard, first, "reject")
    out = go_on(graph, config, mode)
    assert paid == [{"claim": "C-2", "amount": 6}]
    assert ["declined" in text for text in told(out)] == [True, False]


def test_a_card_answered_for_the_wrong_question_counts_for_none(scene: Scene, mode: Mode) -> None:
    guard, _, config, _ = _paused(scene, mode, TWO, "Done.")
    first, second = waiting(guard, config)
    with pytest.raises(DecisionRefusedError) as refused:
        decide(guard, first, digest=second.digest)
    assert refused.value.reason == "digest_mismatch"
    assert {one.state for one in approvals(guard)} == {ApprovalState.PENDING}


def test_the_same_call_in_one_message_twice_needs_two_answers(scene: Scene, mode: Mode) -> None:
    same = ("pay", {"claim": "C-1", "amount": 5})
    guard, graph, config, paid = _paused(scene, mode, calls(same, same), "Done.")
    first, second = waiting(guard, config)
    assert first.request.id != second.request.id
    decide(guard, first)
    decide(guard, second, "reject")
    go_on(graph, config, mode)
    assert len(paid) == 1


def test_a_model_that_asks_again_for_what_was_done_is_asked_about_again(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid = _paused(scene, mode, PAY, PAY, "Done.")
    decide(guard, waiting(guard, config)[0])
    go_on(graph, config, mode)
    assert len(paid) == 1
    assert [one.state for one in approvals(guard)] == [ApprovalState.CONSUMED, ApprovalState.PENDING]


def test_a_late_answer_does_nothing_once_the_user_went_on(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid = _paused(scene, mode, PAY, "Never mind.")
    [late] = waiting(guard, config)
    card = graph.get_state(config).interrupts[0].id
    run(graph, ask("Forget it."), config, mode)
    with pytest.raises(DecisionRefusedError) as refused:
        decide(guard, late)
    assert refused.value.reason == "already_settled"
    run(graph, Command(resume={card: {"type": "approve"}}), config, mode)
    assert paid == []
    assert work(guard)[0].idle


def test_time_travel_to_before_the_tool_does_not_run_it_again(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid = _paused(scene, mode, PAY, "Done.")
    decide(guard, waiting(guard, config)[0])
    go_on(graph, config, mode)
    before = next(one for one in graph.get_state_history(config) if one.next == ("tools",))
    out = run(graph, None, before.config, mode)
    assert len(paid) == 1
    assert told(out) == ["paid 5"]
    assert last(out) == "Done."


def test_a_later_turn_that_travels_back_does_not_run_it_again(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid = _paused(scene, mode, PAY, "Done.", "Hello.")
    decide(guard, waiting(guard, config)[0])
    go_on(graph, config, mode)
    run(graph, ask("Hi."), config, mode)
    before = next(one for one in graph.get_state_history(config) if one.next == ("tools",))
    run(graph, None, before.config, mode)
    for approval in approvals(guard, ApprovalState.PENDING):
        decide(guard, approval)
    out = go_on(graph, config, mode)
    assert len(paid) == 1
    assert told(out) == ["This was done before, under the same key. Do not try it again."]


def test_a_fork_of_the_paused_state_asks_the_same_question(scene: Scene, mode: Mode) -> None:
    guard, graph, config, paid = _paused(scene, mode, PAY, "Done.")
    before = next(one for one in graph.get_state_history(config) if one.next == ("tools",))
    run(graph, None, before.config, mode)
    [approval] = approvals(guard)
    decide(guard, approval)
    go_on(graph, config, mode)
    run(graph, None, before.config, mode)
    assert len(paid) == 1
