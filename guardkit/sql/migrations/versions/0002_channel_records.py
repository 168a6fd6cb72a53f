"""What channels remember: copies of questions, contacts, requests that were taken.

Revision ID: 0002
Revises: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0002"
down_revision = "0001"
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
        "gk_posts",
        sa.Column("id", name(64), primary_key=True),
        sa.Column(
            "approval_id",
            name(64),
            sa.ForeignKey("gk_approvals.id", name="gk_posts_approval"),
            nullable=False,
        ),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("channel", text(), nullable=False),
        sa.Column("delivery", sa.String(64)),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("recipient", text(), nullable=False),
        sa.Column("address", text()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("gk_posts_approval", "gk_posts", ["approval_id"])
    op.create_table(
        "gk_contacts",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("contact_hash", name(64), primary_key=True),
        sa.Column("channel", text(), nullable=False),
        sa.Column("key", text(), nullable=False),
        sa.Column("reference", text(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "gk_taken",
        sa.Column("taken_hash", name(64), primary_key=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    op.create_index("gk_taken_until", "gk_taken", ["until"])


def downgrade() -> None:
    op.drop_table("gk_taken")
    op.drop_table("gk_contacts")
    op.drop_table("gk_posts")
