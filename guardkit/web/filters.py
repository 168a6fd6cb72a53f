"""What somebody looks for in a list: read from an address, and written into the links of its pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from guardkit.core.approvals import ApprovalState
from guardkit.core.listings import UNDATED, ListName, ListQuery
from guardkit.core.visible import visible
from guardkit.errors import InputError
from guardkit.web.problems import bad_request

_LENGTHS = {"1h": 3600.0, "8h": 8 * 3600.0, "1d": 86400.0, "7d": 7 * 86400.0, "30d": 30 * 86400.0}
AGES = {"1h": "1 hour", "8h": "8 hours", "1d": "1 day", "7d": "7 days"}
DUES = {"1h": "within 1 hour", "8h": "within 8 hours", "1d": "within 1 day", "never": "never"}
SPANS = {"1d": "1 day", "7d": "7 days", "30d": "30 days"}
STATES = {
    state.value: words
    for state, words in (
        (ApprovalState.APPROVED, "approved"),
        (ApprovalState.CONSUMED, "carried out"),
        (ApprovalState.REJECTED, "rejected"),
        (ApprovalState.RESPONDED, "answered"),
        (ApprovalState.EXPIRED, "expired"),
        (ApprovalState.CANCELLED, "withdrawn"),
    )
}
_CHOICES: Mapping[str, Mapping[str, str]] = {"age": AGES, "due": DUES, "within": SPANS}
_OF: Mapping[ListName, tuple[str, ...]] = {
    ListName.WAITING: ("age", "due"),
    ListName.OPEN: ("age", "due"),
    ListName.HISTORY: ("within", "state"),
    ListName.ASKED: ("age", "state"),
}
_NAMES = ("q", "tool", "agent", "requester", "thread")
_AS_OF = re.compile(r"[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Filters:
    """What somebody looks for.

    Attributes:
        of: which list.
        chosen: what the form holds, by field; without empty fields.
        as_of: the moment that "1 hour ago" goes by, in whole seconds: the first page's, on all pages.
        query: all of it, for the desk.
    """

    of: ListName
    chosen: Mapping[str, str]
    as_of: int
    query: ListQuery

    @classmethod
    def read(cls, of: ListName, params: QueryParams, now: float) -> "Filters":
        """The filters in an address.

        Raises:
            PageError: one of them cannot be used.
        """
        chosen: dict[str, str] = {}
        for name in (*_NAMES, *_OF[of]):
            value = params.get(name, "").strip()
            if not value:
                continue
            offered = states_of(of) if name == "state" else _CHOICES.get(name)
            if offered is not None and value not in offered:
                raise bad_request("A filter has a value that the form does not offer.")
            if visible(value) != value or "\n" in value:
                raise bad_request("What is looked for holds invisible characters.")
            chosen[name] = value
        said = params.get("as_of", str(int(now)))
        if not _AS_OF.fullmatch(said):
            raise bad_request("The moment that the filters go by is none.")
        as_of = int(said)
        try:
            return cls(of, chosen, as_of, ListQuery(list=of, **_asked(chosen, float(as_of))))
        except InputError:
            raise bad_request("What is looked for is too long, or holds what no name does.") from None

    def link(self, cursor: str | None = None) -> str:
        """The part of an address from the question mark on.

        Args:
            cursor: of a page; the first one's address needs none.
        """
        more = {} if cursor is None else {"as_of": str(self.as_of), "cursor": cursor}
        return "?" + urlencode({**self.chosen, **more})

    @property
    def details(self) -> bool:
        """Whether something is chosen beside the search."""
        return any(name != "q" for name in self.chosen)


def states_of(of: ListName) -> Mapping[str, str]:
    """The states by which a list is filtered, in words.

    Args:
        of: which list; only one's own questions stand beside one another whether they are settled or not.
    """
    return {ApprovalState.PENDING.value: "waiting", **STATES} if of is ListName.ASKED else STATES


def _asked(chosen: Mapping[str, str], as_of: float) -> dict[str, Any]:
    asked: dict[str, Any] = {name: chosen.get(name) for name in ("tool", "agent", "requester", "thread")}
    asked["search"] = chosen.get("q")
    asked["state"] = chosen.get("state")
    if "age" in chosen:
        asked["asked_before"] = max(0.0, as_of - _LENGTHS[chosen["age"]])
    if "within" in chosen:
        asked["since"] = max(0.0, as_of - _LENGTHS[chosen["within"]])
    match chosen.get("due"):
        case None:
            pass
        case "never":
            asked["since"] = UNDATED
        case due:
            asked["until"] = as_of + _LENGTHS[due]
    return asked
