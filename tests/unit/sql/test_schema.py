"""Tables, their revisions, and what is said about a database that does not fit."""

from __future__ import annotations

import sqlite3
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, make_url, text

from guardkit.errors import ConfigurationError, GuardkitError, StorageError
from guardkit.sql import Database, SQLStore, current_revision, head_revision, upgrade
from guardkit.sql.side_tables import metadata

SECRET = "hunter2-secret"


def path_of(url: str) -> Path:
    return Path(str(make_url(url).database))


def run_sql(url: str, *statements: str) -> None:
    with closing(sqlite3.connect(path_of(url))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def told(url: str) -> GuardkitError:
    """The error that opening a database ends with; nothing of its password is in what gets printed."""
    with pytest.raises(GuardkitError) as caught, Database(url) as database:
        database.prepare()
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.remedy
    return caught.value


def test_the_migrations_make_exactly_the_tables_of_the_code(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    engine = create_engine(sqlite_url)
    with engine.connect() as connection:
        options = {"version_table": "gk_alembic_version", "compare_type": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
        reflected = MetaData()
        reflected.reflect(connection)
    engine.dispose()
    assert found == []
    assert set(reflected.tables) == {*metadata.tables, "gk_alembic_version"}
    for name, table in metadata.tables.items():
        made = reflected.tables[name]
        assert [c.name for c in made.columns] == [c.name for c in table.columns]
        assert {c.name: c.nullable for c in made.columns} == {c.name: c.nullable for c in table.columns}
        assert [c.name for c in made.primary_key] == [c.name for c in table.primary_key]


def test_an_upgrade_says_where_the_database_is_then(sqlite_url: str) -> None:
    assert upgrade(sqlite_url) == current_revision(sqlite_url) == head_revision()
    assert upgrade(sqlite_url) == head_revision()
    with Database(sqlite_url) as database:
        assert current_revision(database) == upgrade(database) == head_revision()


def test_asking_for_the_revision_makes_no_file(sqlite_url: str) -> None:
    assert current_revision(sqlite_url) is None
    assert not path_of(sqlite_url).exists()


def test_an_sqlite_file_is_made_on_first_use(sqlite_url: str) -> None:
    with Database(sqlite_url) as database:
        assert SQLStore(database).tenants() == []
    assert current_revision(sqlite_url) == head_revision()


def test_many_upgrades_at_once_make_the_tables_once(sqlite_url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(upgrade, sqlite_url) for _ in range(6)]
    assert {future.result() for future in done} == {head_revision()}


def test_upgrading_keeps_what_is_there(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    run_sql(sqlite_url, "INSERT INTO gk_audit_heads VALUES ('acme', 3, 'h')")
    upgrade(sqlite_url)
    with Database(sqlite_url) as database:
        assert SQLStore(database).tenants() == ["acme"]


def test_tables_of_a_newer_guardkit_are_left_alone(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    run_sql(sqlite_url, "UPDATE gk_alembic_version SET version_num = '9999'")
    error = told(sqlite_url)
    assert isinstance(error, ConfigurationError)
    assert "'9999'" in error.message
    assert head_revision() in error.message
    with pytest.raises(ConfigurationError, match="9999"):
        upgrade(sqlite_url)
    assert current_revision(sqlite_url) == "9999"


def test_tables_without_a_revision_are_not_built_upon(sqlite_url: str) -> None:
    run_sql(sqlite_url, "CREATE TABLE gk_threads (a INTEGER)")
    error = told(sqlite_url)
    assert isinstance(error, ConfigurationError)
    assert "gk_threads" in error.message


def test_tables_at_two_revisions_are_refused(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    run_sql(sqlite_url, "INSERT INTO gk_alembic_version VALUES ('0000')")
    error = told(sqlite_url)
    assert isinstance(error, ConfigurationError)
    assert f"0000, {head_revision()}" in error.message


@pytest.fixture(
    params=[
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def server_url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(f"{request.param}_url")


def on_server(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.mark.promise("P15")
def test_a_server_whose_tables_do_not_fit_is_told_how_to_mend_it(server_url: str) -> None:
    """Missing, older and newer ones; nothing is made or changed by opening it."""
    missing = told(server_url)
    assert isinstance(missing, ConfigurationError)
    assert "missing or older" in missing.message
    assert missing.remedy == "run `guardkit db upgrade`"
    assert current_revision(server_url) is None

    upgrade(server_url)
    with Database(server_url) as database:
        database.check()
    on_server(server_url, "UPDATE gk_alembic_version SET version_num = '0016'")
    older = told(server_url)
    assert isinstance(older, ConfigurationError)
    assert "missing or older" in older.message
    assert older.remedy == "run `guardkit db upgrade`"
    assert current_revision(server_url) == "0016"

    on_server(server_url, "UPDATE gk_alembic_version SET version_num = '9999'")
    newer = told(server_url)
    assert isinstance(newer, ConfigurationError)
    assert "'9999'" in newer.message
    assert head_revision() in newer.message
    assert newer.remedy == "upgrade guardkit"
    with pytest.raises(ConfigurationError, match="9999"):
        upgrade(server_url)
    assert current_revision(server_url) == "9999"

    on_server(server_url, "DELETE FROM gk_alembic_version")
    with pytest.raises(ConfigurationError, match="says no revision"):
        upgrade(server_url)


@pytest.mark.promise("P15")
def test_tables_of_a_server_that_are_dropped_under_way_are_told(server_url: str) -> None:
    upgrade(server_url)
    with Database(server_url) as database:
        store = SQLStore(database)
        assert store.stops() == []
        on_server(server_url, "DROP TABLE gk_stops")
        with pytest.raises(StorageError, match="lacks guardkit's tables"):
            store.stops()
        on_server(server_url, "UPDATE gk_alembic_version SET version_num = '9999'")
        with pytest.raises(ConfigurationError, match="9999"):
            database.check()


def test_other_tables_in_the_database_are_no_business_of_ours(sqlite_url: str) -> None:
    run_sql(sqlite_url, "CREATE TABLE alembic_version (version_num TEXT)", "CREATE TABLE claims (a INTEGER)")
    assert upgrade(sqlite_url) == head_revision()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "cannot be read"),
        (f"postgresql://u:{SECRET}@127.0.0.1:port/x", "cannot be read"),
        (f"postgresql://u:x@{SECRET}:port@127.0.0.1/x", "cannot be read"),
        (f"oracle://u:{SECRET}@127.0.0.1/x", "'oracle'"),
        (f"postgresql+nothing://u:{SECRET}@127.0.0.1/x", "'postgresql\\+nothing'"),
        (f"postgresql+asyncpg://u:{SECRET}@127.0.0.1/x", "asyncpg"),
        ("sqlite+aiosqlite:///x.db", "aiosqlite"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "in memory"),
        (f"mysql://u:x@127.0.0.1:1/x?nonsense={SECRET}", "an option of the database URL"),
    ],
)
@pytest.mark.promise("P15")
def test_a_wrong_url_is_a_mistake_of_configuration(url: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        upgrade(url)
    assert caught.value.remedy
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@127.0.0.1:1/x",
        f"postgresql://u@127.0.0.1:1/x?password={SECRET}",
        f"mysql://u:{SECRET}@127.0.0.1:1/x",
        f"mariadb://u@127.0.0.1:1/x?password={SECRET}",
    ],
)
@pytest.mark.promise("P15")
def test_a_server_that_does_not_answer_is_a_storage_error(url: str) -> None:
    error = told(url)
    assert isinstance(error, StorageError)
    assert "127.0.0.1:1" in error.message
    assert "cannot be reached" in error.message


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    assert "cannot be opened" in told(f"sqlite:///{tmp_path / 'no' / 'x.db'}").message
    (tmp_path / "text.db").write_text("this is no database, but a text that is long enough" * 100)
    assert "not an SQLite database" in told(f"sqlite:///{tmp_path / 'text.db'}").message


def test_a_file_that_somebody_else_writes_to_says_so(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    other = sqlite3.connect(path_of(sqlite_url), isolation_level=None)
    with closing(other), Database(sqlite_url, busy_timeout=0.1) as database:
        store = SQLStore(database)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked by another process"):
            store.append("acme", [])
        other.execute("ROLLBACK")
        store.append("acme", [])


def test_tables_that_are_dropped_under_way_are_told(sqlite_url: str) -> None:
    with Database(sqlite_url) as database:
        store = SQLStore(database)
        assert store.stops() == []
        run_sql(sqlite_url, "DROP TABLE gk_stops")
        with pytest.raises(StorageError, match="lacks guardkit's tables"):
            store.stops()


@pytest.mark.parametrize(("field", "value"), [("busy_timeout", 0.0), ("threads", 0)])
def test_a_database_of_no_use_is_refused(sqlite_url: str, field: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=field):
        Database(sqlite_url, **{field: value})  # pyright: ignore[reportArgumentType]
