"""Reading lists from a streaming replica of PostgreSQL, as long as it is no older than may be.

How old it is at most: what the primary's clock says now, less the time of the newest commit that the replica has replayed
(`pg_last_xact_replay_timestamp`, which is by the primary's clock as well; PostgreSQL documentation, 9.27.4). While nobody commits this
grows although nothing is missing; then the primary is read, which has nothing else to do.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from guardkit.errors import ConfigurationError, StorageError
from guardkit.sql.dialects import FAMILIES
from guardkit.sql.engines import Backend, backend, name_tenant, parsed, reading
from guardkit.sql.vault import OPTION

T = TypeVar("T")

log = logging.getLogger("guardkit")

_REPLAYED = text(
    "SELECT pg_is_in_recovery(), CAST(extract(epoch FROM pg_last_xact_replay_timestamp()) AS double precision)"
)
_CLOCK_KEPT = 60.0
"""Seconds for which the difference between the primary's clock and this process's is taken to be the same."""

_ASKED = 3
"""How often the primary is asked for its clock."""

_RETRY = 2.0
"""Seconds for which a replica that could not be reached is left alone."""

_CONNECT = "3"
"""Seconds to wait for a connection, unless the URL says."""

_AWAY = "it cannot be reached, or gave up"


class UnfitError(Exception):
    """The replica cannot be read from now. It never leaves `guardkit.sql`."""


class Replica:
    """A streaming replica.

    Args:
        url: of the replica.
        primary: the database.
        tenant: named to the server in each transaction, as to the primary.
        connections: how many connections are kept open.
        max_lag: seconds that what is read may be old.
        now: the primary's clock, in seconds since the epoch.

    Raises:
        ConfigurationError: not a URL of PostgreSQL, or the database is none.
    """

    def __init__(
        self,
        url: str | URL,
        primary: Backend,
        *,
        tenant: str | None,
        connections: int,
        max_lag: float,
        now: Callable[[], float],
    ) -> None:
        if FAMILIES[primary.engine.dialect.name] != "postgresql":
            raise ConfigurationError(
                f"{primary.location} does not say how old a replica of it is",
                remedy="give a replica on PostgreSQL only",
            )
        given = parsed(url)
        if given.get_backend_name() != "postgresql":
            raise ConfigurationError(
                f"the URL of the replica names {given.drivername!r}",
                remedy="give postgresql+psycopg://user@host/name",
            )
        if not max_lag > 0:
            raise ConfigurationError(f"replica_lag is {max_lag!r}", remedy="give seconds, more than 0")
        if "connect_timeout" not in given.query:
            given = given.update_query_dict({"connect_timeout": _CONNECT})
        found = backend(given, busy_timeout=1.0, connections=connections, schema=primary.schema)
        vault = primary.engine.get_execution_options().get(OPTION)
        self._backend = replace(found, engine=found.engine.execution_options(**{OPTION: vault}))
        if tenant is not None:
            name_tenant(self._backend.engine, tenant)
        self._max_lag = max_lag
        self._now = now
        self.begin_life()

    def begin_life(self) -> None:
        """Know nothing yet, as in a new process."""
        self._lock = threading.Lock()
        self._ahead: float | None = None
        """What is added to the monotonic clock to get the primary's, at most."""
        self._learned_at = 0.0
        self._away_until = 0.0
        self._said: str | None = None

    @property
    def backend(self) -> Backend:
        """Its engine."""
        return self._backend

    def read(self, read: Callable[[Connection], T], *, wrote_at: float | None) -> T:
        """Read in a transaction of the replica.

        Args:
            read: reads, and does nothing else.
            wrote_at: when this process has last committed, by the monotonic clock; that must be there.

        Raises:
            UnfitError: it is too old, away, or no replica.
        """
        if time.monotonic() < self._away_until:
            raise UnfitError(_AWAY)
        try:
            with reading(self._backend.engine) as connection:
                age, _ = self._age(connection)
                if age > self._max_lag:
                    raise self._unfit(f"it may be {age:.1f} s old, and {self._max_lag:g} s are allowed")
                if wrote_at is not None and age >= time.monotonic() - wrote_at:
                    raise UnfitError("this process has written since")
                found = read(connection)
        except SQLAlchemyError as error:
            # Also one that has not replayed a migration, or that cancels what holds up its replay.
            if isinstance(error, OperationalError):
                self._away_until = time.monotonic() + _RETRY
            raise self._unfit(_AWAY) from error
        self._says(None)
        return found

    def standing(self) -> str:
        """How old it is now, for people.

        Raises:
            ConfigurationError: it is no replica.
            StorageError: it cannot be reached.
        """
        try:
            with reading(self._backend.engine) as connection:
                age, replays = self._age(connection)
        except UnfitError as error:
            raise ConfigurationError(
                f"{self._backend.location}: {error}", remedy="name a streaming replica of the database"
            ) from None
        except SQLAlchemyError as error:
            raise StorageError(
                f"the replica {self._backend.location} cannot be reached",
                remedy="lists are read from the primary",
            ) from error
        if not replays:
            return f"{self._backend.location} has replayed nothing yet: the primary is read"
        read = (
            "lists are read there"
            if age <= self._max_lag
            else "the primary is read until something is committed"
        )
        return f"{self._backend.location} is {max(age, 0.0):.1f} s old at most: {read}"

    def _age(self, connection: Connection) -> tuple[float, bool]:
        """Seconds that what is read from now on is old at most, and whether anything was replayed."""
        replays, replayed = connection.execute(_REPLAYED).one()
        if not replays:
            raise self._unfit("it is no replica, or was made a primary")
        if replayed is None:
            return float("inf"), False
        return self._clock() - float(replayed), True

    def _clock(self) -> float:
        """The primary's clock now, or a moment later."""
        with self._lock:
            if self._ahead is None or time.monotonic() - self._learned_at > _CLOCK_KEPT:
                # Each is too much by what the way there has taken: the least is the best.
                self._ahead = min(self._asked() for _ in range(_ASKED))
                self._learned_at = time.monotonic()
            return time.monotonic() + self._ahead

    def _asked(self) -> float:
        began = time.monotonic()
        return self._now() - began

    def _unfit(self, why: str) -> UnfitError:
        self._says(why)
        return UnfitError(why)

    def _says(self, why: str | None) -> None:
        """Say once when it is not used any more, and once when it is again."""
        kind = None if why is None else why[:12]
        before, self._said = self._said, kind
        if kind == before:
            return
        if why is None:
            log.info("lists are read from the replica again")
        else:
            log.warning("lists are read from the primary, not from its replica: %s", why)
