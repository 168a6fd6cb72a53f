"""The part of the store that keeps reviews: each method of `Reviews`, one transaction."""

from collections.abc import Sequence

from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEvent
from guardkit.core.reviews import Review, checked_change
from guardkit.sql import deliveries, reviews
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone


class ReviewStore:
    """Reviews of broken glasses in one SQL database, and messages that no answer brings about."""

    database: Database

    @redone
    def ask_again(self, approval: Approval, stage: int, cause: str) -> bool:
        """Ask the people of a stage that waits once more, once for each cause. Returns whether messages were made due."""
        with self.database.writing() as connection:
            return deliveries.ask_again(connection, approval, stage, cause)

    def review(self, tenant: str, approval_id: str) -> Review | None:
        """The review of an approval; `None` where the glass was not broken, or in another tenant."""
        with self.database.reading() as connection:
            return reviews.find(connection, tenant, approval_id)

    def reviews(
        self, tenant: str | None = None, *, closed: bool | None = None, limit: int = 100
    ) -> Sequence[Review]:
        """Reviews, longest due first; of every tenant when `tenant` is `None`."""
        with self.database.reading() as connection:
            return reviews.listed(connection, tenant, closed=closed, limit=limit)

    def unnoted_reviews(self, limit: int = 100) -> Sequence[Review]:
        """Reviews that are overdue, not closed, and not noted as overdue, longest due first."""
        with self.database.reading() as connection:
            return reviews.unnoted(connection, limit)

    @redone
    def change_review(self, before: Review, after: Review, events: Sequence[AuditEvent]) -> bool:
        """Store a review that was closed, or noted as overdue, if nobody changed it since it was read.

        Raises:
            InputError: something else was changed, or a closed one.
        """
        checked_change(before, after)
        with self.database.writing() as connection:
            changed = reviews.change(connection, before, after, events)
            if changed and after.closed is not None:
                deliveries.drop_review(connection, after.approval_id)
            return changed
