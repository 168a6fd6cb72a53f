"""In whose lists an approval stands, and at which place, so that one person's page is read without the others'.

An approval stands in a list under several keys: one for everybody whom it names, one for each group, with the role that
is asked for. A person holds keys by what the directory says of them at this moment. Sharing a key is needed, not enough:
who may decide is judged by `guardkit.core.deciding.stages_for`, whoever finds an approval in a list.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Protocol

from pydantic import ValidationInfo, field_validator, model_validator

from guardkit.core import cursors
from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState, waiting_since
from guardkit.core.asked import verified_askers
from guardkit.core.digest import sha256
from guardkit.core.people import Person
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.core.values import Value
from guardkit.errors import InputError

NAME_LIMIT = 256
"""The most characters of a name that is looked for."""

UNDATED = 5e9
"""Seconds after the epoch (the year 2128) from which on those stand that are never due, in the order of asking."""

FOREVER = 9e9

_UNKEPT = re.compile("[\x00\ud800-\udfff]")
_EMBEDDED = "@embedded"


class ListName(StrEnum):
    """The lists that everybody has."""

    WAITING = "waiting"
    """What one may decide now, first due first."""
    OPEN = "open"
    """What is open and for one's eyes, first due first."""
    HISTORY = "history"
    """What is settled and for one's eyes, last settled first."""
    ASKED = "asked"
    """What was asked for oneself, open and settled, last asked first."""

    @property
    def newest_first(self) -> bool:
        """Whether it runs against time."""
        return self in (ListName.HISTORY, ListName.ASKED)


class Listing(Value):
    """A place of an approval in a list, under one key."""

    list: ListName
    key: str
    at: float
    """What the list is ordered by: when it is due, was settled or was asked. In one list it is the same under all keys."""

    since: float = 0.0
    """Seconds since the epoch: not before."""

    until: float = FOREVER
    """Seconds since the epoch: from then on not any more."""


class ListQuery(Value):
    """What of a list is meant. What is left out does not matter."""

    list: ListName
    tool: str | None = None
    """The whole name."""

    agent: str | None = None
    """The whole name. Its runs inside an unguarded graph count as well."""

    requester: str | None = None
    """`Principal.id` of whom the turn acts for; the whole id."""

    thread: str | None = None
    """The whole id."""

    state: ApprovalState | None = None
    asked_before: float | None = None
    """Seconds since the epoch."""

    since: float | None = None
    """Seconds since the epoch: it is due, was settled or was asked, then or later."""

    until: float | None = None
    """Seconds since the epoch: it is due, was settled or was asked, before."""

    search: str | None = None
    """The beginning of its id or of its thread's, or the whole name of its tool, its agent or its requester."""

    @field_validator("tool", "agent", "requester", "thread", "search", mode="before")
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
    def _of_this_world(self) -> "ListQuery":
        for name, at in (
            ("asked_before", self.asked_before),
            ("since", self.since),
            ("until", self.until),
        ):
            if at is not None and not (math.isfinite(at) and 0 <= at * 1e6 < cursors.LATEST):
                raise InputError(f"{name} is {at!r}", remedy="give seconds since the epoch, from 0 on")
        return self


class ListPlace(Value):
    """Where a list goes on: after this approval, or before it."""

    at: float
    id: str
    backwards: bool = False

    def cursor(self, of: str) -> str:
        """The place as opaque text.

        Args:
            of: what it is bound to, e.g. a hash of the list's filters.
        """
        return cursors.written([round(self.at * 1e6), self.id, self.backwards, of])

    @classmethod
    def read(cls, cursor: str, of: str) -> "ListPlace":
        """The place that a cursor names.

        Raises:
            InputError: no page has given such a cursor, or one of another list has.
        """
        match cursors.read(cursor):
            case [bool(), *_]:
                pass
            case [int() as at, str() as name, bool() as backwards, str() as bound] if (
                0 <= at < cursors.LATEST and re.fullmatch(r"[\x21-\x7e]{1,64}", name)
            ):
                if bound != of:
                    raise InputError(
                        "cursor is of another person's list, or of one with other filters",
                        remedy="go on with the filters that the list began with, or begin without a cursor",
                    )
                return cls(at=at / 1e6, id=name, backwards=backwards)
            case _:
                pass
        raise InputError(
            "cursor is not one that a page of this list has given", remedy="begin without a cursor"
        )


class Listed(Value):
    """An approval that stands in a list."""

    at: float
    approval: Approval


class Listings(Protocol):
    """Finding what stands in people's lists. Nothing is found in another tenant than the one that is named."""

    def find_listed(
        self,
        tenant: str,
        keys: Sequence[str],
        query: ListQuery,
        *,
        limit: int = 50,
        place: ListPlace | None = None,
    ) -> Sequence[Listed]:
        """Approvals that stand in a list under one of the keys now, each once, from a place on.

        Args:
            tenant: whose.
            keys: see `keys_of`.
            query: which list, and what of it.
            limit: how many at most, 1 to 1000.
            place: after which; before which if it looks backwards, nearest first. The list's beginning by default.

        Raises:
            InputError: `limit` is out of range.
        """
        ...


