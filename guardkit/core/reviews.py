"""Reviews: what somebody else says afterwards of a broken glass.

A store opens the review in the transaction that keeps the decision which broke the glass, so neither is there without the
other. It is closed once, by somebody who neither broke the glass nor asked.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from pydantic import Field

from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEvent
from guardkit.core.breaking import broken, requesters
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Person, count_as_one
from guardkit.core.values import Json, JsonObject, Value
from guardkit.errors import DecisionRefusedError, InputError

ReviewState: TypeAlias = Literal["open", "overdue", "closed"]
COMMENT_LIMIT = 4000


class ReviewVerdict(StrEnum):
    """What a review finds."""

    JUSTIFIED = "justified"
    NOT_JUSTIFIED = "not_justified"


class Closed(Value):
    """How a review ended."""

    verdict: ReviewVerdict
    by: str
    """`Person.id` of the reviewer."""

    via: str
    """`web`, `api`, `cli`."""

    comment: str = Field(min_length=1, max_length=COMMENT_LIMIT)
    at: float
    """Seconds since the epoch, by the database's clock."""


class Review(Value):
    """The review of one broken glass. It has the id of the approval."""

    approval_id: str
    tenant: str
    thread_id: str
    turn: int
    tool: str
    broken_by: str
    """`Person.id` of whoever broke the glass."""

    asked_by: tuple[str, ...]
    """Identities of whoever started or steered the turn."""

    reason: str
    """Of whoever broke the glass, in their words."""

    glass: BreakGlass
    """What the policy said then, who reviews it included."""

    opened_at: float
    """Seconds since the epoch, by the database's clock, like the next one."""

    due_at: float
    noted_at: float | None = None
    """When a worker noted that it is overdue."""

    closed: Closed | None = None

    def state(self, now: float) -> ReviewState:
        """How it stands at a time, by the database's clock."""
        if self.closed is not None:
            return "closed"
        return "overdue" if now >= self.due_at else "open"

    def opening(self) -> AuditEvent:
        """What the audit log has of its beginning."""
        reviewers: list[Json] = [
            *self.glass.reviewers,
            *(f"group {name}" for name in self.glass.review_groups),
        ]
        return self.event("review.opened", broken_by=self.broken_by, reviewers=reviewers, due_at=self.due_at)

    def event(self, kind: str, **data: Json) -> AuditEvent:
        """An event of the audit log about it."""
        facts: JsonObject = {"approval": self.approval_id, "tool": self.tool}
        return AuditEvent(kind=kind, thread_id=self.thread_id, turn=self.turn, data=facts | data)


def review_of(before: Approval, after: Approval) -> Review | None:
    """The review that a changed approval opens: the one of a glass that was whole before."""
    said, request = broken(after), after.request
    if said is None or broken(before) is not None or request.break_glass is None:
        return None
    return Review(
        approval_id=request.id,
        tenant=request.tenant,
        thread_id=request.thread_id,
        turn=request.turn,
        tool=request.action.tool,
        broken_by=said.person,
        asked_by=requesters(request),
        reason=said.reason or "",
        glass=request.break_glass,
        opened_at=said.decided_at,
        due_at=said.decided_at + request.break_glass.review_within,
    )


def check_reviewer(review: Review, person: Person, others: Iterable[Person | None], at: float) -> None:
    """See that a person may close a review.

    Args:
        review: as it stands.
        person: the directory's record.
        others: the directory's records of whoever broke the glass and whoever asked; `None` for one it does not know.
        at: seconds since the epoch, by the database's clock.

    Raises:
        DecisionRefusedError: `already_settled`, `inactive`, `requester` or `not_an_approver`.
    """
    if review.closed is not None:
        raise DecisionRefusedError("already_settled", "this review is already closed")
    if not person.active or person.tenant != review.tenant:
        raise DecisionRefusedError("inactive", "this person is not active in the review's tenant")
    involved = any(person.answers_to(identity) for identity in (review.broken_by, *review.asked_by))
    if involved or any(one is not None and count_as_one(person, one, at) for one in others):
        raise DecisionRefusedError(
            "requester", "whoever broke the glass or asked cannot review it, nor can their delegate"
        )
    if not review.glass.may_review(person):
        raise DecisionRefusedError("not_an_approver", "this person is not among those who review it")


def reviewers(review_of: Approval, people: Iterable[Person], at: float) -> Sequence[Person]:
    """Those of some people who may close the review of a broken glass.

    Args:
        review_of: the approval whose glass was broken.
        people: the directory's records of everybody who may be meant, of whoever broke the glass and of whoever asked.
        at: seconds since the epoch, by the database's clock.
    """
    request, said = review_of.request, broken(review_of)
    glass = request.break_glass
    if glass is None or said is None:
        return ()
    everybody = tuple(people)
    aside = (said.person, *requesters(request))
    involved = [one for one in everybody if any(one.answers_to(identity) for identity in aside)]
    return [
        one
        for one in everybody
        if one.active
        and one.tenant == request.tenant
        and glass.may_review(one)
        and not any(count_as_one(one, other, at) for other in involved)
    ]


def due_of(approval: Approval) -> float | None:
    """When the review of an approval's broken glass is due, in seconds since the epoch; `None` where it is whole."""
    said, glass = broken(approval), approval.request.break_glass
    return None if said is None or glass is None else said.decided_at + glass.review_within


def checked_change(before: Review, after: Review) -> None:
    """Refuse what is neither closing a review nor noting that it is overdue.

    Raises:
        InputError: it is something else.
    """
    noted = after.model_copy(update={"noted_at": before.noted_at})
    closed = after.model_copy(update={"closed": before.closed})
    if before.closed is not None or before not in (noted, closed) or before == after:
        raise InputError(
            f"the review of approval {before.approval_id!r} cannot change like that",
            remedy="it is noted as overdue, and closed once",
        )


class Reviews(Protocol):
    """Reviews of broken glasses. `Approvals.settle` opens them."""

    def review(self, tenant: str, approval_id: str) -> Review | None:
        """The review of an approval; `None` where the glass was not broken, or in another tenant."""
        ...

    def reviews(
        self, tenant: str | None = None, *, closed: bool | None = None, limit: int = 100
    ) -> Sequence[Review]:
        """Reviews, longest due first; of every tenant when `tenant` is `None`.

        Args:
            tenant: whose.
            closed: only closed ones, or only those that are not; all of them when `None`.
            limit: how many at most.
        """
        ...

    def unnoted_reviews(self, limit: int = 100) -> Sequence[Review]:
        """Reviews that are overdue, not closed, and not noted as overdue, longest due first."""
        ...

    def change_review(self, before: Review, after: Review, events: Sequence[AuditEvent]) -> bool:
        """Store a review that was closed, or noted as overdue, if nobody changed it since it was read.

        Returns whether it was stored.
        """
        ...
