"""The campaign of races: workers that are killed and frozen go on with what people at several desks decide at once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

from guardkit.core.runs import TurnStatus
from guardkit.errors import BusyError, StaleRunError, StorageError
from tests.chaos import witness
from tests.chaos.faults import ARRIVED, FROZEN, Fault
from tests.chaos.oracle import Findings, judge
from tests.chaos.people import Crowd
from tests.chaos.processes import STOP, Child
from tests.chaos.scene import NEEDS, Kind, Scene, Script, Shape, new_place, prompt
from tests.chaos.scripts import script

LEASE = 2.0
"""Seconds that a killed process keeps its threads."""

LATE = "late"
"""The file that tells everybody at the desks to answer everything once more."""

DESKS = 3
"""How many processes people decide in."""

_ASLEEP = 5 * LEASE
"""Seconds for which a frozen worker sleeps at most, until somebody has taken what it held."""

_PATIENCE = 300.0
"""Seconds to wait for the lock on an SQLite file: whoever is frozen may hold it."""

_POLL = 0.05
_EVERYTHING = 10_000
_KILLS = (
    "claimed",
    "recorded",
    "checkpoint",
    "writes",
    "lease",
    "read",
    "effect",
    "delivery",
    "sent",
    "commit",
)
_BEFORE_CLAIM = (
    Fault(where="lease", when="after", freeze=True),
    Fault(where="checkpoint", when="after", freeze=True),
)
_AFTER_CLAIM = (
    Fault(where="claimed", when="after", freeze=True),
    Fault(where="effect", when="before", freeze=True),
    Fault(where="effect", when="after", freeze=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How big a campaign is.

    Attributes:
        workers: processes that resume.
        approvals: questions at least.
        faults: workers that are killed or frozen at most.
        life: seconds after which a worker to which nothing else has happened is killed, from and to.
        seconds: after which a campaign that is not quiet has failed.
    """

    workers: int
    approvals: int
    faults: int
    life: tuple[float, float]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What a process of the campaign is."""

    folder: Path
    seed: str
    number: int
    in_async: bool
    scripts: dict[Shape, dict[str, Script]] = field(default_factory=dict[Shape, dict[str, Script]])
    fault: Fault | None = None
    place: Path | None = None


def scripts_of(seed: int, approvals: int) -> dict[bool, dict[Shape, dict[str, Script]]]:
    """What models propose: by colour of the graph, shape and thread, with so many questions in their first messages."""
    rng = random.Random(f"{seed}:races")
    found: dict[bool, dict[Shape, dict[str, Script]]] = {
        in_async: {shape: {} for shape in get_args(Shape)} for in_async in (False, True)
    }
    asked = 0
    number = 0
    while asked < approvals:
        name = f"r{number}"
        told = script(rng, name, batches=rng.choice((1, 1, 1, 2)), hurried=False)
        asked += sum(tool in NEEDS for tool, _ in told[0])
        found[number % 2 == 1][get_args(Shape)[number // 2 % 3]][name] = told
        number += 1
    return found


def campaign(seed: int, size: Size, parent: Path, empty: Path, kind: Kind) -> Findings:
    """Run the campaign and judge it.

    Args:
        seed: makes scripts, faults and answers.
        size: how big it is.
        parent: where its folder is made.
        empty: an empty SQLite database.
        kind: of its database.
    """
    with new_place(parent, f"races-{kind}", kind, empty) as folder:
        return _played(seed, size, folder)


def _played(seed: int, size: Size, folder: Path) -> Findings:
    scene = Scene(folder)
    witness.install(scene.database)
    graph = scene.graph("node", in_async=False)
    told = scripts_of(seed, size.approvals)
    stage = _Stage(seed, size, folder, scene, told)
    try:
        stage.play()
        every = [one for shapes in told.values() for threads in shapes.values() for one in threads.values()]
        found = judge(scene, graph, every)
        found.other += [f"stale: {wrote}" for wrote in witness.stale_writes(scene.database)]
        found.counts["leases"] += witness.leases(scene.database)
        _judge_answers(found, scene)
    finally:
        stage.kill()
        scene.close()
    found.other += stage.problems
    found.counts.update(stage.counts)
    return found


def _judge_answers(found: Findings, scene: Scene) -> None:
    """Everything that was asked has been answered at least twice, by people who did not wait for one another."""
    answers = Counter(line["approval"] for line in scene.said.lines() if line["what"] != "gives")
    ids = [one.request.id for one in scene.guard.store.listed(limit=_EVERYTHING)]
    found.counts["approvals"] += len(ids)
    found.other += [f"approval {one} was answered {answers[one]} times" for one in ids if answers[one] < 2]


class _Stage:
    """Everybody who takes part."""

    def __init__(
        self,
        seed: int,
        size: Size,
        folder: Path,
        scene: Scene,
        told: dict[bool, dict[Shape, dict[str, Script]]],
    ) -> None:
        self._size = size
        self._folder = folder
        self._scene = scene
        self._rng = random.Random(f"{seed}:faults")
        self._seed = f"{seed}:races"
        self._left = size.faults
        self._started = 0
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        self._agents = [
            Child(_agent, (replace(self._part(in_async), scripts=shapes),), name="agent")
            for in_async, shapes in told.items()
        ]
        self._desks = [
            Child(_desk, (replace(self._part(in_async=False), number=number),), name="desk")
            for number in range(DESKS)
        ]
        self._workers = [self._hired(in_async=number % 2 == 1) for number in range(size.workers)]

    def _part(self, in_async: bool) -> _Part:
        self._started += 1
        place = self._folder / f"process-{self._started}"
        place.mkdir()
        return _Part(
            folder=self._folder, seed=self._seed, number=self._started, in_async=in_async, place=place
        )

    def _hired(self, *, in_async: bool) -> _Worker:
        """One more worker, with what is to happen to it."""
        return _Worker(self._part(in_async), self._next_fault(), self._rng.uniform(*self._size.life))

    def _next_fault(self) -> Fault | None:
        if self._left == 0:
            return None
        self._left -= 1
        rng = self._rng
        match rng.random():
            case chance if chance < 0.35:
                side = rng.choice(("before", "after"))
                return Fault(where=rng.choice(_KILLS), when=side, nth=rng.randint(1, 8))
            case chance if chance < 0.5:
                return Fault(where="instant", nth=rng.randint(500, 6000))
            case chance if chance < 0.6:
                return Fault(where="instant", nth=rng.randint(1500, 6000), freeze=True)
            case chance if chance < 0.8:
                return replace(rng.choice(_BEFORE_CLAIM), nth=rng.randint(1, 6))
            case _:
                return replace(rng.choice(_AFTER_CLAIM), nth=rng.randint(1, 4))

    def play(self) -> None:
        """Until everything is over; then everybody answers everything once more, too late, until all is over again."""
        until = time.monotonic() + self._size.seconds
        self._tend(lambda: not any(agent.alive for agent in self._agents) and self._quiet(), until)
        (self._folder / LATE).touch()
        self._tend(lambda: not any(desk.alive for desk in self._desks) and self._quiet(), until)
        (self._folder / STOP).touch()
        for worker in self._workers:
            worker.wake()
            if not worker.process.join(60):
                self.problems.append("a worker does not stop")
            self._count(worker)
        for role, children in (("agent", self._agents), ("desk", self._desks)):
            for child in children:
                if child.exitcode != 0:
                    self.problems.append(f"{role} ended with {child.exitcode}")

    def _tend(self, over: Callable[[], bool], until: float) -> None:
        looked = 0.0
        while True:
            now = time.monotonic()
            if now > until:
                self.problems.append(f"not quiet after {self._size.seconds:g} s")
                return
            if now - looked > 0.5:
                looked = now
                if over():
                    return
            for slot, worker in enumerate(self._workers):
                if not worker.process.alive:
                    self._count(worker)
                    self._workers[slot] = self._hired(in_async=worker.part.in_async)
                else:
                    self._disturb(worker, now)
            time.sleep(_POLL)

    def _disturb(self, worker: _Worker, now: float) -> None:
        """Freeze, wake or kill a worker whose time has come."""
        if worker.frozen_at is not None:
            held = worker.held
            taken = [
                one
                for one, token in witness.tokens(self._scene.database).items()
                if token > held.get(one, token)
            ]
            if (
                len(taken) == len(held) and now > worker.frozen_at + LEASE
            ) or now > worker.frozen_at + _ASLEEP:
                self.counts["leases lost asleep"] += len(taken)
                worker.wake()
        elif worker.wants_to_freeze(now):
            worker.freeze()
            worker.held = witness.held_by(self._scene.database, worker.process.pid)
            self.counts[f"freeze {worker.part.fault}"] += 1
            self.counts["freezes"] += 1
        elif worker.wants_to_die(now):
            worker.process.kill()

    def _count(self, worker: _Worker) -> None:
        if worker.process.killed:
            self.counts["kills"] += 1
            self.counts[f"kill {worker.part.fault}"] += 1
        elif worker.process.exitcode != 0:
            self.problems.append(f"worker ended with {worker.process.exitcode}")

    def _quiet(self) -> bool:
        """Whether every turn is over, nobody holds a thread and nothing is due."""
        with suppress(StorageError):
            store = self._scene.guard.store
            rows = store.threads(None, limit=_EVERYTHING)
            over = all(row.status in _OVER or row.dead_letter is not None for row in rows)
            return over and not store.due(1) and not any(one for one in self._held())
        return False

    def _held(self) -> Iterator[str]:
        with self._scene.database.engine.connect() as connection:
            yield from connection.exec_driver_sql(
                "SELECT thread_id FROM gk_threads WHERE lease_until IS NOT NULL"
            ).scalars()

    def kill(self) -> None:
        """Let nobody outlive the campaign."""
        for child in (*self._agents, *self._desks, *(worker.process for worker in self._workers)):
            child.kill()
            child.join(10)


_OVER = (TurnStatus.DONE, TurnStatus.ENDED)


class _Worker:
    """A process that resumes, and what happens to it."""

    def __init__(self, part: _Part, fault: Fault | None, life: float) -> None:
        self.part = replace(part, fault=fault)
        self.process = Child(_worker, (self.part,), name="worker")
        self.frozen_at: float | None = None
        self.held: dict[str, int] = {}
        self._born = time.monotonic()
        self._dies_at = self._born + life
        self._woken = False

    def wants_to_freeze(self, now: float) -> bool:
        """Whether it is where it is to be frozen."""
        fault, place = self.part.fault, self.part.place
        if fault is None or place is None or not fault.freeze or self._woken:
            return False
        return self._is_time(now) if fault.where == "instant" else (place / ARRIVED).exists()

    def wants_to_die(self, now: float) -> bool:
        """Whether its instant has come, or it has lived for long enough whatever else was to happen to it."""
        fault = self.part.fault
        if fault is None:
            return False
        return now > self._dies_at or (not fault.freeze and fault.where == "instant" and self._is_time(now))

    def _is_time(self, now: float) -> bool:
        return self.part.fault is not None and now - self._born > self.part.fault.nth / 1000

    def freeze(self) -> None:
        """Stop it, wherever its other threads are: inside of transactions too."""
        with suppress(ProcessLookupError):  # it has come to its end since
            os.kill(self.process.pid, signal.SIGSTOP)
        if self.part.place is not None:
            (self.part.place / FROZEN).touch()
        self.frozen_at = time.monotonic()

    def wake(self) -> None:
        """Let it go on."""
        if self.frozen_at is not None and self.process.alive:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGCONT)
        self.frozen_at = None
        self._woken = True


# --- what each process does ---


def _scene_of(part: _Part) -> Scene:
    scene = Scene(
        part.folder, lease_seconds=LEASE, fault=part.fault, busy_timeout=_PATIENCE, place=part.place
    )
    witness.introduce(scene.database.engine)
    return scene


def _noted(work: Callable[[Scene, _Part], None], role: str, part: _Part) -> None:
    scene = _scene_of(part)
    try:
        work(scene, part)
    except BaseException:
        scene.errors.write("error", role=role, error=traceback.format_exc())
        raise
    finally:
        scene.close()


def _agent(part: _Part) -> None:
    _noted(_begins, "agent", part)


def _desk(part: _Part) -> None:
    _noted(_decides, "desk", part)


def _worker(part: _Part) -> None:
    _noted(_resumes, "worker", part)


def _begins(scene: Scene, part: _Part) -> None:
    """Begin every thread, some at once."""
    graphs = {
        shape: scene.graph(shape, in_async=part.in_async, name=f"{shape} {part.in_async}")
        for shape in part.scripts
    }
    threads: list[tuple[Shape, str, Script]] = [
        (shape, name, told) for shape, named in part.scripts.items() for name, told in named.items()
    ]
    random.Random(part.seed).shuffle(threads)

    def begin(one: tuple[Shape, str, Script]) -> None:
        shape, name, told = one
        with suppress(BusyError, StaleRunError):  # one that was too slow has lost its thread to a worker
            graphs[shape].invoke(prompt(told, name=name), scene.config(name))

    async def abegin(one: tuple[Shape, str, Script], places: asyncio.Semaphore) -> None:
        shape, name, told = one
        async with places:
            with suppress(BusyError, StaleRunError):
                await graphs[shape].ainvoke(prompt(told, name=name), scene.config(name))

    async def all_of_them() -> None:
        places = asyncio.Semaphore(3)
        await asyncio.gather(*(abegin(one, places) for one in threads))

    if part.in_async:
        asyncio.run(all_of_them())
    else:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(begin, threads))


def _decides(scene: Scene, part: _Part) -> None:
    """Answer whatever waits, in the order in which the other desks answer it too, and in the end everything again."""
    crowd = Crowd(
        scene,
        f"{part.seed}:{part.number}",
        fates=("approve", "approve", "approve", "approve", "edit", "reject", "respond"),
        nonsense=0.05,
        again=0.0,
    )
    rng = random.Random(f"{part.seed}:desk {part.number}")
    while not (part.folder / LATE).exists():
        waiting = sorted(
            crowd.open(), key=lambda one: random.Random(f"{part.seed}:{one.request.id}").random()
        )
        for approval in waiting[:50]:
            crowd.answer(approval, rng)
        if not waiting:
            time.sleep(_POLL)
    everything = list(scene.guard.store.listed(limit=_EVERYTHING))
    rng.shuffle(everything)
    for approval in everything:
        crowd.answer(approval, rng)


def _resumes(scene: Scene, part: _Part) -> None:
    shapes: tuple[Shape, ...] = get_args(Shape)
    graphs = [scene.graph(shape, in_async=part.in_async, name=f"{shape} {part.in_async}") for shape in shapes]
    worker = scene.guard.worker(*graphs, poll=0.2, backoff=0.2)

    async def work() -> None:
        stop = asyncio.Event()
        working = asyncio.ensure_future(worker.run(stop))
        while not (part.folder / STOP).exists() and not working.done():  # noqa: ASYNC110  # a file tells
            await asyncio.sleep(_POLL)
        stop.set()
        await working

    asyncio.run(work())
