"""Values of channels may rest on older ones; checkpoints say in SQL what they consist of.

Adds two columns without a default, so no row is rewritten. PostgreSQL no longer compresses what guardkit has compressed.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PACKED = (
    ("gk_blobs", "value"),
    ("gk_writes", "value"),
    ("gk_checkpoints", "body"),
    ("gk_checkpoints", "metadata"),
)

UNREADABLE = {
    "gk_blobs": "base IS NOT NULL OR type LIKE '_:%'",
    "gk_writes": "type LIKE '_:%'",
    "gk_checkpoints": "refs IS NOT NULL OR type LIKE '_:%' OR metadata_type LIKE '_:%'",
}
"""What code of the revision before cannot read: rows by their tables."""


def upgrade() -> None:
    op.add_column("gk_checkpoints", sa.Column("refs", sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")))
    base = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.add_column("gk_blobs", sa.Column("base", base))
    if op.get_bind().dialect.name == "postgresql":
        for table, column in PACKED:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, column in PACKED:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTENDED")
    op.drop_column("gk_blobs", "base")
    op.drop_column("gk_checkpoints", "refs")
