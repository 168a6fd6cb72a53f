"""What a policy is told besides the action itself."""

from dataclasses import dataclass

from guardkit.core.principals import Principal
from guardkit.core.verdicts import Tainted


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The circumstances of one action. Gathered by the caller, so that deciding is pure."""

    principal: Principal
    thread_id: str
    turn: int
    """Number of the turn, from 1."""

    calls: int
    """Tool calls of this turn so far, the one that is decided included."""

    elapsed: float
    """Seconds since the turn began, pauses for people excluded."""

    flags: frozenset[str]
    """What observations of this turn were flagged for, e.g. `instruction`."""

    tainted: Tainted
    """Whether a value comes from an untrusted observation. Should it raise, the rule that asked is a reject."""
