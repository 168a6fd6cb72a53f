"""Breaking the glass on a question: one named person's decision in place of the quorum's.

It stands in for nothing else: it is bound to the digest, signed, valid for a short time, consumed once, and reviewed.
Whoever asked can never do it, in no identity of theirs and through nobody who speaks for them, whatever the policy says
of `exclude_requester`.
"""

from collections.abc import Iterable

from guardkit.core.approvals import Approval, ApprovalDecision, ApprovalRequest, ApprovalState
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance, Person, count_as_one
from guardkit.errors import DecisionRefusedError


def broken(approval: Approval) -> ApprovalDecision | None:
    """The decision that broke the glass, if one did."""
    return next((said for said in approval.decisions if said.kind == "break_glass"), None)


def concerns(approval: Approval, person: Person) -> bool:
    """Whether an approval is for this person's eyes because of emergencies: they may break its glass, or review it."""
    glass = approval.request.break_glass
    if glass is None or not person.active or person.tenant != approval.request.tenant:
        return False
    return glass.names(person) or (broken(approval) is not None and glass.may_review(person))


def requesters(request: ApprovalRequest) -> tuple[str, ...]:
    """Identities of whoever the run acts for, and of whoever else started or steered the turn."""
    return tuple(dict.fromkeys((request.principal.id, *request.excluded)))


def glass_for(
    request: ApprovalRequest, person: Person, askers: Iterable[Person | None], at: float
) -> BreakGlass:
    """What the route says about emergencies, for a person who may break the glass at a time.

    Args:
        request: the question.
        person: the directory's record.
        askers: the directory's records of the `requesters`; `None` for one that it does not know.
        at: seconds since the epoch, by the database's clock.

    Raises:
        DecisionRefusedError: `not_allowed`, `inactive`, `requester` or `not_an_approver`.
    """
    glass = request.break_glass
    if glass is None:
        raise DecisionRefusedError("not_allowed", "the policy has no break_glass for this question")
    if not person.active or person.tenant != request.tenant:
        raise DecisionRefusedError("inactive", "this person is not active in the approval's tenant")
    if request.principal.verified_by == "nobody":
        raise DecisionRefusedError(
            "requester", "nobody has verified whom the run acts for, so anybody may be the requester"
        )
    asked = any(person.answers_to(identity) for identity in requesters(request))
    if asked or any(one is not None and count_as_one(person, one, at) for one in askers):
        raise DecisionRefusedError(
            "requester", "whoever started or steered the turn cannot break the glass, nor can their delegate"
        )
    if not glass.names(person):
        raise DecisionRefusedError("not_an_approver", "this person is not named in the policy's break_glass")
    return glass


def demanded(request: ApprovalRequest) -> Assurance:
    """The weakest assurance at which the glass is broken: the surest that a stage asks for."""
    levels = list(Assurance)
    return max((stage.assurance for stage in request.stages), key=levels.index)


def is_reason(glass: BreakGlass, reason: str | None) -> bool:
    """Whether a reason is long enough, white space aside."""
    return len(" ".join((reason or "").split())) >= glass.reason_length


def break_glass(
    approval: Approval, decision: ApprovalDecision, person: Person, askers: Iterable[Person | None]
) -> Approval:
    """The approval after a named person broke the glass: approved, with what was approved before left as it is.

    Args:
        approval: as it stands.
        decision: what was said; its signature is the caller's to check.
        person: the directory's record of `decision.person`.
        askers: the directory's records of the `requesters`.

    Raises:
        DecisionRefusedError: it does not count; nothing changes.
    """
    request, at = approval.request, decision.decided_at
    if decision.kind != "break_glass" or decision.args is not None or decision.on_behalf_of is not None:
        raise DecisionRefusedError("not_allowed", "breaking the glass changes nothing and is for nobody else")
    if decision.approval_id != request.id or decision.person != person.id:
        raise DecisionRefusedError("digest_mismatch", "the decision names another approval or person")
    if approval.state is not ApprovalState.PENDING:
        raise DecisionRefusedError("already_settled", f"this approval is already {approval.state.value}")
    glass = glass_for(request, person, askers, at)
    if not is_sure(request, decision.assurance):
        raise DecisionRefusedError(
            "assurance_too_low",
            f"breaking the glass needs {demanded(request).value} here, and more than a link in a mail; "
            f"the answer came at {decision.assurance.value}",
        )
    if request.expires_at is not None and request.on_expiry != "keep" and at >= request.expires_at:
        raise DecisionRefusedError("expired", "the time to decide is over")
    if decision.digest != approval.digest:
        raise DecisionRefusedError(
            "digest_mismatch", "the action has changed since it was shown", remedy="look at it again"
        )
    if not is_reason(glass, decision.reason):
        raise DecisionRefusedError(
            "reason_required",
            f"breaking the glass needs a reason of at least {glass.reason_length} characters",
            remedy="say what the emergency is",
        )
    return approval.model_copy(
        update={
            "decisions": (*approval.decisions, decision),
            "version": approval.version + 1,
            "state": ApprovalState.APPROVED,
            "settled_at": at,
        }
    )


def is_sure(request: ApprovalRequest, assurance: Assurance) -> bool:
    """Whether the glass can be broken at this assurance. Whoever reads somebody's mail holds a link, so it never can."""
    return assurance is not Assurance.EMAIL_LINK and assurance.reaches(demanded(request))


def may_still_be_used(
    approval: Approval,
    said: ApprovalDecision,
    person: Person | None,
    askers: Iterable[Person | None],
    now: float,
) -> str | None:
    """Why an approval by a broken glass may not be consumed, or `None` when it may.

    Args:
        approval: as stored, approved.
        said: the decision that broke the glass.
        person: today's directory record of `said.person`.
        askers: today's directory records of the `requesters`.
        now: seconds since the epoch, by the database's clock.
    """
    if person is None or said.person != person.id:
        return "whoever broke the glass is not known any more"
    before = approval.model_copy(
        update={"state": ApprovalState.PENDING, "decisions": approval.decisions[:-1]}
    )
    try:
        break_glass(before, said, person, askers)
        glass_for(approval.request, person, askers, now)
    except DecisionRefusedError as error:
        return f"the glass may not be broken: {error.message}"
    if approval.decisions[-1] != said:
        return "somebody decided after the glass was broken"
    return lapsed(approval, now)


def lapsed(approval: Approval, now: float) -> str | None:
    """Why the time in which an approved approval may be used is over, or `None`. Whoever consumes it asks again.

    Args:
        approval: as stored, approved.
        now: seconds since the epoch, by the database's clock.
    """
    request, said = approval.request, broken(approval)
    if said is None:
        last = max((one.decided_at for one in approval.standing()), default=None)
        if last is None:
            return "nobody has approved it"
        late = request.valid_for is not None and now - last > request.valid_for
        return f"approved more than {request.valid_for:g} s ago" if late else None
    if request.break_glass is None:
        return "the policy has no break_glass for this question"
    valid_for = min(request.break_glass.valid_for, request.valid_for or request.break_glass.valid_for)
    if now - said.decided_at > valid_for:
        return f"the glass was broken more than {valid_for:g} s ago"
    return None
