"""Reviews of broken glasses, in memory."""

from collections.abc import Sequence

from guardkit.core.audit import AuditEvent
from guardkit.core.reviews import Review, checked_change
from guardkit.testing.memory.state import MemoryState


class MemoryReviews(MemoryState):
    """The port `Reviews`, in memory."""

    def review(self, tenant: str, approval_id: str) -> Review | None:
        """The review of an approval."""
        with self._lock:
            found = self._reviews.get(approval_id)
            return None if found is None or found.tenant != tenant else found

    def reviews(
        self, tenant: str | None = None, *, closed: bool | None = None, limit: int = 100
    ) -> Sequence[Review]:
        """Reviews, longest due first."""
        with self._lock:
            found = [
                review
                for review in self._reviews.values()
                if tenant in (None, review.tenant) and closed in (None, review.closed is not None)
            ]
            return sorted(found, key=_due)[:limit]

    def unnoted_reviews(self, limit: int = 100) -> Sequence[Review]:
        """Reviews that are overdue, not closed, and not noted as overdue."""
        with self._lock:
            now = self.now()
            found = [
                review
                for review in self._reviews.values()
                if review.state(now) == "overdue" and review.noted_at is None
            ]
            return sorted(found, key=_due)[:limit]

    def change_review(self, before: Review, after: Review, events: Sequence[AuditEvent]) -> bool:
        """Store a changed review, if nobody changed it meanwhile; see `Reviews.change_review`."""
        checked_change(before, after)
        with self._lock:
            if self._reviews.get(before.approval_id) != before:
                return False
            listed = self._checked(events)
            self._reviews[before.approval_id] = after
            if after.closed is not None:
                self._drop(self._approvals[before.approval_id], "review")
            self._add_events(before.tenant, listed)
            return True


def _due(review: Review) -> tuple[float, str]:
    return review.due_at, review.approval_id
