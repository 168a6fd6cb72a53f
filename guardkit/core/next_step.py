"""What follows an observation.

`Escalate` and `Stop` share their names with decisions on actions; import this module, not its names.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from guardkit.core.no_result import NoResultReason
from guardkit.core.values import Value


class Continue(Value):
    """The loop goes on: another tool or the answer."""

    kind: Literal["continue"] = "continue"


class Complete(Value):
    """The task is done: no further action runs in this turn, only the answer is left."""

    kind: Literal["complete"] = "complete"
    why: str


class Retry(Value):
    """The observation is unusable and the model is asked to try again."""

    kind: Literal["retry"] = "retry"
    tell_model: str


class Clarify(Value):
    """The user is asked, through an interrupt; the reply joins the observation."""

    kind: Literal["clarify"] = "clarify"
    question: str


class Escalate(Value):
    """No further effect of this turn runs without people's approval."""

    kind: Literal["escalate"] = "escalate"
    why: str


class Stop(Value):
    """The turn ends with a `NoResult`."""

    kind: Literal["stop"] = "stop"
    reason: NoResultReason
    why: str


NextStep: TypeAlias = Annotated[
    Continue | Complete | Retry | Clarify | Escalate | Stop, Field(discriminator="kind")
]

_RANK: dict[str, int] = {"continue": 0, "complete": 1, "retry": 2, "clarify": 3, "escalate": 4, "stop": 5}


def strictest_step(steps: list[NextStep]) -> NextStep:
    """The most cautious of several opinions; `Continue` when there is none. Of equals the first wins."""
    return max(steps, key=lambda step: _RANK[step.kind], default=Continue())
