"""The anomaly watch: what was counted, how far, and what was found.

Revision ID: 0003
Revises: 0002
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0003"
down_revision = "0002"
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
        "gk_watch_cursors",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger()),
        **TABLE,
    )
    op.create_table(
        "gk_watch_counts",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("seconds", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("agent", name(255), primary_key=True),
        sa.Column("began_at", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("tool", name(255), primary_key=True),
        *(
            sa.Column(counted, sa.Integer(), nullable=False)
            for counted in ("proposed", "blocked", "failed", "answered", "rejected", "turns", "no_results")
        ),
        **TABLE,
    )
    op.create_table(
        "gk_anomalies",
        sa.Column("id", name(64), primary_key=True),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("agent", name(255), nullable=False),
        sa.Column("measure", sa.String(32), nullable=False),
        sa.Column("tool", name(255), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("whole", sa.Integer(), nullable=False),
        sa.Column("usual", sa.Double[float](), nullable=False),
        sa.Column("score", sa.Double[float](), nullable=False),
        sa.Column("past", sa.Integer(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("stands_until", sa.BigInteger(), nullable=False),
        sa.Column("settled_by", text()),
        sa.Column("anew", sa.Boolean(), nullable=False),
        **TABLE,
    )
    op.create_index("gk_anomalies_standing", "gk_anomalies", ["tenant", "agent", "stands_until"])
    op.create_index("gk_anomalies_found", "gk_anomalies", ["found_at"])


def downgrade() -> None:
    op.drop_table("gk_anomalies")
    op.drop_table("gk_watch_counts")
    op.drop_table("gk_watch_cursors")
