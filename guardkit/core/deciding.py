"""Deciding: which stages a person may answer for, and what their answer makes of an approval."""

from collections.abc import Iterable

from guardkit.core.approvals import (
    Approval,
    ApprovalDecision,
    ApprovalRequest,
    ApprovalState,
    after_decisions,
    edited_digest,
    waiting_since,
)
from guardkit.core.askers import Askers
from guardkit.core.people import Assurance, Person, count_as_one
from guardkit.core.stages import Wait
from guardkit.errors import DecisionRefusedError


def stage_for(
    approval: Approval,
    person: Person,
    now: float,
    *,
    absent: Person | None = None,
    others: Iterable[Person] = (),
    askers: Iterable[Person] = (),
) -> int:
    """The first of the stages for which this person may answer now; see `stages_for`."""
    return stages_for(approval, person, now, absent=absent, others=others, askers=askers)[0]


def stages_for(
    approval: Approval,
    person: Person,
    now: float,
    *,
    absent: Person | None = None,
    others: Iterable[Person] = (),
    askers: Iterable[Person] = (),
) -> tuple[int, ...]:
    """The stages for which this person may answer now, at least one. One answer counts in one of them.

    Args:
        approval: as it stands.
        person: the directory's record.
        now: seconds since the epoch, by the database's clock: some may answer only after a time.
        absent: the record of whoever is away and is answered for; `None` when people speak for themselves.
        others: the records of those whose answers count, where the request is `delegable`.
        askers: the records of whoever `request.excluded` names, as far as the directory knows them.

    Raises:
        DecisionRefusedError: `already_settled`, `inactive`, `requester`, `already_decided` or `not_an_approver`.
    """
    request = approval.request
    if approval.state is not ApprovalState.PENDING:
        raise DecisionRefusedError("already_settled", f"this approval is already {approval.state.value}")
    speaking = (person,) if absent is None else (person, absent)
    if any(not one.active or one.tenant != request.tenant for one in speaking):
        raise DecisionRefusedError("inactive", "this person is not active in the approval's tenant")
    if request.excludes(person, absent, Askers(tuple(askers), now)):
        raise _asked(request)
    counted = approval.answered()
    if any(one.id in counted for one in speaking):
        raise DecisionRefusedError("already_decided", "this person has answered, and that counts")
    if request.delegable and any(count_as_one(one, other, now) for one in speaking for other in others):
        raise DecisionRefusedError("already_decided", "a delegate and whoever is away are one person")
    open_to = tuple(
        index
        for index in approval.waiting()
        if request.stages[index].seats(
            person, absent, now, Wait(since=waiting_since(approval, index), at=now)
        )
    )
    if not open_to:
        raise DecisionRefusedError(
            "not_an_approver", "this person is not among the approvers of a stage that is waiting"
        )
    return open_to


def sure_enough(request: ApprovalRequest, stages: Iterable[int], assurance: Assurance) -> tuple[int, ...]:
    """Those of the stages that take an answer at this assurance.

    Args:
        request: the question.
        stages: 0-based indexes, as `stages_for` gives them.
        assurance: how surely it is the person.

    Raises:
        DecisionRefusedError: `assurance_too_low`: none does.
    """
    listed = tuple(stages)
    found = tuple(index for index in listed if assurance.reaches(request.stages[index].assurance))
    if found:
        return found
    levels = list(Assurance)
    needed = min((request.stages[index].assurance for index in listed), key=levels.index)
    raise DecisionRefusedError(
        "assurance_too_low",
        f"this stage needs {needed.value}, this sign-in counts as {assurance.value}",
    )


