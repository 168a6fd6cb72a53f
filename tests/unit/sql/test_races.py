"""Many at once on one SQLite file, from threads and from processes: one wins, the others are told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.audit import verify
from guardkit.core.effects import Claimed, ClaimResult, EffectState, InDoubt, Lapsed
from guardkit.core.runs import Opened, RunRef
from guardkit.errors import BusyError, StaleRunError
from guardkit.sql import Database, SQLStore
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import at_once

MANY = 8


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SQLStore]:
    with Database(sqlite_url) as database:
        yield SQLStore(database)


@pytest.fixture
def stores(sqlite_url: str, store: SQLStore) -> Iterator[list[SQLStore]]:
    """As many databases as there are contenders: each with connections and locks of its own, as in processes."""
    store.database.prepare()
    databases = [Database(sqlite_url) for _ in range(MANY)]
    yield [SQLStore(database) for database in databases]
    for database in databases:
        database.close()


def claim(store: SQLStore, run: RunRef, key: str, approval: Approval | None = None) -> ClaimResult:
    return store.claim(
        run,
        key=key,
        tool="pay",
        digest="d" * 64 if approval is None else approval.digest,
        action_id="a" if approval is None else approval.request.action.id,
        approval=approval,
        events=[],
    )


@pytest.mark.promise("P2")
def test_of_many_threads_one_consumes_an_approval(store: SQLStore, stores: list[SQLStore]) -> None:
    run = samples.opened(store).run
    approval = samples.approved(store, store.register(run, [samples.request(run)], [])[0])
    outcomes = at_once([lambda n=n, s=s: claim(s, run, f"key-{n}", approval) for n, s in enumerate(stores)])
    assert outcomes.count(Claimed(1)) == 1
    assert sum(isinstance(outcome, Lapsed) for outcome in outcomes) == MANY - 1
    assert [row.approval_id for row in store.effects()] == [approval.request.id]
    stored = store.find(approval.request.id)
    assert stored is not None
    assert (stored.state, stored.version) == (ApprovalState.CONSUMED, approval.version + 1)
    kinds = Counter(entry.event.kind for entry in store.entries("default"))
    assert kinds["effect.claimed"] == 1


@pytest.mark.promise("P3")
def test_of_many_threads_one_claims_a_key(store: SQLStore, stores: list[SQLStore]) -> None:
    runs = [samples.opened(store, f"t{number}").run for number in range(MANY)]
    outcomes = at_once(
        [lambda run=run, s=s: claim(s, run, "key") for run, s in zip(runs, stores, strict=True)]
    )
    assert outcomes.count(Claimed(1)) == 1
    assert outcomes.count(InDoubt(1)) == MANY - 1
    winner = runs[outcomes.index(Claimed(1))]
    assert [row.thread_id for row in store.effects()] == [winner.thread_id]
    recorded = at_once(
        [
            lambda run=run, s=s: s.record(
                run, key="key", state=EffectState.DONE, result=run.thread_id, events=[]
            )
            for run, s in zip(runs, stores, strict=True)
        ]
    )
    assert recorded == [run is winner for run in runs]
    assert verify("default", store.entries("default")).intact


@pytest.mark.promise("P2")
def test_of_many_decisions_at_once_one_settles(store: SQLStore, stores: list[SQLStore]) -> None:
    pending = samples.paused(store)[0]
    said = [
        samples.said(store, pending, samples.ADA, "approve"),
        samples.said(store, pending, samples.BEN, "reject"),
    ]
    outcomes = at_once(
        [lambda n=n, s=s: s.settle(said[n % 2], 0, [samples.EVENT]) for n, s in enumerate(stores)]
    )
    assert Counter(outcomes) == {True: 1, False: MANY - 1}
    assert store.find(pending.request.id) == said[outcomes.index(True) % 2]
    assert len(store.entries("default")) == 1
    assert len(store.due()) == 1


@pytest.mark.promise("P11")
def test_of_many_threads_one_gets_the_lease(store: SQLStore, stores: list[SQLStore]) -> None:
    outcomes = at_once([lambda s=s: samples.opened(s) for s in stores])
    assert sum(isinstance(outcome, Opened) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, BusyError) for outcome in outcomes) == MANY - 1
    turn = store.turn("default", "t")
    assert turn is not None
    assert turn.number == 1


@pytest.mark.promise("P10")
def test_a_chain_that_many_write_to_has_no_gap(store: SQLStore, stores: list[SQLStore]) -> None:
    at_once([lambda s=s: [s.append("default", [samples.EVENT] * 3) for _ in range(3)] for s in stores])
    entries = store.entries("default")
    assert len(entries) == 9 * MANY
    assert verify("default", entries).intact


# --- processes ---

CONTENDER = """
import json, sys
from guardkit.core.effects import Claimed
from guardkit.errors import GuardkitError
from guardkit.sql import Database, SQLStore
from guardkit.testing.contracts import samples

