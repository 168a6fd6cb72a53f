"""Looking a database over: whether its tables are those of the code, and whether what rests on something has it."""

from collections import Counter
from decimal import Decimal
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Select, and_, func, select
from sqlalchemy.sql.schema import Column, Index, SchemaItem, Table

from guardkit.core.amounts import is_amount
from guardkit.core.values import Value
from guardkit.errors import ConfigurationError, SealError
from guardkit.sql import namespaces, schema
from guardkit.sql.database import Database
from guardkit.sql.encrypting import check_encryption
from guardkit.sql.engines import Target, backend, reading
from guardkit.sql.faults import told
from guardkit.sql.side_tables import metadata, standing
from guardkit.sql.tables import audit, audit_heads, blobs

_OLDER_BASE = blobs.alias("base")
_REPAIR = "restore the database from a backup"


class Inspected(Value):
    """One thing that was looked at."""

    what: str
    ok: bool
    says: str
    remedy: str | None = None


def inspect_database(database: Database | Target) -> list[Inspected]:
    """Look a database over, without a change to it.

    Tables, columns with their types, and indexes are compared with those that the code needs; the newest entry of each audit chain with
    the chain's head; every value that is a difference with the older one that it rests on. Of a `Database` with keys every encrypted value
    is opened.

    Raises:
        ConfigurationError: not a database that guardkit knows.
        StorageError: it cannot be reached.
    """
    target = database.engine if isinstance(database, Database) else database
    found_at = schema.look(target)
    remedy = "upgrade guardkit" if found_at.tables == "newer" else "run `guardkit db upgrade`"
    current = found_at.tables == "current"
    found = [Inspected(what="revision", ok=current, says=str(found_at), remedy=None if current else remedy)]
    if not current:
        return found
    opened = backend(target, busy_timeout=30.0, connections=1)
    try:
        with told(opened.location, sqlite=opened.sqlite), reading(opened.engine) as connection:
            namespaces.enter(connection)
            shape = _shape(connection)
            found += shape or [Inspected(what="tables", ok=True, says="are those of this guardkit")]
            if not shape:
                found += [_values(connection), _counts(connection), *_chains(connection)]
        if not shape and isinstance(database, Database):
            found += _encryption(database)
    finally:
        if opened.owned:
            opened.engine.dispose()
    return found


def _shape(connection: Connection) -> list[Inspected]:
    """What is missing, and what is there besides. Tables of other programs are not looked at."""
    options: dict[str, Any] = {
        "version_table": schema.VERSION_TABLE,
        "include_name": _is_own,
        "compare_type": True,
    }
    context = MigrationContext.configure(connection, opts=options)
    differences: list[object] = []
    for one in compare_metadata(context, metadata):
        differences += one if isinstance(one, list) else [one]  # what differs of one column is a list
    return [found for one in differences if (found := _difference(one)) is not None]


