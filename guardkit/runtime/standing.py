"""Standing approvals at the desk: who sees them, and who ends them.

Whoever may look at one may end it, since that never lets anything happen: those who gave it, whoever could have given
it, and whom it acts for. So may an operator at the machine itself.
"""

from collections.abc import Sequence

from guardkit.core.approvals import Approval
from guardkit.core.people import Assurance, Directory, Person
from guardkit.core.signing import DecisionSigner
from guardkit.core.standing import WHY_LIMIT, StandingApproval, StandingRevocation
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.changing import DeskStore, check_words
from guardkit.runtime.speaking import Speakers

LISTED = 1000
"""Standing approvals of a tenant that are looked through for somebody's list, newest first."""


class StandingDesk:
    """Lists standing approvals, and ends them.

    Args:
        store: where approvals and the audit chain are.
        directory: who people are.
        signer: signs revocations, in a process that takes answers.
    """

    def __init__(self, store: DeskStore, directory: Directory, signer: DecisionSigner) -> None:
        self._store = store
        self._directory = directory
        self._speakers = Speakers(directory)
        self._signer = signer

    def listed(self, person: Person, *, active: bool | None = True) -> Sequence[StandingApproval]:
        """Standing approvals that are for this person's eyes, newest first, of the tenant's newest 1,000.

        Args:
            person: the directory's record.
            active: only those that are good for something now, or only those that are not; all of them when `None`.
        """
        found = self._store.standing_approvals(person.tenant, active=active, limit=LISTED)
        ids = [one.grant.approval_id for one in found]
        questions = {one.request.id: one for one in self._store.approvals(person.tenant, ids)} if ids else {}
        now = self._store.now()
        return [
            one for one in found if self._concerns(one, questions.get(one.grant.approval_id), person, now)
        ]

    def see(self, standing_id: str, person: Person) -> StandingApproval:
        """One that is for this person's eyes.

        Raises:
            UnknownApprovalError: there is none, or it is not for their eyes; callers cannot tell which.
        """
        found = self._store.standing_approval(person.tenant, standing_id)
        if found is not None:
            question = self._store.find(found.grant.approval_id)
            if self._concerns(found, question, person, self._store.now()):
                return found
        raise _unknown()

    def revoke(
        self, standing_id: str, *, identity: str, why: str, assurance: Assurance, via: str
    ) -> StandingApproval:
        """End one as a person, at once: signed, and audited in the same transaction.

        Args:
            standing_id: which one.
            identity: whom the caller has verified, as the directory knows people.
            why: in the person's words, at most 500 characters.
            assurance: how surely the identity is theirs.
            via: `web`, `api`, `cli`.

        Raises:
            UnknownApprovalError: there is none, or it is not for their eyes.
            DecisionRefusedError: `already_settled`, `not_an_approver`, `reason_required` or `reason_invalid`.
        """
        person = self._directory.find(identity)
        if person is None:
            raise DecisionRefusedError("not_an_approver", "nobody is known by this identity")
        found = self.see(standing_id, person)
        return self._end(found, person.id, why, operator=False, assurance=assurance, via=via)

    def revoke_as_operator(self, standing_id: str, *, tenant: str, by: str, why: str) -> StandingApproval:
        """End one as an operator, at the machine itself.

        Args:
            standing_id: which one.
            tenant: whose.
            by: the operator, for the audit log.
            why: the operator's reason, at most 500 characters.

        Raises:
            UnknownApprovalError: the tenant has none with this id.
            DecisionRefusedError: `already_settled`, `reason_required` or `reason_invalid`.
        """
        found = self._store.standing_approval(tenant, standing_id)
        if found is None:
            raise _unknown()
        return self._end(found, by, why, operator=True, assurance=Assurance.LOCAL_OPERATOR, via="cli")

    def _end(
        self,
        found: StandingApproval,
        by: str,
        why: str,
        *,
        operator: bool,
        assurance: Assurance,
        via: str,
    ) -> StandingApproval:
        check_words(why)
        if not why.strip():
            raise DecisionRefusedError("reason_required", "ending a standing approval needs a reason")
        if len(why) > WHY_LIMIT:
            raise DecisionRefusedError(
                "reason_invalid", f"the reason has {len(why)} characters, {WHY_LIMIT} are allowed"
            )
        grant = found.grant
        revocation = self._signer.revocation(
            StandingRevocation(
                standing_id=grant.id,
                tenant=grant.subject.tenant,
                by=by,
                operator=operator,
                via=via,
                assurance=assurance,
                why=why,
                at=self._store.now(),
            )
        )
        event = grant.event(
            "standing.revoked",
            approval=grant.approval_id,
            person=by,
            operator=operator,
            via=via,
            assurance=assurance.value,
            key_id=revocation.key_id,
            signature=revocation.signature,
        )
        after = self._store.revoke_standing(revocation, [event])
        if after is None:
            raise DecisionRefusedError("already_settled", "this standing approval is already revoked")
        return after

    def _concerns(
        self, standing: StandingApproval, question: Approval | None, person: Person, now: float
    ) -> bool:
        grant = standing.grant
        if not person.active or person.tenant != grant.subject.tenant:
            return False
        if person.id in grant.givers or person.answers_to(grant.subject.principal.id):
            return True
        return question is not None and self._speakers.concerns(question, person, now)


def _unknown() -> UnknownApprovalError:
    return UnknownApprovalError("there is no such standing approval")
