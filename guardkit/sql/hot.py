"""Statements that every step of every graph executes on SQLite: compiled by SQLAlchemy, given to the driver as they are.

What SQLAlchemy does around a statement takes many times as long as SQLite takes to execute it. On servers a statement is a
round trip, beside which that is nothing, so there they go the ordinary way; as they do where somebody listens to an engine's
statements.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, Executable, Table
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from guardkit.sql import dialects

_DRIVER = "guardkit_driver"


class Hot:
    """A statement. Its parameters and columns are what the driver takes and gives: texts, whole numbers, bytes, nothing.

    Args:
        statement: with a named parameter for each value.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: tuple[str, tuple[str, ...]] | None = None

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """The first row that it finds."""
        driver = _driver(connection)
        if driver is None:
            return connection.execute(self._statement, dict(values)).first()
        sql, order = self._of(connection)
        return driver.execute(sql, [values[name] for name in order]).fetchone()

    def each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it for each of these rows."""
        if not rows:
            return
        driver = _driver(connection)
        if driver is None:
            connection.execute(self._statement, [dict(row) for row in rows])
            return
        sql, order = self._of(connection)
        for row in rows:
            driver.execute(sql, [row[name] for name in order])

    def _of(self, connection: Connection) -> tuple[str, tuple[str, ...]]:
        """Its text, and the names of its parameters in their order."""
        if self._compiled is None:
            found = cast("ClauseElement", self._statement).compile(dialect=connection.dialect)
            assert isinstance(found, SQLCompiler)
            self._compiled = str(found), tuple(found.positiontup or ())
        return self._compiled


def insert_all_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those rows whose primary key is not taken, into a table of plain columns."""
    _insert_new(dialects.family(connection), table).each(connection, rows)


def upsert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows into a table of plain columns, replacing those with the same primary key."""
    _upsert(dialects.family(connection), table).each(connection, rows)


@lru_cache(maxsize=64)
def _insert_new(kind: str, table: Table) -> Hot:
    return Hot(dialects.inserting_new(kind, table))


@lru_cache(maxsize=64)
def _upsert(kind: str, table: Table) -> Hot:
    return Hot(dialects.upserting(kind, table))


def is_hot(connection: Connection) -> bool:
    """Whether statements go to the driver."""
    return _driver(connection) is not None


def find_driver(connection: Connection) -> None:
    """Look once for a transaction whether its statements go to the driver, instead of at each of them."""
    connection.info[_DRIVER] = _unheard(connection)


def forget_driver(connection: Connection) -> None:
    """Look at each statement again: a connection goes back to its pool."""
    if not connection.invalidated and not connection.closed:
        connection.info.pop(_DRIVER, None)


def _driver(connection: Connection) -> Any:
    """SQLite's own connection, if nobody else wants to see what is executed."""
    if connection.dialect.name != "sqlite":
        return None
    info = connection.info
    return info[_DRIVER] if _DRIVER in info else _unheard(connection)


def _unheard(connection: Connection) -> Any:
    heard = connection.engine.dispatch
    if (
        heard.before_cursor_execute
        or heard.after_cursor_execute
        or heard.before_execute
        or heard.after_execute
    ):
        return None
    return connection.connection.driver_connection
