"""What waits in a database: for people, for a worker, for an operator."""

from guardkit.core.values import Value


class Backlog(Value):
    """What waits of one agent's threads, in all tenants."""

    agent: str
    pending: int = 0
    """Questions that nobody has settled."""

    pending_age: float = 0.0
    """Seconds since the oldest of them was asked; 0 when there is none."""

    due: int = 0
    """Threads that a worker has to go on with."""

    due_lag: float = 0.0
    """Seconds since the first of them became due; 0 when there is none."""

    dead_letters: int = 0
    """Threads that workers gave up on."""

    in_doubt: int = 0
    """Effects of which nobody knows whether they took place."""

    reviews: int = 0
    """Reviews of broken glasses that nobody has closed."""

    reviews_age: float = 0.0
    """Seconds since the glass was broken that has waited longest; 0 when there is none."""

    reviews_overdue: int = 0
    """Those of them whose time is over."""
