"""Standing approvals: what people said yes to in advance, and what is left of it.

Revision ID: 0014
Revises: 0012
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

UNREADABLE = {"gk_approvals": "request LIKE '%\"standing\":{%' OR decisions LIKE '%\"standing\":{%'"}
"""Questions that offer standing approvals, and decisions that give them: older code knows neither."""

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
        "gk_standing",
        sa.Column("id", name(64), primary_key=True),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("approval_id", name(64), nullable=False),
        sa.Column("thread_id", name(255), nullable=False),
        sa.Column("who", name(32), nullable=False),
        sa.Column("given", text(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("at_most", sa.String(64)),
        sa.Column("spent", sa.String(64), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("revocation", text()),
        **TABLE,
    )
    op.create_index("gk_standing_who", "gk_standing", ["tenant", "who", "until"])
    op.create_index("gk_standing_given", "gk_standing", ["tenant", "given_at"])
    op.create_index("gk_standing_thread", "gk_standing", ["tenant", "thread_id"])
    op.create_index("gk_standing_approval", "gk_standing", ["approval_id"])
    op.add_column("gk_effects", sa.Column("standing_id", sa.String(64)))


def downgrade() -> None:
    op.drop_column("gk_effects", "standing_id")
    op.drop_table("gk_standing")
