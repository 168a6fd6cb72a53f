"""Finding threads among thousands: each list reads an index; rows of older releases are found too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, text

import guardkit.sql
from guardkit.core.principals import Principal
from guardkit.core.runs import TurnStatus
from guardkit.core.threads import ThreadQuery
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.sql.codec import dump
from guardkit.sql.tables import approvals, threads, turns
from guardkit.sql.thread_rows import found_by
from guardkit.testing.contracts import samples
from tests.sql.plans import plans, scans

TENANTS, EACH = 8, 1000
STATUSES = list(TurnStatus)


@pytest.fixture(
    params=[
        pytest.param("sqlite_url", id="sqlite"),
        pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.mariadb),
    ]
)
def url(request: pytest.FixtureRequest) -> str:
    made: str = request.getfixturevalue(request.param)
    upgrade(made)
    return made


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with Database(url) as found:
        yield found


def fill(database: Database) -> None:
    """8,000 threads of eight tenants; of each tenant's 1,000 twenty wait for people."""
    rows: dict[Any, list[dict[str, Any]]] = {threads: [], turns: [], approvals: []}
    for number in range(TENANTS * EACH):
        tenant, place = f"tenant-{number % TENANTS}", number // TENANTS
        status, agent = STATUSES[place % len(STATUSES)], f"agent-{place % 20}"
        principal = Principal(id=f"person-{place % 50}", tenant=tenant)
        same = {"tenant": tenant, "thread_id": f"{place:04d}-claim", "agent": agent}
        at = 1_700_000_000.0 + number
        found = found_by(database.vault, agent, principal, status, at)
        rows[threads].append(
            {**same, "turn": 1, "opened_at": at, "token": 1, "due_mark": 0, "attempts": 0, **found}
        )
        rows[turns].append(
            {
                **same, "number": 1, "principal": dump(principal), "fingerprint": "", "policy_version": "", "salt": "",
                "status": status.value, "opened_at": at, "active_seconds": 0.0, "tool_calls": 0, "steps": 0, "marks": "",
            }
        )  # fmt: skip
        state = "pending" if place % 50 == 0 else "consumed"
        rows[approvals].append(
            {
                "id": str(number), "tenant": tenant, "thread_id": same["thread_id"], "turn": 1, "state": state,
                "version": 0, "request": "", "args": "", "digest": "", "decisions": "", "requested_at": at,
                "on_expiry": "keep",
            }
        )  # fmt: skip
    with database.writing() as connection:
        for table, made in rows.items():
            for at in range(0, len(made), 1000):
                connection.execute(insert(table), made[at : at + 1000])
    analyse = {"sqlite": "ANALYZE", "postgresql": "ANALYZE"}
    with database.writing() as connection:
        connection.execute(
            text(
                analyse.get(connection.dialect.name, "ANALYZE TABLE gk_threads, gk_turns PERSISTENT FOR ALL")
            )
        )


ASKED: list[dict[str, Any]] = [
    {},
    {"status": "paused"},
    {"agent": "agent-3"},
    {"principal": "person-7"},
    {"pending": True},
    {"pending": False},
    {"prefix": "001"},
    {"since": 1_700_004_000.0, "until": 1_700_004_800.0},
    {"status": "failed", "agent": "agent-3", "principal": "person-3", "since": 1_700_000_000.0},
]


def test_lists_of_thousands_of_threads_read_an_index(database: Database) -> None:
    store = SQLStore(database)
    fill(database)
    for asked in ASKED:
        query = ThreadQuery(tenant="tenant-3", **asked)
        first = store.find_threads(query, limit=5)
        assert len(first.threads) == 5
        assert first.next is not None
        for cursor in (None, first.next):
            steps = plans(database, lambda c=cursor, q=query: store.find_threads(q, limit=5, cursor=c))
            assert scans(database, steps) == [], (asked, steps)
        steps = plans(database, lambda q=query: store.count_threads(q))
        assert scans(database, steps) == [], (asked, steps)
    steps = plans(database, lambda: store.find_thread("tenant-3", "0001-claim"))
    assert scans(database, steps) == []


def test_pages_of_every_filter_are_the_whole(database: Database) -> None:
    store = SQLStore(database)
    fill(database)
    expected = {
        "": 1000,
        "status": 200,
        "agent": 50,
        "principal": 20,
        "pending": 20,
        "prefix": 10,
        "since": 100,
    }
    for asked in ASKED:
        query = ThreadQuery(tenant="tenant-3", **asked)
        ids: list[str] = []
        cursor: str | None = None
        while True:
            page = store.find_threads(query, limit=190, cursor=cursor)
            ids += [one.thread_id for one in page.threads]
            cursor = page.next
            if cursor is None:
                break
        assert ids == sorted(set(ids), reverse=True), "each once, last active first"
        assert sum(one.threads for one in store.count_threads(query)) == len(ids)
        if asked.get("pending") is False:
            assert len(ids) == 980
        elif len(asked) < 3:
            assert len(ids) == expected[next(iter(asked), "")], asked


def test_threads_of_older_releases_are_found(url: str) -> None:
    with Database(url) as database:
        store = SQLStore(database)
        for thread_id in ("a", "b"):
            samples.paused(store, thread_id)
        run = store.open_run(samples.opening("c", tenant="other", agent="clerk@embedded"), []).run
        store.close_run(run, samples.closing("failed"), [])
        config = Config()
        config.set_main_option("script_location", str(Path(guardkit.sql.__file__).parent / "migrations"))
        for direction, revision in ((command.downgrade, "0005"), (command.upgrade, "head")):
            with database.writing() as connection:
                config.attributes["connection"] = connection
                direction(config, revision)
        found = store.find_threads(
            ThreadQuery(tenant="default", status=TurnStatus.PAUSED, principal="uma", pending=True)
        )
        assert [one.thread_id for one in found.threads] == ["b", "a"]
        assert all(one.active_at == one.opened_at for one in found.threads)
        (other,) = store.find_threads(
            ThreadQuery(tenant="other", agent="clerk", status=TurnStatus.FAILED)
        ).threads
        assert other.thread_id == "c"
