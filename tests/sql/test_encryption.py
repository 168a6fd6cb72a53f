"""Encryption at rest, on each database that guardkit knows."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, make_url, select, text, update

from guardkit.core.encryption import Encryption, encryption_key
from guardkit.core.listings import ListName, ListQuery, keys_of
from guardkit.core.threads import ThreadQuery
from guardkit.errors import ConfigurationError, InputError, MissingKeyError, SealError
from guardkit.sql import (
    Database,
    SQLAlchemySaver,
    SQLStore,
    check_encryption,
    encrypt_database,
    inspect_database,
    plan_downgrade,
    upgrade,
)
from guardkit.sql.resealing import TABLES, keys_of as keys_in, pages
from guardkit.sql.secrecy import HASHED, OPEN, SEALED, STATES, is_constant, row_values, secrecy
from guardkit.sql.side_tables import metadata, sealing
from guardkit.sql.state_places import PLACES
from guardkit.sql.tables import approvals, audit, blobs, turns
from guardkit.testing.contracts import samples
from tests.conftest import installed
from tests.sql.planted import UMA, WORDS, keys, live, seen, word

ROOT = Path(__file__).parents[2]
COLUMNS = sorted(
    [(table, name) for table, names in SEALED.items() for name in names]
    + [(table, column) for table, places in PLACES.items() for _, column, _ in places],
    key=lambda one: (one[0].name, one[1]),
)


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


def everything(url: str) -> bytes:
    """Every byte that a database keeps, as whoever takes its files or a backup has it."""
    parts = make_url(url)
    match parts.get_backend_name():
        case "sqlite":
            assert parts.database is not None
            file = Path(parts.database)
            return b"".join(one.read_bytes() for one in sorted(file.parent.glob(f"{file.name}*")))
        case "postgresql":
            plain = parts.set(drivername="postgresql").render_as_string(hide_password=False)
            command = [installed("pg_dump"), plain]
        case _:
            where = [f"--host={parts.host}", f"--port={parts.port}", f"--user={parts.username}"]
            command = [installed("mariadb-dump"), *where, "--single-transaction", str(parts.database)]
    return subprocess.run(command, check=True, capture_output=True, timeout=300).stdout


def found_in(data: bytes) -> set[str]:
    """The planted words in bytes, in clear and as the hexadecimal digits in which dumps write bytes."""
    low = data.lower()
    return {one for one in WORDS if one.encode() in low or one.encode().hex().encode() in low}


def refused(url: str, encryption: Encryption | None, kind: type[Exception], says: str) -> None:
    """See that a database is not opened."""
    with Database(url, encryption=encryption) as database, pytest.raises(kind, match=says):
        database.prepare()


def cleaned(url: str) -> None:
    """Do away with what deleted and changed rows have left in an SQLite file, as the documentation says."""
    with Database(url) as database, database.engine.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("VACUUM")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_of_each_column_it_is_said_how_it_is_kept() -> None:
    every = {f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.columns}
    unknown = [
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if secrecy(column) is None
    ]
    assert unknown == [], "say in guardkit/sql/secrecy.py how it is kept"
    said = [f"{table}.{name}" for table, names in OPEN.items() for name in names.split()]
    for kept in (SEALED, STATES, HASHED):
        said += [f"{table.name}.{name}" for table, names in kept.items() for name in names]
    assert len(said) == len(set(said)), "once"
    assert set(said) == every, "and of nothing else"
    assert {table: tuple(c for _, c, _ in places) for table, places in PLACES.items()} == dict(STATES)


@pytest.mark.promise("P13")
def test_no_byte_of_an_encrypted_database_tells_what_anybody_wrote(url: str) -> None:
    with Database(url, encryption=Encryption.generate()) as database:
        live(database)
        told = seen(database)
        checked = check_encryption(database)
        assert [one for one in inspect_database(database) if not one.ok] == []
    missing = [one for one in WORDS if one not in repr(told) and one != word("reply")]
    assert [one for one in missing if not one.startswith("planted-stop") and "lifted" not in one] == []
    assert found_in(everything(url)) == set()
    assert all(one.bad == 0 and "" not in one.keys for one in checked), checked
    assert [one.table for one in checked if not one.values] == [], "every column was written"


def test_without_a_key_every_planted_word_is_found(sqlite_url: str) -> None:
    with Database(sqlite_url) as database:
        live(database)
        data = everything(sqlite_url)
    compressed = {word("value"), word("second"), word("metadata"), word("write")}
    assert found_in(data) >= set(WORDS) - compressed


def test_what_is_there_is_encrypted_and_reads_as_before(url: str) -> None:
    with Database(url) as database:
        live(database)
        live(database, "acme")
        before = [seen(database), seen(database, "acme")]
    key = encryption_key()
    refused(url, keys(key), ConfigurationError, "guardkit db encrypt")
    with Database(url, encryption=keys(key, accepts_plain=True)) as database:
        assert [seen(database), seen(database, "acme")] == before, "before anything is encrypted"
        done = encrypt_database(database, by="ops", batch=7)
        assert done.total > 20
        assert encrypt_database(database, by="ops").total in (0, 1), "nothing is left"
        entries = SQLStore(database).entries("*")
    assert [(one.event.kind, one.event.data["key"]) for one in entries] == [
        ("database.encrypted", done.key_id)
    ] * 2
    if url.startswith("sqlite"):
        cleaned(url)
    assert found_in(everything(url)) == set()
    refused(url, None, MissingKeyError, "GUARDKIT_ENCRYPTION_KEY")
    with Database(url, encryption=keys(key)) as database:
        assert [seen(database), seen(database, "acme")] == before
        assert all(one.bad == 0 for one in check_encryption(database))
        assert looked_up(database) == ["asked-1", "dead-1", "ended-1", "glass-1"]
        told = str(plan_downgrade(database, "0012").unreadable)
        assert "gk_audit" in told


def looked_up(database: Database) -> list[str]:
    """Threads of a person, after seeing that a desk finds its questions too."""
    store = SQLStore(database)
    who = keys_of(samples.ADA)
    found = store.find_listed("default", who, ListQuery(list=ListName.HISTORY, tool="pay_claim"))
    assert len(found) == 3
    assert store.find_listed("default", who, ListQuery(list=ListName.HISTORY, tool="other")) == []
    some = store.find_listed("default", who, ListQuery(list=ListName.HISTORY, requester=UMA))
    assert len(some) == 1
    page = store.find_threads(ThreadQuery(tenant="default", principal=UMA))
    return sorted(one.thread_id for one in page.threads)


def test_hashes_of_what_may_be_guessed_are_keyed(sqlite_url: str) -> None:
    plain: dict[str, set[str]] = {}
    with Database(sqlite_url) as database:
        live(database)
        plain = hashes(database)
    with Database(sqlite_url, encryption=keys(encryption_key(), accepts_plain=True)) as database:
        live(database, mark="2")
        assert looked_up_both(database) == 8, "those that are not encrypted yet are found beside the others"
        encrypt_database(database, by="ops")
        keyed = hashes(database)
    assert plain
    for column, values in plain.items():
        assert values.isdisjoint(keyed[column])
        assert {len(one) for one in values} == {len(one) for one in keyed[column]}


def hashes(database: Database) -> dict[str, set[str]]:
    """Every hash of what may be guessed."""
    with database.reading() as connection:
        return {
            f"{table.name}.{name}": set(connection.execute(select(table.c[name])).scalars()) - {""}
            for table, names in HASHED.items()
            for name in names
        }


def looked_up_both(database: Database) -> int:
    """How many threads of a person are found."""
    return len(SQLStore(database).find_threads(ThreadQuery(tenant="default", principal=UMA)).threads)


def test_a_new_key_takes_over_and_the_old_one_is_needed_no_more(url: str) -> None:
    old, new = encryption_key(), encryption_key()
    with Database(url, encryption=keys(old)) as database:
        live(database)
        before = seen(database)
        found = hashes(database)
    refused(url, keys(new), SealError, "does not have")
    with Database(url, encryption=keys(new, old)) as database:
        assert seen(database) == before
        live(database, mark="2")
        assert len({key for one in check_encryption(database) for key in one.keys}) == 2, "both are in use"
        done = encrypt_database(database, by="ops")
        before = [seen(database), seen(database, mark="2")]
    with Database(url, encryption=keys(new)) as database:
        assert [seen(database), seen(database, mark="2")] == before
        used = {key for one in check_encryption(database) for key in one.keys}
        assert used == {done.key_id}
        assert all(found[name] <= there for name, there in hashes(database).items()), "hashes stay"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database of two tenants, with two rows of everything in each."""
    made = f"sqlite:///{tmp_path_factory.mktemp('lived') / 'guardkit.db'}"
    with Database(made, encryption=Encryption.generate()) as database:
        for tenant in ("default", "acme"):
            for mark in ("1", "2"):
                live(database, tenant, mark)
        yield database


