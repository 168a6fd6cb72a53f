"""News of what is due: heard from other processes, never needed, and quiet where nothing happens."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from guardkit.core.runs import StopOrder
from guardkit.errors import StorageError
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.sql.news import News, tell

LONG = 120.0
"""Seconds that nobody waits for if news arrives."""

SHORT = 0.3


@pytest.fixture(params=["sqlite_url", "postgres_url", "mariadb_url"])
def url(request: pytest.FixtureRequest) -> str:
    found = str(request.getfixturevalue(request.param))
    upgrade(found)
    return found


@pytest.fixture
def hears(url: str) -> bool:
    """Whether this kind of database tells."""
    return make_url(url).get_backend_name() in ("sqlite", "postgresql")


@pytest.fixture
def news(url: str) -> Iterator[News]:
    with Database(url) as database:
        database.prepare()
        listening = News(database)
        listening.wait(SHORT)  # from here on nothing is missed
        yield listening
        listening.close()


def stop(url: str) -> None:
    """Make something due; in another process, as far as the waiting one can tell."""
    with Database(url) as database:
        SQLStore(database).set_stop(
            StopOrder(
                id=f"s-{os.getpid()}",
                scope="everything",
                tenant=None,
                target=None,
                by="olga",
                why="drill",
                at=0.0,
            )
        )


def test_what_another_process_commits_is_heard(url: str, news: News, hears: bool) -> None:
    process = multiprocessing.get_context("spawn").Process(target=stop, args=(url,))
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(news.wait, LONG if hears else SHORT)
        process.start()
        assert heard.result() is hears
    process.join(60)
    assert process.exitcode == 0


def test_what_is_committed_between_two_waits_is_heard(url: str, news: News, hears: bool) -> None:
    stop(url)
    assert news.wait(LONG if hears else SHORT) is hears


def test_nothing_is_heard_where_nothing_happens(news: News) -> None:
    assert not news.wait(SHORT)


def test_what_is_rolled_back_is_not_heard(url: str, news: News) -> None:
    def fails(database: Database) -> None:
        with database.writing() as connection:
            tell(connection)
            connection.execute(text("DELETE FROM gk_nothing"))

    with Database(url) as database, pytest.raises(StorageError):
        fails(database)
    assert not news.wait(SHORT)


@pytest.mark.parametrize("url", ["postgres_url"], indirect=True)
def test_a_lost_connection_is_made_again(url: str, news: News) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        ended = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    engine.dispose()
    assert ended >= 1
    assert not news.wait(SHORT), "the connection is gone"
    assert news.wait(LONG), "and what was told meanwhile may have been missed, so one look is due"
    stop(url)
    assert news.wait(LONG)


def test_a_database_that_is_away_brings_no_news(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for away in ("postgresql+psycopg://nobody@127.0.0.1:1/none", f"sqlite:///{tmp_path / 'folder'}"):
        with Database(away) as database:
            news = News(database)
            assert not news.wait(SHORT)
            assert not news.wait(SHORT)
            news.close()
