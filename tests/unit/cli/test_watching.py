"""`guardkit approvals watch`: heard at once, nothing left out, and it ends as it should."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from guardkit.cli.listing import Filters, WaitsFor
from guardkit.cli.watching import Watcher
from guardkit.core.approvals import Approval
from guardkit.core.audit import AuditEvent
from guardkit.core.people import Assurance
from guardkit.policy import Policy
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.testing.contracts import samples
from tests.unit.cli.conftest import following
from tests.unit.cli.office import Office

NEVER = "100000"
"""Seconds between two looks: what is seen earlier was heard of."""


def watching(url: str, folder: Path, *words: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """`guardkit approvals watch --json` in a process of its own."""
    return following(url, folder, "approvals", "watch", "--json", *words)


def next_of(process: subprocess.Popen[str]) -> tuple[str, str, str]:
    """What it prints next: the event, the approval, its state."""
    assert process.stdout is not None
    happened = json.loads(process.stdout.readline())
    return happened["event"], happened["approval"]["id"], happened["approval"]["state"]


def ask(store: SQLStore, thread: str, **stage: Any) -> Approval:
    """A question that waits, audited as the gate does."""
    run = samples.opened(store, thread).run
    asked = samples.request(run, stages=(samples.STAGE.model_copy(update=stage),))
    event = AuditEvent(
        kind="approval.requested", thread_id=thread, turn=1, data={"approval": asked.id, "tool": "pay_claim"}
    )
    (approval,) = store.register(run, [asked], [event])
    store.close_run(run, samples.closing(), [])
    return approval


def settle(store: SQLStore, approval: Approval, person: Any = samples.ADA, kind: Any = "approve") -> Approval:
    """What somebody says, audited as the desk does."""
    after = samples.said(store, approval, person, kind)
    event = AuditEvent(kind="approval.decided", thread_id="t", turn=1, data={"approval": approval.request.id})
    assert store.settle(after, approval.version, [event])
    return after


def seen_as_it_happens(url: str, folder: Path, *words: str) -> None:
    upgrade(url)
    with Database(url) as database:
        store = SQLStore(database)
        first = ask(store, "t-1", required=2)
        with watching(url, folder, *words) as process:
            assert next_of(process) == ("waiting", first.request.id, "pending")
            second = ask(store, "t-2")
            assert next_of(process) == ("waiting", second.request.id, "pending")
            after = settle(store, first)
            assert next_of(process) == ("changed", first.request.id, "pending")
            settle(store, second, kind="reject")
            assert next_of(process) == ("settled", second.request.id, "rejected")
            settle(store, after, samples.BEN)
            assert next_of(process) == ("settled", first.request.id, "approved")
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
            assert process.stdout is not None
            assert process.stdout.read() == ""
    assert (folder / "stderr").read_text() == ""


def test_changes_are_heard_of_on_sqlite(sqlite_url: str, tmp_path: Path) -> None:
    seen_as_it_happens(sqlite_url, tmp_path, "--every", NEVER)


@pytest.mark.postgres
def test_changes_are_heard_of_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    seen_as_it_happens(postgres_url, tmp_path, "--every", NEVER)


@pytest.mark.mariadb
def test_changes_are_looked_for_on_mariadb(mariadb_url: str, tmp_path: Path) -> None:
    seen_as_it_happens(mariadb_url, tmp_path)


def test_it_ends_when_nobody_reads_any_more(sqlite_url: str, tmp_path: Path) -> None:
    upgrade(sqlite_url)
    with Database(sqlite_url) as database, watching(sqlite_url, tmp_path, "--every", NEVER) as process:
        approval = ask(SQLStore(database), "t-1")
        assert next_of(process) == ("waiting", approval.request.id, "pending")
        assert process.stdout is not None
        process.stdout.close()  # and nothing is ever written again
        assert process.wait(120) == 0
    assert (tmp_path / "stderr").read_text() == ""


def looked(watcher: Watcher) -> list[tuple[str, str, str]]:
    """What has happened since the last look: the event, the thread, the state."""
    return [(what, one.request.thread_id, one.state.value) for what, one in watcher.look()]


def test_what_comes_and_goes_between_two_looks_is_told_once(office: Office) -> None:
    store = office.store
    settle(store, ask(store, "before"))
    watcher = Watcher(store, Filters())
    assert looked(watcher) == []
    settle(store, ask(store, "between"))
    stays = ask(store, "stays", required=2)
    assert looked(watcher) == [("settled", "between", "approved"), ("waiting", "stays", "pending")]
    settle(store, settle(store, stays), samples.BEN)
    assert looked(watcher) == [("settled", "stays", "approved")]
    assert looked(watcher) == []


def test_only_what_is_meant_is_told(office: Office) -> None:
    people = Policy.from_file("policy.yaml").directory
    assert people is not None
    store = office.store
    by_tool = Watcher(store, Filters(tool="other"))
    by_thread = Watcher(store, Filters(thread="mine"))
    for_eli = Watcher(store, Filters(waits_for=WaitsFor(people, "eli@example.com")))
    for watcher in (by_tool, by_thread, for_eli):
        assert looked(watcher) == []
    stage = {"approvers": ("eli",), "groups": (), "role": "manager", "assurance": Assurance.OIDC}
    mine = ask(store, "mine")
    ask(store, "other", **stage)
    assert looked(by_tool) == []
    assert looked(by_thread) == [("waiting", "mine", "pending")]
    assert looked(for_eli) == [("waiting", "other", "pending")]
    settle(store, mine)
    assert looked(for_eli) == []
    assert looked(by_thread) == [("settled", "mine", "approved")]
