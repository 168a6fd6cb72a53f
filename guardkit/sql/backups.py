"""A copy of an SQLite database while others write to it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from guardkit.errors import InputError, StorageError
from guardkit.sql import schema
from guardkit.sql.engines import Target, backend
from guardkit.sql.filesystems import is_uri


def back_up(target: Target, file: Path) -> str:
    """Copy an SQLite database as it is at one instant. Writers are not held up. The copy is whole or not there.

    Args:
        target: the database, or its URL.
        file: where the copy goes; there must be none.

    Returns:
        The revision of the copy.

    Raises:
        ConfigurationError: not a database that guardkit knows.
        InputError: not an SQLite database, it is not there, or `file` is.
        StorageError: it cannot be read, or the copy not be written.
    """
    found = backend(target, busy_timeout=30.0, connections=1)
    if found.owned:
        found.engine.dispose()
    if not found.sqlite:
        raise InputError(
            f"{found.location} is not an SQLite database",
            remedy="use its own tool: pg_dump, or mariadb-dump --single-transaction",
        )
    if found.missing():
        raise InputError(f"{found.location} is not there")
    if file.exists():
        raise InputError(f"{file} is there already", remedy="name a new file: a backup is not overwritten")
    part = file.with_name(f"{file.name}.part-{os.getpid()}")
    try:
        _copy(found.location, part)
        revision = schema.look(f"sqlite:///{part}").revision
        file.hardlink_to(part)  # fails where another backup has come in between
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            f"{found.location} cannot be copied to {file}: {error}",
            remedy="see that there is room and a folder",
        ) from error
    finally:
        for rest in (part, Path(f"{part}-wal"), Path(f"{part}-shm")):
            rest.unlink(missing_ok=True)
    if revision is None:
        file.unlink()
        raise InputError(f"{found.location} has no tables of guardkit's")
    return revision


def _copy(location: str, part: Path) -> None:
    """All pages in one step, so that they are of one instant and no writer makes it begin anew."""
    with (
        closing(sqlite3.connect(location, timeout=30.0, uri=is_uri(location))) as source,
        closing(sqlite3.connect(part)) as copy,
    ):
        source.backup(copy)
        # A copy stays one file until somebody opens it to write.
        copy.execute("PRAGMA journal_mode=DELETE")
        bad = copy.execute("PRAGMA quick_check").fetchone()
    if bad != ("ok",):
        raise sqlite3.DatabaseError(f"the copy is damaged: {bad}")
    with part.open("rb+") as written:
        os.fsync(written.fileno())
