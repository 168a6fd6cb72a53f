"""Threads are found by status, agent, principal and last activity, each by an index.

The rows that are there are filled from their latest turns; a turn's begin stands for its last activity. A process of an
older release that still runs does not keep the new columns up: what it opens is listed last until its next run.

Revision ID: 0009
Revises: 0005
"""

import hashlib
import json
from typing import Any

import rfc8785
import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = (
    ("gk_threads_active", "gk_threads", ["tenant", "active_at", "thread_id"]),
    ("gk_threads_status", "gk_threads", ["tenant", "status", "active_at", "thread_id"]),
    ("gk_threads_agent", "gk_threads", ["tenant", "agent_hash", "active_at", "thread_id"]),
    ("gk_threads_principal", "gk_threads", ["tenant", "principal_hash", "active_at", "thread_id"]),
    ("gk_approvals_state", "gk_approvals", ["tenant", "state", "thread_id"]),
)
COLUMNS = ("status", "active_at", "agent_hash", "principal_hash")
BATCH = 1000

REFILLED = {
    "gk_threads.status": "gk_turns",
    "gk_threads.agent_hash": "gk_turns",
    "gk_threads.principal_hash": "gk_turns",
}
"""Columns that `upgrade` fills as they were, and where from. The last activity is not among them."""


def name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("gk_threads", sa.Column("status", name(16), nullable=False, server_default="running"))
    op.add_column("gk_threads", sa.Column("active_at", sa.BigInteger(), nullable=False, server_default="0"))
    for column in ("agent_hash", "principal_hash"):
        op.add_column("gk_threads", sa.Column(column, name(32), nullable=False, server_default=""))
    fill()
    for index, table, columns in INDEXES:
        op.create_index(index, table, columns)


def fill() -> None:
    threads = sa.table("gk_threads", *map(sa.column, ("tenant", "thread_id", "agent", "turn", *COLUMNS)))
    turns = sa.table(
        "gk_turns", *map(sa.column, ("tenant", "thread_id", "number", "status", "principal", "opened_at"))
    )
    latest = (
        sa.select(
            threads.c.tenant,
            threads.c.thread_id,
            threads.c.agent,
            turns.c.status,
            turns.c.principal,
            turns.c.opened_at,
        )
        .join(
            turns,
            sa.and_(
                turns.c.tenant == threads.c.tenant,
                turns.c.thread_id == threads.c.thread_id,
                turns.c.number == threads.c.turn,
            ),
        )
        .order_by(threads.c.tenant, threads.c.thread_id)
        .limit(BATCH)
    )
    put = (
        sa.update(threads)
        .where(
            threads.c.tenant == sa.bindparam("of_tenant"), threads.c.thread_id == sa.bindparam("of_thread")
        )
        .values({column: sa.bindparam(f"new_{column}") for column in COLUMNS})
    )
    connection, chosen = op.get_bind(), latest
    while rows := connection.execute(chosen).all():
        connection.execute(put, [_filled(row) for row in rows])
        last = rows[-1]
        further = sa.and_(threads.c.tenant == last.tenant, threads.c.thread_id > last.thread_id)
        chosen = latest.where(sa.or_(threads.c.tenant > last.tenant, further))


def _filled(row: Any) -> dict[str, Any]:
    principal = json.loads(row.principal)["value"]
    return {
        "of_tenant": row.tenant,
        "of_thread": row.thread_id,
        "new_status": row.status,
        "new_active_at": row.opened_at,
        "new_agent_hash": _hash("guardkit.thread-agent.v1", row.agent.removesuffix("@embedded")),
        "new_principal_hash": _hash("guardkit.thread-principal.v1", [principal["tenant"], principal["id"]]),
    }


def _hash(domain: str, value: Any) -> str:
    return hashlib.sha256(rfc8785.dumps([domain, value])).hexdigest()[:32]


def downgrade() -> None:
    for index, table, _ in reversed(INDEXES):
        op.drop_index(index, table)
    for column in reversed(COLUMNS):
        op.drop_column("gk_threads", column)
