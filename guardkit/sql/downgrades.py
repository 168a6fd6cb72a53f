"""Taking a database back to the tables of an older guardkit, and what that would lose."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from alembic import command
from alembic.script import Script, ScriptDirectory
from sqlalchemy import (
    ColumnElement,
    Connection,
    Inspector,
    String,
    and_,
    cast,
    column,
    create_engine,
    func,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.sql.schema import DefaultClause

from guardkit.core.audit import AuditEvent
from guardkit.core.values import Value
from guardkit.errors import BusyError, InputError
from guardkit.sql import audit, dialects, names, namespaces, schema
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.database import Database
from guardkit.sql.engines import Backend, Target, reading, writing
from guardkit.sql.faults import told
from guardkit.sql.side_tables import metadata
from guardkit.sql.tables import threads

_Shape: TypeAlias = Mapping[str, frozenset[str]]
"""Tables and their columns."""

Obstacle: TypeAlias = Literal["held", "unreadable", "lost"]


class Rows(Value):
    """Rows of which something does not survive a downgrade."""

    what: str
    """A table, or a column as `table.column`."""

    rows: int


class Downgrade(Value):
    """What taking a database back to an older revision means."""

    location: str
    """Without a password."""

    from_revision: str
    to_revision: str
    lost: tuple[Rows, ...] = ()
    """What would be gone."""

    unreadable: tuple[Rows, ...] = ()
    """What stays, and what the older code cannot read."""

    held: tuple[str, ...] = ()
    """Threads that runs hold, as `tenant/thread`; the first ten."""

    def obstacle(self, *, allow_loss: bool) -> Obstacle | None:
        """Why it is refused."""
        if self.held:
            return "held"
        if self.unreadable:
            return "unreadable"
        return "lost" if self.lost and not allow_loss else None


def plan_downgrade(database: Database | Target, revision: str) -> Downgrade:
    """Say what taking a database back to an older revision would lose, without a change to it.

    Raises:
        ConfigurationError: not a database that guardkit knows, or one of a newer guardkit.
        InputError: the revision is not an older one of guardkit's.
        StorageError: the database cannot be reached.
    """
    with (
        _opened(database) as found,
        told(found.location, sqlite=found.sqlite),
        reading(found.engine) as connection,
    ):
        namespaces.enter(connection)
        return _plan(connection, found.location, revision)


def downgrade(database: Database | Target, revision: str, *, by: str, allow_loss: bool = False) -> Downgrade:
    """Take a database back to the tables of an older guardkit. Rows of tables that stay are not touched.

    It is written to the audit log first. On MariaDB and MySQL, whose changes of tables are not transactions, a process
    that dies under way can leave tables of no revision: take a backup first.

    Args:
        database: the database, or its URL. Nothing else may use it meanwhile.
        revision: where to.
        by: who does it; goes into the audit log.
        allow_loss: whether rows may be lost that the older tables have no place for.

    Raises:
        BusyError: runs hold threads.
        ConfigurationError: not a database that guardkit knows, or one of a newer guardkit.
        InputError: the revision is not an older one of guardkit's, the older code could not read what is there, or rows would
            be lost and may not.
        StorageError: the database cannot be reached.
    """
    with (
        _opened(database) as found,
        told(found.location, sqlite=found.sqlite),
        writing(found.engine) as connection,
        schema.alone(connection),
        _locked(connection),
    ):
        plan = _plan(connection, found.location, revision)
        _refuse(plan, allow_loss=allow_loss)
        event = AuditEvent(
            kind="database.downgraded",
            data={
                "from": plan.from_revision,
                "to": plan.to_revision,
                "by": names.checked("by", by, NAME_LENGTH),
                "lost": [{"what": one.what, "rows": one.rows} for one in plan.lost],
            },
        )
        audit.append(connection, names.EVERYBODY, [event], dialects.now(connection))
        with schema.ALEMBIC:
            command.downgrade(schema.config(connection), plan.to_revision)
    return plan


@contextmanager
def _opened(database: Database | Target) -> Generator[Backend]:
    with schema.opened(database.engine if isinstance(database, Database) else database) as found:
        if found.missing():  # connecting would create the file
            raise InputError(f"{found.location} is not there")
        yield found


@contextmanager
def _locked(connection: Connection) -> Generator[None]:
    """The tables for oneself: nobody takes a lease between the look and the change."""
    own = sorted(name for name in inspect(connection).get_table_names() if name.startswith("gk_"))
    if threads.name not in own:
        yield
        return
    match dialects.family(connection):
        case "sqlite":
            yield
        case "postgresql":
            connection.execute(text(f"LOCK TABLE {threads.name} IN ACCESS EXCLUSIVE MODE"))
            yield
        case _:
            # Neither COMMIT nor a change of a table gives them back.
            connection.execute(text("LOCK TABLES " + ", ".join(f"{name} WRITE" for name in own)))
            try:
                yield
            finally:
                connection.execute(text("UNLOCK TABLES"))


def _plan(connection: Connection, location: str, to: str) -> Downgrade:
    at = schema.revision(connection, location)
    if at is None:
        raise InputError(f"{location} has no tables of guardkit's")
    schema.is_behind(connection, location)  # refuses one that is newer
    scripts = ScriptDirectory.from_config(schema.config())
    steps = {script.revision: script for script in scripts.iterate_revisions(at, "base")}
    if to == at or to not in steps:
        raise InputError(
            f"{to!r} is no revision of guardkit's that is older than {at!r}, where {location} is",
            remedy=f"name one of {', '.join(sorted(steps.keys() - {at}))}" if len(steps) > 1 else None,
        )
    undone = list(scripts.iterate_revisions(at, to))
    before, after = _shapes(at, to)
    return Downgrade(
        location=location,
        from_revision=at,
        to_revision=to,
        lost=tuple(_lost(connection, before, after, _declared(undone, "REFILLED"))),
        unreadable=tuple(_unreadable(connection, undone, after)),
        held=_held(connection),
    )


@lru_cache(maxsize=8)
def _shapes(at: str, to: str) -> tuple[_Shape, _Shape]:
    """The tables of two revisions. The migrations say it themselves: they are run on an empty database."""
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection, schema.ALEMBIC:
            config = schema.config(connection)
            command.upgrade(config, at)
            before = _shape(inspect(connection))
            command.downgrade(config, to)
            return before, _shape(inspect(connection))
    finally:
        engine.dispose()


def _shape(inspector: Inspector) -> _Shape:
    return {
        name: frozenset(one["name"] for one in inspector.get_columns(name))
        for name in inspector.get_table_names()
    }


def _declared(undone: list[Script], what: str) -> dict[str, Any]:
    """What migrations say about themselves: `REFILLED` tables and columns, which the upgrade fills from others; `UNREADABLE` rows."""
    declared: dict[str, Any] = {}
    for script in undone:
        declared |= getattr(script.module, what, {})
    return declared


def _lost(
    connection: Connection, before: _Shape, after: _Shape, refilled: Mapping[str, object]
) -> Generator[Rows]:
    for name in sorted(before):
        if name not in after:
            if name not in refilled and (rows := _count(connection, name)):
                yield Rows(what=name, rows=rows)
            continue
        for lost in sorted(before[name] - after[name]):
            if f"{name}.{lost}" not in refilled and (rows := _count(connection, name, _says(name, lost))):
                yield Rows(what=f"{name}.{lost}", rows=rows)


def _says(name: str, lost: str) -> Any:
    """Whether a column holds anything but what it is born with."""
    there: ColumnElement[Any] = column(lost)
    known = metadata.tables[name].columns.get(lost) if name in metadata.tables else None
    born = known.server_default if known is not None else None
    if isinstance(born, DefaultClause) and isinstance(born.arg, str):
        return and_(there.is_not(None), cast(there, String) != born.arg)
    return there.is_not(None)


def _unreadable(connection: Connection, undone: list[Script], after: _Shape) -> Generator[Rows]:
    for name, condition in sorted(_declared(undone, "UNREADABLE").items()):
        if name in after and (rows := _count(connection, name, text(condition))):
            yield Rows(what=name, rows=rows)


def _count(connection: Connection, name: str, condition: Any = None) -> int:
    chosen = select(func.count()).select_from(table(name))
    return connection.execute(chosen if condition is None else chosen.where(condition)).scalar_one()


def _held(connection: Connection) -> tuple[str, ...]:
    now = dialects.now(connection)
    held = select(threads.c.tenant, threads.c.thread_id).where(threads.c.lease_until > now)
    rows = connection.execute(held.order_by(threads.c.tenant, threads.c.thread_id).limit(10))
    return tuple(f"{row.tenant}/{row.thread_id}" for row in rows)


def _refuse(plan: Downgrade, *, allow_loss: bool) -> None:
    match plan.obstacle(allow_loss=allow_loss):
        case None:
            return
        case "held":
            raise BusyError(
                f"runs hold threads of {plan.location}: {', '.join(plan.held)}",
                remedy="stop agents and workers; a lease of one that died runs out by itself",
            )
        case "unreadable":
            raise InputError(
                f"code of revision {plan.to_revision} cannot read what is in {told_of(plan.unreadable)}",
                remedy="restore a backup from before the upgrade",
            )
        case "lost":
            raise InputError(
                f"revision {plan.to_revision} has no place for {told_of(plan.lost)}",
                remedy="take a backup, and say --allow-loss",
            )


def told_of(rows: tuple[Rows, ...]) -> str:
    """Tables or columns with the number of their rows, e.g. `gk_posts (3 rows)`."""
    return ", ".join(f"{one.what} ({one.rows} row{'' if one.rows == 1 else 's'})" for one in rows)
