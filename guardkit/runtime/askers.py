"""Finding out who started or steered a turn."""

from collections.abc import Iterable, Iterator

from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState
from guardkit.core.askers import Askers
from guardkit.core.people import Directory
from guardkit.core.principals import Principal


def askers_of(directory: Directory, request: ApprovalRequest, at: float) -> Askers:
    """The directory's records of whoever may not decide on a question because they asked.

    Args:
        directory: who people are.
        request: the question.
        at: seconds since the epoch, by the database's clock.
    """
    found = map(directory.find, request.excluded)
    return Askers(tuple(person for person in found if person is not None), at)


def identities(directory: Directory, principal: Principal, steered: Iterable[str]) -> tuple[str, ...]:
    """What a question excludes: the principal by its own name and by the directory's, and who steered the turn.

    Args:
        directory: who people are.
        principal: whom the turn acts for.
        steered: `Person.id` of those who steered it.
    """
    person = directory.find(principal.id)
    known = () if person is None else (person.id,)
    return tuple(dict.fromkeys((principal.id, *known, *sorted(steered))))


def steerers(approvals: Iterable[Approval]) -> Iterator[str]:
    """`Person.id` of those whose words the model has read instead of a tool's output, and of those they spoke for."""
    for approval in approvals:
        if approval.state is ApprovalState.RESPONDED:
            yield from approval.decisions[-1].voices
