"""Removing what is old, holding it, and measuring, from the command line."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from typer.testing import CliRunner, Result

from guardkit import Finished
from guardkit.cli import app
from tests.unit.cli.conftest import Desk, Line

RETENTION = """\
retention: claims
version: "1"
owner: privacy@example.com
keep: {checkpoints: 30d, inputs: 30d, approvals: 30d, deliveries: 30d, effects: 30d}
"""


def typed(line: Line, *words: str) -> Result:
    """A command in this process: many of them are quicker so."""
    here = {
        "GUARDKIT_DATABASE": f"sqlite:///{line.folder / 'guardkit.db'}",
        "GUARDKIT_POLICY": str(line.folder / "policy.yaml"),
        "COLUMNS": "200",
    }
    ran = CliRunner().invoke(app, list(words), env={**line.environment, **here})
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran


def done(line: Line, desk: Desk, thread: str) -> None:
    approval = desk.start(thread)
    said = typed(
        line,
        "approvals",
        "decide",
        approval.request.id,
        "approve",
        "--as",
        "dana@example.com",
        "--digest",
        approval.digest,
    )
    assert said.exit_code == 0, said.output
    assert isinstance(desk.go_on(thread), Finished)


def age(line: Line) -> None:
    """Everything was forty days ago, and everybody was told."""
    by = 40 * 86_400 * 1_000_000
    with closing(sqlite3.connect(line.folder / "guardkit.db")) as connection, connection:
        connection.execute(
            f"UPDATE gk_threads SET active_at = active_at - {by}, opened_at = opened_at - {by}, due_at = NULL"
        )
        connection.execute(f"UPDATE gk_approvals SET settled_at = settled_at - {by}")
        connection.execute(f"UPDATE gk_effects SET settled_at = settled_at - {by}")
        connection.execute("UPDATE gk_deliveries SET state = 'void'")


def test_a_thread_is_removed_once_its_hold_is_lifted_and_can_be_begun_anew(line: Line, desk: Desk) -> None:
    (line.folder / "retention.yaml").write_text(RETENTION)
    done(line, desk, "c-[red]1")
    age(line)
    placed = typed(line, "db", "hold", "set", "--thread", "c-[red]1", "--why", "[b]court", "--by", "dana")
    assert placed.exit_code == 0, placed.output
    assert "is in force on thread c-[red]1 of tenant default" in placed.stdout
    hold = placed.stdout.split()[1]
    listed = typed(line, "db", "hold", "list")
    assert "c-[red]1" in listed.stdout
    assert "[b]court" in listed.stdout
    looked = typed(line, "db", "prune", str(line.folder / "retention.yaml"), "--dry-run", "--json")
    assert [one["rows"] for one in json.loads(looked.stdout)] == [{}] * 5

    lifted = typed(line, "db", "hold", "lift", hold, "--why", "settled", "--by", "eve")
    assert (lifted.exit_code, lifted.stdout) == (0, "lifted\n")
    (one,) = json.loads(typed(line, "db", "hold", "list", "--all", "--json").stdout)
    assert (one["id"], one["why"], one["lifted_by"]) == (hold, "[b]court", "eve")
    looked = typed(line, "db", "prune", str(line.folder / "retention.yaml"), "--dry-run", "--json")
    removed = typed(line, "db", "prune", str(line.folder / "retention.yaml"), "--by", "cron", "--json")
    assert removed.exit_code == 0, removed.output
    would, did = json.loads(looked.stdout), json.loads(removed.stdout)
    assert [one["rows"] for one in would] == [one["rows"] for one in did]
    assert [one["removed"] for one in (would[0], did[0])] == [False, True]
    assert {one["kind"] for one in did if one["rows"]} == {"checkpoints", "inputs", "approvals", "effects"}
    assert "none" in typed(line, "db", "prune", str(line.folder / "retention.yaml"), "--by", "cron").stdout

    for command in (
        ("trace", "c-[red]1"),
        ("db", "check"),
        ("audit", "verify"),
        ("effects", "list"),
        ("approvals", "list", "--all"),
    ):
        after = typed(line, *command)
        assert after.exit_code == 0, (command, after.output)
    pruned = [one for one in desk.guard.store.entries("default") if one.event.kind == "retention.pruned"]
    assert [one.event.data["by"] for one in pruned] == ["cron"] * 4
    desk.start("c-[red]1")
    assert desk.paid == ["C-[red]1"]


def test_what_cannot_be_used_is_one_line(line: Line, desk: Desk) -> None:
    desk.start("t")
    (line.folder / "retention.yaml").write_text(RETENTION)
    (line.folder / "wrong.yaml").write_text(RETENTION.replace("inputs", "input"))
    refused = {
        ("db", "prune", "retention.yaml"): "say who does it with --by",
        ("db", "prune", "wrong.yaml", "--dry-run"): "wrong.yaml:4: keep.input: is not a known key",
        ("db", "prune", "retention.yaml", "--by", "cron", "--batch", "0"): "batch is 0",
        ("db", "hold", "set", "--why", "x", "--by", "dana"): "--whole-tenant",
        ("db", "hold", "lift", "nothing", "--why", "x", "--by", "dana"): "no hold 'nothing'",
        ("db", "size", "--threads", "5000"): "threads is 5000",
    }
    for command, told in refused.items():
        ran = line(*command)
        assert (ran.status, ran.out) == (2, ""), command
        assert told in ran.err
        assert "Traceback" not in ran.err


def test_sizes_are_printed(line: Line, desk: Desk) -> None:
    desk.start("t-[red]1")
    shown = line("db", "size", "--threads", "3")
    assert shown.status == 0, shown.err
    assert "gk_checkpoints" in shown.out
    assert "t-[red]1" in shown.out
    said = json.loads(line("db", "size", "--json", "--tenant", "default").out)
    assert said["measured"] == "contents"
    assert {one["table"]: one["rows"] for one in said["tables"]}["gk_approvals"] == 1
