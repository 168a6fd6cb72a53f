"""The benchmark of persistence runs, with everything in it, on what is here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "bench_persistence.py"


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
