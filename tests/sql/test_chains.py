"""Values that rest on one another: what becomes of them when rows go, processes die, and older rows are there."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Annotated, Any

import pytest
from alembic import command
from alembic.config import Config
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import Checkpoint, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from sqlalchemy import create_engine, delete, event, func, insert, make_url, select
from typing_extensions import TypedDict

import guardkit.sql
from guardkit.errors import BusyError, InputError, MissingDataError, StaleRunError
from guardkit.sql import Database, SQLAlchemySaver, SQLStore, upgrade
from guardkit.sql.saver import RUN_KEY
from guardkit.sql.tables import blobs, checkpoints, writes
from guardkit.testing.contracts import samples

EVERYWHERE = pytest.mark.parametrize(
    "database",
    [
        pytest.param("sqlite_url", id="sqlite"),
        pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.mariadb),
    ],
    indirect=True,
)
ON_SQLITE = pytest.mark.parametrize("database", [pytest.param("sqlite_url", id="sqlite")], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize(
    "database", [pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    url: str = request.getfixturevalue(request.param)
    upgrade(url)
    with Database(url) as found:
        yield found


def at(thread: str = "t", **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", **more}}


def put(saver: SQLAlchemySaver, config: RunnableConfig, version: int, items: list[str]) -> RunnableConfig:
    checkpoint: Checkpoint = {
        **empty_checkpoint(),
        "id": str(uuid6(clock_seq=-2)),
        "channel_values": {"items": items},
        "channel_versions": {"items": f"{version:012}.x"},
    }
    return saver.put(config, checkpoint, {"step": version}, checkpoint["channel_versions"])


def grown(saver: SQLAlchemySaver, steps: int, config: RunnableConfig | None = None) -> list[RunnableConfig]:
    """A list that has one item more at each step."""
    done = [at() if config is None else config]
    for step in range(1, steps + 1):
        done.append(put(saver, done[-1], step, items(step)))
    return done[1:]


def items(step: int) -> list[str]:
    return [f"item {n} " + "x" * 200 for n in range(step)]


def read(saver: SQLAlchemySaver, config: RunnableConfig) -> Any:
    found = saver.get_tuple(config)
    return None if found is None else found.checkpoint["channel_values"].get("items")


def bases(database: Database) -> dict[str, str | None]:
    with database.reading() as connection:
        return {row.version: row.base for row in connection.execute(select(blobs.c.version, blobs.c.base))}


@EVERYWHERE
def test_a_value_whose_base_is_gone_is_told(database: Database) -> None:
    saver = SQLAlchemySaver(database)
    first, second, third = grown(saver, 3)
    assert bases(database)["000000000003.x"] == "000000000002.x"
    with database.writing() as connection:
        connection.execute(delete(blobs).where(blobs.c.version == "000000000002.x"))
    assert read(saver, first) == items(1)
    for config in (second, third):
        with pytest.raises(MissingDataError, match=r"'items' is gone in version '000000000002\.x'") as caught:
            saver.get_tuple(config)
        assert caught.value.remedy
    with pytest.raises(MissingDataError):
        list(saver.list(at()))


@EVERYWHERE
def test_what_another_process_has_deleted_is_stored_anew(database: Database) -> None:
    ours, theirs = SQLAlchemySaver(database), SQLAlchemySaver(database)
    configs = grown(ours, 3)
    theirs.delete_thread("t")
    put(ours, configs[-1], 4, items(4))
    assert read(ours, at()) == read(theirs, at()) == items(4)
    # Nor is a value of the same version taken for the one that was remembered.
    theirs.delete_thread("t")
    put(theirs, at(), 4, ["something else" * 50])
    put(ours, at(), 5, items(5))
    assert read(theirs, at()) == items(5)


@EVERYWHERE
def test_what_did_not_change_and_is_gone_is_stored_again(database: Database) -> None:
    saver = SQLAlchemySaver(database)
    (config,) = grown(saver, 1)
    found = saver.get_tuple(config)
    assert found is not None
    saver.delete_thread("t")
    saver.put(config, {**found.checkpoint, "id": str(uuid6(clock_seq=-2))}, {}, {})
    assert read(saver, at()) == items(1)


@EVERYWHERE
def test_pruning_stores_what_stays_whole(database: Database) -> None:
    saver = SQLAlchemySaver(database)
    configs = grown(saver, 40)
    saver.put_writes(configs[-1], [("items", "pending")], "task")
    saver.prune(["t"])
    assert bases(database) == {"000000000040.x": None}
    assert [one.config for one in saver.list(at())] == configs[-1:]
    found = saver.get_tuple(at())
    assert found is not None
    assert found.pending_writes == [("task", "items", "pending")]
    put(saver, configs[-1], 41, items(41))
    assert read(SQLAlchemySaver(database), at()) == items(41)


@EVERYWHERE
def test_deleting_runs_in_the_middle_leaves_the_rest_readable(database: Database) -> None:
    saver = SQLAlchemySaver(database)
    config = at()
    for step in range(1, 13):
        config = put(saver, {**config, "metadata": {"run_id": f"run-{step // 4}"}}, step, items(step))
    saver.delete_for_runs(["run-1"])
    assert [len(one.checkpoint["channel_values"]["items"]) for one in saver.list(at())] == [
        12,
        11,
        10,
        9,
        8,
        3,
        2,
        1,
    ]
    there = bases(database)
    assert there["000000000008.x"] is None
    assert set(filter(None, there.values())) <= set(there)


@EVERYWHERE
def test_who_deletes_while_somebody_puts_deletes_nothing(database: Database) -> None:
    """Where writers overlap, one of both is told; on SQLite they take turns."""
    saver = SQLAlchemySaver(database)
    configs = grown(saver, 3)
    go = threading.Barrier(2)

    def writer() -> None:
        go.wait()
        config = configs[-1]
        for step in range(4, 30):
            config = put(saver, config, step, items(step))

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(writer)
        go.wait()
        refused = 0
        while not done.done():
            try:
                SQLAlchemySaver(database).prune(["t"])
            except BusyError:
                refused += 1
        done.result()
    assert read(SQLAlchemySaver(database), at()) == items(29)
    for one in SQLAlchemySaver(database).list(at()):
        step = int(str(one.checkpoint["channel_versions"]["items"]).split(".", 1)[0])
        assert one.checkpoint["channel_values"]["items"] == items(step)


def test_rows_of_revision_0002_stay_readable_and_carry_new_ones(sqlite_url: str) -> None:
    serde = JsonPlusSerializer()
    engine = create_engine(sqlite_url)
    config = Config()
    config.set_main_option("script_location", str(guardkit.sql.__path__[0]) + "/migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    version = f"{7:032}.0.123"
    checkpoint = {**empty_checkpoint(), "id": "1f0-1", "channel_versions": {"items": version}}
    checkpoint.pop("channel_values")
    place = {"tenant": "default", "thread_id": "t", "ns_hash": "e3b0c44298fc1c149afbf4c8996fb924"}
    body = serde.dumps_typed({"v": 1, "checkpoint": checkpoint, "inline": {"n": 1}, "kept": ["items"]})
    stored = serde.dumps_typed(items(3))
    told = serde.dumps_typed({"step": 1})
    with engine.begin() as connection:
        connection.execute(
            insert(checkpoints),
            {
                **place,
                "checkpoint_id": "1f0-1",
                "ns": "",
                "type": body[0],
                "body": body[1],
                "metadata_type": told[0],
                "metadata": told[1],
            },
        )
        connection.execute(
            insert(blobs),
            {**place, "channel": "items", "version": version, "type": stored[0], "value": stored[1]},
        )
        connection.execute(
            insert(writes),
            {
                **place,
                "checkpoint_id": "1f0-1",
                "task_id": "a",
                "idx": 0,
                "task_path": "",
                "channel": "items",
                "type": stored[0],
                "value": stored[1],
            },
        )
    engine.dispose()
    with SQLAlchemySaver(sqlite_url) as saver:
        found = saver.get_tuple(at())
        assert found is not None
        assert found.checkpoint["channel_values"] == {"n": 1, "items": items(3)}
        assert found.pending_writes == [("a", "items", items(3))]
        assert [one.checkpoint for one in saver.list(at())] == [found.checkpoint]
        following = saver.get_next_version(version, None)
        assert following > version
        new: Checkpoint = {
            **found.checkpoint,
            "id": "1f0-2",
            "channel_values": {"items": items(4)},
            "channel_versions": {"items": following},
        }
        saver.put(found.config, new, {"step": 2}, {"items": following})
        assert bases(saver.database)[following] == version
        assert read(SQLAlchemySaver(saver.database), at()) == items(4)
        saver.prune(["t"])
        assert bases(saver.database) == {following: None}
        assert read(saver, at()) == items(4)


def joined(state: Any, updates: Any) -> Any:
    return [*(state or []), *(one for update in updates for one in update)]


class Deltas(TypedDict):
    log: Annotated[list[str], DeltaChannel(joined, snapshot_frequency=1000)]
    n: int


def counting(saver: SQLAlchemySaver) -> Any:
    def step(state: Deltas) -> dict[str, Any]:
        return {"log": [f"step {state.get('n', 0)}"], "n": state.get("n", 0) + 1}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Deltas)
    builder.add_node("step", step)
    builder.add_edge(START, "step")
    return builder.compile(checkpointer=saver)


@EVERYWHERE
def test_a_delta_channel_outlives_pruning(database: Database) -> None:
    saver = SQLAlchemySaver(database)
    app = counting(saver)
    for n in range(5):
        app.invoke({"log": [f"input {n}"], "n": n}, at(), durability="sync")
    before = app.get_state(at()).values
    assert len(before["log"]) == 10
    assert next(iter(app.get_state_history(at()))).values == before
    saver.prune(["t"])
    assert app.get_state(at()).values == before
    saver.copy_thread("t", "copy")
    assert app.get_state(at("copy")).values == before
    with database.reading() as connection:
        run_ids = [
            run for run in connection.execute(select(checkpoints.c.run_id).distinct()).scalars() if run
        ]
    if run_ids:
        with pytest.raises(InputError, match="rebuilt from older ones"):
            saver.delete_for_runs(run_ids[:1])
    assert app.get_state(at()).values == before


PRUNES = """
import sys
from guardkit.sql import SQLAlchemySaver
with SQLAlchemySaver(sys.argv[1]) as saver:
    saver.database.prepare()
    print("ready", flush=True)
    for n in range(10_000):
        saver.prune([f"t{n}"])
