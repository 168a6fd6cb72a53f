"""Whether an approval may still be used: what can have changed since people decided."""

from collections.abc import Mapping

from guardkit.core.approvals import (
    Approval,
    ApprovalDecision,
    ApprovalRequest,
    ApprovalState,
    after_decisions,
    edited_digest,
    waiting_since,
    waiting_stage,
)
from guardkit.core.people import Assurance, Person


def still_holds(approval: Approval, people: Mapping[str, Person | None], now: float) -> str | None:
    """Why an approved approval may not be consumed, or `None` when it may.

    Checks again what can have changed since people decided: membership, activity, exclusion, assurance, quorum of
    distinct people, and the time from the last decision.

    Args:
        approval: as stored.
        people: today's directory records by `Person.id`.
        now: seconds since the epoch, by the database's clock.
    """
    request = approval.request
    if approval.state is not ApprovalState.APPROVED:
        return f"the approval is {approval.state.value}"
    if approval.digest != edited_digest(request, approval.args):
        return "the stored arguments do not match their digest"
    valid: list[ApprovalDecision] = []
    for number, decision in enumerate(approval.decisions):
        if decision not in approval.standing():
            continue
        waited = decision.decided_at - waiting_since(after_decisions(approval, number))
        again = decision.assurance is Assurance.EMAIL_LINK and any(
            one.assurance is Assurance.EMAIL_LINK for one in valid
        )
        if not again and _is_entitled(request, decision, people.get(decision.person), waited):
            valid.append(decision)
    if waiting_stage(request.stages, valid) is not None:
        return "somebody who approved is no longer entitled to"
    last = max(decision.decided_at for decision in valid)
    if request.valid_for is not None and now - last > request.valid_for:
        return f"approved more than {request.valid_for:g} s ago"
    return None


def _is_entitled(
    request: ApprovalRequest, decision: ApprovalDecision, person: Person | None, waited: float
) -> bool:
    """Whether an approval that was given still counts, by today's record of the person."""
    if person is None or not person.active or person.tenant != request.tenant:
        return False
    if any(person.answers_to(identity) for identity in request.excluded):
        return False
    stage = request.stages[decision.stage] if decision.stage < len(request.stages) else None
    return stage is not None and stage.admits(person, waited) and decision.assurance.reaches(stage.assurance)
