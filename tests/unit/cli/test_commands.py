"""The command line: what operators and people at the machine do with it, and what bad input gets."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from typing import IO

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite import SqliteSaver

from guardkit import EffectState, Finished, NoResult
from guardkit.core.effects import EffectRecord
from guardkit.core.presentation import utc
from guardkit.sql import head_revision
from guardkit.testing.contracts import samples
from tests.unit.cli.conftest import Desk, Line


def test_looking_at_a_database_makes_none(line: Line) -> None:
    looked = line("db", "status")
    assert looked.status == 0
    assert "no tables" in looked.out
    assert line.apart("doctor").status == 0
    assert not (line.folder / "guardkit.db").exists()

    assert f"revision {head_revision()}" in line("db", "upgrade").out
    assert line("db", "status").out.strip().endswith(f"is at revision {head_revision()}, the newest")


def test_a_database_of_a_newer_guardkit_is_not_in_order(line: Line) -> None:
    line("db", "upgrade")
    with closing(sqlite3.connect(line.folder / "guardkit.db")) as connection, connection:
        connection.execute("UPDATE gk_alembic_version SET version_num = '9999'")
    looked = line("db", "status")
    assert looked.status == 1
    assert "upgrade guardkit" in looked.out
    examined = line("doctor", "--json")
    assert examined.status == 1
    assert [one["what"] for one in json.loads(examined.out) if not one["ok"]] == ["database"]


def test_a_person_decides_what_was_shown(line: Line, desk: Desk) -> None:
    approval = desk.start("t-1")
    listed, shown = line("approvals", "list"), line("approvals", "show", approval.request.id)
    assert approval.request.id in listed.out
    assert "C-[red]1" in shown.out, "text from a model is shown as it is"
    assert "48000" in shown.out
    assert approval.digest[:12] in shown.out

    decided = line.apart(
        "approvals", "decide", approval.request.id, "approve", "--as", "dana@example.com", "--digest",
        approval.digest[:12],
    )  # fmt: skip
    assert (decided.status, decided.err) == (0, "")
    assert "approved" in decided.out
    outcome = desk.go_on("t-1")
    assert isinstance(outcome, Finished)
    assert desk.paid == ["C-[red]1"]
    assert "consumed" in line("approvals", "list", "--all").out
    assert "dana" in line("approvals", "show", approval.request.id).out
    assert approval.request.id not in line("approvals", "list").out


def test_what_waits_is_there_for_machines(line: Line, desk: Desk) -> None:
    approval = desk.start("t-1")
    (listed,) = json.loads(line("approvals", "list", "--json").out)
    shown = json.loads(line("approvals", "show", approval.request.id, "--json").out)
    assert listed == {name: shown[name] for name in listed}
    assert (set(shown) - set(listed), shown["messages"], shown["decisions"]) == (
        {"messages", "decisions"},
        [],
        [],
    )
    assert (shown["id"], shown["digest"], shown["state"]) == (approval.request.id, approval.digest, "pending")
    assert json.loads(line("approvals", "list", "--json", "--tenant", "other").out) == []


def test_an_edit_at_the_command_line_changes_what_runs(line: Line, desk: Desk) -> None:
    approval = desk.start("t-1")
    decided = line(
        "approvals", "decide", approval.request.id, "edit", "--as", "dana@example.com",
        "--digest", approval.digest, "--args", '{"claim": "C-2"}',
    )  # fmt: skip
    assert (decided.status, decided.err) == (0, "")
    desk.go_on("t-1")
    assert desk.paid == ["C-2"]


def test_questions_are_watched_as_they_come_and_go(line: Line, desk: Desk) -> None:
    first = desk.start("t-1")
    with line.running("approvals", "watch", "--every", "0.1") as watching:
        assert watching.stdout is not None
        seen = _until(watching.stdout, first.request.id)
        second = desk.start("t-2")
        seen += _until(watching.stdout, second.request.id)
        line(
            "approvals", "decide", first.request.id, "reject", "--as", "dana@example.com", "--reason", "no",
            "--digest", first.digest,
        )  # fmt: skip
        seen += _until(watching.stdout, "rejected")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
    assert seen.count(second.request.id) == 1, "what has not changed is not shown again"


def _until(stream: IO[str], text: str) -> str:
    """What a process prints until a line holds the text; the test's own timeout ends it otherwise."""
    said = ""
    while text not in said:
        said += stream.readline()
    return said


