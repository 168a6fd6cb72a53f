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
from guardkit.runtime.askers import askers_of

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
        self._told: OrderedDict[tuple[str, int, str], None] = OrderedDict()

    def due(self) -> bool:
        """Whether it is time to look."""
        return self._clock() >= self._next

    def look(self) -> int:
        """Ask who has to be asked. Returns for how many approvals messages were made due."""
        self._next = self._clock() + _EVERY
        return sum(self._ask(approval, stage, cause) for approval, stage, cause in self._begun())

    def _ask(self, approval: Approval, stage: int, cause: str) -> bool:
        key = (approval.request.id, stage, cause)
        if key in self._told:
            return False
        self._told[key] = None
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return self._store.ask_again(approval, stage, cause)

    def _begun(self) -> Iterator[tuple[Approval, int, str]]:
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
                        for stage in self._stages(listed.approval, absent, one, now):
                            yield listed.approval, stage, f"delegation {absent.id} {one.to} {one.since:.6f}"

    def _stages(self, approval: Approval, absent: Person, one: Delegation, now: float) -> Iterator[int]:
        """0-based indexes of the stages whose people have to be asked once more."""
        request, delegate = approval.request, self._directory.find(one.to)
        if approval.state is not ApprovalState.PENDING or delegate is None or not delegate.active:
            return
        if delegate.tenant != request.tenant or request.excludes(
            delegate, absent, askers_of(self._directory, request, now)
        ):
            return
        if not approval.answered().isdisjoint({delegate.id, absent.id}):
            return
        for place in approval.waiting():
            stage, since = request.stages[place], waiting_since(approval, place)
            wait = Wait(since=since, at=now)
            known = one.since <= since or stage.admits(delegate, wait)
            if not known and stage.seats(delegate, absent, now, wait):
                yield place
