"""The tables of one guardkit database.

Every table names its tenant. Names compare byte by byte on every database. Instants are whole microseconds since the
epoch by the database's clock, so that what is read back is exactly what was written. Texts that people or models
wrote are never part of a key; long keys are hashed.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.mysql import LONGBLOB, LONGTEXT

TENANT_LENGTH = 128
NAME_LENGTH = 255
CHECKPOINT_LENGTH = 128

_MICROSECONDS = 1_000_000


class Moment(TypeDecorator[float]):
    """Seconds since the epoch in Python, whole microseconds in the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> int | None:
        """Seconds to microseconds."""
        return None if value is None else round(value * _MICROSECONDS)

    def process_result_value(self, value: int | None, dialect: Dialect) -> float | None:
        """Microseconds to seconds."""
        return None if value is None else value / _MICROSECONDS


def _name(length: int) -> String:
    """A key: compared and ordered byte by byte."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _text() -> Text:
    """Text without a limit that matters."""
    return Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def _bytes() -> LargeBinary:
    """Bytes without a limit that matters."""
    return LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")


_TABLE: dict[str, Any] = {
    f"{dialect}_{option}": value
    for dialect in ("mysql", "mariadb")
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}

metadata = MetaData()

threads = Table(
    "gk_threads",
    metadata,
    Column("tenant", _name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", _name(NAME_LENGTH), primary_key=True),
    Column("agent", _text(), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("lease_owner", _text()),
    Column("lease_run", String(64)),
    Column("lease_until", Moment),
    Column("due_at", Moment),
    Column("due_why", String(32)),
    Column("due_mark", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("dead_letter", _text()),
    Index("gk_threads_due", "due_at"),
    Index("gk_threads_lease", "lease_until"),
    Index("gk_threads_opened", "opened_at"),
    **_TABLE,
)
"""One row a thread: who holds it, which turn it is in, whether a worker has to look at it."""

turns = Table(
    "gk_turns",
    metadata,
    Column("tenant", _name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", _name(NAME_LENGTH), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("agent", _text(), nullable=False),
    Column("principal", _text(), nullable=False),
    Column("fingerprint", _text(), nullable=False),
    Column("policy_version", _text(), nullable=False),
    Column("salt", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("no_result", _text()),
    Column("opened_at", Moment, nullable=False),
    Column("active_seconds", Double, nullable=False),
    Column("tool_calls", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("marks", _text(), nullable=False),
    Column("input", _bytes()),
    ForeignKeyConstraint(
        ["tenant", "thread_id"], ["gk_threads.tenant", "gk_threads.thread_id"], name="gk_turns_thread"
    ),
    **_TABLE,
)
"""One row a turn: whom it acts for, and how it ended."""

approvals = Table(
    "gk_approvals",
    metadata,
    Column("id", _name(64), primary_key=True),
    Column("tenant", _name(TENANT_LENGTH), nullable=False),
    Column("thread_id", _name(NAME_LENGTH), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("request", _text(), nullable=False),
    Column("args", _text(), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("decisions", _text(), nullable=False),
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
    **_TABLE,
)
"""One row a question to people. `request` never changes; `version` counts the changes of the rest."""

deliveries = Table(
    "gk_deliveries",
    metadata,
    Column("id", _name(64), primary_key=True),
    Column(
        "approval_id", _name(64), ForeignKey("gk_approvals.id", name="gk_deliveries_approval"), nullable=False
    ),
    Column("tenant", _name(TENANT_LENGTH), nullable=False),
    Column("channel", _text(), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Moment, nullable=False),
    Column("delivered_at", Moment),
    Column("rendered", String(64)),
    Column("error", _text()),
    Index("gk_deliveries_next", "state", "next_at"),
    Index("gk_deliveries_approval", "approval_id"),
    **_TABLE,
)
"""The outbox: one row a message to people."""

posts = Table(
    "gk_posts",
    metadata,
    Column("id", _name(64), primary_key=True),
    Column("approval_id", _name(64), ForeignKey("gk_approvals.id", name="gk_posts_approval"), nullable=False),
    Column("tenant", _name(TENANT_LENGTH), nullable=False),
    Column("channel", _text(), nullable=False),
    Column("delivery", String(64)),
    Column("stage", Integer, nullable=False),
    Column("recipient", _text(), nullable=False),
    Column("address", _text()),
    Column("version", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("kept_at", Moment, nullable=False),
    Index("gk_posts_approval", "approval_id"),
    **_TABLE,
)
"""One row a copy of a question that a channel has put somewhere."""

contacts = Table(
    "gk_contacts",
    metadata,
    Column("tenant", _name(TENANT_LENGTH), primary_key=True),
    Column("contact_hash", _name(64), primary_key=True),
    Column("channel", _text(), nullable=False),
    Column("key", _text(), nullable=False),
    Column("reference", _text(), nullable=False),
    Column("kept_at", Moment, nullable=False),
    **_TABLE,
)
"""How channels reach people whom they had to meet first."""

taken = Table(
    "gk_taken",
    metadata,
    Column("taken_hash", _name(64), primary_key=True),
    Column("until", Moment, nullable=False),
    Index("gk_taken_until", "until"),
    **_TABLE,
)
"""What must be taken once, e.g. a signed request: remembered until it could no longer pass anyway."""

effects = Table(
    "gk_effects",
    metadata,
    Column("tenant", _name(TENANT_LENGTH), primary_key=True),
    Column("key_hash", _name(64), primary_key=True),
    Column("key", _text(), nullable=False),
    Column("tool", _text(), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("action_id", String(64), nullable=False),
    Column("thread_id", _name(NAME_LENGTH), nullable=False),
    Column("turn", Integer, nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("approval_id", String(64)),
    Column("result", _text()),
    Column("claimed_at", Moment, nullable=False),
    Column("settled_at", Moment),
    Index("gk_effects_thread", "tenant", "thread_id"),
    Index("gk_effects_state", "state", "claimed_at"),
    **_TABLE,
)
"""The ledger: one row a side effect. It outlives its thread, so no foreign key ties it to one."""

audit = Table(
    "gk_audit",
    metadata,
    Column("tenant", _name(TENANT_LENGTH), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("kind", _text(), nullable=False),
    Column("thread_id", _text()),
    Column("turn", Integer),
    Column("data", _text(), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    **_TABLE,
)
"""The audit chain. Every column is covered by `hash`."""

audit_heads = Table(
    "gk_audit_heads",
    metadata,
    Column("tenant", _name(TENANT_LENGTH), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    **_TABLE,
)
"""The newest entry of each chain; its row is locked while the chain grows."""

stops = Table(
    "gk_stops",
    metadata,
    Column("id", _name(NAME_LENGTH), primary_key=True),
    Column("scope", String(16), nullable=False),
    Column("tenant", _name(TENANT_LENGTH)),
    Column("target", _text()),
    Column("set_by", _text(), nullable=False),
    Column("why", _text(), nullable=False),
    Column("set_at", Moment, nullable=False),
    Column("lifted_at", Moment),
    Column("lifted_by", _text()),
    Column("lifted_why", _text()),
    Index("gk_stops_lifted", "lifted_at"),
    **_TABLE,
)
"""Operators' stops. One that is lifted stays, with who lifted it."""

