"""The store: each method of `guardkit.core.ports.Store`, one transaction."""

from collections.abc import Mapping, Sequence

from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState
from guardkit.core.audit import AuditEntry, AuditEvent
from guardkit.core.backlog import Backlog
from guardkit.core.effects import Asked, ClaimResult, EffectRecord, EffectState
from guardkit.core.no_result import NoResult
from guardkit.core.places import Place
from guardkit.core.runs import (
    Closing,
    Delivery,
    DueThread,
    Marks,
    Message,
    Opened,
    Opening,
    RunRef,
    StopOrder,
    ThreadRow,
    Turn,
)
from guardkit.core.standing import StandingUse
from guardkit.core.values import Json
from guardkit.errors import InputError
from guardkit.sql import (
    approval_ids,
    approval_rows,
    approvals,
    audit,
    backlog,
    deliveries,
    dialects,
    due,
    effect_rows,
    effects,
    names,
    runs,
    stops,
    turns,
)
from guardkit.sql.api_store import ApiStore
from guardkit.sql.channel_store import ChannelStore
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone
from guardkit.sql.engines import Target
from guardkit.sql.finding_store import FindingStore
from guardkit.sql.news import News
from guardkit.sql.review_store import ReviewStore
from guardkit.sql.standing_store import StandingStore
from guardkit.sql.stats_store import StatsStore


def _limit(limit: int) -> int:
    if not 0 <= limit <= 100_000:
        raise InputError(f"limit is {limit!r}", remedy="0 to 100000")
    return limit


