"""Threads of LangGraph's own savers, taken over: everything is there and equal, or the thread is named and refused."""

from __future__ import annotations

import dataclasses
import operator
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, interrupt
from sqlalchemy import make_url, select

from guardkit.errors import ConfigurationError, InputError
from guardkit.sql import Database, ImportedThread, SQLAlchemySaver, SQLStore, import_threads, upgrade
from guardkit.sql.access import configurable
from guardkit.sql.tables import checkpoints, writes
from guardkit.testing.contracts import samples


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    seen: Annotated[list[str], operator.add]
    rounds: int


def graph(saver: BaseCheckpointSaver[str]) -> Any:
    """A graph with a loop, parallel tasks, a subgraph with a namespace of its own, and a pause."""

    def ask(state: State) -> dict[str, Any]:
        return {"seen": [f"asked {interrupt({'pay': 'C-1'})}"]}

    def work(state: State) -> dict[str, Any]:
        return {"messages": [AIMessage("x" * 700)], "rounds": state.get("rounds", 0) + 1}

    def parallel(state: Any) -> dict[str, Any]:
        return {"seen": [str(state["n"])]}

    inner = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile(checkpointer=True)
    builder = StateGraph(State)
    builder.add_node("work", work)
    builder.add_node("parallel", parallel)
    builder.add_node("inner", inner)
    builder.add_edge(START, "work")
    builder.add_conditional_edges(
        "work", lambda s: "work" if s["rounds"] % 4 else [Send("parallel", {"n": n}) for n in range(3)] + [Send("inner", s)]
    )  # fmt: skip
    return builder.compile(checkpointer=saver)


def config(thread: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "asked_by": "kim"}, "metadata": {"run": 7, "ok": True}}


@contextmanager
def official(url: str) -> Iterator[BaseCheckpointSaver[str]]:
    found = make_url(url)
    if found.get_backend_name() == "sqlite":
        with SqliteSaver.from_conn_string(str(found.database)) as saver:
            yield saver
        return
    plain = found.set(drivername="postgresql").render_as_string(hide_password=False)
    with PostgresSaver.from_conn_string(plain) as saver:
        saver.setup()
        yield saver


