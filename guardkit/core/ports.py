"""What the flows need from outside, each method one transaction.

All are synchronous; any may raise `StorageError`, and one that takes a `RunRef` `StaleRunError` when another run has taken
the thread since: nothing was changed then. `events` go to the tenant's audit chain in the same transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState
from guardkit.core.audit import AuditEntry, AuditEvent
from guardkit.core.effects import Asked, ClaimResult, EffectRecord, EffectState
from guardkit.core.finding import Finding
from guardkit.core.no_result import NoResult
from guardkit.core.places import Place
from guardkit.core.replies import Replies
from guardkit.core.reviews import Reviews
from guardkit.core.runs import (
    Closing,
    Contact,
    Delivery,
    DueThread,
    Marks,
    Message,
    Opened,
    Opening,
    Post,
    RunRef,
    StopOrder,
    ThreadRow,
    Turn,
)
from guardkit.core.standing import StandingApprovals, StandingUse
from guardkit.core.tokens import Tokens
from guardkit.core.values import Json


class Runs(Protocol):
    """Leases and turns."""

    def open_run(self, opening: Opening, events: Sequence[AuditEvent]) -> Opened:
        """Take the thread's lease and open or continue a turn.

        New input cancels what is still open of the turn before. A continued turn keeps its principal and salt.

        Raises:
            BusyError: another run's lease is live.
            InputError: nothing to continue, or a new turn without a principal.
        """
        ...

    def renew(self, run: RunRef, lease_seconds: float) -> StopOrder | None:
        """Extend the lease; returns the stop in force, if any."""
        ...

    def close_run(self, run: RunRef, closing: Closing, events: Sequence[AuditEvent]) -> None:
        """Give the lease back and say how the run ended. A turn that has ended stays ended.

        What `closing.waits_for` leaves out is cancelled; a paused turn that then has nothing pending becomes due.
        """
        ...

    def flush(self, run: RunRef, events: Sequence[AuditEvent], marks: Marks | None = None) -> None:
        """Append to the audit chain under the run's lease, and keep the turn's marks if there are new ones."""
        ...

    def end_turn(self, run: RunRef, outcome: NoResult, events: Sequence[AuditEvent]) -> NoResult:
        """End the turn: durable, approvals cancelled. Returns the outcome that holds: the first one wins."""
        ...

    def turn(self, tenant: str, thread_id: str, number: int | None = None) -> Turn | None:
        """A turn, by default the latest."""
        ...

    def turn_input(self, tenant: str, thread_id: str, number: int) -> bytes | None:
        """The input that a turn was opened with."""
        ...

    def threads(
        self, tenant: str | None, *, status: str | None = None, limit: int = 100
    ) -> Sequence[ThreadRow]:
        """Threads, most recently opened turn first; of every tenant when `tenant` is `None`."""
        ...


class Approvals(Protocol):
    """Questions to people."""

    def register(
        self, run: RunRef, requests: Sequence[ApprovalRequest], events: Sequence[AuditEvent]
    ) -> Sequence[Approval]:
        """Insert requests that are not there yet, each with its deliveries; returns all as they stand.

        `requested_at` and `expires_at` are relative to the epoch by the caller's best knowledge; the store shifts
        both so that `requested_at` is the database's time. Events are appended only if a request is new.
        """
        ...

    def approvals(self, tenant: str, ids: Sequence[str]) -> Sequence[Approval]:
        """The approvals with these ids that exist, in no particular order."""
        ...

    def find(self, approval_id: str) -> Approval | None:
        """An approval by id alone; for processes that check the tenant themselves."""
        ...

    def listed(
        self,
        *,
        tenant: str | None = None,
        thread_id: str | None = None,
        states: Sequence[ApprovalState] | None = None,
        limit: int = 100,
        after: Place | None = None,
    ) -> Sequence[Approval]:
        """Approvals, newest first, those of one instant by id; only what follows the place `after`, if one is given."""
        ...

    def settle(self, approval: Approval, expected_version: int, events: Sequence[AuditEvent]) -> bool:
        """Store an approval changed by `decide` or `close`, if nobody changed it since it was read.

        When that settles it and nothing else of the same turn is pending, the thread becomes due. Deliveries for
        the next stage or the outcome, the review of a broken glass, and a standing approval, go with it. Returns whether it was stored.
        """
        ...

    def expirable(self, limit: int = 100) -> Sequence[Approval]:
        """Pending approvals whose time is over and whose `on_expiry` is not `keep`."""
        ...


class Effects(Protocol):
    """The ledger."""

    def effect(self, tenant: str, key: str) -> EffectRecord | None:
        """The ledger row of a key."""
        ...

    def effects(
        self,
        *,
        tenant: str | None = None,
        thread_id: str | None = None,
        state: EffectState | None = None,
        limit: int = 100,
    ) -> Sequence[EffectRecord]:
        """Ledger rows, latest first."""
        ...

    def claim(
        self,
        run: RunRef,
        *,
        key: str,
        tool: str,
        digest: str,
        action_id: str,
        approval: Approval | None,
        events: Sequence[AuditEvent],
        standing: StandingUse | None = None,
        within: float | None = None,
    ) -> ClaimResult:
        """In one transaction: check lease, stop and turn, consume the approval, claim the key, write the audit.

        `approval` is consumed only in the version that the caller has checked, and `standing` counted down only as far
        as it reaches. Anything but `Claimed` has changed nothing and appended no events. `within` is how many seconds
        the execution may take; the deadline that follows from it is kept in the row.
        """
        ...

    def record(
        self, run: RunRef, *, key: str, state: EffectState, result: Json, events: Sequence[AuditEvent]
    ) -> bool:
        """Record the outcome of a claimed effect. Returns whether the claim was still this run's.

        Unlike the other methods it does not raise `StaleRunError`: a run that lost its lease after the claim
        changes nothing and is told `False`; the key stays in doubt.
        """
        ...

    def reconcile(
        self,
        tenant: str,
        key: str,
        *,
        state: EffectState,
        result: Json,
        by: str,
        events: Sequence[AuditEvent],
        asked: Asked | None = None,
    ) -> bool:
        """Settle a key in doubt (`done` or `not_done`). Returns whether it was in doubt.

        It is settled as `not_done` only once its deadline is over: what has not happened by now may until then happen
        still. As `done` it is settled at any time.

        With `asked` a run settles it: only while it holds its lease, and only the attempt that it has asked about. An
        answer is as old as the question, and may be about an attempt that another has followed.

        Raises:
            StaleRunError: the run has lost its lease.
        """
        ...


class Audit(Protocol):
    """The audit chain."""

    def append(self, tenant: str, events: Sequence[AuditEvent]) -> None:
        """Append events that belong to no run, to a tenant's chain or to `*`, the one of what concerns everybody."""
        ...

    def entries(self, tenant: str, after: int = 0, limit: int = 1000) -> Sequence[AuditEntry]:
        """Entries with `seq > after`, in order."""
        ...

    def history(self, tenant: str, thread_id: str) -> Sequence[AuditEntry]:
        """Every entry about a thread, in order."""
        ...

    def tenants(self) -> Sequence[str]:
        """Tenants that have a chain."""
        ...

    def heads(self) -> Mapping[str, int]:
        """`seq` of the newest entry of every tenant's chain. Costs the same however long the chains are."""
        ...

    def before(self, tenant: str, at: float) -> int:
        """The greatest `seq` with nothing from `at` on up to it; 0 if there is none. `at` in seconds since the epoch."""
        ...


