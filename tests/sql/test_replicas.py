"""Lists are read from a streaming replica: never older than may be, never without what one has just done oneself."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event
from typer.testing import CliRunner

from guardkit.cli import app
from guardkit.core.settings import load_settings
from guardkit.core.threads import ThreadQuery
from guardkit.errors import ConfigurationError
from guardkit.sql import Database, SQLStore, database_size, upgrade
from guardkit.testing.contracts import samples
from tests.promises.scene import ask, decide, run, work
from tests.sql.servers import PostgresServer, own_folder
from tests.sql.test_faults import Desk
from tests.web.claims import Claims, Clock
from tests.web.test_lists import got, ids_of
from tests.web.visits import Inbox

pytestmark = pytest.mark.postgres

LONG = 600.0
"""Seconds of lag that no test reaches."""


@dataclass
class Pair:
    """A primary and its streaming replica."""

    primary: PostgresServer
    replica: PostgresServer

    def catch_up(self) -> None:
        """Wait until everything that is committed is replayed."""
        ((position,),) = self.primary.execute("SELECT pg_current_wal_lsn()::text")
        until = time.monotonic() + 60
        while self.replica.execute(f"SELECT pg_last_wal_replay_lsn() >= '{position}'") != [(True,)]:
            assert time.monotonic() < until, "the replica does not catch up"
            time.sleep(0.02)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is replayed meanwhile."""
        self.catch_up()
        self.replica.execute("SELECT pg_wal_replay_pause()")
        try:
            yield
        finally:
            self.replica.execute("SELECT pg_wal_replay_resume()")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with own_folder("postgres") as one, own_folder("postgres") as other:
        primary = PostgresServer(one)
        primary.start()
        try:
            copied = primary.as_user(
                "pg_basebackup", "-D", str(other / "data"), "-h", "127.0.0.1", "-p", str(primary.port),
                "-U", "postgres", "-R", "-c", "fast", "--no-sync",
            )  # fmt: skip
            subprocess.run(copied, check=True, capture_output=True)
            replica = PostgresServer(other, made=True)
            replica.start()
            try:
                yield Pair(primary, replica)
            finally:
                replica.crash()
        finally:
            primary.crash()


@pytest.fixture
def urls(pair: Pair) -> Iterator[tuple[str, str]]:
    """A new database, at the primary and at the replica."""
    name = f"guardkit_{time.monotonic_ns()}"
    pair.primary.execute(f"CREATE DATABASE {name}")
    upgrade(pair.primary.of(name))
    pair.catch_up()
    yield pair.primary.of(name), pair.replica.of(name)
    pair.primary.execute(f"DROP DATABASE {name} WITH (FORCE)")


def threads(database: Database) -> list[str]:
    page = SQLStore(database).find_threads(ThreadQuery(tenant=samples.TENANT))
    return sorted(one.thread_id for one in page.threads)


def counted(database: Database) -> Callable[[], int]:
    """How many statements the replica has been asked since the last call."""
    seen: list[str] = []
    assert database.replica is not None
    event.listen(database.replica.backend.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))

    def since() -> int:
        count = len(seen)
        seen.clear()
        return count

    return since


def until_read(asked: Callable[[], int], look: Callable[[], None], pair: Pair, others: Database) -> None:
    """Look until the replica is read: once somebody else has committed after whoever looks."""
    asked()
    until = time.monotonic() + 60
    look()
    while not asked() > 1:
        assert time.monotonic() < until, "the replica is not read"
        SQLStore(others).append("beside", [samples.EVENT])
        pair.catch_up()
        look()


def test_lists_come_from_the_replica_and_are_never_older_than_may_be(
    pair: Pair, urls: tuple[str, str]
) -> None:
    primary, replica = urls
    with (
        Database(primary) as others,
        Database(primary, replica=replica, replica_lag=LONG) as patient,
        Database(primary, replica=replica, replica_lag=1.0) as strict,
    ):
        samples.paused(SQLStore(others), "t-1")
        pair.catch_up()
        asked = counted(patient)
        assert threads(patient) == threads(strict) == ["t-1"]
        assert asked() > 1
        with pair.paused():
            samples.paused(SQLStore(others), "t-2")
            assert threads(patient) == ["t-1"], "it may be old, and is"
            time.sleep(1.0)
            assert threads(strict) == ["t-1", "t-2"], "what is older than a second is not shown"
            store = SQLStore(patient)
            assert [row.thread_id for row in store.threads(None)] == ["t-1"]
            assert [one.threads for one in store.count_threads(ThreadQuery(tenant=samples.TENANT))] == [1]
            assert store.history(samples.TENANT, "t-2") == []
            assert store.messages(samples.TENANT, "t-2") == []
            assert sum(one.pending for one in store.backlog()) == 1
            sizes = {one.table: one.rows for one in database_size(patient).tables}
            assert sizes["gk_threads"] == 1
            # What is decided by is read where it is written.
            assert store.turn(samples.TENANT, "t-2") is not None
            assert len(store.listed(thread_id="t-2")) == 1
            assert store.find_thread(samples.TENANT, "t-2") is not None
        pair.catch_up()
        assert threads(patient) == ["t-1", "t-2"]