def decide(
    approval: Approval,
    decision: ApprovalDecision,
    person: Person,
    *,
    absent: Person | None = None,
    others: Iterable[Person] = (),
    askers: Iterable[Person] = (),
) -> Approval:
    """The approval after one more decision.

    A rejection ends it once as many people have rejected it in one stage as the stage says; it counts in each stage that
    waits for its author. An edit changes the arguments and so re-opens what others said; it counts as the editor's own
    approval of the new arguments. `decision.fits` must be all stages that the person may answer for at its assurance.

    Args:
        approval: as it stands.
        decision: what was said; its signature is the caller's to check.
        person: the directory's record of `decision.person`.
        absent: the directory's record of `decision.on_behalf_of`.
        others: the records of those whose answers count, where the request is `delegable`.
        askers: the records of whoever `request.excluded` names, as far as the directory knows them.

    Raises:
        DecisionRefusedError: the decision does not count; nothing changes.
    """
    request = approval.request
    asking = Askers(tuple(askers), decision.decided_at)
    if decision.approval_id != request.id:
        raise DecisionRefusedError("digest_mismatch", "the decision names another approval")
    if (decision.person, decision.on_behalf_of) != (person.id, None if absent is None else absent.id):
        raise DecisionRefusedError("not_an_approver", "the decision names another person")
    open_to = stages_for(
        approval, person, decision.decided_at, absent=absent, others=others, askers=asking.people
    )
    fitting = sure_enough(request, open_to, decision.assurance)
    if (decision.fits, decision.stage) != (fitting, fitting[0]):
        raise DecisionRefusedError("not_an_approver", "the decision was given for another stage")
    if decision.exemption != (None if absent is not None else request.exemption(person, asking)):
        raise DecisionRefusedError("requester", "the decision does not say why whoever asked may decide")
    if decision.assurance is Assurance.EMAIL_LINK:
        _check_link(approval, decision)
    if (
        request.expires_at is not None
        and request.on_expiry != "keep"
        and decision.decided_at >= request.expires_at
    ):
        raise DecisionRefusedError("expired", "the time to decide is over")
    if decision.digest != approval.digest:
        raise DecisionRefusedError(
            "digest_mismatch", "the action has changed since it was shown", remedy="look at it again"
        )
    if decision.kind not in request.allowed:
        raise DecisionRefusedError("not_allowed", f"{decision.kind!r} is not among the allowed decisions")
    if _lacks_words(request, decision):
        raise DecisionRefusedError("reason_required", f"{decision.kind!r} needs a reason")
    if (decision.kind == "edit") != (decision.args is not None):
        raise DecisionRefusedError("edit_invalid", "edited arguments go with 'edit', and only with it")
    said = {"decisions": (*approval.decisions, decision), "version": approval.version + 1}
    if decision.args is not None:
        digest = edited_digest(request, decision.args)
        if digest == approval.digest:
            raise DecisionRefusedError("edit_invalid", "the edit changes nothing", remedy="approve instead")
        said |= {"args": decision.args, "digest": digest}
    changed = approval.model_copy(update=said)
    state = state_after(changed, len(changed.decisions))
    if state.settled:
        return changed.model_copy(update={"state": state, "settled_at": decision.decided_at})
    return changed


def state_after(approval: Approval, decisions: int) -> ApprovalState:
    """Where an approval stood with its first decisions, by what people said alone.

    Args:
        approval: as it stands, or stood later.
        decisions: how many of its decisions, at least one.
    """
    then = after_decisions(approval, decisions)
    match then.decisions[-1].kind:
        case "respond":
            return ApprovalState.RESPONDED
        case "break_glass":
            return ApprovalState.APPROVED
        case "reject":
            return ApprovalState.REJECTED if then.rejected() else ApprovalState.PENDING
        case "approve" | "edit":
            return ApprovalState.PENDING if then.waiting() else ApprovalState.APPROVED


def _asked(request: ApprovalRequest) -> DecisionRefusedError:
    if request.principal.verified_by == "nobody":
        return DecisionRefusedError(
            "requester",
            "nobody has verified whom the run acts for, so anybody may have started the turn",
            remedy="authenticate callers, or exempt by name whoever may decide all the same",
        )
    return DecisionRefusedError("requester", "whoever started or steered the turn cannot decide on it")


def _lacks_words(request: ApprovalRequest, decision: ApprovalDecision) -> bool:
    if (decision.reason or "").strip():
        return False
    return decision.kind != "break_glass" and request.needs_comment(decision.kind)


def _check_link(approval: Approval, decision: ApprovalDecision) -> None:
    """Whoever reads somebody's mail holds the link: that is enough for one voice, and never to write to the agent."""
    if decision.kind in ("edit", "respond"):
        raise DecisionRefusedError("assurance_too_low", f"{decision.kind!r} needs more than a link in a mail")
    if decision.kind == "approve" and any(
        said.assurance is Assurance.EMAIL_LINK for said in approval.standing()
    ):
        raise DecisionRefusedError(
            "assurance_too_low",
            "one approval by a link in a mail already counts; a second needs a surer sign-in",
        )
