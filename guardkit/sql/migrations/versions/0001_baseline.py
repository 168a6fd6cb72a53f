"""All tables of the first release.

Revision ID: 0001
Revises:
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT

revision = "0001"
down_revision = None
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


def blob() -> sa.LargeBinary:
    return sa.LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "gk_threads",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("thread_id", name(255), primary_key=True),
        sa.Column("agent", text(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", text()),
        sa.Column("lease_run", sa.String(64)),
        sa.Column("lease_until", sa.BigInteger()),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("due_why", sa.String(32)),
        sa.Column("due_mark", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("dead_letter", text()),
        **TABLE,
    )
    op.create_index("gk_threads_due", "gk_threads", ["due_at"])
    op.create_index("gk_threads_lease", "gk_threads", ["lease_until"])
    op.create_index("gk_threads_opened", "gk_threads", ["opened_at"])
    op.create_table(
        "gk_turns",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("thread_id", name(255), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("agent", text(), nullable=False),
        sa.Column("principal", text(), nullable=False),
        sa.Column("fingerprint", text(), nullable=False),
        sa.Column("policy_version", text(), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("no_result", text()),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("active_seconds", sa.Double[float](), nullable=False),
        sa.Column("tool_calls", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("marks", text(), nullable=False),
        sa.Column("input", blob()),
        sa.ForeignKeyConstraint(
            ["tenant", "thread_id"], ["gk_threads.tenant", "gk_threads.thread_id"], name="gk_turns_thread"
        ),
        **TABLE,
    )
    op.create_table(
        "gk_approvals",
        sa.Column("id", name(64), primary_key=True),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("thread_id", name(255), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("request", text(), nullable=False),
        sa.Column("args", text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("decisions", text(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("on_expiry", sa.String(16), nullable=False),
        sa.Column("settled_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["tenant", "thread_id", "turn"],
            ["gk_turns.tenant", "gk_turns.thread_id", "gk_turns.number"],
            name="gk_approvals_turn",
        ),
        **TABLE,
    )
    op.create_index("gk_approvals_expiry", "gk_approvals", ["state", "expires_at"])
    op.create_index("gk_approvals_requested", "gk_approvals", ["requested_at"])
    op.create_index("gk_approvals_thread", "gk_approvals", ["tenant", "thread_id", "turn"])
    op.create_table(
        "gk_deliveries",
        sa.Column("id", name(64), primary_key=True),
        sa.Column("approval_id", name(64), nullable=False),
        sa.Column("tenant", name(128), nullable=False),
        sa.Column("channel", text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger()),
        sa.Column("rendered", sa.String(64)),
        sa.Column("error", text()),
        sa.ForeignKeyConstraint(["approval_id"], ["gk_approvals.id"], name="gk_deliveries_approval"),
        **TABLE,
    )
    op.create_index("gk_deliveries_approval", "gk_deliveries", ["approval_id"])
    op.create_index("gk_deliveries_next", "gk_deliveries", ["state", "next_at"])
    op.create_table(
        "gk_effects",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("key_hash", name(64), primary_key=True),
        sa.Column("key", text(), nullable=False),
        sa.Column("tool", text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("action_id", sa.String(64), nullable=False),
        sa.Column("thread_id", name(255), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("approval_id", sa.String(64)),
        sa.Column("result", text()),
        sa.Column("claimed_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger()),
        **TABLE,
    )
    op.create_index("gk_effects_state", "gk_effects", ["state", "claimed_at"])
    op.create_index("gk_effects_thread", "gk_effects", ["tenant", "thread_id"])
    op.create_table(
        "gk_audit",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", text(), nullable=False),
        sa.Column("thread_id", text()),
        sa.Column("turn", sa.Integer()),
        sa.Column("data", text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        **TABLE,
    )
    op.create_table(
        "gk_audit_heads",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        **TABLE,
    )
    op.create_table(
        "gk_stops",
        sa.Column("id", name(255), primary_key=True),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("tenant", name(128)),
        sa.Column("target", text()),
        sa.Column("set_by", text(), nullable=False),
        sa.Column("why", text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.Column("lifted_at", sa.BigInteger()),
        sa.Column("lifted_by", text()),
        sa.Column("lifted_why", text()),
        **TABLE,
    )
    op.create_index("gk_stops_lifted", "gk_stops", ["lifted_at"])
    op.create_table(
        "gk_stop_gate",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        **TABLE,
    )
    op.create_table(
        "gk_checkpoints",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("thread_id", name(255), primary_key=True),
        sa.Column("ns_hash", name(32), primary_key=True),
        sa.Column("checkpoint_id", name(128), primary_key=True),
        sa.Column("ns", text(), nullable=False),
        sa.Column("parent_id", name(128)),
        sa.Column("run_id", text()),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("body", blob(), nullable=False),
        sa.Column("metadata_type", sa.String(64), nullable=False),
        sa.Column("metadata", blob(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "gk_blobs",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("thread_id", name(255), primary_key=True),
        sa.Column("ns_hash", name(32), primary_key=True),
        sa.Column("channel", name(255), primary_key=True),
        sa.Column("version", name(64), primary_key=True),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("value", blob(), nullable=False),
        **TABLE,
    )
    op.create_table(
        "gk_writes",
        sa.Column("tenant", name(128), primary_key=True),
        sa.Column("thread_id", name(255), primary_key=True),
        sa.Column("ns_hash", name(32), primary_key=True),
        sa.Column("checkpoint_id", name(128), primary_key=True),
        sa.Column("task_id", name(128), primary_key=True),
        sa.Column("idx", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("task_path", text(), nullable=False),
        sa.Column("channel", text(), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("value", blob(), nullable=False),
        **TABLE,
    )
    op.execute("INSERT INTO gk_stop_gate (id) VALUES (1)")


def downgrade() -> None:
    op.drop_table("gk_writes")
    op.drop_table("gk_blobs")
    op.drop_table("gk_checkpoints")
    op.drop_table("gk_stop_gate")
    op.drop_table("gk_stops")
    op.drop_table("gk_audit_heads")
    op.drop_table("gk_audit")
    op.drop_table("gk_effects")
    op.drop_table("gk_deliveries")
    op.drop_table("gk_approvals")
    op.drop_table("gk_turns")
    op.drop_table("gk_threads")
