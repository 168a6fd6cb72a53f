"""Hears of commits that a worker may have to look at, so that it need not wait for its next round.

A hint, never the only way: whoever waits here looks at the rows afterwards, and looks by itself from time to time. SQLite:
`PRAGMA data_version` tells of commits of other connections, whatever they are about. PostgreSQL: `LISTEN`, on a connection
of its own; through a pooler in transaction mode it hears nothing, so `Database` takes a URL past it. MariaDB and MySQL have neither.
"""

import sqlite3
import time
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from guardkit.errors import ConfigurationError
from guardkit.sql import namespaces
from guardkit.sql.database import Database
from guardkit.sql.dialects import family
from guardkit.sql.faults import told
from guardkit.sql.filesystems import is_uri

_CHANNEL = "guardkit"
_ANSWERS = 2.0
"""Seconds within which what was told must have been heard."""

_LOOKS = 0.02
"""Seconds between two looks at an SQLite file. One costs microseconds."""


def tell(connection: Connection) -> None:
    """Say that this transaction makes something due. It is heard once it has been committed."""
    if family(connection) == "postgresql":
        connection.execute(select(func.pg_notify(_channel(namespaces.of(connection)), "")))


def _channel(schema: str | None) -> str:
    return _CHANNEL if schema is None else f"{_CHANNEL}_{schema}"


def try_news(database: Database) -> str:
    """Say how news come in; on PostgreSQL somebody is told, and listened to.

    Raises:
        ConfigurationError: there is a URL for `LISTEN`, and what is told is not heard there.
        StorageError: the database cannot be reached.
    """
    if database.is_sqlite:
        return "commits of other processes are seen in the file"
    where = database.listening
    with told(where.location, sqlite=False):
        listening = where.connect()
    if listening is not None:
        with closing(listening), told(database.location, sqlite=False):
            listening.execute(f'LISTEN "{_channel(database.schema)}"')
            with database.engine.begin() as connection:
                tell(connection)
            if any(True for _ in listening.notifies(timeout=_ANSWERS, stop_after=1)):
                return f"heard at {where.location}"
    if where.own:
        raise ConfigurationError(
            f"what is committed in {database.location} is not heard at {where.location}",
            remedy="name the server and the database themselves in GUARDKIT_DATABASE_LISTEN, not a pooler",
        )
    if where.engine is None:
        return "not told by this database: workers look by themselves"
    return (
        "not told through a pooler: workers look by themselves; GUARDKIT_DATABASE_LISTEN can name the server"
    )


class News:
    """Waits for what `tell` says in any process. For one thread at a time.

    Args:
        database: that is worked on.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listening: Any = None
        self._version: int | None = None
        self._deaf = False

    @property
    def hears(self) -> bool:
        """Whether this database tells news; `wait` only waits where it does not. A pooler is noticed by the first `wait`."""
        return self._database.is_sqlite or (self._database.listening.engine is not None and not self._deaf)

    def wait(self, seconds: float) -> bool:
        """Wait for news, or for so long. Returns whether there was some.

        A database that cannot be reached brings no news; the next call tries to reach it again.
        """
        until = time.monotonic() + seconds
        try:
            heard = self._hear(seconds)
        except (SQLAlchemyError, OSError, *self._driver_errors()):
            self.close()
            heard = False
        if not heard:
            time.sleep(max(until - time.monotonic(), 0.0))
        return heard

    def close(self) -> None:
        """Close the connection; the next `wait` opens another."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.close()

    def _driver_errors(self) -> tuple[type[Exception], ...]:
        engines = (self._database.engine, self._database.listening.engine)
        return tuple(engine.dialect.loaded_dbapi.Error for engine in engines if engine is not None)

    def _hear(self, seconds: float) -> bool:
        if self._database.is_sqlite:
            return self._look(seconds)
        return self.hears and self._listen(seconds)

    def _look(self, seconds: float) -> bool:
        if self._listening is None:
            location = self._database.location
            self._listening = sqlite3.connect(
                location,
                timeout=seconds,
                isolation_level=None,
                check_same_thread=False,
                uri=is_uri(location),
            )
        until = time.monotonic() + seconds
        while True:
            with closing(self._listening.execute("PRAGMA data_version")) as cursor:
                (version,) = cursor.fetchone()
            before, self._version = self._version, version
            if before is not None and version != before:
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_LOOKS, left))

    def _listen(self, seconds: float) -> bool:
        if self._listening is None:
            self._listening = self._database.listening.connect()
            if self._listening is None:
                self._deaf = True  # a pooler gives what it hears to nobody, or to somebody else
                return False
            self._listening.execute(f'LISTEN "{_channel(self._database.schema)}"')
            return True  # what was told before is not heard any more
        return any(True for _ in self._listening.notifies(timeout=seconds, stop_after=1))
