"""Processes that use one standing approval at the same time never go past what was given, on every database."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest
from sqlalchemy import text

from guardkit.core.standing import StandingApproval, StandingWish
from guardkit.sql import Database, SQLStore, inspect_database, upgrade
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.standing import given, revocation
from tests.sql.racing import AMOUNT

RACERS = 4

pytestmark = pytest.mark.promise("P2", "P5")

URLS = pytest.mark.parametrize(
    "url",
    [
        "sqlite_url",
        pytest.param("postgres_url", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", marks=pytest.mark.mariadb),
    ],
)


def race(url: str, standing: StandingApproval, store: SQLStore, *, revoked: bool = False) -> list[int]:
    """What each of some processes got that began at the same moment."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.sql.racing", url, standing.id, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(RACERS)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    if revoked:
        event = standing.grant.event("standing.revoked", person="ada")
        assert store.revoke_standing(revocation(store, standing), [event]) is not None
    return [int(racer.communicate(timeout=120)[0]) for racer in racers]


@URLS
@pytest.mark.parametrize(
    ("wish", "most"),
    [
        (StandingWish(scope="requester", seconds=3600.0, uses=5), 5),
        (StandingWish(scope="requester", seconds=3600.0, uses=5, at_most="27.5"), 3),
    ],
    ids=["count", "amount"],
)
def test_racing_processes_get_as_much_as_was_given(
    url: str, wish: StandingWish, most: int, request: pytest.FixtureRequest
) -> None:
    location = request.getfixturevalue(url)
    upgrade(location)
    with Database(location) as database:
        store = SQLStore(database)
        standing = given(store, wish=wish)
        got = race(location, standing, store)
        assert sum(got) == most
        after = store.standing_approval(samples.TENANT, standing.id)
        assert after is not None
        assert (after.used, Decimal(after.spent)) == (most, most * AMOUNT)
        assert len([one for one in store.effects(limit=100) if one.standing_id == standing.id]) == most
        used = [one.event.data for one in store.entries(samples.TENANT) if one.event.kind == "standing.used"]
        assert [one["uses_left"] for one in used] == list(range(wish.uses - 1, wish.uses - most - 1, -1))
        assert all(one.ok for one in inspect_database(database))


@URLS
def test_what_is_revoked_is_used_no_more(url: str, request: pytest.FixtureRequest) -> None:
    location = request.getfixturevalue(url)
    upgrade(location)
    with Database(location) as database:
        store = SQLStore(database)
        wish = StandingWish(scope="requester", seconds=3600.0, uses=5)
        standing = given(store, wish=wish)
        got = race(location, standing, store, revoked=True)
        kinds = [one.event.kind for one in store.entries(samples.TENANT, limit=100_000)]
        assert kinds.count("standing.used") == sum(got)
        assert "standing.used" not in kinds[kinds.index("standing.revoked") :]


def test_looking_over_a_database_finds_one_that_was_used_for_more(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    with Database(sqlite_url) as database:
        given(SQLStore(database))
        assert all(one.ok for one in inspect_database(database))
        with database.writing() as connection:
            connection.execute(text("UPDATE gk_standing SET used = uses + 1"))
        [wrong] = [one for one in inspect_database(database) if not one.ok]
        assert wrong.what == "standing approvals"
