"""The processes of a campaign: agents, desks and workers, forked off a warm server so that each is there at once."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ClassVar, Literal

from langchain_core.runnables import RunnableConfig

from guardkit import GuardedGraph
from guardkit.core.runs import Turn, TurnStatus
from guardkit.errors import BusyError, StaleRunError, StorageError
from tests.chaos.faults import Fault
from tests.chaos.people import Crowd
from tests.chaos.scene import Scene, Script, Shape, prompt

Role = Literal["agent", "desk", "worker"]

CONTEXT: Any = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["guardkit", "guardkit.testing", "langgraph.prebuilt", "tests.chaos.scene"])

STOP = "stop"
_POLL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a process does."""

    role: Role
    folder: Path
    seed: str
    shape: Shape
    in_async: bool
    lease_seconds: float
    scripts: dict[str, Script] = field(default_factory=dict[str, Script])
    """What an agent begins, by thread."""

    on_expiry: str = "reject"
    fault: Fault | None = None
    steadfast: bool = False
    """Whether it goes on when the database fails, as a program of a user would."""


class Child:
    """A process that threads may watch together.

    multiprocessing lets one thread only look at its children. Each start looks at all of them, and of two threads that
    look at one at once, the second finds it ended with 255.

    Args:
        target: what it runs.
        args: of the target.
        name: of the process.
    """

    _looking: ClassVar = threading.RLock()

    def __init__(
        self, target: Callable[..., None], args: tuple[Any, ...], *, name: str | None = None
    ) -> None:
        self._process: BaseProcess = CONTEXT.Process(target=target, args=args, name=name, daemon=True)
        with self._looking:
            self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        pid = self._process.pid
        assert pid is not None
        return pid

    @property
    def exitcode(self) -> int | None:
        """How it ended; None while it lives."""
        with self._looking:
            return self._process.exitcode

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.exitcode is None

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.exitcode == -signal.SIGKILL

    def kill(self) -> None:
        """Kill it at once, if it is still there."""
        with self._looking:
            if self.alive:
                with suppress(ProcessLookupError):  # it has come to its end since
                    os.kill(self.pid, signal.SIGKILL)

    def join(self, seconds: float) -> bool:
        """Wait for its end, at most so long. Returns whether it has ended."""
        until = time.monotonic() + seconds
        while self.alive and time.monotonic() < until:
            time.sleep(_POLL)
        return not self.alive


def start(job: Job) -> Child:
    """Start a process; one whose fault is an instant is killed from here."""
    process = Child(run, (job,), name=job.role)
    if job.fault is not None and job.fault.where == "instant":
        threading.Timer(job.fault.nth / 1000, process.kill).start()
    return process


def run(job: Job) -> None:
    """The whole life of a process."""
    scene = Scene(job.folder, lease_seconds=job.lease_seconds, on_expiry=job.on_expiry, fault=job.fault)
    try:
        {"agent": _agent, "desk": _desk, "worker": _worker}[job.role](scene, job)
    except BaseException:
        scene.errors.write("error", role=job.role, error=traceback.format_exc())
        raise
    finally:
        scene.close()


def _agent(scene: Scene, job: Job) -> None:
    graph = scene.graph(job.shape, in_async=job.in_async)

    # One that was too slow has lost its thread to a worker.
    def begin(thread_id: str) -> None:
        given = prompt(job.scripts[thread_id], name=thread_id)
        with suppress(BusyError, StaleRunError):
            if job.steadfast:
                _insist(scene, graph, thread_id, given, in_async=job.in_async)
            else:
                graph.invoke(given, scene.config(thread_id))

    async def abegin(thread_id: str) -> None:
        with suppress(BusyError, StaleRunError):
            await graph.ainvoke(prompt(job.scripts[thread_id], name=thread_id), scene.config(thread_id))

    async def all_of_them() -> None:
        await asyncio.gather(*(abegin(thread_id) for thread_id in job.scripts))

    if job.in_async and not job.steadfast:
        asyncio.run(all_of_them())
    else:
        with ThreadPoolExecutor(len(job.scripts)) as pool:
            list(pool.map(begin, job.scripts))


def _insist(
    scene: Scene, graph: GuardedGraph, thread_id: str, given: dict[str, Any], *, in_async: bool
) -> None:
    """Call until a turn is open and has not failed; what becomes of it then is the workers' matter."""
    wanted: dict[str, Any] | None = given
    while True:
        try:
            if in_async:
                asyncio.run(_called(graph, wanted, scene.config(thread_id)))
            else:
                graph.invoke(wanted, scene.config(thread_id))
        except StorageError:
            turn, begun = _looked_up(scene, graph, thread_id)
        else:
            return
        if turn is not None and turn.status is not TurnStatus.FAILED:
            return
        # One that failed before its first checkpoint has nothing to go on with.
        wanted = None if begun else given


async def _called(graph: GuardedGraph, given: dict[str, Any] | None, config: RunnableConfig) -> None:
    await graph.ainvoke(given, config)


def _looked_up(scene: Scene, graph: GuardedGraph, thread_id: str) -> tuple[Turn | None, bool]:
    """A thread's latest turn and whether it has a checkpoint, as soon as the database says so."""
    while True:
        try:
            state = graph.get_state(scene.config(thread_id))
            return scene.guard.store.turn("default", thread_id), state.created_at is not None
        except StorageError:
            time.sleep(_POLL)


def _desk(scene: Scene, job: Job) -> None:
    crowd = Crowd(
        scene,
        job.seed,
        fates=("approve", "approve", "approve", "edit", "reject", "respond"),
        nonsense=0.1,
        again=0.1,
    )
    rng = random.Random(f"{job.seed}:{os.getpid()}")
    while not (job.folder / STOP).exists():
        try:
            answered = crowd.step(rng)
        except StorageError:
            if not job.steadfast:
                raise
            answered = False
        if not answered:
            time.sleep(_POLL)


def _worker(scene: Scene, job: Job) -> None:
    graph = scene.graph(job.shape, in_async=job.in_async)
    worker = scene.guard.worker(graph, poll=_POLL, backoff=0.2)

    async def work() -> None:
        stop = asyncio.Event()
        working = asyncio.ensure_future(worker.run(stop))
        while not (job.folder / STOP).exists() and not working.done():  # noqa: ASYNC110  # a file tells
            await asyncio.sleep(_POLL)
        stop.set()
        await working

    asyncio.run(work())
