"""The worker: delivers questions, expires them, and goes on with every thread that people have decided on.

A worker that goes on with threads runs the code of their tools, so it takes no answers unless it is told to: it needs
no private key.

Any number of workers may run; the leases keep them apart. A worker holds no state of its own: kill it at any instant,
and the next one finds the same rows due.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from guardkit.channels.host import Listening
from guardkit.core.ports import ApprovalChannel, News, Store
from guardkit.core.runs import DueThread
from guardkit.errors import (
    AgentServerError,
    BusyError,
    ChannelError,
    ConfigurationError,
    FingerprintError,
    GuardkitError,
    MissingDataError,
    StaleRunError,
)
from guardkit.langgraph.graph import GuardedGraph
from guardkit.langgraph.resuming import resume
from guardkit.runtime.delegations import Delegations
from guardkit.runtime.desk import Desk
from guardkit.runtime.driver import Offload
from guardkit.runtime.outbox import Outbox
from guardkit.runtime.parts import USUAL, Part
from guardkit.runtime.watching import Watching

log = logging.getLogger("guardkit.worker")

_RECONNECT = 30.0
"""Seconds until a channel that could not be connected is tried again."""

_LISTENS = 0.5
"""Seconds for which news is waited for at a time, and so at the end."""

_AWAY = 60.0
"""Seconds after which a server that did not answer is asked again at the latest."""

_GAP = 0.05
"""Seconds between two rounds that news begins: a busy database does not keep a worker busy."""


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


class Resumer(Protocol):
    """An agent whose graph does not run in this process; see `guardkit.langgraph.remote`."""

    async def resume(self, thread: DueThread) -> None:
        """Bring a thread as far as it can go without people. Safe to repeat.

        Raises:
            AgentServerError: it cannot be asked now.
            BusyError: another run holds the thread.
            FingerprintError: the graph's code changed while the thread was paused.
            MissingDataError: what the thread needs is gone.
            StaleRunError: another run took the thread.
        """
        ...


class Worker:
    """Works on the due rows of one database.

    Args:
        graphs: the guarded graphs that it can go on with, by name; none for a worker that runs nothing.
        store: the database.
        remote: the agents on LangGraph servers that it can go on with, by name. A server that does not answer costs no
            attempt: its agents wait until it does.
        desk: closes approvals whose time is over, which needs no key.
        channels: the approval channels, by the names that the policy uses.
        offload: runs transactions in the store's own threads.
        poll: seconds between rounds when there is nothing to do and the database tells of nothing.
        attempts: how often a thread is tried before it is dead-lettered.
        backoff: seconds before the second attempt; doubles with each.
        concurrency: threads resumed at once.
        attach: attaches channels whose messenger has not answered before; returns whether none is left.
        watching: looks for unusual agents, beside everything else.
        delegations: asks delegates whose delegation begins while a stage waits.
        parts: what it does; without `answers` no channel is connected, without `messages` none sends.

    Raises:
        ConfigurationError: an agent is both in this process and on a server.
    """

    def __init__(
        self,
        *,
        graphs: Mapping[str, GuardedGraph],
        store: Store,
        desk: Desk,
        channels: Mapping[str, ApprovalChannel],
        offload: Offload,
        remote: Mapping[str, Resumer] | None = None,
        poll: float = 0.5,
        attempts: int = 6,
        backoff: float = 1.0,
        concurrency: int = 4,
        attach: Callable[[], bool] = lambda: True,
        watching: Watching | None = None,
        delegations: Delegations | None = None,
        parts: frozenset[Part] = USUAL,
    ) -> None:
        self._parts = parts
        self._graphs = graphs
        self._remote = dict(remote or {})
        twice = sorted(self._remote.keys() & graphs.keys())
        if twice:
            raise ConfigurationError(f"agent {twice[0]!r} is both a graph of this process and on a server")
        self._away: dict[str, tuple[float, float]] = {}
        """Agents whose server did not answer: seconds to wait, and when to try again, by the process's clock."""
        self._store = store
        self._desk = desk
        self._outbox = Outbox(store, channels, offload)
        self._offload = offload
        self._poll = poll
        self._attempts = attempts
        self._backoff = backoff
        self._concurrency = concurrency
        self._places = asyncio.Semaphore(concurrency)
        self._under_way: set[tuple[str, str]] = set()
        listens = Part.ANSWERS in parts
        self._closed: list[Listening] = [
            one for one in channels.values() if listens and isinstance(one, Listening)
        ]
        self._open: list[Listening] = []
        self._attach = attach
        self._watching = watching
        self._delegations = delegations
        self._attached = not (listens or Part.MESSAGES in parts)
        self._listen_at = 0.0
        self._rounds: dict[str, float] = {}
        """When each loop that runs has finished its latest round, by the process's monotonic clock."""

    @property
    def round_age(self) -> float:
        """Seconds since the loop that is furthest behind has finished a round; 0 while the worker does not run.

        A round that the database refused counts. While as many runs are under way as may be, the round of resuming lasts
        until one of them ends.
        """
        return max((time.monotonic() - at for at in tuple(self._rounds.values())), default=0.0)

    async def run(self, stop: asyncio.Event | None = None) -> None:
        """Work until `stop` is set, and then to the end of what is under way.

        A round that the database refuses is tried again after the poll interval. Messages go out beside the resumes, and
        the resumes beside one another: a messenger or a run that is slow holds up no other.
        """
        stop = stop or asyncio.Event()
        loops = {"sending": self._send, "resuming": self._start, "watching": self._watch}
        news = self._store.news()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._bells = {name: asyncio.Event() for name in loops}
                for name, work in loops.items():
                    group.create_task(self._repeat(name, work, stop))
                group.create_task(self._hear(news, stop))
        finally:
            self._rounds.clear()
            news.close()
            for channel in self._open:
                await self._outbox.call(channel.close)
            self._closed += self._open
            self._open.clear()
            self._outbox.close()

    async def _repeat(self, loop: str, work: Callable[[], Awaitable[Done]], stop: asyncio.Event) -> None:
        bell = self._bells[loop]
        while not stop.is_set():
            self._rounds[loop] = time.monotonic()
            bell.clear()
            try:
                done = await work()
            except GuardkitError as error:
                log.warning("round of %s failed: %s", loop, error.code)
                done = Done()
            if done.idle:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bell.wait(), self._poll)
        self._rounds.pop(loop, None)  # none where it was told to stop before its first round

    async def _hear(self, news: News, stop: asyncio.Event) -> None:
        """Begin a round as soon as something may be due."""
        ended = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                hearing = asyncio.ensure_future(asyncio.to_thread(news.wait, _LISTENS))
                await asyncio.wait((hearing, ended), return_when=asyncio.FIRST_COMPLETED)
                if stop.is_set() or hearing.result():
                    self._ring()
                await hearing
                await asyncio.sleep(_GAP)
        finally:
            ended.cancel()
            self._ring()

    def _ring(self) -> None:
        for bell in self._bells.values():
            bell.set()

    async def once(self) -> Done:
        """One round: send what has to go out, expire what is over, resume what is due, to its end."""
        delivered = await self._deliver()
        expired = await self._offload(self._expire)
        due = await self._offload(lambda: self._store.due(agents=self._agents()))
        outcomes = await asyncio.gather(*(self._resume(thread) for thread in due))
        await self._watch()
        return Done(
            delivered=delivered,
            expired=expired,
            resumed=outcomes.count("resumed"),
            failed=outcomes.count("failed"),
            dead=outcomes.count("dead"),
        )

    def _expire(self) -> int:
        """Close questions whose time is over, and say which reviews are overdue."""
        self._desk.emergencies.note_overdue()
        return self._desk.expire(100)

    async def _watch(self) -> Done:
        if self._watching is not None and self._watching.due():
            await self._offload(self._watching.look)
        if self._delegations is not None and self._delegations.due():
            await self._offload(self._delegations.look)
        return Done()

    async def _send(self) -> Done:
        await self._listen()
        return Done(delivered=await self._deliver())

    async def _deliver(self) -> int:
        return await self._outbox.round() if Part.MESSAGES in self._parts else 0

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

    async def _start(self) -> Done:
        """Expire what is over, and begin to resume what is due, as far as there are places."""
        expired = await self._offload(self._expire)
        async with self._places:
            due = await self._offload(lambda: self._store.due(2 * self._concurrency, agents=self._agents()))
        waiting = [thread for thread in due if _key(thread) not in self._under_way]
        free = self._concurrency - len(self._under_way)
        for thread in waiting[:free]:
            self._under_way.add(_key(thread))
            self._group.create_task(self._resume_beside(thread))
        return Done(expired=expired, resumed=len(waiting[:free]))

    async def _resume_beside(self, thread: DueThread) -> None:
        try:
            await self._resume(thread)
        except GuardkitError as error:
            log.warning("what became of a thread could not be kept: %s", error.code)
        finally:
            self._under_way.discard(_key(thread))
            self._bells["resuming"].set()

    def _agents(self) -> tuple[str, ...]:
        """Whose threads can be gone on with now."""
        now = time.monotonic()
        return tuple(
            name
            for name in (*self._graphs, *self._remote)
            if name not in self._away or self._away[name][1] <= now
        )

    async def _go_on(self, thread: DueThread) -> None:
        remote = self._remote.get(thread.agent)
        if remote is None:
            await resume(self._graphs[thread.agent], thread)
        else:
            await remote.resume(thread)

    def _is_away(self, agent: str, error: AgentServerError) -> None:
        wait, _ = self._away.get(agent, (self._backoff / 2, 0.0))
        wait = min(2 * wait, _AWAY)
        self._away[agent] = (wait, time.monotonic() + wait)
        log.warning("agent %s is not gone on with for %.0f s: %s", agent, wait, error.message)

    async def _resume(self, thread: DueThread) -> str:
        async with self._places:
            try:
                await self._go_on(thread)
            except (BusyError, StaleRunError):
                return "busy"
            except AgentServerError as error:
                self._is_away(thread.agent, error)
                return "failed"
            except (FingerprintError, MissingDataError) as error:
                await self._offload(
                    lambda error=error: self._store.dead_letter(thread, f"{error.code}: {error.message}")
                )
                return "dead"
            except Exception as error:  # noqa: BLE001  # the graph's own code; the worker outlives it
                return await self._failed(thread, error)
            self._away.pop(thread.agent, None)
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


def _key(thread: DueThread) -> tuple[str, str]:
    return thread.tenant, thread.thread_id