stop_gate = Table(
    "gk_stop_gate", metadata, Column("id", Integer, primary_key=True, autoincrement=False), **_TABLE
)
"""One row: claims share it, setting a stop takes it alone, so no claim overlaps the setting of a stop."""

checkpoints = Table(
    "gk_checkpoints",
    metadata,
    Column("tenant", _name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", _name(NAME_LENGTH), primary_key=True),
    Column("ns_hash", _name(32), primary_key=True),
    Column("checkpoint_id", _name(CHECKPOINT_LENGTH), primary_key=True),
    Column("ns", _text(), nullable=False),
    Column("parent_id", _name(CHECKPOINT_LENGTH)),
    Column("run_id", _text()),
    Column("type", String(64), nullable=False),
    Column("body", _bytes(), nullable=False),
    Column("metadata_type", String(64), nullable=False),
    Column("metadata", _bytes(), nullable=False),
    Column("refs", _text()),
    **_TABLE,
)
"""Checkpoints of graphs: everything but the values of channels that are worth a row of their own. `refs` names those rows,
as a JSON array of channel and version; revision 0002 did not write it."""

blobs = Table(
    "gk_blobs",
    metadata,
    Column("tenant", _name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", _name(NAME_LENGTH), primary_key=True),
    Column("ns_hash", _name(32), primary_key=True),
    Column("channel", _name(NAME_LENGTH), primary_key=True),
    Column("version", _name(64), primary_key=True),
    Column("type", String(64), nullable=False),
    Column("value", _bytes(), nullable=False),
    Column("base", _name(64)),
    **_TABLE,
)
"""Values of channels, one row for each version that a channel had. One with a `base` is what differs from that version."""

writes = Table(
    "gk_writes",
    metadata,
    Column("tenant", _name(TENANT_LENGTH), primary_key=True),
    Column("thread_id", _name(NAME_LENGTH), primary_key=True),
    Column("ns_hash", _name(32), primary_key=True),
    Column("checkpoint_id", _name(CHECKPOINT_LENGTH), primary_key=True),
    Column("task_id", _name(CHECKPOINT_LENGTH), primary_key=True),
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("task_path", _text(), nullable=False),
    Column("channel", _text(), nullable=False),
    Column("type", String(64), nullable=False),
    Column("value", _bytes(), nullable=False),
    **_TABLE,
)
"""What tasks wrote for the next checkpoint. A step's writes may be stored before its checkpoint is."""
