"""What waits in a database, as gauges say it, on all three kinds of databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from guardkit.core import telemetry_names as names
from guardkit.core.approvals import ApprovalDecision, ApprovalState, close
from guardkit.core.backlog import Backlog
from guardkit.core.breaking import break_glass
from guardkit.core.effects import EffectState
from guardkit.core.people import Assurance
from guardkit.core.reviews import Closed, ReviewVerdict
from guardkit.errors import ConfigurationError, StorageError
from guardkit.otel import observe
from guardkit.otel.gauges import AGENTS, OTHER
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.testing.contracts import samples


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mariadb", marks=pytest.mark.mariadb),
    ]
)
def store(request: pytest.FixtureRequest) -> Iterator[SQLStore]:
    url: str = request.getfixturevalue(f"{request.param}_url")
    upgrade(url)
    with Database(url) as database:
        yield SQLStore(database)


def of(store: SQLStore, agent: str = "agent") -> Backlog:
    return next((one for one in store.backlog() if one.agent == agent), Backlog(agent=agent))


def test_an_empty_database_has_no_backlog(store: SQLStore) -> None:
    assert store.backlog() == []


def test_questions_wait_until_they_are_settled(store: SQLStore) -> None:
    first, second = samples.paused(store, "t", approvals=2)
    samples.paused(store, "u", tenant="other")
    found = of(store)
    assert (found.pending, found.due, found.dead_letters, found.in_doubt) == (3, 0, 0, 0)
    asked = min(one.request.requested_at for one in store.listed())
    assert 0 <= found.pending_age <= store.now() - asked
    samples.approved(store, first)
    store.settle(close(second, ApprovalState.CANCELLED, store.now()), 0, [])
    found = of(store)
    assert (found.pending, found.due) == (1, 1)


def test_a_broken_glass_waits_until_it_is_reviewed(store: SQLStore) -> None:
    run = samples.opened(store).run
    (approval,) = store.register(run, [samples.request(run, break_glass=samples.GLASS)], [])
    said = ApprovalDecision(
        approval_id=approval.request.id, digest=approval.digest, kind="break_glass", person="ben",
        assurance=Assurance.OIDC, via="web", reason="the house is on fire", stage=0, decided_at=store.now() - 10,
    )  # fmt: skip
    assert store.settle(break_glass(approval, said, samples.BEN, []), 0, [])
    found = of(store)
    assert (found.reviews, found.reviews_overdue) == (1, 1), "there were 50 milliseconds"
    assert 10 <= found.reviews_age < 600
    review = store.review(samples.TENANT, approval.request.id)
    assert review is not None
    end = Closed(verdict=ReviewVerdict.JUSTIFIED, by="cleo", via="web", comment="yes", at=store.now())
    assert store.change_review(review, review.model_copy(update={"closed": end}), [])
    assert (of(store).reviews, of(store).reviews_age, of(store).reviews_overdue) == (0, 0.0, 0)


def test_a_dead_letter_is_not_due_until_it_is_redriven(store: SQLStore) -> None:
    samples.approved(store, samples.paused(store)[0])
    (thread,) = store.due()
    assert of(store).due == 1
    store.dead_letter(thread, "the graph changed")
    assert (of(store).due, of(store).dead_letters) == (0, 1)
    store.redrive(thread.tenant, thread.thread_id, by="ops")
    assert (of(store).due, of(store).dead_letters) == (1, 0)


def test_an_abandoned_thread_is_due_and_can_become_a_dead_letter(store: SQLStore) -> None:
    samples.opened(store, lease_seconds=0.001)
    while not store.due():
        pass
    assert of(store).due == 1
    assert of(store).due_lag >= 0
    store.dead_letter(store.due()[0], "its data is gone")
    assert (of(store).due, of(store).dead_letters) == (0, 1)


def test_an_effect_is_in_doubt_as_the_ledger_says(store: SQLStore) -> None:
    run = samples.opened(store).run
    for key in ("recorded", "left"):
        store.claim(run, key=key, tool="pay", digest="d" * 64, action_id="a" * 32, approval=None, events=[])
    assert of(store).in_doubt == 0
    store.record(run, key="recorded", state=EffectState.IN_DOUBT, result=None, events=[])
    assert of(store).in_doubt == 1
    store.close_run(run, samples.closing("failed"), [])
    assert of(store).in_doubt == len(store.effects(state=EffectState.IN_DOUBT)) == 2


def test_a_graph_inside_an_unguarded_one_counts_with_its_agent_and_is_never_due(store: SQLStore) -> None:
    store.open_run(samples.opening("t|inner", agent="agent@embedded", lease_seconds=0.001), [])
    while not store.due():
        pass
    run = store.open_run(samples.opening("t|inner", agent="agent@embedded", new_turn=False), []).run
    store.register(run, [samples.request(run)], [])
    store.close_run(run, samples.closing("paused"), [])
    assert [(one.agent, one.pending, one.due) for one in store.backlog()] == [("agent", 1, 0)]


def test_tables_that_are_not_those_of_the_code_are_noticed(sqlite_url: str) -> None:
    with Database(sqlite_url) as database:
        database.check()
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE gk_alembic_version SET version_num = '9999'")
        with pytest.raises(ConfigurationError, match="9999, newer than"):
            database.check()


def test_every_fault_of_the_database_is_told(sqlite_url: str) -> None:
    told: list[str] = []
    with Database(sqlite_url.replace("guardkit.db", "gone/guardkit.db")) as database:
        database.on_fault = told.append
        with pytest.raises(StorageError):
            database.now()
    assert told == ["StorageError"]


# --- gauges ----------------------------------------------------------------------------------------------------------


class Gauges:
    """Gauges over a backlog that can be exchanged."""

    def __init__(self, found: Sequence[Backlog] | Exception, **options: object) -> None:
        self.found = found
        self.reads = 0
        self.reader = InMemoryMetricReader()
        observe(self.read, meter_provider=MeterProvider([self.reader]), **options)  # pyright: ignore[reportArgumentType]

    def read(self) -> Sequence[Backlog]:
        self.reads += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def seen(self) -> dict[tuple[str, str | None], float]:
        """Values by metric and agent."""
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            (
                metric.name,
                None if point.attributes is None else str(point.attributes.get(names.AGENT)),
            ): point.value
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if isinstance(point, NumberDataPoint)
        }


def test_one_look_serves_all_gauges_of_a_collection() -> None:
    gauges = Gauges([Backlog(agent="a", pending=2, in_doubt=1)], agents=["b"], fresh=3600.0)
    seen = gauges.seen()
    assert seen[names.PENDING, "a"] == 2
    assert seen[names.IN_DOUBT, "a"] == 1
    assert seen[names.PENDING, "b"] == 0, "an agent of whose nothing waits has its series"
    assert (gauges.seen() == seen, gauges.reads) == (True, 1)


def test_while_the_database_is_down_only_that_is_said() -> None:
    gauges = Gauges([Backlog(agent="a", pending=2)], fresh=0.0)
    assert gauges.seen()[names.DATABASE_UP, "None"] == 1
    gauges.found = StorageError("the database cannot be reached")
    assert gauges.seen() == {(names.DATABASE_UP, "None"): 0}
    gauges.found = []
    assert gauges.seen() == {(names.DATABASE_UP, "None"): 1}


@pytest.mark.promise("P13")
def test_however_many_agents_there_are_the_series_are_few() -> None:
    many = [Backlog(agent=f"agent-{number:04}", pending=1, pending_age=number) for number in range(1000)]
    seen = Gauges(many).seen()
    pending = {agent: value for (name, agent), value in seen.items() if name == names.PENDING}
    assert len(pending) == AGENTS
    assert sum(pending.values()) == 1000
    assert seen[names.PENDING_AGE, OTHER] == 999
