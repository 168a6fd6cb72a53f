"""Keeps what whole campaigns found in `benchmarks/results/`."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections import Counter
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def keep(name: str, seed: int, counts: Counter[str], **about: str | int) -> None:
    """Write the counts of a campaign, what it ran on, and what else is to be known about it."""
    kept = {
        "seed": seed,
        **about,
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "processors": os.cpu_count(),
            "sqlite": sqlite3.sqlite_version,
            **{name: version(name) for name in ("guardkit", "langgraph", "langchain-core", "sqlalchemy")},
        },
        "counts": dict(sorted(counts.items())),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")
