"""The clock of MariaDB is the same whatever zone a session is in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text

from guardkit.sql import Database, dialects, upgrade

ZONE, ZONE_ID = "Guardkit/Autumn", 990_001
BACK = 1_792_890_000
"""2026-10-25 01:00 UTC, when clocks are set back in the zone from 3 to 2."""

TABLES = {
    "time_zone": "(:id, 'N')",
    "time_zone_transition_type": "(:id, 0, 7200, 1, 'CEST'), (:id, 1, 3600, 0, 'CET')",
    "time_zone_transition": "(:id, 0, 0), (:id, :back, 1)",
}

pytestmark = pytest.mark.mariadb


@pytest.fixture
def zone(mariadb_url: str) -> Iterator[str]:
    """A zone in which an hour comes twice, on a server that has loaded none."""
    engine = create_engine(mariadb_url, isolation_level="AUTOCOMMIT")
    known = {"id": ZONE_ID, "name": ZONE, "back": BACK}
    with engine.connect() as connection:
        for table, rows in TABLES.items():
            connection.execute(text(f"INSERT IGNORE INTO mysql.{table} VALUES {rows}"), known)
        connection.execute(text("INSERT IGNORE INTO mysql.time_zone_name VALUES (:name, :id)"), known)
        yield ZONE
        connection.execute(text("DELETE FROM mysql.time_zone_name WHERE Name = :name"), known)
        for table in TABLES:
            connection.execute(text(f"DELETE FROM mysql.{table} WHERE Time_zone_id = :id"), known)
    engine.dispose()


class Session:
    """How sessions of an engine begin: in a zone, at an instant."""

    def __init__(self, engine: Engine, zone: str) -> None:
        self._zone = zone
        self.at = 0.0
        event.listen(engine, "checkout", self._set)

    def _set(self, connection: Any, *_: Any) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute("SET time_zone = %s, timestamp = %s", (self._zone, self.at))


@pytest.mark.promise("P11")
@pytest.mark.parametrize("given", [False, True], ids=["own engine", "given engine"])
def test_an_hour_that_comes_twice_is_two_hours(mariadb_url: str, zone: str, given: bool) -> None:
    upgrade(mariadb_url)
    engine = create_engine(mariadb_url)
    with Database(engine if given else mariadb_url) as database:
        session = Session(database.engine, zone)
        instants = [BACK - 1800 + 0.25, BACK - 0.000001, BACK + 1800 + 0.25]
        in_zone: list[float] = []
        for session.at in instants:
            assert database.now() == session.at
            with database.reading() as connection:
                in_zone.append(float(connection.execute(text("SELECT unix_timestamp(now(6))")).scalar_one()))
        assert in_zone[0] == in_zone[2], "so it is asked in no zone"
    engine.dispose()


def test_the_clock_goes_on_within_a_transaction(mariadb_url: str) -> None:
    upgrade(mariadb_url)
    with Database(mariadb_url) as database, database.writing() as connection:
        before = dialects.now(connection)
        connection.execute(text("SELECT sleep(0.05)"))
        assert dialects.now(connection) >= before + 0.05
