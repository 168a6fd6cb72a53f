"""Statements that go to SQLite's driver past SQLAlchemy: nothing that they give or take is changed on the way."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Table, event, text
from sqlalchemy.dialects import sqlite

from guardkit.sql import Database
from guardkit.sql.hot import Hot, is_hot
from guardkit.sql.tables import blobs, checkpoints, writes

ASKED = Hot(text("SELECT :one, :two, :nothing"))
VALUES = {"two": b"2", "one": "eins", "nothing": None, "unused": 4}


@pytest.fixture
def database(sqlite_url: str) -> Any:
    with Database(sqlite_url) as database:
        yield database


@pytest.mark.parametrize("table", [blobs, checkpoints, writes], ids=lambda table: table.name)
def test_tables_that_are_written_past_sqlalchemy_hold_plain_columns(table: Table) -> None:
    for column in table.columns:
        spoken = column.type.dialect_impl(sqlite.dialect())
        assert spoken.bind_processor(sqlite.dialect()) is None, column.name


def test_parameters_find_their_places(database: Database) -> None:
    with database.reading() as connection:
        assert is_hot(connection)
        assert tuple(ASKED.first(connection, VALUES) or ()) == ("eins", b"2", None)


def test_who_listens_hears_every_statement(database: Database) -> None:
    heard: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: heard.append(call[2]))
    with database.reading() as connection:
        assert not is_hot(connection)
        assert tuple(ASKED.first(connection, VALUES) or ()) == ("eins", b"2", None)
    assert heard[-1] == "SELECT ?, ?, ?"
