"""How large a database is: per table, and the largest threads."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    String,
    Table,
    Text,
    TextClause,
    cast,
    func,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.exc import OperationalError

from guardkit.core.values import Value
from guardkit.errors import InputError
from guardkit.sql import dialects, names, namespaces
from guardkit.sql.database import Database
from guardkit.sql.engines import Target
from guardkit.sql.side_tables import metadata
from guardkit.sql.tables import blobs, checkpoints, turns, writes

Measured: TypeAlias = Literal["pg_total_relation_size", "information_schema", "dbstat", "contents"]

_FIXED = 8
"""Bytes that a number counts."""


class TableSize(Value):
    """What a table takes."""

    table: str
    rows: int
    bytes: int


class ThreadSize(Value):
    """What the contents of a thread's checkpoints take, with values, writes and inputs; without indexes."""

    tenant: str
    thread_id: str
    rows: int
    bytes: int


class DatabaseSize(Value):
    """What a database, or a tenant of it, takes."""

    measured: Measured
    """How bytes were measured: `pg_total_relation_size` and `dbstat` count pages with those of indexes,
    `information_schema` is MariaDB's and MySQL's estimate of them, `contents` counts what is in the rows, without
    indexes and free room. The size of a tenant is always that of contents.
    """

    tables: tuple[TableSize, ...]
    """Largest first."""

    threads: tuple[ThreadSize, ...] = ()
    """Largest first."""

    @property
    def bytes(self) -> int:
        """Of all tables."""
        return sum(table.bytes for table in self.tables)


def database_size(
    database: Database | Target, *, tenant: str | None = None, threads: int = 0
) -> DatabaseSize:
    """Measure a database, without a change to it. Reads every row of it, or of the tenant.

    Args:
        database: the database, or its URL.
        tenant: only what is of this tenant; tables without tenants are left out.
        threads: how many of the largest threads to name, up to 1000.

    Raises:
        ConfigurationError: not a database of guardkit's.
        InputError: a name or number cannot be used.
        StorageError: it cannot be reached, or refuses.
    """
    if not 0 <= threads <= 1000:
        raise InputError(f"threads is {threads!r}", remedy="0 to 1000")
    if tenant is not None:
        names.owner(tenant)
    found = database if isinstance(database, Database) else Database(database)
    try:
        return found.look(lambda connection: _measured(connection, tenant, threads))
    finally:
        if found is not database:
            found.close()


def _measured(connection: Connection, tenant: str | None, threads: int) -> DatabaseSize:
    namespaces.enter(connection)
    pages = _pages(connection) if tenant is None else None
    measured, sizes = pages or ("contents", None)
    tables = [
        _table(connection, table, tenant, sizes)
        for table in metadata.sorted_tables
        if tenant is None or "tenant" in table.c
    ]
    tables.sort(key=lambda one: (-one.bytes, one.table))
    largest = _largest(connection, tenant, threads)
    return DatabaseSize(measured=measured, tables=tuple(tables), threads=tuple(largest))


def _table(
    connection: Connection, table: Table, tenant: str | None, sizes: dict[str, int] | None
) -> TableSize:
    length = literal(0) if sizes is not None else _length(connection, table)
    chosen = select(func.count(), func.coalesce(func.sum(length), 0)).select_from(table)
    if tenant is not None:
        chosen = chosen.where(table.c.tenant == tenant)
    rows, contents = connection.execute(chosen).one()
    size = int(contents) if sizes is None else sizes.get(table.name, 0)
    return TableSize(table=table.name, rows=rows, bytes=size)


def _pages(connection: Connection) -> tuple[Measured, dict[str, int]] | None:
    """Bytes by table as the database counts them; `None` where it does not."""
    match dialects.family(connection):
        case "postgresql":
            statement = text(
                "SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c "
                "WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND left(c.relname, 3) = 'gk_'"
            )
            return "pg_total_relation_size", _read(connection, statement)
        case "mysql":
            statement = text(
                "SELECT table_name, data_length + index_length FROM information_schema.tables "
                "WHERE table_schema = database() AND left(table_name, 3) = 'gk_'"
            )
            return "information_schema", _read(connection, statement)
        case _:
            statement = text(
                "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name "
                "WHERE s.aggregate = TRUE AND substr(m.tbl_name, 1, 3) = 'gk_' GROUP BY m.tbl_name"
            )
            try:
                return "dbstat", _read(connection, statement)
            except OperationalError as error:
                if "no such table: dbstat" not in str(error.orig):
                    raise
                return None  # this SQLite was built without it


def _read(connection: Connection, statement: TextClause) -> dict[str, int]:
    return {str(row[0]): int(row[1] or 0) for row in connection.execute(statement)}


def _length(connection: Connection, table: Table) -> ColumnElement[int]:
    """Bytes of what a row holds."""
    sqlite = dialects.family(connection) == "sqlite"
    total: ColumnElement[int] = literal(0)
    for column in table.c:
        if not isinstance(column.type, String | Text | LargeBinary):
            total = total + literal(_FIXED)
        else:
            of = func.length(cast(column, LargeBinary)) if sqlite else func.octet_length(column)
            total = total + func.coalesce(of, 0)
    return total


def _largest(connection: Connection, tenant: str | None, limit: int) -> Sequence[ThreadSize]:
    if not limit:
        return ()
    parts: list[Any] = []
    for table in (checkpoints, blobs, writes, turns):
        length = func.sum(_length(connection, table)).label("bytes")
        part = select(table.c.tenant, table.c.thread_id, func.count().label("rows"), length)
        part = part.group_by(table.c.tenant, table.c.thread_id)
        parts.append(part if tenant is None else part.where(table.c.tenant == tenant))
    every = union_all(*parts).subquery()
    rows, size = func.sum(every.c.rows), func.sum(every.c.bytes)
    chosen = (
        select(every.c.tenant, every.c.thread_id, rows, size)
        .group_by(every.c.tenant, every.c.thread_id)
        .order_by(size.desc(), every.c.tenant, every.c.thread_id)
        .limit(limit)
    )
    return [
        ThreadSize(tenant=of, thread_id=thread_id, rows=int(count), bytes=int(total))
        for of, thread_id, count, total in connection.execute(chosen)
    ]
