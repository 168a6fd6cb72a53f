"""Answers as rows: filled by the migration, gone with their approval, counted where everything is encrypted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, select

from guardkit.core.approvals import Approval
from guardkit.core.encryption import encryption_key
from guardkit.core.listings import keys_of
from guardkit.core.stages import ApprovalStage
from guardkit.core.stats import person_hash
from guardkit.sql import Database, SQLStore, encrypt_database, upgrade
from guardkit.sql.downgrades import downgrade, plan_downgrade
from guardkit.sql.side_tables import answers
from guardkit.sql.tables import approvals, deliveries
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.samples import ADA, BEN, TENANT
from tests.sql.planted import keys

STAGE = ApprovalStage(approvers=("ada", "ben"), channels=("desk",))


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


def answered(store: SQLStore, thread: str, *people: Any) -> Approval:
    """A question that some people have approved, one stage after the other."""
    run = samples.opened(store, thread).run
    asked = samples.request(run, stages=(STAGE,) * len(people))
    (approval,) = store.register(run, [asked.model_copy(update={"rules": ("b", "a")})], [])
    store.close_run(run, samples.closing("paused"), [])
    for person in people:
        after = samples.said(store, approval, person)
        assert store.settle(after, approval.version, [])
        approval = after
    return approval


def rows(database: Database) -> list[tuple[Any, ...]]:
    with database.reading() as connection:
        found = connection.execute(select(answers).order_by(answers.c.approval_id, answers.c.number))
        return [(*row[:3], round(row.at, 3), round(row.waited, 2), *row[5:]) for row in found]


def test_answers_of_older_releases_are_counted_after_an_upgrade(url: str) -> None:
    with Database(url) as database:
        store = SQLStore(database)
        answered(store, "a", ADA, BEN)
        answered(store, "b", BEN)
        before, counted = rows(database), store.measure(TENANT, 0.0, 9e9)
    assert len(before) == 3
    assert [one.what for one in plan_downgrade(url, "0012").lost] == []
    downgrade(url, "0012", by="dana")
    upgrade(url)
    with Database(url) as database:
        assert rows(database) == before
        after = SQLStore(database).measure(TENANT, 0.0, 9e9)
    assert (after.rules, after.requests, after.stages) == (counted.rules, counted.requests, counted.stages)


def test_a_message_to_reviewers_holds_a_downgrade_back(database: Database, url: str) -> None:
    answered(SQLStore(database), "a", ADA)
    with database.writing() as connection:
        connection.execute(deliveries.update().values(kind="review"))
    assert [one.what for one in plan_downgrade(url, "0012").unreadable] == ["gk_deliveries"]


def test_answers_go_with_their_approval(database: Database) -> None:
    answered(SQLStore(database), "a", ADA)
    assert len(rows(database)) == 1
    with database.writing() as connection:
        connection.execute(delete(deliveries))
        connection.execute(delete(approvals))
    assert rows(database) == []


@pytest.mark.promise("P13")
def test_who_answered_is_no_name_in_the_rows(database: Database) -> None:
    answered(SQLStore(database), "a", ADA, BEN)
    held = rows(database)
    assert {row[7] for row in held} == {person_hash("ada"), person_hash("ben")}
    assert "ada" not in str([row[4:7] + row[8:] for row in held])
    assert {row[8] for row in held} == {"a,b"}


@pytest.mark.promise("P13")
def test_answers_are_counted_by_name_where_everything_is_encrypted(sqlite_url: str) -> None:
    upgrade(sqlite_url)
    with Database(sqlite_url) as plain:
        answered(SQLStore(plain), "a", ADA, BEN)
        counted = SQLStore(plain).measure(TENANT, 0.0, 9e9)
    key = encryption_key()
    with Database(sqlite_url, encryption=keys(key, accepts_plain=True)) as database:
        encrypt_database(database, by="ops")
    with Database(sqlite_url, encryption=keys(key)) as database:
        store = SQLStore(database)
        assert store.measure(TENANT, 0.0, 9e9) == counted
        assert {row[7] for row in rows(database)}.isdisjoint({person_hash("ada"), person_hash("ben")})
        answered(store, "b", ADA)
        found = store.measure(TENANT, 0.0, 9e9)
        assert {one.who: one.counts.approve for one in found.approvers} == {
            person_hash("ada"): 2,
            person_hash("ben"): 1,
        }
        samples.paused(store, "c")
        assert store.count_waiting(TENANT, keys_of(ADA)) == 1
