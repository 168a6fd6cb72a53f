"""`guardkit tail`: everything that happens, in its order, once, and nothing lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from guardkit.cli.tail import Follower, Wanted
from guardkit.core.audit import AuditEntry, AuditEvent
from guardkit.core.principals import Principal
from guardkit.core.runs import Opening
from guardkit.sql import Database, SQLStore, audit, dialects, upgrade
from guardkit.testing import MemoryStore
from tests.unit.cli.conftest import following

WRITER = """
import sys
from guardkit.core.audit import AuditEvent
from guardkit.sql import SQLStore
store = SQLStore(sys.argv[1])
for number in range(25):
    events = [AuditEvent(kind=f"test.{sys.argv[2]}", thread_id="t", turn=1, data={"n": number})] * 2
    store.append("ab"[number % 2], events)
store.database.close()
"""


def happened(kind: str = "test.happened", thread: str | None = "t", **data: Any) -> AuditEvent:
    return AuditEvent(kind=kind, thread_id=thread, turn=None if thread is None else 1, data=data)


def tailing(url: str, folder: Path, *words: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """`guardkit tail` in a process of its own."""
    return following(url, folder, "tail", "--every", "0.1", *words)


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    """The next lines; it waits for them."""
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


def complaints(folder: Path) -> str:
    return (folder / "stderr").read_text()


def test_it_follows_until_it_is_interrupted(sqlite_url: str, tmp_path: Path) -> None:
    with closing(Database(sqlite_url)) as database, tailing(sqlite_url, tmp_path, "--since", "1h") as process:
        store = SQLStore(database)
        store.append("default", [happened("effect.recorded", tool="pay", state="done")])
        (first,) = lines(process, 1)
        assert first.endswith("  default t#1  pay: done\n")
        store.append("other", [happened("answer.withheld", thread="\x1b[2J\u202eu", cause="off_topic")])
        (second,) = lines(process, 1)
        assert second.endswith("  answer withheld: off topic\n")
        assert not {"\x1b", "\u202e"} & set(second)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert complaints(tmp_path) == ""


def test_it_ends_quietly_when_nobody_reads_any_more(sqlite_url: str, tmp_path: Path) -> None:
    with closing(Database(sqlite_url)) as database, tailing(sqlite_url, tmp_path, "--since", "1h") as process:
        SQLStore(database).append("default", [happened()])
        lines(process, 1)
        assert process.stdout is not None
        process.stdout.close()  # and nothing is ever written again
        assert process.wait(60) == 0
    assert complaints(tmp_path) == ""


def test_it_goes_on_from_its_position_after_it_was_killed(sqlite_url: str, tmp_path: Path) -> None:
    position = tmp_path / "position.json"
    words = ("--json", "--since", "1h", "--position", str(position))
    with closing(Database(sqlite_url)) as database:
        store = SQLStore(database)
        store.append("default", [happened(n=n) for n in range(3)])
        with tailing(sqlite_url, tmp_path, *words) as process:
            first = [json.loads(one) for one in lines(process, 3)]
        store.append("default", [happened(n=n) for n in range(3, 6)])
        with tailing(sqlite_url, tmp_path, *words) as process:
            later = [json.loads(one) for one in lines(process, 3)]
    # A kill between a line and its position shows the line again; it never leaves one out.
    assert [one["seq"] for one in first] == [1, 2, 3]
    seen = {one["seq"]: one["facts"]["n"] for one in [*first, *later]}
    if later[0]["seq"] == 4:
        assert seen == {seq: seq - 1 for seq in range(1, 7)}
    assert set(later[0]) == {"tenant", "seq", "at", "thread_id", "turn", "kind", "says", "tone", "facts"}
    assert later[0]["seq"] <= 4


def all_of_it(url: str, tmp_path: Path) -> None:
    """Three processes write into two chains at once while a fourth follows."""
    upgrade(url)
    with tailing(url, tmp_path, "--json", "--since", "1h") as process:
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER, url, name], env={"PATH": "/usr/bin:/bin"})
            for name in ("x", "y", "z")
        ]
        seen = [json.loads(one) for one in lines(process, 150)]
        assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    for tenant, count in (("a", 78), ("b", 72)):
        mine = [one for one in seen if one["tenant"] == tenant]
        assert [one["seq"] for one in mine] == list(range(1, count + 1))
    for name in "xyz":
        written = [
            one["facts"]["n"] for one in seen if one["kind"] == f"test.{name}" and one["tenant"] == "a"
        ]
        assert written == sorted([*range(0, 25, 2)] * 2)
    assert complaints(tmp_path) == ""


def test_nothing_is_lost_while_several_write_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    all_of_it(sqlite_url, tmp_path)


@pytest.mark.postgres
def test_nothing_is_lost_while_several_write_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    all_of_it(postgres_url, tmp_path)


@pytest.mark.mariadb
def test_nothing_is_lost_while_several_write_on_mariadb(mariadb_url: str, tmp_path: Path) -> None:
    all_of_it(mariadb_url, tmp_path)


def held_back(url: str) -> None:
    """A transaction that is long under way when later ones of another tenant commit, and one waits behind it."""
    upgrade(url)
    with Database(url) as database, Database(url) as elsewhere:
        store, other = SQLStore(database), SQLStore(elsewhere)
        store.append("a", [happened(n=0)])
        follower = Follower(other, None, other.heads())
        behind = threading.Thread(target=store.append, args=("a", [happened(n=2)]))
        with elsewhere.writing() as connection:
            audit.append(connection, "a", [happened(n=1)], dialects.now(connection))
            behind.start()
            store.append("b", [happened(n=9)])
            assert [entry.event.data["n"] for entry in taken(follower)] == [9]
        behind.join(60)
        assert [entry.event.data["n"] for entry in taken(follower)] == [1, 2]
        assert taken(follower) == []


@pytest.mark.postgres
def test_a_late_commit_is_not_passed_over_on_postgresql(postgres_url: str) -> None:
    held_back(postgres_url)


@pytest.mark.mariadb
def test_a_late_commit_is_not_passed_over_on_mariadb(mariadb_url: str) -> None:
    held_back(mariadb_url)


def taken(follower: Follower) -> list[AuditEntry]:
    """What is new, dealt with."""
    found: list[AuditEntry] = []
    for entry in follower.new():
        found.append(entry)
        follower.position[entry.tenant] = entry.seq
    return found


@given(strategies.lists(strategies.one_of(strategies.sampled_from("abc"), strategies.integers(0, 3))))
def test_whatever_comes_between_looks_every_entry_is_seen_in_order(doings: list[str | int]) -> None:
    """Letters append to a chain; a number deals with that many entries at most and then starts anew."""
    store = MemoryStore()
    position: dict[str, int] = {}
    seen: dict[str, list[int]] = {}

    def look(limit: int | None) -> None:
        follower = Follower(store, None, position)
        for number, entry in enumerate(follower.new()):
            if number == limit:
                break
            seen.setdefault(entry.tenant, []).append(entry.seq)
            follower.position[entry.tenant] = entry.seq
        position.update(follower.position)

    for doing in doings:
        if isinstance(doing, str):
            store.append(doing, [happened()] * 2)
        else:
            look(doing)
    look(None)
    assert seen == {tenant: list(range(1, newest + 1)) for tenant, newest in store.heads().items()}


def test_what_is_removed_or_restored_is_told(sqlite_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Database(sqlite_url) as database:
        store = SQLStore(database)
        store.append("a", [happened(n=n) for n in range(4)])
        with database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM gk_audit WHERE seq = 2")
        follower = Follower(store, None, {})
        assert [entry.seq for entry in taken(follower)] == [1, 3, 4]
        assert "lacks 2 to 2: run guardkit audit verify" in capsys.readouterr().err
        ahead = Follower(store, None, {"a": 9})
        assert taken(ahead) == []
        assert "an older database was restored" in capsys.readouterr().err
        store.append("a", [happened(n=4)])
        assert [entry.seq for entry in taken(ahead)] == [5]


def test_one_thread_agent_or_tenant_is_followed_with_the_stops_that_cover_it() -> None:
    store = MemoryStore()
    for thread, agent in (("t", "clerk"), ("u", "clerk@embedded"), ("v", "other")):
        store.open_run(
            Opening(
                tenant="default", thread_id=thread, agent=agent, owner="here", lease_seconds=30, new_turn=True,
                principal=Principal(id="kim"), fingerprint="f" * 64, policy_version="1",
            ),
            [happened(thread=thread)],
        )  # fmt: skip
    for scope, target in (("everything", None), ("agent", "clerk"), ("agent", "other"), ("run", "r")):
        store.append("*", [happened("stop.set", thread=None, scope=scope, target=target)])
    store.append("default", [happened("stop.set", thread="v", scope="thread", target="v")])
    everything = taken(Follower(store, None, {}))

    def shown(thread: str | None, agent: str | None) -> list[str]:
        wanted = Wanted(store, thread=thread, agent=agent)
        return [str(one.event.thread_id or one.event.data["target"]) for one in everything if wanted(one)]

    assert sorted(shown(None, None)) == sorted(["t", "u", "v", "v", "None", "clerk", "other", "r"])
    assert sorted(shown("t", None)) == sorted(["t", "None", "clerk", "other"])
    assert sorted(shown(None, "clerk")) == sorted(["t", "u", "None", "clerk"])
    assert sorted(shown("v", "clerk")) == sorted(["None", "clerk"])
    assert {one.tenant for one in taken(Follower(store, "default", {}))} == {"default"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--since", "yesterday"], "--since 'yesterday' is no time"),
        (["--position", "broken.json"], "broken.json cannot be read as a position"),
    ],
    ids=["since", "position"],
)
def test_what_cannot_be_followed_is_told(line: Any, words: list[str], says: str) -> None:
    (line.folder / "broken.json").write_text("[]")
    refused = line("tail", *words)
    assert refused.status == 2
    assert says in refused.err


@pytest.mark.parametrize("since", ["1h30m", "2000-01-01", "2000-01-01T00:00:00+02:00"])
def test_since_is_an_age_or_an_instant(sqlite_url: str, tmp_path: Path, since: str) -> None:
    with Database(sqlite_url) as database:
        SQLStore(database).append("default", [happened("test.first")])
    with tailing(sqlite_url, tmp_path, "--since", since) as process:
        assert lines(process, 1)[0].endswith("test.first\n")
