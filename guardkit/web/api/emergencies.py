"""Breaking the glass over HTTP, and reviewing it."""

from guardkit.core.people import Assurance, Person
from guardkit.core.ports import Store
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.desk import Desk
from guardkit.web.api.answers import DecisionTaken
from guardkit.web.api.operations import BREAK_GLASS, CLOSE_REVIEW, LIST_REVIEWS, Call, Caller, Served
from guardkit.web.api.problems import ApiError, not_found, refused
from guardkit.web.api.requests import Breaking, Nothing, ReviewEnd, ReviewsQuery
from guardkit.web.api.review_answers import ReviewItem, ReviewList


class Emergencies:
    """What callers do in emergencies, and afterwards.

    Args:
        desk: knows what is for whose eyes; takes decisions.
        store: where approvals and reviews are.
    """

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk = desk
        self._store = store

    def served(
        self,
    ) -> tuple[Served[Nothing, Breaking] | Served[ReviewsQuery, Nothing] | Served[Nothing, ReviewEnd], ...]:
        """The operations on broken glasses."""
        return (
            Served(BREAK_GLASS, self._break),
            Served(LIST_REVIEWS, self._list),
            Served(CLOSE_REVIEW, self._close),
        )

    def _break(self, call: Call[Nothing, Breaking]) -> DecisionTaken:
        person, said = _person(call.caller), call.body
        approval = self._store.find(call.parts["id"])
        if approval is None or not self._desk.may_look(approval, person):
            raise not_found()
        # The decision itself carries the request's mark, so a process that died after the commit is not repeated.
        for number, taken in enumerate(approval.decisions, start=1):
            if (taken.person, taken.via, taken.delivery) == (person.id, "api", call.mark):
                return DecisionTaken.of(approval, number)
        try:
            after = self._desk.emergencies.break_glass(
                approval.request.id,
                identity=person.id,
                digest=said.digest,
                reason=said.reason,
                assurance=Assurance.API_TOKEN,
                via="api",
                delivery=call.mark,
                version=said.version,
                shown=said.presentation_hash,
            )
        except DecisionRefusedError as error:
            raise refused(error, self._store.find(approval.request.id)) from error
        return DecisionTaken.of(after, len(after.decisions))

    def _list(self, call: Call[ReviewsQuery, Nothing]) -> ReviewList:
        query, caller = call.query, call.caller
        now = self._store.now()
        if caller.person is None:
            found = self._store.reviews(caller.token.tenant, closed=query.closed, limit=query.limit)
        else:
            found = self._desk.emergencies.reviews(caller.person, closed=query.closed)[: query.limit]
        return ReviewList(items=tuple(ReviewItem.of(review, now) for review in found))

    def _close(self, call: Call[Nothing, ReviewEnd]) -> ReviewItem:
        person, said = _person(call.caller), call.body
        before = self._store.review(person.tenant, call.parts["id"])
        if before is None:
            raise not_found()
        end = before.closed
        if end is not None and (end.by, end.via, end.verdict, end.comment) == (
            person.id,
            "api",
            said.verdict,
            said.comment,
        ):
            return ReviewItem.of(before, self._store.now())
        try:
            after = self._desk.emergencies.close_review(
                before.approval_id,
                identity=person.id,
                verdict=said.verdict,
                comment=said.comment,
                via="api",
            )
        except DecisionRefusedError as error:
            raise refused(error, None) from error
        except UnknownApprovalError as error:
            raise not_found() from error
        return ReviewItem.of(after, self._store.now())


def _person(caller: Caller) -> Person:
    if caller.person is None:
        raise ApiError("people_only", "People decide and review; a service never does.")
    return caller.person
