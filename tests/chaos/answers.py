"""One trial of the answers campaign: people answer in every wrong way while workers and strangers resume all at once."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from guardkit import GuardedGraph, Principal
from guardkit.core.runs import TurnStatus
from guardkit.errors import BusyError, InputError, StaleRunError
from guardkit.worker import Worker
from tests.chaos.oracle import Findings, judge
from tests.chaos.people import Crowd, Fate
from tests.chaos.scene import Kind, Scene, Script, Shape, new_place, prompt, template
from tests.chaos.scripts import script

DEADLINE = 180.0
"""Seconds after which a trial that is not quiet has failed."""

_FATES: tuple[Fate, ...] = ("approve", "approve", "approve", "edit", "reject", "respond", "silence")
_ANSWERS: tuple[Any, ...] = (
    True,
    {"type": "approve"},
    {"decisions": [{"type": "approve"}]},
    [{"type": "accept"}],
    {"guardkit": "wake"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A trial, as its seed and number make it."""

    seed: str
    shape: Shape
    in_async: bool
    on_expiry: str
    same_ids: bool
    scripts: dict[str, Script]
    """What the model proposes first, by thread."""

    second: dict[str, Script]
    """What it proposes when the user says something else meanwhile, in some threads."""

    workers: int
    strays: int
    """How many calls come that nobody needs."""


def plan(seed: int, number: int) -> Plan:
    """The trial with a number."""
    name = f"{seed}:{number}"
    rng = random.Random(name)
    threads = [f"t{one}" for one in range(rng.choice((1, 1, 2)))]
    hurried = rng.random() < 0.15
    return Plan(
        seed=name,
        shape=rng.choice(("node", "fan", "code")),
        in_async=rng.random() < 0.5,
        on_expiry=rng.choice(("reject", "no_result")),
        same_ids=rng.random() < 0.2,
        scripts={
            one: script(rng, f"{one}a", batches=rng.choice((1, 1, 2)), hurried=hurried) for one in threads
        },
        second={
            one: script(rng, f"{one}b", batches=1, hurried=False) for one in threads if rng.random() < 0.15
        },
        workers=rng.randint(2, 3),
        strays=rng.randint(3, 8),
    )


def trial(seed: int, number: int, parent: Path, empty: Path, kind: Kind) -> Findings:
    """Run one trial and judge it.

    Args:
        seed: the campaign's.
        number: the trial's.
        parent: where its folder is made.
        empty: an empty SQLite database.
        kind: of the trial's database.
    """
    with new_place(parent, f"trial-{number}", kind, empty) as folder:
        return _tried(plan(seed, number), folder)


def _tried(plotted: Plan, folder: Path) -> Findings:
    # Two guards on one database, as two processes would have them.
    scenes = [Scene(folder, on_expiry=plotted.on_expiry) for _ in range(2)]
    graphs = [scene.graph(plotted.shape, in_async=plotted.in_async) for scene in scenes]
    try:
        stage = _Stage(plotted, scenes, graphs)
        stage.play()
        found = judge(scenes[0], graphs[0], [*plotted.scripts.values(), *plotted.second.values()])
    finally:
        for scene in scenes:
            scene.close()
    found.counts.update(stage.counts)
    found.other += stage.problems
    return found