def listings(approval: Approval) -> Iterator[Listing]:
    """Where an approval stands, whoever the directory says holds the keys."""
    request = approval.request
    if not approval.state.settled:
        due = _undated(request.requested_at) if request.expires_at is None else request.expires_at
        due = min(due, FOREVER)
        until = FOREVER if request.on_expiry == "keep" else min(request.expires_at or FOREVER, FOREVER)
        waiting = (
            pair
            for stage in approval.waiting()
            for pair in _stage_keys(request.stages[stage], waiting_since(approval, stage))
        )
        for key, begins in _merged(waiting):
            yield Listing(list=ListName.WAITING, key=key, at=due, since=begins, until=until)
        of, at = ListName.OPEN, due
    else:
        of, at = (
            ListName.HISTORY,
            request.requested_at if approval.settled_at is None else approval.settled_at,
        )
    keys = [pair for stage in request.stages for pair in _stage_keys(stage, request.requested_at)]
    keys += [(_key("voice", said.person), 0.0) for said in approval.decisions]
    keys += [(key, 0.0) for key in _emergency_keys(approval)]
    for key, begins in _merged(keys):
        yield Listing(list=of, key=key, at=at, since=begins)
    for name in dict.fromkeys(identity.casefold() for identity in verified_askers(request)):
        yield Listing(list=ListName.ASKED, key=_key("asker", name), at=request.requested_at)


def _undated(requested_at: float) -> float:
    """To the microsecond until the year 2083, as databases keep it: adding floats of this size may be off by one."""
    return (round(UNDATED * 1e6) + round(requested_at * 1e6)) / 1e6


def keys_of(person: Person, absent: Iterable[Person] = ()) -> list[str]:
    """The keys that a person holds.

    Args:
        person: the directory's record.
        absent: the records of those whose delegate the person is now.
    """
    keys = [_key("voice", person.id), *_held(person, delegated=False)]
    keys += [key for one in absent for key in _held(one, delegated=True)]
    return list(dict.fromkeys(keys))


def asker_keys(person: Person) -> list[str]:
    """The keys that a person holds to what was asked for them: `ListName.ASKED` needs these, and no others do."""
    return [_key("asker", name) for name in _names(person)]


def facets(request: ApprovalRequest) -> dict[str, str]:
    """What an approval is found by beside its ids, as hashes."""
    return {
        "tool_hash": facet("tool", request.action.tool),
        "agent_hash": facet("agent", request.agent),
        "requester_hash": facet("requester", request.principal.id),
    }


def is_found_by(request: ApprovalRequest, search: str) -> bool:
    """Whether a search finds an approval; see `ListQuery.search`."""
    hashes = facets(request)
    named = any(hashes[f"{kind}_hash"] == facet(kind, search) for kind in ("tool", "agent", "requester"))
    return named or request.id.startswith(search) or request.thread_id.startswith(search)


def facet(kind: str, name: str) -> str:
    """A name that may be long or a person's, as it is looked for."""
    plain = name.removesuffix(_EMBEDDED) if kind == "agent" else name
    return sha256("guardkit.listed-name.v1", [kind, plain])[:32]


def list_limit(limit: int) -> int:
    """A number of approvals that may be asked for. Raises `InputError`."""
    if not 1 <= limit <= 1000:
        raise InputError(f"limit is {limit!r}", remedy="1 to 1000")
    return limit


def _stage_keys(stage: ApprovalStage, since: float) -> Iterator[tuple[str, float]]:
    """The keys of who may answer, and from when each does: 0 from the beginning."""
    steps: list[tuple[ApprovalStage | Escalation, float]] = [(stage, 0.0)]
    steps += [(step, stage.due(step.after, since)) for step in stage.escalations]
    for step, begins in steps:
        for delegated in (False, True) if stage.delegation else (False,):
            for identity in step.approvers:
                yield _key("person", identity.casefold(), step.role, delegated), begins
            for group in step.groups:
                yield _key("group", group, step.role, delegated), begins


def _emergency_keys(approval: Approval) -> Iterator[str]:
    """The keys of who may break its glass, and of who may review it once it is broken."""
    glass = approval.request.break_glass
    if glass is None:
        return
    broken = any(said.kind == "break_glass" for said in approval.decisions)
    for identity in (*glass.people, *(glass.reviewers if broken else ())):
        yield _key("person", identity.casefold())
    for group in glass.review_groups if broken else ():
        yield _key("group", group)


def _merged(keys: Iterable[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    first: dict[str, float] = {}
    for key, begins in keys:
        first[key] = min(begins, first.get(key, begins))
    yield from first.items()


def _held(person: Person, *, delegated: bool) -> Iterator[str]:
    names = _names(person)
    for role in (None, *person.roles):
        for name in names:
            yield _key("person", name, role, delegated)
        for group in person.groups:
            yield _key("group", group, role, delegated)


def _names(person: Person) -> list[str]:
    names = (person.id, person.email, *person.identities)
    return sorted({name.casefold() for name in names if name is not None})


def _key(kind: str, name: str, role: str | None = None, delegated: bool = False) -> str:
    return sha256("guardkit.listing-key.v1", [kind, name, role, delegated])[:32]