@pytest.fixture(params=["sqlite", "postgres"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of an official saver: two paused threads, one of which was forked and went on."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'theirs.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    with official(url) as saver:
        built = graph(saver)
        for thread in ("t-1", "t-2"):
            built.invoke({"messages": ["Pay C-1."], "seen": []}, config(thread))
        earlier = [found.config for found in built.get_state_history(config("t-2"))][3]
        built.update_state(earlier, {"seen": ["edited"]})
        built.invoke(None, config("t-2"))
    return url


def everything(saver: BaseCheckpointSaver[str], thread: str) -> list[Any]:
    found = list(saver.list({"configurable": {"thread_id": thread}}))
    return sorted(
        (
            configurable(one.config)["checkpoint_ns"],
            configurable(one.config)["checkpoint_id"],
            repr(one.parent_config),
            repr(sorted(one.checkpoint["channel_values"].items())),
            repr(sorted((key, value) for key, value in one.checkpoint.items() if key != "channel_values")),
            repr(sorted(one.metadata.items())),
            repr(one.pending_writes),
        )
        for one in found
    )


def ended(found: Iterator[ImportedThread]) -> dict[str, str]:
    return {one.thread_id: one.state for one in found}


def test_threads_are_taken_over_whole_and_a_paused_one_goes_on(source: str, sqlite_url: str) -> None:
    assert ended(import_threads(sqlite_url, source)) == {"t-1": "imported", "t-2": "imported"}
    with official(source) as theirs, SQLAlchemySaver(sqlite_url) as ours:
        for thread in ("t-1", "t-2"):
            before = everything(theirs, thread)
            assert len({one[0] for one in before}) > 1, "more than one namespace"
            assert any("__interrupt__" in one[-1] for one in before)
            assert everything(ours, thread) == before
        state = graph(ours).get_state(config("t-1"))
        assert len(state.interrupts) == 1
        done = graph(ours).invoke(Command(resume="yes"), config("t-1"))
        assert "asked yes" in done["seen"]
        assert not graph(ours).get_state(config("t-1")).next


@pytest.mark.parametrize("target", ["postgres_url", "mariadb_url"])
def test_servers_take_threads_over(target: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    theirs, ours = f"sqlite:///{tmp_path / 'theirs.db'}", request.getfixturevalue(target)
    upgrade(ours)
    with official(theirs) as saver:
        graph(saver).invoke({"messages": ["Pay C-1."], "seen": []}, config("t-1"))
    assert ended(import_threads(ours, theirs, tenant="corp")) == {"t-1": "imported"}
    assert ended(import_threads(ours, theirs, tenant="corp")) == {"t-1": "there"}
    with official(theirs) as saver, Database(ours) as database:
        assert everything(SQLAlchemySaver(database, tenant="corp"), "t-1") == everything(saver, "t-1")
        assert everything(SQLAlchemySaver(database), "t-1") == []


def test_the_source_is_not_changed(tmp_path: Path, sqlite_url: str) -> None:
    file = tmp_path / "theirs.db"
    with official(f"sqlite:///{file}") as saver:
        graph(saver).invoke({"messages": ["Pay C-1."], "seen": []}, config("t-1"))
    before = file.read_bytes()
    file.chmod(0o444)
    assert ended(import_threads(sqlite_url, f"sqlite:///{file}")) == {"t-1": "imported"}
    assert file.read_bytes() == before


def test_an_import_that_was_cut_off_goes_on(source: str, sqlite_url: str) -> None:
    list(import_threads(sqlite_url, source, threads=["t-2"]))
    with Database(sqlite_url) as database:
        with database.writing() as connection:
            ids = sorted(connection.execute(select(checkpoints.c.checkpoint_id)).scalars())
            connection.execute(checkpoints.delete().where(checkpoints.c.checkpoint_id > ids[4]))
            connection.execute(writes.delete().where(writes.c.checkpoint_id > ids[2]))
        assert ended(import_threads(database, source, dry_run=True)) == {"t-1": "lacking", "t-2": "lacking"}
        assert ended(import_threads(database, source)) == {"t-1": "imported", "t-2": "imported"}
        assert ended(import_threads(database, source)) == {"t-1": "there", "t-2": "there"}
        with official(source) as theirs:
            assert everything(SQLAlchemySaver(database), "t-2") == everything(theirs, "t-2")


def test_a_thread_that_is_there_with_something_else_is_named_and_refused(
    source: str, sqlite_url: str
) -> None:
    with SQLAlchemySaver(sqlite_url) as ours:
        graph(ours).invoke({"messages": ["Something else."], "seen": []}, config("t-1"))
        before = everything(ours, "t-1")
        refused, taken = import_threads(ours.database, source)
        assert (refused.thread_id, refused.state) == ("t-1", "refused")
        assert refused.problem is not None
        assert "goes on otherwise" in refused.problem
        assert (taken.thread_id, taken.state) == ("t-2", "imported")
        assert everything(ours, "t-1") == before


@pytest.mark.parametrize("what", ["value", "write"])
def test_a_row_that_differs_is_found(what: str, source: str, sqlite_url: str) -> None:
    list(import_threads(sqlite_url, source, threads=["t-1"]))
    with Database(sqlite_url) as database:
        saver = SQLAlchemySaver(database)
        if what == "value":
            newest = saver.get_tuple(config("t-1"))
            assert newest is not None
            newest.checkpoint["channel_values"]["rounds"] = 99
            saver.put(newest.parent_config or {}, newest.checkpoint, newest.metadata, {})
        else:
            with database.writing() as connection:
                connection.execute(writes.update().values(task_path="elsewhere"))
        (found,) = import_threads(database, source, threads=["t-1"])
        assert found.state == "refused"
        assert ("'rounds'" if what == "value" else "a write of task") in str(found.problem)


def test_a_thread_that_a_run_holds_is_refused(source: str, sqlite_url: str) -> None:
    with Database(sqlite_url) as database:
        samples.opened(SQLStore(database), "t-1")
        held, taken = import_threads(database, source, tenant=samples.TENANT)
        assert (held.state, taken.state) == ("refused", "imported")
        assert "t-1" in str(held.problem)


def test_what_the_serializer_may_not_build_is_refused(tmp_path: Path, sqlite_url: str) -> None:
    theirs = f"sqlite:///{tmp_path / 'theirs.db'}"
    with official(theirs) as saver:
        found = empty_checkpoint()
        found["channel_values"], found["channel_versions"] = {"x": Unlisted(1)}, {"x": "1"}
        saver.put({"configurable": {"thread_id": "t-1", "checkpoint_ns": ""}}, found, {}, {"x": "1"})
    strict = JsonPlusSerializer(allowed_msgpack_modules=[])
    (refused,) = import_threads(sqlite_url, theirs, serde=strict)
    assert refused.state == "refused"
    assert "Unlisted" in str(refused.problem)
    with SQLAlchemySaver(sqlite_url) as ours:
        assert everything(ours, "t-1") == []


@dataclasses.dataclass
class Unlisted:
    n: int


def test_bad_input(tmp_path: Path, sqlite_url: str) -> None:
    def refused(source: str, **more: Any) -> str:
        with pytest.raises((InputError, ConfigurationError)) as caught:
            list(import_threads(sqlite_url, source, **more))
        return str(caught.value)

    assert "is not a file" in refused(f"sqlite:///{tmp_path / 'nothing.db'}")
    assert not (tmp_path / "nothing.db").exists()
    assert "no saver for the database 'mysql'" in refused("mysql://root:hunter2@host/x")
    assert "hunter2" not in refused("post gres:hunter2")
    empty = tmp_path / "empty.db"
    with closing(sqlite3.connect(empty)) as connection:
        connection.execute("CREATE TABLE other (x)")
    assert "no checkpoints of LangGraph's saver" in refused(f"sqlite:///{empty}")
    with official(f"sqlite:///{tmp_path / 'theirs.db'}") as saver:
        graph(saver).invoke({"messages": ["Pay."], "seen": []}, config("t-1"))
    theirs = f"sqlite:///{tmp_path / 'theirs.db'}"
    assert "no thread 't-9'" in refused(theirs, threads=["t-9"])
    assert "tenant '*' is reserved" in refused(theirs, tenant="*")
    other = f"sqlite:///{tmp_path / 'unmade.db'}"
    with pytest.raises(ConfigurationError, match="db upgrade"):
        list(import_threads(other, theirs, dry_run=True))
    assert not (tmp_path / "unmade.db").exists()


def test_names_that_cannot_be_kept_are_refused(tmp_path: Path, sqlite_url: str) -> None:
    theirs = f"sqlite:///{tmp_path / 'theirs.db'}"
    with official(theirs) as saver:
        graph(saver).invoke({"messages": ["Pay."], "seen": []}, config("x" * 300))
    (found,) = import_threads(sqlite_url, theirs)
    assert (found.state, "300 characters" in str(found.problem)) == ("refused", True)
