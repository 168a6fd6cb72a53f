"""Ids of approvals by what they begin with."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from guardkit.sql.tables import approvals


def beginning(connection: Connection, prefix: str, *, tenant: str | None, limit: int) -> Sequence[str]:
    """Ids that begin with these hex digits, in order: a range of the primary key, however many there are.

    Args:
        connection: a transaction.
        prefix: lower-case hex digits.
        tenant: only this tenant's.
        limit: the most ids.
    """
    chosen = select(approvals.c.id).where(approvals.c.id >= prefix, approvals.c.id < f"{prefix}g")
    if tenant is not None:
        chosen = chosen.where(approvals.c.tenant == tenant)
    return connection.execute(chosen.order_by(approvals.c.id).limit(limit)).scalars().all()
