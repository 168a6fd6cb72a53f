"""Until when a claimed effect may still reach the outside.

What is claimed already, or by a process of an older release, has no deadline, as an effect without a timeout has none.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("gk_effects", sa.Column("deadline", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("gk_effects", "deadline")
