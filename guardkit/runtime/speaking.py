"""Who may speak for whom at the desk: people for themselves, and delegates for those who are away."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guardkit.core import breaking
from guardkit.core.approvals import Approval
from guardkit.core.deciding import stages_for
from guardkit.core.people import Directory, Person, Roster
from guardkit.core.stages import Wait
from guardkit.errors import DecisionRefusedError
from guardkit.runtime.askers import askers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The place at which a person may answer."""

    stages: tuple[int, ...]
    """0-based indexes of the stages in one of which the answer counts, at least one."""

    absent: Person | None
    """Whoever is away and is answered for; `None` when people speak for themselves."""

    others: Sequence[Person]
    """The records of those whose answers count; none where no delegate may answer."""

    askers: Sequence[Person]
    """The records of whoever started or steered the turn, as far as the directory knows them."""


class Speakers:
    """Finds out for whom a person may answer.

    Args:
        directory: who people are. One that cannot list people knows of no delegation.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def seat(self, approval: Approval, person: Person, now: float) -> Seat:
        """The stages for which this person may answer now: for themselves if they may, else for somebody who is away.

        Args:
            approval: as it stands.
            person: the directory's record.
            now: seconds since the epoch, by the database's clock.

        Raises:
            DecisionRefusedError: as `stages_for`: why they may not answer for themselves.
        """
        others, askers = self._others(approval), askers_of(self._directory, approval.request, now).people
        try:
            stages = stages_for(approval, person, now, others=others, askers=askers)
        except DecisionRefusedError as error:
            if error.reason != "not_an_approver":
                raise  # nothing that somebody else may do changes it
            for absent in self.away(approval, person, now):
                try:
                    stages = stages_for(approval, person, now, absent=absent, others=others, askers=askers)
                except DecisionRefusedError:
                    continue
                return Seat(stages=stages, absent=absent, others=others, askers=askers)
            raise
        return Seat(stages=stages, absent=None, others=others, askers=askers)

    def away(self, approval: Approval, person: Person, now: float) -> Iterator[Person]:
        """Those whose delegate this person is now, where the approval takes answers of delegates."""
        request = approval.request
        if not request.delegable or request.tenant != person.tenant:
            return
        askers = askers_of(self._directory, request, now)
        for one in self.all_away(person, now):
            if not request.excludes(person, one, askers):
                yield one

    def all_away(self, person: Person, now: float) -> Iterator[Person]:
        """Those whose delegate this person is now, wherever a policy takes answers of delegates."""
        if not isinstance(self._directory, Roster):
            return
        for one in self._directory.people_of(person.tenant):
            if one.active and one.delegates_to(person, now):
                yield one

    def may_answer(self, approval: Approval, person: Person, now: float) -> bool:
        """Whether this person may answer now, for themselves or for somebody who is away."""
        try:
            self.seat(approval, person, now)
        except DecisionRefusedError:
            return False
        return not is_over(approval, now)

    def concerns(self, approval: Approval, person: Person, now: float) -> bool:
        """Whether it is for this person's eyes. Who may answer only after a time may look only then."""
        request = approval.request
        if request.tenant != person.tenant or not person.active:
            return False
        wait = Wait(since=request.requested_at, at=now)
        if any(said.person == person.id for said in approval.decisions):
            return True
        if any(stage.admits(person, wait) for stage in request.stages):
            return True
        if breaking.concerns(approval, person):
            return True
        away = tuple(self.away(approval, person, now))
        return any(stage.seats(person, absent, now, wait) for absent in away for stage in request.stages)

    def _others(self, approval: Approval) -> tuple[Person, ...]:
        if not approval.request.delegable:
            return ()
        found = (self._directory.find(voice) for voice in sorted(approval.answered()))
        return tuple(person for person in found if person is not None)


def is_over(approval: Approval, now: float) -> bool:
    """Whether the time to decide is over."""
    request = approval.request
    return request.expires_at is not None and request.on_expiry != "keep" and now >= request.expires_at
