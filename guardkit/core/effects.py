"""Side effects: started at most once per key."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from guardkit.core.runs import RunRef
from guardkit.core.values import Json, Value


class EffectState(StrEnum):
    """Where an effect key stands. Only `waiting` and `not_done` may be claimed."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"
    NOT_DONE = "not_done"
    IN_DOUBT = "in_doubt"


class EffectNotDone(Exception):  # not an error: the tool's own word that nothing happened
    """Raised by a tool to say that its effect certainly did not happen, so the key may be used again.

    Any other exception after the claim leaves the effect in doubt.
    """

    def __init__(self, tell_model: str = "The action did not take place.") -> None:
        super().__init__(tell_model)
        self.tell_model = tell_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an effect tool is handed: its own claim."""

    key: str
    """Idempotency key for the outside: the same for every attempt, different for every other effect."""

    attempt: int
    """1 for the first start; more only after `EffectNotDone` or a reconciliation that found nothing."""

    approval_id: str | None = None
    """The approval that this execution consumed, if people were asked."""

    standing_id: str | None = None
    """The standing approval that let it run, if people had said yes to all like it."""

    deadline: float | None = None
    """Seconds since the epoch, by the database's clock, after which whoever looks takes it that this attempt reaches
    nobody any more. `None` for a tool without `timeout`. Hand it on to an outside that can refuse what comes late."""


class EffectRecord(Value):
    """The ledger row of one side effect."""

    tenant: str
    key: str
    tool: str
    digest: str
    action_id: str
    thread_id: str
    turn: int
    state: EffectState
    attempt: int
    approval_id: str | None = None
    standing_id: str | None = None
    """The standing approval that its latest attempt used, if any."""

    result: Json = None
    claimed_at: float
    """Seconds since the epoch, by the database's clock."""
    deadline: float | None = None
    """Until when its latest attempt may still reach the outside; by the same clock. `None` if the tool has no
    `timeout`."""
    settled_at: float | None = None

    def may_arrive(self, now: float) -> bool:
        """Whether its latest attempt may still reach the outside: until then nobody can know that it did not."""
        return self.deadline is not None and now < self.deadline


class Reconciled(Value):
    """What a tool's `reconcile` found out about an effect in doubt."""

    state: Literal["done", "not_done", "unknown"]
    result: Json = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who let a tool find out what became of an effect, and of which attempt."""

    run: RunRef
    attempt: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """The key was free and is now this run's."""

    attempt: int
    deadline: float | None = None
    """Until when the attempt may take; seconds since the epoch, by the database's clock."""


@dataclass(frozen=True, slots=True)
class AlreadyDone:
    """The same action is done; this is its recorded result."""

    result: Json


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """The key belongs to another action."""

    digest: str


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Another call of the same run performs this very action now."""


@dataclass(frozen=True, slots=True)
class InDoubt:
    """An earlier attempt's outcome is not known."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The approval is no longer there to be consumed."""

    state: str
    why: str


@dataclass(frozen=True, slots=True)
class Halted:
    """A stop is in force, or the turn has ended."""

    why: str


ClaimResult: TypeAlias = Claimed | AlreadyDone | KeyTaken | UnderWay | InDoubt | Lapsed | Halted
