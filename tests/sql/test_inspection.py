"""A database is looked over, on each database that guardkit knows."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from guardkit.sql import Database, SQLStore, inspect_database, upgrade
from guardkit.sql.dialects import FAMILIES
from guardkit.testing.contracts import samples


@pytest.mark.parametrize("url", ["sqlite_url", "postgres_url", "mariadb_url"])
def test_what_is_wrong_is_named(url: str, request: pytest.FixtureRequest) -> None:
    location = request.getfixturevalue(url)
    upgrade(location)
    with Database(location) as database:
        SQLStore(database).open_run(samples.opening("t-1"), [samples.EVENT])
        found = inspect_database(database)
    assert [one.says for one in found if not one.ok] == []
    assert [one.what for one in found] == ["revision", "tables", "checkpoints", "standing approvals", "audit"]

    engine = create_engine(location)
    with engine.begin() as connection:
        connection.execute(text("UPDATE gk_audit_heads SET hash = 'other'"))
    (wrong,) = [one for one in inspect_database(location) if not one.ok]
    assert "does not end where its head says" in wrong.says
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE gk_checkpoints DROP COLUMN refs"))
        connection.execute(text("CREATE INDEX gk_other ON gk_effects (turn)"))
        connection.execute(text("CREATE TABLE somebodys (x INTEGER)"))
    engine.dispose()
    wrong = [one for one in inspect_database(location) if not one.ok]
    assert sorted(one.says for one in wrong) == [
        "the column gk_checkpoints.refs is missing",
        "the index gk_other is not guardkit's",
    ]
    assert all(one.remedy for one in wrong)


SPOILED = {
    "sqlite": (
        "DROP TABLE gk_taken",
        "CREATE TABLE gk_taken (taken_hash VARCHAR(64) NOT NULL PRIMARY KEY, until TEXT)",
        "CREATE INDEX gk_taken_until ON gk_taken (until)",
    ),
    "postgresql": (
        "ALTER TABLE gk_taken ALTER COLUMN until TYPE text",
        "ALTER TABLE gk_taken ALTER COLUMN until DROP NOT NULL",
    ),
    "mysql": ("ALTER TABLE gk_taken MODIFY until VARCHAR(20) NULL",),
}


@pytest.mark.parametrize("url", ["sqlite_url", "postgres_url", "mariadb_url"])
def test_a_column_of_another_type_and_one_that_may_be_empty_are_named(
    url: str, request: pytest.FixtureRequest
) -> None:
    location = request.getfixturevalue(url)
    upgrade(location)
    engine = create_engine(location)
    with engine.begin() as connection:
        for statement in SPOILED[FAMILIES[engine.dialect.name]]:
            connection.execute(text(statement))
    engine.dispose()
    wrong = sorted(one.says for one in inspect_database(location) if not one.ok)
    assert len(wrong) == 2, wrong
    assert wrong[0].startswith("the column gk_taken.until is ")
    assert wrong[0].endswith(" is needed")
    assert wrong[1] == "the column gk_taken.until may be empty, which is wrong"
