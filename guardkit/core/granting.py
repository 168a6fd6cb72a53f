"""Giving standing approvals, and whether one may still be used.

A standing approval is made of the decisions that approved one question, all of which must say it; what the tightest of
them says counts. The process that keeps it and the process that uses it make it by the same rule, so a stored one that
says more than what was signed is of no use.
"""

from collections.abc import Mapping
from decimal import Decimal

from guardkit.core.amounts import StandingAmount, is_amount
from guardkit.core.approvals import Approval, ApprovalDecision, ApprovalRequest, ApprovalState
from guardkit.core.consuming import consulted, still_holds
from guardkit.core.digest import approval_id
from guardkit.core.people import Assurance, Person
from guardkit.core.stages import ApprovalStage
from guardkit.core.standing import (
    StandingGrant,
    StandingOffer,
    StandingSubject,
    StandingTerms,
    StandingWish,
    standing_id,
)
from guardkit.errors import DecisionRefusedError


def subject_of(request: ApprovalRequest, offer: StandingOffer) -> StandingSubject:
    """What actions have to be like, to be like the one that a question is about."""
    return StandingSubject.of(
        request.action,
        offer.same,
        tenant=request.tenant,
        agent=request.agent,
        thread_id=request.thread_id,
        principal=request.principal,
        rules=request.rules,
        routes=request.routes,
        policy=request.policy,
        route_hash=request.route_hash,
    )


def terms_of(request: ApprovalRequest, wish: StandingWish) -> StandingTerms:
    """What a person signs who adds a wish to a yes.

    Raises:
        DecisionRefusedError: `not_allowed` where the policy permits none, `standing_invalid` where it permits less.
    """
    offer = request.standing
    if offer is None:
        raise DecisionRefusedError("not_allowed", "this question takes no standing approval")
    if wish.scope not in offer.scopes:
        raise _beyond(f"the scope {wish.scope!r} is not permitted", f"choose {' or '.join(offer.scopes)}")
    if wish.seconds > offer.seconds:
        raise _beyond(f"{wish.seconds:g} seconds are more than permitted", f"at most {offer.seconds:g}")
    if wish.uses > offer.uses:
        raise _beyond(f"{wish.uses} uses are more than permitted", f"at most {offer.uses}")
    return StandingTerms(
        subject=subject_of(request, offer),
        scope=wish.scope,
        seconds=wish.seconds,
        uses=wish.uses,
        amount=_limited(offer.amount, wish.at_most),
    )


def _limited(limit: StandingAmount | None, wished: str | None) -> StandingAmount | None:
    if wished is None:
        return limit
    if limit is None:
        raise _beyond("the policy limits no amount here", "leave the amount out")
    amount = is_amount(wished)
    if amount is None or Decimal(amount) == 0:
        raise _beyond("the amount is no number above zero", "write it like 1250.50")
    if Decimal(amount) > Decimal(limit.at_most):
        raise _beyond(f"the amount is more than permitted of {limit.argument}", f"at most {limit.at_most}")
    return StandingAmount(argument=limit.argument, at_most=amount)


def _beyond(message: str, remedy: str) -> DecisionRefusedError:
    return DecisionRefusedError("standing_invalid", message, remedy=remedy)


def check_saying(approval: Approval, decision: ApprovalDecision) -> None:
    """See that what a decision says of a standing approval may be said with it.

    Raises:
        DecisionRefusedError: `not_allowed`, `standing_invalid` or `assurance_too_low`.
    """
    terms = decision.standing
    if terms is None:
        return
    if decision.kind != "approve":
        raise DecisionRefusedError("standing_invalid", "a standing approval goes with 'approve' only")
    if any(said.kind == "edit" for said in approval.decisions):
        raise DecisionRefusedError("not_allowed", "what was edited takes no standing approval")
    if decision.assurance is Assurance.EMAIL_LINK:
        raise DecisionRefusedError(
            "assurance_too_low", "a standing approval needs more than a link in a mail"
        )
    if not terms_of(approval.request, _wish(terms)).is_same(terms):
        raise DecisionRefusedError("standing_invalid", "it is about something else than the question")


def _wish(terms: StandingTerms) -> StandingWish:
    at_most = None if terms.amount is None else terms.amount.at_most
    return StandingWish(scope=terms.scope, seconds=terms.seconds, uses=terms.uses, at_most=at_most)


def grant_of(approval: Approval) -> StandingGrant | None:
    """The standing approval that the decisions on a question give, if they give one.

    All of them must approve and say it: one plain yes, one edit, one no, and it is none. The tightest counts: the thread
    before the requester, the fewest uses, the smallest sum, the earliest end.
    """
    said: list[tuple[ApprovalDecision, StandingTerms]] = []
    for decision in approval.decisions:
        if decision.standing is None:
            return None
        try:
            check_saying(approval, decision)
        except DecisionRefusedError:
            return None
        said.append((decision, decision.standing))
    if not said or approval.request.standing is None:
        return None
    amounts = [terms.amount for _, terms in said if terms.amount is not None]
    return StandingGrant(
        id=standing_id(approval.request.id),
        approval_id=approval.request.id,
        subject=subject_of(approval.request, approval.request.standing),
        scope="thread" if any(terms.scope == "thread" for _, terms in said) else "requester",
        uses=min(terms.uses for _, terms in said),
        amount=min(amounts, key=lambda limit: Decimal(limit.at_most)) if amounts else None,
        givers=tuple(sorted({voice for decision, _ in said for voice in decision.voices})),
        given_at=max(decision.decided_at for decision, _ in said),
        until=min(decision.decided_at + terms.seconds for decision, terms in said),
    )


def given_with(before: Approval, after: Approval) -> StandingGrant | None:
    """The standing approval that a change of an approval gives: with the last yes, and with nothing else."""
    if before.state is not ApprovalState.PENDING or after.state is not ApprovalState.APPROVED:
        return None
    return grant_of(after)


def givers_of(approval: Approval) -> frozenset[str]:
    """Whose records `still_given` needs."""
    return consulted(approval)


def still_given(
    grant: StandingGrant,
    approval: Approval,
    people: Mapping[str, Person | None],
    now: float,
    *,
    stages: tuple[ApprovalStage, ...],
    offer: StandingOffer | None,
) -> str | None:
    """Why a standing approval may not be used, or `None` when it may.

    Checks again that it is what was signed, that today's policy would permit it, and that those who gave it could give
    it today: membership, activity, exclusion, assurance, quorum of distinct people, delegations that are still in force.
    What became of the question itself does not matter, nor how long it was valid.

    Args:
        grant: as stored.
        approval: the question that it was given with; signatures are the caller's to check.
        people: today's directory records by the names that `givers_of` gives.
        now: seconds since the epoch, by the database's clock.
        stages: those of today's policy.
        offer: what today's policy permits.
    """
    request = approval.request
    if approval_id(request.action.id, request.digest, request.route_hash) != request.id:
        return "the stored question does not match its id"
    if request.standing is None or request.standing != offer:
        return "today's policy permits other standing approvals"
    given = grant_of(approval)
    if given is None or not given.is_same(grant):
        return "it says something else than what people signed"
    asked = request.model_copy(update={"valid_for": None, "stages": stages})
    again = approval.model_copy(update={"state": ApprovalState.APPROVED, "request": asked})
    return still_holds(again, people, now)
