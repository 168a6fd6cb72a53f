"""Legal holds, and the gate that keeps removals and the setting of holds apart.

A process of an older release does not look for holds; stop it before one is set.

Revision ID: 0010
Revises: 0009
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

REFILLED = {"gk_hold_gate": "nothing: it has one row"}
"""Tables that `upgrade` fills as they were, and where from."""

TABLE: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


def name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def text() -> sa.Text:
    return sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "gk_holds",
        sa.Column("id", name(255), nullable=False),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("thread_id", name(255)),
        sa.Column("set_by", text(), nullable=False),
        sa.Column("why", text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger()),
        sa.Column("lifted_by", text()),
        sa.Column("lifted_why", text()),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.create_index("gk_holds_tenant", "gk_holds", ["tenant", "thread_id"])
    op.create_table(
        "gk_hold_gate",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **TABLE,
    )
    op.execute("INSERT INTO gk_hold_gate (id) VALUES (1)")


def downgrade() -> None:
    op.drop_table("gk_hold_gate")
    op.drop_index("gk_holds_tenant", "gk_holds")
    op.drop_table("gk_holds")
