"""People's lists, in memory."""

from collections.abc import Sequence

from guardkit.core.approvals import Approval
from guardkit.core.listings import (
    Listed,
    ListPlace,
    ListQuery,
    facet,
    facets,
    is_found_by,
    list_limit,
    listings,
)
from guardkit.testing.memory.state import MemoryState


class MemoryListings(MemoryState):
    """The port `Listings`, in memory."""

    def find_listed(
        self,
        tenant: str,
        keys: Sequence[str],
        query: ListQuery,
        *,
        limit: int = 50,
        place: ListPlace | None = None,
    ) -> Sequence[Listed]:
        """Approvals that stand in a list under one of the keys now; see `Listings.find_listed`."""
        list_limit(limit)
        descending = query.list.newest_first != (place is not None and place.backwards)
        with self._lock:
            now = self.now()
            found = [
                Listed(at=at, approval=approval)
                for approval in self._approvals.values()
                if approval.request.tenant == tenant
                and (at := _place(approval, query, frozenset(keys), now)) is not None
                and _is_wanted(approval, at, query)
            ]
        found.sort(key=_order, reverse=descending)
        if place is not None:
            here = (place.at, place.id)
            found = [one for one in found if (_order(one) < here if descending else _order(one) > here)]
        return found[:limit]


def _order(one: Listed) -> tuple[float, str]:
    return one.at, one.approval.request.id


def _place(approval: Approval, query: ListQuery, keys: frozenset[str], now: float) -> float | None:
    for one in listings(approval):
        if one.list is query.list and one.key in keys and one.since <= now < one.until:
            return one.at
    return None


def _is_wanted(approval: Approval, at: float, query: ListQuery) -> bool:
    request = approval.request
    hashes = facets(request)
    asked = {"tool": query.tool, "agent": query.agent, "requester": query.requester}
    return (
        all(name is None or facet(kind, name) == hashes[f"{kind}_hash"] for kind, name in asked.items())
        and query.thread in (None, request.thread_id)
        and query.state in (None, approval.state)
        and (query.asked_before is None or request.requested_at < query.asked_before)
        and (query.since is None or at >= query.since)
        and (query.until is None or at < query.until)
        and (query.search is None or is_found_by(request, query.search))
    )