class Stops(Protocol):
    """The operator's emergency stop."""

    def set_stop(self, order: StopOrder) -> StopOrder:
        """Put a stop in force, audited; `order.at` is replaced by the database's time.

        Threads it covers that are paused become due, so that a worker ends their turns.
        """
        ...

    def lift_stop(self, stop_id: str, *, by: str, why: str) -> bool:
        """Lift a stop, audited. Returns whether it was in force."""
        ...

    def stops(self) -> Sequence[StopOrder]:
        """Stops in force, oldest first."""
        ...


class News(Protocol):
    """Tells that something may be due, sooner than whoever waits would look by itself. For one thread at a time."""

    def wait(self, seconds: float) -> bool:
        """Wait for news, or for so long. Returns whether there was some. Never raises for a database that is away."""
        ...

    def close(self) -> None:
        """Stop listening; the next `wait` begins anew."""
        ...


class Queue(Protocol):
    """What the worker asks for."""

    def news(self) -> News:
        """A new listener for commits that may make something due."""
        ...

    def due(self, limit: int = 20, agents: Sequence[str] | None = None) -> Sequence[DueThread]:
        """Threads to look at whose lease is free and whose next attempt has come, oldest first.

        These are decided, expired or stopped ones, and those whose run died holding the lease; only of `agents`, if any.
        """
        ...

    def postpone(self, thread: DueThread, seconds: float) -> None:
        """Count an attempt and wait before the next."""
        ...

    def settled(self, thread: DueThread) -> None:
        """The thread needs no worker now."""
        ...

    def dead_letter(self, thread: DueThread, why: str) -> None:
        """Give up on a thread, visibly, until `redrive`."""
        ...

    def redrive(self, tenant: str, thread_id: str, *, by: str) -> bool:
        """Make a dead-lettered thread due again, audited: `by` is the operator. Returns whether it was one."""
        ...

    def deliveries(self, limit: int = 50) -> Sequence[Delivery]:
        """Take messages that have to go out; each is handed out again after a minute unless `delivered`."""
        ...

    def delivered(self, delivery: Delivery, *, error: str | None, rendered: str | None = None) -> None:
        """Note that a delivery went out, with the hash of what was rendered, or failed and is tried again later."""
        ...

    def messages(self, tenant: str, thread_id: str) -> Sequence[Message]:
        """Every delivery about a thread's questions that was tried, in the order in which they went out."""
        ...

    def messages_about(self, approval: Approval) -> Sequence[Message]:
        """Every delivery about one question that was tried, in the order in which they went out."""
        ...


