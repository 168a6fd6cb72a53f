"""How long what is stored is kept, what removing it has removed, and legal holds."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field

from guardkit.core.values import Value


class RetentionKind(StrEnum):
    """What can be removed once it is old. The audit log is none of it."""

    CHECKPOINTS = "checkpoints"
    """Checkpoints of threads that have finished, by the thread's last activity. A thread's go together."""

    INPUTS = "inputs"
    """What the turns of such threads were opened with, and the salts of their digests, likewise."""

    APPROVALS = "approvals"
    """Questions to people with their arguments, answers and messages, by when they were settled."""

    DELIVERIES = "deliveries"
    """Messages to people and where they are, by when they went out; the question stays."""

    EFFECTS = "effects"
    """Keys and results of finished effects, by when they were settled. That a key was used stays."""

    REPLIES = "replies"
    """Answers to requests with an idempotency key, by when the key stopped to stand for them."""

    REQUESTS = "requests"
    """Hashes of signed requests that were taken once, by when they could not pass any more. They have no tenant."""


class LegalHold(Value):
    """An order to keep a thread, or everything of a tenant, until it is lifted."""

    id: str
    tenant: str
    thread_id: str | None = None
    """The thread; `None` for the whole tenant."""

    by: str
    why: str
    at: float = 0.0
    """When it was set: seconds since the epoch, by the database's clock."""

    lifted_at: float | None = None
    lifted_by: str | None = None
    lifted_why: str | None = None


class Pruned(Value):
    """What was removed of one kind and tenant, or would be."""

    tenant: str
    """`*` for what has no tenant."""

    kind: RetentionKind
    before: float
    """What is older goes: seconds since the epoch, by the database's clock; of several batches, the last one's."""

    threads: int = 0
    rows: Mapping[str, int] = Field(default_factory=dict[str, int])
    """Rows by table. Of inputs and effects that are done the row stays, and what it holds goes."""

    batches: int = 0
    """Transactions that removed something."""

    @property
    def total(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())
