"""What whoever asked may do with a question, and what operators may: look at it, and end it before it is used."""

from guardkit.core.approvals import Approval, ApprovalState, close
from guardkit.core.asked import WHY_LIMIT, as_asked, was_asked_by
from guardkit.core.audit import AuditEvent
from guardkit.core.people import Assurance, Directory, Person
from guardkit.core.values import Json
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.changing import Changes, DeskStore, check_words, event_of


class Withdrawals:
    """Shows people what they asked for, and lets them withdraw it. It signs nothing.

    Args:
        store: where approvals and the audit chain are.
        directory: who people are.
        changes: changes approvals.
    """

    def __init__(self, store: DeskStore, directory: Directory, changes: Changes) -> None:
        self._store = store
        self._directory = directory
        self._changes = changes

    def see(self, approval_id: str, person: Person) -> Approval:
        """A question of this person's own, without what others wrote for those who decide.

        Raises:
            UnknownApprovalError: there is none, or they have not asked it; callers cannot tell which.
        """
        approval = self._store.find(approval_id)
        if approval is None or not was_asked_by(approval.request, person):
            raise UnknownApprovalError("there is no such approval")
        return as_asked(approval)

    def withdraw(
        self, approval_id: str, *, identity: str, why: str, assurance: Assurance, via: str
    ) -> Approval:
        """Withdraw a question that is not used yet, as whoever asked; refused attempts are audited too.

        Args:
            approval_id: which question.
            identity: whom the caller has verified, as the directory knows people.
            why: in the person's words, at most 500 characters.
            assurance: how surely the identity is theirs.
            via: `web`, `api`, `cli`.

        Raises:
            UnknownApprovalError: there is none with this id in the person's tenant.
            DecisionRefusedError: `not_the_requester`, `not_an_approver` for somebody whom the directory does not know,
                `already_settled`, `reason_required`, `reason_invalid` or `conflict`.
        """
        person = self._directory.find(identity)
        if person is None:
            self._changes.refuse_stranger(approval_id, assurance, via)

        def withdrawn(approval: Approval, at: float) -> tuple[Approval, list[AuditEvent]]:
            if not was_asked_by(approval.request, person):
                raise DecisionRefusedError(
                    "not_the_requester", "only whoever started or steered the turn may withdraw it"
                )
            return _cancelled(
                approval, at, person.id, why, operator=False, assurance=assurance.value, via=via
            )

        return self._changes.said(approval_id, person, withdrawn, assurance=assurance.value, via=via)


def cancel(changes: Changes, approval_id: str, *, by: str, why: str) -> Approval:
    """Withdraw a question that is not used yet, as an operator.

    Args:
        changes: changes approvals.
        approval_id: which question.
        by: the operator, for the audit log.
        why: the operator's reason, at most 500 characters.

    Raises:
        UnknownApprovalError: there is none with this id.
        DecisionRefusedError: `already_settled`, `reason_required`, `reason_invalid` or `conflict`.
    """
    return changes.make(approval_id, lambda approval, at: _cancelled(approval, at, by, why, operator=True))


def _cancelled(
    approval: Approval, at: float, by: str, why: str, **about: Json
) -> tuple[Approval, list[AuditEvent]]:
    check_words(why)
    if not why.strip():
        raise DecisionRefusedError("reason_required", "withdrawing a question needs a reason")
    if len(why) > WHY_LIMIT:
        raise DecisionRefusedError(
            "reason_invalid", f"the reason has {len(why)} characters, {WHY_LIMIT} are allowed"
        )
    after = close(approval, ApprovalState.CANCELLED, at)
    return after, [event_of("approval.cancelled", after, by=by, why=why, **about)]
