"""The audit chain in the database: what was done by hand is found, and nothing happens without its entry."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from guardkit.core.approvals import ApprovalState, close
from guardkit.core.effects import EffectState
from guardkit.errors import AuditError, ConfigurationError, InputError, StorageError
from guardkit.sql import Database, SQLStore
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.samples import EVENT, NO_RESULT
from tests.unit.audit.operator import Operator

TENANT = "default"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SQLStore]:
    with Database(sqlite_url) as database:
        yield SQLStore(database)


@pytest.fixture
def tamper(sqlite_url: str, store: SQLStore) -> Callable[[str], None]:
    def run(statements: str) -> None:
        path = str(make_url(sqlite_url).database)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(statements)

    store.append(TENANT, [EVENT] * 3)
    store.append("other", [EVENT])
    store.append(TENANT, [EVENT])
    return run


@pytest.fixture
def operator(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.chdir(tmp_path)
    return Operator(sqlite_url, tmp_path)


@pytest.mark.promise("P10")
def test_verification_says_which_tail_no_head_covers(
    store: SQLStore, tamper: Callable[[str], None], operator: Operator
) -> None:
    assert operator.verify() == (
        0,
        (
            "intact default: 4 entries, 4 not covered by a signed head\n"
            "intact other: 1 entries, 1 not covered by a signed head\n"
        ),
    )
    operator.keep_head()
    store.append(TENANT, [EVENT, EVENT])
    code, said = operator.verify_with_head()
    assert code == 0
    assert "intact default: 6 entries, 2 not covered by a signed head (5 to 6)" in said
    assert "intact other: 1 entries, 1 not covered by a signed head" in said


@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    ("statements", "says"),
    [
        ("UPDATE gk_audit SET kind = 'x' WHERE seq = 2 AND tenant = 'default'", "entry 2 was changed"),
        ("UPDATE gk_audit SET thread_id = NULL WHERE seq = 2 AND tenant = 'default'", "entry 2 was changed"),
        ("UPDATE gk_audit SET turn = 7 WHERE seq = 2 AND tenant = 'default'", "entry 2 was changed"),
        ("UPDATE gk_audit SET at = at + 1 WHERE seq = 2 AND tenant = 'default'", "entry 2 was changed"),
        ("UPDATE gk_audit SET data = '{}' WHERE seq = 2 AND tenant = 'default'", "entry 2 was changed"),
        ("UPDATE gk_audit SET data = '{\"n\":NaN}' WHERE seq = 2 AND tenant = 'default'", "entry 2 was changed"),
        ("UPDATE gk_audit SET data = '{' WHERE seq = 2 AND tenant = 'default'", "was changed"),
        ("UPDATE gk_audit SET data = '[]' WHERE seq = 2 AND tenant = 'default'", "was changed"),
        ("UPDATE gk_audit SET at = 'now' WHERE seq = 2 AND tenant = 'default'", "was changed"),
        ("UPDATE gk_audit SET turn = 'one' WHERE seq = 2 AND tenant = 'default'", "was changed"),
        ("UPDATE gk_audit SET hash = previous WHERE seq = 2 AND tenant = 'default'", "entry 2 was changed"),
        ("UPDATE gk_audit SET previous = hash WHERE seq = 2 AND tenant = 'default'", "entry 2 does not follow"),
        ("DELETE FROM gk_audit WHERE seq = 2 AND tenant = 'default'", "entry 2 found entry 3 in its place"),
        ("DELETE FROM gk_audit WHERE seq = 1 AND tenant = 'default'", "entry 1 found entry 2 in its place"),
        (
            ("DELETE FROM gk_audit WHERE seq = 2 AND tenant = 'default';"
            "UPDATE gk_audit SET seq = seq - 1 WHERE seq > 2 AND tenant = 'default'"),
            "entry 2 does not follow",
        ),
        (
            ("UPDATE gk_audit SET seq = 100 WHERE seq = 2 AND tenant = 'default';"
            "UPDATE gk_audit SET seq = 2 WHERE seq = 3 AND tenant = 'default';"
            "UPDATE gk_audit SET seq = 3 WHERE seq = 100 AND tenant = 'default'"),
            "entry 2 does not follow",
        ),
        (
            ("UPDATE gk_audit SET seq = 5 WHERE seq = 4 AND tenant = 'default';"
            "INSERT INTO gk_audit (tenant, seq, at, kind, thread_id, turn, data, previous, hash) SELECT tenant, 4, at, kind, thread_id, turn, data, previous, hash"
            " FROM gk_audit WHERE seq = 3 AND tenant = 'default'"),
            "entry 4 does not follow",
        ),
        (
            "UPDATE gk_audit SET tenant = 'default', seq = 5 WHERE tenant = 'other'",
            "entry 5 does not follow",
        ),
    ],
)  # fmt: skip
def test_what_was_done_by_hand_is_found_without_a_head(
    tamper: Callable[[str], None], operator: Operator, statements: str, says: str
) -> None:
    tamper(statements)
    code, said = operator.verify("--tenant", TENANT)
    assert code == 1
    assert "broken default" in said
    assert says in said


@pytest.mark.promise("P10")
@pytest.mark.parametrize(
    ("statements", "says"),
    [
        ("DELETE FROM gk_audit WHERE seq = 4 AND tenant = 'default'", "entry 4 is missing"),
        ("DELETE FROM gk_audit WHERE tenant = 'default'", "entry 1 is missing"),
        (
            "DELETE FROM gk_audit WHERE tenant = 'default'; DELETE FROM gk_audit_heads WHERE tenant = 'default'",
            "entry 1 is missing",
        ),
        ("DELETE FROM gk_audit; DELETE FROM gk_audit_heads", "entry 1 is missing"),
    ],
    ids=["tail", "chain", "tenant", "everything"],
)
def test_what_was_cut_off_is_found_against_a_head(
    tamper: Callable[[str], None], operator: Operator, statements: str, says: str
) -> None:
    operator.keep_head()
    tamper(statements)
    assert operator.verify()[0] == 0, "the database alone cannot tell"
    code, said = operator.verify_with_head()
    assert code == 1
    assert says in said


@pytest.mark.promise("P10")
def test_a_chain_that_was_made_anew_differs_from_the_head(
    store: SQLStore, tamper: Callable[[str], None], operator: Operator
) -> None:
    operator.keep_head()
    tamper(
        "DELETE FROM gk_audit WHERE tenant = 'default'; DELETE FROM gk_audit_heads WHERE tenant = 'default'"
    )
    store.append(TENANT, [EVENT] * 5)
    code, said = operator.verify_with_head()
    assert code == 1
    assert "entry 4 differs from a signed head" in said


@pytest.mark.promise("P10")
def test_a_chain_whose_head_row_is_gone_is_verified_and_not_continued(
    store: SQLStore, tamper: Callable[[str], None], operator: Operator
) -> None:
    tamper("DELETE FROM gk_audit_heads WHERE tenant = 'default'")
    assert "intact default: 4 entries" in operator.verify()[1]
    with pytest.raises(AuditError, match="cannot be written"):
        store.append(TENANT, [EVENT])
    assert len(store.entries(TENANT)) == 4


def test_a_broken_chain_hides_no_other(tamper: Callable[[str], None], operator: Operator) -> None:
    tamper("UPDATE gk_audit SET data = '{' WHERE tenant = 'default' AND seq = 1")
    code, said = operator.verify()
    assert code == 1
    assert "broken default" in said
    assert "intact other" in said


@pytest.mark.promise("P15")
def test_a_head_of_no_use_is_told(tamper: Callable[[str], None], operator: Operator) -> None:
    operator.file.write_text("{}")
    with pytest.raises(InputError, match=r"head\.json cannot be read as a signed head"):
        operator.verify_with_head()
    with pytest.raises(InputError, match="cannot be read as a signed head"):
        operator.verify("--head", "missing.json")
    operator.keep_head()
    with pytest.raises(InputError, match="of tenant 'default', not of 'other'"):
        operator.verify("--tenant", "other", "--head", str(operator.file))
    operator.file.write_text(operator.file.read_text().replace('"seq":4', '"seq":3'))
    with pytest.raises(ConfigurationError, match="not signed by a known audit key"):
        operator.verify_with_head()


# --- audit and act, in one transaction ---


def everything(url: str) -> str:
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        return "\n".join(line for line in connection.iterdump() if not line.startswith("CREATE TRIGGER"))


def acts(store: SQLStore) -> dict[str, Callable[[], Any]]:
    """Everything that must not happen without its entry, ready to be done."""
    run = samples.opened(store).run
    pending, approved, stale = store.register(run, [samples.request(run, n) for n in range(3)], [])
    approved = samples.approved(store, approved)
    store.set_stop(samples.stop("thread", "elsewhere", id="set"))

    def claim(key: str, approval: Any = None) -> Any:
        return store.claim(
            run,
            key=key,
            tool="pay",
            digest="d" * 64 if approval is None else approval.digest,
            action_id="a" if approval is None else approval.request.action.id,
            approval=approval,
            events=[],
        )

    claim("claimed")
    return {
        "open_run": lambda: store.open_run(samples.opening("new"), [EVENT]),
        "register": lambda: store.register(run, [samples.request(run, 9)], [EVENT]),
        "decide": lambda: store.settle(samples.said(store, pending), 0, [EVENT]),
        "expire": lambda: store.settle(close(stale, ApprovalState.EXPIRED, store.now()), 0, [EVENT]),
        "claim": lambda: claim("free"),
        "consume": lambda: claim("approved", approved),
        "record": lambda: store.record(run, key="claimed", state=EffectState.DONE, result=1, events=[EVENT]),
        "end_turn": lambda: store.end_turn(run, NO_RESULT, [EVENT]),
        "close_run": lambda: store.close_run(run, samples.closing(), [EVENT]),
        "flush": lambda: store.flush(run, [EVENT]),
        "set_stop": lambda: store.set_stop(samples.stop("thread", "t", id="new")),
        "lift_stop": lambda: store.lift_stop("set", by="ops", why="over"),
    }


ACTS = (
    "open_run register decide expire claim consume record end_turn close_run flush set_stop lift_stop".split()
)


@pytest.mark.promise("P10")
@pytest.mark.parametrize("act", ACTS)
def test_if_the_log_cannot_be_written_nothing_is(store: SQLStore, sqlite_url: str, act: str) -> None:
    call = acts(store)[act]
    with store.database.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no BEFORE INSERT ON gk_audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    before = everything(sqlite_url)
    with pytest.raises(StorageError):
        call()
    assert everything(sqlite_url) == before
    with store.database.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER no")
    call()
    assert everything(sqlite_url) != before


@pytest.mark.promise("P10")
@pytest.mark.parametrize("act", [act for act in ACTS if act not in ("flush", "set_stop", "lift_stop")])
def test_what_does_not_happen_leaves_no_entry(store: SQLStore, sqlite_url: str, act: str) -> None:
    """The entry is in the transaction of what it tells: when that fails after it was written, it is gone too."""
    call = acts(store)[act]
    with store.database.writing() as connection:
        # The head is written last of all.
        connection.exec_driver_sql(
            "CREATE TRIGGER no AFTER UPDATE ON gk_audit_heads BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    before = everything(sqlite_url)
    with pytest.raises(StorageError):
        call()
    assert everything(sqlite_url) == before
