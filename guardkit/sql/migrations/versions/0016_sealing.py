"""Encryption of what the tables hold, and audit entries of which values can be erased.

Nothing is encrypted by the upgrade: a process with a key does that, and `guardkit db encrypt` for rows that are there.

Revision ID: 0016
Revises: 0015
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UNREADABLE = dict.fromkeys(
    ("gk_threads", "gk_turns", "gk_audit", "gk_checkpoints"), "EXISTS (SELECT 1 FROM gk_sealing)"
)
"""Older code knows no keys."""

TABLE: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def text() -> sa.Text:
    return sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "gk_sealing",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("secret", text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        **TABLE,
    )
    if "salts" not in {one["name"] for one in sa.inspect(op.get_bind()).get_columns("gk_audit")}:
        op.add_column("gk_audit", sa.Column("salts", text()))


def downgrade() -> None:
    # Salts stay: without them the entries that have some would never be verified again.
    op.drop_table("gk_sealing")