"""


def test_a_process_that_is_killed_while_it_prunes_leaves_the_old_or_the_new(sqlite_url: str) -> None:
    with SQLAlchemySaver(sqlite_url) as saver:
        for thread in range(60):
            grown(saver, 12, at(f"t{thread}"))
        child = subprocess.Popen(
            [sys.executable, "-c", PRUNES, sqlite_url], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        pruned = select(func.count()).select_from(checkpoints).where(checkpoints.c.thread_id == "t20")
        while True:
            with saver.database.reading() as connection:
                if connection.execute(pruned).scalar_one() == 1:
                    break
            time.sleep(0.001)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        sizes = set[int]()
        for thread in range(60):
            found = list(saver.list(at(f"t{thread}")))
            sizes.add(len(found))
            assert [one.checkpoint["channel_values"]["items"] for one in found] == [
                items(step) for step in range(12, 12 - len(found), -1)
            ]
        assert sizes <= {1, 12}
        assert 1 in sizes
    with closing(sqlite3.connect(str(make_url(sqlite_url).database))) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@ON_POSTGRESQL
def test_a_put_is_one_statement(database: Database) -> None:
    saver = SQLAlchemySaver(database)
    config = grown(saver, 1)[0]
    said: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: said.append(call[2]))
    config = put(saver, config, 2, items(2))
    assert len(said) == 1
    saver.put_writes(config, [("items", 1), ("__resume__", 2)], "task")
    assert len(said) == 2
    assert read(saver, at()) == items(2)
    assert len(said) == 3


@ON_POSTGRESQL
@pytest.mark.promise("P11")
def test_one_statement_checks_the_lease_too(database: Database) -> None:
    saver, store = SQLAlchemySaver(database), SQLStore(database)
    stale = samples.opened(store, "t").run
    mine: dict[str, Any] = {RUN_KEY: stale}
    put(saver, at(**mine), 1, items(1))
    store.renew(stale, 1.0)
    time.sleep(1.1)
    taker = store.open_run(samples.opening("t", new_turn=False), []).run
    for run, error in ((stale, StaleRunError), (None, BusyError)):
        held: dict[str, Any] = {} if run is None else {RUN_KEY: run}
        with pytest.raises(error):
            put(saver, at(**held), 2, items(2))
        with pytest.raises(error):
            saver.put_writes(at(checkpoint_id="1", **held), [("items", 1)], "task")
    assert read(saver, at()) == items(1)
    put(saver, at(**{**mine, RUN_KEY: taker}), 3, items(3))
    assert read(saver, at()) == items(3)


@ON_SQLITE
def test_threads_that_write_at_once_share_commits_and_one_that_fails_hurts_no_other(
    database: Database,
) -> None:
    commits: list[str] = []
    parts: list[str] = []

    def traced(statement: str) -> None:
        if statement == "COMMIT":
            commits.append(statement)
        if statement.startswith("RELEASE"):
            parts.append(statement)

    saver = SQLAlchemySaver(database)
    database.prepare()
    event.listen(database.engine, "checkout", lambda raw, *_: raw.set_trace_callback(traced))

    def fail(thread: str) -> None:
        row = {
            "tenant": "x",
            "thread_id": thread,
            "ns_hash": "",
            "channel": "c",
            "version": "1",
            "type": "t",
            "value": b"",
        }
        with database.writing() as connection:
            connection.execute(insert(blobs), row)
            raise ZeroDivisionError

    def work(n: int) -> None:
        for step in range(1, 11):
            if n % 4:
                put(saver, at(f"t{n}"), step, items(step))
            else:
                with pytest.raises(ZeroDivisionError):
                    fail(f"{n}-{step}")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert len(parts) == 160
    assert len(commits) < 160
    assert all(read(saver, at(f"t{n}")) == items(10) for n in range(16) if n % 4)
    with database.reading() as connection:
        assert (
            connection.execute(
                select(func.count()).select_from(blobs).where(blobs.c.tenant == "x")
            ).scalar_one()
            == 0
        )


@ON_SQLITE
def test_checkpoints_may_be_less_durable_than_the_rest(database: Database) -> None:
    levels: list[tuple[str, int]] = []
    database.prepare()

    def look(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT INTO gk_checkpoints", "INSERT INTO gk_threads")):
            raw = connection.connection.driver_connection
            levels.append((statement.split()[2], raw.execute("PRAGMA synchronous").fetchone()[0]))

    event.listen(database.engine, "before_cursor_execute", look)
    put(SQLAlchemySaver(database, synchronous="NORMAL"), at(), 1, items(1))
    samples.opened(SQLStore(database), "other")
    put(SQLAlchemySaver(database), at(), 2, items(2))
    assert levels == [("gk_checkpoints", 1), ("gk_threads", 2), ("gk_checkpoints", 2)]
