"""The checkpoint saver: what is stored comes back, and only the holder of a thread's lease stores."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel
from sqlalchemy import select

from guardkit.core.audit import AuditEvent
from guardkit.core.runs import RunRef
from guardkit.errors import BusyError, InputError, MissingDataError, StaleRunError, StorageError
from guardkit.sql import Database, SQLAlchemySaver, SQLStore
from guardkit.sql.saver import RUN_KEY, TENANT_KEY
from guardkit.sql.tables import blobs, checkpoints, writes
from guardkit.testing.contracts import samples


class Claim(BaseModel):
    number: str
    amount: Decimal
    at: datetime


CLAIM = Claim(number="C-1", amount=Decimal("100.10"), at=datetime(2026, 11, 25, tzinfo=UTC))


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    with Database(sqlite_url) as found:
        yield found


@pytest.fixture
def saver(database: Database) -> SQLAlchemySaver:
    return SQLAlchemySaver(database)


@pytest.fixture
def store(database: Database) -> SQLStore:
    return SQLStore(database)


def config(thread_id: str = "t", ns: str = "", **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ns, **more}}


def made(**values: Any) -> Checkpoint:
    return {
        **empty_checkpoint(),
        "id": str(uuid6(clock_seq=-2)),
        "channel_values": values,
        "channel_versions": dict.fromkeys(values, "1"),
    }


def put(
    saver: SQLAlchemySaver, at: RunnableConfig, checkpoint: Checkpoint, **metadata: Any
) -> RunnableConfig:
    given: Any = {"source": "loop", "step": 1, "parents": {}, **metadata}
    return saver.put(at, checkpoint, given, checkpoint["channel_versions"])


def got(saver: SQLAlchemySaver, at: RunnableConfig) -> CheckpointTuple:
    found = saver.get_tuple(at)
    assert found is not None
    return found


def rows(database: Database) -> list[Sequence[Any]]:
    with database.reading() as connection:
        return [
            tuple(row) for table in (checkpoints, blobs, writes) for row in connection.execute(select(table))
        ]


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**63),
        1.5,
        "short",
        "ü🎈\x00" * 500,
        b"\x00\xff" * 300,
        bytearray(b"\x01"),
        [1, "two", {"three": [None, 3.0]}],
        {"at": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)},
        {1, 2},
        Decimal("1.10"),
        CLAIM,
        [
            HumanMessage("hello", id="1"),
            AIMessage(
                "", id="2", tool_calls=[{"name": "pay", "args": {"n": 1}, "id": "c", "type": "tool_call"}]
            ),
            ToolMessage("done", tool_call_id="c", id="3", artifact={"n": b"1"}),
        ],
    ],
    ids=str.split("none bool int float text long bytes bytearray list dict set decimal model messages"),
)
def test_every_value_comes_back_as_it_was(saver: SQLAlchemySaver, value: Any) -> None:
    allowing = JsonPlusSerializer(allowed_msgpack_modules=[Claim])
    saver = SQLAlchemySaver(saver.database, serde=allowing)
    at = put(saver, config(), made(channel=value))
    saver.put_writes(at, [("channel", value), ("other", value)], "task", "path")
    found = got(saver, config())
    assert found.checkpoint["channel_values"] == {"channel": value}
    assert type(found.checkpoint["channel_values"]["channel"]) is type(value)
    assert found.pending_writes == [("task", "channel", value), ("task", "other", value)]
    assert found.config == at


def test_pending_writes_come_in_the_order_of_paths_tasks_and_positions(saver: SQLAlchemySaver) -> None:
    at = put(saver, config(), made())
    saver.put_writes(at, [("a", 1), ("b", 2)], "task-1", "~2")
    saver.put_writes(at, [("c", 3)], "task-2", "~1")
    saver.put_writes(at, [("c", 4)], "task-0", "~1")
    assert got(saver, at).pending_writes == [
        ("task-0", "c", 4),
        ("task-2", "c", 3),
        ("task-1", "a", 1),
        ("task-1", "b", 2),
    ]


def test_of_ordinary_writes_the_first_holds_and_of_special_ones_the_last(saver: SQLAlchemySaver) -> None:
    at = put(saver, config(), made())
    for answer in ("first", "second"):
        saver.put_writes(at, [("plain", answer), ("__resume__", answer)], "task")
    assert sorted(got(saver, at).pending_writes or []) == [
        ("task", "__resume__", "second"),
        ("task", "plain", "first"),
    ]


def test_writes_may_come_before_their_checkpoint(saver: SQLAlchemySaver) -> None:
    checkpoint = made()
    saver.put_writes(config(checkpoint_id=checkpoint["id"]), [("a", 1)], "task")
    assert got(saver, put(saver, config(), checkpoint)).pending_writes == [("task", "a", 1)]


def test_a_checkpoint_is_found_by_its_id_and_the_newest_without(saver: SQLAlchemySaver) -> None:
    first, second = made(n=1), made(n=2)
    one = put(saver, config(), first)
    two = put(saver, one, second)
    assert got(saver, config()).checkpoint["id"] == second["id"]
    assert got(saver, one).checkpoint["channel_values"] == {"n": 1}
    assert got(saver, two).parent_config == one
    assert got(saver, one).parent_config is None
    assert saver.get_tuple(config(checkpoint_id="none")) is None
    assert saver.get_tuple(config("another")) is None
    assert saver.get_tuple(config(ns="sub")) is None


def test_a_value_that_did_not_change_is_stored_once(saver: SQLAlchemySaver, database: Database) -> None:
    first = made(big="x" * 1000, n=1)
    one = put(saver, config(), first)
    second: Checkpoint = {
        **first,
        "id": str(uuid6(clock_seq=-2)),
        "channel_values": {"big": "x" * 1000, "n": 2},
    }
    saver.put(one, second, {"source": "loop", "step": 2, "parents": {}}, {"n": "2"})
    with database.reading() as connection:
        assert len(connection.execute(select(blobs)).all()) == 1
    assert got(saver, config()).checkpoint["channel_values"] == {"big": "x" * 1000, "n": 2}


def test_a_value_that_is_gone_is_told_and_not_left_out(saver: SQLAlchemySaver, database: Database) -> None:
    put(saver, config(), made(big="x" * 1000))
    with database.writing() as connection:
        connection.execute(blobs.delete())
    with pytest.raises(MissingDataError, match="'big'"):
        saver.get_tuple(config())


def test_a_checkpoint_of_a_newer_guardkit_is_not_guessed_at(
    saver: SQLAlchemySaver, database: Database
) -> None:
    put(saver, config(), made())
    kind, body = saver.serde.dumps_typed({"v": 99})
    with database.writing() as connection:
        connection.execute(checkpoints.update().values(type=kind, body=body))
    with pytest.raises(StorageError, match="version 99"):
        saver.get_tuple(config())


async def test_listing_filters_and_begins_with_the_newest(saver: SQLAlchemySaver) -> None:
    ids: list[str] = []
    at = config()
    for step in range(70):  # more than two pages
        checkpoint = made()
        ids.insert(0, checkpoint["id"])
        at = put(saver, at, checkpoint, step=step, even=step % 2 == 0, tags=["a", {"b": 1}])
    put(saver, config(ns="sub"), made(), step=0)
    put(saver, config("other"), made(), step=0)

    async def listed(of: RunnableConfig | None, **how: Any) -> list[str]:
        found = [one.checkpoint["id"] for one in saver.list(of, **how)]
        assert [one.checkpoint["id"] async for one in saver.alist(of, **how)] == found
        return found

    assert await listed(config()) == ids
    assert len(await listed({"configurable": {"thread_id": "t"}})) == 71
    assert len(await listed(None)) == 72
    assert await listed(config(), limit=3) == ids[:3]
    assert await listed(config(), limit=0) == []
    assert await listed(config(), filter={"even": True}) == ids[1::2]
    assert await listed(config(), filter={"even": True}, limit=33) == ids[1::2][:33]
    assert await listed(config(), filter={"step": 3, "even": True}) == []
    assert await listed(config(), filter={"tags": ["a", {"b": 1}], "step": 69}) == ids[:1]
    assert await listed(config(), filter={"nothing": None}) == []
    assert await listed(config(), before=config(checkpoint_id=ids[67])) == ids[68:]
    assert await listed(config(checkpoint_id=ids[5])) == [ids[5]]
    assert await listed(config("none")) == []


def test_deleting_a_thread_deletes_all_its_namespaces_and_no_other_thread(
    saver: SQLAlchemySaver, database: Database
) -> None:
    kept = put(saver, config("kept"), made(big="x" * 1000))
    saver.put_writes(kept, [("a", 1)], "task")
    before = rows(database)
    for ns in ("", "sub:1|sub:2"):
        at = put(saver, config("gone", ns), made(big="y" * 1000))
        saver.put_writes(at, [("a", 1)], "task")
    saver.delete_thread("gone")
    assert rows(database) == before


def test_tenants_with_threads_of_the_same_name_stay_apart(database: Database) -> None:
    ours, theirs = SQLAlchemySaver(database), SQLAlchemySaver(database, tenant="other")
    put(ours, config(), made(n=1))
    put(theirs, config(), made(n=2))
    assert got(ours, config()).checkpoint["channel_values"] == {"n": 1}
    assert got(ours, config(**{TENANT_KEY: "other"})).checkpoint["channel_values"] == {"n": 2}
    assert len(list(ours.list(None))) == 1
    theirs.delete_thread("t")
    assert got(ours, config()).checkpoint["channel_values"] == {"n": 1}


@pytest.mark.parametrize(
    ("configurable", "says"),
    [
        ({}, "thread_id is missing"),
        ({"thread_id": ""}, "thread_id is empty"),
        ({"thread_id": "x" * 256}, "256 characters"),
        ({"thread_id": "a\x00"}, "character that databases refuse"),
        ({"thread_id": "t", RUN_KEY: {"tenant": "default", "token": 1}}, "not a RunRef"),
        ({"thread_id": "t", TENANT_KEY: "*"}, "reserved"),
    ],
)
@pytest.mark.promise("P15")
def test_a_config_of_no_use_is_told(saver: SQLAlchemySaver, configurable: dict[str, Any], says: str) -> None:
    at: RunnableConfig = {"configurable": configurable}
    for call in (lambda: saver.get_tuple(at), lambda: put(saver, at, made())):
        with pytest.raises(InputError, match=says):
            call()


class Cipher:
    """AES-GCM with a key for one test."""

    def __init__(self) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(128))

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        nonce = os.urandom(12)
        return "gcm", nonce + self._cipher.encrypt(nonce, plaintext, None)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        assert ciphername == "gcm"
        return self._cipher.decrypt(ciphertext[:12], ciphertext[12:], None)


def test_nothing_of_a_state_is_readable_under_an_encrypting_serializer(database: Database) -> None:
    saver = SQLAlchemySaver(database, serde=EncryptedSerializer(Cipher()))
    at = put(saver, config(), made(small="needle", big="needle" * 100, n=4711), note="needle")
    saver.put_writes(at, [("a", "needle")], "task")
    assert got(saver, at).checkpoint["channel_values"]["small"] == "needle"
    assert "needle" not in repr(rows(database))


# --- the fence ---


def held(run: RunRef, thread_id: str = "t", **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, RUN_KEY: run, **more}}


def writes_of(saver: SQLAlchemySaver, run: RunRef | None = None) -> list[Callable[[], Any]]:
    """Every way to write, under a run or without."""
    more: dict[str, Any] = {} if run is None else {RUN_KEY: run}
    return [
        lambda: put(saver, config(**more), made(n=9)),
        lambda: saver.put_writes(config(checkpoint_id="1", **more), [("a", 9)], "x"),
    ]


@pytest.mark.promise("P11")
def test_a_run_that_lost_its_thread_stores_nothing(
    saver: SQLAlchemySaver, store: SQLStore, database: Database
) -> None:
    stale = samples.opened(store).run
    put(saver, held(stale), made(n=1))
    store.renew(stale, 1.0)
    time.sleep(1.1)
    before = rows(database)
    for call in writes_of(saver, stale):
        with pytest.raises(StaleRunError, match="run out"):
            call()
    taker = store.open_run(samples.opening(new_turn=False), []).run
    for call in writes_of(saver, stale):
        with pytest.raises(StaleRunError, match="another run"):
            call()
    assert rows(database) == before
    put(saver, held(taker), made(n=2))
    assert got(saver, config()).checkpoint["channel_values"] == {"n": 2}


@pytest.mark.promise("P11")
async def test_the_async_methods_check_the_lease_too(
    saver: SQLAlchemySaver, store: SQLStore, database: Database
) -> None:
    run = samples.opened(store).run
    store.close_run(run, samples.closing(), [])
    checkpoint = made(n=1)
    with pytest.raises(StaleRunError):
        await saver.aput(held(run), checkpoint, {}, checkpoint["channel_versions"])
    with pytest.raises(StaleRunError):
        await saver.aput_writes(held(run, checkpoint_id="1"), [("a", 1)], "task")
    assert rows(database) == []


@pytest.mark.promise("P11")
@pytest.mark.parametrize("change", [{"token": 99}, {"run_id": "x"}, {"turn": 2}], ids=str)
def test_a_made_up_run_stores_nothing(
    saver: SQLAlchemySaver, store: SQLStore, database: Database, change: dict[str, Any]
) -> None:
    forged = replace(samples.opened(store).run, **change)
    for call in writes_of(saver, forged):
        with pytest.raises(StaleRunError):
            call()
    assert rows(database) == []


@pytest.mark.promise("P11")
def test_nobody_else_writes_while_a_run_holds_the_thread(
    saver: SQLAlchemySaver, store: SQLStore, database: Database
) -> None:
    run = samples.opened(store).run
    other = samples.opened(store, "another").run
    put(saver, held(run), made(n=1))
    before = rows(database)
    for call in (
        *writes_of(saver),
        *writes_of(saver, other),
        lambda: saver.delete_thread("t"),
        lambda: saver.prune(["t"]),
        lambda: saver.copy_thread("somewhere", "t"),
    ):
        with pytest.raises(BusyError, match="'contract:1'"):
            call()
    assert rows(database) == before
    store.close_run(run, samples.closing(), [])
    put(saver, config(), made(n=2))
    saver.delete_thread("t")
    assert rows(database) == []


class Buffer:
    """What a run has decided and not yet written down."""

    def __init__(self, *events: AuditEvent) -> None:
        self.events = list(events)

    def drain(self, run: RunRef) -> Sequence[AuditEvent]:
        events, self.events = self.events, []
        return events

    def restore(self, run: RunRef, events: Sequence[AuditEvent]) -> None:
        self.events = [*events, *self.events]


@pytest.mark.promise("P10")
def test_what_was_decided_is_written_with_the_checkpoint(
    saver: SQLAlchemySaver, store: SQLStore, database: Database
) -> None:
    run = samples.opened(store).run
    saver.audit_buffer = Buffer(samples.EVENT)
    put(saver, held(run), made(n=1))
    assert [entry.event for entry in store.entries("default")] == [samples.EVENT]
    put(saver, held(run), made(n=2))
    assert len(store.entries("default")) == 1


@pytest.mark.promise("P10")
def test_without_an_audit_log_there_is_no_checkpoint(
    saver: SQLAlchemySaver, store: SQLStore, database: Database
) -> None:
    run = samples.opened(store).run
    buffer = Buffer(samples.EVENT)
    saver.audit_buffer = buffer
    with database.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no BEFORE INSERT ON gk_audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(StorageError):
        put(saver, held(run), made(n=1))
    assert rows(database) == []
    assert buffer.events == [samples.EVENT]
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER no")
    put(saver, held(run), made(n=1))
    assert [entry.event for entry in store.entries("default")] == [samples.EVENT]


# --- LangGraph over it ---


def say(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage(str(len(state["messages"])))]}


def graph(saver: SQLAlchemySaver) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("say", say)
    builder.add_edge(START, "say")
    builder.add_edge("say", END)
    return builder.compile(checkpointer=saver)


async def test_a_graph_runs_on_it_sync_and_async(saver: SQLAlchemySaver) -> None:
    app = graph(saver)
    await asyncio.to_thread(app.invoke, {"messages": [HumanMessage("one")]}, config())
    out = await app.ainvoke({"messages": [HumanMessage("two")]}, config())
    assert [message.content for message in out["messages"]] == ["one", "1", "two", "3"]
    history = [state async for state in app.aget_state_history(config())]
    assert len(history) == 6
    assert history[0].values["messages"] == out["messages"]
    fork = await app.aupdate_state(history[3].config, {"messages": [HumanMessage("instead")]})
    assert [message.content for message in (await app.aget_state(fork)).values["messages"]] == [
        "one",
        "1",
        "instead",
    ]
    assert [m.content for m in (await app.aget_state(history[0].config)).values["messages"]][-2:] == [
        "two",
        "3",
    ]


def test_messages_pass_strict_msgpack_and_made_up_classes_do_not(sqlite_url: str) -> None:
    """The variable is read on import, so this is a process of its own."""
    program = """
import sys
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from pydantic import BaseModel
from guardkit.sql import SQLAlchemySaver

class Own(BaseModel):
    n: int = 1

with SQLAlchemySaver(sys.argv[1]) as saver:
    checkpoint = {**empty_checkpoint(), "channel_values": {"messages": [HumanMessage("hi", id="1")], "own": Own()},
                  "channel_versions": {"messages": "1", "own": "1"}}
    at = saver.put({"configurable": {"thread_id": "t"}}, checkpoint, {"step": 1}, checkpoint["channel_versions"])
    saver.put_writes(at, [("messages", [HumanMessage("there", id="2")])], "task")
    found = saver.get_tuple(at)
    values = found.checkpoint["channel_values"]
    print(values["messages"] == [HumanMessage("hi", id="1")], found.pending_writes[0][2] == [HumanMessage("there", id="2")])
    print(isinstance(values["own"], Own))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, sqlite_url],
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True", "False"]
