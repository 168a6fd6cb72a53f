"""The audit chain as rows. Its head's row is locked last in a transaction, so it is locked for a short time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, union, update
from sqlalchemy.exc import SQLAlchemyError

from guardkit.core.audit import GENESIS, AuditEntry, AuditEvent, chain
from guardkit.core.disclosure import Salts
from guardkit.errors import AuditError, CanonicalError, SealError, StorageError
from guardkit.sql import dialects
from guardkit.sql.codec import dump, dump_json, load, load_json
from guardkit.sql.secrecy import opened, sealed
from guardkit.sql.tables import audit, audit_heads

_HEAD = select(audit_heads.c.seq, audit_heads.c.hash).with_for_update()


def append(connection: Connection, tenant: str, events: Sequence[AuditEvent], now: float) -> None:
    """Give events their place in a tenant's chain.

    Args:
        connection: a transaction that writes.
        tenant: whose chain.
        events: what happened, in order.
        now: seconds since the epoch by the database's clock.

    Raises:
        AuditError: the chain cannot be written. The transaction must not be committed.
    """
    if not events:
        return
    try:
        _append(connection, tenant, events, now)
    except CanonicalError as error:
        raise AuditError(f"an audit event cannot be written: {error.message}") from error
    except SQLAlchemyError as error:
        raise AuditError(
            f"the audit log of tenant {tenant!r} cannot be written: {type(error).__name__}",
            remedy="nothing was done; run `guardkit audit verify` and look at the database",
        ) from error


def _append(connection: Connection, tenant: str, events: Sequence[AuditEvent], now: float) -> None:
    where = audit_heads.c.tenant == tenant
    head = connection.execute(_HEAD.where(where)).one_or_none()
    if head is None:
        dialects.insert_new(connection, audit_heads, {"tenant": tenant, "seq": 0, "hash": GENESIS})
        head = connection.execute(_HEAD.where(where)).one()
    entries = chain(tenant, (head.seq, head.hash), now, events)
    connection.execute(
        insert(audit),
        [sealed(connection, audit, _row(entry)) for entry in entries],
    )
    last = entries[-1]
    connection.execute(update(audit_heads).where(where).values(seq=last.seq, hash=last.hash))


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {
        "tenant": entry.tenant,
        "seq": entry.seq,
        "at": entry.at,
        "kind": entry.event.kind,
        "thread_id": entry.event.thread_id,
        "turn": entry.event.turn,
        "data": dump_json(entry.event.data, path=entry.event.kind),
        "previous": entry.previous,
        "hash": entry.hash,
        "salts": None if entry.salts is None else dump(entry.salts),
    }


def unless_said(events: Sequence[AuditEvent], own: AuditEvent) -> list[AuditEvent]:
    """Events, with the store's own entry unless the caller's say the same kind of thing."""
    return [*events] if any(event.kind == own.kind for event in events) else [*events, own]


def entries(connection: Connection, tenant: str, after: int, limit: int) -> list[AuditEntry]:
    """Entries with `seq > after`, in order.

    Raises:
        AuditError: an entry is no longer readable.
    """
    chosen = select(audit).where(audit.c.tenant == tenant, audit.c.seq > after)
    return _all(connection, chosen.order_by(audit.c.seq).limit(limit), tenant, after)


def history(connection: Connection, tenant: str, thread_id: str) -> list[AuditEntry]:
    """Every entry about a thread, in order.

    Raises:
        AuditError: an entry is no longer readable.
    """
    chosen = select(audit).where(audit.c.tenant == tenant, audit.c.thread_id == thread_id)
    try:
        return _all(connection, chosen.order_by(audit.c.seq), tenant, 0)
    except AuditError:
        raise AuditError(
            f"an audit entry about thread {thread_id!r} was changed after it was written",
            remedy="run `guardkit audit verify`",
        ) from None


def _all(connection: Connection, chosen: Select[Any], tenant: str, after: int) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    try:
        found.extend(_read(opened(connection, audit, row)) for row in connection.execute(chosen))
    except SealError:
        raise
    except (StorageError, TypeError, ValueError):
        # SQLite stores text in columns of numbers, for those who insist.
        raise AuditError(
            f"audit entry {found[-1].seq + 1 if found else after + 1} of tenant {tenant!r} "
            "was changed after it was written",
            remedy="compare with a backup and the newest signed head",
        ) from None
    return found


def _read(row: Any) -> AuditEntry:
    event = AuditEvent.model_validate(
        {"kind": row.kind, "thread_id": row.thread_id, "turn": row.turn, "data": load_json(row.data)}
    )
    return AuditEntry(
        tenant=row.tenant,
        seq=row.seq,
        at=row.at,
        event=event,
        previous=row.previous,
        hash=row.hash,
        salts=None if row.salts is None else load(Salts, row.salts),
    )


def tenants(connection: Connection) -> list[str]:
    """Tenants that have a chain, also one whose head is gone."""
    both = union(select(audit_heads.c.tenant), select(audit.c.tenant).distinct())
    return sorted(connection.execute(both).scalars())


def heads(connection: Connection) -> dict[str, int]:
    """The newest entry of every chain, by its tenant."""
    return {
        row.tenant: row.seq for row in connection.execute(select(audit_heads.c.tenant, audit_heads.c.seq))
    }


def before(connection: Connection, tenant: str, at: float) -> int:
    """The entry after which nothing is older than an instant; see `guardkit.core.ports.Audit.before`."""
    mine = audit.c.tenant == tenant
    first = connection.execute(select(func.min(audit.c.seq)).where(mine, audit.c.at >= at)).scalar_one()
    if first is not None:
        return first - 1
    return connection.execute(select(func.max(audit.c.seq)).where(mine)).scalar_one() or 0