@pytest.mark.promise("P2", "P3", "P11")
def test_nothing_is_decided_claimed_or_resumed_by_what_a_replica_says(
    pair: Pair, urls: tuple[str, str]
) -> None:
    primary, replica = urls
    with Database(primary, replica=replica, replica_lag=LONG) as database, pair.paused():
        asked = counted(database)
        desk = Desk(database)
        run(desk.graph, ask(), desk.config)
        decide(desk.guard, desk.pending())
        work(desk.guard)
        desk.require_whole()
        assert asked() == 0


@pytest.mark.promise("P2")
def test_the_page_after_a_decision_shows_it(pair: Pair, urls: tuple[str, str]) -> None:
    primary, replica = urls
    with Database(primary) as others, Database(primary, replica=replica, replica_lag=LONG) as own:
        asking, deciding = (Claims(clock=Clock(time.time())) for _ in range(2))
        asking.moved_to(SQLStore(others))
        deciding.moved_to(SQLStore(own))
        inbox = Inbox(deciding)
        ana = inbox.visit()
        first, second = asking.ask(), asking.ask()
        pair.catch_up()
        asked = counted(own)

        def both_wait() -> None:
            assert set(ids_of(got(ana, "/"))) == {first.request.id, second.request.id}

        until_read(asked, both_wait, pair, others)
        with pair.paused():
            answer = ana.post(first, "approve", reason="checked the report")
            assert answer.status_code == 303, answer.text
            assert ids_of(got(ana, "/")) == [second.request.id]
            assert ids_of(got(ana, "/history")) == [first.request.id]

        def one_is_over() -> None:
            assert ids_of(got(ana, "/history")) == [first.request.id]

        until_read(asked, one_is_over, pair, others)


def test_a_replica_that_is_down_or_a_primary_by_now_is_not_read(
    pair: Pair, urls: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    primary, replica = urls
    with Database(primary) as others, Database(primary, replica=replica, replica_lag=LONG) as database:
        samples.paused(SQLStore(others), "t-1")
        pair.catch_up()
        asked = counted(database)
        assert threads(database) == ["t-1"]
        assert asked() > 1
        pair.replica.crash()
        try:
            for _ in range(5):
                assert threads(database) == ["t-1"]
            said = [line for line in caplog.messages if "replica" in line]
            assert said == [
                "lists are read from the primary, not from its replica: it cannot be reached, or gave up"
            ]
        finally:
            pair.replica.start()
        samples.paused(SQLStore(others), "t-2")
        pair.catch_up()
        asked()
        until = time.monotonic() + 60
        while not asked() and time.monotonic() < until:
            assert threads(database) == ["t-1", "t-2"]
            time.sleep(0.1)
        assert time.monotonic() < until, "it is read again"
    with Database(primary, replica=primary, replica_lag=LONG) as database:
        assert threads(database) == ["t-1", "t-2"]
        assert database.replica is not None
        with pytest.raises(ConfigurationError, match="no replica"):
            database.replica.standing()


def test_the_doctor_says_how_old_it_is(pair: Pair, urls: tuple[str, str]) -> None:
    primary, replica = urls

    def says(**more: str) -> str:
        ran = CliRunner().invoke(app, ["doctor", "--json"], env={"GUARDKIT_DATABASE": primary, **more})
        found = [one for one in json.loads(ran.stdout) if one["what"] == "replica"]
        return "".join(f"{'ok' if one['ok'] else 'bad'} {one['says']}" for one in found)

    with Database(primary) as others:
        samples.paused(SQLStore(others), "t-1")
    pair.catch_up()
    assert says() == ""
    assert "lists are read there" in says(
        GUARDKIT_DATABASE_REPLICA=replica, GUARDKIT_DATABASE_REPLICA_LAG="600"
    )
    assert "the primary is read" in says(
        GUARDKIT_DATABASE_REPLICA=replica, GUARDKIT_DATABASE_REPLICA_LAG="0.000001"
    )
    assert says(GUARDKIT_DATABASE_REPLICA=primary).startswith("bad")
    away = "postgresql://kim:geheim@127.0.0.1:1/none"
    assert "cannot be reached" in says(GUARDKIT_DATABASE_REPLICA=away)
    assert "geheim" not in says(GUARDKIT_DATABASE_REPLICA=away)


@pytest.mark.parametrize("lag", ["0", "-1", "soon", "inf", "nan"])
def test_a_lag_that_is_none_is_refused(lag: str, tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="database_replica_lag"):
        load_settings({"GUARDKIT_DATABASE_REPLICA_LAG": lag}, tmp_path)


def test_what_is_no_replica_is_refused() -> None:
    away = "postgresql://nobody@127.0.0.1:1/none"
    for url in ("sqlite:///guardkit.db", "mysql://nobody@127.0.0.1:1/none"):
        with pytest.raises(ConfigurationError, match="how old a replica"):
            Database(url, replica=away)
    with pytest.raises(ConfigurationError, match="URL of the replica names"):
        Database(away, replica="mysql://kim:geheim@127.0.0.1:1/none")
    with pytest.raises(ConfigurationError, match="replica_lag is 0"):
        Database(away, replica=away, replica_lag=0)
