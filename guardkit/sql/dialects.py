"""Where SQLite, PostgreSQL and MariaDB or MySQL differ: conflicts, and the clock."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Insert, Table, TextClause, text
from sqlalchemy.dialects import mysql, postgresql, sqlite

from guardkit.errors import ConfigurationError

FAMILIES: Mapping[str, str] = {
    "sqlite": "sqlite",
    "postgresql": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
"""SQLAlchemy's dialect names, and whose SQL each of them speaks."""

SQLITE_CLOCK = "(julianday('now') - 2440587.5) * 86400.0"
_CLOCKS: Mapping[str, TextClause] = {
    "sqlite": text(f"SELECT {SQLITE_CLOCK}"),
    "postgresql": text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)"),
    "mysql": text(
        "SELECT CAST(timestampdiff(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', utc_timestamp(6)) AS DECIMAL(26, 6))"
        " / 1000000"
    ),
}
"""Each is a statement by itself, for `utc_timestamp` is when its statement began. `unix_timestamp(sysdate(6))` would ask the
session's zone, in which an hour of autumn comes twice."""

_DIGITS: Mapping[str, int] = {"sqlite": 3, "postgresql": 6, "mysql": 6}


def family(connection: Connection) -> str:
    """Whose SQL a connection speaks.

    Raises:
        ConfigurationError: nobody's that guardkit knows.
    """
    name = connection.dialect.name
    known = FAMILIES.get(name)
    if known is None:
        raise ConfigurationError(
            f"guardkit does not know the database {name!r}", remedy="use SQLite, PostgreSQL, MariaDB or MySQL"
        )
    return known


def now(connection: Connection) -> float:
    """Seconds since the epoch by the database's clock, at this instant and not at the transaction's start."""
    kind = family(connection)
    return rounded(kind, connection.execute(_CLOCKS[kind]).scalar_one())


def rounded(kind: str, seconds: Any) -> float:
    """What a family's clock says, without the digits that it does not have."""
    return round(float(seconds), _DIGITS[kind])


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its primary key is taken. Returns whether it was inserted."""
    statement = inserting_new(family(connection), table).execution_options(preserve_rowcount=True)
    done = connection.execute(statement, dict(row))
    return cast("CursorResult[Any]", done).rowcount == 1


def insert_all_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those rows whose primary key is not taken."""
    if rows:
        connection.execute(inserting_new(family(connection), table), [dict(row) for row in rows])


@lru_cache(maxsize=64)  # building a statement takes longer than SQLite takes to execute it
def inserting_new(kind: str, table: Table) -> Insert:
    """The statement of `insert_new` in a family's SQL."""
    match kind:
        case "sqlite":
            return sqlite.insert(table).on_conflict_do_nothing()
        case "postgresql":
            return postgresql.insert(table).on_conflict_do_nothing()
        case _:
            # IGNORE would also cut values that are too long; guardkit measures names before they get here, and
            # everything else is text without a limit.
            return mysql.insert(table).prefix_with("IGNORE")


def upsert_all(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, replacing those with the same primary key."""
    if not rows:
        return
    connection.execute(upserting(family(connection), table), [dict(row) for row in rows])


@lru_cache(maxsize=64)
def upserting(kind: str, table: Table) -> Insert:
    """The statement of `upsert_all` in a family's SQL."""
    keys = [column.name for column in table.primary_key.columns]
    others = [column.name for column in table.columns if column.name not in keys]
    match kind:
        case "sqlite":
            given = sqlite.insert(table)
            return given.on_conflict_do_update(
                index_elements=keys, set_={name: given.excluded[name] for name in others}
            )
        case "postgresql":
            given = postgresql.insert(table)
            return given.on_conflict_do_update(
                index_elements=keys, set_={name: given.excluded[name] for name in others}
            )
        case _:
            given = mysql.insert(table)
            return given.on_duplicate_key_update({name: given.inserted[name] for name in others})
