"""Whoever asked: they never decide, but they may see what became of their question, and withdraw it."""

from guardkit.core.approvals import Approval, ApprovalRequest
from guardkit.core.breaking import requesters
from guardkit.core.people import Person

WHY_LIMIT = 500
"""The most characters of a reason for withdrawing."""


def verified_askers(request: ApprovalRequest) -> tuple[str, ...]:
    """Identities of whoever started or steered the turn; none where nobody has verified whom it acts for."""
    return () if request.principal.verified_by == "nobody" else requesters(request)


def was_asked_by(request: ApprovalRequest, person: Person) -> bool:
    """Whether a question comes from this person, in any of their identities.

    Args:
        request: the question.
        person: the directory's record.
    """
    if not person.active or person.tenant != request.tenant:
        return False
    return any(person.answers_to(identity) for identity in verified_askers(request))


def as_asked(approval: Approval) -> Approval:
    """An approval as whoever asked may see it: without what people wrote for those who decide.

    What was said instead of the action stays, as the run is told it too.
    """
    said = tuple(
        one if one.kind == "respond" or one.reason is None else one.model_copy(update={"reason": None})
        for one in approval.decisions
    )
    return approval.model_copy(update={"decisions": said})
