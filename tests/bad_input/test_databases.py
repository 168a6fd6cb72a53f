"""Databases that cannot be reached, or are none: an error that says which, and no run."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from guardkit import Guard
from guardkit.errors import ConfigurationError, GuardkitError, StorageError
from guardkit.testing import calls
from tests.promises.scene import KIM, ask, compiled, policy_of

pytestmark = [pytest.mark.promise("P15", "P7")]


def tried(url: str) -> list[str]:
    """Run an agent with one allowed effect on a database; returns what it paid."""
    paid: list[str] = []
    guard = Guard(url, policy=policy_of({"pay": "allow"}))

    @guard.effect
    def pay() -> str:
        """Pay."""
        paid.append("paid")
        return "paid"

    graph = compiled(guard, ["done"], [pay])
    try:
        graph.invoke(ask(), guard.config("thread", KIM))
    finally:
        guard.database.close()
    return paid


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_closed_port_is_a_storage_error_that_names_the_place_and_no_password(
    driver: str, closed_port: int
) -> None:
    with pytest.raises(StorageError) as caught:
        tried(f"{driver}://kim:geheim@127.0.0.1:{closed_port}/claims")
    assert f"127.0.0.1:{closed_port}/claims" in caught.value.message
    assert "geheim" not in str(caught.value)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "guardkit.db"
    with pytest.raises(StorageError) as caught:
        tried(f"sqlite:///{path}")
    assert str(path) in caught.value.message
    assert not path.parent.exists()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        tried(f"sqlite:///{tmp_path}")
    assert str(tmp_path) in caught.value.message


def test_a_file_of_another_kind_is_no_database_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 500, encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        tried(f"sqlite:///{path}")
    assert str(path) in caught.value.message
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        pytest.param("claims.db", "cannot be read", id="a path instead of a URL"),
        pytest.param("", "cannot be read", id="empty"),
        pytest.param("postgresql://kim:geheim@host:port/claims", "cannot be read", id="a port that is no number"),
        pytest.param("mongodb://kim:geheim@host/claims", "does not know the database 'mongodb'", id="another database"),
        pytest.param("sqlite://", "in memory", id="in memory"),
        pytest.param("sqlite:///:memory:", "in memory", id="in memory by name"),
        pytest.param("sqlite+aiosqlite:///claims.db", "'sqlite\\+aiosqlite' is not supported", id="an async driver"),
        pytest.param("postgresql+nonsense://host/claims", "no driver 'postgresql\\+nonsense'", id="an unknown driver"),
    ],
)  # fmt: skip
def test_a_wrong_url_is_refused_when_the_guard_is_built(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        Guard(url, policy=policy_of({"pay": "allow"}))
    assert caught.value.remedy is not None
    assert "sqlite:///" in caught.value.remedy
    assert "geheim" not in str(caught.value)


def test_a_database_that_goes_away_stops_the_run_before_the_effect(tmp_path: Path) -> None:
    path = tmp_path / "guardkit.db"
    paid: list[str] = []
    guard = Guard(f"sqlite:///{path}", policy=policy_of({"pay": "allow"}))

    @guard.effect
    def pay() -> str:
        """Pay."""
        paid.append("paid")
        return "paid"

    def gone(messages: object) -> object:
        with guard.database.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE effects RENAME TO lost_effects")
        return calls(("pay", {}))

    graph = compiled(guard, [gone, "done"], [pay])
    with pytest.raises(GuardkitError) as caught:
        graph.invoke(ask(), guard.config("thread", KIM))
    guard.database.close()
    assert isinstance(caught.value, StorageError)
    assert paid == []
