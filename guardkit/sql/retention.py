"""Retention and legal holds over one SQL database."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from guardkit.core.retention import LegalHold, Pruned, RetentionKind
from guardkit.core.values import Json
from guardkit.errors import InputError
from guardkit.policy.retention import Retention
from guardkit.sql import holds, names, pruning
from guardkit.sql.columns import NAME_LENGTH
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone
from guardkit.sql.engines import Target
from guardkit.sql.pruning import Batch, Order

BATCH = 100
"""Threads that a transaction looks after, unless it is told otherwise."""

_ORDER = (
    RetentionKind.APPROVALS,
    RetentionKind.DELIVERIES,
    RetentionKind.EFFECTS,
    RetentionKind.CHECKPOINTS,
    RetentionKind.INPUTS,
    RetentionKind.REPLIES,
)


class SQLRetention:
    """Removes what is old, and keeps what is under a legal hold.

    Args:
        database: the database, or its URL.

    Raises:
        ConfigurationError: not a database that guardkit can keep its promises on.
    """

    def __init__(self, database: Database | Target) -> None:
        self.database = database if isinstance(database, Database) else Database(database)

    def preview(self, retention: Retention, *, tenant: str | None = None) -> Sequence[Pruned]:
        """What `prune` would remove now. Changes nothing.

        Args:
            retention: how long what is kept.
            tenant: only what is of this tenant.

        Raises:
            InputError: no tenant can be called that.
        """
        found: list[Pruned] = []
        for order in self._orders(retention, tenant, {}):
            with self.database.reading() as connection:
                batch = pruning.count(connection, order)
            found.append(
                Pruned(
                    tenant=order.tenant,
                    kind=order.kind,
                    before=batch.before,
                    threads=batch.threads,
                    rows=dict(batch.rows),
                )
            )
        return found

    def prune(
        self, retention: Retention, *, by: str, tenant: str | None = None, batch: int = BATCH
    ) -> Sequence[Pruned]:
        """Remove what is older than it is kept, audited. The audit log itself is never pruned.

        Each batch is one transaction that judges by the database's clock; after a kill another call goes on with what is
        left. A thread that runs, is paused, has open questions, effects in doubt or a legal hold is not touched.

        Args:
            retention: how long what is kept.
            by: who does it; goes into the audit log.
            tenant: only what is of this tenant.
            batch: threads of one transaction at most, 1 to 1000; of what has no thread, rows.

        Raises:
            AuditError: the audit log cannot be written; nothing of that batch was removed.
            InputError: `batch` or a name cannot be used.
            StorageError: the database cannot be reached, or refuses. What earlier batches removed is gone.
        """
        names.checked("by", by, NAME_LENGTH)
        if not 1 <= batch <= 1000:
            raise InputError(f"batch is {batch!r}", remedy="1 to 1000")
        facts: dict[str, Json] = {
            "by": by,
            "retention": retention.retention,
            "version": retention.version,
            "hash": retention.hash,
        }
        return [self._prune(order, batch) for order in self._orders(retention, tenant, facts)]

    def _prune(self, order: Order, limit: int) -> Pruned:
        rows: Counter[str] = Counter()
        threads = batches = 0
        after: str | None = ""
        before = 0.0
        while after is not None:
            done = self._removed(order, after, limit)
            after, before = done.last, done.before
            if done.rows:
                rows, threads, batches = rows + done.rows, threads + done.threads, batches + 1
        return Pruned(
            tenant=order.tenant,
            kind=order.kind,
            before=before,
            threads=threads,
            rows=dict(rows),
            batches=batches,
        )

    @redone
    def _removed(self, order: Order, after: str, limit: int) -> Batch:
        with self.database.writing() as connection:
            return pruning.remove(connection, order, after=after, limit=limit)

    def _orders(self, retention: Retention, tenant: str | None, facts: Mapping[str, Json]) -> Iterator[Order]:
        if tenant is not None:
            tenants = [names.tenant(tenant)]
        else:
            with self.database.reading() as connection:
                tenants = pruning.tenants(connection)
        for one in tenants:
            for kind in _ORDER:
                seconds = retention.period(kind, one)
                if seconds is not None:
                    asked = retention.period(RetentionKind.APPROVALS, one)
                    yield Order(tenant=one, kind=kind, seconds=seconds, asked_seconds=asked, facts=facts)
        seconds = retention.period(RetentionKind.REQUESTS, names.EVERYBODY)
        if tenant is None and seconds is not None:
            yield Order(tenant=names.EVERYBODY, kind=RetentionKind.REQUESTS, seconds=seconds, facts=facts)

    # --- legal holds ---

    @redone
    def set_hold(self, hold: LegalHold) -> LegalHold:
        """Put a legal hold in force, audited; its time is replaced by the database's.

        Once it returns, nothing of what it covers is removed: neither by `prune`, nor by `delete_thread`, `prune` and
        `delete_for_runs` of a saver.

        Raises:
            InputError: one of its names cannot be kept, or its id is taken by another hold.
        """
        with self.database.writing() as connection:
            return holds.set_hold(connection, hold)

    @redone
    def lift_hold(self, tenant: str, hold_id: str, *, by: str, why: str) -> bool:
        """Lift a legal hold, audited. Returns whether it was in force.

        Raises:
            InputError: nobody or no reason is named.
        """
        with self.database.writing() as connection:
            return holds.lift_hold(connection, tenant, hold_id, by=by, why=why)

    def holds(self, tenant: str | None = None, *, lifted: bool = False) -> Sequence[LegalHold]:
        """Legal holds, oldest first; of every tenant when `tenant` is `None`.

        Args:
            tenant: whose.
            lifted: also those that are no longer in force.
        """
        with self.database.reading() as connection:
            return holds.listed(connection, tenant, lifted=lifted)
