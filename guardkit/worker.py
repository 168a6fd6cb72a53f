"""The worker: delivers questions, expires them, and goes on with every thread that people have decided on.

Any number of workers may run; the leases keep them apart. A worker holds no state of its own: kill it at any instant,
and the next one finds the same rows due.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from guardkit.channels.host import Listening
from guardkit.core.ports import ApprovalChannel, Store
from guardkit.core.runs import DueThread
from guardkit.errors import (
    BusyError,
    ChannelError,
    FingerprintError,
    GuardkitError,
    MissingDataError,
    StaleRunError,
)
from guardkit.langgraph.graph import GuardedGraph
from guardkit.langgraph.resuming import resume
from guardkit.runtime.desk import Desk
from guardkit.runtime.driver import Offload
from guardkit.runtime.outbox import Outbox
from guardkit.runtime.watching import Watching

log = logging.getLogger("guardkit.worker")

_RECONNECT = 30.0
"""Seconds until a channel that could not be connected is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What one round did."""

    delivered: int = 0
    expired: int = 0
    resumed: int = 0
    failed: int = 0
    dead: int = 0

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.delivered or self.expired or self.resumed or self.failed or self.dead)


class Worker:
    """Works on the due rows of one database.

    Args:
        graphs: the guarded graphs that it can go on with, by name.
        store: the database.
        desk: closes approvals whose time is over.
        channels: the approval channels, by the names that the policy uses.
        offload: runs transactions in the store's own threads.
        poll: seconds between rounds when there is nothing to do.
        attempts: how often a thread is tried before it is dead-lettered.
        backoff: seconds before the second attempt; doubles with each.
        concurrency: threads resumed at once.
        attach: attaches channels whose messenger has not answered before; returns whether none is left.
        watching: looks for unusual agents, beside everything else.
    """

    def __init__(
        self,
        *,
        graphs: Mapping[str, GuardedGraph],
        store: Store,
        desk: Desk,
        channels: Mapping[str, ApprovalChannel],
        offload: Offload,
        poll: float = 0.5,
        attempts: int = 6,
        backoff: float = 1.0,
        concurrency: int = 4,
        attach: Callable[[], bool] = lambda: True,
        watching: Watching | None = None,
    ) -> None:
        self._graphs = graphs
        self._store = store
        self._desk = desk
        self._outbox = Outbox(store, channels, offload)
        self._offload = offload
        self._poll = poll
        self._attempts = attempts
        self._backoff = backoff
        self._places = asyncio.Semaphore(concurrency)
        self._closed: list[Listening] = [one for one in channels.values() if isinstance(one, Listening)]
        self._open: list[Listening] = []
        self._attach = attach
        self._watching = watching
        self._attached = False
        self._listen_at = 0.0
        self._rounds: dict[str, float] = {}
        """When each loop that runs has finished its latest round, by the process's monotonic clock."""

    @property
    def round_age(self) -> float:
        """Seconds since the loop that is furthest behind has finished a round; 0 while the worker does not run.

        A round that the database refused counts. A round lasts as long as the slowest run that was resumed in it.
        """
        return max((time.monotonic() - at for at in tuple(self._rounds.values())), default=0.0)

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Work until `stop` is set. A round that the database refuses is tried again after the poll interval.

        Messages go out beside the resumes: a messenger that is slow holds up no run.
        """
        stop = stop or asyncio.Event()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._repeat("sending", self._send, stop))
                both.create_task(self._repeat("resuming", self._go_on, stop))
                both.create_task(self._repeat("watching", self._watch, stop))
        finally:
            self._rounds.clear()
            for channel in self._open:
                await self._outbox.call(channel.close)
            self._closed += self._open
            self._open.clear()
            self._outbox.close()

    async def _repeat(self, loop: str, work: Callable[[], Awaitable[Done]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._rounds[loop] = time.monotonic()
            try:
                done = await work()
            except GuardkitError as error:
                log.warning("round of %s failed: %s", loop, error.code)
                done = Done()
            if done.idle:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._poll)

    async def once(self) -> Done:
        """One round: send what has to go out, expire what is over, resume what is due."""
        delivered = await self._outbox.round()
        done = replace(await self._go_on(), delivered=delivered)
        await self._watch()
        return done

    async def _watch(self) -> Done:
        if self._watching is not None and self._watching.due():
            await self._offload(self._watching.look)
        return Done()

    async def _send(self) -> Done:
        await self._listen()
        return Done(delivered=await self._outbox.round())

    async def _listen(self) -> None:
        """Attach and connect the channels. Those whose messenger does not answer are tried again later."""
        if (self._attached and not self._closed) or time.monotonic() < self._listen_at:
            return
        self._attached = await self._outbox.call(self._attach)
        self._listen_at = time.monotonic() + _RECONNECT
        for channel in tuple(self._closed):
            try:
                await self._outbox.call(channel.open)
            except ChannelError as error:
                log.warning("a channel cannot be connected: %s", error.message)
            else:
                self._closed.remove(channel)
                self._open.append(channel)

    async def _go_on(self) -> Done:
        expired = await self._offload(lambda: self._desk.expire(100))
        due = await self._offload(lambda: self._store.due(agents=tuple(self._graphs)))
        outcomes = await asyncio.gather(*(self._resume(thread) for thread in due))
        return Done(
            expired=expired,
            resumed=outcomes.count("resumed"),
            failed=outcomes.count("failed"),
            dead=outcomes.count("dead"),
        )

    async def _resume(self, thread: DueThread) -> str:
        graph = self._graphs[thread.agent]
        async with self._places:
            try:
                await resume(graph, thread)
            except (BusyError, StaleRunError):
                return "busy"
            except (FingerprintError, MissingDataError) as error:
                await self._offload(
                    lambda error=error: self._store.dead_letter(thread, f"{error.code}: {error.message}")
                )
                return "dead"
            except Exception as error:  # noqa: BLE001  # the graph's own code; the worker outlives it
                return await self._failed(thread, error)
            await self._offload(lambda: self._store.settled(thread))
            return "resumed"

    async def _failed(self, thread: DueThread, error: Exception) -> str:
        kind = type(error).__name__
        about = {"thread_id": thread.thread_id, "agent": thread.agent}
        log.warning("thread of agent %s could not be resumed: %s", thread.agent, kind, extra=about)
        if thread.attempts + 1 >= self._attempts:
            why = f"{kind} after {thread.attempts + 1} attempts"
            await self._offload(lambda: self._store.dead_letter(thread, why))
            return "dead"
        wait = self._backoff * 2**thread.attempts
        await self._offload(lambda: self._store.postpone(thread, wait))
        return "failed"
