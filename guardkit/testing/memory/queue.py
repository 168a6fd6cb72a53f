"""The audit chain, the operator's stops and the worker's queue, in memory."""

import time
from collections.abc import Callable, Mapping, Sequence

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.audit import AuditEntry, AuditEvent
from guardkit.core.planning import held_until
from guardkit.core.runs import Delivery, DueThread, Message, StopOrder, TurnStatus
from guardkit.core.values import JsonObject
from guardkit.testing.memory.state import MemoryMessage, MemoryState, MemoryThread

_HELD_OUT = 60.0
"""Seconds until a delivery that nobody reported on is handed out again, and after a failure, times the attempts."""

_LOOKS = 0.01
"""Seconds between two looks for news."""

_EVERYBODY = "*"
"""Whose chain a stop of everything is in."""


class MemoryAudit(MemoryState):
    """The port `Audit`, in memory."""

    def append(self, tenant: str, events: Sequence[AuditEvent]) -> None:
        """Append events that belong to no run."""
        with self._lock:
            self._add_events(tenant, events)

    def entries(self, tenant: str, after: int = 0, limit: int = 1000) -> Sequence[AuditEntry]:
        """Entries with `seq > after`, in order."""
        with self._lock:
            return self._chains.get(tenant, [])[after : after + limit]

    def history(self, tenant: str, thread_id: str) -> Sequence[AuditEntry]:
        """Every entry about a thread, in order."""
        with self._lock:
            return [one for one in self._chains.get(tenant, []) if one.event.thread_id == thread_id]

    def tenants(self) -> Sequence[str]:
        """Tenants that have a chain."""
        with self._lock:
            return sorted(self._chains)

    def heads(self) -> Mapping[str, int]:
        """`seq` of the newest entry of every tenant's chain."""
        with self._lock:
            return {tenant: len(entries) for tenant, entries in self._chains.items()}

    def before(self, tenant: str, at: float) -> int:
        """The greatest `seq` with nothing from `at` on up to it; 0 if there is none."""
        with self._lock:
            entries = self._chains.get(tenant, [])
            return next((entry.seq - 1 for entry in entries if entry.at >= at), len(entries))


class MemoryStops(MemoryState):
    """The port `Stops`, in memory."""

    def set_stop(self, order: StopOrder) -> StopOrder:
        """Put a stop in force, audited; threads it covers that are paused become due."""
        with self._lock:
            order = order.model_copy(update={"at": self.now()})
            self._stops[order.id] = order
            self._audit_stop("stop.set", order, by=order.by, why=order.why)
            for thread in self._threads.values():
                covered = order.covers(
                    tenant=thread.tenant, thread_id=thread.thread_id, agent=thread.agent, run_id=thread.run_id
                )
                if covered and thread.turns[-1].status is TurnStatus.PAUSED:
                    thread.wake("stopped", self.now())
            return order

    def lift_stop(self, stop_id: str, *, by: str, why: str) -> bool:
        """Lift a stop, audited. Returns whether it was in force."""
        with self._lock:
            order = self._stops.pop(stop_id, None)
            if order is not None:
                self._audit_stop("stop.lifted", order, by=by, why=why)
            return order is not None

    def stops(self) -> Sequence[StopOrder]:
        """Stops in force, oldest first."""
        with self._lock:
            return sorted(self._stops.values(), key=lambda order: order.at)

    def _audit_stop(self, kind: str, order: StopOrder, *, by: str, why: str) -> None:
        data: JsonObject = {
            "stop": order.id,
            "scope": order.scope,
            "target": order.target,
            "by": by,
            "why": why,
        }
        self._add_events(order.tenant or _EVERYBODY, [AuditEvent(kind=kind, data=data)])


