"""Deciding at the command line: what is shown, what is sent, how it ends."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from guardkit.cli import app
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.keys import Keys
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.signing import Signer
from guardkit.core.stages import ApprovalStage
from guardkit.core.values import JsonObject
from guardkit.sql import Database, SQLStore, upgrade
from guardkit.testing.contracts import samples
from tests.unit.cli.conftest import POLICY, Ran

PEOPLE = """
people:
  - {id: dana, email: dana@example.com, roles: [manager]}
  - {id: eli, email: eli@example.com, roles: [manager]}
  - {id: uma, email: uma@example.com, roles: [manager]}
  - {id: nora, email: nora@example.com, roles: [manager], tenant: north}
  - {id: finn, email: finn@example.com}
"""
SCHEMA: JsonObject = {
    "type": "object",
    "additionalProperties": False,
    "required": ["claim", "cents"],
    "properties": {
        "claim": {"type": "string"},
        "cents": {"type": "integer", "minimum": 1},
        "currency": {"enum": ["EUR", "USD"]},
        "urgent": {"type": "boolean"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
    },
    "$defs": {
        "Line": {
            "type": "object",
            "properties": {"amount": {"type": "number"}, "text": {"type": "string"}},
        }
    },
}
ARGS: JsonObject = {
    "claim": "C-1",
    "cents": 48000,
    "currency": "EUR",
    "lines": [{"amount": 1.5, "text": "a"}],
}


@dataclass
class Office:
    """A database with questions, and a command line in the same process."""

    store: SQLStore
    threads: int = 0

    def ask(self, args: JsonObject | None = None, **changes: Any) -> Approval:
        """A question that waits in a thread of its own."""
        self.threads += 1
        tenant = changes.pop("tenant", "default")
        thread = changes.pop("thread", f"t-{self.threads}")
        run = samples.opened(self.store, thread, tenant=tenant).run
        stage = ApprovalStage(
            role="manager", approvers=("dana", "eli", "nora"), channels=("desk",), assurance="local_operator"
        )
        asked = samples.request(run, self.threads, stages=(stage,), args=args or ARGS).model_copy(
            update={"args_schema": SCHEMA, **changes}
        )
        (approval,) = self.store.register(run, [asked], [])
        self.store.close_run(run, samples.closing(), [])
        return approval

    def now(self, approval: Approval) -> Approval:
        found = self.store.find(approval.request.id)
        assert found is not None
        return found

    def __call__(self, *words: str, typed: str | None = None) -> Ran:
        done = CliRunner().invoke(app, ["approvals", *words], input=typed)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "people.yaml").write_text(PEOPLE)
    key = Keys.generate().decision_key
    assert key is not None
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GUARDKIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GUARDKIT_DATABASE", "sqlite:///guardkit.db")
    monkeypatch.setenv("GUARDKIT_POLICY", "policy.yaml")
    monkeypatch.setenv("GUARDKIT_DECISION_KEY", key.get_secret_value())
    monkeypatch.setenv("GUARDKIT_DECISION_PUBLIC_KEYS", Signer(key.get_secret_value()).public_key)
    upgrade("sqlite:///guardkit.db")
    with Database("sqlite:///guardkit.db") as database:
        yield Office(SQLStore(database))


def hash_of(approval: Approval) -> str:
    return presentation_hash(present(approval))


def shown(approval: Approval) -> tuple[str, ...]:
    """What a script that has looked at an approval adds."""
    return ("--as", "dana@example.com", "--yes", "--shown", hash_of(approval))


def test_what_was_shown_is_approved(office: Office) -> None:
    approval = office.ask()
    seen = json.loads(office("show", approval.request.id, "--json").out)
    done = office(
        "approve",
        approval.request.id,
        "--as",
        "dana",
        "--yes",
        "--shown",
        seen["presentation_hash"],
        "--json",
    )
    assert (done.status, done.err) == (0, "")
    taken = json.loads(done.out)
    assert (taken["state"], taken["person"], taken["version"]) == ("approved", "dana", 1)
    assert taken["presentation_hash"] == seen["presentation_hash"]
    assert office.now(approval).state is ApprovalState.APPROVED


def test_an_edit_sets_arguments_by_the_tools_schema(office: Office) -> None:
    approval = office.ask()
    done = office(
        "edit", approval.request.id, *shown(approval), "--set", "cents=45000", "--set", "currency=USD",
        "--set", "urgent=yes", "--set", "lines[0].amount=2.25", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert office.now(approval).args == {
        "claim": "C-1", "cents": 45000, "currency": "USD", "urgent": True, "lines": [{"amount": 2.25, "text": "a"}],
    }  # fmt: skip
    changes = json.loads(done.out)["changes"]
    assert [change["path"] for change in changes] == ["cents", "currency", "lines[0].amount", "urgent"]
