"""The PostgreSQL schema that guardkit's tables are in, where they have one of their own.

Statements of SQLAlchemy are qualified by its `schema_translate_map`, those written by hand by `prefix`. Neither rests on
anything that a session keeps, so both hold behind a pooler in transaction mode, where `search_path` of a connection would
not. Only what runs Alembic or looks at the catalogue sets `search_path`, for its own transaction.
"""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, text

from guardkit.errors import ConfigurationError
from guardkit.sql.dialects import FAMILIES

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_LONGEST = 48
"""Characters. The channel of `LISTEN` has the name in it, and a channel has 63."""

_MAP = "schema_translate_map"


def checked(name: str, backend: str) -> str:
    """A name that a schema can have.

    Args:
        name: the schema.
        backend: what SQLAlchemy calls the kind of database.

    Raises:
        ConfigurationError: it cannot be one, or this kind of database has no schemas in a database.
    """
    match FAMILIES.get(backend):
        case "postgresql":
            pass
        case "sqlite":
            raise ConfigurationError(
                f"schema is {name!r}, and an SQLite file has no schemas",
                remedy="name a file of guardkit's own in the URL",
            )
        case _:
            raise ConfigurationError(
                f"schema is {name!r}, and on MariaDB and MySQL a schema is a database",
                remedy=f"CREATE DATABASE {name if _NAME.fullmatch(name) else 'guardkit'}, and name it in the URL",
            )
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise ConfigurationError(
            f"schema is {name!r}", remedy=f"up to {_LONGEST} characters: a-z, 0-9 and _, no digit first"
        )
    if name.startswith("pg_") or name == "information_schema":
        raise ConfigurationError(f"schema is {name!r}, which is the server's", remedy="choose another name")
    return name


def options(name: str, others: Mapping[Any, str | None] | None = None) -> dict[str, Any]:
    """The execution options that put tables into a schema."""
    return {_MAP: {**(others or {}), None: name}}


def of_engine(engine: Engine) -> str | None:
    """The schema that an engine puts tables into; `None` where the server decides."""
    return _of(engine.get_execution_options())


def of(connection: Connection) -> str | None:
    """The schema that a connection puts tables into; `None` where the server decides."""
    return _of(connection.get_execution_options())


def _of(found: Mapping[str, Any]) -> str | None:
    mapped: Mapping[Any, str | None] | None = found.get(_MAP)
    return mapped.get(None) if mapped else None


def prefix(connection: Connection) -> str:
    """What stands before a table in a statement that is written by hand: empty, or `"schema".`."""
    name = of(connection)
    return "" if name is None else f'"{name}".'


def enter(connection: Connection) -> None:
    """Let names without a schema mean those of guardkit's until the transaction ends, and only those."""
    name = of(connection)
    if name is not None:
        connection.execute(text(f'SET LOCAL search_path TO "{name}"'))
        connection.execution_options(**{_MAP: None})


def make(connection: Connection) -> None:
    """Create the schema, if it is not there. Who may not create one can be given one."""
    name = of(connection)
    there = text("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = :name")
    if name is not None and connection.execute(there, {"name": name}).first() is None:
        connection.execute(text(f'CREATE SCHEMA "{name}"'))
