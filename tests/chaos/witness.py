"""A witness inside the database: triggers that note which process took a thread, and who wrote on it all the same.

Every connection of a watched process says who it is. guardkit knows nothing of all this.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine, event, text

from guardkit.sql import Database

_TABLES = (
    "CREATE TABLE chaos_leases (thread_id VARCHAR(200) NOT NULL, token BIGINT NOT NULL, writer BIGINT NOT NULL)",
    "CREATE TABLE chaos_stale (what VARCHAR(40), thread_id VARCHAR(200), writer BIGINT, holder BIGINT)",
    "CREATE INDEX chaos_leases_thread ON chaos_leases (thread_id, token)",
)
_WRITER = {
    "sqlite": "chaos_writer()",
    "postgresql": "current_setting('chaos.writer')::bigint",
    "mysql": "@chaos_writer",
}
"""Who a connection is, in SQL."""

_FAMILY = {"mariadb": "mysql"}

_TOOK = "INSERT INTO chaos_leases VALUES (NEW.thread_id, NEW.token, {writer})"
_WROTE = """
INSERT INTO chaos_stale
SELECT '{what}', NEW.thread_id, {writer}, l.writer
FROM gk_threads t LEFT JOIN chaos_leases l ON l.thread_id = t.thread_id AND l.token = t.token
WHERE t.tenant = NEW.tenant AND t.thread_id = NEW.thread_id
AND (t.lease_run IS NULL OR l.writer IS NULL OR l.writer <> {writer}{more})
"""
_OF_A_RUN = " OR NEW.run_id <> t.lease_run"

_WATCHED: Sequence[tuple[str, str, str, str]] = (
    ("INSERT", "gk_checkpoints", "1 = 1", ""),
    ("INSERT", "gk_blobs", "1 = 1", ""),
    ("INSERT", "gk_writes", "1 = 1", ""),
    ("INSERT", "gk_effects", "1 = 1", _OF_A_RUN),
    ("UPDATE", "gk_effects", "NEW.state = 'claimed'", _OF_A_RUN),
    ("UPDATE", "gk_effects", "NEW.state = 'done'", ""),
)
"""What only the run that holds a thread may write: statement, table, when, and what else must fit."""


def install(database: Database) -> None:
    """Make the triggers in a database of guardkit's."""
    engine = database.engine
    family = _family(engine)
    writer = _WRITER[family]
    makes = list(_TABLES)
    # MariaDB has no WHEN: there the condition is part of the statement.
    took = _TOOK.format(writer=writer)
    if family == "mysql":
        took = f"INSERT INTO chaos_leases SELECT NEW.thread_id, NEW.token, {writer} FROM DUAL WHERE NEW.token <> OLD.token"
    makes += _trigger(family, "chaos_took", "UPDATE", "gk_threads", "NEW.token <> OLD.token", took)
    for number, (statement, table, when, more) in enumerate(_WATCHED):
        what = f"{statement} {table}"
        wrote = _WROTE.format(what=what, writer=writer, more=more)
        if family == "mysql":
            wrote = f"{wrote} AND {when}"
        makes += _trigger(family, f"chaos_wrote_{number}", statement, table, when, wrote)
    with engine.begin() as connection:
        for made in makes:
            connection.exec_driver_sql(made)


def _family(engine: Engine) -> str:
    return _FAMILY.get(engine.dialect.name, engine.dialect.name)


def _trigger(family: str, name: str, statement: str, table: str, when: str, does: str) -> list[str]:
    head = f"CREATE TRIGGER {name} AFTER {statement} ON {table} FOR EACH ROW"
    match family:
        case "sqlite":
            return [f"{head} WHEN {when} BEGIN {does}; END"]
        case "postgresql":
            function = f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; RETURN NULL; END $$"
            return [function, f"{head} WHEN ({when}) EXECUTE FUNCTION {name}()"]
        case _:
            return [f"{head} {does}"]


def introduce(engine: Engine) -> None:
    """Let each connection of this process say who it is."""
    family = _family(engine)
    me = os.getpid()

    def connected(connection: Any, _record: Any) -> None:
        if family == "sqlite":
            connection.create_function("chaos_writer", 0, lambda: me)
            return
        says = (
            "SELECT set_config('chaos.writer', %s, false)"
            if family == "postgresql"
            else "SET @chaos_writer = %s"
        )
        with connection.cursor() as cursor:
            cursor.execute(says, (str(me) if family == "postgresql" else me,))
        connection.commit()

    event.listen(engine, "connect", connected)


def held_by(database: Database, process: int) -> dict[str, int]:
    """The threads that a process holds, and their tokens."""
    return dict(
        _rows(database, f"{_HOLDERS} WHERE t.lease_run IS NOT NULL AND l.writer = :writer", writer=process)
    )


def tokens(database: Database) -> dict[str, int]:
    """The token of every thread."""
    return dict(_rows(database, "SELECT thread_id, token FROM gk_threads"))


def stale_writes(database: Database) -> list[str]:
    """What somebody wrote on a thread that they did not hold."""
    found = _rows(database, "SELECT what, thread_id, writer, holder FROM chaos_stale")
    return [
        f"{what} on {thread} by {writer}, while {holder} held it" for what, thread, writer, holder in found
    ]


def leases(database: Database) -> int:
    """How often a thread was taken."""
    ((count,),) = _rows(database, "SELECT count(*) FROM chaos_leases")
    return count


_HOLDERS = """
SELECT t.thread_id, t.token FROM gk_threads t JOIN chaos_leases l ON l.thread_id = t.thread_id AND l.token = t.token
"""


def _rows(database: Database, statement: str, **bound: Any) -> list[Any]:
    with database.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement), bound)]
