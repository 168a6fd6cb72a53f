"""What checkpoints cost: guardkit's saver, LangGraph's own beside it, and the raw driver below them.

Each measurement is a process of its own; figures are medians of several. Run it on a quiet machine: `load_1min` in the
results tells whether it was. SQLite is measured on tmpfs, where syncing is free, and on a disk (`--disk`), PostgreSQL on the
servers that are named (`GUARDKIT_TEST_POSTGRES`, or `--postgres name=URL`). With `--sync-ms` both are measured once more where
every sync takes so much longer, for ours and theirs alike: what it costs on this machine is in the results.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measuring import keep
from persistence_work import Job, run

HERE = Path(__file__).resolve().parent
SLOWED = "slowed"
"""How the names of places begin in which syncs wait."""

OFFICIAL = (
    "langgraph-checkpoint",
    "langgraph-checkpoint-sqlite",
    "langgraph-checkpoint-postgres",
    "zstandard",
)


def jobs(places: Sequence[tuple[str, str, str]], *, small: bool) -> Iterator[tuple[str, Job]]:
    """Everything that is measured, by name."""
    steps, threads = (5, 4) if small else (200, 200)
    for place, database, where in places:
        pairs = (False, True) if database == "postgresql" else (False,)
        both = database == "sqlite" and not small and not place.startswith(SLOWED)
        levels = ("FULL", "NORMAL") if both else ("FULL",)
        base = Job(saver="ours", database=database, where=where, work="long", steps=steps)
        for level in levels:
            for asynchronous in (False, True):
                how = f"{place}, {'async' if asynchronous else 'sync'}" + (
                    f", {level}" if database == "sqlite" else ""
                )
                for work, count in (("long", steps), ("many", threads)):
                    one = replace(base, work=work, steps=count, asynchronous=asynchronous, synchronous=level)
                    yield f"{work}: {how}: guardkit", one
                    for pool in (
                        pairs if not asynchronous else (True,) * (database == "postgresql") or (False,)
                    ):
                        name = "official, pool" if pool else "official"
                        yield f"{work}: {how}: {name}", replace(one, saver="official", pool=pool)
            yield f"long: {place}, sync, {level}: raw driver", replace(base, work="floor", synchronous=level)
    if small:
        return
    for place, database, where in places:
        if place.startswith(("disk", SLOWED)):
            continue
        for count in (25, 100, 400):
            for saver in ("ours", "official"):
                one = Job(saver=saver, database=database, where=where, work="long", steps=count)
                yield (
                    f"bytes: {place}, {count} supersteps: {'guardkit' if saver == 'ours' else 'official'}",
                    one,
                )
        for count in (10, 100, 1000, 10_000):
            one = Job(saver="ours", database=database, where=where, work="flat", steps=count)
            yield f"growth: {place}, {count} supersteps: guardkit", one


def sync_cost(folder: str) -> float:
    """Milliseconds that a sync of a few kilobytes takes there; the median of fifty."""
    taken: list[float] = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(50):
            file.write(os.urandom(4096))
            file.flush()
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1000


def measured(job: Job, added: Mapping[str, str]) -> dict[str, Any]:
    """One measurement in a process of its own, with this in its environment."""
    done = subprocess.run(
        [sys.executable, str(HERE / "persistence_work.py"), json.dumps(asdict(job))],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **added},
    )
    if done.returncode:
        raise SystemExit(f"{job}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--only", default="", help="measure what has this in its name, and keep nothing")
    parser.add_argument(
        "--small", action="store_true", help="see that everything runs, in this process, and keep nothing"
    )
    parser.add_argument("--disk", default=tempfile.gettempdir(), help="a folder on a disk that syncs")
    parser.add_argument("--postgres", action="append", default=[], help="name=URL of a server")
    parser.add_argument(
        "--sync-ms", type=float, default=0.0, help="also where each sync takes so much longer"
    )
    given = parser.parse_args()
    with ExitStack() as stack:
        measure(given, stack)


def measure(given: argparse.Namespace, stack: ExitStack) -> None:
    """Measure what was asked for, and keep it."""
    added: dict[str, dict[str, str]] = {}
    places = [("tmpfs", "sqlite", "/dev/shm")] if Path("/dev/shm").is_dir() else []
    places.append(("disk", "sqlite", given.disk))
    servers = given.postgres or [
        f"server={url}" for url in (os.environ.get("GUARDKIT_TEST_POSTGRES"),) if url
    ]
    for name, _, url in (server.partition("=") for server in servers):
        places.append((name, "postgresql", url.replace("postgresql+psycopg://", "postgresql://")))
    if given.sync_ms:
        # Whoever measures a real disk needs no server's programs here.
        from slow_disk import environment, slow_postgres  # noqa: PLC0415

        slowed = f"{SLOWED}, {given.sync_ms:g} ms"
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places.append((f"{slowed} disk", "sqlite", given.disk))
        added["sqlite"] = environment(folder, given.sync_ms)
        url = stack.enter_context(slow_postgres(given.sync_ms))
        places.append(
            (f"{slowed} server", "postgresql", url.replace("postgresql+psycopg://", "postgresql://"))
        )
    chosen = {name: job for name, job in jobs(places, small=given.small) if given.only in name}
    rounds = 1 if given.small else given.rounds
    load = [os.getloadavg()[0]]
    taken: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    for _ in range(rounds):
        for name, job in chosen.items():
            waits = added.get(job.database, {}) if f": {SLOWED}" in name else {}
            taken[name].append(run(job) if given.small else measured(job, waits))
        load.append(os.getloadavg()[0])
    results = {
        name: {key: round(statistics.median(one[key] for one in runs), 3) for key in runs[0]}
        for name, runs in taken.items()
    }
    for name, figures in results.items():
        print(f"{name:60}", "  ".join(f"{key} {value:g}" for key, value in figures.items()))
    if not (given.small or given.only):
        versions = {name: version(name) for name in OFFICIAL}
        keep(
            "persistence",
            {
                "rounds": rounds,
                "load_1min": [round(one, 2) for one in load],
                "versions": versions,
                "sync_ms": round(sync_cost(given.disk), 3),
                "results": results,
            },
        )


if __name__ == "__main__":
    main()
