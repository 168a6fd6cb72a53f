"""Upkeep that a server ended because of a deadlock is done again, whole and once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, func, make_url, select, text

from guardkit.core.audit import ERASURE
from guardkit.core.retention import LegalHold
from guardkit.sql import Database, SQLAlchemySaver, SQLErasure, SQLRetention, SQLStore, upgrade
from guardkit.sql.tables import checkpoints
from guardkit.testing.contracts import samples
from tests.conftest import new_database
from tests.sql.old import aged, checkpoint, finished, retention

Kind = Literal["postgres", "mariadb"]

_NEVER_ENDED = {
    "postgres": ("SET deadlock_timeout = '1h'",),
    "mariadb": (
        "SET SESSION innodb_lock_wait_timeout = 600",
        "CREATE TEMPORARY TABLE own (n INT) ENGINE=InnoDB",
        "INSERT INTO own SELECT seq FROM seq_1_to_5000",
    ),
}
"""Who finds a deadlock ends itself on PostgreSQL; MariaDB ends who has changed fewer rows."""

_WAITS = {
    "postgres": "SELECT count(*) FROM pg_stat_activity WHERE pid = :id AND wait_event_type = 'Lock'",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = :id AND trx_state = 'LOCK WAIT'",
}
_LOOKS = 0.15
"""Seconds between two looks. MariaDB shows the same again to who looks within a tenth."""

_OWN_ID = {"postgres": "SELECT pg_backend_pid()", "mariadb": "SELECT connection_id()"}

GATE = "SELECT * FROM gk_hold_gate FOR UPDATE"
THREADS = "SELECT * FROM gk_threads FOR UPDATE"
HEADS = "SELECT * FROM gk_audit_heads FOR UPDATE"
COPIED = (
    "INSERT INTO gk_checkpoints SELECT tenant, 'copy', ns_hash, checkpoint_id, ns, parent_id, run_id, type, body,"
    " metadata_type, metadata, refs FROM gk_checkpoints"
)


@dataclass(frozen=True)
class Crossed:
    """A call, and a stranger whose way it crosses."""

    has: str
    """What the stranger has locked from the beginning."""

    meets: str
    """What the statement of the call says that will wait for it."""

    wants: str
    """What the stranger then waits for, and the call has locked."""

    call: Callable[[Database], Any]
    done: Callable[[Database], bool]


def hold() -> LegalHold:
    return LegalHold(id="h-1", tenant=samples.TENANT, thread_id=None, by="olga", why="a case", at=0.0)


def left(database: Database, thread: str = "t") -> int:
    with database.reading() as connection:
        chosen = select(func.count()).where(checkpoints.c.thread_id == thread)
        return connection.execute(chosen).scalar_one()


def said(database: Database, kind: str) -> int:
    """How often the audit log says something."""
    return [entry.event.kind for entry in SQLStore(database).entries(samples.TENANT)].count(kind)


def saver(database: Database) -> SQLAlchemySaver:
    return SQLAlchemySaver(database, tenant=samples.TENANT)


CALLS = {
    "copy_thread": Crossed(
        COPIED,
        "INSERT INTO gk_checkpoints",
        THREADS,
        lambda db: saver(db).copy_thread("t", "copy"),
        lambda db: left(db, "copy") == left(db),
    ),
    "set_hold": Crossed(
        HEADS,
        "gk_audit_heads",
        GATE,
        lambda db: SQLRetention(db).set_hold(hold()),
        lambda db: len(SQLRetention(db).holds()) == said(db, "hold.set") == 1,
    ),
    "lift_hold": Crossed(
        HEADS,
        "gk_audit_heads",
        "SELECT * FROM gk_holds FOR UPDATE",
        lambda db: SQLRetention(db).lift_hold(samples.TENANT, "h-1", by="olga", why="over"),
        lambda db: len(SQLRetention(db).holds()) == 0 and said(db, "hold.lifted") == 1,
    ),
    "delete_thread": Crossed(
        THREADS, "gk_threads", GATE, lambda db: saver(db).delete_thread("t"), lambda db: left(db) == 0
    ),
    "delete_for_runs": Crossed(
        THREADS, "gk_threads", GATE, lambda db: saver(db).delete_for_runs(["r-t"]), lambda db: left(db) == 0
    ),
    "prune": Crossed(
        THREADS,
        "gk_threads",
        GATE,
        lambda db: saver(db).prune(["t"], strategy="delete"),
        lambda db: left(db) == 0,
    ),
    "retention": Crossed(
        HEADS,
        "gk_audit_heads",
        GATE,
        lambda db: SQLRetention(db).prune(retention(checkpoints="30d"), by="cron"),
        lambda db: left(db) == 0 and said(db, "retention.pruned") >= 1,
    ),
    "erase": Crossed(
        HEADS,
        "gk_audit_heads",
        GATE,
        lambda db: SQLErasure(db).erase(samples.TENANT, ["uma"], by="dpo", why="asked"),
        lambda db: left(db) == 0 and said(db, ERASURE) == 1,
    ),
}


class Stranger:
    """Somebody else's connection, which waits for others and is never ended."""

    def __init__(self, kind: Kind, engine: Engine, stack: ExitStack) -> None:
        self._kind = kind
        self._mine: Connection = stack.enter_context(engine.connect())
        self._watching: Connection = stack.enter_context(engine.connect())
        self._pool = stack.enter_context(ThreadPoolExecutor(1))
        for statement in _NEVER_ENDED[kind]:
            self._mine.execute(text(statement))
        self._id = self._mine.execute(text(_OWN_ID[kind])).scalar_one()

    def take(self, statement: str) -> None:
        self._mine.execute(text(statement))

    def wait_for(self, statement: str) -> Future[None]:
        """Ask for what somebody has; once one has it, give back everything."""

        def ask() -> None:
            try:
                self._mine.execute(text(statement))
            finally:
                self._mine.rollback()

        asking = self._pool.submit(ask)
        until = time.monotonic() + 60
        while not self._is_waiting():
            assert not asking.done(), "nobody had what was asked for"
            assert time.monotonic() < until
            time.sleep(_LOOKS)
        return asking

    def _is_waiting(self) -> bool:
        found = self._watching.execute(text(_WAITS[self._kind]), {"id": self._id}).scalar_one()
        self._watching.rollback()
        return bool(found)