@pytest.mark.parametrize(
    ("words", "says", "status"),
    [
        (["edit", "--as", "dana@example.com"], "--args goes with edit", 2),
        (["approve", "--as", "dana@example.com", "--args", '{"cents": 5}'], "--args goes with edit", 2),
        (["edit", "--as", "dana@example.com", "--args", "{"], "not JSON", 2),
        (["edit", "--as", "dana@example.com", "--args", "[1]"], "not a JSON object", 2),
        (["edit", "--as", "dana@example.com", "--args", "{}"], "not a JSON object", 2),
        (["edit", "--as", "dana@example.com", "--args", '{"cents": "many"}'], "args.cents", 2),
        (["edit", "--as", "dana@example.com", "--args", '{"centz": 5}'], "args.centz", 2),
        (["approve", "--as", "dana@example.com", "--digest", "0" * 12], "others have answered", 6),
        (["approve", "--as", "dana@example.com", "--digest", "abc"], "12 hex digits", 2),
        (["approve", "--as", "mallory@example.com"], "nobody is known by this identity", 5),
        (["reject", "--as", "dana@example.com"], "reason", 2),
        (["maybe", "--as", "dana@example.com"], "'maybe'", 2),
    ],
)
def test_a_decision_that_does_not_hold_is_refused(
    line: Line, desk: Desk, words: list[str], says: str, status: int
) -> None:
    approval = desk.start("t-1")
    looked_at = [] if "--digest" in words else ["--digest", approval.digest]
    refused = line("approvals", "decide", approval.request.id, *words, *looked_at)
    assert refused.status == status
    assert says in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert line("approvals", "list").out.count("pending") == 1


def test_nobody_decides_without_the_key(line: Line, desk: Desk) -> None:
    approval = desk.start("t-1")
    del line.environment["GUARDKIT_DECISION_KEY"]
    refused = line(
        "approvals",
        "decide",
        approval.request.id,
        "approve",
        "--as",
        "dana@example.com",
        "--digest",
        approval.digest,
    )
    assert refused.status == 2
    assert "GUARDKIT_DECISION_KEY" in refused.err


def test_a_stop_ends_a_paused_thread_and_holds_until_it_is_lifted(line: Line, desk: Desk) -> None:
    desk.start("t-1")
    stopped = line("stop", "set", "--thread", "t-1", "--why", "audit", "--by", "olga")
    assert stopped.status == 0
    outcome = desk.go_on("t-1")
    assert isinstance(outcome, NoResult)
    assert outcome.reason == "stopped_by_operator"

    listed = line("stop", "list").out
    assert "t-1" in listed
    assert "olga" in listed
    number = stopped.out.split()[1]
    assert line("stop", "lift", number, "--why", "done", "--by", "olga").out.strip() == "lifted"
    assert number not in line("stop", "list").out
    again = line("stop", "lift", number, "--why", "done", "--by", "olga")
    assert again.status == 2
    assert desk.paid == []


@pytest.mark.parametrize(
    "words", [[], ["--thread", "a", "--agent", "b"], ["--everything", "--tenant", "t"]], ids=str
)
def test_a_stop_says_one_thing_to_stop(line: Line, words: list[str]) -> None:
    refused = line("stop", "set", *words, "--why", "w", "--by", "b")
    assert refused.status == 2
    assert "--everything" in refused.err
    assert "in force" not in line("stop", "list").out