class ChannelRecords(Protocol):
    """What channels must remember: where their messages are, whom they have met, what they have already taken."""

    def keep_post(self, post: Post) -> None:
        """Insert a copy of a question, or replace the one with the same id."""
        ...

    def posts(self, tenant: str, approval_id: str) -> Sequence[Post]:
        """Every copy of a question, oldest first."""
        ...

    def keep_contact(self, contact: Contact) -> None:
        """Insert a contact, or replace the one with the same tenant, channel and key."""
        ...

    def contact(self, tenant: str, channel: str, key: str) -> Contact | None:
        """The contact with this key."""
        ...

    def forget_contact(self, tenant: str, channel: str, key: str) -> bool:
        """Remove a contact. Returns whether it was there."""
        ...

    def first_time(self, scope: str, key: str, seconds: float) -> bool:
        """Whether nobody has asked this before, in the last `seconds`, in any process.

        Args:
            scope: whose keys these are, e.g. a channel's name.
            key: what must be taken once, e.g. the signature of a request.
            seconds: how long it is remembered at least.
        """
        ...


class Store(
    Runs,
    Finding,
    Approvals,
    StandingApprovals,
    Effects,
    Audit,
    Stops,
    Queue,
    ChannelRecords,
    Tokens,
    Replies,
    Reviews,
    Protocol,
):
    """Everything durable, in one database."""

    def now(self) -> float:
        """Seconds since the epoch, by the database's clock."""
        ...


class AuditBuffer(Protocol):
    """What a run has decided on reads and not yet written down; a saver writes it with the next checkpoint."""

    def drain(self, run: RunRef) -> Sequence[AuditEvent]:
        """Hand out the run's events, to be appended in the caller's transaction."""
        ...

    def restore(self, run: RunRef, events: Sequence[AuditEvent]) -> None:
        """Take back events whose transaction failed."""
        ...


class ApprovalChannel(Protocol):
    """A way to reach people. Sending must be safe to repeat."""

    name: str

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Show an approval, or its outcome, to the people of its stage; returns the hash of what was rendered.

        Raises:
            ChannelError: it did not go out; it is tried again.
        """
        ...
