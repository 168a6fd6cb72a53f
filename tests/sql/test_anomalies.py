"""The watch over agents on every database that guardkit knows: the port's contract, what is counted, what is past."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import func, select

from guardkit.core.anomalies import CHECK, Anomalies, Anomaly, Measure, Watch
from guardkit.core.runs import StopOrder
from guardkit.core.values import JsonObject
from guardkit.errors import InputError
from guardkit.sql import Database, SQLAnomalies, upgrade
from guardkit.sql.side_tables import watch_counts
from guardkit.testing import MemoryAnomalies
from guardkit.testing.contracts import AnomaliesContract, expectations
from tests.unit.watch.past import HOUR, Desk, acts, happened


def opened(url: str) -> Iterator[Desk]:
    upgrade(url)
    with Database(url) as database:
        yield Desk(database)


class TestMemory(AnomaliesContract):
    @pytest.fixture
    def anomalies(self) -> MemoryAnomalies:
        return MemoryAnomalies()

    @pytest.fixture
    def misbehave(self, anomalies: MemoryAnomalies) -> Callable[[str, str], None]:
        return lambda tenant, agent: anomalies.occur(agent, tenant=tenant)

    def let_pass(self, anomalies: Anomalies, seconds: float) -> None:
        assert isinstance(anomalies, MemoryAnomalies)
        anomalies.clock.advance(seconds)


class SQLContract(AnomaliesContract):
    """The contract, and what only a database can show."""

    @pytest.fixture
    def anomalies(self, desk: Desk) -> SQLAnomalies:
        return desk.anomalies

    @pytest.fixture
    def misbehave(self, desk: Desk) -> Callable[[str, str], None]:
        def misbehave(tenant: str, agent: str) -> None:
            desk.live(agent, tenant=tenant)
            desk.burst(agent, tenant=tenant)

        return misbehave

    def test_a_burst_of_blocks_is_found_kept_and_audited(self, desk: Desk) -> None:
        desk.live(blocked=(0, 0, 1))
        assert desk.anomalies.look(desk.watch) == []
        desk.burst(blocked=8, actions=10)
        (found,) = desk.anomalies.look(desk.watch)
        assert (found.agent, found.measure, found.tool) == ("claims", Measure.BLOCKED, None)
        assert (found.count, found.of, found.usual, found.past) == (8, 10, 0.0, 30)
        assert found.score > 3.5
        assert list(desk.anomalies.anomalies()) == [found]
        (entry,) = [one for one in desk.store.entries("default") if one.event.kind == "anomaly.found"]
        assert entry.event.data["anomaly"] == found.id
        assert entry.event.data["count"] == 8
        desk.burst(blocked=8, actions=10)
        assert desk.anomalies.look(desk.watch) == []

    def test_every_measure_has_its_entries(self, desk: Desk) -> None:
        for number in range(30):
            at = desk.window - (30 - number) * HOUR + 60.0
            for _ in range(6):
                thread = desk.open_turn("claims", at=at)
                desk.tell(thread, acts(100), at=at)
                desk.tell(thread, happened("approval.decided", 1, state="approved"), at=at)
        for _ in range(12):
            thread = desk.open_turn("claims")
            desk.tell(thread, happened("turn.ended", 1, reason="insufficient_evidence"))
        thread = desk.open_turn("claims")
        desk.tell(thread, happened("approval.decided", 8, state="rejected"))
        desk.tell(thread, [*acts(12), *acts(12, tool="wire_money")])
        desk.tell(thread, [*happened("tool.failed", 6), *happened("effect.recorded", 6, state="in_doubt")])
        found = {(one.measure, one.tool): (one.count, one.of) for one in desk.anomalies.look(desk.watch)}
        assert found == {
            (Measure.REJECTED, None): (8, 8),
            (Measure.NO_RESULT, None): (12, 13),
            (Measure.TOOL_ERROR, None): (12, 24),
            (Measure.UNUSUAL_TOOL, "wire_money"): (12, 24),
        }

    def test_agents_and_tenants_have_their_own_past(self, desk: Desk) -> None:
        desk.live("claims")
        desk.live("claims", tenant="north", blocked=(8,))
        desk.live("Claims", blocked=(8,))
        for agent, tenant in (("claims", "north"), ("Claims", "default"), ("claims", "default")):
            desk.burst(agent, tenant=tenant)
        assert [(one.agent, one.tenant) for one in desk.anomalies.look(desk.watch)] == [("claims", "default")]

    def test_an_agent_without_a_past_is_not_judged(self, desk: Desk) -> None:
        desk.live(windows=23)
        desk.burst()
        assert desk.anomalies.look(desk.watch) == []

    def test_what_is_long_over_is_past_and_no_news(self, desk: Desk) -> None:
        desk.live()
        old = desk.open_turn("claims", at=desk.window - 3 * HOUR)
        desk.tell(old, acts(20, 20), at=desk.window - 3 * HOUR)
        assert desk.anomalies.look(desk.watch) == []

    def test_what_happened_while_nobody_looked_is_news(self, desk: Desk) -> None:
        desk.live(until=desk.window - 3 * HOUR)
        assert desk.anomalies.look(desk.watch) == []
        with desk.database.writing() as connection:
            ago = 4 * HOUR * 1_000_000
            connection.exec_driver_sql(f"UPDATE gk_watch_cursors SET looked_at = looked_at - {ago}")
        thread = desk.open_turn("claims", at=desk.window - 3 * HOUR)
        desk.tell(thread, acts(20, 20), at=desk.window - 3 * HOUR)
        (found,) = desk.anomalies.look(desk.watch)
        assert found.began_at == desk.window - 3 * HOUR
        assert list(desk.anomalies.standing("default", "claims")) == [found]

    def test_few_are_never_unusual(self, desk: Desk) -> None:
        desk.live()
        desk.burst(blocked=4, actions=4)
        assert desk.anomalies.look(desk.watch) == []

    def test_refusals_by_the_watch_and_by_an_operator_are_not_counted(self, desk: Desk) -> None:
        desk.live()
        refusals: list[JsonObject] = [
            {"rules": [], "checks": [{"check": CHECK, "verdict": "pass", "remark": True}]},
            {"rules": ["guardkit.stop"]},
        ]
        for data in refusals:
            thread = desk.open_turn("claims")
            told = happened("action.decided", 10, decision="stop", **data)
            desk.tell(thread, [*told, ("turn.ended", {"reason": "check_failed"})])
        assert desk.anomalies.look(desk.watch) == []

    def test_windows_of_an_anomaly_are_no_past(self, desk: Desk) -> None:
        """Otherwise whoever goes on for long enough makes it usual."""
        desk.live(windows=24)
        desk.burst()
        (found,) = desk.anomalies.look(desk.watch)
        assert found.past == 24
        with desk.database.writing() as connection:
            ago = 3 * HOUR * 1_000_000
            connection.exec_driver_sql(
                f"UPDATE gk_anomalies SET id = 'old', began_at = began_at - {ago}, stands_until = stands_until - {ago}"
            )
        desk.burst(blocked=10)
        assert desk.anomalies.look(desk.watch) == []
        desk.live(windows=2, until=desk.window - 24 * HOUR)
        desk.burst(blocked=10)
        (again,) = desk.anomalies.look(desk.watch)
        assert again.past == 24

    def test_windows_of_a_stop_are_no_past(self, desk: Desk) -> None:
        desk.live(windows=24)
        desk.store.set_stop(
            StopOrder(id="drill", scope="agent", tenant="default", target="claims", by="o", why="w", at=0)
        )
        desk.burst()
        assert len(desk.anomalies.look(desk.watch)) == 1
        with desk.database.writing() as connection:
            connection.exec_driver_sql("UPDATE gk_stops SET set_at = 0")
        desk.live("other", windows=24)
        desk.burst("other")
        desk.burst(blocked=0, actions=1)
        desk.burst("claims", blocked=20, actions=20)
        assert [one.agent for one in desk.anomalies.look(desk.watch)] == ["other"]

    def test_a_settled_anomaly_stands_no_more(self, desk: Desk) -> None:
        found = self._found(desk)
        assert desk.anomalies.settle_anomaly(found.id, by="olga", why="a drill")
        assert list(desk.anomalies.standing("default", "claims")) == []
        (settled,) = desk.anomalies.anomalies()
        assert (settled.settled_by, settled.anew) == ("olga", False)
        assert not desk.anomalies.settle_anomaly(found.id, by="olga", why="again")
        assert not desk.anomalies.settle_anomaly("none", by="olga", why="?")
        (entry,) = [one for one in desk.store.entries("default") if one.event.kind == "anomaly.settled"]
        assert entry.event.data == {
            "anomaly": found.id,
            "agent": "claims",
            "by": "olga",
            "why": "a drill",
            "anew": False,
        }
        with pytest.raises(InputError, match="by"):
            desk.anomalies.settle_anomaly(found.id, by="", why="nobody")

    def test_a_past_that_begins_anew_says_nothing_until_it_is_long_enough(self, desk: Desk) -> None:
        found = self._found(desk)
        assert desk.anomalies.settle_anomaly(found.id, by="olga", why="a new release", anew=True)
        desk.tell(desk.open_turn("claims"), happened("tool.failed", 10))
        assert desk.anomalies.look(desk.watch) == []

    def test_only_what_stands_is_listed_when_that_is_asked(self, desk: Desk) -> None:
        found = self._found(desk)
        assert list(desk.anomalies.anomalies(standing=True, tenant="default")) == [found]
        assert list(desk.anomalies.anomalies(tenant="north")) == []
        assert list(desk.anomalies.anomalies(limit=0)) == []
        with pytest.raises(InputError, match="limit"):
            desk.anomalies.anomalies(limit=-1)

    def test_every_entry_counts_once_however_many_look(self, desk: Desk) -> None:
        desk.live(windows=3, blocked=(2,), actions=400)
        expectations.at_once([lambda: desk.anomalies.look(desk.watch)] * 4)
        desk.anomalies.look(desk.watch)
        counts = (func.sum(watch_counts.c[name]) for name in ("proposed", "blocked", "turns"))
        with desk.database.reading() as connection:
            assert [int(one) for one in connection.execute(select(*counts)).one()] == [1200, 6, 3]

    def test_what_is_older_than_the_past_is_deleted(self, desk: Desk) -> None:
        short = Watch(windows=(HOUR,), history=5, enough=2)
        desk.live(windows=5)
        desk.anomalies.look(short.model_copy(update={"history": 100}))
        desk.live(windows=20, until=desk.window - 4 * HOUR)
        desk.burst(blocked=0)
        desk.anomalies.look(short)
        with desk.database.reading() as connection:
            oldest = connection.execute(select(func.min(watch_counts.c.began_at))).scalar_one()
        assert oldest >= desk.window - 5 * HOUR

    def test_a_damaged_entry_holds_nothing_up(self, desk: Desk) -> None:
        desk.live()
        with desk.database.writing() as connection:
            connection.exec_driver_sql("UPDATE gk_audit SET data = '{' WHERE seq = 3")
        desk.burst()
        assert len(desk.anomalies.look(desk.watch)) == 1

    def test_names_that_are_no_keys_are_told_apart(self, desk: Desk) -> None:
        desk.live("a" * 300)
        desk.live("a" * 301)
        desk.burst("a" * 301)
        (found,) = desk.anomalies.look(desk.watch)
        assert list(desk.anomalies.standing("default", "a" * 301)) == [found]
        assert list(desk.anomalies.standing("default", "a" * 300)) == []

    def _found(self, desk: Desk) -> Anomaly:
        desk.live()
        desk.burst()
        (found,) = desk.anomalies.look(desk.watch)
        return found


class TestSQLite(SQLContract):
    @pytest.fixture
    def desk(self, sqlite_url: str) -> Iterator[Desk]:
        yield from opened(sqlite_url)


@pytest.mark.postgres
class TestPostgreSQL(SQLContract):
    @pytest.fixture
    def desk(self, postgres_url: str) -> Iterator[Desk]:
        yield from opened(postgres_url)


@pytest.mark.mariadb
class TestMariaDB(SQLContract):
    @pytest.fixture
    def desk(self, mariadb_url: str) -> Iterator[Desk]:
        yield from opened(mariadb_url)
