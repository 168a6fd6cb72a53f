"""Savers for the conformance suite: each write is made by a run that holds its thread."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple

from guardkit.core.runs import RunRef
from guardkit.sql import Database, SQLAlchemySaver, SQLStore
from guardkit.sql.saver import RUN_KEY
from guardkit.testing.contracts import samples


class FencedSaver(SQLAlchemySaver):
    """Takes the lease of every thread that is written to, and gives all leases back before upkeep."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.store = SQLStore(database)
        self.writes_under_a_lease = 0
        self._runs: dict[str, RunRef] = {}
        self._opening = threading.Lock()

    def _held(self, config: RunnableConfig) -> RunnableConfig:
        conf = config.get("configurable", {})
        thread_id = conf["thread_id"]
        with self._opening:
            if thread_id not in self._runs:
                self._runs[thread_id] = samples.opened(self.store, thread_id).run
            self.writes_under_a_lease += 1
            return {**config, "configurable": {**conf, RUN_KEY: self._runs[thread_id]}}

    def _give_back(self) -> None:
        with self._opening:
            for run in self._runs.values():
                self.store.close_run(run, samples.closing(), [])
            self._runs.clear()

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return super().put(self._held(config), checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        super().put_writes(self._held(config), writes, task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        self._give_back()
        super().delete_thread(thread_id)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self._give_back()
        super().delete_for_runs(run_ids)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._give_back()
        super().copy_thread(source_thread_id, target_thread_id)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._give_back()
        super().prune(thread_ids, strategy=strategy)


class SyncSaver(FencedSaver):
    """Answers the suite's async calls with the sync methods, in the loop's own thread."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self.get_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        for found in self.list(config, filter=filter, before=before, limit=limit):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        self.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        self.delete_thread(thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        self.delete_for_runs(run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self.copy_thread(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self.prune(thread_ids, strategy=strategy)
