"""A process that has a database open forks, and both sides go on: nothing is lost, and no connection is shared."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from guardkit.sql import Database, upgrade
from tests.architecture.source import ROOT
from tests.sql.forking import CHILDREN, ENTRIES, THREADS

DATABASES = [
    pytest.param("sqlite_url", id="sqlite"),
    pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
    pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.mariadb),
]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(request.param)
    upgrade(found)
    return found


def program(scene: str, url: str) -> dict[str, Any]:
    """What a program of its own finds after it has forked."""
    command = [sys.executable, "-m", "tests.sql.forking", scene, url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.promise("P10")
def test_what_either_side_commits_stays(url: str) -> None:
    found = program("turns", url)
    assert found["codes"] == [0]
    assert found["both"] == ["parent before", "child", "parent after"]
    assert found["child's"] == ["child again"]
    assert found["intact"]
    assert found["kinds"] == ["parent before", "child", "parent after", "child again"]
    assert found["kept"], "the child closed the parent's connection"
    mine, theirs = found["sessions"]
    assert mine is None or mine != theirs, "the child used the parent's connection"


@pytest.mark.promise("P10")
def test_children_that_are_forked_while_threads_write_lose_nothing(sqlite_url: str) -> None:
    found = program("threads", sqlite_url)
    assert found["codes"] == [0] * CHILDREN
    assert found["intact"]
    kinds = found["kinds"]
    assert len(set(kinds)) == len(kinds)
    expected = {f"child {child} {entry}" for child in range(CHILDREN) for entry in range(ENTRIES)}
    expected |= {f"thread {thread} {entry}" for thread in range(THREADS) for entry in range(ENTRIES)}
    assert expected <= set(kinds)


def test_who_forks_inside_a_transaction_waits_for_it_only_so_long(sqlite_url: str) -> None:
    """The child has a database all the same, and the parent goes on with its transaction."""
    code = (
        "import os, sys; from guardkit.sql import Database, SQLStore; database = Database(sys.argv[1]); "
        "store = SQLStore(database)\n"
        "with database.writing() as connection:\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        os._exit(0)\n"
        "os.waitpid(pid, 0); store.tenants(); database.close()"
    )
    subprocess.run([sys.executable, "-c", code, sqlite_url], check=True, timeout=120)
    with Database(sqlite_url) as database:
        database.check()