def rows_with(database: Database, table: Table, column: str) -> list[dict[str, Any]]:
    """Rows that have something in a column."""
    found = [dict(row) for page in pages(database, table, 1000) for row in page]
    return [row for row in found if row[column] is not None and not is_constant(table, column, row[column])]


def written(database: Database, table: Table, row: dict[str, Any], values: dict[str, Any]) -> None:
    """Write to a row behind guardkit's back."""
    where = [table.c[key.name] == row[key.name] for key in table.primary_key.columns]
    with database.writing() as connection:
        assert connection.execute(update(table).where(*where).values(**values)).rowcount == 1


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=[f"{t.name}.{c}" for t, c in COLUMNS])
def test_no_value_is_forged_changed_or_moved(lived: Database, table: Table, column: str) -> None:
    rows = rows_with(lived, table, column)
    victim = rows[0]
    own = victim[column]
    others = [row[column] for row in rows[1:]]
    assert others, "there are several"
    if isinstance(own, str):
        forged: list[Any] = ["forged", '{"v":1,"value":{}}', own[:-8] + "AAAAAAA=", own[:30], own[:4]]
    else:
        forged = [b"forged", b"", own[:-1] + bytes([own[-1] ^ 1]), own[:20], own[:4]]
    for value in [*others, *forged]:
        written(lived, table, victim, {column: value})
        try:
            bad = {one.table: one.bad for one in check_encryption(lived) if one.bad}
        finally:
            written(lived, table, victim, {column: own})
        assert bad == {table.name: 1}
    assert [one for one in check_encryption(lived) if one.bad] == []