class _Stage:
    """Everybody who does something in a trial."""

    def __init__(self, plotted: Plan, scenes: list[Scene], graphs: list[GuardedGraph]) -> None:
        self._plan = plotted
        self._scenes = scenes
        self._graphs = graphs
        self._workers: list[Worker] = [
            scenes[one % 2].guard.worker(graphs[one % 2], backoff=0.1) for one in range(plotted.workers)
        ]
        self._crowd = Crowd(scenes[0], plotted.seed, fates=_FATES, nonsense=0.25, again=0.2)
        self._over = threading.Event()
        self.counts: dict[str, int] = {}
        self.problems: list[str] = []

    def play(self) -> None:
        """The trial: everybody at once, then whoever is needed until all is quiet, then everything once more, too late."""
        rng = random.Random(f"{self._plan.seed}:play")
        everybody: list[Callable[[], None]] = [
            *(self._alone(self._begin, thread_id) for thread_id in self._plan.scripts),
            *(self._alone(self._work, worker) for worker in self._workers),
            *(self._alone(self._answer, f"{self._plan.seed}:person{one}") for one in range(2)),
            self._alone(self._stray, f"{self._plan.seed}:stray"),
        ]
        with ThreadPoolExecutor(len(everybody)) as pool:
            done = [pool.submit(one) for one in everybody]
            self._wait(done[: len(self._plan.scripts)] + done[-3:])
            self._over.set()
        patient = Crowd(self._scenes[0], f"{self._plan.seed}:last", fates=("approve", "reject"))
        self._settle(patient, rng)
        self._crowd.late(rng)
        self._alone(self._stray, f"{self._plan.seed}:late")()
        self._settle(patient, rng)

    def _wait(self, futures: list[Future[None]]) -> None:
        for future in futures:
            future.result(DEADLINE)

    def _alone(self, call: Callable[[Any], None], argument: Any) -> Callable[[], None]:
        def guarded() -> None:
            try:
                call(argument)
            except Exception:  # noqa: BLE001  # told with the findings
                self.problems.append(traceback.format_exc())

        return guarded

    def _begin(self, thread_id: str) -> None:
        told = prompt(self._plan.scripts[thread_id], name=f"{thread_id}a", same_ids=self._plan.same_ids)
        self._call(0, told, self._scenes[0].config(thread_id))
        if thread_id in self._plan.second:
            again = prompt(self._plan.second[thread_id], name=f"{thread_id}b", same_ids=self._plan.same_ids)
            self._call(0, again, self._scenes[0].config(thread_id))

    def _work(self, worker: Worker) -> None:
        async def rounds() -> None:
            while not self._over.is_set():
                await worker.once()
                await asyncio.sleep(0.01)

        asyncio.run(rounds())

    def _answer(self, name: str) -> None:
        rng = random.Random(name)
        idle = 0
        while idle < 10:
            idle = 0 if self._crowd.step(rng) else idle + 1
            time.sleep(rng.random() * 0.05)

    def _stray(self, name: str) -> None:
        rng = random.Random(name)
        for _ in range(self._plan.strays):
            time.sleep(rng.random() * 0.1)
            self._stray_call(rng)

    def _stray_call(self, rng: random.Random) -> None:
        one = rng.randrange(2)
        graph, scene = self._graphs[one], self._scenes[one]
        thread_id = rng.choice(list(self._plan.scripts))
        config = scene.config(thread_id)
        match rng.randrange(6):
            case 0:
                self._call(one, None, config)
            case 1:
                self._call(one, Command(resume=rng.choice(_ANSWERS)), config)
            case 2:
                waiting = graph.get_state(config).interrupts
                self._call(one, Command(resume={it.id: rng.choice(_ANSWERS) for it in waiting}), config)
            case 3:
                self._call(one, Command(resume={"f" * 32: rng.choice(_ANSWERS)}), config)
            case 4:
                stranger = scene.guard.config(thread_id, Principal(id="bo"))
                self._call(one, Command(resume=True), stranger)
            case _:
                history = list(graph.get_state_history(config, limit=10))
                if history:
                    self._call(one, None, rng.choice(history).config)

    def _call(self, one: int, given: Any, config: RunnableConfig) -> None:
        """Call a graph as its users do. What they may be told, they are told."""
        graph = self._graphs[one]
        try:
            if self._plan.in_async:
                asyncio.run(_awaited(graph.ainvoke(given, config)))
            else:
                graph.invoke(given, config)
        except (BusyError, StaleRunError, InputError) as error:
            self._count(f"call {error.code}")
        except RuntimeError as error:
            if "multiple pending interrupts" not in str(error):
                raise
            self._count("call ambiguous")
        else:
            self._count("call ran")

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def _settle(self, crowd: Crowd, rng: random.Random) -> None:
        """Whoever is needed, until every turn is over."""
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            while crowd.step(rng):
                pass
            done = asyncio.run(self._workers[0].once())
            if done.idle and self._quiet():
                return
            time.sleep(0.01)
        self.problems.append(f"not quiet after {DEADLINE:g} s")

    def _quiet(self) -> bool:
        store = self._scenes[0].guard.store
        over = (TurnStatus.DONE, TurnStatus.ENDED)
        return all(row.status in over or row.dead_letter for row in store.threads(None)) and not store.due()


async def _awaited(call: Awaitable[Any]) -> None:
    await call


def main() -> int:
    """Repeat one trial: `python -m tests.chaos.answers --seed 1 --trial 17`."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--trial", type=int, required=True)
    parser.add_argument("--kind", choices=["sqlite", "postgres", "mariadb"], default="sqlite")
    given = parser.parse_args()
    print(plan(given.seed, given.trial))
    with tempfile.TemporaryDirectory() as folder:
        found = trial(given.seed, given.trial, Path(folder), template(Path(folder)), given.kind)
    print(*sorted(found.counts.items()), *found.all(), sep="\n")
    return 1 if found.all() else 0


if __name__ == "__main__":
    sys.exit(main())
