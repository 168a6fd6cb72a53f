"""A process that is stopped for longer than its lease changes nothing when it wakes."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from guardkit import EffectState
from guardkit.core.runs import TurnStatus
from tests.chaos.faults import ARRIVED, FROZEN, Fault
from tests.chaos.oracle import judge
from tests.chaos.processes import STOP, Job, start
from tests.chaos.scene import Scene, Script, new_folder, template

LEASE = 1.5
PATIENCE = 100.0

POINTS = {
    "before_its_first_step": Fault(where="opened", when="after", freeze=True),
    "after_a_checkpoint": Fault(where="checkpoint", when="after", nth=2, freeze=True),
    "after_its_questions": Fault(where="registered", when="after", freeze=True),
    "between_claim_and_effect": Fault(where="claimed", when="after", freeze=True),
    "in_the_tool_before_the_effect": Fault(where="effect", when="before", freeze=True),
    "in_the_tool_after_the_effect": Fault(where="effect", when="after", freeze=True),
    "after_the_record": Fault(where="recorded", when="after", freeze=True),
}
IN_DOUBT = ("between_claim_and_effect", "in_the_tool_before_the_effect", "in_the_tool_after_the_effect")

FREE: Script = [[("look_up", {"item": "a"}), ("note", {"item": "a", "amount": 5})]]
ASKED: Script = [[("pay", {"item": "a", "amount": 5})]]


def _wait(until: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not happen in {PATIENCE:g} s")
        time.sleep(0.05)


def _freeze(folder: Path, pid: int) -> None:
    """Stop a process outside of any transaction: one that stops inside keeps everybody else from SQLite."""
    connection = sqlite3.connect(folder / "guardkit.db", timeout=PATIENCE, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    os.kill(pid, signal.SIGSTOP)
    # The signal is sent before every thread has stopped, and none of them may take the lock that is given back here.
    _wait(lambda: all(_state(one) == "T" for one in Path(f"/proc/{pid}/task").iterdir()), "the standstill")
    (folder / FROZEN).touch()
    connection.execute("ROLLBACK")
    connection.close()


def _state(thread: Path) -> str:
    """The state of a thread, as proc(5) has it: the field after the name, which is in parentheses."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def _dump(folder: Path) -> dict[str, list[str]]:
    """Every row of every table."""
    with sqlite3.connect(folder / "guardkit.db") as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        found = {table: sorted(map(repr, connection.execute(f'SELECT * FROM "{table}"'))) for table in tables}
    connection.close()
    return found


def _job(folder: Path, role: str, *, in_async: bool, script: Script, fault: Fault | None = None) -> Job:
    return Job(
        role=role,  # pyright: ignore[reportArgumentType]
        folder=folder,
        seed="freeze",
        shape="node",
        in_async=in_async,
        lease_seconds=LEASE,
        scripts={"t": script} if role == "agent" else {},
        fault=fault,
    )


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.promise("P3", "P11")
@pytest.mark.parametrize("in_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("point", POINTS)
def test_a_frozen_run_that_wakes_changes_nothing(tmp_path: Path, point: str, in_async: bool) -> None:
    script = ASKED if point == "after_its_questions" else FREE
    folder = new_folder(tmp_path, "scene", template(tmp_path))
    scene = Scene(folder)
    graph = scene.graph("node", in_async=in_async)
    frozen = start(_job(folder, "agent", in_async=in_async, script=script, fault=POINTS[point]))
    worker = None
    try:
        _wait(lambda: (folder / ARRIVED).exists() or not frozen.alive, f"{point!r}")
        _freeze(folder, frozen.pid)
        time.sleep(LEASE)
        worker = start(_job(folder, "worker", in_async=in_async, script=script))

        def taken_over() -> bool:
            (row,) = scene.guard.store.threads(None)
            return row.status is not TurnStatus.RUNNING and not scene.guard.store.due()

        _wait(taken_over, "the take-over")
        (folder / STOP).touch()
        worker.join(PATIENCE)
        assert worker.exitcode == 0
        before = _dump(folder)

        os.kill(frozen.pid, signal.SIGCONT)
        frozen.join(PATIENCE)

        assert frozen.exitcode == 0
        assert _dump(folder) == before
        happened = len(scene.bank.journal.lines("effect"))
        records = scene.guard.store.effects()
        if point == "after_its_questions":
            assert happened == 0
            assert [row.pending_approvals for row in scene.guard.store.threads(None)] == [1]
            return
        # What has not begun when the lease is over does not begin: somebody may have been told that it did not happen.
        assert happened == (0 if point == "between_claim_and_effect" else 1)
        assert [record.attempt for record in records] == [1]
        expected = EffectState.IN_DOUBT if point in IN_DOUBT else EffectState.DONE
        assert [record.state for record in records] == [expected]
        assert not judge(scene, graph, [script]).all()
    finally:
        for process in (frozen, worker):
            if process is not None:
                process.kill()
                process.join(PATIENCE)
        scene.close()
