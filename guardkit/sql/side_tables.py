"""The tables beside the runs: what channels, the HTTP API and the watch remember."""

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, String, Table

from guardkit.sql.columns import NAME_LENGTH, TABLE, TENANT_LENGTH, Moment, metadata, name, text

posts = Table(
    "gk_posts",
    metadata,
    Column("id", name(64), primary_key=True),
    Column("approval_id", name(64), ForeignKey("gk_approvals.id", name="gk_posts_approval"), nullable=False),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("channel", text(), nullable=False),
    Column("delivery", String(64)),
    Column("stage", Integer, nullable=False),
    Column("recipient", text(), nullable=False),
    Column("address", text()),
    Column("version", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("kept_at", Moment, nullable=False),
    Index("gk_posts_approval", "approval_id"),
    **TABLE,
)
"""One row a copy of a question that a channel has put somewhere."""


contacts = Table(
    "gk_contacts",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("contact_hash", name(64), primary_key=True),
    Column("channel", text(), nullable=False),
    Column("key", text(), nullable=False),
    Column("reference", text(), nullable=False),
    Column("kept_at", Moment, nullable=False),
    **TABLE,
)
"""How channels reach people whom they had to meet first."""


taken = Table(
    "gk_taken",
    metadata,
    Column("taken_hash", name(64), primary_key=True),
    Column("until", Moment, nullable=False),
    Index("gk_taken_until", "until"),
    **TABLE,
)
"""What must be taken once, e.g. a signed request: remembered until it could no longer pass anyway."""


api_tokens = Table(
    "gk_api_tokens",
    metadata,
    Column("id", name(16), primary_key=True),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("holder", String(16), nullable=False),
    Column("subject", text(), nullable=False),
    Column("scopes", text(), nullable=False),
    Column("created_by", text(), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("revoked_by", text()),
    Index("gk_api_tokens_tenant", "tenant", "created_at"),
    **TABLE,
)
"""Tokens of the HTTP API. One that is revoked stays, with who revoked it."""


api_replies = Table(
    "gk_api_replies",
    metadata,
    Column("name", name(64), primary_key=True),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("owner", String(32), nullable=False),
    Column("held_until", Moment, nullable=False),
    Column("kept_until", Moment, nullable=False),
    Column("status", Integer),
    Column("body", text()),
    Index("gk_api_replies_kept", "kept_until"),
    **TABLE,
)
"""What idempotency keys stand for, and what was answered."""


reviews = Table(
    "gk_reviews",
    metadata,
    Column("approval_id", name(64), primary_key=True),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("thread_id", name(NAME_LENGTH), nullable=False),
    Column("review", text(), nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("noted_at", Moment),
    Column("closed_at", Moment),
    Index("gk_reviews_tenant", "tenant", "closed_at", "due_at"),
    Index("gk_reviews_due", "closed_at", "noted_at", "due_at"),
    **TABLE,
)
"""One row a broken glass: the review of it, and whether it is closed."""


standing = Table(
    "gk_standing",
    metadata,
    Column("id", name(64), primary_key=True),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("approval_id", name(64), nullable=False),
    Column("thread_id", name(NAME_LENGTH), nullable=False),
    Column("who", name(32), nullable=False),
    Column("given", text(), nullable=False),
    Column("uses", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("at_most", String(64)),
    Column("spent", String(64), nullable=False),
    Column("given_at", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("revocation", text()),
    Index("gk_standing_who", "tenant", "who", "until"),
    Index("gk_standing_given", "tenant", "given_at"),
    Index("gk_standing_thread", "tenant", "thread_id"),
    Index("gk_standing_approval", "approval_id"),
    **TABLE,
)
"""One row a standing approval. `given` never changes and repeats what people signed; `used` and `spent` count it down."""


answers = Table(
    "gk_answers",
    metadata,
    Column(
        "approval_id",
        name(64),
        ForeignKey("gk_approvals.id", name="gk_answers_approval", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("at", Moment, nullable=False),
    Column("waited", Double, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("stage", Integer, nullable=False),
    Column("who", name(32), nullable=False),
    Column("rule", name(NAME_LENGTH), nullable=False),
    Column("delegated", Boolean, nullable=False),
    Index("gk_answers_window", "tenant", "at"),
    **TABLE,
)
"""One row an answer of people, to be counted; see `guardkit.core.stats`. It repeats what the approval says."""


watch_cursors = Table(
    "gk_watch_cursors",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("looked_at", Moment),
    **TABLE,
)
"""How far the watch has read each audit chain; its row is locked while it reads on."""


watch_counts = Table(
    "gk_watch_counts",
    metadata,
    Column("tenant", name(TENANT_LENGTH), primary_key=True),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("agent", name(NAME_LENGTH), primary_key=True),
    Column("began_at", Moment, primary_key=True, autoincrement=False),
    Column("tool", name(NAME_LENGTH), primary_key=True),
    Column("proposed", Integer, nullable=False),
    Column("blocked", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("no_results", Integer, nullable=False),
    **TABLE,
)
"""One row an agent, window and tool: what the audit chain told of it. Turns are counted under an empty tool."""


anomalies = Table(
    "gk_anomalies",
    metadata,
    Column("id", name(64), primary_key=True),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("agent", name(NAME_LENGTH), nullable=False),
    Column("measure", String(32), nullable=False),
    Column("tool", name(NAME_LENGTH), nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("part", Integer, nullable=False),
    Column("whole", Integer, nullable=False),
    Column("usual", Double, nullable=False),
    Column("score", Double, nullable=False),
    Column("past", Integer, nullable=False),
    Column("found_at", Moment, nullable=False),
    Column("stands_until", Moment, nullable=False),
    Column("settled_by", text()),
    Column("anew", Boolean, nullable=False),
    Index("gk_anomalies_standing", "tenant", "agent", "stands_until"),
    Index("gk_anomalies_found", "found_at"),
    **TABLE,
)
"""One row an anomaly. Settling it ends its standing."""


holds = Table(
    "gk_holds",
    metadata,
    Column("id", name(NAME_LENGTH), primary_key=True),
    Column("tenant", name(TENANT_LENGTH), nullable=False),
    Column("thread_id", name(NAME_LENGTH)),
    Column("set_by", text(), nullable=False),
    Column("why", text(), nullable=False),
    Column("set_at", Moment, nullable=False),
    Column("lifted_at", Moment),
    Column("lifted_by", text()),
    Column("lifted_why", text()),
    Index("gk_holds_tenant", "tenant", "thread_id"),
    **TABLE,
)
"""Legal holds; one without a thread is on its whole tenant. One that is lifted stays, with who lifted it."""


hold_gate = Table(
    "gk_hold_gate", metadata, Column("id", Integer, primary_key=True, autoincrement=False), **TABLE
)
"""One row: removals share it, setting a hold takes it alone, so no removal overlaps the setting of a hold."""


sealing = Table(
    "gk_sealing",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("secret", text(), nullable=False),
    Column("began_at", Moment, nullable=False),
    **TABLE,
)
"""One row once the database is encrypted: the secret of its keyed hashes, itself encrypted."""
