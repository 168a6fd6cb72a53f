"""What the HTTP API offers: one declaration an operation. Routes and the OpenAPI document are both made of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from guardkit.core.people import Person
from guardkit.core.tokens import ApiToken, TokenScope
from guardkit.core.values import Value
from guardkit.web.api import (
    answers,
    batch_answers,
    requests,
    review_answers,
    standing_answers,
    stats,
    thread_answers,
)

ROOT = "/api/v1"

_APPROVAL = {"id": r"^[0-9a-f]{32}$"}
_STOP = {"id": r"^[^/\x00-\x1f\x7f]{1,255}$"}

_REFUSALS = (
    "not_an_approver", "requester", "inactive", "assurance_too_low", "people_only", "already_settled", "already_decided",
    "version_mismatch", "digest_mismatch", "expired", "conflict", "edit_invalid", "reason_required", "reason_invalid",
    "not_allowed", "standing_invalid",
)  # fmt: skip

Q = TypeVar("Q", bound=Value)
B = TypeVar("B", bound=Value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Q, B]):
    """One thing that callers can ask for."""

    id: str
    method: Literal["GET", "POST"]
    path: str
    """Below `ROOT`."""

    summary: str
    text: str = ""
    scope: TokenScope
    query: type[Q]
    body: type[B]
    answer: type[Value]
    status: int = 200
    parts: Mapping[str, str] = field(default_factory=dict[str, str])
    """The variable parts of the path, and the pattern of each."""

    problems: tuple[str, ...] = ()
    """Kinds of problems beside those that every operation has."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token came with a request, as the directory knows them at this moment."""

    token: ApiToken
    person: Person | None
    """`None` for a service."""

    @property
    def name(self) -> str:
        """For the audit log."""
        return self.token.subject if self.person is not None else f"service:{self.token.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Q, B]):
    """One request, read and checked."""

    caller: Caller
    parts: Mapping[str, str]
    query: Q
    body: B
    mark: str = ""
    """Names a POST by token, key and content: the same request has the same mark, whoever acts on it."""


@dataclass(frozen=True, slots=True)
class Served(Generic[Q, B]):
    """An operation and what answers it."""

    operation: Operation[Q, B]
    act: Callable[[Call[Q, B]], Value]


