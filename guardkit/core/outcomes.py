"""How a call to a guarded graph ended."""

from typing import TypeAlias

from guardkit.core.approvals import Approval
from guardkit.core.drafts import Answer
from guardkit.core.no_result import NoResult
from guardkit.core.values import JsonObject, Value


class Question(Value):
    """Something that the user is asked; answer it with `guard.reply`."""

    interrupt_id: str
    action_id: str
    text: str


class Paused(Value):
    """The turn waits: for people (`approvals`), for the user (`questions`), or at an interrupt of the graph's own."""

    approvals: tuple[Approval, ...] = ()
    questions: tuple[Question, ...] = ()
    interrupts: tuple[JsonObject, ...] = ()
    """Ids and values of interrupts that are not guardkit's."""


class Finished(Value):
    """The graph came to its end, and no answer was put through verification."""

    text: str | None
    """The text of the last message, if the state has messages. Unverified."""


Outcome: TypeAlias = Answer | NoResult | Paused | Finished
