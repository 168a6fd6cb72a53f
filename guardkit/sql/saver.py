"""SQLAlchemySaver: LangGraph's checkpoints in the same database as leases, approvals and the ledger."""

import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Literal, Self

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from guardkit.core.audit import AuditEvent
from guardkit.core.ports import AuditBuffer
from guardkit.core.runs import RunRef
from guardkit.errors import ConfigurationError, InputError
from guardkit.sql import audit, checkpoints, histories, names, pending, reading, roundtrip, upkeep
from guardkit.sql.access import RUN_KEY, TENANT_KEY, Access, config_of, configurable, is_own, permit, tuple_of
from guardkit.sql.checkpoints import Place, Prepared
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone
from guardkit.sql.engines import Target
from guardkit.sql.lineages import Lineages
from guardkit.sql.pages import Asked, Pages
from guardkit.sql.sealing import Seal

_DIGITS = 12
"""Digits of a version that counts."""

_PAGE = 32

_REMEMBERED = 64 << 20
"""Bytes of channels' values that are remembered to compare the next ones with."""

_NO_LONGER = object()


class SQLAlchemySaver(BaseCheckpointSaver[str]):
    """A LangGraph checkpoint saver on SQLAlchemy.

    Under a guarded run every write checks, in its own transaction, that the run still holds its thread; a run that
    has lost it gets `StaleRunError` and writes nothing. Without guardkit it is an ordinary saver, except that it
    refuses to write on a thread that a guarded run holds.

    Sync and async methods do the same; the async ones hop to the database's own threads, so they may be called from
    any event loop, and the sync ones from the loop's own thread.

    Args:
        database: the database, or its URL, e.g. `sqlite:///checkpoints.db`.
        serde: LangGraph's serializer; `JsonPlusSerializer` by default.
        tenant: whose checkpoints these are where the config does not say.
        audit_buffer: what guarded runs have decided and not yet written down; drained into the transaction of each
            of their checkpoints.
        synchronous: how durable checkpoints are on SQLite, in its words: `FULL` survives a power cut; with `NORMAL`
            it may lose the last ones, and damages nothing. Approvals, effects and audit are always `FULL`.

    Raises:
        ConfigurationError: not a database that guardkit can keep its promises on, or another word for `synchronous`.
        InputError: `tenant` cannot be the name of one.
    """

    def __init__(
        self,
        database: Database | Target,
        *,
        serde: SerializerProtocol | None = None,
        tenant: str = "default",
        audit_buffer: AuditBuffer | None = None,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
    ) -> None:
        super().__init__(serde=serde)
        if synchronous not in ("FULL", "NORMAL"):
            raise ConfigurationError(f"synchronous is {synchronous!r}", remedy="FULL or NORMAL, in capitals")
        self.database = database if isinstance(database, Database) else Database(database)
        self.tenant = names.tenant(tenant)
        self.audit_buffer = audit_buffer
        self._durable = synchronous == "FULL"
        self._lineages = Lineages(_REMEMBERED)

    def close(self) -> None:
        """Close the database. It can be used again afterwards."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_next_version(self, current: str | int | float | None, channel: None) -> str:
        """The version after `current`, with a random part: two forks never share one.

        Versions are compared as text, so those of a thread keep the width that they began with.
        """
        number, _, _ = ("" if current is None else str(current)).partition(".")
        return f"{int(number or 0) + 1:0{len(number) or _DIGITS}}.{random.getrandbits(52):013x}"  # tells forks apart, guards nothing

    # --- reading ---

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that the config names, or the newest of its thread and namespace.

        Raises:
            MissingDataError: a part of it is gone.
        """
        place = self._access(config).place
        wanted = configurable(config).get("checkpoint_id")
        with self.database.reading() as connection:
            found = reading.one(connection, self._seal, self._lineages, place, wanted or None)
        return None if found is None else tuple_of(found)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As `get_tuple`."""
        return await self.database.offload(self.get_tuple, config)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, newest first; of all the tenant's threads when `config` is `None`.

        Args:
            config: thread, and namespace and checkpoint id if they are to be matched too.
            filter: metadata that must be equal.
            before: only checkpoints older than this one.
            limit: how many at most.
        """
        pages = self._pages(config, before)
        left = limit
        while not pages.over and (left is None or left > 0):
            found = self._page(pages, filter, left)
            yield from found
            left = None if left is None else left - len(found)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As `list`."""
        pages = self._pages(config, before)
        left = limit
        while not pages.over and (left is None or left > 0):
            found = await self.database.offload(self._page, pages, filter, left)
            for one in found:
                yield one
            left = None if left is None else left - len(found)

    def _pages(self, config: RunnableConfig | None, before: RunnableConfig | None) -> Pages:
        conf = {} if config is None else configurable(config)
        place = None if config is None else self._access(config).place
        return Pages(
            Asked(
                tenant=self.tenant if place is None else place.tenant,
                thread_id=None if place is None else place.thread_id,
                ns=conf.get("checkpoint_ns"),
                checkpoint_id=conf.get("checkpoint_id") or None,
                before=None if before is None else configurable(before).get("checkpoint_id"),
            )
        )

    def _page(
        self, pages: Pages, filter: Mapping[str, Any] | None, left: int | None
    ) -> Sequence[CheckpointTuple]:
        """The next checkpoints of a list, those that the filter leaves."""
        seal = self._seal
        size = _PAGE if left is None or filter else min(left, _PAGE)
        with self.database.reading() as connection:
            seen = [(row, checkpoints.metadata_of(seal, row)) for row in pages.next(connection, size)]
            chosen = [
                (row, metadata)
                for row, metadata in seen
                if all(metadata.get(key, _NO_LONGER) == value for key, value in (filter or {}).items())
            ]
            return [tuple_of(one) for one in reading.several(connection, seal, chosen[:left])]

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Per channel: the writes of a checkpoint's ancestors, the oldest first, back to one that holds a value.

        Beta in LangGraph.

        Raises:
            MissingDataError: that value is gone.
        """
        place = self._access(config).place
        wanted = configurable(config).get("checkpoint_id")
        with self.database.reading() as connection:
            return histories.history(connection, self._seal, place, wanted or None, channels)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """As `get_delta_channel_history`."""
        return await self.database.offload(self.get_delta_channel_history, config=config, channels=channels)

    # --- writing ---

    @redone
    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint, and with it what the run has decided on reads.

        Raises:
            AuditError: the audit log cannot be written; nothing was stored.
            BusyError: a guarded run holds the thread, and this is not it.
            StaleRunError: the run has lost its thread; nothing was stored.
        """
        access = self._access(config)
        parent = configurable(config).get("checkpoint_id")
        full = get_checkpoint_metadata(config, metadata)
        prepared = checkpoints.prepare(
            self._seal, self._lineages, access.place, checkpoint, full, new_versions, parent
        )
        events = self._drained(access.run)
        try:
            if events or not self._put_at_once(access, prepared):
                with self.database.writing(durable=self._durable or bool(events)) as connection:
                    now = permit(connection, access)
                    checkpoints.store(connection, prepared)
                    if now is not None:
                        audit.append(connection, access.place.tenant, events, now)
        except BaseException:
            self._restore(access.run, events)
            raise
        prepared.remember(self._lineages)
        return config_of(access.place, checkpoint["id"])

    def _put_at_once(self, access: Access, prepared: Prepared) -> bool:
        """Store a checkpoint in one round trip, where the database can. Returns whether it was stored."""
        if not (is_own(access) and self.database.has_roundtrips):
            return False
        rows = prepared.rows(set())
        with self.database.roundtrip() as connection:
            return roundtrip.put(connection, access.run, prepared.wanted(), prepared.row, rows)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As `put`."""
        return await self.database.offload(self.put, config, checkpoint, metadata, new_versions)

    @redone
    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote. Of ordinary writes the first holds, of special ones the last.

        Raises:
            BusyError: a guarded run holds the thread, and this is not it.
            StaleRunError: the run has lost its thread; nothing was stored.
        """
        access = self._access(config)
        checkpoint_id = checkpoints.require_id(configurable(config).get("checkpoint_id"))
        rows = pending.rows(self._seal, access.place, checkpoint_id, writes, task_id, task_path)
        if not rows:
            return
        if is_own(access) and self.database.has_roundtrips:
            with self.database.roundtrip() as connection:
                if roundtrip.put_writes(connection, access.run, rows):
                    return
        with self.database.writing(durable=self._durable) as connection:
            permit(connection, access)
            pending.store(connection, rows)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As `put_writes`."""
        await self.database.offload(self.put_writes, config, writes, task_id, task_path)

    # --- upkeep: of this saver's tenant, and never under a run ---

    @redone
    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread's checkpoints in all namespaces. Turns, approvals, ledger and audit stay.

        Raises:
            BusyError: a guarded run holds the thread.
            LegalHoldError: the thread is under a legal hold.
        """
        with self.database.writing() as connection:
            upkeep.delete_thread(connection, self.tenant, names.thread(thread_id))

    async def adelete_thread(self, thread_id: str) -> None:
        """As `delete_thread`."""
        await self.database.offload(self.delete_thread, thread_id)

    @redone
    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints whose metadata names one of these runs.

        Raises:
            BusyError: a guarded run holds one of their threads; nothing was deleted.
            InputError: a checkpoint that stays needs them to rebuild a `DeltaChannel`; nothing was deleted.
            LegalHoldError: one of their threads is under a legal hold; nothing was deleted.
        """
        with self.database.writing() as connection:
            upkeep.delete_for_runs(connection, self._seal, self.tenant, run_ids)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `delete_for_runs`."""
        await self.database.offload(self.delete_for_runs, run_ids)

    @redone
    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all checkpoints of a thread to one that has none.

        Raises:
            BusyError: a guarded run holds the target.
            InputError: the target has checkpoints.
        """
        with self.database.writing() as connection:
            source, target = names.thread(source_thread_id), names.thread(target_thread_id)
            upkeep.copy_thread(connection, self._seal, self.tenant, source, target)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `copy_thread`."""
        await self.database.offload(self.copy_thread, source_thread_id, target_thread_id)

    @redone
    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete a thread's checkpoints but the newest of each namespace, or all of them.

        Where the graph has a `DeltaChannel`, what the newest is rebuilt from is kept as well.

        Args:
            thread_ids: the threads.
            strategy: `keep_latest` or `delete`.

        Raises:
            BusyError: a guarded run holds one of the threads; nothing was deleted.
            InputError: no such strategy.
            LegalHoldError: one of the threads is under a legal hold; nothing was deleted.
        """
        with self.database.writing() as connection:
            upkeep.prune(connection, self._seal, self.tenant, [names.thread(t) for t in thread_ids], strategy)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `prune`."""
        await self.database.offload(self.prune, thread_ids, strategy=strategy)

    # --- who, where ---

    def _access(self, config: RunnableConfig) -> Access:
        conf = configurable(config)
        run = conf.get(RUN_KEY)
        if run is not None and not isinstance(run, RunRef):
            raise InputError(f"configurable.{RUN_KEY} is {type(run).__name__}, not a RunRef")
        tenant = names.tenant(conf.get(TENANT_KEY, self.tenant)) if run is None else run.tenant
        thread_id = conf.get("thread_id")
        if thread_id is None:
            raise InputError("configurable.thread_id is missing", remedy="name the thread in the config")
        ns = conf.get("checkpoint_ns") or ""
        return Access(place=Place.named(tenant, names.thread(str(thread_id)), str(ns)), run=run)

    @property
    def _seal(self) -> Seal:
        # LangGraph copies savers and gives the copies another serializer.
        return Seal(self.serde, self.database.vault)

    def _drained(self, run: RunRef | None) -> Sequence[AuditEvent]:
        return () if run is None or self.audit_buffer is None else self.audit_buffer.drain(run)

    def _restore(self, run: RunRef | None, events: Sequence[AuditEvent]) -> None:
        if events and run is not None and self.audit_buffer is not None:
            self.audit_buffer.restore(run, events)