LIST_APPROVALS = Operation(
    id="listApprovals",
    method="GET",
    path="/approvals",
    summary="List approvals, newest first",
    text=(
        "Persons see what they may look at in the inbox and what they asked for, services all of the tenant. Follow `next` until it is null: "
        "no approval that was there when the first page was read is lost or repeated, whatever is decided meanwhile; "
        "a filter by state goes by the state at the time of each page."
    ),
    scope=TokenScope.APPROVALS_READ,
    query=requests.ApprovalsQuery,
    body=requests.Nothing,
    answer=answers.ApprovalPage,
    problems=("people_only",),
)
SHOW_APPROVAL = Operation(
    id="showApproval",
    method="GET",
    path="/approvals/{id}",
    summary="Everything about one approval",
    text=(
        "Whoever asked sees it too, without the comments of those who decided; what was answered instead of the action "
        "is shown."
    ),
    scope=TokenScope.APPROVALS_READ,
    query=requests.Nothing,
    body=requests.Nothing,
    answer=answers.ApprovalDetail,
    parts=_APPROVAL,
    problems=("not_found",),
)
SHOW_TRAIL = Operation(
    id="showTrail",
    method="GET",
    path="/approvals/{id}/trail",
    summary="The audit log's entries on one approval",
    text="At most 5,000 entries of the log are looked through, from the request on.",
    scope=TokenScope.APPROVALS_READ,
    query=requests.Nothing,
    body=requests.Nothing,
    answer=answers.TrailAnswer,
    parts=_APPROVAL,
    problems=("not_found",),
)
DECIDE = Operation(
    id="decide",
    method="POST",
    path="/approvals/{id}/decisions",
    summary="Decide as the token's person",
    text=(
        "At assurance `api_token`: a stage that asks for more refuses it. `version`, `digest` and `presentation_hash` "
        "are those that were shown."
    ),
    scope=TokenScope.APPROVALS_DECIDE,
    query=requests.Nothing,
    body=requests.NewDecision,
    answer=answers.DecisionTaken,
    parts=_APPROVAL,
    problems=("not_found", *_REFUSALS),
)
DECIDE_TOGETHER = Operation(
    id="decideTogether",
    method="POST",
    path="/approvals/decisions",
    summary="Approve or reject several approvals at once, as the token's person",
    text=(
        "At most 100, all of one run or all of one kind: one tool, asked by one agent for the same rules. Each is bound "
        "to what was shown of it and kept by itself; one that has changed is refused, and the others go through. `200` "
        "says that the request was understood; `items` says what became of each."
    ),
    scope=TokenScope.APPROVALS_DECIDE,
    query=requests.Nothing,
    body=batch_answers.NewBatch,
    answer=batch_answers.BatchTaken,
    problems=("people_only", "shown_mismatch", "not_whole"),
)
WITHDRAW = Operation(
    id="withdraw",
    method="POST",
    path="/approvals/{id}/cancel",
    summary="Withdraw one's own request",
    text="For whoever started or steered the turn, until the approval is used.",
    scope=TokenScope.APPROVALS_DECIDE,
    query=requests.Nothing,
    body=requests.Withdrawal,
    answer=answers.Withdrawn,
    parts=_APPROVAL,
    problems=(
        "not_found", "not_the_requester", "people_only", "already_settled", "conflict", "reason_required",
        "reason_invalid",
    ),
)  # fmt: skip
BREAK_GLASS = Operation(
    id="breakGlass",
    method="POST",
    path="/approvals/{id}/break-glass",
    summary="Settle an approval alone, in an emergency, as the token's person",
    text=(
        "Only where the policy names the person in `break_glass`, never for whoever asked or their delegate, and not "
        "against a stop. At assurance `api_token`: it needs the surest sign-in that a stage asks for. It opens a review."
    ),
    scope=TokenScope.APPROVALS_DECIDE,
    query=requests.Nothing,
    body=requests.Breaking,
    answer=answers.DecisionTaken,
    parts=_APPROVAL,
    problems=("not_found", *_REFUSALS, "stopped"),
)
LIST_STANDING = Operation(
    id="listStanding",
    method="GET",
    path="/standing",
    summary="List standing approvals, newest first",
    text="Persons see those that they gave, could have given, or that act for them; services all of the tenant.",
    scope=TokenScope.APPROVALS_READ,
    query=requests.StandingQuery,
    body=requests.Nothing,
    answer=standing_answers.StandingList,
)
SHOW_STANDING = Operation(
    id="showStanding",
    method="GET",
    path="/standing/{id}",
    summary="One standing approval, and what is left of it",
    scope=TokenScope.APPROVALS_READ,
    query=requests.Nothing,
    body=requests.Nothing,
    answer=standing_answers.StandingItem,
    parts=_APPROVAL,
    problems=("not_found",),
)
REVOKE_STANDING = Operation(
    id="revokeStanding",
    method="POST",
    path="/standing/{id}/revoke",
    summary="End a standing approval, at once, as the token's person",
    text="For whoever may see it. What is claimed from then on cannot use it.",
    scope=TokenScope.APPROVALS_DECIDE,
    query=requests.Nothing,
    body=requests.Revoking,
    answer=standing_answers.StandingItem,
    parts=_APPROVAL,
    problems=("not_found", "people_only", "already_settled", "reason_required", "reason_invalid"),
)
LIST_REVIEWS = Operation(
    id="listReviews",
    method="GET",
    path="/reviews",
    summary="List reviews of broken glasses, longest due first",
    text="Persons see those that the policy names them for, services all of the tenant.",
    scope=TokenScope.APPROVALS_READ,
    query=requests.ReviewsQuery,
    body=requests.Nothing,
    answer=review_answers.ReviewList,
)
CLOSE_REVIEW = Operation(
    id="closeReview",
    method="POST",
    path="/reviews/{id}/close",
    summary="Close the review of an approval as the token's person",
    text="For those whom the policy names as reviewers, and who neither broke the glass nor asked.",
    scope=TokenScope.APPROVALS_DECIDE,
    query=requests.Nothing,
    body=requests.ReviewEnd,
    answer=review_answers.ReviewItem,
    parts=_APPROVAL,
    problems=(
        "not_found", "people_only", "not_an_approver", "requester", "inactive", "already_settled", "conflict",
        "reason_required", "reason_invalid",
    ),
)  # fmt: skip
SHOW_STATS = Operation(
    id="showStats",
    method="GET",
    path="/stats",
    summary="What people answered, how often they agreed, how long they took, and what waits for them",
    text="Of the token's tenant, for services: it says by name who answered what. Counts of what waits stop at 10,000.",
    scope=TokenScope.APPROVALS_READ,
    query=stats.StatsQuery,
    body=requests.Nothing,
    answer=stats.StatsAnswer,
    problems=("services_only",),
)
LIST_THREADS = Operation(
    id="listThreads",
    method="GET",
    path="/threads",
    summary="List threads, last active first",
    text=(
        "Follow `next` until it is null: a thread that is there at the first page and rests meanwhile comes exactly "
        "once, whatever is added. One that a run begins or ends on meanwhile goes to the front and may be passed over; "
        "a new list with `since` finds it."
    ),
    scope=TokenScope.THREADS_READ,
    query=requests.ThreadsQuery,
    body=requests.Nothing,
    answer=thread_answers.ThreadItems,
)
SHOW_HISTORY = Operation(
    id="showHistory",
    method="GET",
    path="/history",
    summary="The audit trail of one thread, oldest first",
    scope=TokenScope.THREADS_READ,
    query=requests.HistoryQuery,
    body=requests.Nothing,
    answer=answers.HistoryPage,
    problems=("not_found",),
)
LIST_STOPS = Operation(
    id="listStops",
    method="GET",
    path="/stops",
    summary="The emergency stops in force that cover the tenant or a part of it",
    scope=TokenScope.STOPS_READ,
    query=requests.Nothing,
    body=requests.Nothing,
    answer=answers.StopList,
)
SET_STOP = Operation(
    id="setStop",
    method="POST",
    path="/stops",
    summary="Set an emergency stop in the token's tenant",
    scope=TokenScope.STOPS_WRITE,
    query=requests.Nothing,
    body=requests.NewStop,
    answer=answers.Stop,
    status=201,
)
LIFT_STOP = Operation(
    id="liftStop",
    method="POST",
    path="/stops/{id}/lift",
    summary="Lift an emergency stop of the token's tenant",
    text="Persons only. Turns that the stop ended stay ended.",
    scope=TokenScope.STOPS_WRITE,
    query=requests.Nothing,
    body=requests.Lifting,
    answer=answers.Lifted,
    parts=_STOP,
    problems=("not_found", "people_only"),
)

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    LIST_APPROVALS,
    SHOW_APPROVAL,
    SHOW_TRAIL,
    DECIDE,
    DECIDE_TOGETHER,
    WITHDRAW,
    BREAK_GLASS,
    LIST_STANDING,
    SHOW_STANDING,
    REVOKE_STANDING,
    LIST_REVIEWS,
    CLOSE_REVIEW,
    SHOW_STATS,
    LIST_THREADS,
    SHOW_HISTORY,
    LIST_STOPS,
    SET_STOP,
    LIFT_STOP,
)
"""All of them, in the order of the document."""
