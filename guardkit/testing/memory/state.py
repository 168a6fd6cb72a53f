"""What a memory store holds, and what its parts share."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from guardkit.core.approvals import Approval, ApprovalState, close
from guardkit.core.audit import GENESIS, AuditEntry, AuditEvent, chain
from guardkit.core.digest import canonical
from guardkit.core.effects import EffectRecord, EffectState
from guardkit.core.planning import planned, waiting_anew
from guardkit.core.replies import Reply
from guardkit.core.reviews import Review
from guardkit.core.runs import Contact, Delivery, Post, RunRef, StopOrder, Turn
from guardkit.core.standing import StandingApproval
from guardkit.core.tokens import ApiToken
from guardkit.core.values import Json
from guardkit.errors import StaleRunError

OPEN = (ApprovalState.PENDING, ApprovalState.APPROVED)


@dataclass(slots=True)
class MemoryThread:
    """A thread: its turns, its lease, and whether a worker has to look at it."""

    tenant: str
    thread_id: str
    agent: str = ""
    turns: list[Turn] = field(default_factory=list[Turn])
    inputs: dict[int, bytes] = field(default_factory=dict[int, bytes])
    token: int = 0
    run_id: str | None = None
    """The run that holds the lease, or that died holding it."""

    lease_until: float = 0.0
    due: str | None = None
    due_at: float = 0.0
    wakes: int = 0
    """How often it became due: a later wake-up outlives what settles an earlier one."""

    attempts: int = 0
    next_at: float = 0.0
    dead: str | None = None
    active_at: float = 0.0

    def wake(self, why: str, at: float) -> None:
        """Make it due."""
        self.due, self.due_at = why, at
        self.attempts, self.next_at = 0, 0.0
        self.wakes += 1


@dataclass(slots=True)
class MemoryClaim:
    """A ledger row, and the fence of the run that claimed it."""

    record: EffectRecord
    token: int


@dataclass(slots=True)
class MemoryMessage:
    """A delivery, and when it is handed out next."""

    delivery: Delivery
    next_at: float
    number: int = 0
    state: Literal["waiting", "sent", "void"] = "waiting"
    delivered_at: float | None = None
    error: str | None = None


@dataclass(slots=True)
class MemoryReply:
    """What an idempotency key stands for."""

    fingerprint: str
    owner: str
    held_until: float
    kept_until: float
    reply: Reply | None = None


class MemoryState:
    """The tables and the lock; the ports are written over it, a file each.

    Args:
        clock: returns seconds since the epoch; stands for the database's clock.

    Attributes:
        rendered: by delivery id, the hash of what was shown.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._threads: dict[tuple[str, str], MemoryThread] = {}
        self._approvals: dict[str, Approval] = {}
        self._claims: dict[tuple[str, str], MemoryClaim] = {}
        self._chains: dict[str, list[AuditEntry]] = {}
        self._stops: dict[str, StopOrder] = {}
        self._messages: dict[str, MemoryMessage] = {}
        self._posts: dict[str, Post] = {}
        self._contacts: dict[tuple[str, str, str], Contact] = {}
        self._taken: dict[tuple[str, str], float] = {}
        self._tokens: dict[str, ApiToken] = {}
        self._replies: dict[str, MemoryReply] = {}
        self._reviews: dict[str, Review] = {}
        self._standing: dict[str, StandingApproval] = {}
        self.rendered: dict[str, str] = {}

    def now(self) -> float:
        """Seconds since the epoch, by the clock that was given."""
        return self._clock()

    def _is_held(self, run: RunRef) -> bool:
        thread = self._threads.get((run.tenant, run.thread_id))
        return (
            thread is not None
            and (thread.token, thread.run_id) == (run.token, run.run_id)
            and bool(thread.turns)
            and thread.turns[-1].number == run.turn
            and thread.lease_until > self.now()
        )

    def _held(self, run: RunRef) -> MemoryThread:
        if not self._is_held(run):
            raise StaleRunError(f"run {run.run_id!r} no longer holds thread {run.thread_id!r}")
        return self._threads[run.tenant, run.thread_id]

    def _checked(self, events: Iterable[AuditEvent]) -> list[AuditEvent]:
        """Refuse events that the log could not hold, before anything is changed."""
        listed = list(events)
        for event in listed:
            canonical(event.model_dump(mode="json"), path=event.kind)
        return listed

    def _add_events(self, tenant: str, events: Iterable[AuditEvent]) -> None:
        entries = self._chains.get(tenant, [])
        head = (entries[-1].seq, entries[-1].hash) if entries else (0, GENESIS)
        added = chain(tenant, head, self.now(), events)
        if added:
            self._chains[tenant] = [*entries, *added]

    def _stop_on(self, thread: MemoryThread) -> StopOrder | None:
        for order in self._stops.values():
            if order.covers(
                tenant=thread.tenant, thread_id=thread.thread_id, agent=thread.agent, run_id=thread.run_id
            ):
                return order
        return None

    def _of_turn(self, tenant: str, thread_id: str, turn: int) -> list[Approval]:
        return [
            approval
            for approval in self._approvals.values()
            if (approval.request.tenant, approval.request.thread_id, approval.request.turn)
            == (tenant, thread_id, turn)
        ]

    def _is_waiting(self, turn: Turn) -> int:
        approvals = self._of_turn(turn.tenant, turn.thread_id, turn.number)
        return sum(approval.state is ApprovalState.PENDING for approval in approvals)

    def _void(self, turn: Turn, why: str, *, but: Sequence[str] | None = None) -> int:
        """Cancel what is still open of a turn, or with `but` what is pending and not named; returns how many."""
        count = 0
        for approval in self._of_turn(turn.tenant, turn.thread_id, turn.number):
            pending = approval.state is ApprovalState.PENDING
            if approval.state in OPEN if but is None else pending and approval.request.id not in but:
                count += 1
                self._put(approval, close(approval, ApprovalState.CANCELLED, self.now()))
                event = AuditEvent(
                    kind="approval.cancelled",
                    thread_id=turn.thread_id,
                    turn=turn.number,
                    data={"approval": approval.request.id, "why": why},
                )
                self._add_events(turn.tenant, [event])
        return count

    def _put(self, before: Approval, after: Approval) -> None:
        """Store a changed approval, with the messages that follow from it."""
        request = after.request
        self._approvals[request.id] = after
        if after.state.settled:
            self._tell_outcome(after)
        else:
            self._bring_up_to_date(before, after)

    def _ask(self, approval: Approval) -> None:
        """Ask the people of the stages that wait, and plan when they are reminded and who is asked later."""
        for place in approval.waiting():
            self._ask_stage(approval, place)

    def _ask_stage(self, approval: Approval, place: int) -> None:
        self._drop_planned(approval, place)
        for one in planned(approval, place, self.now()):
            self._add_message(approval, one.kind, place, one.channel, one.at, one.number)

    def _drop_planned(self, approval: Approval, stage: int) -> None:
        """Drop what nobody has tried to send yet to the people of a stage."""
        for message in self._messages_of(approval, "ask", "remind"):
            if (message.delivery.stage, message.delivery.attempts) == (stage, 0):
                message.state = "void"

    def _bring_up_to_date(self, before: Approval, after: Approval) -> None:
        """After a decision that leaves it open: ask who has to answer now, and let every other message show it."""
        was, asked_again = before.waiting(), waiting_anew(before, after)
        self._drop(after, "update")
        for place in was:
            if place not in after.waiting():
                self._drop_planned(after, place)
        for stage, channel in self._asked(after):
            if stage not in asked_again:
                self._add_message(after, "update", stage, channel, self.now())
        for place in asked_again:
            self._ask_stage(after, place)

    def _tell_outcome(self, approval: Approval) -> None:
        """Tell all who may have been asked how it ended. Nobody is asked any more."""
        for stage, channel in self._asked(approval):
            self._add_message(approval, "outcome", stage, channel, self.now())
        self._drop(approval, "ask", "remind", "update")

    def _asked(self, approval: Approval) -> list[tuple[int, str]]:
        asks = [message.delivery for message in self._messages_of(approval, "ask")]
        return sorted({(ask.stage, ask.channel) for ask in asks if ask.attempts > 0})

    def _drop(self, approval: Approval, *kinds: str) -> None:
        for message in self._messages_of(approval, *kinds):
            if message.state == "waiting":
                message.state = "void"

    def _messages_of(self, approval: Approval, *kinds: str) -> list[MemoryMessage]:
        return [
            message
            for message in self._messages.values()
            if message.delivery.approval_id == approval.request.id and message.delivery.kind in kinds
        ]

    def _add_message(
        self,
        approval: Approval,
        kind: Literal["ask", "remind", "update", "outcome", "review"],
        stage: int,
        channel: str,
        at: float,
        number: int = 0,
    ) -> None:
        request = approval.request
        version = 0 if kind == "review" else approval.version
        delivery = Delivery(
            id=f"{request.id}-{version}-{kind}-{stage}-{channel}-{number}",
            approval_id=request.id,
            tenant=request.tenant,
            channel=channel,
            kind=kind,
            stage=stage,
            attempts=0,
        )
        self._messages.setdefault(delivery.id, MemoryMessage(delivery, at, number))

    def _settle_claim(self, claim: MemoryClaim, state: EffectState, result: Json) -> None:
        settled = state in (EffectState.DONE, EffectState.NOT_DONE)
        claim.record = claim.record.model_copy(
            update={"state": state, "result": result, "settled_at": self.now() if settled else None}
        )

    def _record_of(self, claim: MemoryClaim) -> EffectRecord:
        """The row as it stands: what a run claimed that is gone, nobody can say any more what became of."""
        record = claim.record
        if record.state is not EffectState.CLAIMED:
            return record
        thread = self._threads[record.tenant, record.thread_id]
        alive = thread.run_id is not None and thread.token == claim.token and thread.lease_until > self.now()
        return record if alive else record.model_copy(update={"state": EffectState.IN_DOUBT})
