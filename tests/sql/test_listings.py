"""Finding what stands in one person's lists among thousands: each page reads an index; older rows are found too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select, text

import guardkit.sql
from guardkit.core.approvals import ApprovalState, close
from guardkit.core.listings import ListName, ListPlace, ListQuery, keys_of
from guardkit.core.people import Person
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.sql.tables import approvals, listings, threads, turns
from guardkit.testing.contracts import samples
from tests.sql.plans import plans, scans

PENDING, SETTLED = 600, 2400
GROUPS = 12
ADA = Person(id="ada", email="ada@corp.example", groups=("group-3", "group-7", "else"), roles=("manager",))


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
    """3,000 approvals, each for one of twelve groups; every fifth waits, the rest is settled. Copies of two real ones."""
    store = SQLStore(database)
    for name in ("open", "over"):
        run = samples.opened(store, name).run
        stage = ApprovalStage(groups=("group-0",), channels=("desk",))
        (made,) = store.register(run, [samples.request(run, stages=(stage,))], [])
        store.close_run(run, samples.closing("paused"), [])
        if name == "over":
            store.settle(close(made, ApprovalState.CANCELLED, store.now()), made.version, [])
    held = [keys_of(Person(id=f"only-{number}", groups=(f"group-{number}",)))[-1] for number in range(GROUPS)]
    with database.writing() as connection:
        rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in (threads, turns, approvals, listings)}
        for name, count in (("open", PENDING), ("over", SETTLED)):
            (thread,) = connection.execute(select(threads).where(threads.c.thread_id == name)).mappings()
            (turn,) = connection.execute(select(turns).where(turns.c.thread_id == name)).mappings()
            (approval,) = connection.execute(
                select(approvals).where(approvals.c.thread_id == name)
            ).mappings()
            places = connection.execute(select(listings).where(listings.c.thread_id == name)).mappings().all()
            for number in range(count):
                same = {"thread_id": f"{name}-{number:04d}"}
                rows[threads].append({**thread, **same, "due_at": None, "due_why": None})
                rows[turns].append({**turn, **same})
                request = approval["request"].replace(approval["id"], same["thread_id"])
                rows[approvals].append({**approval, **same, "id": same["thread_id"], "request": request})
                rows[listings] += [
                    {
                        **place,
                        **same,
                        "approval_id": same["thread_id"],
                        "who": held[number % GROUPS],
                        "at": place["at"] + number,
                    }
                    for place in places
                ]
        for table, made in rows.items():
            for at in range(0, len(made), 500):
                connection.execute(insert(table), made[at : at + 500])
    analyse = {"sqlite": "ANALYZE", "postgresql": "ANALYZE"}
    with database.writing() as connection:
        connection.execute(
            text(
                analyse.get(
                    connection.dialect.name, "ANALYZE TABLE gk_approvals, gk_listings PERSISTENT FOR ALL"
                )
            )
        )


ASKED: list[dict[str, Any]] = [
    {},
    {"tool": "pay_claim"},
    {"agent": "agent", "requester": "uma"},
    {"search": "o"},
    {"since": 1_700_000_000.0, "until": 8_000_000_000.0},
    {"asked_before": 8_000_000_000.0},
]


def test_pages_among_thousands_read_an_index(database: Database) -> None:
    store = SQLStore(database)
    fill(database)
    keys = keys_of(ADA)
    for of in ListName:
        for asked in ASKED:
            query = ListQuery(list=of, **asked)
            first = store.find_listed("default", keys, query, limit=5)
            assert len(first) == 5
            here = ListPlace(at=first[-1].at, id=first[-1].approval.request.id)
            for place in (None, here, here.model_copy(update={"backwards": True})):
                steps = plans(
                    database,
                    lambda p=place, q=query: store.find_listed("default", keys, q, limit=5, place=p),
                    "gk_listings",
                )
                assert scans(database, steps) == [], (of, asked, steps)


def test_due_work_is_found_by_an_index(database: Database) -> None:
    store = SQLStore(database)
    fill(database)
    assert scans(database, plans(database, lambda: store.due(10))) == []


def upgraded_anew(database: Database) -> None:
    """As the database was before it had lists, and then as an upgrade makes it."""
    config = Config()
    config.set_main_option("script_location", str(Path(guardkit.sql.__file__).parent / "migrations"))
    for direction, revision in ((command.downgrade, "0009"), (command.upgrade, "head")):
        with database.writing() as connection:
            config.attributes["connection"] = connection
            direction(config, revision)


def test_approvals_of_older_releases_stand_in_lists(database: Database) -> None:
    store = SQLStore(database)
    later = Escalation(after=60.0, groups=("night",), channels=("desk",))
    stage = ApprovalStage(
        role="manager", groups=("desk",), channels=("desk",), escalations=(later,), delegation=True
    )
    made = {}
    for name, expires_in in (("soon", 60.0), ("never", None), ("over", 60.0)):
        run = samples.opened(store, name).run
        (made[name],) = store.register(
            run, [samples.request(run, stages=(stage, samples.STAGE), expires_in=expires_in)], []
        )
        store.close_run(run, samples.closing("paused"), [])
    said = samples.said(store, made["over"], kind="reject")
    store.settle(said, made["over"].version, [])

    def rows() -> set[tuple[Any, ...]]:
        with database.reading() as connection:
            return {tuple(row) for row in connection.execute(select(listings))}

    before = rows()
    upgraded_anew(database)
    after = rows()
    assert {row for row in before if row[1] != "waiting"} == {row for row in after if row[1] != "waiting"}
    assert {row[:5] for row in before} <= {row[:5] for row in after}, "at least those who may answer now"
    found = store.find_listed("default", keys_of(samples.ADA), ListQuery(list=ListName.WAITING))
    assert [one.approval.request.thread_id for one in found] == ["soon", "never"]
    (gone,) = store.find_listed("default", keys_of(samples.ADA), ListQuery(list=ListName.HISTORY))
    assert gone.approval == store.find(said.request.id)


def test_places_go_with_their_approval(database: Database) -> None:
    store = SQLStore(database)
    samples.paused(store, "t")
    with database.writing() as connection:
        connection.execute(text("DELETE FROM gk_deliveries"))
        connection.execute(text("DELETE FROM gk_approvals"))
    with database.reading() as connection:
        assert connection.execute(select(listings)).all() == []
