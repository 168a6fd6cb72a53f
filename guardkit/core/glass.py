"""Breaking the glass: who may settle a question alone in an emergency, for how long, and who looks at it afterwards."""

from typing import Final

from pydantic import Field

from guardkit.core.people import Person
from guardkit.core.values import Value

LONGEST: Final = 3600.0
"""Seconds from the decision to the execution that a policy may allow at most."""


class BreakGlass(Value):
    """What a route says about emergencies. Where there is none, nobody can break the glass."""

    people: tuple[str, ...] = Field(min_length=1)
    """Identities of the people who may; groups and roles do not count."""

    valid_for: float = Field(gt=0, le=LONGEST)
    """Seconds from the decision to the execution."""

    reason_length: int = Field(ge=1)
    """Characters that the reason has at least."""

    reviewers: tuple[str, ...] = ()
    """Identities of people who may review it afterwards."""

    review_groups: tuple[str, ...] = ()
    """Groups whose members may."""

    review_within: float = Field(gt=0)
    """Seconds after which a review that nobody has closed is overdue."""

    review_channels: tuple[str, ...] = ()
    """Names of the approval channels that reach the reviewers. Where there are none, nobody is written to."""

    remind_every: float | None = Field(default=None, gt=0)
    """Seconds between two messages to the reviewers until it is closed; `review_within` when `None`."""

    @property
    def reminder(self) -> float:
        """Seconds between two messages to the reviewers."""
        return self.review_within if self.remind_every is None else self.remind_every

    def names(self, person: Person) -> bool:
        """Whether this person may break the glass."""
        return any(person.answers_to(identity) for identity in self.people)

    def may_review(self, person: Person) -> bool:
        """Whether this person is one of those who review it. Whoever broke the glass and whoever asked never are."""
        named = any(person.answers_to(identity) for identity in self.reviewers)
        return named or bool(set(self.review_groups) & set(person.groups))
