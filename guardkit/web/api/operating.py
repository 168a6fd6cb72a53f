"""Threads and emergency stops over HTTP."""

from guardkit.core.digest import sha256
from guardkit.core.ports import Store
from guardkit.core.runs import StopOrder, TurnStatus
from guardkit.core.threads import ThreadQuery
from guardkit.errors import InputError
from guardkit.web.api.answers import Entry, HistoryPage, Lifted, Stop, StopList
from guardkit.web.api.operations import (
    LIFT_STOP,
    LIST_STOPS,
    LIST_THREADS,
    SET_STOP,
    SHOW_HISTORY,
    Call,
    Served,
)
from guardkit.web.api.problems import ApiError, FieldProblem, not_found
from guardkit.web.api.requests import HistoryQuery, Lifting, NewStop, Nothing, ThreadsQuery
from guardkit.web.api.thread_answers import ThreadItem, ThreadItems


class Operating:
    """What callers see of threads and stops, and do to stops.

    Args:
        store: where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def served(
        self,
    ) -> tuple[
        Served[HistoryQuery, Nothing]
        | Served[ThreadsQuery, Nothing]
        | Served[Nothing, Nothing]
        | Served[Nothing, NewStop]
        | Served[Nothing, Lifting],
        ...,
    ]:
        """The operations on threads and stops."""
        return (
            Served(LIST_THREADS, self._threads),
            Served(SHOW_HISTORY, self._history),
            Served(LIST_STOPS, self._stops),
            Served(SET_STOP, self._set),
            Served(LIFT_STOP, self._lift),
        )

    def _threads(self, call: Call[ThreadsQuery, Nothing]) -> ThreadItems:
        asked = call.query
        if asked.since is not None and asked.until is not None and asked.until <= asked.since:
            raise _invalid("until", "is not after since")
        query = ThreadQuery(
            tenant=call.caller.token.tenant,
            status=None if asked.status is None else TurnStatus(asked.status),
            agent=asked.agent,
            principal=asked.principal,
            pending=asked.pending,
            prefix=asked.prefix,
            since=None if asked.since is None else asked.since.timestamp(),
            until=None if asked.until is None else asked.until.timestamp(),
        )
        try:
            page = self._store.find_threads(query, limit=asked.limit, cursor=asked.cursor)
        except InputError as error:
            raise _invalid("cursor", f"{error.message.removeprefix('cursor ')}: {error.remedy}") from None
        return ThreadItems(items=tuple(ThreadItem.of(one) for one in page.threads), next=page.next)

    def _history(self, call: Call[HistoryQuery, Nothing]) -> HistoryPage:
        tenant, query = call.caller.token.tenant, call.query
        if self._store.turn(tenant, query.thread) is None:
            raise not_found()
        rest = [entry for entry in self._store.history(tenant, query.thread) if entry.seq > query.after]
        page = rest[: query.limit]
        return HistoryPage(
            entries=tuple(Entry.of(entry) for entry in page),
            next=page[-1].seq if len(rest) > len(page) else None,
        )

    def _stops(self, call: Call[Nothing, Nothing]) -> StopList:
        tenant = call.caller.token.tenant
        return StopList(
            items=tuple(Stop.of(order) for order in self._store.stops() if order.tenant in (None, tenant))
        )

    def _set(self, call: Call[Nothing, NewStop]) -> Stop:
        caller, asked = call.caller, call.body
        if (asked.scope == "tenant") != (asked.target is None):
            problem = FieldProblem(
                field="target", message="goes with run, thread and agent, and not with tenant"
            )
            raise ApiError("invalid", "See `errors`. No stop was set.", errors=(problem,))
        if asked.target is not None and asked.target != asked.target.strip():
            problem = FieldProblem(field="target", message="begins or ends with white space")
            raise ApiError("invalid", "See `errors`. No stop was set.", errors=(problem,))
        order = StopOrder(
            id=sha256("guardkit.api-stop.v1", call.mark)[:32],  # so that the same request sets one stop
            scope=asked.scope,
            tenant=caller.token.tenant,
            target=asked.target,
            by=caller.name,
            why=asked.why,
            at=0.0,
        )
        try:
            return Stop.of(self._store.set_stop(order))
        except InputError as error:
            raise ApiError(
                "key_reused", "The stop of this request was lifted since. Send a new key."
            ) from error

    def _lift(self, call: Call[Nothing, Lifting]) -> Lifted:
        caller, name = call.caller, call.parts["id"]
        if caller.person is None:
            raise ApiError("people_only", "A service may set a stop; people lift it.")
        own = any(order.id == name and order.tenant == caller.token.tenant for order in self._store.stops())
        if not own or not self._store.lift_stop(name, by=caller.name, why=call.body.why):
            raise not_found()
        return Lifted(id=name)


def _invalid(field: str, message: str) -> ApiError:
    return ApiError("invalid", "See `errors`.", errors=(FieldProblem(field=field, message=message),))
