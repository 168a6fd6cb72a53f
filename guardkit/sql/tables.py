"""The tables of runs: threads, approvals, the ledger, the audit log, stops, checkpoints.

Every table names its tenant. Texts that people or models wrote are never part of a key; long keys are hashed.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
)

from guardkit.sql.columns import (
    CHECKPOINT_LENGTH,
    NAME_LENGTH,
    TABLE,
    TENANT_LENGTH,
    Moment,
    blob,
    metadata,
    name,
    text,
)

threads = Table(
    "gk_threads",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", name(NAME_LENGTH), primary_key=True),
    Column("agent", text(), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("lease_owner", text()),
    Column("lease_run", String(64)),
    Column("lease_until", Moment),
    Column("due_at", Moment),
    Column("due_why", String(32)),
    Column("due_mark", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("dead_letter", text()),
    Column("status", name(16), nullable=False, server_default="running"),
    Column("active_at", Moment, nullable=False, server_default="0"),
    Column("agent_hash", name(32), nullable=False, server_default=""),
    Column("principal_hash", name(32), nullable=False, server_default=""),
    Index("gk_threads_due", "due_at"),
    Index("gk_threads_lease", "lease_until"),
    Index("gk_threads_opened", "opened_at"),
    Index("gk_threads_active", "tenant", "active_at", "thread_id"),
    Index("gk_threads_status", "tenant", "status", "active_at", "thread_id"),
    Index("gk_threads_agent", "tenant", "agent_hash", "active_at", "thread_id"),
    Index("gk_threads_principal", "tenant", "principal_hash", "active_at", "thread_id"),
    **TABLE,
)
"""One row a thread: who holds it, which turn it is in, whether a worker has to look at it. The columns from `status` on
repeat what its latest turn says, so that lists of threads read an index."""

turns = Table(
    "gk_turns",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", name(NAME_LENGTH), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("agent", text(), nullable=False),
    Column("principal", text(), nullable=False),
    Column("fingerprint", text(), nullable=False),
    Column("policy_version", text(), nullable=False),
    Column("salt", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("no_result", text()),
    Column("opened_at", Moment, nullable=False),
    Column("active_seconds", Double, nullable=False),
    Column("tool_calls", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("marks", text(), nullable=False),
    Column("input", blob()),
    ForeignKeyConstraint(
        ["tenant", "thread_id"], ["gk_threads.tenant", "gk_threads.thread_id"], name="gk_turns_thread"
    ),
    **TABLE,
)
"""One row a turn: whom it acts for, and how it ended."""

approvals = Table(
    "gk_approvals",
    metadata,
    Column("id", name(64), primary_key=True),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("thread_id", name(NAME_LENGTH), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("request", text(), nullable=False),
    Column("args", text(), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("decisions", text(), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("on_expiry", String(16), nullable=False),
    Column("settled_at", Moment),
    ForeignKeyConstraint(
        ["tenant", "thread_id", "turn"],
        ["gk_turns.tenant", "gk_turns.thread_id", "gk_turns.number"],
        name="gk_approvals_turn",
    ),
    Index("gk_approvals_thread", "tenant", "thread_id", "turn"),
    Index("gk_approvals_expiry", "state", "expires_at"),
    Index("gk_approvals_requested", "requested_at"),
    Index("gk_approvals_state", "tenant", "state", "thread_id"),
    **TABLE,
)
"""One row a question to people. `request` never changes; `version` counts the changes of the rest."""

listings = Table(
    "gk_listings",
    metadata,
    Column(
        "approval_id",
        name(64),
        ForeignKey("gk_approvals.id", name="gk_listings_approval", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("list", name(16), primary_key=True),
    Column("who", name(32), primary_key=True),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("at", Moment, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("state", name(16), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("thread_id", name(NAME_LENGTH), nullable=False),
    Column("tool_hash", name(32), nullable=False),
    Column("agent_hash", name(32), nullable=False),
    Column("requester_hash", name(32), nullable=False),
    Index("gk_listings_order", "tenant", "who", "list", "at", "approval_id"),
    **TABLE,
)
"""One row a place of an approval in the lists of those who hold a key, `who`; see `guardkit.core.listings`. It repeats
what the approval says: whoever changes one writes the other."""

deliveries = Table(
    "gk_deliveries",
    metadata,
    Column("id", name(64), primary_key=True),
    Column(
        "approval_id", name(64), ForeignKey("gk_approvals.id", name="gk_deliveries_approval"), nullable=False
    ),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("channel", text(), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Moment, nullable=False),
    Column("delivered_at", Moment),
    Column("rendered", String(64)),
    Column("error", text()),
    Index("gk_deliveries_next", "state", "next_at"),
    Index("gk_deliveries_approval", "approval_id"),
    **TABLE,
)
"""The outbox: one row a message to people."""

effects = Table(
    "gk_effects",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("key_hash", name(64), primary_key=True),
    Column("key", text(), nullable=False),
    Column("tool", text(), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("action_id", String(64), nullable=False),
    Column("thread_id", name(NAME_LENGTH), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("approval_id", String(64)),
    Column("result", text()),
    Column("claimed_at", Moment, nullable=False),
    Column("settled_at", Moment),
    Column("standing_id", String(64)),
    Column("deadline", Moment),
    Index("gk_effects_thread", "tenant", "thread_id"),
    Index("gk_effects_state", "state", "claimed_at"),
    **TABLE,
)
"""The ledger: one row a side effect. It outlives its thread, so no foreign key ties it to one."""

audit = Table(
    "gk_audit",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("kind", text(), nullable=False),
    Column("thread_id", text()),
    Column("turn", Integer),
    Column("data", text(), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("salts", text()),
    **TABLE,
)
"""The audit chain. Every column is covered by `hash`; where there are `salts`, what can be erased of `data` is by its commitments."""

audit_heads = Table(
    "gk_audit_heads",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    **TABLE,
)
"""The newest entry of each chain; its row is locked while the chain grows."""

stops = Table(
    "gk_stops",
    metadata,
    Column("id", name(NAME_LENGTH), primary_key=True),
    Column("scope", String(16), nullable=False),
    Column("tenant", name(TENANT_LENGTH)),
    Column("target", text()),
    Column("set_by", text(), nullable=False),
    Column("why", text(), nullable=False),
    Column("set_at", Moment, nullable=False),
    Column("lifted_at", Moment),
    Column("lifted_by", text()),
    Column("lifted_why", text()),
    Index("gk_stops_lifted", "lifted_at"),
    **TABLE,
)
"""Operators' stops. One that is lifted stays, with who lifted it."""

