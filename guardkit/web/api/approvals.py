"""Approvals over HTTP: lists, one of them, its trail, decisions."""

import base64
import binascii
import re
from datetime import datetime

from pydantic import ValidationError

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.asked import was_asked_by
from guardkit.core.digest import canonical, parse
from guardkit.core.listings import is_found_by
from guardkit.core.people import Assurance, Person
from guardkit.core.places import Place
from guardkit.core.ports import Store
from guardkit.core.standing import StandingWish
from guardkit.core.values import Value
from guardkit.errors import CanonicalError, DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.desk import Desk
from guardkit.web.api.answers import (
    ApprovalDetail,
    ApprovalItem,
    ApprovalPage,
    DecisionTaken,
    Entry,
    TrailAnswer,
    Withdrawn,
    detail,
    item,
)
from guardkit.web.api.moments import moment
from guardkit.web.api.operations import (
    DECIDE,
    LIST_APPROVALS,
    SHOW_APPROVAL,
    SHOW_TRAIL,
    WITHDRAW,
    Call,
    Caller,
    Served,
)
from guardkit.web.api.problems import ApiError, FieldProblem, not_found, refused
from guardkit.web.api.requests import ApprovalsQuery, NewDecision, Nothing, Withdrawal
from guardkit.web.trail import aftermath, trail

_ID = re.compile(r"[0-9a-f]{1,64}", re.ASCII)
_LATEST = 1e11
"""Seconds since the epoch that no cursor is beyond."""

_CHUNK = 200
LOOKED_THROUGH = 1000
"""Approvals that one page looks through at most; then it ends, and the next one goes on from there."""


