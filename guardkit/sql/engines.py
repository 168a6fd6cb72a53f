"""Making a SQLAlchemy engine into one that keeps guardkit's promises.

SQLite: writers begin with `BEGIN IMMEDIATE`, so a transaction that has read never fails when it writes; the file is in
WAL mode with `synchronous=FULL`, so a committed claim survives a power cut. PostgreSQL, MariaDB and MySQL run in
`READ COMMITTED` with row locks.
"""

import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import URL, Connection, Dialect, Engine, RootTransaction, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from guardkit.errors import ConfigurationError, StorageError
from guardkit.sql import namespaces
from guardkit.sql.dialects import FAMILIES
from guardkit.sql.faults import told
from guardkit.sql.filesystems import refuse_network

Target: TypeAlias = str | URL | Engine

_WRITES = "guardkit_writes"
_USED = "guardkit_used"

_FRESH = 1.0
"""Seconds for which a connection that was used is not asked whether it still lives."""

_SYNCHRONOUS = "guardkit_synchronous"
_NAME_TENANT = text("SELECT set_config('guardkit.tenant', :tenant, true)")
_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_EXTRAS = {"postgresql": "postgres", "mysql": "mysql"}
_EXAMPLE = "e.g. sqlite:///guardkit.db or postgresql+psycopg://user:password@host/name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """An engine, and what guardkit has to know of it."""

    engine: Engine
    location: str
    """The database as it may be shown: without a password."""

    sqlite: bool
    schema: str | None
    """Of PostgreSQL, that the tables are in; `None` where the server decides."""

    owned: bool
    """Whether the engine was made here, and is disposed of here."""

    def missing(self) -> bool:
        """Whether it is an SQLite file that does not exist yet."""
        return self.sqlite and not self.location.startswith("file:") and not Path(self.location).exists()


def backend(target: Target, *, busy_timeout: float, connections: int, schema: str | None = None) -> Backend:
    """The engine for a database.

    Args:
        target: its URL, or an engine. Of an engine on SQLite only the URL is used: guardkit begins its transactions
            itself there.
        busy_timeout: seconds to wait for another process's lock on an SQLite file.
        connections: how many connections are kept open.
        schema: of PostgreSQL, that the tables are in; by default the engine's own, or what the server finds first.

    Raises:
        ConfigurationError: not a URL, no name of a schema, or not one of a database that guardkit can keep its promises on.
    """
    url = target.url if isinstance(target, Engine) else parsed(target)
    name = url.get_backend_name()
    family = FAMILIES.get(name)
    if family is None:
        raise ConfigurationError(f"guardkit does not know the database {name!r}", remedy=_EXAMPLE)
    if schema is None and isinstance(target, Engine):
        schema = namespaces.of_engine(target)
    if schema is not None:
        namespaces.checked(schema, name)
    if family == "sqlite":
        return _sqlite(url, busy_timeout=busy_timeout, connections=connections)
    # Drivers take passwords in the query too.
    location = url.set(query={}).render_as_string(hide_password=True)
    if schema is not None:
        location = f"{location} (schema {schema})"
    if isinstance(target, Engine):
        if target.dialect.is_async:
            raise ConfigurationError(
                f"the engine of {location} is async", remedy="pass its URL with a sync driver"
            )
        others = target.get_execution_options().get("schema_translate_map")
        placed = {} if schema is None else namespaces.options(schema, others)
        engine = target.execution_options(isolation_level="READ COMMITTED", **placed)
        engine.hide_parameters = True
        return Backend(engine=engine, location=location, sqlite=False, schema=schema, owned=False)
    engine = driven(
        url,
        isolation_level="READ COMMITTED",
        pool_size=connections,
        max_overflow=connections,
        hide_parameters=True,
        execution_options={} if schema is None else namespaces.options(schema),
    )
    event.listen(engine, "checkin", _checked_in)
    event.listen(engine, "checkout", _checked_out)
    return Backend(engine=engine, location=location, sqlite=False, schema=schema, owned=True)


def parsed(target: str | URL) -> URL:
    """A URL with guardkit's choice of a driver.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        url = make_url(target)
    except (ArgumentError, ValueError):  # ValueError: the port is no number
        # The text may hold a password, so it is not repeated.
        raise ConfigurationError(
            "the database URL cannot be read",
            remedy=f"{_EXAMPLE}; write @, / and : in a password as %40, %2F and %3A",
        ) from None
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def driven(url: URL, **options: Any) -> Engine:
    """A new engine.

    Args:
        url: of the database.
        options: passed to `create_engine`.

    Raises:
        ConfigurationError: there is no such driver, or it is async.
    """
    name = url.drivername
    try:
        engine = create_engine(url, **options)
    except NoSuchModuleError:
        raise ConfigurationError(f"SQLAlchemy knows no driver {name!r}", remedy=_EXAMPLE) from None
    except ModuleNotFoundError as error:
        backend_name = url.get_backend_name()
        usual = _DRIVERS.get(backend_name)
        remedy = (
            f"install guardkit[{_EXTRAS[FAMILIES[backend_name]]}]"
            if name == usual
            else f"install it, or name {usual}"
        )
        raise ConfigurationError(
            f"the driver {name!r} needs the module {error.name!r}", remedy=remedy
        ) from None
    if engine.dialect.is_async:
        raise ConfigurationError(
            f"the driver {name!r} is async", remedy="name a sync one; guardkit hops to threads by itself"
        )
    event.listen(engine, "do_connect", _connecting)
    if engine.dialect.driver == "psycopg":
        event.listen(engine, "connect", _prepare_nothing_in_a_pool)
    return engine