stop_gate = Table(
    "gk_stop_gate", metadata, Column("id", Integer, primary_key=True, autoincrement=False), **TABLE
)
"""One row: claims share it, setting a stop takes it alone, so no claim overlaps the setting of a stop."""

checkpoints = Table(
    "gk_checkpoints",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", name(NAME_LENGTH), primary_key=True),
    Column("ns_hash", name(32), primary_key=True),
    Column("checkpoint_id", name(CHECKPOINT_LENGTH), primary_key=True),
    Column("ns", text(), nullable=False),
    Column("parent_id", name(CHECKPOINT_LENGTH)),
    Column("run_id", text()),
    Column("type", String(64), nullable=False),
    Column("body", blob(), nullable=False),
    Column("metadata_type", String(64), nullable=False),
    Column("metadata", blob(), nullable=False),
    Column("refs", text()),
    **TABLE,
)
"""Checkpoints of graphs: everything but the values of channels that are worth a row of their own. `refs` names those rows,
as a JSON array of channel and version; revision 0002 did not write it."""

blobs = Table(
    "gk_blobs",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", name(NAME_LENGTH), primary_key=True),
    Column("ns_hash", name(32), primary_key=True),
    Column("channel", name(NAME_LENGTH), primary_key=True),
    Column("version", name(64), primary_key=True),
    Column("type", String(64), nullable=False),
    Column("value", blob(), nullable=False),
    Column("base", name(64)),
    **TABLE,
)
"""Values of channels, one row for each version that a channel had. One with a `base` is what differs from that version."""

writes = Table(
    "gk_writes",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", name(NAME_LENGTH), primary_key=True),
    Column("ns_hash", name(32), primary_key=True),
    Column("checkpoint_id", name(CHECKPOINT_LENGTH), primary_key=True),
    Column("task_id", name(CHECKPOINT_LENGTH), primary_key=True),
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("task_path", text(), nullable=False),
    Column("channel", text(), nullable=False),
    Column("type", String(64), nullable=False),
    Column("value", blob(), nullable=False),
    **TABLE,
)
"""What tasks wrote for the next checkpoint. A step's writes may be stored before its checkpoint is."""
