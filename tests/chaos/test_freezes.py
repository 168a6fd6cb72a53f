"""A process that is stopped for longer than its lease changes nothing when it wakes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, NullPool, create_engine, select, text

from guardkit import EffectState
from guardkit.core.runs import TurnStatus
from guardkit.sql.side_tables import metadata
from tests.chaos.faults import ARRIVED, FROZEN, Fault
from tests.chaos.oracle import judge
from tests.chaos.processes import STOP, Job, start
from tests.chaos.scene import Kind, Scene, Script, new_place, template, url_of

LEASE = 3.0
PATIENCE = 300.0

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

SAMPLED = {
    "after_a_checkpoint": True,
    "after_its_questions": False,
    "between_claim_and_effect": False,
    "in_the_tool_after_the_effect": True,
}
"""What a sample tries on servers, and whether in async: each case lasts seconds."""

_OPEN = {
    "postgresql": """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'""",
    "mysql": """SELECT count(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p
        ON p.id = t.trx_mysql_thread_id WHERE p.db = database() AND p.id <> connection_id()""",
}
"""How many transactions of others are open in a database of a server."""

FREE: Script = [[("look_up", {"item": "a"}), ("note", {"item": "a", "amount": 5})]]
ASKED: Script = [[("pay", {"item": "a", "amount": 5})]]


def _wait(until: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not happen in {PATIENCE:g} s")
        time.sleep(0.05)


@contextmanager
def _connected(folder: Path) -> Generator[Connection]:
    engine = create_engine(url_of(folder), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def _freeze(folder: Path, pid: int) -> None:
    """Stop a process outside of any transaction: one that stops inside keeps its locks from everybody else."""
    with _connected(folder) as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"PRAGMA busy_timeout={PATIENCE * 1000:.0f}"))
            connection.execute(text("BEGIN IMMEDIATE"))
            _stand_still(pid)
            connection.execute(text("ROLLBACK"))
        else:
            _stand_still(pid)
            while connection.execute(text(_OPEN[connection.dialect.name])).scalar_one():
                os.kill(pid, signal.SIGCONT)
                time.sleep(0.005)
                _stand_still(pid)
    (folder / FROZEN).touch()


def _stand_still(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    # The signal is sent before every thread has stopped, and none of them may take a lock afterwards.
    _wait(lambda: all(_state(one) == "T" for one in Path(f"/proc/{pid}/task").iterdir()), "the standstill")


def _state(thread: Path) -> str:
    """The state of a thread, as proc(5) has it: the field after the name, which is in parentheses."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def _dump(folder: Path) -> dict[str, list[str]]:
    """Every row of every table."""
    with _connected(folder) as connection:
        return {
            name: sorted(map(repr, connection.execute(select(table))))
            for name, table in metadata.tables.items()
        }


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every point, sync and async, on SQLite; on servers only where the whole campaign is asked for."""
    if "point" not in metafunc.fixturenames:
        return
    every = [(point, in_async) for point in POINTS for in_async in (False, True)]
    some = every if metafunc.config.getoption("--chaos") == "full" else list(SAMPLED.items())
    cases = [("sqlite", *one) for one in every]
    cases += [(kind, *one) for kind in ("postgres", "mariadb") for one in some]
    metafunc.parametrize(
        ("kind", "point", "in_async"),
        [pytest.param(*case, id=f"{case[0]}-{case[1]}-{'async' if case[2] else 'sync'}") for case in cases],
    )


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.promise("P3", "P11")
def test_a_frozen_run_that_wakes_changes_nothing(
    tmp_path: Path, kind: Kind, point: str, in_async: bool
) -> None:
    with new_place(tmp_path, "scene", kind, template(tmp_path)) as folder:
        _freezes_and_wakes(folder, point, in_async=in_async)


def _freezes_and_wakes(folder: Path, point: str, *, in_async: bool) -> None:
    script = ASKED if point == "after_its_questions" else FREE
    scene = Scene(folder)
    graph = scene.graph("node", in_async=in_async)
    frozen = start(_job(folder, "agent", in_async=in_async, script=script, fault=POINTS[point]))
    worker = None
    try:
        _wait(lambda: (folder / ARRIVED).exists() or not frozen.alive, f"{point!r}")
        assert (folder / ARRIVED).exists(), f"the process ended without coming to {point!r}"
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
