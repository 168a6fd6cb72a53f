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
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from guardkit.errors import BusyError, StaleRunError
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


def start(job: Job) -> BaseProcess:
    """Start a process; one whose fault is an instant is killed from here."""
    process: BaseProcess = CONTEXT.Process(target=run, args=(job,), name=job.role, daemon=True)
    process.start()
    if job.fault is not None and job.fault.where == "instant":
        threading.Timer(job.fault.nth / 1000, kill, (process,)).start()
    return process


def kill(process: BaseProcess) -> None:
    """Kill a process at once, if it is still there."""
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)


def killed(process: BaseProcess) -> bool:
    """Whether a process that is over was killed."""
    return process.exitcode == -signal.SIGKILL


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
        with suppress(BusyError, StaleRunError):
            graph.invoke(prompt(job.scripts[thread_id], name=thread_id), scene.config(thread_id))

    async def abegin(thread_id: str) -> None:
        with suppress(BusyError, StaleRunError):
            await graph.ainvoke(prompt(job.scripts[thread_id], name=thread_id), scene.config(thread_id))

    async def all_of_them() -> None:
        await asyncio.gather(*(abegin(thread_id) for thread_id in job.scripts))

    if job.in_async:
        asyncio.run(all_of_them())
    else:
        with ThreadPoolExecutor(len(job.scripts)) as pool:
            list(pool.map(begin, job.scripts))


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
        if not crowd.step(rng):
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