@pytest.mark.promise("P15")
def test_whoever_reads_a_forged_value_is_told_so(sqlite_url: str) -> None:
    with Database(sqlite_url, encryption=Encryption.generate()) as database:
        live(database)
        store, saver = SQLStore(database), SQLAlchemySaver(database)
        config: Any = {"configurable": {"thread_id": "saved-1"}}
        reads: list[tuple[Table, str, Any]] = [
            (approvals, "args", lambda: store.listed(tenant="default")),
            (turns, "principal", lambda: store.turn("default", "asked-1")),
            (audit, "data", lambda: store.entries("default")),
            (blobs, "value", lambda: SQLAlchemySaver(database).get_tuple(config)),
        ]
        assert saver.get_tuple(config) is not None
        for table, column, read in reads:
            rows = rows_with(database, table, column)
            for row in rows:
                written(database, table, row, {column: "{}" if isinstance(row[column], str) else b"{}"})
            with pytest.raises(
                SealError, match=f"{table.name}.{column} of tenant 'default' is not encrypted"
            ):
                read()
            (told,) = [one for one in inspect_database(database) if not one.ok]
            assert (told.what, table.name in told.says) == ("encryption", True)
            for row in rows:
                written(database, table, row, {column: row[column]})
            read()


def test_a_difference_is_bound_to_what_it_rests_on(sqlite_url: str) -> None:
    with Database(sqlite_url, encryption=Encryption.generate()) as database:
        live(database)
        with database.reading() as connection:
            row = connection.execute(select(blobs).where(blobs.c.base.is_not(None))).mappings().first()
        assert row is not None
        written(database, blobs, row_values(row), {"base": None})
        assert [one.table for one in check_encryption(database) if one.bad] == ["gk_blobs"]


def test_a_thread_is_copied_and_pruned_under_its_own_seal(url: str) -> None:
    with Database(url, encryption=Encryption.generate()) as database:
        live(database)
        saver = SQLAlchemySaver(database)
        saver.copy_thread("saved-1", "copy")
        one, other = (saver.get_tuple({"configurable": {"thread_id": name}}) for name in ("saved-1", "copy"))
        assert one is not None
        assert other is not None
        assert (one.checkpoint, one.metadata) == (other.checkpoint, other.metadata)
        saver.prune(["copy"])
        assert saver.get_tuple({"configurable": {"thread_id": "copy"}}) == other
        assert [one for one in check_encryption(database) if one.bad] == []


