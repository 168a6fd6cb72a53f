"""Legal holds.

A removal holds the gate's row shared while it looks for holds and until it commits; setting a hold takes it alone. So
once `set_hold` has returned, no removal that did not see the hold can still come through. SQLite has one writer, which
says the same. The gate is taken before the row of any thread.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, Row, or_, select, update

from guardkit.core.audit import AuditEvent
from guardkit.core.retention import LegalHold
from guardkit.errors import InputError, LegalHoldError
from guardkit.sql import audit, dialects, names
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.secrecy import opened, sealed
from guardkit.sql.side_tables import hold_gate, holds

_IN_FORCE = holds.c.lifted_at.is_(None)


def set_hold(connection: Connection, hold: LegalHold) -> LegalHold:
    """Put a hold in force, audited.

    Raises:
        InputError: one of its names cannot be kept, or its id is taken.
    """
    _check(hold)
    _gate(connection, alone=True)
    there = connection.execute(select(holds).where(holds.c.id == hold.id)).one_or_none()
    if there is not None:
        before = _read(connection, there)
        if before != hold.model_copy(update={"at": before.at, "why": names.plain(hold.why)}):
            raise InputError(f"hold {hold.id!r} exists already", remedy="give a new hold a new id")
        return before
    now = dialects.now(connection)
    placed = hold.model_copy(update={"at": now, "why": names.plain(hold.why)})
    row = {
        "id": placed.id,
        "tenant": placed.tenant,
        "thread_id": placed.thread_id,
        "set_by": placed.by,
        "why": placed.why,
        "set_at": now,
    }
    dialects.insert_new(connection, holds, sealed(connection, holds, row))
    audit.append(connection, placed.tenant, [_event("hold.set", placed, by=placed.by)], now)
    return placed


def lift_hold(connection: Connection, tenant: str, hold_id: str, *, by: str, why: str) -> bool:
    """Lift a hold, audited. Returns whether it was in force."""
    _said(by=by, why=why)
    one = (holds.c.tenant == tenant, holds.c.id == hold_id)
    row = connection.execute(select(holds).where(*one).with_for_update()).one_or_none()
    if row is None or row.lifted_at is not None:
        return False
    now = dialects.now(connection)
    lifted = {"lifted_at": now, "lifted_by": by, "lifted_why": names.plain(why)}
    connection.execute(update(holds).where(*one).values(**sealed(connection, holds, lifted, row)))
    audit.append(connection, tenant, [_event("hold.lifted", _read(connection, row), by=by)], now)
    return True


def listed(connection: Connection, tenant: str | None, *, lifted: bool) -> list[LegalHold]:
    """Holds, oldest first; of every tenant when `tenant` is `None`."""
    chosen = select(holds).order_by(holds.c.set_at, holds.c.id)
    if tenant is not None:
        chosen = chosen.where(holds.c.tenant == tenant)
    if not lifted:
        chosen = chosen.where(_IN_FORCE)
    return [_read(connection, row) for row in connection.execute(chosen)]


def covering(
    tenant: str, thread_id: ColumnElement[str] | Collection[str] | None
) -> list[ColumnElement[bool]]:
    """What says of a hold that it is in force on a tenant, or on threads of it unless these are `None`."""
    whole = holds.c.thread_id.is_(None)
    of_tenant = [holds.c.tenant == tenant, _IN_FORCE]
    if thread_id is None:
        return [*of_tenant, whole]
    if isinstance(thread_id, ColumnElement):
        return [*of_tenant, or_(whole, holds.c.thread_id == thread_id)]
    return [*of_tenant, or_(whole, holds.c.thread_id.in_(thread_id))]


def on_tenant(connection: Connection, tenant: str) -> bool:
    """Whether a whole tenant is held."""
    return connection.execute(select(holds.c.id).where(*covering(tenant, None)).limit(1)).first() is not None


def require_none(connection: Connection, tenant: str, thread_ids: Collection[str]) -> None:
    """See that nothing holds any of a tenant's threads, and keep it so until this transaction ends.

    Raises:
        LegalHoldError: something does.
    """
    share_gate(connection)
    found = connection.execute(
        select(holds).where(*covering(tenant, thread_ids)).order_by(holds.c.set_at).limit(1)
    ).one_or_none()
    if found is not None:
        what = f"tenant {tenant!r}" if found.thread_id is None else f"thread {found.thread_id!r}"
        raise LegalHoldError(
            f"{what} is under legal hold {found.id!r}; nothing was removed",
            hold=found.id,
            remedy="see guardkit db hold list",
        )


def share_gate(connection: Connection) -> None:
    """Keep holds from being set until this transaction ends."""
    _gate(connection, alone=False)


def _gate(connection: Connection, *, alone: bool) -> None:
    if dialects.family(connection) != "sqlite":
        connection.execute(select(hold_gate.c.id).with_for_update(read=not alone))


def _check(hold: LegalHold) -> None:
    names.checked("hold.id", hold.id, NAME_LENGTH)
    names.tenant(hold.tenant)
    if hold.thread_id is not None:
        names.thread(hold.thread_id)
    _said(by=hold.by, why=hold.why)
    if hold.lifted_at is not None:
        raise InputError(f"hold {hold.id!r} is lifted", remedy="set a new one")


def _said(*, by: str, why: str) -> None:
    names.checked("by", by, NAME_LENGTH)
    if not why.strip():
        raise InputError("why is empty", remedy="say why, for those who ask later")


def _event(kind: str, hold: LegalHold, *, by: str) -> AuditEvent:
    scope = "tenant" if hold.thread_id is None else "thread"
    return AuditEvent(
        kind=kind,
        thread_id=hold.thread_id,
        data={"hold": hold.id, "scope": scope, "target": hold.thread_id, "by": by},
    )


def _read(connection: Connection, found: Row[tuple[object, ...]]) -> LegalHold:
    row = opened(connection, holds, found)
    return LegalHold(
        id=row.id,
        tenant=row.tenant,
        thread_id=row.thread_id,
        by=row.set_by,
        why=row.why,
        at=row.set_at,
        lifted_at=row.lifted_at,
        lifted_by=row.lifted_by,
        lifted_why=row.lifted_why,
    )