url, name, what = sys.argv[1:]
with Database(url) as database:
    store = SQLStore(database)
    store.now()
    print("ready", flush=True)
    sys.stdin.readline()
    told = []
    for number in range(10):
        try:
            run = samples.opened(store, f"{what}-{number}" if what == "lease" else f"{name}-{number}").run
            if what == "lease":
                told.append("won")
                continue
            out = store.claim(run, key=f"key-{number}", tool="pay", digest="d" * 64, action_id="a",
                              approval=None, events=[])
            told.append("won" if out == Claimed(1) else type(out).__name__)
        except GuardkitError as error:
            told.append(type(error).__name__)
    print(json.dumps(told), flush=True)
    sys.stdin.readline()  # leases stay live until both have told
"""


def race(url: str, what: str) -> list[list[str]]:
    """Two processes that begin at the same signal; what each was told, ten times."""
    contenders = [
        subprocess.Popen(
            [sys.executable, "-c", CONTENDER, url, name, what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    try:
        told: list[Any] = []
        pipes = [(process.stdin, process.stdout) for process in contenders]
        assert all(reader and reader.readline() == "ready\n" for _, reader in pipes)
        for _ in range(2):
            for writer, _reader in pipes:
                assert writer
                writer.write("go\n")
                writer.flush()
            if not told:
                told = [json.loads(reader.readline()) for _, reader in pipes if reader]
        assert [process.wait(30) for process in contenders] == [0, 0]
        return told
    finally:
        for process in contenders:
            process.kill()
            process.communicate()


@pytest.mark.promise("P11")
def test_of_two_processes_one_gets_a_lease_and_the_other_is_told_that_it_is_busy(
    store: SQLStore, sqlite_url: str
) -> None:
    one, two = race(sqlite_url, "lease")
    assert [set(pair) for pair in zip(one, two, strict=True)] == [{"won", "BusyError"}] * 10
    assert len(store.threads(None)) == 10
    assert {row.turn for row in store.threads(None)} == {1}


@pytest.mark.promise("P3")
def test_of_two_processes_one_claims_a_key(store: SQLStore, sqlite_url: str) -> None:
    one, two = race(sqlite_url, "claim")
    assert [set(pair) for pair in zip(one, two, strict=True)] == [{"won", "InDoubt"}] * 10
    assert len(store.effects()) == 10
    kinds = Counter(entry.event.kind for entry in store.entries("default"))
    assert kinds["effect.claimed"] == 10


@pytest.mark.promise("P11")
def test_a_process_that_was_overtaken_changes_nothing(store: SQLStore, stores: list[SQLStore]) -> None:
    run = samples.opened(store).run
    store.close_run(run, samples.closing(), [])
    taker = stores[0].open_run(samples.opening(new_turn=False), []).run
    with pytest.raises(StaleRunError):
        claim(store, run, "key")
    assert store.effects() == []
    assert claim(stores[0], taker, "key") == Claimed(1)
