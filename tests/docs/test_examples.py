"""Every program in examples/ runs by itself, offline, and ends well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import examples

LONGEST = 80
"""Lines of an example that somebody still reads to the end."""


@pytest.mark.parametrize("example", examples(), ids=lambda path: path.name)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.strip(), "an example shows what happened"


@pytest.mark.parametrize("example", examples(), ids=lambda path: path.name)
def test_an_example_is_short_and_says_what_it_shows(example: Path) -> None:
    source = example.read_text(encoding="utf-8")
    assert len(source.splitlines()) < LONGEST
    assert source.lstrip().startswith('"""')
