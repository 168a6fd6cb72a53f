"""What falls due outside of quiet hours and would go out in them, on every database that guardkit knows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from guardkit.core.approvals import Approval
from guardkit.core.calendars import Calendar
from guardkit.core.runs import Delivery
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.sql.tables import approvals, deliveries
from guardkit.testing.contracts import samples

HOUR = 3600.0


class Desk:
    """A store in whose stages it is quiet for another half an hour."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = SQLStore(database)
        now = datetime.fromtimestamp(self.store.now(), UTC)
        minute = now.hour * 60 + now.minute
        quiet = ((minute - 60) % 1440, (minute + 30) % 1440)
        self.calendar = Calendar(name="desk", zone="UTC", week=(((0, 1440),),) * 7, quiet=quiet)

    def ask(self, thread_id: str, *, quiet: bool) -> Approval:
        run = samples.opened(self.store, thread_id).run
        stage = samples.STAGE.model_copy(update={"calendar": self.calendar if quiet else None})
        return self.store.register(run, [samples.request(run, stages=(stage,))], [])[0]

    def next_at(self, approval: Approval) -> float:
        with self.database.reading() as connection:
            chosen = select(deliveries.c.next_at).where(deliveries.c.approval_id == approval.request.id)
            return connection.execute(chosen).scalar_one()

    def make_due(self) -> None:
        """Every message fell due an hour ago, and nobody was there to send it."""
        with self.database.writing() as connection:
            connection.execute(update(deliveries).values(next_at=self.store.now() - HOUR))

    def damage(self, approval: Approval) -> None:
        with self.database.writing() as connection:
            row = update(approvals).where(approvals.c.id == approval.request.id)
            connection.execute(row.values(request="{"))


@pytest.fixture(
    params=[
        "sqlite_url",
        pytest.param("postgres_url", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", marks=pytest.mark.mariadb),
    ]
)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    url = request.getfixturevalue(request.param)
    upgrade(url)
    with Database(url) as database:
        yield Desk(database)


def about(sent: list[Delivery]) -> list[str]:
    return [one.approval_id for one in sent]


def test_what_nobody_sent_before_quiet_hours_waits_for_their_end(desk: Desk) -> None:
    quiet, loud = desk.ask("a", quiet=True), desk.ask("b", quiet=False)
    ends = desk.calendar.audible(desk.store.now())
    assert desk.next_at(quiet) == pytest.approx(ends)
    desk.make_due()
    assert about(list(desk.store.deliveries())) == [loud.request.id]
    assert desk.next_at(quiet) == pytest.approx(ends)
    assert list(desk.store.deliveries()) == []


def test_an_outcome_does_not_wait(desk: Desk) -> None:
    approval = desk.ask("a", quiet=True)
    with desk.database.writing() as connection:
        connection.execute(update(deliveries).values(attempts=1))
    samples.approved(desk.store, approval)
    assert [one.kind for one in desk.store.deliveries()] == ["outcome"]


def test_a_damaged_question_holds_no_other_message_back(desk: Desk) -> None:
    damaged, other = desk.ask("a", quiet=True), desk.ask("b", quiet=False)
    desk.make_due()
    desk.damage(damaged)
    assert sorted(about(list(desk.store.deliveries()))) == sorted([damaged.request.id, other.request.id])
