"""Reviews of broken glasses.

Revision ID: 0012
Revises: 0011
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def text() -> sa.Text:
    return sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "gk_reviews",
        sa.Column("approval_id", name(64), primary_key=True),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("thread_id", name(255), nullable=False),
        sa.Column("review", text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("noted_at", sa.BigInteger()),
        sa.Column("closed_at", sa.BigInteger()),
        **TABLE,
    )
    op.create_index("gk_reviews_tenant", "gk_reviews", ["tenant", "closed_at", "due_at"])
    op.create_index("gk_reviews_due", "gk_reviews", ["closed_at", "noted_at", "due_at"])


def downgrade() -> None:
    op.drop_table("gk_reviews")
