"""Faults of databases: a full disk, deadlocks, somebody else's locks, clocks that jump. Each has a clear error and an end."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from guardkit import EffectState, Finished, Guard, GuardedGraph, Keys
from guardkit.core.approvals import ApprovalState
from guardkit.core.audit import verify
from guardkit.core.effects import Claimed
from guardkit.core.runs import TurnStatus
from guardkit.core.values import JsonObject
from guardkit.errors import BusyError, GuardkitError, StaleRunError, StorageError
from guardkit.sql import Database, SQLAlchemySaver, SQLStore, inspect_database, upgrade
from guardkit.testing import FakeChannel, calls
from guardkit.testing.contracts import samples
from tests.conftest import new_database
from tests.promises.scene import (
    ASK,
    KIM,
    PEOPLE,
    People,
    agent as react,
    approvals,
    ask,
    decide,
    payer,
    policy_of,
    run,
    work,
)
from tests.sql.servers import PostgresServer, own_folder

PAY = {"claim": "C-1", "amount": 48}


class Desk:
    """A guard whose agent pays once somebody says yes."""

    def __init__(self, database: Database, *, lease_seconds: float = 30.0) -> None:
        self.paid: list[JsonObject] = []
        people = People(*PEOPLE)
        self.guard = Guard(
            database,
            policy=policy_of({"pay": ASK}, people=people),
            keys=Keys.generate(),
            directory=people,
            channels={"desk": FakeChannel("desk")},
            lease_seconds=lease_seconds,
        )
        tool = payer(self.guard, self.paid, key=lambda args: args.claim)
        self.graph: GuardedGraph = self.guard.compile(
            react([calls(("pay", PAY)), "Done."], [tool]), name="claims"
        )
        self.config = self.guard.config("t-1", KIM)

    def pending(self) -> Any:
        (one,) = approvals(self.guard, ApprovalState.PENDING)
        return one

    def require_whole(self) -> None:
        """Nothing is lost or damaged, and the payment was made once."""
        assert self.paid == [PAY]
        assert isinstance(self.guard.outcome(None, self.config), Finished)
        assert [one.state for one in self.guard.store.effects()] == [EffectState.DONE]
        assert [one.says for one in inspect_database(self.guard.database) if not one.ok] == []
        for tenant in self.guard.store.tenants():
            assert verify(tenant, self.guard.store.entries(tenant, limit=1000)).intact


def insist(call: Callable[[], Any], *, until: Callable[[], None], match: str) -> list[str]:
    """Try something that fails; put right what is wrong; try again. Returns what was said before."""
    said: list[str] = []
    for _ in range(3):
        with pytest.raises(GuardkitError) as refused:
            call()
        said.append(str(refused.value))
    assert all(match in one for one in said), said
    until()
    call()
    return said


def fill(disk: Path) -> Path:
    """Take all room that a disk has; returns the file that does."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return ballast


def use_up(store: SQLStore) -> None:
    """Write until nothing fits any more, not even into what is free inside of the file."""
    refused = 0
    for number in range(2000):
        try:
            samples.opened(store, f"filler-{number}", tenant="other")
        except StorageError:
            refused += 1
            if refused == 5:
                return
        else:
            refused = 0
    raise AssertionError("the disk is never full")


# --- full disks ------------------------------------------------------------------------------------------------------


@contextmanager
def full(database: Database) -> Generator[Callable[[], None]]:
    """An SQLite file that may not grow; the call lets it."""
    tight = True

    def limit(connection: Any, *_: Any) -> None:
        if tight:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count={pages}").close()

    def relax() -> None:
        nonlocal tight
        tight = False
        database.engine.dispose()

    database.engine.dispose()
    event.listen(database.engine, "connect", limit)
    try:
        yield relax
    finally:
        event.remove(database.engine, "connect", limit)


