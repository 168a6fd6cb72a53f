"""What goes wrong with a database, told so that it can be put right. No password, statement or value is told."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError as PoolTimeoutError,
)

from guardkit.errors import StorageError

_SQLITE: tuple[tuple[str, str, str], ...] = (
    ("unable to open", "cannot be opened", "create its directory, and let this process write there"),
    ("readonly", "is read-only", "let this process write to the file and its directory"),
    ("read-only", "is read-only", "let this process write to the file and its directory"),
    (
        "is locked",
        "is locked by another process",
        "end what holds its write lock; guardkit needs it for itself",
    ),
    ("locking protocol", "cannot be locked", "put it on a local disk: SQLite needs working file locks"),
    ("not a database", "is not an SQLite database, or is encrypted", "name another file"),
    ("malformed", "is damaged", "restore it from a backup"),
    ("is full", "has no space left", "make room on its disk"),
    (
        "disk I/O",
        "cannot be read or written",
        "check its disk; put it on a local one, not on a network share",
    ),
    ("no such table", "lacks guardkit's tables", "run `guardkit db upgrade`"),
    ("no such column", "lacks guardkit's columns", "run `guardkit db upgrade`"),
)

_LACKS = {
    "42P01": "tables",
    "42703": "columns",
    "42S02": "tables",
    "42S22": "columns",
    1146: "tables",
    1054: "columns",
}
"""What a server says by number that it has not: the SQLSTATE of PostgreSQL and of MariaDB and MySQL, whose older drivers tell their own
number only."""


@contextmanager
def told(location: str, *, sqlite: bool) -> Generator[None]:
    """Turn what SQLAlchemy raises into a `StorageError`.

    Args:
        location: the database as it may be shown: without a password.
        sqlite: whether it is a file of ours.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise _told(error, location, sqlite=sqlite) from error
    except sqlite3.Error as error:
        raise _of_file(error, location) from error


def _told(error: SQLAlchemyError, location: str, *, sqlite: bool) -> StorageError:
    where = f"the database {location}"
    if isinstance(error, PoolTimeoutError):
        return StorageError(f"{where} has no free connection", remedy="lower the load or enlarge the pool")
    if isinstance(error, IntegrityError):
        return StorageError(f"{where} refused a row that contradicts another", remedy="try again")
    if not isinstance(error, DBAPIError):
        return StorageError(f"{where} failed: {type(error).__name__}")
    if sqlite:
        return _of_file(error.orig or error, location)
    number = _number(error.orig)
    lacks = None if number is None else _LACKS.get(number)
    if lacks is not None:
        return StorageError(f"{where} lacks guardkit's {lacks}", remedy="run `guardkit db upgrade`")
    kind = type(error.orig or error).__name__
    if isinstance(error, OperationalError | InterfaceError):
        return StorageError(
            f"{where} cannot be reached, or gave up: {kind}",
            remedy="check that it runs, that host, port, name, user and password are right, and try again",
        )
    return StorageError(f"{where} failed: {kind}")


def _number(error: BaseException | None) -> str | int | None:
    """An error's number, as the server names it."""
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state
    first = error.args[0] if error is not None and error.args else None
    return first if isinstance(first, int) else None


def _of_file(error: BaseException, location: str) -> StorageError:
    text = str(error)
    for part, problem, remedy in _SQLITE:
        if part in text:
            return StorageError(f"the database {location} {problem}", remedy=remedy)
    return StorageError(f"the database {location} failed: {type(error).__name__}")
