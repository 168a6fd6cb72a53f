"""How the benchmarks of cost measure: interleaved, paired, in thread CPU, without garbage collection."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import platform
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
SEED = 20261125

# A tracing variable in a developer's shell must not add its own cost, or send anything anywhere.
for variable in ("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING", "LANGCHAIN_TRACING_V2"):
    os.environ.pop(variable, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """A median with the interval that holds it in 95 of 100 measurements, by order statistics."""

    median: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.median:8.1f}  [{self.low:.1f}, {self.high:.1f}]"


def median(values: Sequence[float]) -> Median:
    """The median. The ranks of its interval are those of a binomial distribution with p = 1/2."""
    ordered = sorted(values)
    count = len(ordered)
    outside, rank = 0.0, 0
    while rank < count // 2:
        outside += math.exp(
            math.lgamma(count + 1)
            - math.lgamma(rank + 1)
            - math.lgamma(count - rank + 1)
            - count * math.log(2)
        )
        if outside > 0.025:
            break
        rank += 1
    low = ordered[max(rank - 1, 0)]
    high = ordered[min(count - rank, count - 1)]
    return Median(median=statistics.median(ordered), low=low, high=high, rounds=count)


Clock = Callable[[], int]


def rounds(
    runs: Mapping[str, Callable[[], Any]],
    *,
    count: int,
    clock: Clock = time.thread_time_ns,
    warm: int = 5,
    before: Callable[[], None] | None = None,
) -> dict[str, list[float]]:
    """Microseconds of every run in every round; each round holds all runs once, in a random order.

    Args:
        runs: what is measured, by name.
        count: how many rounds.
        clock: nanoseconds; by default the CPU time of this thread.
        warm: rounds before, that do not count.
        before: done before each run, while no clock runs.
    """
    order = list(runs)
    shuffle = random.Random(SEED).shuffle
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(-warm, count):
        shuffle(order)
        gc.collect()
        gc.disable()
        try:
            for name in order:
                run = runs[name]
                if before is not None:
                    before()
                begin = clock()
                run()
                end = clock()
                if number >= 0:
                    taken[name].append((end - begin) / 1000)
        finally:
            gc.enable()
    return taken


async def arounds(
    runs: Mapping[str, Callable[[], Awaitable[Any]]],
    *,
    count: int,
    clock: Clock = time.thread_time_ns,
    warm: int = 5,
) -> dict[str, list[float]]:
    """As `rounds`, for coroutines in one event loop; the loop's own work in this thread is part of it."""
    order = list(runs)
    shuffle = random.Random(SEED).shuffle
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(-warm, count):
        shuffle(order)
        await asyncio.sleep(0)
        gc.collect()
        gc.disable()
        try:
            for name in order:
                run = runs[name]
                begin = clock()
                await run()
                end = clock()
                if number >= 0:
                    taken[name].append((end - begin) / 1000)
        finally:
            gc.enable()
    return taken


def machine() -> dict[str, Any]:
    """What the numbers were measured on, without names of hosts, users or folders."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: version(name) for name in ("guardkit", "langgraph", "langchain-core", "sqlalchemy")},
    }


def keep(name: str, results: Mapping[str, Any]) -> None:
    """Write a program's results to `benchmarks/results/`."""
    RESULTS.mkdir(exist_ok=True)
    plain = {"seed": SEED, "machine": machine(), **results}
    text = json.dumps(plain, indent=2, default=_as_json)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _as_json(value: Any) -> Any:
    return {key: round(item, 2) for key, item in asdict(value).items()}
