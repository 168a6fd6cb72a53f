"""The benchmarks of persistence and of scale run, with everything in them, on what is here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PROGRAM = BENCHMARKS / "bench_persistence.py"
WORK = BENCHMARKS / "persistence_work.py"


@pytest.mark.postgres
def test_a_small_run_measures_ours_the_official_ones_and_the_driver(
    tmp_path: Path, postgres_url: str
) -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(PROGRAM),
            "--small",
            "--disk",
            str(tmp_path),
            "--postgres",
            f"server={postgres_url}",
        ],
        env={**os.environ, "LANGSMITH_TRACING": "false"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for whose in ("guardkit", "official", "official, pool", "raw driver"):
        assert f": {whose} " in done.stdout
    for line in done.stdout.splitlines():
        assert "steps_per_second" in line


@pytest.mark.postgres
def test_a_small_crowd_is_measured_beside_a_smaller_one(postgres_url: str) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "bench_scale.py"), "--small"],
        env={**os.environ, "GUARDKIT_TEST_POSTGRES": postgres_url},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for what in ("claim of due work", "inbox page", "search of the inbox", "page of the history"):
        assert f"\n{what}" in done.stdout


def test_the_bytes_of_one_thread_are_its_own(tmp_path: Path) -> None:
    """An asynchronous run warms up with a thread of the same length, which does not count."""
    job = {"saver": "ours", "database": "sqlite", "where": str(tmp_path), "work": "long", "steps": 60}
    found: list[float] = []
    for asynchronous in (False, True):
        done = subprocess.run(
            [
                sys.executable,
                str(WORK),
                json.dumps({**job, "asynchronous": asynchronous, "synchronous": "NORMAL"}),
            ],
            env={**os.environ, "LANGSMITH_TRACING": "false"},
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout)["bytes_per_step"])
    assert found[1] == pytest.approx(found[0], rel=0.15)
