"""Erasing one person, on each database that guardkit knows."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from guardkit.core.audit import ERASURE, GENESIS, AuditEvent, entry_hash, verify
from guardkit.core.disclosure import ERASED
from guardkit.core.encryption import Encryption
from guardkit.core.erasure import ErasureCertificate, certified
from guardkit.core.keys import private_key
from guardkit.core.listings import ListName, ListQuery, keys_of
from guardkit.core.people import Person
from guardkit.core.retention import LegalHold
from guardkit.core.signing import Signer, Verifier
from guardkit.core.stats import person_hash
from guardkit.core.threads import ThreadQuery
from guardkit.errors import ErasureRefusedError, InputError, LegalHoldError
from guardkit.sql import Database, SQLErasure, SQLRetention, SQLStore, check_encryption, upgrade
from guardkit.sql.side_tables import answers
from guardkit.sql.tables import audit, audit_heads
from guardkit.testing.contracts import samples
from tests.sql.erased import GRACE, UMA, life
from tests.sql.old import dump

ROOT = Path(__file__).parents[2]


@pytest.fixture(
    params=[
        pytest.param("sqlite_url", id="sqlite"),
        pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.mariadb),
    ]
)
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    made: str = request.getfixturevalue(request.param)
    upgrade(made)
    with Database(made) as found:
        yield found


def told(database: Database) -> str:
    """All that is in any row, in lower case."""
    return str(dump(database)).lower()


def chain_holds(database: Database, tenant: str = "default") -> bool:
    """Whether the audit chain does."""
    return verify(tenant, SQLStore(database).entries(tenant)).intact


@pytest.mark.promise("P10")
def test_who_decided_is_gone_everywhere_and_the_chain_holds(database: Database) -> None:
    life(database)
    life(database, "acme")
    store, erasure = SQLStore(database), SQLErasure(database)
    before = SQLStore(database).entries("default")
    (approval,) = store.listed(tenant="default")
    assert GRACE[0].lower() in told(database)

    seen = erasure.preview("default", GRACE)
    assert store.entries("default") == before, "a preview changes nothing"
    done = erasure.erase("default", GRACE, by="dpo", why="case 7")
    assert (done.rows, done.values, done.kept) == (seen.rows, seen.values, 0)
    assert done.rows["gk_contacts"] == done.rows["gk_api_tokens"] == done.rows["gk_approvals"] == 1
    assert done.values > 4

    with database.reading() as connection:
        left = str(connection.execute(select(audit.c.data).where(audit.c.tenant == "default")).all())
    assert GRACE[0].lower() not in left.lower()
    (after,) = store.listed(tenant="default")
    (said,) = after.decisions
    assert said.person.startswith("erased-")
    assert (said.reason, after.state, after.args) == (ERASED, approval.state, approval.args)
    assert store.posts("default", approval.request.id)[0].address is None
    assert store.contact("default", "desk", GRACE[1]) is None
    with database.reading() as connection:
        whose = select(answers.c.who).where(answers.c.tenant == "default")
        (who,) = connection.execute(whose).scalars()
    assert who == person_hash(said.person), "what was counted of her is the pseudonym's"
    voice = keys_of(Person(id=GRACE[0]))
    assert store.find_listed("default", voice, ListQuery(list=ListName.HISTORY)) == []
    assert UMA[0] in told(database), "nobody else is erased"

    entries = store.entries("default")
    report = verify("default", entries)
    assert (report.intact, report.erased) == (True, done.values)
    assert [one.hash for one in entries[: len(before)]] == [one.hash for one in before]
    assert (done.before.seq, done.after.hash) == (len(before), entries[-1].hash)
    assert entries[-1].event.kind == ERASURE
    assert chain_holds(database, "acme")
    assert told(database).count(GRACE[0].lower()) > 0, "another tenant's are another tenant's"
    erasure.erase("acme", GRACE, by="dpo", why="case 7")
    assert GRACE[0].lower() not in told(database)
    assert GRACE[1].lower() not in told(database)


def test_who_asked_loses_threads_and_their_contents(database: Database) -> None:
    life(database)
    store, erasure = SQLStore(database), SQLErasure(database)
    done = erasure.erase("default", [UMA[0].upper()], by="dpo", why="case 8")
    assert {"gk_checkpoints", "gk_blobs", "gk_writes", "gk_approvals", "gk_effects"} <= set(done.rows)
    assert UMA[0] not in told(database)
    turn = store.turn("default", "t-1")
    assert turn is not None
    assert (turn.principal.id.startswith("erased-"), turn.marks.wary) == (True, None)
    assert store.turn_input("default", "t-1", 1) is None
    assert store.listed(tenant="default") == []
    assert store.find_threads(ThreadQuery(tenant="default", principal=UMA[0])).threads == ()
    assert len(store.find_threads(ThreadQuery(tenant="default", principal=turn.principal.id)).threads) == 1
    assert store.effect("default", f"pay:{UMA[0]}:t-1") is not None, "the key stays used"
    assert chain_holds(database)
    again = erasure.erase("default", UMA, by="dpo", why="case 8")
    assert again.values == 0


def test_an_encrypted_database_is_erased_alike(sqlite_url: str) -> None:
    with Database(sqlite_url, encryption=Encryption.generate()) as database:
        life(database)
        assert GRACE[0] in str(seen_of(database))
        SQLErasure(database).erase("default", GRACE, by="dpo", why="case 7")
        assert GRACE[0].lower() not in str(seen_of(database)).lower()
        SQLErasure(database).erase("default", UMA, by="dpo", why="case 7")
        assert UMA[0] not in str(seen_of(database))
        assert chain_holds(database)
        assert [one for one in check_encryption(database) if one.bad] == []


def seen_of(database: Database) -> list[Any]:
    """What is read of a life."""
    store = SQLStore(database)
    approvals = store.listed(tenant="default")
    return [
        approvals,
        [store.posts("default", one.request.id) for one in approvals],
        store.turn("default", "t-1"),
        store.tokens("default"),
        store.entries("default"),
        store.effects(tenant="default"),
    ]


def test_what_is_not_over_or_is_held_is_not_erased(database: Database) -> None:
    life(database)
    store, retention, erasure = SQLStore(database), SQLRetention(database), SQLErasure(database)
    (asked,) = samples.paused(store, "open")
    run = samples.opened(store, "busy").run
    before = dump(database)
    with pytest.raises(ErasureRefusedError) as refused:
        erasure.erase("default", ["uma"], by="dpo", why="case 9")
    assert set(refused.value.waiting) == {
        "thread 'busy' is at work",
        "thread 'busy' is running",
        "thread 'open' is paused",
        f"approval {asked.request.id} is pending",
    }
    with pytest.raises(ErasureRefusedError):
        erasure.preview("default", ["uma"])
    assert dump(database) == before
    store.close_run(run, samples.closing("done"), [])

    hold = LegalHold(id="h-1", tenant="default", thread_id="t-1", by="dana", why="court")
    retention.set_hold(hold)
    before = dump(database)
    with pytest.raises(LegalHoldError, match="h-1"):
        erasure.erase("default", UMA, by="dpo", why="case 9")
    assert dump(database) == before
    retention.lift_hold("default", "h-1", by="dana", why="over")
    erasure.erase("default", UMA, by="dpo", why="case 9")


def test_entries_of_older_releases_stay_and_are_counted(sqlite_url: str) -> None:
    with Database(sqlite_url) as database:
        event = AuditEvent(kind="stop.set", data={"stop": "s", "by": GRACE[0]})
        digest = entry_hash("default", 1, 5.0, event, GENESIS)
        old = {"tenant": "default", "seq": 1, "at": 5.0, "kind": "stop.set", "previous": GENESIS}
        with database.writing() as connection:
            data = f'{{"stop":"s","by":"{GRACE[0]}"}}'
            connection.execute(insert(audit).values(**old, data=data, hash=digest))
            connection.execute(insert(audit_heads).values(tenant="default", seq=1, hash=digest))
        life(database)
        assert chain_holds(database)
        done = SQLErasure(database).erase("default", GRACE, by="dpo", why="case 7")
        assert done.kept == 1
        assert chain_holds(database)
        assert told(database).count(GRACE[0].lower()) == 1


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("names", "by", "why", "says"),
    [
        ([], "dpo", "case", "nobody is named"),
        ([" "], "dpo", "case", "nobody is named"),
        (["ada"], "", "case", "by is empty"),
        (["ada"], "dpo", " ", "why is empty"),
        (["ada@corp.example"], "dpo", "for Ada@corp.example", "names the person"),
        (["dpo"], "dpo", "case", "names the person"),
    ],
)
def test_what_says_nothing_is_refused(
    sqlite_url: str, names: list[str], by: str, why: str, says: str
) -> None:
    with Database(sqlite_url) as database, pytest.raises(InputError, match=says):
        SQLErasure(database).erase("default", names, by=by, why=why)


def test_a_certificate_is_of_what_the_audit_log_says(sqlite_url: str) -> None:
    signer = Signer(private_key())
    verifier = Verifier((signer.public_key,))
    with Database(sqlite_url) as database:
        life(database)
        erasure, store = SQLErasure(database), SQLStore(database)
        done = erasure.erase("default", GRACE, by="dpo", why="case 7")
        signed = signer.certificate(done)
        entries = store.entries("default")
        again = erasure.certificate("default", done.case)
        with pytest.raises(InputError, match="no erasure 'other'"):
            erasure.certificate("default", "other")
    assert again == done.model_copy(update={"salt": None})
    assert verifier.certificate(signed)
    assert certified(signed, entries) is None
    assert certified(signed, entries[:-1]) == f"the audit log has no entry {done.after.seq}"
    assert signed.names_match(reversed(GRACE))
    assert not signed.names_match(GRACE[:1])
    assert not again.names_match(GRACE)
    assert not any(name.lower() in signed.model_dump_json().lower() for name in GRACE)
    fields = ErasureCertificate.model_fields.keys() - {"key_id", "signature"}
    for name in fields:
        value = getattr(signed, name)
        match value:
            case str():
                other: Any = f"{value}x"
            case int() | float():
                other = value + 1
            case dict():
                other = {**value, "gk_turns": 99}
            case _:
                other = value.model_copy(update={"hash": "0" * 64})
        forged = signed.model_copy(update={name: other})
        assert not verifier.certificate(forged), name
        if name not in ("salt", "version"):
            assert certified(forged, entries) is not None, name


@pytest.mark.chaos
@pytest.mark.parametrize("number", [1, 7, 13])
def test_a_kill_in_the_middle_leaves_everything_and_another_call_erases(sqlite_url: str, number: int) -> None:
    with Database(sqlite_url) as database:
        life(database)
        before = dump(database)
        killed = subprocess.run(
            [sys.executable, "-m", "tests.sql.erased", sqlite_url, str(number)],
            cwd=ROOT,
            check=False,
            timeout=300,
        )
        assert killed.returncode == -signal.SIGKILL
        assert dump(database) == before
        SQLErasure(database).erase("default", UMA, by="dpo", why="case 7")
        assert UMA[0] not in told(database)
        assert chain_holds(database)


def test_what_somebody_else_erases_is_found(sqlite_url: str) -> None:
    with Database(sqlite_url) as database:
        life(database)
        store = SQLStore(database)
        entry = next(one for one in store.entries("default") if one.event.kind == "approval.decided")
        with database.writing() as connection:
            one = (audit.c.tenant == "default", audit.c.seq == entry.seq)
            connection.execute(update(audit).where(*one).values(salts=None))
        report = verify("default", store.entries("default"))
        assert (report.intact, report.first_bad) == (False, entry.seq)
