"""Emergencies: one named person breaks the glass, and somebody else reviews it afterwards.

Whoever may and who may not is judged by `guardkit.core.breaking` and `guardkit.core.reviews`, by the directory as it is
now. A stop that is in force comes first: nobody breaks the glass against it.
"""

from collections.abc import Sequence

from guardkit.core import telemetry_names as names
from guardkit.core.approvals import Approval, ApprovalDecision, ApprovalRequest
from guardkit.core.audit import AuditEvent
from guardkit.core.breaking import break_glass, glass_for, is_sure, requesters
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance, Directory, Person, Roster, count_as_one
from guardkit.core.reviews import Closed, Review, ReviewVerdict, check_reviewer
from guardkit.core.signing import DecisionSigner
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.changing import (
    Changes,
    DeskStore,
    check_shown,
    check_version,
    check_words,
    event_of,
    facts_of,
)
from guardkit.runtime.events import Attributes, Telemetry, spanned
from guardkit.runtime.telling import answered, counted

LISTED = 1000
"""Reviews of a tenant that are looked through for somebody's list, longest due first."""


class Emergencies:
    """Breaks the glass on approvals, and keeps the reviews of it.

    Args:
        store: where approvals, reviews, stops and the audit chain are.
        directory: who people are.
        signer: signs decisions, in a process that takes answers.
        telemetry: sees it go by.
    """

    def __init__(
        self, store: DeskStore, directory: Directory, signer: DecisionSigner, telemetry: Telemetry
    ) -> None:
        self._store = store
        self._directory = directory
        self._signer = signer
        self._telemetry = telemetry
        self._changes = Changes(store, telemetry)

    def break_glass(
        self,
        approval_id: str,
        *,
        identity: str,
        digest: str,
        reason: str,
        assurance: Assurance,
        via: str,
        delivery: str | None = None,
        version: int | None = None,
        shown: str | None = None,
    ) -> Approval:
        """Settle an open question alone, in place of everybody whom it waits for.

        The decision, its audit and the review that it opens are one transaction. A refused attempt is audited too,
        without anything that the person wrote.

        Args:
            approval_id: which question.
            identity: whom the caller has verified, as the directory knows people.
            digest: the digest that was on the person's screen.
            reason: what the emergency is, in the person's words; the policy says how long it is at least.
            assurance: how surely the identity is theirs.
            via: the name of the approval channel, or `web`, `cli`, `api`.
            delivery: id of the message that was answered, or of the request that brought it.
            version: the `Approval.version` that was on the person's screen; another one is refused.
            shown: the `presentation_hash` of what was on the person's screen; another one is refused.

        Returns:
            The approval as it stands now.

        Raises:
            UnknownApprovalError: there is none with this id in the person's tenant.
            DecisionRefusedError: it does not count; `reason` says why, e.g. `not_allowed`, `requester`,
                `not_an_approver`, `reason_required`, `stopped`.
            StorageError: the database cannot be reached; nothing changed.
        """
        person = self._directory.find(identity)
        if person is None:
            self._changes.refuse_stranger(approval_id, assurance, via)

        def broken(approval: Approval, at: float) -> tuple[Approval, list[AuditEvent]]:
            check_version(approval, version)
            if digest == approval.digest:
                check_shown(approval, shown)
            check_words(reason)
            request = approval.request
            decision = ApprovalDecision(
                approval_id=approval_id,
                digest=digest,
                kind="break_glass",
                person=person.id,
                assurance=assurance,
                via=via,
                shown=shown,
                delivery=delivery,
                reason=reason,
                stage=approval.stage() or 0,
                decided_at=at,
            )
            askers = self._records(requesters(request))
            # First unsigned, so that nothing is signed that does not count.
            break_glass(approval, decision, person, askers)
            glass = glass_for(request, person, askers, at)
            self._check_review(request, glass, person, askers, at)
            self._check_stop(request)
            decision = self._signer.decision(decision)
            after = break_glass(approval, decision, person, askers)
            loud = event_of(
                "approval.glass_broken", after, person=person.id, via=via, valid_for=glass.valid_for
            )
            return after, [event_of("approval.decided", after, **facts_of(decision)), loud]

        after = self._changes.said(
            approval_id, person, broken,
            assurance=assurance.value, via=via, break_glass=True,
        )  # fmt: skip
        self._tell(after, via, assurance)
        return after

    def refusal(
        self, approval: Approval, person: Person, assurance: Assurance, now: float | None = None
    ) -> DecisionRefusedError | None:
        """Why this person could not break the glass now, whatever they said, or `None` when they could.

        Args:
            approval: as it stands.
            person: the directory's record.
            assurance: how surely it is them.
            now: seconds since the epoch, by the database's clock; asked for if not given.
        """
        request = approval.request
        now = self._store.now() if now is None else now
        if approval.state.settled:
            return DecisionRefusedError("already_settled", f"this approval is already {approval.state.value}")
        askers = self._records(requesters(request))
        try:
            glass = glass_for(request, person, askers, now)
            self._check_review(request, glass, person, askers, now)
            self._check_stop(request)
        except DecisionRefusedError as error:
            return error
        if not is_sure(request, assurance):
            return DecisionRefusedError("assurance_too_low", "breaking the glass needs a surer sign-in")
        return None

    # --- reviews ---

    def reviews(self, person: Person, *, closed: bool | None = False) -> Sequence[Review]:
        """The reviews that this person may look at, longest due first: theirs to close, and those that they closed.

        Args:
            person: the directory's record.
            closed: only closed ones, or only those that are not; all of them when `None`.
        """
        found = self._store.reviews(person.tenant, closed=closed, limit=LISTED)
        return [review for review in found if person.active and review.glass.may_review(person)]

    def review_refusal(self, review: Review, person: Person) -> DecisionRefusedError | None:
        """Why this person could not close a review now, or `None` when they could."""
        askers = self._records((review.broken_by, *review.asked_by))
        try:
            check_reviewer(review, person, askers, self._store.now())
        except DecisionRefusedError as error:
            return error
        return None

    def close_review(
        self,
        approval_id: str,
        *,
        identity: str,
        verdict: ReviewVerdict,
        comment: str,
        via: str,
    ) -> Review:
        """Close a review with a verdict, audited in the same transaction.

        Args:
            approval_id: which approval's review.
            identity: whom the caller has verified, as the directory knows people.
            verdict: what the reviewer finds.
            comment: in the reviewer's words.
            via: `web`, `cli` or `api`.

        Raises:
            UnknownApprovalError: there is no such review in the person's tenant.
            DecisionRefusedError: it does not count; `reason` says why.
        """
        person = self._directory.find(identity)
        if person is None:
            raise DecisionRefusedError("not_an_approver", "nobody is known by this identity")
        review = self._store.review(person.tenant, approval_id)
        if review is None:
            raise UnknownApprovalError("there is no such review")
        now = self._store.now()
        try:
            check_reviewer(review, person, self._records((review.broken_by, *review.asked_by)), now)
            check_words(comment)
            if not comment.strip():
                raise DecisionRefusedError("reason_required", "a review needs a comment")
            closed = Closed(verdict=verdict, by=person.id, via=via, comment=comment, at=now)
            after = review.model_copy(update={"closed": closed})
            event = after.event(
                "review.closed",
                person=person.id,
                via=via,
                verdict=verdict.value,
                overdue=now >= review.due_at,
            )
            if not self._store.change_review(review, after, [event]):
                raise DecisionRefusedError(
                    "conflict", "the review has changed at the same moment", remedy="look at it again"
                )
        except DecisionRefusedError as error:
            refused = review.event("review.refused", person=person.id, via=via, why=error.reason)
            self._store.append(review.tenant, [refused])
            raise
        self._reviewed(after, names.REVIEW_CLOSED, {names.REVIEW_VERDICT: verdict.value})
        return after

    def note_overdue(self, limit: int = 100) -> int:
        """Say loudly, once each, which reviews nobody has closed in time. Returns how many were noted."""
        count = 0
        for review in self._store.unnoted_reviews(limit):
            after = review.model_copy(update={"noted_at": self._store.now()})
            event = after.event("review.overdue", broken_by=review.broken_by, due_at=review.due_at)
            if self._store.change_review(review, after, [event]):
                count += 1
                self._reviewed(after, names.REVIEW_OVERDUE, {})
        return count

    # --- what both need ---

    def _records(self, identities: Sequence[str]) -> tuple[Person | None, ...]:
        return tuple(map(self._directory.find, identities))

    def _check_review(
        self,
        request: ApprovalRequest,
        glass: BreakGlass,
        person: Person,
        askers: Sequence[Person | None],
        at: float,
    ) -> None:
        """See that somebody is there who can review it, where the directory can list people."""
        if not isinstance(self._directory, Roster):
            return
        involved = [person, *(one for one in askers if one is not None)]
        for one in self._directory.people_of(request.tenant):
            asked = any(one.answers_to(identity) for identity in requesters(request))
            aside = asked or any(count_as_one(one, other, at) for other in involved)
            if one.active and glass.may_review(one) and not aside:
                return
        raise DecisionRefusedError(
            "not_allowed",
            "nobody could review it: all who may have broken the glass or asked, or are not active",
            remedy="name others in the policy's review_by",
        )

    def _check_stop(self, request: ApprovalRequest) -> None:
        for order in self._store.stops():
            if order.covers(tenant=request.tenant, thread_id=request.thread_id, agent=request.agent):
                raise DecisionRefusedError("stopped", "a stop is in force, and it comes first")

    def _reviewed(self, review: Review, event: str, found: Attributes) -> None:
        about = {names.APPROVAL_ID: review.approval_id, names.TOOL: review.tool, **found}
        thread = {names.CONVERSATION: review.thread_id, names.SESSION: review.thread_id}
        facts = {**about, **thread, names.TURN: review.turn}
        with spanned(self._telemetry, f"{names.REVIEW_GLASS} {review.tool}", facts):
            self._telemetry.event(event, about)

    def _tell(self, after: Approval, via: str, assurance: Assurance) -> None:
        request = after.request
        how = {names.APPROVAL_CHANNEL: via, names.APPROVAL_ASSURANCE: assurance.value}
        said = {names.APPROVAL_SAID: "break_glass", **how}
        answered(self._telemetry, names.DECIDE_APPROVAL, after, said, event=names.GLASS_BROKEN)
        about = {names.POLICY_ID: request.policy, names.TOOL: request.action.tool}
        self._telemetry.measure(names.GLASSES, 1, about)
        counted(self._telemetry, after, "break_glass")
