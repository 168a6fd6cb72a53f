"""What callers send: parameters and bodies. Unknown fields are refused, sizes are bounded."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from guardkit.core.reviews import ReviewVerdict
from guardkit.core.standing import StandingScope
from guardkit.core.values import JsonObject, Value

PAGE_LIMIT = 100
"""The most items of one page."""

COMMENT_LIMIT = 4000
NAME_LIMIT = 255

_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)
_FLAGS = {"true": True, "false": False}

State: TypeAlias = Literal["pending", "approved", "rejected", "responded", "expired", "cancelled", "consumed"]


def whole_number(value: Any) -> Any:
    """A parameter that is a whole number, as one."""
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value):
            raise ValueError("this is not a whole number")
        return int(value)
    return value


def _flag(value: Any) -> Any:
    return _FLAGS.get(value, value) if isinstance(value, str) else value


def _instant(value: Any) -> Any:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value.upper() else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at.year < 1971 or at.year > 2200:
        raise ValueError(
            "this is not a time with its offset from UTC, e.g. 2026-11-28T18:00:00Z, from 1971 to 2200"
        )
    return at


_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=NAME_LIMIT, pattern=_PRINTABLE, strict=True)
]
Comment: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=COMMENT_LIMIT, strict=True)]
Why: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, strict=True)]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", strict=True)]
Limit: TypeAlias = Annotated[int, BeforeValidator(whole_number), Field(ge=1, le=PAGE_LIMIT, strict=True)]
Sequence: TypeAlias = Annotated[int, BeforeValidator(whole_number), Field(ge=0, le=2**53 - 1, strict=True)]
Flag: TypeAlias = Annotated[
    bool, BeforeValidator(_flag), Field(strict=True), WithJsonSchema({"type": "boolean"})
]


Instant: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Nothing(Value):
    """No parameters, or no body."""


class ApprovalsQuery(Value):
    """Which approvals are listed, newest first."""

    state: list[State] = Field(default_factory=list[State], max_length=7)
    """Only those in one of these states; repeat the parameter for several."""

    for_me: Flag = False
    """Only those that wait for the token's person, whatever sign-in their stage asks for. Persons only."""

    by_me: Flag = False
    """Only those that the token's person asked for. Persons only."""

    agent: Name | None = None
    tool: Name | None = None
    requester: Name | None = None
    """Whom the turn acts for."""

    thread: Name | None = None
    search: Name | None = None
    """The beginning of its id or of its thread's, or the whole name of its tool, its agent or its requester."""

    asked_before: Instant | None = None
    due_before: Instant | None = None
    """Only those that are due, and before then."""

    limit: Limit = 25
    """The most items of the page. It may hold fewer although more follow."""

    cursor: Annotated[str, StringConstraints(max_length=400, pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    """`next` of the page before."""


class ThreadsQuery(Value):
    """Which threads of the token's tenant are listed, last active first."""

    status: Literal["running", "paused", "done", "failed", "ended"] | None = None
    """Where the latest turn stands."""

    agent: Name | None = None
    """The agent that ran last."""

    principal: Name | None = None
    """Whom the latest turn acts for."""

    pending: Flag | None = None
    """Whether a question to people is open in it."""

    prefix: Name | None = None
    """What the thread's id begins with."""

    since: Instant | None = None
    """The last activity was then or later."""

    until: Instant | None = None
    """The last activity was before."""

    limit: Limit = 25
    """The most items of the page."""

    cursor: Annotated[str, StringConstraints(max_length=3000, pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    """`next` of the page before, which had the same filters."""


class HistoryQuery(Value):
    """Which entries of the audit log are listed, oldest first."""

    thread: Name
    after: Sequence = 0
    """Only entries with a greater `seq`."""

    limit: Limit = 50


class NewStanding(Value):
    """What is added to a yes, of actions like the one that is asked about."""

    scope: StandingScope
    seconds: Annotated[float, Field(gt=0, le=30 * 86400, strict=True)]
    """How long it stands, from the yes."""

    uses: Annotated[int, Field(ge=1, le=1000, strict=True)]
    at_most: Annotated[
        str | None, StringConstraints(max_length=61, pattern=r"^[0-9]{1,30}(\.[0-9]{1,30})?$")
    ] = None
    """The sum of the limited argument, as a decimal; by default what the policy permits."""


class StandingQuery(Value):
    """Which standing approvals are listed, newest first."""

    all: Flag = False
    """Also those that are used up, over or revoked."""

    limit: Limit = 25


class Revoking(Value):
    """Why a standing approval is revoked."""

    why: Why


class NewDecision(Value):
    """What a person says, bound to what was on their screen."""

    decision: Literal["approve", "edit", "reject", "respond"]
    version: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
    """`version` of the approval that was shown."""

    digest: Digest
    """`digest` of the approval that was shown."""

    presentation_hash: Digest
    """`presentation_hash` of the approval that was shown; signed with the decision."""

    comment: Comment | None = None
    """Required with `reject` and `respond`."""

    arguments: JsonObject | None = None
    """All arguments as they are to be; with `edit`, and only with it."""

    standing: NewStanding | None = None
    """With `approve`, where the approval's `standing` permits it."""


class Breaking(Value):
    """Why the glass is broken, bound to what was on the person's screen."""

    version: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
    """`version` of the approval that was shown."""

    digest: Digest
    """`digest` of the approval that was shown."""

    presentation_hash: Digest
    """`presentation_hash` of the approval that was shown; signed with the decision."""

    reason: Comment
    """What the emergency is. The policy says how long it is at least."""


class ReviewsQuery(Value):
    """Which reviews are listed, longest due first."""

    closed: Flag = False
    """Those that are closed instead of those that are not."""

    limit: Limit = 25


class ReviewEnd(Value):
    """What a reviewer finds."""

    verdict: ReviewVerdict
    comment: Comment


class Withdrawal(Value):
    """Why a request is withdrawn."""

    why: Why


class NewStop(Value):
    """An emergency stop in the token's tenant. It lasts until it is lifted."""

    scope: Literal["run", "thread", "agent", "tenant"]
    target: Name | None = None
    """The run id, thread id or agent's name; not with `tenant`."""

    why: Why


class Lifting(Value):
    """Why a stop is lifted."""

    why: Why
