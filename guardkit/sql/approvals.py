"""Approvals: registered under a lease, settled by whoever read them last, cancelled with their turn."""

from collections.abc import Sequence

from sqlalchemy import Connection

from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState, close
from guardkit.core.audit import AuditEvent
from guardkit.core.granting import given_with
from guardkit.core.planning import registered
from guardkit.core.reviews import review_of
from guardkit.core.runs import RunRef, TurnStatus
from guardkit.errors import InputError, UnknownApprovalError
from guardkit.sql import (
    approval_rows,
    audit,
    deliveries,
    dialects,
    due,
    lease,
    names,
    news,
    reviews,
    standing_rows,
)

_OPEN = (ApprovalState.PENDING, ApprovalState.APPROVED)


def register(
    connection: Connection, run: RunRef, requests: Sequence[ApprovalRequest], events: Sequence[AuditEvent]
) -> list[Approval]:
    """Insert requests that are not there yet; see `guardkit.core.ports.Approvals.register`.

    What is registered in a turn that has ended is cancelled at once: nobody is asked.

    Raises:
        InputError: a request is for another thread or turn than the run's.
        StaleRunError: the run has lost its lease.
    """
    asked = {request.id: request for request in requests}
    for request in requests:
        names.checked("request.id", request.id, 64)
        if (request.tenant, request.thread_id, request.turn) != (run.tenant, run.thread_id, run.turn):
            raise InputError(f"approval {request.id!r} is for another thread or turn than the run's")
        if asked[request.id] != request:
            raise InputError(f"two different requests have the id {request.id!r}")
    holding = lease.held(connection, run)
    there = {
        found.request.id: found for found in approval_rows.of_tenant(connection, run.tenant, list(asked))
    }
    added = [_added(connection, request, holding) for request in asked.values() if request.id not in there]
    if added:
        void = [_cancelled(new, "the turn has ended") for new in added if new.state.settled]
        audit.append(connection, run.tenant, [*events, *void], holding.now)
    return [*there.values(), *added]


def _added(connection: Connection, request: ApprovalRequest, holding: lease.Held) -> Approval:
    approval = Approval.opened(registered(request, holding.now))
    if holding.status is TurnStatus.ENDED:
        approval = close(approval, ApprovalState.CANCELLED, holding.now)
        approval_rows.write_new(connection, approval)
    else:
        approval_rows.write_new(connection, approval)
        deliveries.ask(connection, approval, holding.now)
    return approval


def settle(
    connection: Connection, approval: Approval, expected_version: int, events: Sequence[AuditEvent]
) -> bool:
    """Store a changed approval; see `guardkit.core.ports.Approvals.settle`.

    Raises:
        InputError: the change is none that `decide` or `close` makes.
        UnknownApprovalError: there is no such approval.
    """
    request = approval.request
    # The thread comes first: two last decisions of one turn must see one another.
    lease.locked(connection, request.tenant, request.thread_id)
    stored = approval_rows.locked(connection, request.id)
    if stored is None or stored.request.tenant != request.tenant:
        raise UnknownApprovalError(f"there is no approval {request.id!r} of tenant {request.tenant!r}")
    if stored.version != expected_version:
        return False
    _check(stored, approval)
    now = dialects.now(connection)
    approval_rows.write_changed(connection, stored, approval)
    review = review_of(stored, approval)
    if review is not None:
        reviews.write_new(connection, review)
        deliveries.ask_reviewers(connection, approval, now)
        events = [*events, review.opening()]
    grant = given_with(stored, approval)
    if grant is not None:
        standing_rows.write_new(connection, grant)
        events = [*events, grant.giving()]
    if approval.state.settled:
        deliveries.tell_outcome(connection, approval, now)
    else:
        deliveries.bring_up_to_date(connection, stored, approval, now)
    news.tell(connection)
    if (
        approval.state.settled
        and not stored.state.settled
        and not approval_rows.is_pending(connection, request.tenant, request.thread_id, request.turn)
    ):
        why = "expired" if approval.state is ApprovalState.EXPIRED else "decided"
        due.mark(connection, request.tenant, request.thread_id, why, now)
    audit.append(connection, request.tenant, events, now)
    return True


def _check(stored: Approval, approval: Approval) -> None:
    """Refuse what the state machine would not have made of the stored approval."""
    name = repr(approval.request.id)
    if approval.version != stored.version + 1:
        raise InputError(f"approval {name} has version {approval.version}, {stored.version + 1} is next")
    if approval.request != stored.request:
        raise InputError(f"the request of approval {name} was changed", remedy="a request never changes")
    if approval.decisions[: len(stored.decisions)] != stored.decisions:
        raise InputError(
            f"earlier decisions on approval {name} were changed", remedy="decisions are only added"
        )
    if approval.state is ApprovalState.CONSUMED:
        raise InputError(f"approval {name} cannot be consumed here", remedy="claim its effect")
    if stored.state not in _OPEN or (
        stored.state is ApprovalState.APPROVED
        and approval.state not in (ApprovalState.EXPIRED, ApprovalState.CANCELLED)
    ):
        raise InputError(f"approval {name} is {stored.state.value} and cannot become {approval.state.value}")


def withdraw(connection: Connection, run: RunRef, now: float, *, but: Sequence[str]) -> list[AuditEvent]:
    """Cancel the pending questions of a run's turn that the graph no longer waits for.

    Args:
        connection: a transaction that holds the thread's lock.
        run: the run that ends.
        now: seconds since the epoch by the database's clock.
        but: ids of the approvals that it waits for.

    Returns:
        The audit events, for the caller to append.
    """
    pending = approval_rows.of_thread(
        connection, run.tenant, run.thread_id, turn=run.turn, states=(ApprovalState.PENDING,)
    )
    return [
        _closed(connection, approval, now, "the graph no longer waits for it")
        for approval in pending
        if approval.request.id not in but
    ]


def cancel_open(
    connection: Connection, tenant: str, thread_id: str, now: float, *, why: str, turn: int | None = None
) -> list[AuditEvent]:
    """Cancel what is pending, and what is approved and not yet used.

    Args:
        connection: a transaction that holds the thread's lock.
        tenant: whose thread.
        thread_id: the thread.
        now: seconds since the epoch by the database's clock.
        why: for the audit log.
        turn: only this turn's; every turn's when `None`.

    Returns:
        The audit events, for the caller to append.
    """
    found = approval_rows.of_thread(connection, tenant, thread_id, turn=turn, states=_OPEN)
    return [_closed(connection, approval, now, why) for approval in found]


def _closed(connection: Connection, approval: Approval, now: float, why: str) -> AuditEvent:
    cancelled = close(approval, ApprovalState.CANCELLED, now)
    approval_rows.write_changed(connection, approval, cancelled)
    deliveries.tell_outcome(connection, cancelled, now)
    news.tell(connection)
    return _cancelled(cancelled, why)


def _cancelled(approval: Approval, why: str) -> AuditEvent:
    request = approval.request
    return AuditEvent(
        kind="approval.cancelled",
        thread_id=request.thread_id,
        turn=request.turn,
        data={"approval": request.id, "digest": approval.digest, "why": why},
    )
