"""Looking a database over, and a copy of it made while others write."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from guardkit import Finished
from guardkit.sql import SQLAlchemySaver, head_revision
from tests.unit.cli.conftest import Desk, Line
from tests.unit.cli.writers import eight_writers


def run_sql(line: Line, *statements: str) -> None:
    with closing(sqlite3.connect(line.folder / "guardkit.db")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_copy_made_under_eight_writers_verifies_and_its_paused_thread_goes_on(
    line: Line, desk: Desk
) -> None:
    approval = desk.start("paused")
    url = line.environment["GUARDKIT_DATABASE"]
    with eight_writers(f"sqlite:///{line.folder / 'guardkit.db'}"):
        copied = [line("db", "backup", f"copy-{number}.db") for number in range(3)]
        assert [one.status for one in copied] == [0, 0, 0], copied
    assert sorted(path.name for path in line.folder.glob("copy-*")) == ["copy-0.db", "copy-1.db", "copy-2.db"]

    desk.guard.database.close()
    for path in line.folder.glob("guardkit.db*"):
        path.unlink()
    (line.folder / "copy-1.db").rename(line.folder / "guardkit.db")
    assert url == "sqlite:///guardkit.db"
    verified = line("audit", "verify")
    assert (verified.status, "intact contract" in verified.out or "intact" in verified.out) == (0, True)
    checked = line("db", "check")
    assert checked.status == 0, checked.out
    decided = line(
        "approvals",
        "decide",
        approval.request.id,
        "approve",
        "--as",
        "dana@example.com",
        "--digest",
        approval.digest,
    )
    assert decided.status == 0, decided.err
    assert isinstance(desk.go_on("paused"), Finished)
    assert desk.paid == ["C-[red]1"]


def test_a_backup_is_not_overwritten_and_is_of_guardkits_tables(line: Line) -> None:
    assert line("db", "backup", "copy.db").status == 2
    line("db", "upgrade")
    assert line("db", "backup", "copy.db").status == 0
    before = (line.folder / "copy.db").read_bytes()
    again = line("db", "backup", "copy.db")
    assert (again.status, "is there already" in again.err) == (2, True)
    assert (line.folder / "copy.db").read_bytes() == before
    nowhere = line("db", "backup", "no/such/folder/copy.db")
    assert (nowhere.status, "cannot be copied" in nowhere.err) == (2, True)
    elsewhere = line("db", "backup", "x.db", GUARDKIT_DATABASE="postgresql://somebody:hunter2@127.0.0.1:1/x")
    assert (elsewhere.status, "pg_dump" in elsewhere.err, "hunter2" in elsewhere.err) == (2, True, False)


def test_a_check_names_what_is_wrong_and_what_to_do(line: Line, desk: Desk) -> None:
    unmade = line("db", "check", GUARDKIT_DATABASE="sqlite:///unmade.db")
    assert (unmade.status, "db upgrade" in unmade.out) == (1, True)
    assert not (line.folder / "unmade.db").exists()

    desk.start("t-1")
    desk.guard.database.close()
    good = line("db", "check", "--json")
    assert good.status == 0, good.out
    assert {one["what"] for one in json.loads(good.out)} == {
        "revision",
        "tables",
        "checkpoints",
        "standing approvals",
        "audit",
    }

    run_sql(line, "DELETE FROM gk_audit WHERE seq = (SELECT max(seq) FROM gk_audit)")
    cut = line("db", "check")
    assert (cut.status, "does not end where its head says" in cut.out) == (1, True)
    assert "guardkit audit verify" in cut.out

    run_sql(
        line,
        "DROP INDEX gk_threads_due",
        "ALTER TABLE gk_effects ADD COLUMN other TEXT",
        "CREATE TABLE somebodys (x INTEGER)",
    )
    shape = line("db", "check")
    assert shape.status == 1
    assert "the index gk_threads_due is missing" in shape.out
    assert "the column gk_effects.other is not guardkit's" in shape.out
    assert "somebodys" not in shape.out


def test_a_check_finds_values_that_rest_on_nothing(line: Line) -> None:
    line("db", "upgrade")
    with SQLAlchemySaver(f"sqlite:///{line.folder / 'guardkit.db'}") as saver:
        assert saver.get_tuple({"configurable": {"thread_id": "t"}}) is None
    run_sql(
        line,
        "INSERT INTO gk_blobs (tenant, thread_id, ns_hash, channel, version, type, value, base) "
        "VALUES ('default', 't', 'h', 'c', '2', 'x', x'00', '1')",
    )
    found = line("db", "check")
    assert (found.status, "1 values rest on an older one that is gone" in found.out) == (1, True)


def test_the_database_is_taken_back_when_nothing_is_lost_or_somebody_says_so(line: Line, desk: Desk) -> None:
    desk.start("t-1")
    desk.guard.database.close()
    looked = line("db", "downgrade", "0005", "--dry-run")
    assert (looked.status, "lost gk_threads.active_at: 1" in looked.out) == (1, True)
    assert "would be refused" in looked.out
    nobody = line("db", "downgrade", "0005", "--allow-loss")
    assert (nobody.status, "--by" in nobody.err) == (2, True)
    refused = line("db", "downgrade", "0005", "--by", "dana")
    assert (refused.status, "gk_threads.active_at (1 row)" in refused.err) == (2, True)
    assert "unreadable gk_checkpoints" in line("db", "downgrade", "0004", "--allow-loss", "--dry-run").out
    done = line("db", "downgrade", "0005", "--allow-loss", "--by", "dana")
    assert (done.status, done.out) == (0, "database is at revision 0005\n"), done.err
    (entry,) = line("audit", "export", "--tenant", "*").out.splitlines()
    assert json.loads(entry)["event"]["data"] == {
        "from": head_revision(),
        "to": "0005",
        "by": "dana",
        "lost": [{"what": "gk_threads.active_at", "rows": 1}],
    }