class Approvals:
    """What callers see of approvals, and do to them.

    Args:
        desk: knows what is for whose eyes; takes decisions.
        store: where approvals, runs and the audit log are.
    """

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk = desk
        self._store = store

    def served(
        self,
    ) -> tuple[
        Served[ApprovalsQuery, Nothing]
        | Served[Nothing, Nothing]
        | Served[Nothing, NewDecision]
        | Served[Nothing, Withdrawal],
        ...,
    ]:
        """The operations on approvals."""
        return (
            Served(LIST_APPROVALS, self._list),
            Served(SHOW_APPROVAL, self._show),
            Served(SHOW_TRAIL, self._trail),
            Served(DECIDE, self._decide),
            Served(WITHDRAW, self._withdraw),
        )

    def _list(self, call: Call[ApprovalsQuery, Nothing]) -> Value:
        query, caller = call.query, call.caller
        person = caller.person
        if person is None and (query.for_me or query.by_me):
            raise ApiError(
                "people_only", "Nothing waits for a service, or is its own: leave out for_me and by_me."
            )
        states = [ApprovalState(state) for state in query.state] or None
        now = self._store.now()
        place = _place(query.cursor)
        items: list[ApprovalItem] = []
        for _ in range(LOOKED_THROUGH // _CHUNK):
            chunk = self._store.listed(
                tenant=caller.token.tenant, thread_id=query.thread, states=states, limit=_CHUNK, after=place
            )
            for approval in chunk:
                place = Place.of(approval)
                if self._is_asked_for(approval, query, caller, now):
                    items.append(self._item(approval, person, now))
                    if len(items) == query.limit:
                        return ApprovalPage(items=tuple(items), next=_cursor(place))
            if len(chunk) < _CHUNK:
                return ApprovalPage(items=tuple(items), next=None)
        return ApprovalPage(items=tuple(items), next=None if place is None else _cursor(place))

    def _is_asked_for(self, approval: Approval, query: ApprovalsQuery, caller: Caller, now: float) -> bool:
        request, person = approval.request, caller.person
        return (
            query.agent in (None, request.agent)
            and query.tool in (None, request.action.tool)
            and query.requester in (None, request.principal.id)
            and (query.search is None or is_found_by(request, query.search))
            and _is_before(request.requested_at, query.asked_before)
            and _is_before(request.expires_at, query.due_before)
            and (person is None or self._may_see(approval, person, now))
            and (not query.by_me or (person is not None and was_asked_by(request, person)))
            and (
                not query.for_me
                or (person is not None and self._desk.refusal(approval, person, Assurance.OIDC, now) is None)
            )
        )

    def _item(self, approval: Approval, person: Person | None, now: float) -> ApprovalItem:
        if person is None:
            return item(approval, may_decide=False, refusal=None)
        refusal = self._desk.refusal(approval, person, Assurance.API_TOKEN, now)
        return item(approval, may_decide=refusal is None, refusal=None if refusal is None else refusal.reason)

    def _may_see(self, approval: Approval, person: Person, now: float) -> bool:
        return self._desk.may_look(approval, person, now) or was_asked_by(approval.request, person)

    def _visible(self, caller: Caller, approval_id: str) -> Approval:
        """An approval that is for the caller's eyes; what another tenant has looks like what nobody has."""
        approval = self._store.find(approval_id)
        if approval is None or approval.request.tenant != caller.token.tenant:
            raise not_found()
        if caller.person is not None and not self._desk.may_look(approval, caller.person):
            raise not_found()
        return approval

    def _shown(self, caller: Caller, approval_id: str) -> Approval:
        """As `_visible`; what the caller asked for is shown without what people wrote for those who decide."""
        try:
            return self._visible(caller, approval_id)
        except ApiError:
            if caller.person is None:
                raise
        try:
            return self._desk.withdrawals.see(approval_id, caller.person)
        except UnknownApprovalError as error:
            raise not_found() from error

    def _show(self, call: Call[Nothing, Nothing]) -> ApprovalDetail:
        approval = self._shown(call.caller, call.parts["id"])
        shown = self._item(approval, call.caller.person, self._store.now())
        after = None if approval.state is ApprovalState.PENDING else aftermath(self._store, approval)
        return detail(approval, shown, after)

    def _trail(self, call: Call[Nothing, Nothing]) -> TrailAnswer:
        found = trail(self._store, self._visible(call.caller, call.parts["id"]))
        return TrailAnswer(entries=tuple(Entry.of(entry) for entry in found.entries), complete=found.complete)

    def _decide(self, call: Call[Nothing, NewDecision]) -> DecisionTaken:
        person, said = _person(call.caller), call.body
        approval = self._shown(call.caller, call.parts["id"])
        # The decision itself carries the request's mark, so a process that died after the commit is not repeated.
        for number, taken in enumerate(approval.decisions, start=1):
            if (taken.person, taken.via, taken.delivery) == (person.id, "api", call.mark):
                return DecisionTaken.of(approval, number)
        try:
            after = self._desk.decide(
                approval.request.id,
                identity=person.id,
                digest=said.digest,
                kind=said.decision,
                assurance=Assurance.API_TOKEN,
                via="api",
                reason=said.comment,
                args=said.arguments,
                delivery=call.mark,
                version=said.version,
                shown=said.presentation_hash,
                standing=None if said.standing is None else StandingWish(**said.standing.model_dump()),
            )
        except DecisionRefusedError as error:
            raise refused(error, self._store.find(approval.request.id)) from error
        except UnknownApprovalError as error:
            raise not_found() from error
        return DecisionTaken.of(after, len(after.decisions))

    def _withdraw(self, call: Call[Nothing, Withdrawal]) -> Withdrawn:
        person = _person(call.caller)
        approval = self._shown(call.caller, call.parts["id"])
        if approval.state is ApprovalState.CANCELLED and self._is_withdrawn_by(approval, person):
            return _withdrawn(approval)
        try:
            return _withdrawn(
                self._desk.withdrawals.withdraw(
                    approval.request.id,
                    identity=person.id,
                    why=call.body.why,
                    assurance=Assurance.API_TOKEN,
                    via="api",
                )
            )
        except DecisionRefusedError as error:
            raise refused(error, self._store.find(approval.request.id)) from error

    def _is_withdrawn_by(self, approval: Approval, person: Person) -> bool:
        return any(
            (entry.event.kind, entry.event.data.get("by"), entry.event.data.get("operator"))
            == ("approval.cancelled", person.id, False)
            for entry in trail(self._store, approval).entries
        )


def _is_before(at: float | None, limit: datetime | None) -> bool:
    return limit is None or (at is not None and at < limit.timestamp())


def _person(caller: Caller) -> Person:
    if caller.person is None:
        raise ApiError("people_only", "People decide; a service never does.")
    return caller.person


def _withdrawn(approval: Approval) -> Withdrawn:
    at = approval.settled_at
    return Withdrawn(
        approval=approval.request.id,
        state=approval.state,
        version=approval.version,
        at=moment(approval.request.requested_at if at is None else at),
    )


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(canonical([place.requested_at, place.id])).decode().rstrip("=")


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        match parse(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), path="cursor"):
            case [bool(), _]:
                pass
            case [int() | float() as at, str() as name] if 0 <= at < _LATEST and _ID.fullmatch(name):
                return Place(requested_at=at, id=name)
            case _:
                pass
    except (CanonicalError, ValidationError, binascii.Error, ValueError):
        pass
    problem = FieldProblem(field="cursor", message="not one that a page of this list has given")
    raise ApiError("invalid", "Begin again without a cursor.", errors=(problem,))