@pytest.mark.promise("P3", "P10", "P12", "P15")
def test_a_full_disk_stops_what_it_must_and_nothing_is_lost_when_there_is_room_again(sqlite_url: str) -> None:
    with Database(sqlite_url) as database:
        desk = Desk(database)
        run(desk.graph, ask(), desk.config)
        question = desk.pending()
        filler = SQLStore(database)
        with full(database) as relax:
            use_up(filler)
            # Longer than a page: it fits into no room that is left in one.
            insist(
                lambda: decide(desk.guard, question, reason="ü" * 4000),
                until=relax,
                match="make room on its disk",
            )
        assert desk.paid == []
        work(desk.guard)
        desk.require_whole()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 6 MB."""
    with own_folder("root") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=6m,mode=777", "guardkit-test", str(folder)],
            check=False,
            capture_output=True,
        )
        if mounted.returncode != 0:
            pytest.skip("a disk can only be mounted by root, where the system lets it")
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.promise("P3", "P10", "P12")
def test_an_sqlite_file_survives_a_disk_that_is_full(small_disk: Path) -> None:
    with Database(f"sqlite:///{small_disk / 'guardkit.db'}") as database:
        desk = Desk(database)
        run(desk.graph, ask(), desk.config)
        question = desk.pending()
        ballast = fill(small_disk)
        use_up(SQLStore(database))
        with pytest.raises(StorageError, match=r"no space left|cannot be read or written"):
            decide(desk.guard, question, reason="ü" * 4000)
        ballast.unlink()
        decide(desk.guard, question)
        work(desk.guard)
        desk.require_whole()


@pytest.mark.postgres
@pytest.mark.promise("P3", "P10", "P12")
def test_a_postgresql_server_survives_a_disk_that_is_full() -> None:
    with own_folder("postgres") as folder:
        data = folder / "data"
        data.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=110m,mode=777", "guardkit-test", str(data)],
            check=False,
            capture_output=True,
        )
        if mounted.returncode != 0:
            pytest.skip("a disk can only be mounted by root, where the system lets it")
        try:
            _fills_up(folder, data)
        finally:
            subprocess.run(["umount", str(data)], check=True)


def _fills_up(folder: Path, data: Path) -> None:
    if os.geteuid() == 0:
        import pwd  # there where there are users

        os.chown(data, pwd.getpwnam("postgres").pw_uid, -1)
        data.chmod(0o700)
    server = PostgresServer(folder, settings={"max_wal_size": "8MB", "min_wal_size": "2MB"})
    server.start()
    try:
        upgrade(server.url)
        with Database(server.url) as database:
            desk = Desk(database)
            run(desk.graph, ask(), desk.config)
            question = desk.pending()
            ballast = fill(data)
            saver = SQLAlchemySaver(database)

            def put_much() -> None:
                for number in range(1000):
                    at = {"thread_id": f"f-{number}", "checkpoint_ns": "", "checkpoint_id": "c"}
                    saver.put_writes({"configurable": at}, [("channel", os.urandom(100_000).hex())], "task")

            with pytest.raises(StorageError):
                put_much()
            ballast.unlink()
            # A server that could not write its log has ended itself; whoever looks after it starts it again.
            if not server.runs or not server.answers():
                server.crash()
                server.start()
            decide(desk.guard, question)
            work(desk.guard)
            desk.require_whole()
    finally:
        server.crash()


# --- deadlocks and locks ---------------------------------------------------------------------------------------------

_CROSSING = {
    "postgres": ("SET deadlock_timeout = '1h'",),
    "mariadb": ("SET SESSION innodb_lock_wait_timeout = 60",),
}
"""How a stranger makes somebody else the victim: who finds a deadlock ends it; MariaDB ends who has written less."""


@pytest.mark.promise("P3", "P10", "P15")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ],
)
def test_the_victim_of_a_deadlock_tries_again_and_claims_once(kind: Any) -> None:
    with new_database(kind) as url:
        upgrade(url)
        stranger = create_engine(url, poolclass=NullPool)
        with Database(url) as database, ThreadPoolExecutor(1) as pool, stranger.connect() as connection:
            store = SQLStore(database)
            opened = samples.opened(store)
            store.flush(opened.run, [samples.EVENT])
            entries = len(store.entries(samples.TENANT))
            for statement in _CROSSING[kind]:
                connection.execute(text(statement))
            if kind == "mariadb":
                # Weight: rows that were changed.
                connection.execute(text("CREATE TEMPORARY TABLE own (n INT) ENGINE=InnoDB"))
                connection.execute(text("INSERT INTO own SELECT seq FROM seq_1_to_5000"))
            connection.execute(text("SELECT * FROM gk_audit_heads FOR UPDATE"))
            claiming = pool.submit(
                store.claim,
                opened.run,
                key="k",
                tool="pay",
                digest="d" * 64,
                action_id="a",
                approval=None,
                events=[samples.EVENT],
            )
            time.sleep(0.3)  # now it holds the thread, and waits for the head of the chain
            with suppress(DBAPIError):
                connection.execute(text("SELECT * FROM gk_threads FOR UPDATE"))
            assert not claiming.done(), "it was ended, and now it waits for the thread"
            connection.rollback()
            assert claiming.result(60) == Claimed(1)
            (effect,) = store.effects()
            assert (effect.key, effect.attempt) == ("k", 1)
            said = [entry.event.kind for entry in store.entries(samples.TENANT)[entries:]]
            assert sorted(said) == ["effect.claimed", samples.EVENT.kind], "and nothing twice"
        stranger.dispose()


@pytest.mark.promise("P3", "P12", "P15")
def test_a_stranger_who_locks_the_file_is_named_and_waited_for(sqlite_url: str) -> None:
    with (
        Database(sqlite_url, busy_timeout=0.2) as database,
        closing(sqlite3.connect(database.location, isolation_level=None)) as stranger,
    ):
        desk = Desk(database)
        run(desk.graph, ask(), desk.config)
        question = desk.pending()
        stranger.execute("BEGIN IMMEDIATE")
        assert desk.pending() == question, "who only reads is not held up"
        insist(
            lambda: decide(desk.guard, question),
            until=lambda: stranger.execute("ROLLBACK").close(),
            match="is locked by another process",
        )
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="is locked by another process"):
            work(desk.guard)
        assert desk.paid == []
        stranger.execute("ROLLBACK")
        work(desk.guard)
        desk.require_whole()


# --- clocks ----------------------------------------------------------------------------------------------------------


class Clock:
    """The clock of the host, as SQLite asks it in one database."""

    def __init__(self, database: Database) -> None:
        self.ahead = 0.0
        event.listen(database.engine, "connect", self._set)
        database.engine.dispose()

    def _set(self, connection: sqlite3.Connection, *_: Any) -> None:
        connection.create_function("julianday", 1, lambda _: (time.time() + self.ahead) / 86400.0 + 2440587.5)


@pytest.mark.promise("P3", "P10", "P11")
@pytest.mark.parametrize("jump", [3600.0, -3600.0], ids=["forward", "back"])
def test_a_clock_that_jumps_shifts_timers_and_breaks_no_fence(sqlite_url: str, jump: float) -> None:
    with Database(sqlite_url) as database:
        clock = Clock(database)
        store = SQLStore(database)
        run_ = samples.opened(store, lease_seconds=30.0).run
        claim: dict[str, Any] = {
            "key": "k",
            "tool": "pay",
            "digest": "d" * 64,
            "action_id": "a",
            "approval": None,
        }
        assert store.claim(run_, **claim, events=[samples.EVENT]) == Claimed(1)
        clock.ahead = jump
        if jump > 0:
            # The lease is over before its time; who held it is fenced out, and its claim is in doubt.
            second = samples.opened(store).run
            assert second.token > run_.token
            with pytest.raises(StaleRunError):
                store.flush(run_, [samples.EVENT])
            with pytest.raises(StaleRunError):
                store.claim(run_, **{**claim, "key": "other"}, events=[samples.EVENT])
        else:
            # The lease lasts longer than it should: nobody else gets in, and its holder goes on.
            with pytest.raises(BusyError):
                samples.opened(store)
            store.flush(run_, [samples.EVENT])
            second = run_
        clock.ahead = 0.0
        if jump < 0:
            store.flush(second, [samples.EVENT])
        (effect,) = store.effects()
        assert effect.attempt == 1
        assert verify(samples.TENANT, store.entries(samples.TENANT, limit=1000)).intact


@pytest.mark.promise("P3", "P12")
@pytest.mark.parametrize("jump", [900.0, -900.0], ids=["forward", "back"])
def test_a_paused_agent_is_resumed_once_whatever_the_clock_does(sqlite_url: str, jump: float) -> None:
    with Database(sqlite_url) as database:
        clock = Clock(database)
        desk = Desk(database)
        run(desk.graph, ask(), desk.config)
        clock.ahead = jump
        decide(desk.guard, desk.pending())
        clock.ahead = 0.0
        work(desk.guard, rounds=2)
        assert len(desk.paid) == (0 if jump > 0 else 1), "what is due by a clock that was ahead is due later"
        clock.ahead = abs(jump) + 1
        work(desk.guard, rounds=2)
        clock.ahead = 0.0
        work(desk.guard, rounds=2)
        row = desk.guard.store.threads(None)[0]
        assert row.status in (TurnStatus.DONE, TurnStatus.ENDED)
        desk.require_whole()