@pytest.mark.parametrize("outcome", ["done", "not_done"])
def test_an_operator_settles_an_effect_in_doubt(line: Line, desk: Desk, outcome: str) -> None:
    approval = desk.start("t-1")
    desk.doubtful.append("dead")
    line(
        "approvals",
        "decide",
        approval.request.id,
        "approve",
        "--as",
        "dana@example.com",
        "--digest",
        approval.digest,
    )
    ended = desk.go_on("t-1")
    assert isinstance(ended, NoResult)
    assert ended.reason == "effect_in_doubt"

    (record,) = desk.guard.store.effects(state=EffectState.IN_DOUBT)
    listed = line("effects", "list", "--state", "in_doubt")
    assert "in_doubt" in listed.out
    settled = line("effects", "settle", record.key, outcome, "--by", "olga")
    assert settled.out.strip() == "settled"
    assert [one.state.value for one in desk.guard.store.effects()] == [outcome]
    assert line("effects", "settle", record.key, outcome, "--by", "olga").status == 2
    told = [entry for entry in desk.guard.store.entries("default") if entry.event.kind == "effect.reconciled"]
    assert [entry.event.data["by"] for entry in told] == ["olga"]


def test_an_effect_is_settled_as_done_or_not_done(line: Line) -> None:
    refused = line("effects", "settle", "k", "perhaps", "--by", "olga")
    assert refused.status == 2
    assert "perhaps" in refused.err


def _in_doubt(desk: Desk, within: float) -> EffectRecord:
    """An effect of which nobody knows the outcome, and that may take so many seconds."""
    store = desk.guard.store
    run = samples.opened(store).run
    store.claim(
        run,
        key="pay:[1]",
        tool="pay",
        digest="1" * 64,
        action_id="a1",
        approval=None,
        events=[],
        within=within,
    )
    store.record(run, key="pay:[1]", state=EffectState.IN_DOUBT, result=None, events=[])
    record = store.effect(samples.TENANT, "pay:[1]")
    assert record is not None
    return record


def test_before_its_deadline_nobody_says_that_an_effect_was_not_done(line: Line, desk: Desk) -> None:
    record = _in_doubt(desk, 600.0)
    where = ("pay:[1]", "--tenant", samples.TENANT)
    refused = line("effects", "settle", where[0], "not_done", "--by", "olga", *where[1:])
    assert refused.status == 2
    assert utc(record.deadline or 0.0) in refused.err
    assert "may still reach the outside" in refused.err
    unchanged = desk.guard.store.effect(samples.TENANT, "pay:[1]")
    assert unchanged == record
    assert line("effects", "settle", where[0], "done", "--by", "olga", *where[1:]).status == 0


def test_an_effect_is_shown_with_the_key_that_the_outside_knows(line: Line, desk: Desk) -> None:
    record = _in_doubt(desk, 600.0)
    where = ("pay:[1]", "--tenant", samples.TENANT)
    shown = line("effects", "show", *where)
    assert shown.status == 0
    assert "pay:[1]" in shown.out
    assert "in_doubt" in shown.out
    told = json.loads(line("effects", "show", *where, "--json").out)
    assert (told["deadline"], told["claimed_at"]) == (record.deadline, record.claimed_at)
    assert told["outside"].startswith("guardkit-")
    assert told["outside"] in shown.out
    absent = line("effects", "show", "none", "--json")
    assert absent.status == 2
    assert "'none'" in absent.err


def test_the_key_that_is_shown_is_the_one_that_the_tool_was_handed(line: Line, desk: Desk) -> None:
    approval = desk.start("t-1")
    line(
        "approvals",
        "decide",
        approval.request.id,
        "approve",
        "--as",
        "dana@example.com",
        "--digest",
        approval.digest,
    )
    desk.go_on("t-1")
    (record,) = desk.guard.store.effects()
    told = json.loads(line("effects", "show", record.key, "--json").out)
    assert [told["outside"]] == desk.keys


def test_threads_are_listed_and_only_dead_letters_are_redriven(line: Line, desk: Desk) -> None:
    desk.start("t-[bold]1")
    listed = line("db", "threads").out
    assert "t-[bold]1" in listed
    assert "paused" in listed
    told = line("approvals", "redrive", "t-[bold]1", "--by", "ops", "--json")
    assert (told.status, json.loads(told.out)["error"]) == (2, "input")
    assert "not dead-lettered" in told.err
    assert line("approvals", "redrive", "t-[bold]1").status == 2, "an operator is named"


