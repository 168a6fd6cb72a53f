"""Who must answer, who may answer later when nobody has, and who may although they asked."""

from dataclasses import dataclass
from typing import Annotated, Self, TypeAlias

from pydantic import Field, model_validator

from guardkit.core.calendars import BusinessTime, Calendar, Minute
from guardkit.core.people import Assurance, Person
from guardkit.core.values import Value

Delay: TypeAlias = Annotated[float, Field(gt=0)] | BusinessTime
"""Seconds, or working time by the calendar of a stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """How long a stage has waited, in seconds since the epoch by the database's clock."""

    since: float
    at: float


class Escalation(Value):
    """Further people who may answer once a stage has waited for some time.

    They hold the role, if one is named, AND are named or in one of the groups.
    """

    after: Delay
    """How long the stage has waited."""

    role: str | None = None
    approvers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    channels: tuple[str, ...] = Field(min_length=1)
    """Names of the approval channels that reach them."""

    def admits(self, person: Person) -> bool:
        """Whether this person is one of them."""
        return _is_among(person, self.approvers, self.groups, self.role)


class Exemption(Value):
    """Why whoever asked may decide all the same, and who of them."""

    reason: str
    """The policy's, for people and the audit log."""

    approvers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Without approvers and groups it is for everybody who may answer."""

    def admits(self, person: Person) -> bool:
        """Whether it is for this person."""
        return not (self.approvers or self.groups) or _is_among(person, self.approvers, self.groups, None)


class ApprovalStage(Value):
    """Who must answer. Approvers hold the role, if one is named, AND are named or in one of the groups."""

    role: str | None = None
    approvers: tuple[str, ...] = ()
    """Identities of people, e.g. e-mail addresses."""

    groups: tuple[str, ...] = ()
    required: int = Field(default=1, ge=1)
    """How many distinct people must approve."""

    reject_quorum: int = Field(default=1, ge=1)
    """How many distinct people must reject before that ends it."""

    channels: tuple[str, ...] = Field(min_length=1)
    """Names of the approval channels that reach them. The first answer counts, whichever brings it."""

    assurance: Assurance = Assurance.CHAT
    """The weakest assurance at which an answer counts."""

    reminders: tuple[Delay, ...] = ()
    """After how long whoever has not answered is reminded, from when the stage begins to wait."""

    escalations: tuple[Escalation, ...] = ()
    calendar: Calendar | None = None
    """When its people work, as it was when they were asked."""

    remind_at: tuple[Minute, ...] = ()
    """Local times at which whoever has not answered is reminded on each working day."""

    delegation: bool = False
    """Whether the delegate of somebody who may answer may answer for them."""

    @model_validator(mode="after")
    def _has_its_calendar(self) -> Self:
        times = (*self.reminders, *(step.after for step in self.escalations))
        if self.calendar is None and (self.remind_at or any(isinstance(one, BusinessTime) for one in times)):
            raise ValueError("working time needs a calendar")
        return self

    def due(self, after: Delay, since: float) -> float:
        """When it has waited so long, in seconds since the epoch.

        Args:
            after: how long.
            since: when it began to wait.
        """
        if not isinstance(after, BusinessTime):
            return since + after
        if self.calendar is None:
            raise ValueError("working time needs a calendar")
        return self.calendar.due(after, since)

    @property
    def all_channels(self) -> tuple[str, ...]:
        """Names of the channels of the stage and of its escalations, each once."""
        later = (name for step in self.escalations for name in step.channels)
        return tuple(dict.fromkeys((*self.channels, *later)))

    def admits(self, person: Person, wait: Wait | None = None) -> bool:
        """Whether this person may answer. An empty stage admits nobody.

        Args:
            person: the directory's record.
            wait: how long it has waited; not at all when `None`.
        """
        return _is_among(person, self.approvers, self.groups, self.role) or (
            wait is not None
            and any(step.admits(person) and self.begun(step, wait) for step in self.escalations)
        )

    def begun(self, step: Escalation, wait: Wait) -> bool:
        """Whether the people of one of its escalations may answer."""
        return wait.at >= self.due(step.after, wait.since)

    def seats(self, person: Person, absent: Person | None, at: float, wait: Wait) -> bool:
        """Whether this person may answer, or, where delegation is allowed, is the delegate of somebody who may.

        Args:
            person: the directory's record.
            absent: the record of whoever is away and answered for, if anybody.
            at: seconds since the epoch, by the database's clock: a delegation holds for a time.
            wait: how long the stage has waited.
        """
        if absent is None:
            return self.admits(person, wait)
        return self.delegation and absent.delegates_to(person, at) and self.admits(absent, wait)


def _is_among(person: Person, approvers: tuple[str, ...], groups: tuple[str, ...], role: str | None) -> bool:
    named = any(person.answers_to(identity) for identity in approvers)
    grouped = bool(set(groups) & set(person.groups))
    return (named or grouped) and (role is None or role in person.roles)
