"""Questions to people, in memory."""

from collections.abc import Sequence

from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState
from guardkit.core.audit import AuditEvent
from guardkit.core.granting import given_with
from guardkit.core.places import Place
from guardkit.core.planning import registered
from guardkit.core.reviews import review_of
from guardkit.core.runs import RunRef, TurnStatus
from guardkit.core.standing import StandingApproval
from guardkit.errors import UnknownApprovalError
from guardkit.testing.memory.state import MemoryState


class MemoryApprovals(MemoryState):
    """The port `Approvals`, in memory."""

    def register(
        self, run: RunRef, requests: Sequence[ApprovalRequest], events: Sequence[AuditEvent]
    ) -> Sequence[Approval]:
        """Insert requests that are not there yet; see `Approvals.register`."""
        with self._lock:
            thread = self._held(run)
            listed = self._checked(events)
            now = self.now()
            ended = thread.turns[run.turn - 1].status is TurnStatus.ENDED
            new = [request for request in requests if request.id not in self._approvals]
            for request in new:
                self._approvals[request.id] = Approval.opened(registered(request, now))
                if not ended:
                    self._ask(self._approvals[request.id])
            if new:
                self._add_events(run.tenant, listed)
            if ended:
                self._void(thread.turns[run.turn - 1], "the turn has ended")
            return [self._approvals[request.id] for request in requests]

    def approvals(self, tenant: str, ids: Sequence[str]) -> Sequence[Approval]:
        """The approvals with these ids that exist."""
        with self._lock:
            found = [self._approvals[name] for name in dict.fromkeys(ids) if name in self._approvals]
            return [approval for approval in found if approval.request.tenant == tenant]

    def find(self, approval_id: str) -> Approval | None:
        """An approval by id alone."""
        with self._lock:
            return self._approvals.get(approval_id)

    def listed(
        self,
        *,
        tenant: str | None = None,
        thread_id: str | None = None,
        states: Sequence[ApprovalState] | None = None,
        limit: int = 100,
        after: Place | None = None,
    ) -> Sequence[Approval]:
        """Approvals, newest first, those of one instant by id; only what follows the place `after`, if one is given."""
        with self._lock:
            found = [
                approval
                for approval in self._approvals.values()
                if tenant in (None, approval.request.tenant)
                and thread_id in (None, approval.request.thread_id)
                and (states is None or approval.state in states)
                and (after is None or after.precedes(approval))
            ]
            return sorted(found, key=lambda one: (-one.request.requested_at, one.request.id))[:limit]

    def settle(self, approval: Approval, expected_version: int, events: Sequence[AuditEvent]) -> bool:
        """Store a changed approval, if nobody changed it meanwhile; see `Approvals.settle`."""
        with self._lock:
            request = approval.request
            before = self._approvals.get(request.id)
            if before is None or before.request.tenant != request.tenant:
                raise UnknownApprovalError(
                    f"there is no approval {request.id!r} of tenant {request.tenant!r}"
                )
            if before.version != expected_version:
                return False
            review = review_of(before, approval)
            grant = given_with(before, approval)
            opening = [] if review is None else [review.opening()]
            giving = [] if grant is None else [grant.giving()]
            listed = self._checked([*events, *opening, *giving])
            self._put(before, approval)
            if grant is not None:
                self._standing[grant.id] = StandingApproval(grant=grant)
            if review is not None:
                self._reviews[request.id] = review
                for channel in review.glass.review_channels:
                    self._add_message(approval, "review", len(request.stages), channel, self.now())
            self._add_events(request.tenant, listed)
            if approval.state.settled and not before.state.settled:
                self._wake_if_answered(approval)
            return True

    def _wake_if_answered(self, approval: Approval) -> None:
        request = approval.request
        thread = self._threads[request.tenant, request.thread_id]
        if thread.turns[-1].number == request.turn and not self._is_waiting(thread.turns[-1]):
            thread.wake("expired" if approval.state is ApprovalState.EXPIRED else "decided", self.now())

    def expirable(self, limit: int = 100) -> Sequence[Approval]:
        """Pending approvals whose time is over, the longest overdue first."""
        with self._lock:
            now = self.now()
            over = [
                (approval.request.expires_at, approval)
                for approval in self._approvals.values()
                if approval.state is ApprovalState.PENDING
                and approval.request.on_expiry != "keep"
                and approval.request.expires_at is not None
                and approval.request.expires_at <= now
            ]
            return [approval for _, approval in sorted(over, key=lambda found: found[0])[:limit]]
