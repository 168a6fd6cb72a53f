"""Tokens of the HTTP API, and what was answered to requests with an idempotency key.

Revision ID: 0004
Revises: 0003
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0004"
down_revision = "0003"
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
        "gk_api_tokens",
        sa.Column("id", name(16), primary_key=True),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(16), nullable=False),
        sa.Column("subject", text(), nullable=False),
        sa.Column("scopes", text(), nullable=False),
        sa.Column("created_by", text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("revoked_by", text()),
        **TABLE,
    )
    op.create_index("gk_api_tokens_tenant", "gk_api_tokens", ["tenant", "created_at"])
    op.create_table(
        "gk_api_replies",
        sa.Column("name", name(64), primary_key=True),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.Column("kept_until", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("body", text()),
        **TABLE,
    )
    op.create_index("gk_api_replies_kept", "gk_api_replies", ["kept_until"])


def downgrade() -> None:
    op.drop_table("gk_api_replies")
    op.drop_table("gk_api_tokens")
