"""The revision of a database's tables, and bringing it up to date."""

from guardkit.sql import schema
from guardkit.sql.database import Database
from guardkit.sql.engines import Target
from guardkit.sql.standing import Standing


def standing(database: Database | Target) -> Standing:
    """Look where a database stands.

    Raises:
        ConfigurationError: not a database that guardkit knows.
        StorageError: it cannot be reached.
    """
    return schema.look(_target(database))


def upgrade(database: Database | Target) -> str:
    """Create guardkit's tables, or bring them up to date. Safe to run in several processes at once.

    Args:
        database: the database, or its URL.

    Returns:
        The revision that it is at now.

    Raises:
        ConfigurationError: not a database that guardkit knows, or one of a newer guardkit.
        StorageError: it cannot be reached.
    """
    return schema.upgrade(_target(database))


def current_revision(database: Database | Target) -> str | None:
    """The revision that a database is at; `None` when it has no tables of guardkit's.

    Raises:
        ConfigurationError: not a database that guardkit knows.
        StorageError: it cannot be reached.
    """
    return standing(database).revision


def head_revision() -> str:
    """The revision that this guardkit needs."""
    return schema.head()


def _target(database: Database | Target) -> Target:
    return database.engine if isinstance(database, Database) else database