@contextmanager
def prepared(kind: Kind) -> Iterator[tuple[Database, Engine]]:
    """A database with a thread that is long over, and one without checkpoints."""
    with new_database(kind) as url:
        upgrade(url)
        mine = make_url(url)
        if kind == "postgres":
            # Whoever waits looks for a deadlock after so long, and once.
            mine = mine.update_query_dict({"options": "-c deadlock_timeout=100ms"})
        engine = create_engine(url, poolclass=NullPool)
        with Database(mine) as database:
            finished(database, "t")
            store = SQLStore(database)
            store.close_run(samples.opened(store, "copy").run, samples.closing("done"), [])
            aged(database, 60)
            yield database, engine
        engine.dispose()


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ],
)
def test_upkeep_that_a_deadlock_ended_is_done_again(kind: Kind) -> None:
    with prepared(kind) as (database, engine):
        for name, crossed in CALLS.items():
            if left(database) == 0:
                checkpoint(database, "t")
            with ExitStack() as stack:
                stranger = Stranger(kind, engine, stack)
                stranger.take(crossed.has)
                tries: list[Future[None] | None] = []

                def meet(_: Any, __: Any, statement: str, *rest: Any) -> None:
                    """The way is crossed once, when the call is about to wait."""
                    if crossed.meets in statement and "UPDATE gk_" not in statement:  # noqa: B023  # within the loop
                        tries.append(None if tries else stranger.wait_for(crossed.wants))  # noqa: B023

                event.listen(database.engine, "before_cursor_execute", meet)
                try:
                    crossed.call(database)
                finally:
                    event.remove(database.engine, "before_cursor_execute", meet)
                assert len(tries) >= 2, f"{name} was not tried again"
                asked = tries[0]
                assert asked is not None
                asked.result(60)
            assert crossed.done(database), name
