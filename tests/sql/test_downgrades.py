"""A database is taken back to the tables of an older guardkit, and up again, on each database that guardkit knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from langgraph.graph import START, MessagesState, StateGraph
from sqlalchemy import (
    Boolean,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    create_engine,
    insert,
    select,
    text,
)

from guardkit import Principal
from guardkit.core.runs import TurnStatus
from guardkit.errors import BusyError, ConfigurationError, InputError
from guardkit.sql import (
    Database,
    SQLAlchemySaver,
    SQLStore,
    current_revision,
    downgrade,
    head_revision,
    inspect_database,
    plan_downgrade,
    schema,
    upgrade,
)
from guardkit.sql.side_tables import metadata
from guardkit.sql.thread_rows import found_by
from guardkit.sql.vault import CLEAR
from guardkit.testing.contracts import samples

URLS = pytest.mark.parametrize("url", ["sqlite_url", "postgres_url", "mariadb_url"])
PRINCIPAL = '{"value": {"tenant": "acme", "id": "uma"}}'
NEWER = {"gk_blobs": "base", "gk_checkpoints": "refs"}
"""Columns in which code of 0004 would see what it cannot read."""

KNOWN: dict[str, Any] = {"tenant": "acme", "thread_id": "t", "turn": 1, "number": 1, "principal": PRINCIPAL}
KNOWN |= {
    "request": json.dumps(
        {"v": 1, "value": {"action": {"tool": "x"}, "agent": "x", "principal": {"id": "uma"}, "stages": []}}
    ),
    "decisions": json.dumps({"v": 1, "value": []}),
}
KNOWN |= found_by(CLEAR, "x", Principal(id="uma", tenant="acme"), TurnStatus.RUNNING, 7.0)


ENCRYPTED = "gk_sealing"
"""The table whose row says that older code can read nothing."""

REFILLED = {"gk_answers", "gk_listings", "gk_hold_gate", ENCRYPTED}
"""Tables that the way up fills again, from those that stay."""


def value(table: Table, name: str) -> object:
    """Something to stand in a column; the same in each, so that foreign keys find it."""
    kind = table.columns[name].type
    if NEWER.get(table.name) == name or name in ("lease_owner", "lease_run", "lease_until"):
        return None
    if name in KNOWN:
        return KNOWN[name] if name != "status" or table.name.startswith("gk_t") else 7
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, LargeBinary):
        return b"\x00bytes\xff"
    return "x" if kind.python_type is str else 7 if isinstance(kind, Integer) else 7.0


def rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Every row of guardkit's tables, without what is written to the audit log of all tenants meanwhile."""
    there = MetaData()
    there.reflect(engine, only=lambda one, _: one in metadata.tables)
    found: dict[str, list[dict[str, Any]]] = {}
    with engine.connect() as connection:
        for name, table in there.tables.items():
            chosen = select(table)
            if "tenant" in table.c:
                chosen = chosen.where(table.c.tenant != "*")
            found[name] = [dict(row) for row in connection.execute(chosen).mappings()]
    return found


def fill(engine: Engine) -> None:
    """A row for every table that has none."""
    empty = {name for name, there in rows(engine).items() if not there} - {ENCRYPTED}
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            if table.name in empty:
                connection.execute(
                    insert(table).values({column.name: value(table, column.name) for column in table.columns})
                )


def work(state: MessagesState) -> dict[str, Any]:
    """A node with something to say."""
    return {"messages": ["x" * 300]}


def revisions() -> list[str]:
    """All of them, newest first."""
    scripts = ScriptDirectory.from_config(schema.config())
    return [script.revision for script in scripts.walk_revisions()]


