"""How large tables, tenants and threads are, on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from guardkit.errors import InputError
from guardkit.sql import Database, database_size, upgrade
from guardkit.sql.side_tables import metadata
from tests.sql.old import checkpoint, counts, finished


@pytest.fixture(
    params=[
        pytest.param("sqlite_url", id="sqlite"),
        pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.mariadb),
    ]
)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    made: str = request.getfixturevalue(request.param)
    upgrade(made)
    with Database(made) as found:
        yield found


def test_what_a_database_takes_is_said(database: Database) -> None:
    finished(database, "t-1")
    finished(database, "t-2", "acme")
    for _ in range(3):
        checkpoint(database, "large")

    size = database_size(database)
    expected = {
        "sqlite": ("dbstat", "contents"),  # not every SQLite is built with dbstat
        "postgresql": ("pg_total_relation_size",),
    }.get(database.engine.dialect.name, ("information_schema",))
    assert size.measured in expected
    assert {one.table for one in size.tables} == set(metadata.tables)
    assert [one.bytes for one in size.tables] == sorted((one.bytes for one in size.tables), reverse=True)
    rows = {one.table: one.rows for one in size.tables}
    assert (rows["gk_checkpoints"], rows["gk_turns"], rows["gk_hold_gate"]) == (10, 2, 1)
    assert size.bytes == sum(one.bytes for one in size.tables) > 0
    assert size.threads == ()
    assert all(one.bytes > 0 for one in size.tables if one.rows)


def test_what_a_tenant_takes_is_what_its_rows_hold(database: Database) -> None:
    finished(database, "t-1")
    finished(database, "t-2", "acme")
    for _ in range(3):
        checkpoint(database, "large")
    size = database_size(database, tenant="default", threads=2)
    assert size.measured == "contents"
    assert {one.table: one.rows for one in size.tables if one.rows} == counts(database)
    assert {one.table for one in size.tables} == {
        n for n, table in metadata.tables.items() if "tenant" in table.c
    }
    assert all((one.bytes > 0) == (one.rows > 0) for one in size.tables)
    largest, other = size.threads
    assert (largest.tenant, largest.thread_id, largest.rows) == ("default", "large", 18)
    assert (other.thread_id, other.rows) == ("t-1", 7)
    assert largest.bytes > other.bytes > 0
    everybody = database_size(database, threads=1000).threads
    assert {(one.tenant, one.thread_id) for one in everybody} == {
        ("default", "large"),
        ("default", "t-1"),
        ("acme", "t-2"),
    }
    assert everybody[0] == largest
    assert database_size(database, tenant="nobody").bytes == 0


def test_what_cannot_be_asked_is_refused(database: Database) -> None:
    with pytest.raises(InputError, match="threads is -1"):
        database_size(database, threads=-1)
    with pytest.raises(InputError, match="tenant is empty"):
        database_size(database, tenant="")
