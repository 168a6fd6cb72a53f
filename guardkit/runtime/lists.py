"""Pages of what stands in one person's lists.

The store finds what may concern somebody by the keys that the directory gives them, `Speakers` judges each: a page holds
nothing that the desk would refuse, whatever has changed in the directory since the approval was written.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from guardkit.core.approvals import Approval
from guardkit.core.asked import as_asked, was_asked_by
from guardkit.core.digest import sha256
from guardkit.core.listings import (
    Listed,
    Listings,
    ListName,
    ListPlace,
    ListQuery,
    asker_keys,
    keys_of,
    list_limit,
)
from guardkit.core.people import Person
from guardkit.runtime.speaking import Speakers

LOOKED_THROUGH = 1000
"""How much of what may concern somebody is judged for one page at most; then it ends, and the next goes on from there."""

_CHUNK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """A part of a list."""

    approvals: Sequence[Approval]
    previous: str | None
    """The cursor of what comes before; `None` at the beginning of the list."""

    next: str | None
    """The cursor of what follows; `None` at the end of the list."""


class Lists:
    """Finds what stands in one person's lists.

    Args:
        store: where approvals are.
        speakers: judges who may decide and who may look.
    """

    def __init__(self, store: Listings, speakers: Speakers) -> None:
        self._store = store
        self._speakers = speakers

    def page(
        self, person: Person, query: ListQuery, now: float, *, limit: int, cursor: str | None
    ) -> ListPage:
        """A part of a list; see `guardkit.runtime.desk.Desk.page`."""
        of = sha256("guardkit.list.v1", [person.tenant, person.id, query.model_dump(mode="json")])[:32]
        place = None if cursor is None else ListPlace.read(cursor, of)
        backwards = place is not None and place.backwards
        found, on = self._read(person, query, now, place, list_limit(limit))
        shown = found[:limit]
        further = None if on is None else _at(on, backwards=backwards).cursor(of)
        # From where it was read there is something, or was a moment ago.
        back = (
            None if place is None or not shown else _at(_place(shown[0]), backwards=not backwards).cursor(of)
        )
        approvals = [_seen(query.list, one.approval) for one in shown]
        if backwards:
            return ListPage(approvals=approvals[::-1], previous=further, next=back)
        return ListPage(approvals=approvals, previous=back, next=further)

    def some(self, person: Person, query: ListQuery, now: float, limit: int) -> list[Approval]:
        """What a list begins with."""
        found, _ = self._read(person, query, now, None, limit)
        return [_seen(query.list, one.approval) for one in found[:limit]]

    def _read(
        self, person: Person, query: ListQuery, now: float, place: ListPlace | None, limit: int
    ) -> tuple[list[Listed], ListPlace | None]:
        """What concerns a person from a place on, and where to go on after `limit` of it; `None` at the list's end."""
        if not person.active:
            return [], None
        own = query.list is ListName.ASKED
        keys = asker_keys(person) if own else keys_of(person, self._speakers.all_away(person, now))
        found: list[Listed] = []
        looked, chunk = 0, min(limit + 1, LOOKED_THROUGH)
        while looked < LOOKED_THROUGH:
            some = self._store.find_listed(person.tenant, keys, query, limit=chunk, place=place)
            found += [one for one in some if self._is_for(person, query.list, one.approval, now)]
            if len(found) > limit:
                return found, _place(found[limit - 1])
            if len(some) < chunk:
                return found, None
            place = _at(_place(some[-1]), backwards=place is not None and place.backwards)
            looked, chunk = looked + chunk, _CHUNK
        return found, place

    def _is_for(self, person: Person, of: ListName, approval: Approval, now: float) -> bool:
        if of is ListName.WAITING:
            return self._speakers.may_answer(approval, person, now)
        if of is ListName.ASKED:
            return was_asked_by(approval.request, person)
        return self._speakers.concerns(approval, person, now)


def _seen(of: ListName, approval: Approval) -> Approval:
    return as_asked(approval) if of is ListName.ASKED else approval


def _place(one: Listed) -> ListPlace:
    return ListPlace(at=one.at, id=one.approval.request.id)


def _at(place: ListPlace, *, backwards: bool) -> ListPlace:
    return place.model_copy(update={"backwards": backwards})
