"""Delegations that begin while a stage waits: the delegate is asked then, once."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Protocol

from guardkit.core.approvals import Approval, ApprovalState, waiting_since
from guardkit.core.listings import Listings, ListName, ListQuery, keys_of
from guardkit.core.notices import Notices
from guardkit.core.people import Delegation, Directory, Person, Roster
from guardkit.core.ports import Audit
from guardkit.core.stages import Wait

LISTED = 1000
"""Approvals that wait for somebody who is away: so many are looked at, first due first."""

_EVERY = 60.0
"""Seconds between two looks."""

_REMEMBERED = 10_000


class DelegationStore(Listings, Notices, Audit, Protocol):
    """What is needed of a store."""

    def now(self) -> float:
        """Seconds since the epoch, by the database's clock."""
        ...


class Delegations:
    """Asks delegates whose delegation has begun while a stage waits for somebody who is away.

    Those whose delegation was in force when the stage began to wait are asked with the others. Any number of workers may
    look: the store takes each message once.

    Args:
        store: where approvals and messages are.
        directory: who people are; one that cannot list them knows of no delegation.
        clock: returns seconds, for when to look again.
    """

    def __init__(
        self, store: DelegationStore, directory: Directory, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._next = 0.0
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()

    def due(self) -> bool:
        """Whether it is time to look."""
        return self._clock() >= self._next

    def look(self) -> int:
        """Ask who has to be asked. Returns for how many approvals messages were made due."""
        self._next = self._clock() + _EVERY
        return sum(self._ask(approval, cause) for approval, cause in self._begun())

    def _ask(self, approval: Approval, cause: str) -> bool:
        key = (approval.request.id, cause)
        if key in self._told:
            return False
        self._told[key] = None
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return self._store.ask_again(approval, cause)

    def _begun(self) -> Iterator[tuple[Approval, str]]:
        if not isinstance(self._directory, Roster):
            return
        now = self._store.now()
        waiting = ListQuery(list=ListName.WAITING)
        for tenant in self._store.tenants():
            for absent in self._directory.people_of(tenant):
                begun = [one for one in absent.delegations if one.in_force(now)]
                if not begun or not absent.active:
                    continue
                for listed in self._store.find_listed(tenant, keys_of(absent), waiting, limit=LISTED):
                    for one in begun:
                        cause = self._cause(listed.approval, absent, one, now)
                        if cause is not None:
                            yield listed.approval, cause

    def _cause(self, approval: Approval, absent: Person, one: Delegation, now: float) -> str | None:
        """Why somebody has to be asked once more, if they have."""
        request, place = approval.request, approval.stage()
        delegate = self._directory.find(one.to)
        if approval.state is not ApprovalState.PENDING or place is None or delegate is None:
            return None
        since = waiting_since(approval)
        stage = request.stages[place]
        excluded = any(
            person.answers_to(identity) for person in (delegate, absent) for identity in request.excluded
        )
        asked = one.since > since and delegate.active and delegate.tenant == request.tenant
        if not asked or excluded or not approval.answered().isdisjoint({delegate.id, absent.id}):
            return None
        wait = Wait(since=since, at=now)
        if stage.admits(delegate, wait) or not stage.seats(delegate, absent, now, wait):
            return None
        return f"delegation {absent.id} {delegate.id} {one.since:.6f}"
