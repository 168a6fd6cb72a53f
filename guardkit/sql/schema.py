"""Which tables a database has, and bringing them up to date with Alembic."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from guardkit.errors import ConfigurationError, StorageError
from guardkit.sql import namespaces
from guardkit.sql.dialects import family
from guardkit.sql.engines import Backend, Target, backend, enter_wal, reading, writing
from guardkit.sql.faults import told
from guardkit.sql.side_tables import metadata
from guardkit.sql.standing import Standing, Tables

VERSION_TABLE = "gk_alembic_version"

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_NAME = "guardkit-schema"
_LOCK_NUMBER = 0x67756172646B6974
ALEMBIC = threading.Lock()
"""Alembic keeps its context in module globals, so one command runs at a time."""


def config(connection: Connection | None = None) -> Config:
    """What Alembic is told: where the migrations are, and whom they migrate. Its commands want `ALEMBIC`."""
    wanted = Config()
    wanted.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    wanted.attributes["connection"] = connection
    return wanted


@lru_cache(maxsize=1)
def known() -> tuple[str, frozenset[str]]:
    """The newest revision of this code, and all of them."""
    script = ScriptDirectory.from_config(config())
    newest = script.get_current_head()
    if newest is None:
        raise ConfigurationError("guardkit was installed without its migrations", remedy="install it again")
    return newest, frozenset(revision.revision for revision in script.walk_revisions())


def head() -> str:
    """The revision that this guardkit needs."""
    return known()[0]


def look(target: Target) -> Standing:
    """Where a database stands, without a change to it.

    Raises:
        ConfigurationError: not a URL of a database that guardkit knows.
        StorageError: it cannot be reached.
    """
    newest, all_known = known()
    with opened(target) as found:
        at = None
        if not found.missing():  # connecting would create the file
            with told(found.location, sqlite=found.sqlite), reading(found.engine) as connection:
                at = revision(connection, found.location)
    tables: Tables = "missing" if at is None else "newer" if at not in all_known else "older"
    return Standing(
        location=found.location,
        revision=at,
        newest=newest,
        tables="current" if at == newest else tables,
        made_on_use=found.sqlite,
    )


def upgrade(target: Target) -> str:
    """Create guardkit's tables, or bring them up to date. Safe to run in several processes at once.

    Returns:
        The revision that the database is at now.

    Raises:
        ConfigurationError: not a URL of a database that guardkit knows, or one of a newer guardkit.
        StorageError: it cannot be reached.
    """
    with opened(target) as found:
        migrate(found)
    return head()


@contextmanager
def opened(target: Target) -> Generator[Backend]:
    """An engine for a while."""
    found = backend(target, busy_timeout=30.0, connections=1)
    try:
        yield found
    finally:
        if found.owned:
            found.engine.dispose()


def revision(connection: Connection, location: str) -> str | None:
    """The revision that a connection's database is at.

    Raises:
        ConfigurationError: it says more than one.
    """
    options = {"version_table": VERSION_TABLE, "version_table_schema": namespaces.of(connection)}
    at = MigrationContext.configure(connection, opts=options).get_current_heads()
    if len(at) > 1:
        raise ConfigurationError(
            f"the tables in {location} claim to be at several revisions: {', '.join(sorted(at))}",
            remedy="restore the database from a backup",
        )
    return at[0] if at else None


def migrate(found: Backend) -> None:
    """Bring the tables up to date, one process after the other."""
    if found.sqlite:
        enter_wal(found, busy_timeout=30.0)
    with told(found.location, sqlite=found.sqlite), writing(found.engine) as connection, alone(connection):
        if is_behind(connection, found.location):
            _refuse_remains(connection, found.location)
            with ALEMBIC:
                command.upgrade(config(connection), "head")


def ensure(found: Backend) -> None:
    """See that the tables are those of this code. A missing or older SQLite file is brought up to date.

    Raises:
        ConfigurationError: the tables are newer than this code, or a server's are missing or older.
        StorageError: the database cannot be reached.
    """
    if found.sqlite:
        enter_wal(found, busy_timeout=30.0)
    with told(found.location, sqlite=found.sqlite), reading(found.engine) as connection:
        behind = is_behind(connection, found.location)
    if behind and found.sqlite:
        migrate(found)
    elif behind:
        raise ConfigurationError(
            f"the tables in {found.location} are missing or older than this guardkit",
            remedy="run `guardkit db upgrade`",
        )


def is_behind(connection: Connection, location: str) -> bool:
    """Whether the tables are older than this code.

    Raises:
        ConfigurationError: they are newer.
    """
    newest, all_known = known()
    at = revision(connection, location)
    if at is not None and at not in all_known:
        raise ConfigurationError(
            f"the tables in {location} are at revision {at!r}, which is newer than this guardkit ({newest!r})",
            remedy="upgrade guardkit",
        )
    return at != newest


def _refuse_remains(connection: Connection, location: str) -> None:
    """Do not build on tables of which nothing says what they are. MariaDB keeps those of a migration that died."""
    if revision(connection, location) is None:
        there = set(inspect(connection).get_table_names()) & set(metadata.tables)
        if there:
            raise ConfigurationError(
                f"{location} has tables of guardkit's, e.g. {min(there)!r}, and says no revision",
                remedy="an upgrade was interrupted, or somebody else made them: drop them, or restore a backup",
            )


@contextmanager
def alone(connection: Connection) -> Generator[None]:
    """One migration at a time, in the schema of the tables. SQLite's write lock sees to that by itself."""
    match family(connection):
        case "sqlite":
            yield
        case "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
            namespaces.make(connection)
            namespaces.enter(connection)
            yield
        case _:
            if connection.execute(text("SELECT get_lock(:name, 60)"), {"name": _LOCK_NAME}).scalar() != 1:
                raise StorageError(
                    "another process is changing the tables", remedy="wait for it, then try again"
                )
            try:
                yield
            finally:
                connection.execute(text("SELECT release_lock(:name)"), {"name": _LOCK_NAME})
