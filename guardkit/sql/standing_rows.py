"""Standing approvals as rows: written when they are given, counted down when they are used, revoked once."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, insert, not_, select, update

from guardkit.core.audit import AuditEvent
from guardkit.core.runs import RunRef
from guardkit.core.standing import StandingApproval, StandingGrant, StandingRevocation, StandingUse
from guardkit.errors import UnknownApprovalError
from guardkit.sql import audit, dialects
from guardkit.sql.codec import damaged, dump, load
from guardkit.sql.secrecy import opened, sealed
from guardkit.sql.side_tables import standing
from guardkit.sql.vault import vault_of

_ALL: Select[Any] = select(standing)


def active(now: float) -> ColumnElement[bool]:
    """Whether a row is good for something, as far as columns tell."""
    return and_(
        standing.c.revoked_at.is_(None),
        standing.c.until > now,
        standing.c.used < standing.c.uses,
    )


def write_new(connection: Connection, grant: StandingGrant) -> None:
    """Insert a standing approval that was just given."""
    row = {
        "id": grant.id,
        "tenant": grant.subject.tenant,
        "approval_id": grant.approval_id,
        "thread_id": grant.subject.thread_id,
        "who": vault_of(connection).hashed(grant.key),
        "given": dump(grant),
        "uses": grant.uses,
        "used": 0,
        "at_most": None if grant.amount is None else grant.amount.at_most,
        "spent": "0",
        "given_at": grant.given_at,
        "until": grant.until,
    }
    connection.execute(insert(standing).values(**sealed(connection, standing, row)))


def find(connection: Connection, tenant: str, standing_id: str) -> StandingApproval | None:
    """One of a tenant's."""
    row = connection.execute(_of(tenant, standing_id)).one_or_none()
    return None if row is None else _read(connection, row)


def listed(
    connection: Connection, tenant: str | None, *, thread_id: str | None, only: bool | None, limit: int
) -> list[StandingApproval]:
    """Standing approvals, newest first."""
    chosen = _ALL.order_by(standing.c.given_at.desc(), standing.c.id).limit(limit)
    if tenant is not None:
        chosen = chosen.where(standing.c.tenant == tenant)
    if thread_id is not None:
        chosen = chosen.where(standing.c.thread_id == thread_id)
    if only is not None:
        good = active(dialects.now(connection))
        chosen = chosen.where(good if only else not_(good))
    return [_read(connection, row) for row in connection.execute(chosen)]


def fitting(connection: Connection, tenant: str, key: str, limit: int) -> list[StandingApproval]:
    """Those with a key that are good for something; what ends first comes first."""
    chosen = (
        _ALL.where(
            standing.c.tenant == tenant,
            vault_of(connection).is_hash(standing.c.who, key),
            active(dialects.now(connection)),
        )
        .order_by(standing.c.until, standing.c.id)
        .limit(limit)
    )
    return [_read(connection, row) for row in connection.execute(chosen)]


def lapsed(
    connection: Connection, run: RunRef, use: StandingUse, *, tool: str, now: float
) -> StandingApproval | str:
    """The row of a use, locked, as far as it reaches; else why it does not."""
    checked = use.standing.grant
    if use.replay:
        return "the action was started before"
    row = connection.execute(_of(run.tenant, checked.id).with_for_update()).one_or_none()
    stored = None if row is None else _read(connection, row)
    if stored is None:
        return "there is no such standing approval"
    if not stored.grant.is_same(checked):
        return "the standing approval has changed since it was checked"
    subject = checked.subject
    elsewhere = checked.scope == "thread" and subject.thread_id != run.thread_id
    if (subject.tenant, subject.tool) != (run.tenant, tool) or elsewhere:
        return "the standing approval is for other actions"
    why = stored.lapsed(use.amount, now)
    return stored if why is None else why


def count_down(
    connection: Connection, run: RunRef, use: StandingUse, stored: StandingApproval, action_id: str
) -> AuditEvent:
    """Count one use. Returns what the audit log has of it."""
    after = stored.counted(use.amount)
    connection.execute(
        update(standing)
        .where(standing.c.tenant == run.tenant, standing.c.id == stored.id)
        .values(used=after.used, spent=after.spent)
    )
    return use.event(after, turn=run.turn, thread_id=run.thread_id, action_id=action_id)


def revoke(
    connection: Connection, revocation: StandingRevocation, events: Sequence[AuditEvent]
) -> StandingApproval | None:
    """End one; see `guardkit.core.standing.StandingApprovals.revoke_standing`."""
    tenant = revocation.tenant
    row = connection.execute(_of(tenant, revocation.standing_id).with_for_update()).one_or_none()
    if row is None:
        raise UnknownApprovalError(
            f"there is no standing approval {revocation.standing_id!r} of tenant {tenant!r}"
        )
    before = _read(connection, row)
    if before.revocation is not None:
        return None
    now = dialects.now(connection)
    of = {"id": revocation.standing_id, "tenant": tenant}
    written = sealed(connection, standing, {"revocation": dump(revocation)}, of)
    connection.execute(
        update(standing)
        .where(standing.c.tenant == tenant, standing.c.id == revocation.standing_id)
        .values(revoked_at=now, **written)
    )
    audit.append(connection, tenant, events, now)
    return before.model_copy(update={"revocation": revocation})


def _of(tenant: str, standing_id: str) -> Select[Any]:
    return _ALL.where(standing.c.tenant == tenant, standing.c.id == standing_id)


def _read(connection: Connection, found: Row[Any]) -> StandingApproval:
    row = opened(connection, standing, found)
    revocation = None if row.revocation is None else load(StandingRevocation, row.revocation)
    try:
        return StandingApproval(
            grant=load(StandingGrant, row.given), used=row.used, spent=row.spent, revocation=revocation
        )
    except ValidationError as error:
        raise damaged("standing approval", error) from None
