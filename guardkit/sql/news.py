"""Hears of commits that a worker may have to look at, so that it need not wait for its next round.

A hint, never the only way: whoever waits here looks at the rows afterwards, and looks by itself from time to time. SQLite:
`PRAGMA data_version` tells of commits of other connections, whatever they are about. PostgreSQL: `LISTEN`, on a connection
of its own, which must not go through a pooler in transaction mode. MariaDB and MySQL have neither.
"""

import sqlite3
import time
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from guardkit.sql.database import Database
from guardkit.sql.dialects import family

_CHANNEL = "guardkit"
_LOOKS = 0.02
"""Seconds between two looks at an SQLite file. One costs microseconds."""


def tell(connection: Connection) -> None:
    """Say that this transaction makes something due. It is heard once it has been committed."""
    if family(connection) == "postgresql":
        connection.execute(select(func.pg_notify(_CHANNEL, "")))


class News:
    """Waits for what `tell` says in any process. For one thread at a time.

    Args:
        database: that is worked on.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listening: Any = None
        self._version: int | None = None

    @property
    def hears(self) -> bool:
        """Whether this database tells news; `wait` only waits where it does not."""
        return self._database.is_sqlite or self._database.engine.dialect.driver == "psycopg"

    def wait(self, seconds: float) -> bool:
        """Wait for news, or for so long. Returns whether there was some.

        A database that cannot be reached brings no news; the next call tries to reach it again.
        """
        until = time.monotonic() + seconds
        try:
            heard = self._hear(seconds)
        except (SQLAlchemyError, OSError, self._database.engine.dialect.loaded_dbapi.Error):
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

    def _hear(self, seconds: float) -> bool:
        if self._database.is_sqlite:
            return self._look(seconds)
        if self._database.engine.dialect.driver == "psycopg":
            return self._listen(seconds)
        return False

    def _look(self, seconds: float) -> bool:
        if self._listening is None:
            self._listening = sqlite3.connect(
                self._database.location, timeout=seconds, isolation_level=None, check_same_thread=False
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
            taken = self._database.engine.raw_connection()
            self._listening = taken.driver_connection
            taken.detach()  # it waits here, and the pool makes another
            self._listening.rollback()
            self._listening.autocommit = True
            self._listening.execute(f"LISTEN {_CHANNEL}")
            return True  # what was told before is not heard any more
        return any(True for _ in self._listening.notifies(timeout=seconds, stop_after=1))