@URLS
def test_every_revision_can_be_left_and_come_back_to_and_what_survives_is_untouched(
    url: str, request: pytest.FixtureRequest
) -> None:
    location = request.getfixturevalue(url)
    upgrade(location)
    engine = create_engine(location)
    seen: set[str] = set()
    for to in revisions()[1:]:
        fill(engine)
        before = rows(engine)
        assert all(there or name == ENCRYPTED for name, there in before.items()), "rows in every table"
        plan = plan_downgrade(location, to)
        told = ""
        if plan.lost:
            with pytest.raises(InputError, match="allow-loss") as refused:
                downgrade(location, to, by="dana")
            told = str(refused.value)
        assert (rows(engine), current_revision(location)) == (before, head_revision())
        done = downgrade(location, to, by="dana", allow_loss=True)
        assert done == plan
        assert current_revision(location) == to

        below = rows(engine)
        gone = {name for name in before if name not in below}
        assert {one.what for one in plan.lost if "." not in one.what} == gone - REFILLED
        assert all(name in told for name in gone - REFILLED)
        seen |= gone
        for name, there in below.items():
            kept = [{column: row[column] for column in there[0]} for row in before[name]]
            assert there == kept, name

        upgrade(location)
        lost = {one.what for one in plan.lost}
        for name, there in rows(engine).items():
            if name not in gone:
                back = [{c: v for c, v in row.items() if f"{name}.{c}" not in lost} for row in there]
                had = [{c: v for c, v in row.items() if f"{name}.{c}" not in lost} for row in before[name]]
                assert back == had, name
    assert seen, "some revision makes tables"
    engine.dispose()
    with Database(location) as database:
        wrong = [
            one for one in inspect_database(database) if not one.ok and one.what in ("revision", "tables")
        ]
        assert wrong == []
        entries = SQLStore(database).entries("*")
    assert [(one.event.kind, one.event.data["to"]) for one in entries] == [
        ("database.downgraded", to) for to in revisions()[1:]
    ]
    assert all(one.event.data["by"] == "dana" for one in entries)


@URLS
def test_nothing_is_taken_back_while_a_run_holds_a_thread(url: str, request: pytest.FixtureRequest) -> None:
    location = request.getfixturevalue(url)
    upgrade(location)
    to = revisions()[-1]
    with Database(location) as database:
        store = SQLStore(database)
        run = samples.opened(store, "t-1").run
        assert plan_downgrade(database, to).held == (f"{run.tenant}/t-1",)
        with pytest.raises(BusyError, match="t-1"):
            downgrade(location, to, by="dana", allow_loss=True)
        assert current_revision(database) == head_revision()
        store.close_run(run, samples.closing("paused"), [])
        assert plan_downgrade(database, to).held == ()
    downgrade(location, to, by="dana", allow_loss=True)
    assert current_revision(location) == to


@URLS
def test_checkpoints_that_older_code_cannot_read_are_not_handed_to_it(
    url: str, request: pytest.FixtureRequest
) -> None:
    location = request.getfixturevalue(url)
    upgrade(location)
    with SQLAlchemySaver(location) as saver:
        graph = StateGraph(MessagesState).add_node("work", work)
        config: Any = {"configurable": {"thread_id": "t"}}
        begin: Any = {"messages": ["begin"]}
        graph.add_edge(START, "work").compile(checkpointer=saver).invoke(begin, config)
        with pytest.raises(InputError, match="gk_checkpoints") as refused:
            downgrade(location, "0004", by="dana", allow_loss=True)
        assert "backup" in (refused.value.remedy or "")
        assert [one.what for one in plan_downgrade(location, "0004").unreadable][:2] == [
            "gk_blobs",
            "gk_checkpoints",
        ]
        assert current_revision(location) == head_revision()
        downgrade(location, "0005", by="dana", allow_loss=True)
        upgrade(location)
        assert saver.get_tuple(config) is not None


def test_only_an_older_revision_of_guardkits_is_gone_back_to(sqlite_url: str) -> None:
    with pytest.raises(InputError, match="not there"):
        downgrade(sqlite_url, "0001", by="dana")
    upgrade(sqlite_url)
    for wrong in ("9999", "base", "head", head_revision(), "", "000"):
        with pytest.raises(InputError, match="no revision of guardkit's that is older") as refused:
            downgrade(sqlite_url, wrong, by="dana")
        assert "0001" in (refused.value.remedy or "")
    downgrade(sqlite_url, "0001", by="dana")
    with pytest.raises(InputError, match="'0002'"):
        downgrade(sqlite_url, "0002", by="dana")


def test_the_database_of_a_newer_guardkit_is_left_to_it(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    engine = create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE gk_alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="9999"):
        downgrade(sqlite_url, "0001", by="dana")
