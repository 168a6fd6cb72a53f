"""Bringing what is stored to the newest key, a batch a transaction, while others work.

Rows are read without a lock, and those that are not sealed with the newest key are locked, read again and written; what somebody else holds is left
for the next round. So it can be killed and run again at any time, and never waits for a row.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, select, tuple_, update

from guardkit.errors import SealError
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone
from guardkit.sql.secrecy import HASHED, SEALED, STATES, Opened, is_constant, row_values, sealed_by
from guardkit.sql.side_tables import answers
from guardkit.sql.state_places import PLACES
from guardkit.sql.tables import listings
from guardkit.sql.vault import HASHED as KEYED, Vault

ONLY_HASHED: tuple[Table, ...] = (listings, answers)
"""Tables that hold keyed hashes and nothing sealed."""

TABLES: tuple[Table, ...] = (*SEALED, *STATES, *ONLY_HASHED)
"""All that holds something sealed, or a keyed hash."""

Row = Mapping[str, Any]


def round_of(database: Database, table: Table, batch: int) -> tuple[int, int]:
    """Go through a table once. Returns how many rows were written, and how many are left because somebody holds them."""
    done = left = 0
    for page in pages(database, table, batch):
        wanted = [row for row in page if anew(database.vault, table, row)]
        if wanted:
            written = _written(database, table, wanted)
            done, left = done + written, left + len(wanted) - written
    return done, left


@redone
def _written(database: Database, table: Table, wanted: Sequence[Row]) -> int:
    with database.writing() as connection:
        return _write(connection, database.vault, table, wanted)


def pages(database: Database, table: Table, batch: int) -> Generator[Sequence[Row]]:
    """The rows of a table in the order of its primary key, with what tells them apart and what is sealed of them."""
    chosen = select(*_columns(table)).order_by(*table.primary_key.columns).limit(batch)
    after: list[Any] | None = None
    while True:
        page = chosen
        if after is not None:
            page = page.where(tuple_(*table.primary_key.columns) > tuple_(*after))
        with database.reading() as connection:
            rows: list[Row] = [row_values(row) for row in connection.execute(page).mappings()]
        if rows:
            yield rows
        if len(rows) < batch:
            return
        after = [rows[-1][key.name] for key in table.primary_key.columns]


def _columns(table: Table) -> list[Any]:
    named = [key.name for key in table.primary_key.columns]
    named += [name for name in ("tenant", "parent_id", "base", "task_path", "channel") if name in table.c]
    named += [*SEALED.get(table, ()), *HASHED.get(table, ())]
    named += [name for kind, column, _ in PLACES.get(table, ()) for name in (kind, column)]
    return [table.c[name] for name in dict.fromkeys(named)]


def _write(connection: Connection, vault: Vault, table: Table, wanted: Sequence[Row]) -> int:
    keys = [key.name for key in table.primary_key.columns]
    written = 0
    for row in wanted:
        one: list[ColumnElement[bool]] = [table.c[name] == row[name] for name in keys]
        found = select(*_columns(table)).where(*one).with_for_update(skip_locked=True)
        now = connection.execute(found).mappings().one_or_none()
        if now is None:
            continue
        values = anew(vault, table, row_values(now))
        if values:
            connection.execute(update(table).where(*one).values(**values))
        written += 1
    return written


def anew(vault: Vault, table: Table, row: Row) -> dict[str, Any]:
    """What has to be written of a row so that the newest key has sealed all of it.

    Raises:
        SealError: something of it does not open.
    """
    values: dict[str, Any] = {
        name: vault.hashed(row[name])
        for name in HASHED.get(table, ())
        if row[name] and not row[name].startswith(KEYED)
    }
    moves = any(key.name in values for key in table.primary_key.columns)
    opened = Opened(vault, table, SimpleNamespace(**row))
    old = {
        name: getattr(opened, name)
        for name in SEALED.get(table, ())
        if row[name] is not None and (moves or vault.key_of(row[name]) != vault.key_id)
    }
    fresh = sealed_by(vault, table, old, {**row, **values})
    values |= {name: value for name, value in fresh.items() if value != row[name]}
    for kind, column, place in PLACES.get(table, ()):
        if vault.key_of(row[column]) != vault.key_id:
            at = [*place(row), row[kind]]
            values[column] = vault.sealed_bytes(at, vault.opened_bytes(at, row[column]))
    return values


def broken(vault: Vault, table: Table, row: Row) -> Generator[SealError]:
    """What of a row does not open."""
    opened = Opened(vault, table, SimpleNamespace(**row))
    for name in SEALED.get(table, ()):
        try:
            getattr(opened, name)
        except SealError as error:
            yield error
    for kind, column, place in PLACES.get(table, ()):
        try:
            vault.opened_bytes([*place(row), row[kind]], row[column])
        except SealError as error:
            yield error


def keys_of(vault: Vault, table: Table, row: Row) -> Counter[str]:
    """How many values of a row each key has sealed; those in clear under an empty one."""
    found: Counter[str] = Counter()
    columns = [*SEALED.get(table, ()), *(column for _, column, _ in PLACES.get(table, ()))]
    for name in columns:
        if row[name] is not None and not is_constant(table, name, row[name]):
            found[vault.key_of(row[name]) or ""] += 1
    return found
