"""Standing approvals over HTTP: listed, shown, revoked. They are given with a decision."""

from guardkit.core.people import Assurance, Person
from guardkit.core.ports import Store
from guardkit.core.standing import StandingApproval
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.desk import Desk
from guardkit.web.api.operations import LIST_STANDING, REVOKE_STANDING, SHOW_STANDING, Call, Caller, Served
from guardkit.web.api.problems import ApiError, not_found, refused
from guardkit.web.api.requests import Nothing, Revoking, StandingQuery
from guardkit.web.api.standing_answers import StandingItem, StandingList


class Standing:
    """What callers see of standing approvals, and how they end one.

    Args:
        desk: knows what is for whose eyes; takes revocations.
        store: where standing approvals are.
    """

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk = desk
        self._store = store

    def served(
        self,
    ) -> tuple[Served[StandingQuery, Nothing] | Served[Nothing, Nothing] | Served[Nothing, Revoking], ...]:
        """The operations on standing approvals."""
        return (
            Served(LIST_STANDING, self._list),
            Served(SHOW_STANDING, self._show),
            Served(REVOKE_STANDING, self._revoke),
        )

    def _list(self, call: Call[StandingQuery, Nothing]) -> StandingList:
        query, caller = call.query, call.caller
        only = None if query.all else True
        if caller.person is None:
            found = self._store.standing_approvals(caller.token.tenant, active=only, limit=query.limit)
        else:
            found = self._desk.standing.listed(caller.person, active=only)[: query.limit]
        now = self._store.now()
        return StandingList(items=tuple(StandingItem.of(one, now) for one in found))

    def _show(self, call: Call[Nothing, Nothing]) -> StandingItem:
        return StandingItem.of(self._visible(call.caller, call.parts["id"]), self._store.now())

    def _revoke(self, call: Call[Nothing, Revoking]) -> StandingItem:
        person = _person(call.caller)
        before = self._visible(call.caller, call.parts["id"])
        ended = before.revocation
        if ended is not None and (ended.by, ended.via, ended.why) == (person.id, "api", call.body.why):
            return StandingItem.of(before, self._store.now())  # the same request, whose answer was lost
        try:
            after = self._desk.standing.revoke(
                before.id, identity=person.id, why=call.body.why, assurance=Assurance.API_TOKEN, via="api"
            )
        except DecisionRefusedError as error:
            raise refused(error, None) from error
        return StandingItem.of(after, self._store.now())

    def _visible(self, caller: Caller, standing_id: str) -> StandingApproval:
        if caller.person is None:
            found = self._store.standing_approval(caller.token.tenant, standing_id)
            if found is None:
                raise not_found()
            return found
        try:
            return self._desk.standing.see(standing_id, caller.person)
        except UnknownApprovalError as error:
            raise not_found() from error


def _person(caller: Caller) -> Person:
    if caller.person is None:
        raise ApiError("people_only", "People end standing approvals; a service never does.")
    return caller.person