def test_the_secret_is_nobody_elses(sqlite_url: str) -> None:
    key = encryption_key()
    with Database(sqlite_url, encryption=keys(key)) as database:
        live(database)
        with database.writing() as connection:
            connection.execute(update(sealing).values(secret="c2VjcmV0"))
    refused(sqlite_url, keys(key, accepts_plain=True), SealError, "in clear")
    with Database(sqlite_url) as database, database.engine.connect() as connection:
        connection.execute(text("DELETE FROM gk_sealing"))
        connection.commit()
    refused(sqlite_url, keys(key), ConfigurationError, "is not encrypted")


def test_without_a_key_nothing_is_written_that_looks_encrypted(sqlite_url: str) -> None:
    with Database(sqlite_url) as database:
        store = SQLStore(database)
        with pytest.raises(InputError, match="begins like an encrypted one"):
            store.set_stop(samples.stop("agent", "x").model_copy(update={"why": "\x02gk1.0123456789ab.AAAA"}))
        assert store.stops() == []


@pytest.mark.parametrize(
    ("given", "says"), [((), "no key"), (("x",), "not base64"), (("AAAA",), "has 3 bytes, 32 are needed")]
)
@pytest.mark.promise("P15")
def test_a_key_that_is_none_is_refused(given: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        keys(*given)
    assert not any(one in str(refused.value) for one in given if len(one) > 1)


@pytest.mark.parametrize("batch", [0, 10_001])
def test_a_batch_is_a_number_of_rows(sqlite_url: str, batch: int) -> None:
    with Database(sqlite_url, encryption=Encryption.generate()) as database:
        with pytest.raises(InputError, match="batch"):
            encrypt_database(database, by="ops", batch=batch)
        with pytest.raises(InputError, match="by is empty"):
            encrypt_database(database, by="")
    with Database(sqlite_url.replace("guardkit.db", "other.db")) as other, pytest.raises(MissingKeyError):
        encrypt_database(other, by="ops")


@pytest.mark.chaos
@pytest.mark.parametrize("rotates", [False, True], ids=["encrypt", "rekey"])
@pytest.mark.parametrize("number", [5, 40])
def test_a_kill_leaves_what_another_call_goes_on_with(sqlite_url: str, rotates: bool, number: int) -> None:
    old, new = encryption_key(), encryption_key()
    with Database(sqlite_url, encryption=keys(old) if rotates else None) as database:
        for mark in ("1", "2"):
            live(database, mark=mark)
        before = [seen(database, mark=mark) for mark in ("1", "2")]
    texts = f"{new},{old}" if rotates else new
    opened = keys(*texts.split(","), accepts_plain=not rotates)
    plain = "no" if rotates else "yes"
    command = [sys.executable, "-m", "tests.sql.planted", sqlite_url, texts, plain, str(number)]
    with Database(sqlite_url, encryption=opened) as database:
        total = sum(current(database).values())
        killed = subprocess.run(command, cwd=ROOT, check=False, timeout=300)
        assert killed.returncode == -signal.SIGKILL
        now = current(database)
        assert 0 < now[True] < total, "in the middle"
        assert [seen(database, mark=mark) for mark in ("1", "2")] == before, "all of it is read meanwhile"
        encrypt_database(database, by="ops")
        assert current(database)[False] == 0
    with Database(sqlite_url, encryption=keys(new)) as database:
        assert [seen(database, mark=mark) for mark in ("1", "2")] == before
        assert [one for one in check_encryption(database) if one.bad] == []


def current(database: Database) -> dict[bool, int]:
    """How many values the newest key has sealed, and how many not."""
    found = {True: 0, False: 0}
    for table in TABLES:
        for page in pages(database, table, 1000):
            for row in page:
                for key, count in keys_in(database.vault, table, row).items():
                    found[key == database.vault.key_id] += count
    return found


def test_others_work_while_it_is_encrypted(url: str) -> None:
    with Database(url) as database:
        live(database)
    key = encryption_key()
    over = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        with Database(url, encryption=keys(key, accepts_plain=True)) as mine:
            number = 2
            while not over.is_set() or number < 4:
                try:
                    live(mine, mark=str(number))
                except BaseException as error:  # noqa: BLE001  # whatever it is, the test fails with it
                    failed.append(error)
                    return
                number += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with Database(url, encryption=keys(key, accepts_plain=True)) as database:
            encrypt_database(database, by="ops", batch=3)
    finally:
        over.set()
        worker.join()
    assert failed == []
    with Database(url, encryption=keys(key)) as database:
        assert [one for one in check_encryption(database) if one.bad] == []
        assert seen(database)[1][0] is not None
