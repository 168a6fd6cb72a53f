"""Who must answer, and who may answer later when nobody has."""

from pydantic import Field

from guardkit.core.people import Assurance, Person
from guardkit.core.values import Value


class Escalation(Value):
    """Further people who may answer once a stage has waited for some time.

    They hold the role, if one is named, AND are named or in one of the groups.
    """

    after: float = Field(gt=0)
    """Seconds that the stage has waited."""

    role: str | None = None
    approvers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    channels: tuple[str, ...] = Field(min_length=1)
    """Names of the approval channels that reach them."""

    def admits(self, person: Person) -> bool:
        """Whether this person is one of them."""
        return _is_among(person, self.approvers, self.groups, self.role)


class ApprovalStage(Value):
    """Who must answer. Approvers hold the role, if one is named, AND are named or in one of the groups."""

    role: str | None = None
    approvers: tuple[str, ...] = ()
    """Identities of people, e.g. e-mail addresses."""

    groups: tuple[str, ...] = ()
    required: int = Field(default=1, ge=1)
    """How many distinct people must approve."""

    channels: tuple[str, ...] = Field(min_length=1)
    """Names of the approval channels that reach them. The first answer counts, whichever brings it."""

    assurance: Assurance = Assurance.CHAT
    """The weakest assurance at which an answer counts."""

    reminders: tuple[float, ...] = ()
    """Seconds after which whoever has not answered is reminded, from when the stage begins to wait."""

    escalations: tuple[Escalation, ...] = ()
    delegation: bool = False
    """Whether the delegate of somebody who may answer may answer for them."""

    @property
    def all_channels(self) -> tuple[str, ...]:
        """Names of the channels of the stage and of its escalations, each once."""
        later = (name for step in self.escalations for name in step.channels)
        return tuple(dict.fromkeys((*self.channels, *later)))

    def admits(self, person: Person, waited: float = 0.0) -> bool:
        """Whether this person may answer. An empty stage admits nobody.

        Args:
            person: the directory's record.
            waited: seconds for which the stage has waited.
        """
        return _is_among(person, self.approvers, self.groups, self.role) or any(
            step.admits(person) for step in self.escalations if waited >= step.after
        )

    def seats(self, person: Person, absent: Person | None, at: float, waited: float) -> bool:
        """Whether this person may answer, or, where delegation is allowed, is the delegate of somebody who may.

        Args:
            person: the directory's record.
            absent: the record of whoever is away and answered for, if anybody.
            at: seconds since the epoch, by the database's clock: a delegation holds for a time.
            waited: seconds for which the stage has waited.
        """
        if absent is None:
            return self.admits(person, waited)
        return self.delegation and absent.delegates_to(person, at) and self.admits(absent, waited)


def _is_among(person: Person, approvers: tuple[str, ...], groups: tuple[str, ...], role: str | None) -> bool:
    named = any(person.answers_to(identity) for identity in approvers)
    grouped = bool(set(groups) & set(person.groups))
    return (named or grouped) and (role is None or role in person.roles)
