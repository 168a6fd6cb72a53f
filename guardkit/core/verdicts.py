"""What a check says of a step, a source or a draft."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from pydantic import model_validator

from guardkit.core.principals import Principal
from guardkit.core.steps import Action, Observation, Step, Thought, Trust
from guardkit.core.values import Json, JsonObject, Value

Outcome: TypeAlias = Literal["pass", "edit", "review", "block", "stop"]


class Verdict(Value):
    """One judgement, with its reasons. A check never loosens what another check or rule demands."""

    check: str
    """Name of the check that judged."""

    outcome: Outcome = "pass"
    """`pass`: nothing to hold it up; with a `why` it is a remark, which policy sees in `flags`. `edit`: run it with `edited_args` instead. `review`: people must look.
    `block`: it must not happen. `stop`: the turn must end."""

    why: str | None = None
    """For people: what was found. Never shown to the model."""

    tell_model: str | None = None
    """What the model may know. A hijacked model learns no limits from it."""

    edited_args: JsonObject | None = None
    """The arguments to use instead; only with `edit`."""

    evidence: tuple[str, ...] = ()
    """Where it was found: argument paths, rule names, offsets. No user text."""

    @model_validator(mode="after")
    def _edit_has_arguments(self) -> "Verdict":
        if (self.outcome == "edit") != (self.edited_args is not None):
            raise ValueError("edited_args goes with outcome 'edit', and only with it")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What a check may look at besides its subject."""

    principal: Principal
    agent: str = ""
    """The agent's name; empty where a check is called outside a run."""

    thread_id: str
    turn: int
    thought: Thought | None
    """What the model wrote beside the call that is judged."""

    prompt: tuple[str, ...]
    """What the user wrote in this thread, oldest first."""

    history: tuple[Step, ...]
    """Finished steps of this turn, oldest first."""

    observations: tuple[Observation, ...] = ()
    """What tools returned in this thread, oldest first, earlier turns included."""

    blind: bool = False
    """Whether observations of an earlier run may be missing, because the state holds no messages."""

    calls: int
    """Tool calls of this turn so far, this one included."""

    elapsed: float
    """Seconds since the turn began, pauses for people excluded."""

    flags: frozenset[str]
    """What observations of this turn were flagged for, e.g. `instruction`."""

    def untrusted(self) -> tuple[Observation, ...]:
        """Observations of this thread that anybody may have written."""
        return tuple(seen for seen in self.observations if seen.trust is Trust.UNTRUSTED)


class ActionCheck(Protocol):
    """Judges an action before it runs. A plain callable, sync or async."""

    def __call__(
        self, action: Action, context: CheckContext, /
    ) -> Verdict | Awaitable[Verdict | None] | None:
        """What the check found; `None` for nothing."""
        ...


class ObservationCheck(Protocol):
    """Judges an observation before the model reads it. A plain callable, sync or async."""

    def __call__(
        self, observation: Observation, context: CheckContext, /
    ) -> Verdict | Awaitable[Verdict | None] | None:
        """What the check found; `None` for nothing."""
        ...


Tainted: TypeAlias = Callable[[Json], bool]
"""Whether a value occurs in an untrusted observation and not in what the user wrote."""

Verdicts: TypeAlias = Sequence[Verdict]
