"""Whether an approval may still be used: what can have changed since people decided."""

from collections.abc import Mapping, Sequence

from guardkit.core.approvals import (
    Approval,
    ApprovalDecision,
    ApprovalRequest,
    ApprovalState,
    after_decisions,
    edited_digest,
    waiting_since,
    waiting_stages,
)
from guardkit.core.askers import Askers
from guardkit.core.breaking import broken, may_still_be_used, requesters
from guardkit.core.people import Assurance, Person, count_as_one
from guardkit.core.stages import Wait


def consulted(approval: Approval) -> frozenset[str]:
    """Whose records `still_holds` needs: `Person.id` of those who decided, and the identities of whoever asked."""
    asked = approval.request.excluded if broken(approval) is None else requesters(approval.request)
    return frozenset(voice for said in approval.decisions for voice in said.voices) | frozenset(asked)


def still_holds(approval: Approval, people: Mapping[str, Person | None], now: float) -> str | None:
    """Why an approved approval may not be consumed, or `None` when it may.

    Checks again what can have changed since people decided: membership, activity, exclusion, assurance, quorum of
    distinct people, delegations, and the time from the last decision.

    Args:
        approval: as stored.
        people: today's directory records by the names that `consulted` gives.
        now: seconds since the epoch, by the database's clock.
    """
    request = approval.request
    if approval.state is not ApprovalState.APPROVED:
        return f"the approval is {approval.state.value}"
    if approval.digest != edited_digest(request, approval.args):
        return "the stored arguments do not match their digest"
    said = broken(approval)
    if said is not None:
        askers = [people.get(identity) for identity in requesters(request)]
        return may_still_be_used(approval, said, people.get(said.person), askers, now)
    valid: list[ApprovalDecision] = []
    standing, against = approval.standing(), {voice for said in approval.against() for voice in said.voices}
    for number, decision in enumerate(approval.decisions):
        if decision not in standing or decision.voices & against:
            continue
        again = decision.assurance is Assurance.EMAIL_LINK and any(
            one.assurance is Assurance.EMAIL_LINK for one in valid
        )
        fits = () if again else _fits(after_decisions(approval, number), decision, people, now)
        if fits and not (request.delegable and _is_counted(decision, valid, people)):
            valid.append(decision.model_copy(update={"stage": fits[0], "seats": fits}))
    if waiting_stages(request, valid):
        return "somebody who approved is no longer entitled to"
    last = max(decision.decided_at for decision in valid)
    if request.valid_for is not None and now - last > request.valid_for:
        return f"approved more than {request.valid_for:g} s ago"
    return None


def _fits(
    before: Approval, decision: ApprovalDecision, people: Mapping[str, Person | None], now: float
) -> tuple[int, ...]:
    """The stages in which an approval that was given still counts, by today's records. A delegation must hold then and now.

    Args:
        before: the approval as it was when it was given.
        decision: the approval that was given.
        people: today's directory records.
        now: seconds since the epoch, by the database's clock.
    """
    request = before.request
    person, absent = people.get(decision.person), None
    if decision.on_behalf_of is not None:
        absent = people.get(decision.on_behalf_of)
        if absent is None:
            return ()
    if person is None or not _is_admitted(
        request, decision, person, absent, _askers(request, people, decision.decided_at)
    ):
        return ()
    found: list[int] = []
    for index in decision.fits:
        stage = request.stages[index] if index < len(request.stages) else None
        wait = Wait(since=waiting_since(before, index), at=decision.decided_at)
        if (
            stage is not None
            and all(stage.seats(person, absent, at, wait) for at in (decision.decided_at, now))
            and decision.assurance.reaches(stage.assurance)
        ):
            found.append(index)
    return tuple(found)


def _is_admitted(
    request: ApprovalRequest,
    decision: ApprovalDecision,
    person: Person,
    absent: Person | None,
    askers: Askers,
) -> bool:
    """Whether those who speak are active, of the tenant, and have not asked, or as the policy exempts them."""
    speaking = (person,) if absent is None else (person, absent)
    if any(not one.active or one.tenant != request.tenant for one in speaking):
        return False
    exempt = None if absent is not None else request.exemption(person, askers)
    return not request.excludes(person, absent, askers) and decision.exemption == exempt


def _askers(request: ApprovalRequest, people: Mapping[str, Person | None], at: float) -> Askers:
    found = map(people.get, request.excluded)
    return Askers(tuple(one for one in found if one is not None), at)


def _is_counted(
    decision: ApprovalDecision, valid: Sequence[ApprovalDecision], people: Mapping[str, Person | None]
) -> bool:
    """Whether one of these people counts already, as a delegate or by one."""
    before = [people.get(voice) for said in valid for voice in said.voices]
    return any(
        one is not None and other is not None and count_as_one(one, other, decision.decided_at)
        for one in map(people.get, decision.voices)
        for other in before
    )
