"""Looking for threads: what is asked, what is found, and the place where a list goes on.

A list is ordered by last activity, newest first; threads of one instant by id. A place names the last thread that was
shown, never how many were: threads that are added meanwhile shift nothing.
"""

import math
import re
from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import ValidationInfo, field_validator, model_validator

from guardkit.core import cursors
from guardkit.core.digest import sha256
from guardkit.core.principals import Principal
from guardkit.core.runs import ThreadRow, TurnStatus
from guardkit.core.values import Value
from guardkit.errors import InputError

PAGE_LIMIT = 1000
"""The most threads of one page."""

NAME_LIMIT = 256
"""The most characters of a name that is looked for."""

_UNKEPT = re.compile("[\x00\ud800-\udfff]")


class ThreadQuery(Value):
    """Which threads of one tenant are meant. What is left out does not matter."""

    tenant: str
    status: TurnStatus | None = None
    """Where the latest turn stands."""

    agent: str | None = None
    """The agent that ran last; the whole name. Its runs inside an unguarded graph count as well."""

    principal: str | None = None
    """`Principal.id` of whom the latest turn acts for; the whole id."""

    pending: bool | None = None
    """Whether a question to people is open in it."""

    prefix: str | None = None
    """What the thread's id begins with."""

    since: float | None = None
    """Seconds since the epoch: the last activity was then or later."""

    until: float | None = None
    """Seconds since the epoch: the last activity was before."""

    @field_validator("status", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if value is not None and value not in set(TurnStatus):
            raise InputError(f"status is {value!r}", remedy=f"one of {', '.join(TurnStatus)}")
        return value

    @field_validator("tenant", "agent", "principal", "prefix", mode="before")
    @classmethod
    def _a_name(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str):
            if not 1 <= len(value) <= NAME_LIMIT:
                raise InputError(
                    f"{info.field_name} has {len(value)} characters", remedy=f"give 1 to {NAME_LIMIT}"
                )
            if _UNKEPT.search(value):
                raise InputError(
                    f"{info.field_name} {value!r} holds a character that databases refuse",
                    remedy="no name that is kept has it",
                )
        return value

    @model_validator(mode="after")
    def _in_order(self) -> "ThreadQuery":
        for name, at in (("since", self.since), ("until", self.until)):
            if at is not None and not (math.isfinite(at) and 0 <= at * 1e6 < cursors.LATEST):
                raise InputError(f"{name} is {at!r}", remedy="give seconds since the epoch, from 0 on")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise InputError(
                f"until ({self.until!r}) is not after since ({self.since!r})",
                remedy="exchange them, or leave one of them out",
            )
        return self


class ThreadSummary(ThreadRow):
    """A thread as it is found."""

    principal: Principal
    """Whom the latest turn acts for."""

    active_at: float
    """When a run on it last began or ended: seconds since the epoch, by the database's clock."""


class ThreadPage(Value):
    """A part of a list."""

    threads: tuple[ThreadSummary, ...]
    next: str | None = None
    """The cursor of what follows; `None` at the end of the list."""


class ThreadCount(Value):
    """How many threads of an agent have their latest turn in a status."""

    agent: str
    status: TurnStatus
    threads: int


class ThreadPlace(Value):
    """Where a list goes on: after this thread."""

    active_at: float
    thread_id: str

    def cursor(self, query: ThreadQuery) -> str:
        """The place as opaque text, bound to the query."""
        return cursors.written([round(self.active_at * 1e6), self.thread_id, _of(query)])

    @classmethod
    def read(cls, cursor: str, query: ThreadQuery) -> "ThreadPlace":
        """The place that a cursor names.

        Raises:
            InputError: no page has given such a cursor, or one of another tenant or with other filters has.
        """
        match cursors.read(cursor):
            case [bool(), *_]:
                raise _malformed()
            case [int() as at, str() as thread_id, str() as of] if 0 <= at < cursors.LATEST and thread_id:
                if of != _of(query):
                    raise InputError(
                        "cursor is of a list of another tenant or with other filters",
                        remedy="go on with the filters that the list began with, or begin without a cursor",
                    )
                return cls(active_at=at / 1e6, thread_id=thread_id)
            case _:
                raise _malformed()


def page_limit(limit: int) -> int:
    """A number of threads that a page can have. Raises `InputError`."""
    if not 1 <= limit <= PAGE_LIMIT:
        raise InputError(f"limit is {limit!r}", remedy=f"1 to {PAGE_LIMIT}")
    return limit


def _of(query: ThreadQuery) -> str:
    return sha256("guardkit.thread-list.v1", query.model_dump(mode="json"))[:32]


def _malformed() -> InputError:
    return InputError("cursor is not one that a page of threads has given", remedy="begin without a cursor")


class Threads(Protocol):
    """Finding threads. Nothing is found in another tenant than the one that is named."""

    def find_threads(self, query: ThreadQuery, *, limit: int = 50, cursor: str | None = None) -> ThreadPage:
        """Threads, last active first.

        Follow `next` until it is `None`: a thread that is there at the first page and rests meanwhile comes exactly
        once. One that a run begins or ends on meanwhile goes to the front, and may be passed over; a new list with
        `since` finds it.

        Args:
            query: which.
            limit: how many at most, 1 to 1000.
            cursor: `next` of the page before.

        Raises:
            InputError: `limit` or `cursor` cannot be used, or the cursor is of another list.
        """
        ...

    def count_threads(self, query: ThreadQuery) -> Sequence[ThreadCount]:
        """How many threads there are by agent and status, in that order; none with 0."""
        ...

    def find_thread(self, tenant: str, thread_id: str) -> ThreadSummary | None:
        """A tenant's thread; `None` where it has none of that id."""
        ...
