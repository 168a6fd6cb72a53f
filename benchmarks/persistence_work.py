"""What the benchmark of persistence runs: graphs over savers, each measurement in a process of its own."""

from __future__ import annotations

import asyncio
import json
import operator
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypedDict

import psycopg
from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from measuring import SEED
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from guardkit.sql import Database, SQLAlchemySaver, upgrade

AT_ONCE = 16
POOL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One measurement.

    Attributes:
        saver: whose: `memory`, `ours`, `official`.
        database: `sqlite` or `postgresql`.
        where: a folder for SQLite files, or the URL of a server.
        work: `long` (one thread), `many` (threads of ten supersteps, 16 at a time), `floor` (the raw driver
            writes the rows that ours wrote on one thread), `flat` (one thread with a state that does not grow).
        steps: supersteps of the one thread, or threads.
        asynchronous: whether the graph is run with `ainvoke`.
        synchronous: of SQLite.
        pool: whether the official PostgreSQL saver gets a pool.
        durability: LangGraph's.
    """

    saver: str
    database: str
    where: str
    work: str
    steps: int
    asynchronous: bool = False
    synchronous: str = "FULL"
    pool: bool = False
    durability: str = "async"


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]
    done: Annotated[int, operator.add]


def message(chance: random.Random) -> AIMessage:
    """600 characters of words, as a model says them, with the metadata of a model."""
    words: list[str] = []
    while sum(map(len, words)) + len(words) < 600:
        words.append(WORDS[int(len(WORDS) * chance.random() ** 2)])
    return AIMessage(
        " ".join(words)[:600],
        id=f"lc_run--{chance.getrandbits(128):032x}",
        response_metadata={"model_name": "a-model", "finish_reason": "stop"},
        usage_metadata={"input_tokens": 900, "output_tokens": 150, "total_tokens": 1050},
    )


def _words() -> list[str]:
    chance = random.Random(SEED)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    return [
        "".join(letters[int(26 * chance.random() ** 2)] for _ in range(chance.randrange(2, 10)))
        for _ in range(3000)
    ]


WORDS = _words()


def graph(saver: BaseCheckpointSaver[Any], steps: int, *, asynchronous: bool, grows: bool) -> Any:
    chance = random.Random(SEED)

    def step(state: State) -> dict[str, Any]:
        return {"messages": [message(chance)] if grows else [], "done": 1}

    async def astep(state: State) -> dict[str, Any]:
        return step(state)

    def onwards(state: State) -> str:
        return "step" if state["done"] < steps else END

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    builder.add_node("step", astep if asynchronous else step)
    builder.add_edge(START, "step")
    builder.add_conditional_edges("step", onwards, ["step", END])
    return builder.compile(checkpointer=saver)


@dataclass(slots=True)
class Opened:
    saver: BaseCheckpointSaver[Any]
    size: Callable[[], int]


@contextmanager
def opened(job: Job, folder: Path) -> Generator[Opened]:
    """A saver on a new database."""
    if job.saver == "memory":
        yield Opened(InMemorySaver(), lambda: 0)
        return
    if job.database == "sqlite":
        path = folder / "bench.db"
        if job.saver == "ours":
            with Database(f"sqlite:///{path}", threads=AT_ONCE) as database:
                database.prepare()
                yield Opened(SQLAlchemySaver(database, synchronous=job.synchronous), lambda: _file(path))  # pyright: ignore[reportArgumentType]
            return
        with closing(sqlite3.connect(path, check_same_thread=False)) as connection:
            saver = SqliteSaver(connection)
            saver.setup()
            connection.execute(f"PRAGMA synchronous={job.synchronous}")
            yield Opened(saver, lambda: _file(path))
        return
    name = f"bench_{os.getpid()}"
    with psycopg.connect(job.where, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        url = f"{job.where.rpartition('/')[0]}/{name}"
        try:
            with ExitStack() as stack:
                if job.saver == "ours":
                    mine = url.replace("postgresql://", "postgresql+psycopg://")
                    upgrade(mine)
                    database = stack.enter_context(Database(mine, threads=POOL))
                    database.prepare()
                    saver = SQLAlchemySaver(database)
                else:
                    options: dict[str, Any] = {
                        "autocommit": True,
                        "prepare_threshold": 0,
                        "row_factory": dict_row,
                    }
                    source: Any = (
                        stack.enter_context(ConnectionPool(url, min_size=POOL, max_size=POOL, kwargs=options))
                        if job.pool
                        else stack.enter_context(psycopg.connect(url, **options))
                    )
                    saver = PostgresSaver(source)
                    saver.setup()
                yield Opened(saver, lambda: _server(url))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _file(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def _server(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname SIMILAR TO '(gk_)?(checkpoints|checkpoint_blobs|checkpoint_writes|blobs|writes)'"
        ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def clocked(found: dict[str, Any], steps: int) -> Generator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found.update({"steps_per_second": steps / wall, "cpu_ms_per_step": cpu / steps * 1000})


def run(job: Job) -> dict[str, Any]:
    """Do a measurement."""
    with TemporaryDirectory(dir=job.where if job.database == "sqlite" else None) as folder:
        if job.work == "floor":
            return _floor(job, Path(folder))
        if job.asynchronous and job.saver == "official":
            return asyncio.run(_official_async(job, Path(folder)))
        with opened(job, Path(folder)) as found:
            if job.asynchronous:
                return asyncio.run(_asynchronously(job, found))
            return _synchronously(job, found)


def _config(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}, "recursion_limit": 1_000_000}


def _input() -> dict[str, Any]:
    return {"messages": [], "done": 0}


def _synchronously(job: Job, opened: Opened) -> dict[str, Any]:
    found: dict[str, Any] = {}
    many = job.work == "many"
    each = 10 if many else job.steps
    app = graph(opened.saver, each, asynchronous=False, grows=job.work != "flat")
    app.invoke(_input(), _config("warm"), durability=job.durability) if many else None
    total = job.steps * each if many else each
    before = opened.size()
    with clocked(found, total):
        if many:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(
                    pool.map(
                        lambda i: app.invoke(_input(), _config(f"t{i}"), durability=job.durability),
                        range(job.steps),
                    )
                )
        else:
            app.invoke(_input(), _config("t"), durability=job.durability)
    found["bytes_per_step"] = (opened.size() - before if many else opened.size()) / total
    if not many:
        found["get_state_ms"] = _timed(lambda: app.get_state(_config("t")), 20)
        found["history_ms"] = _timed(lambda: list(app.get_state_history(_config("t"))), 1)
        found["history_of_10_ms"] = _timed(lambda: list(app.get_state_history(_config("t"), limit=10)), 5)
    return found


def _timed(call: Callable[[], Any], times: int) -> float:
    taken: list[float] = []
    for _ in range(times):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    return sorted(taken)[len(taken) // 2] * 1000


async def _asynchronously(job: Job, opened: Opened) -> dict[str, Any]:
    found: dict[str, Any] = {}
    many = job.work == "many"
    each = 10 if many else job.steps
    app = graph(opened.saver, each, asynchronous=True, grows=job.work != "flat")
    total = job.steps * each if many else each
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(thread: str) -> None:
        async with gate:
            await app.ainvoke(_input(), _config(thread), durability=job.durability)

    empty = opened.size()
    await one("warm")
    warm = opened.size()
    before = (
        warm if many else warm - empty
    )  # of one thread the tables count, as they do where nothing is warmed
    with clocked(found, total):
        await asyncio.gather(*(one(f"t{i}") for i in range(job.steps if many else 1)))
    found["bytes_per_step"] = (opened.size() - before) / total
    return found


async def _official_async(job: Job, folder: Path) -> dict[str, Any]:
    if job.database == "sqlite":
        path = folder / "bench.db"
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            await saver.setup()
            await saver.conn.execute(f"PRAGMA synchronous={job.synchronous}")
            return await _asynchronously(job, Opened(saver, lambda: _file(path)))
    name = f"bench_{os.getpid()}"
    with psycopg.connect(job.where, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        url = f"{job.where.rpartition('/')[0]}/{name}"
        try:
            options: dict[str, Any] = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
            async with AsyncConnectionPool(
                url, min_size=POOL, max_size=POOL, kwargs=options, open=False
            ) as pool:
                saver = AsyncPostgresSaver(pool)  # pyright: ignore[reportArgumentType]
                await saver.setup()
                return await _asynchronously(job, Opened(saver, lambda: _server(url)))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _floor(job: Job, folder: Path) -> dict[str, Any]:
    """The raw driver writes the bytes of our rows again: one transaction a superstep, one table, no index but its key."""
    with opened(Job(**{**asdict(job), "saver": "ours", "work": "long"}), folder) as ours:
        app = graph(ours.saver, job.steps, asynchronous=False, grows=True)
        app.invoke(_input(), _config("t"), durability="sync")
        assert isinstance(ours.saver, SQLAlchemySaver)
        sizes: list[list[int]] = []
        with ours.saver.database.reading() as connection:
            for row in connection.exec_driver_sql(
                "SELECT length(body) + length(metadata), checkpoint_id FROM gk_checkpoints ORDER BY checkpoint_id"
            ):
                sizes.append([int(row[0])])
            values = connection.exec_driver_sql("SELECT length(value) FROM gk_blobs ORDER BY version").all()
            written = connection.exec_driver_sql(
                "SELECT length(value) FROM gk_writes ORDER BY checkpoint_id"
            ).all()
        for index, (size,) in enumerate([*values, *written]):
            sizes[index % len(sizes)].append(int(size))
        found: dict[str, Any] = {}
        steps = [
            [(f"{n}-{i}-{'k' * 100}", os.urandom(size)) for i, size in enumerate(step)]
            for n, step in enumerate(sizes)
        ]
        if job.database == "sqlite":
            with closing(sqlite3.connect(folder / "floor.db", isolation_level=None)) as raw:
                raw.execute("PRAGMA journal_mode=WAL")
                raw.execute(f"PRAGMA synchronous={job.synchronous}")
                raw.execute("CREATE TABLE floor (k TEXT PRIMARY KEY, v BLOB)")
                with clocked(found, len(steps)):
                    for step in steps:
                        raw.execute("BEGIN IMMEDIATE")
                        raw.executemany("INSERT INTO floor VALUES (?, ?)", step)
                        raw.execute("COMMIT")
            return found
        url = str(
            ours.saver.database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        )
        with psycopg.connect(url, autocommit=True) as raw:
            raw.execute("CREATE TABLE floor (k TEXT PRIMARY KEY, v BYTEA)")
            raw.execute("ALTER TABLE floor ALTER COLUMN v SET STORAGE EXTERNAL")
            with clocked(found, len(steps)):
                for step in steps:
                    rows = ", ".join(["(%s, %s)"] * len(step))
                    raw.execute(
                        f"INSERT INTO floor VALUES {rows}".encode(), [one for pair in step for one in pair]
                    )
        return found


def main() -> None:
    given: Mapping[str, Any] = json.loads(sys.argv[1])
    print(json.dumps(run(Job(**given))))


if __name__ == "__main__":
    main()
