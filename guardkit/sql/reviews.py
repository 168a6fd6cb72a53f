"""Reviews of broken glasses as rows."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from guardkit.core.audit import AuditEvent
from guardkit.core.reviews import Review
from guardkit.sql import audit, dialects
from guardkit.sql.codec import dump, load
from guardkit.sql.secrecy import opened, sealed
from guardkit.sql.side_tables import reviews

_ALL: Select[Any] = select(reviews)


def write_new(connection: Connection, review: Review) -> None:
    """Insert a review."""
    row = {
        "approval_id": review.approval_id,
        "tenant": review.tenant,
        "thread_id": review.thread_id,
        "due_at": review.due_at,
        **_changing(review),
    }
    connection.execute(insert(reviews).values(**sealed(connection, reviews, row)))


def find(connection: Connection, tenant: str, approval_id: str) -> Review | None:
    """The review of a tenant's approval."""
    row = connection.execute(
        _ALL.where(reviews.c.approval_id == approval_id, reviews.c.tenant == tenant)
    ).one_or_none()
    return None if row is None else _read(connection, row)


def listed(connection: Connection, tenant: str | None, *, closed: bool | None, limit: int) -> list[Review]:
    """Reviews, longest due first."""
    chosen = _ALL.order_by(reviews.c.due_at, reviews.c.approval_id).limit(limit)
    if tenant is not None:
        chosen = chosen.where(reviews.c.tenant == tenant)
    if closed is not None:
        at = reviews.c.closed_at
        chosen = chosen.where(at.is_not(None) if closed else at.is_(None))
    return [_read(connection, row) for row in connection.execute(chosen)]


def unnoted(connection: Connection, limit: int) -> list[Review]:
    """Reviews that are overdue and not noted as such, longest due first."""
    chosen = _ALL.where(
        reviews.c.closed_at.is_(None),
        reviews.c.noted_at.is_(None),
        reviews.c.due_at <= dialects.now(connection),
    ).order_by(reviews.c.due_at, reviews.c.approval_id)
    return [_read(connection, row) for row in connection.execute(chosen.limit(limit))]


def change(connection: Connection, before: Review, after: Review, events: Sequence[AuditEvent]) -> bool:
    """Store a changed review; see `guardkit.core.reviews.Reviews.change_review`."""
    own = (reviews.c.approval_id == before.approval_id, reviews.c.tenant == before.tenant)
    row = connection.execute(_ALL.where(*own).with_for_update()).one_or_none()
    if row is None or _read(connection, row) != before:
        return False
    changed = sealed(connection, reviews, _changing(after), row)
    connection.execute(update(reviews).where(*own).values(**changed))
    audit.append(connection, before.tenant, events, dialects.now(connection))
    return True


def _read(connection: Connection, row: Row[Any]) -> Review:
    return load(Review, opened(connection, reviews, row).review)


def _changing(review: Review) -> dict[str, Any]:
    return {
        "review": dump(review),
        "noted_at": review.noted_at,
        "closed_at": None if review.closed is None else review.closed.at,
    }
