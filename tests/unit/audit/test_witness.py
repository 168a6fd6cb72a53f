"""The witness keeps heads outside the database, and finds what happened behind them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from guardkit.core.audit import AuditHead
from guardkit.core.keys import private_key
from guardkit.core.signing import Signer, Verifier
from guardkit.errors import AuditError, ConfigurationError, InputError, StorageError
from guardkit.runtime.witness import HeadFiles, Witness
from guardkit.sql import Database, SQLStore
from guardkit.testing import MemoryStore
from guardkit.testing.contracts.samples import EVENT
from tests.unit.audit.operator import Operator

KEY = private_key()
SIGNER = Signer(KEY)
VERIFIER = Verifier((SIGNER.public_key,))
NOW = 1_800_000_000.0


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SQLStore]:
    with Database(sqlite_url) as database:
        yield SQLStore(database)


@pytest.fixture
def tamper(sqlite_url: str) -> Callable[[str], None]:
    def run(statements: str) -> None:
        with closing(sqlite3.connect(str(make_url(sqlite_url).database))) as connection:
            connection.executescript(statements)

    return run


@pytest.fixture
def heads(tmp_path: Path) -> HeadFiles:
    return HeadFiles(tmp_path / "heads")


@pytest.fixture
def witness(store: SQLStore, heads: HeadFiles) -> Witness:
    return Witness(store, signer=SIGNER, verifier=VERIFIER, heads=heads)


@pytest.mark.promise("P10")
def test_each_round_keeps_a_head_of_what_is_new(store: SQLStore, heads: HeadFiles, witness: Witness) -> None:
    assert witness.round(NOW) == ()
    store.append("acme", [EVENT] * 3)
    store.append("other", [EVENT])
    first = witness.round(NOW)
    assert [(one.tenant, one.report.intact, one.head and one.head.seq) for one in first] == [
        ("acme", True, 3),
        ("other", True, 1),
    ]
    assert [one.head for one in witness.round(NOW + 1)] == [None, None]
    store.append("acme", [EVENT])
    (again, _) = witness.round(NOW + 2)
    assert [head.seq for head in heads.of("acme")] == [3, 4]
    assert heads.of("acme")[-1] == again.head
    assert all(VERIFIER.head(head) for head in heads.of("acme"))
    assert (again.report.entries, again.report.covered) == (4, 4)


def test_a_round_reads_only_what_is_new(heads: HeadFiles) -> None:
    asked: list[tuple[int, int]] = []

    class Watched(MemoryStore):
        def entries(self, tenant: str, after: int = 0, limit: int = 1000) -> list:  # type: ignore[type-arg]
            found = list(super().entries(tenant, after, limit))
            asked.append((after, len(found)))
            return found

    store = Watched()
    witness = Witness(store, signer=SIGNER, verifier=VERIFIER, heads=heads)
    store.append("acme", [EVENT] * 2500)
    witness.round(NOW)
    asked.clear()
    store.append("acme", [EVENT] * 2)
    witness.round(NOW)
    assert sum(read for _, read in asked) == 3
    assert min(after for after, _ in asked) == 2499


ALL = "DELETE FROM gk_audit; DELETE FROM gk_audit_heads;"


@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    ("statements", "says"),
    [
        ("DELETE FROM gk_audit WHERE seq >= 3", "is missing: a signed head covers 3 entries"),
        (ALL, "is missing: a signed head covers 3 entries"),
        ("UPDATE gk_audit SET turn = 9 WHERE seq = 3", "was changed after it was written"),
        ("UPDATE gk_audit SET hash = previous WHERE seq = 3", "was changed after it was written"),
        ("UPDATE gk_audit SET data = '{' WHERE seq = 3", "was changed after it was written"),
        ("UPDATE gk_audit SET turn = 9 WHERE seq = 4", "was changed after it was written"),
        ("UPDATE gk_audit SET previous = hash WHERE seq = 4", "does not follow the entry before it"),
        ("DELETE FROM gk_audit WHERE seq = 4", "found entry 5 in its place"),
    ],
)
def test_what_happens_behind_a_head_is_found_by_the_next_round(
    store: SQLStore,
    heads: HeadFiles,
    witness: Witness,
    tamper: Callable[[str], None],
    statements: str,
    says: str,
) -> None:
    store.append("acme", [EVENT] * 3)
    witness.round(NOW)
    store.append("acme", [EVENT] * 2)
    tamper(statements)
    (found,) = witness.round(NOW)
    assert not found.report.intact
    assert says in (found.report.problem or "")
    assert found.head is None
    assert [head.seq for head in heads.of("acme")] == [3], "nothing vouches for a chain that does not hold"


@pytest.mark.promise("P10")
def test_a_chain_that_was_written_anew_is_found(
    store: SQLStore, witness: Witness, tamper: Callable[[str], None]
) -> None:
    store.append("acme", [EVENT] * 3)
    witness.round(NOW)
    tamper(ALL)
    store.append("acme", [EVENT] * 5)
    (found,) = witness.round(NOW)
    assert (found.report.first_bad, found.report.problem) == (3, "differs from a signed head")


@pytest.mark.promise("P10")
def test_a_head_of_an_unknown_key_is_not_gone_on_from(store: SQLStore, heads: HeadFiles) -> None:
    store.append("acme", [EVENT])
    heads.put(Signer(private_key()).head(AuditHead(tenant="acme", seq=1, hash="0" * 64, at=NOW)))
    (found,) = Witness(store, signer=SIGNER, verifier=VERIFIER, heads=heads).round(NOW)
    assert not found.report.intact
    assert "not signed by a known audit key" in (found.report.problem or "")


@pytest.mark.promise("P10")
def test_two_heads_of_one_entry_that_differ_are_told(
    store: SQLStore, heads: HeadFiles, witness: Witness
) -> None:
    store.append("acme", [EVENT])
    witness.round(NOW)
    heads.put(SIGNER.head(AuditHead(tenant="acme", seq=1, hash="0" * 64, at=NOW)))
    (found,) = witness.round(NOW)
    assert found.report.problem == "two kept heads of entry 1 differ"


def test_an_anchor_that_fails_gets_the_newest_head_again(store: SQLStore, heads: HeadFiles) -> None:
    got: list[int] = []
    down = [True]

    def anchor(head: AuditHead) -> None:
        if down[0]:
            raise ConnectionError("no route")
        got.append(head.seq)

    witness = Witness(store, signer=SIGNER, verifier=VERIFIER, heads=heads, anchors=[anchor])
    store.append("acme", [EVENT])
    (found,) = witness.round(NOW)
    assert found.anchors_failed == ("ConnectionError",)
    assert [head.seq for head in heads.of("acme")] == [1], "the head is kept all the same"
    store.append("acme", [EVENT])
    witness.round(NOW)
    down[0] = False
    (found,) = witness.round(NOW)
    assert found.anchors_failed == ()
    witness.round(NOW)
    assert got == [2]


def test_the_database_is_needed(heads: HeadFiles, tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path / 'gone.db'}") as database:
        store = SQLStore(database)
        store.append("acme", [EVENT])
        with closing(sqlite3.connect(tmp_path / "gone.db")) as connection:
            connection.executescript("DROP TABLE gk_audit")
        with pytest.raises(StorageError):
            Witness(store, signer=SIGNER, verifier=VERIFIER, heads=heads).round(NOW)


# --- where heads are kept ---


@pytest.mark.parametrize("tenant", ["acme", "a/b", "Müller & Söhne", "..", "x" * 200, "%2e"])
def test_a_head_comes_back_whatever_its_tenant_is_called(heads: HeadFiles, tenant: str) -> None:
    head = SIGNER.head(AuditHead(tenant=tenant, seq=1, hash="0" * 64, at=NOW))
    if tenant == "..":
        with pytest.raises(InputError, match="cannot be the name of a file"):
            heads.put(head)
        return
    heads.put(head)
    assert heads.of(tenant) == (head,)
    assert heads.tenants() == [tenant]


def test_a_line_that_was_torn_by_a_crash_is_written_over(heads: HeadFiles, tmp_path: Path) -> None:
    first, second = (
        SIGNER.head(AuditHead(tenant="acme", seq=seq, hash=str(seq) * 64, at=NOW)) for seq in (1, 2)
    )
    heads.put(first)
    (file,) = (tmp_path / "heads").iterdir()
    with file.open("a") as lines:
        lines.write('{"tenant":"acme","seq"')
    assert heads.of("acme") == (first,)
    heads.put(second)
    assert heads.of("acme") == (first, second)


@pytest.mark.parametrize("line", ["{}\n", "not json\n", "\n"])
def test_a_line_that_is_no_head_is_told(heads: HeadFiles, tmp_path: Path, line: str) -> None:
    heads.put(SIGNER.head(AuditHead(tenant="acme", seq=1, hash="0" * 64, at=NOW)))
    (file,) = (tmp_path / "heads").iterdir()
    with file.open("a") as lines:
        lines.write(line)
    with pytest.raises(AuditError, match=r"line 2 of acme\.heads\.jsonl is not a head"):
        heads.of("acme")


def test_a_head_in_the_file_of_another_tenant_is_told(heads: HeadFiles, tmp_path: Path) -> None:
    heads.put(SIGNER.head(AuditHead(tenant="acme", seq=1, hash="0" * 64, at=NOW)))
    (file,) = (tmp_path / "heads").iterdir()
    file.rename(file.with_name("other.heads.jsonl"))
    with pytest.raises(AuditError, match="is a head of another tenant"):
        heads.of("other")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot hold heads"):
        HeadFiles(tmp_path / "file" / "heads")


# --- from the command line ---


@pytest.fixture
def operator(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    return Operator(sqlite_url, tmp_path)


@pytest.mark.promise("P10")
def test_a_round_on_demand_and_a_verification_against_all_heads(
    store: SQLStore, operator: Operator, tamper: Callable[[str], None]
) -> None:
    for _ in range(3):
        store.append("acme", [EVENT] * 2)
        done = operator.run("witness", "--to", "kept", "--once")
        assert done.exit_code == 0, done.output
    assert "intact acme: 6 entries, 0 not covered by a signed head" in done.stdout
    assert operator.run("witness", "--to", "kept", "--once").stdout == "", "nothing is new"
    store.append("acme", [EVENT])
    code, said = operator.verify("--heads", "kept")
    assert (code, said) == (0, "intact acme: 7 entries, 1 not covered by a signed head (7 to 7)\n")

    tamper("UPDATE gk_audit SET turn = 9 WHERE seq = 1")
    assert operator.run("witness", "--to", "kept", "--once").exit_code == 0, "only what is new is read"
    code, said = operator.verify("--heads", "kept")
    assert (code, said) == (1, "broken acme: entry 1 was changed after it was written\n")
    tamper(ALL)
    done = operator.run("witness", "--to", "kept", "--once")
    assert done.exit_code == 1
    assert "broken acme: entry 7 is missing: a signed head covers 7 entries" in done.stdout


@pytest.mark.promise("P10")
def test_a_whole_new_chain_with_the_newest_head_kept_differs_from_an_older_head(
    store: SQLStore, operator: Operator, tmp_path: Path
) -> None:
    store.append("acme", [EVENT] * 2)
    operator.run("witness", "--to", "kept", "--once")
    forged = SIGNER.head(AuditHead(tenant="acme", seq=1, hash="0" * 64, at=NOW))
    kept = next((tmp_path / "kept").iterdir())
    kept.write_text(forged.model_dump_json() + "\n" + kept.read_text())
    with pytest.raises(ConfigurationError, match="a head in kept is not signed by a known audit key"):
        operator.verify("--heads", "kept")


def test_an_anchoring_command_gets_each_head(store: SQLStore, operator: Operator, tmp_path: Path) -> None:
    store.append("acme", [EVENT])
    command = f'{sys.executable} -c \'import sys; open("anchored", "a").write(sys.stdin.read())\''
    assert operator.run("witness", "--to", "kept", "--once", "--anchor", command).exit_code == 0
    head = AuditHead.model_validate_json((tmp_path / "anchored").read_text())
    assert (head.tenant, head.seq) == ("acme", 1)
    store.append("acme", [EVENT])
    failed = operator.run("witness", "--to", "kept", "--once", "--anchor", f"{sys.executable} -c 1/0")
    assert failed.exit_code == 1
    assert "not anchored acme: CalledProcessError" in failed.stderr
    with pytest.raises(InputError, match="names no command"):
        operator.run("witness", "--to", "kept", "--once", "--anchor", " ")


def test_a_witness_goes_on_until_it_is_told_to_end(
    store: SQLStore, operator: Operator, tmp_path: Path
) -> None:
    store.append("acme", [EVENT])
    process = subprocess.Popen(
        [sys.executable, "-m", "guardkit", "audit", "witness", "--to", "kept", "--every", "1"],
        env={**os.environ, **operator.environment},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        kept = tmp_path / "kept" / "acme.heads.jsonl"
        for count in (1, 2):
            until = time.monotonic() + 120
            while not kept.exists() or len(kept.read_text().splitlines()) < count:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            store.append("acme", [EVENT])
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert [json.loads(line)["seq"] for line in kept.read_text().splitlines()][:2] == [1, 2]
    finally:
        process.kill()
        process.communicate()
