"""P2, P5, P11 and P12 on PostgreSQL and MariaDB: what the files of each promise try on SQLite holds where rows are locked instead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from guardkit import Approval, ApprovalState, Finished, Guard
from guardkit.core.no_result import NoResultReason
from guardkit.core.values import JsonObject
from guardkit.errors import BusyError, DecisionRefusedError, StaleRunError
from guardkit.sql import upgrade
from guardkit.testing import calls
from tests.conftest import new_database
from tests.promises.scene import (
    ASK,
    KIM,
    Scene,
    approvals,
    ask,
    compiled,
    decide,
    ended,
    go_on,
    opened,
    payer,
    run,
    waiting,
    work,
)

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
HELD = ("gk_checkpoints", "gk_blobs", "gk_writes", "gk_effects", "gk_approvals", "gk_audit", "gk_turns")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ],
)
def served(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """One desk on a server for all tests of this file: each has a thread of its own, and leaves nothing due."""
    with new_database(request.param) as url:
        upgrade(url)
        yield from opened(url)


@dataclass
class Turn:
    """A thread on which an agent wants to pay."""

    scene: Scene
    thread: str
    route: dict[str, Any] = field(default_factory=dict[str, Any])
    paid: list[JsonObject] = field(default_factory=list[JsonObject])

    def __post_init__(self) -> None:
        self.guard: Guard = self.scene.guard({"pay": ASK}, route=self.route)
        self.graph = compiled(self.guard, [PAY, "Done."], [payer(self.guard, self.paid)])
        self.config = self.guard.config(self.thread, KIM)

    def asked(self) -> Approval:
        """The question, once the agent has run into it."""
        run(self.graph, ask(), self.config)
        [approval] = waiting(self.guard, self.config)
        return approval

    def now(self) -> list[ApprovalState]:
        """The states of all its questions."""
        return [one.state for one in approvals(self.guard) if one.request.thread_id == self.thread]

    def refused(self, approval: Approval, **said: Any) -> str:
        with pytest.raises(DecisionRefusedError) as refused:
            decide(self.guard, approval, **said)
        return refused.value.reason

    def rows(self) -> list[Any]:
        """How many rows each table has that a run writes to."""
        with self.guard.database.reading() as connection:
            return [connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() for table in HELD]

    def changes(self, statement: str) -> None:
        """Change a row, as a fault would."""
        with self.guard.database.writing() as connection:
            connection.execute(text(statement), {"thread": self.thread})


def at_once(number: int, body: Callable[[int], None]) -> None:
    """Let so many threads do it at the same moment."""
    gate = threading.Barrier(number)

    def one(index: int) -> None:
        gate.wait(60)
        body(index)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.promise("P2")
def test_many_people_at_once_settle_it_once(served: Scene) -> None:
    turn = Turn(served, "settled")
    approval = turn.asked()
    took: list[Approval] = []
    reasons: list[str] = []

    def click(number: int) -> None:
        try:
            kind = "reject" if number % 2 else "approve"
            took.append(decide(turn.guard, approval, kind, by=("dana", "ben", "cleo")[number % 3]))
        except DecisionRefusedError as error:
            reasons.append(error.reason)

    at_once(6, click)
    assert len(took) == 1
    assert set(reasons) <= {"already_settled", "conflict"}
    assert len(reasons) == 5
    go_on(turn.graph, turn.config)
    assert len(turn.paid) == (took[0].state is ApprovalState.APPROVED)
    assert turn.refused(approval) == "already_settled"


@pytest.mark.promise("P2", "P3")
def test_runs_that_resume_at_once_use_it_once(served: Scene) -> None:
    turn = Turn(served, "resumed")
    decide(turn.guard, turn.asked())
    busy: list[BusyError] = []

    def resume(_: int) -> None:
        try:
            go_on(turn.graph, turn.config)
        except BusyError as error:
            busy.append(error)

    at_once(4, resume)
    assert len(turn.paid) == 1
    assert len(busy) < 4
    assert turn.now() == [ApprovalState.CONSUMED]
    before = next(one for one in turn.graph.get_state_history(turn.config) if one.next == ("tools",))
    run(turn.graph, None, before.config)
    assert len(turn.paid) == 1


@pytest.mark.promise("P5")
def test_two_means_two_people_and_not_who_asked(served: Scene) -> None:
    turn = Turn(served, "people", {"required": 2})
    approval = turn.asked()
    assert turn.refused(approval, by="kim@corp.example") == "requester"
    assert turn.refused(approval, by="otto") == "not_an_approver"
    decide(turn.guard, approval, by="dana")
    for name in ("dana", "DANA@corp.example", "slack:T1:DANA"):
        assert turn.refused(approval, by=name) == "already_decided"
    go_on(turn.graph, turn.config)
    assert turn.paid == []
    decide(turn.guard, approval, by="ben")
    go_on(turn.graph, turn.config)
    assert len(turn.paid) == 1


@pytest.mark.promise("P5")
def test_two_people_at_once_are_both_counted(served: Scene) -> None:
    turn = Turn(served, "both", {"required": 2})
    approval = turn.asked()

    def says_yes(number: int) -> None:
        while True:
            try:
                decide(turn.guard, approval, by=("dana", "ben")[number])
            except DecisionRefusedError as error:
                if error.reason == "conflict":
                    continue
                raise
            return

    at_once(2, says_yes)
    assert turn.now() == [ApprovalState.APPROVED]
    go_on(turn.graph, turn.config)
    assert len(turn.paid) == 1


@pytest.mark.promise("P5")
def test_an_edit_opens_what_others_approved_again(served: Scene) -> None:
    turn = Turn(served, "edited", {"required": 2})
    approval = turn.asked()
    decide(turn.guard, approval, by="dana")
    edited = decide(turn.guard, approval, "edit", by="ben", args={"claim": "C-1", "amount": 3})
    assert edited.state is ApprovalState.PENDING
    go_on(turn.graph, turn.config)
    assert turn.paid == []
    assert turn.refused(approval, by="dana") == "digest_mismatch"
    decide(turn.guard, edited, by="dana")
    go_on(turn.graph, turn.config)
    assert turn.paid == [{"claim": "C-1", "amount": 3}]


class Paying:
    """A run that is in the middle of a payment, until it is let go on."""

    def __init__(self, turn: Turn) -> None:
        guard = turn.scene.guard({"pay": ASK})
        self.began, self._go = threading.Event(), threading.Event()
        self.faults: list[StaleRunError] = []
        decide(turn.guard, turn.asked())

        @guard.effect
        def pay(claim: str, amount: int) -> str:
            """Pay a claim."""
            turn.paid.append({"claim": claim, "amount": amount})
            self.began.set()
            assert self._go.wait(60)
            return f"paid {amount}"

        graph = compiled(guard, [PAY, "Done."], [pay])

        def resume() -> None:
            try:
                go_on(graph, turn.config)
            except StaleRunError as error:
                self.faults.append(error)

        self._thread = threading.Thread(target=resume)

    def __enter__(self) -> Paying:
        self._thread.start()
        assert self.began.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._go.set()
        self._thread.join()


@pytest.mark.promise("P11")
def test_the_second_run_is_told_and_changes_nothing(served: Scene) -> None:
    turn = Turn(served, "busy")
    with Paying(turn) as paying:
        before = turn.rows()
        with pytest.raises(BusyError, match="'busy'"):
            run(turn.graph, ask("Me too."), turn.config)
        with pytest.raises(BusyError, match="'busy'"):
            turn.graph.update_state(turn.config, {"messages": [("user", "and me")]})
        assert turn.rows() == before
    assert paying.faults == []
    assert len(turn.paid) == 1
    assert turn.guard.outcome(None, turn.config) == Finished(text="Done.")


@pytest.mark.promise("P3", "P11")
def test_a_run_that_lost_its_lease_writes_nothing_more(served: Scene) -> None:
    turn = Turn(served, "stale")
    with Paying(turn) as paying:
        # What happens when a process stands still for longer than its lease, and another takes the thread.
        turn.changes(
            "UPDATE gk_threads SET token = token + 1, lease_run = 'another', lease_until = 1"
            " WHERE thread_id = :thread"
        )
        before = turn.rows()
    assert len(paying.faults) == 1
    assert turn.rows() == before
    work(turn.guard, rounds=2)
    assert ended(turn.guard, turn.config).reason is NoResultReason.EFFECT_IN_DOUBT
    assert len(turn.paid) == 1


@pytest.mark.promise("P12")
@pytest.mark.parametrize("kind", ["approve", "reject", "edit"])
@pytest.mark.parametrize("died", [False, True], ids=["alive", "killed"])
def test_a_turn_goes_on_by_itself(served: Scene, kind: Any, died: bool) -> None:
    turn = Turn(served, f"wakes-{kind}-{died}")
    said: dict[str, Any] = {"args": {"claim": "C-1", "amount": 3}} if kind == "edit" else {}
    decide(turn.guard, turn.asked(), kind, **said)
    if died:
        # What a worker leaves that is killed right after it has taken the thread: a lease that nobody renews.
        turn.changes(
            "UPDATE gk_threads SET lease_owner = 'dead', lease_run = 'dead', lease_until = 1, token = token + 1"
            " WHERE thread_id = :thread"
        )
    assert work(turn.guard)[0].resumed == 1
    assert turn.guard.outcome(None, turn.config) == Finished(text="Done.")
    assert len(turn.paid) == (kind != "reject")
    assert work(turn.guard)[0].idle
