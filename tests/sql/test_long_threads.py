"""Reading a checkpoint, a page of a history, or putting the next one looks into an index and not through a long thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointMetadata, CheckpointTuple, empty_checkpoint
from sqlalchemy import event, text

from guardkit.sql import Database, SQLAlchemySaver, upgrade
from tests.sql.plans import keys, plans, scans

STEPS = 120
COPIES = ("t1", "t2", "t3", "t4", "t5")


@pytest.fixture(
    params=[
        pytest.param("sqlite_url", id="sqlite"),
        pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.mariadb),
    ]
)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    url: str = request.getfixturevalue(request.param)
    upgrade(url)
    with Database(url) as found:
        yield found


def at(thread: str = "t0", **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", **more}}


def id_of(step: int) -> str:
    return f"1f000000-0000-6000-8000-{step:012}"


def put(saver: SQLAlchemySaver, step: int, **more: Any) -> None:
    """A step that changes two values which are too large to be kept inline and rest on those before, and writes three times."""
    checkpoint = empty_checkpoint()
    version = f"{step + 1:012}.0"
    checkpoint["id"] = id_of(step)
    checkpoint["channel_values"] = {name: f"{name} " * 90 + str(step) for name in ("draft", "notes")}
    checkpoint["channel_versions"] = {"draft": version, "notes": version}
    parent = {} if step == 0 else {"checkpoint_id": id_of(step - 1)}
    metadata: CheckpointMetadata = {"source": "loop", "step": step}
    kept = saver.put(at(**parent, **more), checkpoint, metadata, checkpoint["channel_versions"])
    saver.put_writes(kept, [("draft", "x"), ("notes", "y"), ("done", step)], f"task-{step}")


def step_of(found: CheckpointTuple) -> int:
    return found.metadata.get("step", -1)


def place_of(found: CheckpointTuple) -> tuple[str, str]:
    conf = found.config.get("configurable", {})
    return conf["thread_id"], conf["checkpoint_ns"]


def fill(saver: SQLAlchemySaver, *copies: str) -> None:
    for step in range(STEPS):
        put(saver, step)
    for copy in copies:
        saver.copy_thread("t0", copy)


def analyse(database: Database) -> None:
    tables = "gk_checkpoints, gk_blobs, gk_writes"
    said = {"sqlite": "ANALYZE", "postgresql": "ANALYZE"}.get(
        database.engine.dialect.name, f"ANALYZE TABLE {tables}"
    )
    with database.writing() as connection:
        connection.execute(text(said))


def test_reading_finds_each_row_by_its_key(database: Database) -> None:
    """A database that knows nothing of its tables yet has to be told the way."""
    saver = SQLAlchemySaver(database)
    fill(saver, *COPIES)
    reads: dict[str, Any] = {
        "newest": lambda: saver.get_tuple(at()),
        "by id": lambda: saver.get_tuple(at(checkpoint_id=id_of(70))),
        "history": lambda: list(saver.list(at(), limit=100)),
        "older": lambda: list(saver.list(at(), before=at(checkpoint_id=id_of(70)), limit=40)),
        "whole tenant": lambda: list(saver.list(None, limit=40)),
        "delta": lambda: saver.get_delta_channel_history(
            config=at(checkpoint_id=id_of(9)), channels=["notes"]
        ),
    }
    for known in ("new", "analysed"):
        for what, read in reads.items():
            steps = plans(database, read, about="gk_")
            values = keys(database, steps, "gk_blobs", "b")
            assert values, (known, what, steps)
            assert all({"channel", "version"} <= one for one in values), (known, what, steps)
            written = keys(database, steps, "gk_writes")
            assert written, (known, what, steps)
            assert all("checkpoint_id" in one for one in written), (known, what, steps)
            if what != "whole tenant":
                assert scans(database, steps) == [], (known, what, steps)
                found = keys(database, steps, "gk_checkpoints")
                # The newest is the last of its place; every page behind it begins in the index.
                assert sum("checkpoint_id" not in one for one in found) <= 1, (known, what, steps)
        analyse(database)


@pytest.mark.postgres
def test_a_put_finds_what_it_rests_on_by_its_key(postgres_url: str) -> None:
    upgrade(postgres_url)
    with Database(postgres_url) as database:
        saver = SQLAlchemySaver(database)
        fill(saver)
        steps = plans(database, lambda: put(saver, STEPS), about="gk_blobs b")
        found = keys(database, steps, "gk_blobs")
        assert len(found) == 2, "one for each value"
        assert all({"channel", "version"} <= one for one in found), steps


def test_a_list_of_many_threads_is_whole_and_in_order_and_sorted_few_times(database: Database) -> None:
    saver = SQLAlchemySaver(database)
    fill(saver, *COPIES[:2])
    put(saver, STEPS, checkpoint_ns="inner:1")
    sorts: list[str] = []

    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        if "ORDER BY" in statement:
            sorts.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    everything = [(n, t, "") for n in range(STEPS) for t in ("t0", "t1", "t2")] + [(STEPS, "t0", "inner:1")]
    expected = sorted(((-n, t, ns) for n, t, ns in everything))
    listed = [(-step_of(one), *place_of(one)) for one in saver.list(None)]
    assert listed == expected
    assert len(sorts) == 3, "32 keys, 256, then the rest"
    sorts.clear()
    of_one = [step_of(one) for one in saver.list({"configurable": {"thread_id": "t0"}})]
    assert of_one == list(range(STEPS, -1, -1))
    assert len(sorts) == 2
    assert [step_of(one) for one in saver.list(None, limit=7)] == [-n for n, *_ in expected[:7]]
    few = list(saver.list(None, filter={"step": 3}, before=at(checkpoint_id=id_of(60)), limit=2))
    assert [place_of(one)[0] for one in few] == ["t0", "t1"]