def test_a_dead_letter_is_redriven_and_who_did_it_is_in_the_log(line: Line, desk: Desk) -> None:
    approval = desk.start("t")
    decided = ("--digest", approval.digest, "--as", "dana@example.com")
    line("approvals", "decide", approval.request.id, "approve", *decided)
    store = desk.guard.store
    for _ in range(2):
        (thread,) = store.due()
        store.dead_letter(thread, "the graph has changed")
        assert list(store.due()) == []
        told = line("approvals", "redrive", "t", "--by", "olga", "--json")
        assert json.loads(told.out) == {"tenant": "default", "thread_id": "t", "by": "olga"}
    assert [thread.thread_id for thread in store.due()] == ["t"]
    said = [one.event for one in store.history("default", "t") if one.event.kind == "turn.redriven"]
    assert [(one.turn, one.data) for one in said] == [(1, {"by": "olga"})] * 2
    assert "given to workers again by olga" in line("trace", "t").out


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "GUARDKIT_DATABASE"),
        ("postgresql+psycopg://me:hunter2@127.0.0.1:9/none", "127.0.0.1:9/none"),
        ("oracle://x", "oracle"),
        ("not a url", "URL"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line(line: Line, url: str, says: str) -> None:
    if url:
        line.environment["GUARDKIT_DATABASE"] = url
    else:
        del line.environment["GUARDKIT_DATABASE"]
    refused = line("approvals", "list")
    assert refused.status == 2
    assert says in refused.err
    assert "hunter2" not in refused.err + refused.out
    assert len(refused.err.strip().splitlines()) == 1


def test_a_policy_is_checked_and_its_mistake_has_a_place(line: Line) -> None:
    checked = line("policy", "check", "policy.yaml")
    assert checked.status == 0
    assert "claims 3" in checked.out
    (line.folder / "bad.yaml").write_text('policy: p\nversion: "1"\nowner: me\ndefault: perhaps\n')
    refused = line("policy", "check", "bad.yaml")
    assert refused.status == 2
    assert "bad.yaml" in refused.err
    assert "4" in refused.err


def test_new_keys_work_as_they_are_printed(line: Line) -> None:
    printed = dict(row.split("=", 1) for row in line("keys", "new").out.strip().splitlines())
    line.environment.update(printed)
    examined = json.loads(line("doctor", "--json").out)
    said = {one["what"]: one["says"] for one in examined}
    assert said["keys: own decisions count"] == "yes"
    assert said["keys: audit heads can be checked"] == "yes"


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nowhere", "module:attribute"),
        ("nowhere:graph", "nowhere"),
        ("json:nothing", "nothing"),
        ("json:__name__", "not a guarded graph"),
    ],
)
def test_a_worker_for_nothing_says_so(line: Line, target: str, says: str) -> None:
    refused = line("worker", target)
    assert refused.status == 2
    assert says in refused.err
    assert len(refused.err.strip().splitlines()) == 1


def test_threads_are_imported_at_the_command_line(line: Line) -> None:
    with SqliteSaver.from_conn_string(str(line.folder / "theirs.db")) as saver:
        for thread in ("t-1", "t-[red]2"):
            saver.put(
                {"configurable": {"thread_id": thread, "checkpoint_ns": ""}},
                empty_checkpoint(),
                {"step": 1},
                {},
            )
    line("db", "upgrade")
    words = ("db", "import", "--from", "sqlite:///theirs.db")
    looked = line(*words, "--dry-run")
    assert (looked.status, looked.out.count("would be imported")) == (0, 2)
    taken = line(*words, "--thread", "t-[red]2")
    assert (taken.status, taken.out) == (0, "imported t-[red]2: 1 checkpoints, 0 writes\n")
    assert "already there t-[red]2" in line(*words).out

    with SqliteSaver.from_conn_string(str(line.folder / "theirs.db")) as saver:
        saver.delete_thread("t-1")
        saver.put({"configurable": {"thread_id": "t-1", "checkpoint_ns": ""}}, empty_checkpoint(), {}, {})
    refused = line(*words)
    assert refused.status == 1
    assert "refused t-1: 1 checkpoints, 0 writes (the thread is there and goes on otherwise" in refused.out
    wrong = line("db", "import", "--from", "mysql://somebody:hunter2@host/x")
    assert (wrong.status, "hunter2" in wrong.err) == (2, False)