class MemoryNews:
    """The port `News`, in memory.

    Args:
        happened: counts what has become due so far.
    """

    def __init__(self, happened: Callable[[], int]) -> None:
        self._happened = happened
        self._seen = happened()

    def wait(self, seconds: float) -> bool:
        """Wait for news, or for so long. Returns whether there was some."""
        until = time.monotonic() + seconds
        while (happened := self._happened()) == self._seen and time.monotonic() < until:
            time.sleep(_LOOKS)
        before, self._seen = self._seen, happened
        return happened != before

    def close(self) -> None:
        """Nothing is kept open."""


class MemoryQueue(MemoryState):
    """The port `Queue`, in memory."""

    def news(self) -> MemoryNews:
        """A new listener for what becomes due."""
        return MemoryNews(self._happened)

    def _happened(self) -> int:
        with self._lock:
            return len(self._messages) + sum(thread.wakes for thread in self._threads.values())

    def due(self, limit: int = 20, agents: Sequence[str] | None = None) -> Sequence[DueThread]:
        """Threads to look at, oldest first; see `Queue.due`."""
        with self._lock:
            now = self.now()
            found: list[tuple[float, DueThread]] = []
            for thread in self._threads.values():
                why = _why_due(thread, now)
                if why is None or (agents is not None and thread.agent not in agents):
                    continue
                since = thread.lease_until if why == "abandoned" else thread.due_at
                found.append((since, _due(thread, why)))
            return [thread for _, thread in sorted(found, key=lambda item: item[0])[:limit]]

    def postpone(self, thread: DueThread, seconds: float) -> None:
        """Count an attempt and wait before the next."""
        with self._lock:
            known = self._as_handed_out(thread)
            if known is not None:
                known.attempts += 1
                known.next_at = self.now() + seconds

    def settled(self, thread: DueThread) -> None:
        """The thread needs no worker now, unless it became due again after it was handed out."""
        with self._lock:
            known = self._as_handed_out(thread)
            if known is None:
                return
            known.due, known.attempts, known.next_at = None, 0, 0.0
            # The lease of a run that died keeps a thread due; whoever looked at it clears it.
            if thread.seen.endswith(f".{known.token}") and known.lease_until <= self.now():
                known.run_id = None

    def dead_letter(self, thread: DueThread, why: str) -> None:
        """Give up on a thread, visibly, until `redrive`."""
        with self._lock:
            known = self._as_handed_out(thread)
            if known is not None:
                known.dead = why

    def _as_handed_out(self, thread: DueThread) -> MemoryThread | None:
        """The thread, unless it became due again after it was handed out."""
        known = self._threads[thread.tenant, thread.thread_id]
        return known if thread.seen.startswith(f"{known.wakes}.") else None

    def redrive(self, tenant: str, thread_id: str, *, by: str) -> bool:
        """Make a dead-lettered thread due again, audited. Returns whether it was one."""
        with self._lock:
            known = self._threads.get((tenant, thread_id))
            if known is None or known.dead is None:
                return False
            turn = known.turns[-1].number
            event = AuditEvent(kind="turn.redriven", thread_id=thread_id, turn=turn, data={"by": by})
            events = self._checked([event])
            known.dead, known.attempts, known.next_at = None, 0, 0.0
            known.wake(known.due or "decided", self.now())
            self._add_events(tenant, events)
            return True

    def deliveries(self, limit: int = 50) -> Sequence[Delivery]:
        """Take messages that have to go out; each is handed out again after a minute unless `delivered`."""
        with self._lock:
            now = self.now()
            ready: list[MemoryMessage] = []
            for message in self._messages.values():
                one = message.delivery
                if message.state == "waiting" and message.next_at <= now:
                    until = held_until(self._approvals[one.approval_id], one.stage, one.kind, now)
                    if until is None:
                        ready.append(message)
                    else:
                        message.next_at = until
            taken = sorted(ready, key=lambda message: message.next_at)[:limit]
            for message in taken:
                message.next_at = now + _HELD_OUT
                attempts = message.delivery.attempts + 1
                message.delivery = message.delivery.model_copy(update={"attempts": attempts})
            return [message.delivery for message in taken]

    def delivered(self, delivery: Delivery, *, error: str | None, rendered: str | None = None) -> None:
        """Note that a delivery went out, with the hash of what was rendered, or failed and is tried again later."""
        with self._lock:
            message = self._messages[delivery.id]
            message.error = error
            if error is not None:
                message.next_at = self.now() + _HELD_OUT * message.delivery.attempts
                return
            message.delivered_at = self.now()
            if message.state == "waiting":
                message.state = "sent"
                if delivery.kind == "review":
                    self._remind_reviewers(delivery)
            if rendered is not None:
                self.rendered[delivery.id] = rendered

    def ask_again(self, approval: Approval, stage: int, cause: str) -> bool:
        """Ask the people of a stage that waits once more, once for each cause."""
        with self._lock:
            known = self._approvals.get(approval.request.id)
            if known is None or known != approval or known.state is not ApprovalState.PENDING:
                return False
            if stage not in known.waiting():
                return False
            before = len(self._messages)
            for channel in dict.fromkeys(known.request.stages[stage].channels):
                name = f"{known.request.id}-notice-{stage}-{channel}-{cause}"
                delivery = Delivery(
                    id=name,
                    approval_id=known.request.id,
                    tenant=known.request.tenant,
                    channel=channel,
                    kind="ask",
                    stage=stage,
                    attempts=0,
                )
                self._messages.setdefault(name, MemoryMessage(delivery, self.now(), 0))
            return len(self._messages) > before

    def _remind_reviewers(self, delivery: Delivery) -> None:
        """Plan the next message about a review that is still open."""
        review, approval = self._reviews[delivery.approval_id], self._approvals[delivery.approval_id]
        if review.closed is not None:
            return
        sent = [
            one for one in self._messages_of(approval, "review") if one.delivery.channel == delivery.channel
        ]
        at = self.now() + review.glass.reminder
        self._add_message(approval, "review", delivery.stage, delivery.channel, at, len(sent))

    def messages(self, tenant: str, thread_id: str) -> Sequence[Message]:
        """Every delivery about a thread's questions that was tried, in the order in which they went out."""
        with self._lock:
            return self._told(
                lambda one: (
                    self._approvals[one.approval_id].request.thread_id == thread_id and one.tenant == tenant
                )
            )

    def messages_about(self, approval: Approval) -> Sequence[Message]:
        """Every delivery about one question that was tried, in the order in which they went out."""
        request = approval.request
        with self._lock:
            return self._told(lambda one: (one.approval_id, one.tenant) == (request.id, request.tenant))

    def _told(self, wanted: Callable[[Delivery], bool]) -> Sequence[Message]:
        tried = [one for one in self._messages.values() if one.delivery.attempts > 0 and wanted(one.delivery)]
        tried.sort(key=lambda one: (one.delivered_at is None, one.delivered_at or 0.0))
        return [
            Message(
                id=one.delivery.id,
                approval_id=one.delivery.approval_id,
                channel=one.delivery.channel,
                kind=one.delivery.kind,
                stage=one.delivery.stage,
                escalation=one.number if one.delivery.kind == "ask" else 0,
                attempts=one.delivery.attempts,
                delivered_at=one.delivered_at,
                rendered=self.rendered.get(one.delivery.id),
                error=one.error,
            )
            for one in tried
        ]


def _why_due(thread: MemoryThread, now: float) -> str | None:
    held = thread.run_id is not None and thread.lease_until > now
    if thread.dead is not None or held or thread.next_at > now:
        return None
    if thread.due is not None:
        return thread.due
    return "abandoned" if thread.run_id is not None else None


def _due(thread: MemoryThread, why: str) -> DueThread:
    return DueThread(
        tenant=thread.tenant,
        thread_id=thread.thread_id,
        agent=thread.agent,
        turn=thread.turns[-1].number,
        why=why,
        attempts=thread.attempts,
        seen=f"{thread.wakes}.{thread.token}",
    )
