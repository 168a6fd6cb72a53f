"""Behind PgBouncer in transaction mode everything works, and news come past it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from sqlalchemy import make_url
from typer.testing import CliRunner

from guardkit import Finished
from guardkit.cli import app
from guardkit.core.approvals import ApprovalState
from guardkit.core.runs import StopOrder
from guardkit.core.values import JsonObject
from guardkit.errors import ConfigurationError
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.sql.news import News, try_news
from guardkit.testing import calls
from guardkit.testing.contracts import StoreContract
from tests.conftest import new_database
from tests.promises.scene import ASK, KIM, Scene, agent as react, approvals, ask, decide, payer, run, work
from tests.sql.emptied import emptied
from tests.sql.fenced import FencedSaver
from tests.sql.pooler import free_port, pooled

pytestmark = pytest.mark.postgres
PAY = {"claim": "C-1", "amount": 48}


@pytest.fixture(scope="module")
def direct() -> Iterator[str]:
    with new_database("postgres") as url:
        yield url


@pytest.fixture(scope="module")
def behind(direct: str) -> Iterator[str]:
    """The same database behind a pooler, brought up to date through it."""
    with pooled(direct) as url:
        upgrade(url)
        yield url


@pytest.fixture(scope="module")
def database(behind: str) -> Iterator[Database]:
    with Database(behind, schema="contract") as found:
        upgrade(found)
        yield found


@pytest.mark.again
class TestStoreInASchema(StoreContract):
    """Behind the pooler, in a schema besides: what either breaks is broken for both."""

    @pytest.fixture
    def store(self, database: Database) -> SQLStore:
        return emptied(database)


async def test_savers_conform(database: Database) -> None:
    emptied(database)

    @checkpointer_test(name="guardkit-pooler")
    async def fresh() -> AsyncGenerator[FencedSaver, None]:
        yield FencedSaver(database)

    report = (await validate(fresh)).results
    assert {name: result.failures for name, result in report.items() if result.failures} == {}
    assert all(result.detected for result in report.values())


@pytest.mark.promise("P3", "P12")
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_paused_agent_is_resumed_by_a_worker_in_a_schema(behind: str, mode: str) -> None:
    with Database(behind, schema=f"claims_{mode}") as database:
        upgrade(database)
        desk = Scene(database)  # pyright: ignore[reportArgumentType]  # a guard takes either
        paid: list[JsonObject] = []
        guard = desk.guard({"pay": ASK})
        tool = payer(guard, paid, key=lambda args: args.claim)
        graph = guard.compile(react([calls(("pay", PAY)), "Done."], [tool]), name="claims")
        config = guard.config("t-1", KIM)
        run(graph, ask(), config, "async" if mode == "async" else "sync")
        assert paid == []
        work(guard)
        assert desk.channel.sent
        decide(guard, approvals(guard, ApprovalState.PENDING)[0])
        work(guard)
        assert isinstance(guard.outcome(None, config), Finished)
        assert paid == [PAY]


def prepares(url: str) -> object:
    """From which execution on a statement is prepared; never where it is `None`."""
    with Database(url) as database, database.reading() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        return driver.prepare_threshold


def test_nothing_is_prepared_for_the_session_of_somebody_else(direct: str, behind: str) -> None:
    assert prepares(direct) is not None
    assert prepares(behind) is None


def stop(url: str, name: str) -> None:
    with Database(url) as database:
        SQLStore(database).set_stop(
            StopOrder(id=name, scope="everything", tenant=None, target=None, by="olga", why="drill", at=0.0)
        )


def test_through_a_pooler_nothing_is_heard_and_past_it_everything(direct: str, behind: str) -> None:
    with Database(behind) as deaf, Database(behind, listen=direct) as hearing:
        emptied(deaf)
        unheard, heard = News(deaf), News(hearing)
        try:
            assert not unheard.wait(0.1)
            assert not unheard.hears
            heard.wait(0.1)
            assert heard.hears
            stop(behind, "s-1")
            assert not unheard.wait(0.2)
            assert heard.wait(60.0)
            assert not heard.wait(0.2)
        finally:
            unheard.close()
            heard.close()
        assert "through a pooler" in try_news(deaf)
        assert "heard at" in try_news(hearing)


def test_an_own_url_at_which_nothing_is_heard_is_told(direct: str, behind: str) -> None:
    with Database(behind, listen=behind) as database:
        with pytest.raises(ConfigurationError, match="not heard") as told:
            try_news(database)
        assert "pooler" in str(told.value.remedy)
        news = News(database)
        assert not news.wait(0.1)
        assert not news.hears
    with (
        new_database("postgres") as another,
        Database(behind, listen=another) as database,
        pytest.raises(ConfigurationError, match="not heard"),
    ):
        try_news(database)


def test_a_worker_goes_on_while_the_url_for_listening_is_away(behind: str) -> None:
    away = f"postgresql://postgres@127.0.0.1:{free_port()}/none"
    with Database(behind, listen=away) as database:
        news = News(database)
        assert not news.wait(0.1)
        assert news.hears, "it is tried again"
        news.close()


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("mysql://root@127.0.0.1:1/none", "names 'mysql"),
        ("postgresql+psycopg2://kim:geheim@127.0.0.1:1/none", "names 'postgresql"),
        ("nonsense", "cannot be read"),
    ],
)
def test_what_is_no_url_for_listening_is_refused(listen: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        Database("postgresql://nobody@127.0.0.1:1/none", listen=listen)
    assert "geheim" not in str(refused.value)
    assert refused.value.remedy


@pytest.mark.parametrize("url", ["sqlite:///guardkit.db", "mysql://nobody@127.0.0.1:1/none"])
def test_only_postgresql_listens(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no LISTEN"):
        Database(url, listen="postgresql://nobody@127.0.0.1:1/none")


def test_the_doctor_says_how_news_come_in(direct: str, behind: str) -> None:
    def says(**more: str) -> tuple[bool, str]:
        ran = CliRunner().invoke(app, ["doctor", "--json"], env={"GUARDKIT_DATABASE": behind, **more})
        (found,) = [one for one in json.loads(ran.stdout) if one["what"] == "news"]
        return found["ok"], found["says"]

    ok, said = says()
    assert ok
    assert "through a pooler" in said
    assert says(GUARDKIT_DATABASE_LISTEN=direct) == (
        True,
        f"heard at {make_url(direct).render_as_string()}",
    )
    ok, said = says(GUARDKIT_DATABASE_LISTEN=behind)
    assert not ok
    assert "not heard" in said
