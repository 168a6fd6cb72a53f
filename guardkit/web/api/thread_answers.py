"""What callers are told of threads."""

from datetime import datetime

from guardkit.core.runs import TurnStatus
from guardkit.core.threads import ThreadSummary
from guardkit.core.values import Value
from guardkit.web.api.moments import moment


class ThreadItem(Value):
    """A thread."""

    id: str
    agent: str
    status: TurnStatus
    """Where the latest turn stands."""

    turn: int
    """Number of the latest turn, 1 for the first."""

    principal: str
    """Whom it acts for."""

    opened_at: datetime
    """When the latest turn was opened."""

    active_at: datetime
    """When a run last began or ended."""

    pending_approvals: int
    dead_letter: str | None
    """Why workers gave up on it; `null` if they did not."""

    @classmethod
    def of(cls, thread: ThreadSummary) -> "ThreadItem":
        """A thread as callers see it."""
        return cls(
            id=thread.thread_id,
            agent=thread.agent,
            status=thread.status,
            turn=thread.turn,
            principal=thread.principal.id,
            opened_at=moment(thread.opened_at),
            active_at=moment(thread.active_at),
            pending_approvals=thread.pending_approvals,
            dead_letter=thread.dead_letter,
        )


class ThreadItems(Value):
    """A part of a list."""

    items: tuple[ThreadItem, ...]
    next: str | None
    """`cursor` of what follows; `null` at the end of the list."""
