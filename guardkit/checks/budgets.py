"""What a turn may spend."""

from typing import Protocol

from guardkit.core.decisions import Stop
from guardkit.core.no_result import NoResultReason


class Budgets(Protocol):
    """The limits of one turn; `None` is no limit."""

    @property
    def steps(self) -> int | None:
        """Turns of the thought-action-observation loop."""
        ...

    @property
    def tool_calls(self) -> int | None:
        """Tool calls."""
        ...

    @property
    def seconds(self) -> float | None:
        """Seconds of running time; waiting for people does not count."""
        ...


def exhausted(budgets: Budgets, *, tool_calls: int, steps: int, seconds: float) -> Stop | None:
    """The stop that a spent budget demands, or `None` while something is left of all.

    Args:
        budgets: the limits.
        tool_calls: tool calls of the turn so far, the one that is decided included.
        steps: steps of the turn so far, likewise.
        seconds: time that the turn has been running.
    """
    for what, spent, limit in (
        ("tool calls", tool_calls, budgets.tool_calls),
        ("steps", steps, budgets.steps),
        ("seconds", seconds, budgets.seconds),
    ):
        if limit is not None and spent > limit:
            return Stop(
                reason=NoResultReason.BUDGET_EXHAUSTED,
                rules=(f"budget.{what}",),
                why=(f"more than {limit:g} {what}",),
            )
    return None
