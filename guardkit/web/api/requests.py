"""What callers send: parameters and bodies. Unknown fields are refused, sizes are bounded."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from guardkit.core.values import JsonObject, Value

PAGE_LIMIT = 100
"""The most items of one page."""

COMMENT_LIMIT = 4000
NAME_LIMIT = 255

_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)
_FLAGS = {"true": True, "false": False}

State: TypeAlias = Literal["pending", "approved", "rejected", "responded", "expired", "cancelled", "consumed"]


def _number(value: Any) -> Any:
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value):
            raise ValueError("this is not a whole number")
        return int(value)
    return value


def _flag(value: Any) -> Any:
    return _FLAGS.get(value, value) if isinstance(value, str) else value


_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Name: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=NAME_LIMIT, pattern=_PRINTABLE, strict=True)
]
Comment: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=COMMENT_LIMIT, strict=True)]
Why: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, strict=True)]
Digest: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", strict=True)]
Limit: TypeAlias = Annotated[int, BeforeValidator(_number), Field(ge=1, le=PAGE_LIMIT, strict=True)]
Sequence: TypeAlias = Annotated[int, BeforeValidator(_number), Field(ge=0, le=2**53 - 1, strict=True)]
Flag: TypeAlias = Annotated[
    bool, BeforeValidator(_flag), Field(strict=True), WithJsonSchema({"type": "boolean"})
]


class Nothing(Value):
    """No parameters, or no body."""


class ApprovalsQuery(Value):
    """Which approvals are listed, newest first."""

    state: list[State] = Field(default_factory=list[State], max_length=7)
    """Only those in one of these states; repeat the parameter for several."""

    for_me: Flag = False
    """Only those that wait for the token's person, whatever sign-in their stage asks for. Persons only."""

    agent: Name | None = None
    tool: Name | None = None
    thread: Name | None = None
    limit: Limit = 25
    """The most items of the page. It may hold fewer although more follow."""

    cursor: Annotated[str, StringConstraints(max_length=400, pattern=r"^[A-Za-z0-9_-]+$")] | None = None
    """`next` of the page before."""


class HistoryQuery(Value):
    """Which entries of the audit log are listed, oldest first."""

    thread: Name
    after: Sequence = 0
    """Only entries with a greater `seq`."""

    limit: Limit = 50


class NewDecision(Value):
    """What a person says, bound to what was on their screen."""

    decision: Literal["approve", "edit", "reject", "respond"]
    version: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
    """`version` of the approval that was shown."""

    digest: Digest
    """`digest` of the approval that was shown."""

    comment: Comment | None = None
    """Required with `reject` and `respond`."""

    arguments: JsonObject | None = None
    """All arguments as they are to be; with `edit`, and only with it."""


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
