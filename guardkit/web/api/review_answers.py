"""What callers are told of reviews of broken glasses."""

from datetime import datetime

from guardkit.core.reviews import Review, ReviewState, ReviewVerdict
from guardkit.core.values import Value
from guardkit.web.api.moments import moment


class ReviewClosed(Value):
    """How a review ended."""

    verdict: ReviewVerdict
    person: str
    comment: str
    via: str
    at: datetime


class ReviewItem(Value):
    """The review of one broken glass. It has the id of the approval."""

    approval: str
    state: ReviewState
    tool: str
    thread: str
    turn: int
    broken_by: str
    reason: str
    """Of whoever broke the glass."""

    reviewers: tuple[str, ...]
    review_groups: tuple[str, ...]
    opened_at: datetime
    due_at: datetime
    closed: ReviewClosed | None

    @classmethod
    def of(cls, review: Review, now: float) -> "ReviewItem":
        """A review as callers see it.

        Args:
            review: as it stands.
            now: seconds since the epoch, by the database's clock.
        """
        end = review.closed
        return cls(
            approval=review.approval_id,
            state=review.state(now),
            tool=review.tool,
            thread=review.thread_id,
            turn=review.turn,
            broken_by=review.broken_by,
            reason=review.reason,
            reviewers=review.glass.reviewers,
            review_groups=review.glass.review_groups,
            opened_at=moment(review.opened_at),
            due_at=moment(review.due_at),
            closed=None
            if end is None
            else ReviewClosed(
                verdict=end.verdict, person=end.by, comment=end.comment, via=end.via, at=moment(end.at)
            ),
        )


class ReviewList(Value):
    """Reviews, longest due first."""

    items: tuple[ReviewItem, ...]
