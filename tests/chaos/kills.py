"""One trial of the kill campaign: an agent, a desk and workers on one database, killed at named points and at any instant."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from guardkit.core.runs import TurnStatus
from guardkit.errors import StorageError
from tests.chaos.faults import Fault, When
from tests.chaos.oracle import Findings, judge
from tests.chaos.processes import STOP, Child, Job, Role, start
from tests.chaos.scene import Kind, Scene, Script, Shape, new_place
from tests.chaos.scripts import script

LEASE = 2.0
"""Seconds that a killed process keeps its thread."""

DEADLINE = 180.0
"""Seconds after which a trial that is not quiet has failed."""

_WHERE: dict[Role, tuple[str, ...]] = {
    "agent": (
        "opened",
        "registered",
        "claimed",
        "recorded",
        "checkpoint",
        "writes",
        "lease",
        "node",
        "read",
        "effect",
    ),
    "worker": ("claimed", "recorded", "checkpoint", "writes", "lease", "read", "effect", "delivery", "sent"),
    "desk": ("decided",),
}
_SIDES: tuple[When, ...] = ("before", "after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A trial, as its seed and number make it."""

    seed: str
    shape: Shape
    in_async: bool
    on_expiry: str
    scripts: dict[str, Script]
    faults: dict[Role, list[Fault]]
    """What happens to the first, second, ... process of each role; those after live."""


def plan(seed: int, number: int) -> Plan:
    """The trial with a number. Named points take turns over the trials, so that a few trials reach all of them."""
    name = f"{seed}:{number}"
    rng = random.Random(name)
    faults: dict[Role, list[Fault]] = {"agent": [], "worker": [], "desk": []}
    named: dict[Role, Iterator[Fault]] = {role: _named(seed, number, role, rng) for role in faults}
    for role in ("agent", "worker", "worker", "desk"):
        match rng.random():
            case chance if chance < 0.7:
                faults[role].append(next(named[role]))
            case chance if chance < 0.8:
                side = rng.choice(_SIDES)
                faults[role].append(Fault(where="commit", when=side, nth=rng.randint(1, 40)))
            case chance if chance < 0.95:
                faults[role].append(Fault(where="instant", nth=rng.randint(100, 3000)))
            case _:
                pass
    return Plan(
        seed=name,
        shape=rng.choice(("node", "fan", "code")),
        in_async=rng.random() < 0.5,
        on_expiry=rng.choice(("reject", "no_result")),
        scripts={
            f"t{one}": script(rng, f"{number}t{one}", batches=rng.randint(1, 2), hurried=rng.random() < 0.2)
            for one in range(2)
        },
        faults=faults,
    )


def _named(seed: int, number: int, role: Role, rng: random.Random) -> Iterator[Fault]:
    sides = list(itertools.product(_WHERE[role], _SIDES))
    random.Random(f"{seed}:{role}").shuffle(sides)
    first = number * (2 if role == "worker" else 1)
    for index in itertools.count(first):
        where, when = sides[index % len(sides)]
        yield Fault(where=where, when=when, nth=rng.choice((1, 1, 2, 3)))


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
    scene = Scene(folder, on_expiry=plotted.on_expiry)
    graph = scene.graph(plotted.shape, in_async=plotted.in_async)
    troupe = Troupe(plotted, folder)
    problems: list[str] = []
    try:
        until = time.monotonic() + DEADLINE
        while not (troupe.agent_is_over() and quiet(scene) and not held(scene)):
            if time.monotonic() > until:
                problems.append(f"not quiet after {DEADLINE:g} s")
                break
            troupe.tend()
            time.sleep(0.1)
        (folder / STOP).touch()
        problems += troupe.leave()
        found = judge(scene, graph, plotted.scripts.values())
    finally:
        troupe.kill()
        scene.close()
    found.other += problems
    found.counts.update(troupe.deaths)
    return found


class Troupe:
    """The processes of a trial: one of each role at a time, a killed one replaced.

    Args:
        plotted: what happens to them.
        folder: of the scene.
        steadfast: whether they go on when the database fails.
    """

    def __init__(self, plotted: Plan, folder: Path, *, steadfast: bool = False) -> None:
        self._steadfast = steadfast
        self._plan = plotted
        self._folder = folder
        self._left: dict[Role, list[Fault]] = {role: list(faults) for role, faults in plotted.faults.items()}
        self._faults: dict[Role, Fault | None] = {}
        self._processes: dict[Role, Child] = {}
        self._problems: list[str] = []
        self.deaths: Counter[str] = Counter()
        for role in plotted.faults:
            self._enter(role)

    def _enter(self, role: Role) -> None:
        fault = self._left[role].pop(0) if self._left[role] else None
        self._faults[role] = fault
        self._processes[role] = start(
            Job(
                role=role,
                folder=self._folder,
                seed=self._plan.seed,
                shape=self._plan.shape,
                in_async=self._plan.in_async,
                lease_seconds=LEASE,
                scripts=self._plan.scripts if role == "agent" else {},
                on_expiry=self._plan.on_expiry,
                fault=fault,
                steadfast=self._steadfast,
            )
        )

    def agent_is_over(self) -> bool:
        """Whether the agent has done what it was started for, or was killed."""
        return not self._processes["agent"].alive

    def tend(self) -> None:
        """Count who was killed, and replace desks and workers."""
        for role, process in list(self._processes.items()):
            if process.alive or self._faults[role] is _COUNTED:
                continue
            self._count(role, process)
            if role != "agent":
                self._enter(role)

    def _count(self, role: Role, process: Child) -> None:
        if process.killed:
            self.deaths["kills"] += 1
            self.deaths[f"kill {role} {self._faults[role]}"] += 1
        elif process.exitcode != 0:
            self._problems.append(f"{role} ended with {process.exitcode}")
        self._faults[role] = _COUNTED

    def leave(self) -> list[str]:
        """Wait until everybody has gone; returns who did not, or not well."""
        for role, process in self._processes.items():
            if not process.join(60):
                self._problems.append(f"{role} does not stop")
            elif self._faults[role] is not _COUNTED:
                self._count(role, process)
        return self._problems

    def kill(self) -> None:
        """Let nobody outlive the trial."""
        for process in self._processes.values():
            process.kill()
            process.join(10)


_COUNTED = Fault(where="counted")


def held(scene: Scene) -> bool:
    """Whether some thread has a lease. That of a killed run makes it due only once it is over."""
    with scene.database.engine.connect() as connection:
        return bool(connection.scalar(text("SELECT count(lease_until) FROM gk_threads")))


def quiet(scene: Scene) -> bool:
    """Whether every turn is over and nothing is due."""
    with suppress(StorageError):
        store = scene.guard.store
        rows = store.threads(None, limit=1000)
        over = all(
            row.status in (TurnStatus.DONE, TurnStatus.ENDED) or row.dead_letter is not None for row in rows
        )
        return over and not store.due(1000)
    return False