def _is_own(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or str(name).startswith("gk_")


def _difference(one: object) -> Inspected | None:
    if not isinstance(one, tuple) or not one:
        return None
    does = str(one[0])  # pyright: ignore[reportUnknownArgumentType]
    item = next((part for part in one if isinstance(part, SchemaItem)), None)  # pyright: ignore[reportUnknownVariableType]
    verb, _, kind = does.partition("_")
    if verb == "modify":
        return _modified(kind, *map(str, one[2:4]), *one[-2:])  # pyright: ignore[reportUnknownArgumentType]
    if item is None or verb not in ("add", "remove") or kind not in ("table", "column", "index"):
        return None
    name = _name(item)
    if verb == "add":
        return Inspected(what="tables", ok=False, says=f"the {kind} {name} is missing", remedy=_REPAIR)
    return Inspected(what="tables", ok=False, says=f"the {kind} {name} is not guardkit's", remedy="drop it")


def _modified(kind: str, table: str, column: str, found: object, needed: object) -> Inspected | None:
    """What differs of a column that is there."""
    match kind:
        case "type":
            says = f"the column {table}.{column} is {found!s}, and {needed!s} is needed"
        case "nullable":
            says = f"the column {table}.{column} {'may' if found else 'may not'} be empty, which is wrong"
        case _:
            return None
    return Inspected(what="tables", ok=False, says=says, remedy=_REPAIR)


def _name(item: SchemaItem) -> str:
    match item:
        case Column():
            return f"{item.table.name}.{item.name}"
        case Index() | Table():
            return str(item.name)
        case _:
            return type(item).__name__


def _values(connection: Connection) -> Inspected:
    count = connection.execute(_orphans()).scalar_one()
    if count:
        says = f"{count} values rest on an older one that is gone"
        return Inspected(what="checkpoints", ok=False, says=says, remedy=_REPAIR)
    return Inspected(what="checkpoints", ok=True, says="every value has what it rests on")


def _encryption(database: Database) -> list[Inspected]:
    """Whether all that is encrypted opens with the keys that are there, and nothing is in clear that may not be."""
    try:
        checked = check_encryption(database)
    except (ConfigurationError, SealError) as error:
        return [Inspected(what="encryption", ok=False, says=error.message, remedy=error.remedy)]
    if not database.vault.keyed:
        return []
    bad = [one for one in checked if one.bad]
    if bad:
        return [
            Inspected(
                what="encryption",
                ok=False,
                says=f"{one.bad} of {one.values} values in {one.table} do not open: {one.problem}",
                remedy=_REPAIR,
            )
            for one in bad
        ]
    keys: Counter[str] = Counter()
    for one in checked:
        keys.update(one.keys)
    told = ", ".join(f"{count} by key {key}" if key else f"{count} in clear" for key, count in keys.items())
    return [Inspected(what="encryption", ok=True, says=f"every value opens: {told or 'there is none'}")]


def _orphans() -> Select[int]:
    older = _OLDER_BASE.c
    joined = blobs.outerjoin(
        _OLDER_BASE,
        and_(
            older.tenant == blobs.c.tenant,
            older.thread_id == blobs.c.thread_id,
            older.ns_hash == blobs.c.ns_hash,
            older.channel == blobs.c.channel,
            older.version == blobs.c.base,
        ),
    )
    return select(func.count()).select_from(joined).where(blobs.c.base.is_not(None), older.version.is_(None))


def _counts(connection: Connection) -> Inspected:
    """Whether no standing approval was used more often, or for more, than it was given for."""
    rows = connection.execute(select(standing.c.uses, standing.c.used, standing.c.at_most, standing.c.spent))
    beyond = sum(
        not 0 <= row.used <= row.uses
        or is_amount(row.spent) is None
        or (row.at_most is not None and Decimal(row.spent) > Decimal(row.at_most))
        for row in rows
    )
    if beyond:
        says = f"{beyond} were used for more than they were given for"
        return Inspected(what="standing approvals", ok=False, says=says, remedy="run `guardkit audit verify`")
    return Inspected(what="standing approvals", ok=True, says="none was used for more than it was given for")


def _chains(connection: Connection) -> list[Inspected]:
    """Whether each chain ends where its head says. `guardkit audit verify` looks at every entry."""
    # Ends first: a chain that grows meanwhile has its head at least there.
    ends = {
        row.tenant: row.seq
        for row in connection.execute(
            select(audit.c.tenant, func.max(audit.c.seq).label("seq")).group_by(audit.c.tenant)
        )
    }
    heads = {row.tenant: row for row in connection.execute(select(audit_heads))}
    broken: list[Inspected] = []
    for tenant in sorted({*heads, *ends}):
        head, end = heads.get(tenant), ends.get(tenant)
        last = None
        if head is not None:
            last = connection.execute(
                select(audit.c.hash).where(audit.c.tenant == tenant, audit.c.seq == head.seq)
            ).scalar()
        beyond = head is None or head.seq < (end or 0)
        if beyond or (head is not None and head.seq > 0 and last != head.hash):
            says = f"the chain of {tenant!r} does not end where its head says"
            broken.append(Inspected(what="audit", ok=False, says=says, remedy="run `guardkit audit verify`"))
    return broken or [Inspected(what="audit", ok=True, says=f"{len(ends)} chains end where their heads say")]
