"""Connections on which PostgreSQL tells what was committed: straight to the server, past poolers."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Engine, NullPool

from guardkit.errors import ConfigurationError
from guardkit.sql.dialects import FAMILIES
from guardkit.sql.engines import Backend, driven, goes_through_a_pooler, parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where to listen, if anywhere."""

    engine: Engine | None
    """Of psycopg; `None` where nothing is told."""

    own: bool
    """Whether it has a URL of its own, and a pooler on the way is a mistake."""

    location: str
    """Where that is, without its password."""

    def connect(self) -> Any | None:
        """A connection of psycopg's for `LISTEN`; `None` where nothing would be heard. Whoever asks closes it.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the server cannot be reached.
        """
        if self.engine is None:
            return None
        taken = self.engine.raw_connection()
        connection: Any = taken.driver_connection
        taken.detach()  # it waits, and the pool makes another
        try:
            if goes_through_a_pooler(connection):
                connection.close()
                return None
            connection.rollback()
            connection.autocommit = True
        except BaseException:
            connection.close()
            raise
        return connection


def listening(database: Backend, url: str | URL | None) -> Listening:
    """Where the news of a database can be heard.

    Args:
        database: the database.
        url: of the same database, past a pooler; by default as the database itself.

    Raises:
        ConfigurationError: the URL is not one of PostgreSQL for psycopg, or the database is none.
    """
    kind = database.engine.dialect.name
    if url is None:
        hears = kind == "postgresql" and database.engine.dialect.driver == "psycopg"
        return Listening(engine=database.engine if hears else None, own=False, location=database.location)
    if FAMILIES[kind] != "postgresql":
        raise ConfigurationError(
            f"{database.location} has no LISTEN, so it takes no URL for it",
            remedy="leave out the URL for LISTEN",
        )
    given = parsed(url)
    if given.drivername != "postgresql+psycopg":
        raise ConfigurationError(
            f"the URL for LISTEN names {given.drivername!r}",
            remedy="give postgresql+psycopg://user@host/name",
        )
    engine = driven(given, poolclass=NullPool, hide_parameters=True)
    return Listening(
        engine=engine, own=True, location=given.set(query={}).render_as_string(hide_password=True)
    )