class SQLStore(ApiStore, ChannelStore, FindingStore, ReviewStore, StandingStore, StatsStore):
    """Everything durable, in one SQL database; implements `guardkit.core.ports.Store`.

    Args:
        database: the database, or its URL.

    Raises:
        ConfigurationError: not a database that guardkit can keep its promises on.
    """

    def __init__(self, database: Database | Target) -> None:
        super().__init__(database if isinstance(database, Database) else Database(database))

    def now(self) -> float:
        """Seconds since the epoch, by the database's clock."""
        return self.database.now()

    # --- runs ---

    @redone
    def open_run(self, opening: Opening, events: Sequence[AuditEvent]) -> Opened:
        """Take the thread's lease and open or continue a turn.

        The turn is returned as the run found it: a continued one with the status that it was left in.

        Raises:
            BusyError: another run's lease is live.
            InputError: nothing to continue, or a new turn without a principal of its tenant.
        """
        with self.database.writing() as connection:
            return runs.open_run(connection, opening, events)

    @redone
    def renew(self, run: RunRef, lease_seconds: float) -> StopOrder | None:
        """Extend the lease; returns the stop in force, if any."""
        with self.database.writing() as connection:
            return runs.renew(connection, run, lease_seconds)

    @redone
    def close_run(self, run: RunRef, closing: Closing, events: Sequence[AuditEvent]) -> None:
        """Give the lease back and say how the run ended."""
        with self.database.writing() as connection:
            runs.close_run(connection, run, closing, events)

    @redone
    def flush(self, run: RunRef, events: Sequence[AuditEvent], marks: Marks | None = None) -> None:
        """Append to the audit chain under the run's lease."""
        with self.database.writing() as connection:
            runs.flush(connection, run, events, marks)

    @redone
    def end_turn(self, run: RunRef, outcome: NoResult, events: Sequence[AuditEvent]) -> NoResult:
        """End the turn, durably. Returns the outcome that holds: the first one wins."""
        with self.database.writing() as connection:
            return runs.end_turn(connection, run, outcome, events)

    def turn(self, tenant: str, thread_id: str, number: int | None = None) -> Turn | None:
        """A turn, by default the latest."""
        with self.database.reading() as connection:
            return turns.find(connection, tenant, thread_id, number)

    def turn_input(self, tenant: str, thread_id: str, number: int) -> bytes | None:
        """The input that a turn was opened with."""
        with self.database.reading() as connection:
            return turns.input_of(connection, tenant, thread_id, number)

    def threads(
        self, tenant: str | None, *, status: str | None = None, limit: int = 100
    ) -> Sequence[ThreadRow]:
        """Threads, most recently opened turn first; of every tenant when `tenant` is `None`."""
        most = _limit(limit)
        return self.database.look(lambda one: turns.listed(one, tenant, status=status, limit=most))

    # --- approvals ---

    @redone
    def register(
        self, run: RunRef, requests: Sequence[ApprovalRequest], events: Sequence[AuditEvent]
    ) -> Sequence[Approval]:
        """Insert requests that are not there yet, each with its deliveries; returns all as they stand."""
        with self.database.writing() as connection:
            return approvals.register(connection, run, requests, events)

    def approvals(self, tenant: str, ids: Sequence[str]) -> Sequence[Approval]:
        """The approvals with these ids that exist, in no particular order."""
        with self.database.reading() as connection:
            return approval_rows.of_tenant(connection, tenant, ids)

    def find(self, approval_id: str) -> Approval | None:
        """An approval by id alone; for processes that check the tenant themselves."""
        with self.database.reading() as connection:
            return approval_rows.find(connection, approval_id)

    def ids_beginning(self, prefix: str, *, tenant: str | None = None, limit: int = 10) -> Sequence[str]:
        """Ids of approvals that begin with these lower-case hex digits, in order."""
        with self.database.reading() as connection:
            return approval_ids.beginning(connection, prefix, tenant=tenant, limit=_limit(limit))

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
        with self.database.reading() as connection:
            return approval_rows.listed(
                connection,
                tenant=tenant,
                thread_id=thread_id,
                states=states,
                limit=_limit(limit),
                after=after,
            )

    @redone
    def settle(self, approval: Approval, expected_version: int, events: Sequence[AuditEvent]) -> bool:
        """Store an approval changed by `decide` or `close`, if nobody changed it since it was read."""
        with self.database.writing() as connection:
            return approvals.settle(connection, approval, expected_version, events)

    def expirable(self, limit: int = 100) -> Sequence[Approval]:
        """Pending approvals whose time is over and whose `on_expiry` is not `keep`."""
        with self.database.reading() as connection:
            return approval_rows.expirable(connection, _limit(limit))

    # --- effects ---

    def effect(self, tenant: str, key: str) -> EffectRecord | None:
        """The ledger row of a key."""
        with self.database.reading() as connection:
            return effect_rows.find(connection, tenant, key)

    def effects(
        self,
        *,
        tenant: str | None = None,
        thread_id: str | None = None,
        state: EffectState | None = None,
        limit: int = 100,
    ) -> Sequence[EffectRecord]:
        """Ledger rows, latest first."""
        with self.database.reading() as connection:
            return effect_rows.listed(
                connection, tenant=tenant, thread_id=thread_id, state=state, limit=_limit(limit)
            )

    @redone
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
        """Check lease, stop and turn, consume the approval, claim the key, count down, write the audit."""
        with self.database.writing() as connection:
            return effects.claim(
                connection,
                run,
                key=key,
                tool=tool,
                digest=digest,
                action_id=action_id,
                approval=approval,
                events=events,
                standing=standing,
                within=within,
            )

    @redone
    def record(
        self, run: RunRef, *, key: str, state: EffectState, result: Json, events: Sequence[AuditEvent]
    ) -> bool:
        """Record the outcome of a claimed effect. Returns whether the claim was still this run's."""
        with self.database.writing() as connection:
            return effects.record(connection, run, key=key, state=state, result=result, events=events)

    @redone
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
        """Settle a key in doubt, as `not_done` only after its deadline. Returns whether it was settled."""
        with self.database.writing() as connection:
            return effects.reconcile(
                connection, tenant, key, state=state, result=result, by=by, events=events, asked=asked
            )

    # --- audit ---

    @redone
    def append(self, tenant: str, events: Sequence[AuditEvent]) -> None:
        """Append events that belong to no run, to a tenant's chain or to `*`."""
        names.owner(tenant)
        with self.database.writing() as connection:
            audit.append(connection, tenant, events, dialects.now(connection))

    def entries(self, tenant: str, after: int = 0, limit: int = 1000) -> Sequence[AuditEntry]:
        """Entries with `seq > after`, in order."""
        with self.database.reading() as connection:
            return audit.entries(connection, tenant, after, _limit(limit))

    def history(self, tenant: str, thread_id: str) -> Sequence[AuditEntry]:
        """Every entry about a thread, in order. Reads the tenant's chain.

        Raises:
            AuditError: an entry is no longer readable.
        """
        return self.database.look(lambda connection: audit.history(connection, tenant, thread_id))

    def tenants(self) -> Sequence[str]:
        """Tenants that have a chain. What concerns everybody is in the chain of `*`."""
        with self.database.reading() as connection:
            return audit.tenants(connection)

    def heads(self) -> Mapping[str, int]:
        """`seq` of the newest entry of every tenant's chain."""
        with self.database.reading() as connection:
            return audit.heads(connection)

    def before(self, tenant: str, at: float) -> int:
        """The greatest `seq` with nothing from `at` on up to it; 0 if there is none. Reads the tenant's chain."""
        with self.database.reading() as connection:
            return audit.before(connection, tenant, at)

    # --- stops ---

    @redone
    def set_stop(self, order: StopOrder) -> StopOrder:
        """Put a stop in force, audited. Threads it covers that are paused become due."""
        with self.database.writing() as connection:
            return stops.set_stop(connection, order)

    @redone
    def lift_stop(self, stop_id: str, *, by: str, why: str) -> bool:
        """Lift a stop, audited. Returns whether it was in force."""
        with self.database.writing() as connection:
            return stops.lift_stop(connection, stop_id, by=by, why=why)

    def stops(self) -> Sequence[StopOrder]:
        """Stops in force, oldest first."""
        with self.database.reading() as connection:
            return stops.in_force(connection)

    # --- queue ---

    def news(self) -> News:
        """A new listener for commits that may make something due."""
        return News(self.database)

    def due(self, limit: int = 20, agents: Sequence[str] | None = None) -> Sequence[DueThread]:
        """Threads to look at whose lease is free and whose next attempt has come, oldest first."""
        with self.database.reading() as connection:
            return due.due(connection, _limit(limit), agents)

    @redone
    def postpone(self, thread: DueThread, seconds: float) -> None:
        """Count an attempt and wait before the next."""
        with self.database.writing() as connection:
            due.postpone(connection, thread, seconds)

    @redone
    def settled(self, thread: DueThread) -> None:
        """The thread needs no worker now. What has become due since it was handed out stays due."""
        with self.database.writing() as connection:
            due.settled(connection, thread)

    @redone
    def dead_letter(self, thread: DueThread, why: str) -> None:
        """Give up on a thread, visibly, until `redrive`."""
        with self.database.writing() as connection:
            due.dead_letter(connection, thread, why)

    @redone
    def redrive(self, tenant: str, thread_id: str, *, by: str) -> bool:
        """Make a dead-lettered thread due again, audited: `by` is the operator. Returns whether it was one."""
        with self.database.writing() as connection:
            return due.redrive(connection, tenant, thread_id, by=by)

    def backlog(self) -> Sequence[Backlog]:
        """What waits for people, workers and operators, by agent. Each count stops at 10,000."""
        return self.database.look(backlog.backlog)

    @redone
    def deliveries(self, limit: int = 50) -> Sequence[Delivery]:
        """Take messages that have to go out; each is handed out again after a minute unless `delivered`."""
        with self.database.writing() as connection:
            return deliveries.take(connection, _limit(limit))

    @redone
    def delivered(self, delivery: Delivery, *, error: str | None, rendered: str | None = None) -> None:
        """Note that a delivery went out, with the hash of what was rendered, or failed and is tried again later."""
        with self.database.writing() as connection:
            deliveries.delivered(connection, delivery, error=error, rendered=rendered)

    def messages(self, tenant: str, thread_id: str) -> Sequence[Message]:
        """Every delivery about a thread's questions that was tried, in the order in which they went out."""
        return self.database.look(lambda connection: deliveries.of_thread(connection, tenant, thread_id))

    def messages_about(self, approval: Approval) -> Sequence[Message]:
        """Every delivery about one question that was tried, in the order in which they went out."""
        return self.database.look(lambda connection: deliveries.about(connection, approval))