def goes_through_a_pooler(connection: Any) -> bool:
    """Whether somebody stands between a connection of psycopg and the server.

    A pooler answers the login by itself, with numbers of its own for `BackendKeyData`; so the process that the client knows
    is not the one that executes its statements.
    """
    with closing(connection.cursor()) as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (serves,) = cursor.fetchone()
    return serves != connection.info.backend_pid


def _prepare_nothing_in_a_pool(connection: Any, _record: Any) -> None:
    """In transaction mode the next transaction has another session, which does not know what the last one has prepared."""
    if goes_through_a_pooler(connection):
        connection.prepare_threshold = None
    connection.rollback()


def _connecting(dialect: Dialect, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
    try:
        return dialect.connect(*arguments, **options)
    except (TypeError, ValueError):
        # Python says so of keyword arguments that a driver does not take, and of values of the wrong type.
        raise ConfigurationError(
            f"the driver {dialect.driver!r} refuses an option of the database URL",
            remedy=f"look at what follows the question mark: {', '.join(sorted(options))} were given",
        ) from None


def _checked_in(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic()


def _checked_out(connection: Any, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """See that a connection still lives. One that has just been used does: asking it would double the round trips of a put."""
    used = record.info.get(_USED)
    if used is None or time.monotonic() - used < _FRESH:
        return
    try:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except Exception as error:  # every driver has its own; whatever it is, another connection is needed
        raise DisconnectionError from error


def _sqlite(url: URL, *, busy_timeout: float, connections: int) -> Backend:
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise ConfigurationError(
            f"the driver {url.drivername!r} is not supported", remedy="use sqlite:///path/to/file.db"
        )
    if not url.database or ":memory:" in url.database or url.query.get("mode") == "memory":
        raise ConfigurationError(
            "a database in memory is not shared between processes and gone with this one",
            remedy="name a file, e.g. sqlite:///guardkit.db",
        )
    engine = driven(
        url,
        # The driver begins nothing by itself: `_begin` does.
        connect_args={"timeout": busy_timeout, "check_same_thread": False, "isolation_level": None},
        pool_size=connections,
        max_overflow=-1,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begin)
    return Backend(engine=engine, location=url.database, sqlite=True, schema=None, owned=True)


def _connected(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys=ON").close()
    connection.execute("PRAGMA synchronous=FULL").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    driver = connection.connection.driver_connection
    assert driver is not None
    # Of the driver itself: SQLAlchemy's way takes longer than the statement.
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


def name_tenant(engine: Engine, tenant: str) -> None:
    """Name a tenant to PostgreSQL when a transaction begins, for the policies of row-level security."""

    def say(connection: Connection) -> None:
        connection.execute(_NAME_TENANT, {"tenant": tenant})

    event.listen(engine, "begin", say)


@contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """A transaction that may write; committed unless an exception leaves it."""
    with engine.connect() as connection:
        connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


def beginning(engine: Engine, *, durable: bool) -> tuple[Connection, RootTransaction]:
    """A transaction that may write to an SQLite file. Who began it ends it, and closes the connection.

    Args:
        engine: of the file.
        durable: whether its commit waits for the disk (`synchronous=FULL`), or only for the operating system (`NORMAL`).
    """
    connection = engine.connect()
    try:
        wanted = "FULL" if durable else "NORMAL"
        if connection.info.get(_SYNCHRONOUS, "FULL") != wanted:
            connection.connection.cursor().execute(f"PRAGMA synchronous={wanted}")
            connection.info[_SYNCHRONOUS] = wanted
        connection.execution_options(**{_WRITES: True})
        return connection, connection.begin()
    except BaseException:
        connection.close()
        raise


@contextmanager
def alone(engine: Engine) -> Generator[Connection]:
    """A connection on which each statement is a transaction. Whatever it did is committed when the block ends."""
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: Engine) -> Generator[Connection]:
    """A transaction that only reads, on one snapshot where the database has them."""
    with engine.connect() as connection:
        yield connection


def enter_wal(found: Backend, *, busy_timeout: float) -> None:
    """Put an SQLite file into WAL mode, where it stays. Other processes may be doing the same.

    Raises:
        ConfigurationError: the file is on a network file system.
        StorageError: the file cannot be opened, or its file system cannot do it.
    """
    if not found.location.startswith("file:"):
        refuse_network(Path(found.location))
    until = time.monotonic() + busy_timeout
    while True:
        try:
            with told(found.location, sqlite=True), closing(found.engine.raw_connection()) as raw:
                cursor = raw.cursor()
                mode = cursor.execute("PRAGMA journal_mode").fetchone()
                if mode is None or mode[0] != "wal":
                    mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()
                cursor.close()
        except StorageError as error:
            # SQLite does not wait for its busy timeout here.
            if "locked" not in error.message or time.monotonic() >= until:
                raise
            time.sleep(0.02)
            continue
        if mode is None or mode[0] != "wal":
            raise StorageError(
                f"the database {found.location} cannot use write-ahead logging",
                remedy="put it on a local disk, not on a network share",
            )
        return
