"""A token's life, from the command line: made, used, listed, revoked."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from guardkit import Guard
from guardkit.cli import app
from guardkit.core.keys import Keys
from guardkit.errors import GuardkitError, InputError
from guardkit.web import WebSettings

POLICY = """
policy: mail
version: "1"
owner: compliance@example.com
directory: people.yaml
default: reject
tools:
  send_mail: {otherwise: escalate, approval: manager}
approvals:
  manager:
    stages: [{approvers: [dana@example.com], channel: desk, assurance: api_token}]
    expires_in: 8h
    on_expiry: reject
    valid_for: 30m
"""
PEOPLE = """
people:
  - {id: dana, name: Dana Reyes, email: dana@example.com, tenant: north}
  - {id: lee, active: false}
"""
URL = "http://127.0.0.1:8321"


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    """A guard in the folder that the command line stands in."""
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    monkeypatch.setenv("GUARDKIT_DATABASE", f"sqlite:///{tmp_path / 'guardkit.db'}")
    monkeypatch.setenv("GUARDKIT_POLICY", str(tmp_path / "policy.yaml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = Guard(
        f"sqlite:///{tmp_path / 'guardkit.db'}", policy=tmp_path / "policy.yaml", keys=Keys.generate()
    )
    yield made
    made.database.close()


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["tokens", *words])


def refused(*words: str) -> str:
    """Why a command refuses."""
    result = run(*words)
    assert isinstance(result.exception, GuardkitError | SystemExit), result.output
    if isinstance(result.exception, InputError):
        return result.exception.message
    return str(result.output)


@pytest.mark.promise("P6")
def test_a_token_is_made_used_listed_and_revoked(guard: Guard) -> None:
    made = run(
        "create", "--person", "dana@example.com", "--scope", "approvals:read", "--by", "ops", "--days", "2"
    )
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    assert re.fullmatch(r"gk_[0-9a-f]{16}_[0-9a-f]{64}", text)
    api = TestClient(guard.app(settings=WebSettings.for_demo(URL)), base_url=URL)
    api.headers["Authorization"] = f"Bearer {text}"
    assert api.get("/api/v1/approvals").status_code == 200
    assert api.get("/api/v1/stops").status_code == 403
    listed = run("list", "--json")
    assert text not in listed.output
    (token,) = json.loads(listed.stdout)
    assert (token["subject"], token["tenant"], token["holder"], token["live"]) == (
        "dana",
        "north",
        "person",
        True,
    )
    assert round(token["expires_at"] - token["created_at"]) == 2 * 86400
    assert "hash" not in token
    assert run("revoke", token["id"], "--by", "ops").exit_code == 0
    assert api.get("/api/v1/approvals").status_code == 401
    shown = run("list").stdout
    assert token["id"] in shown
    assert "revoked" in shown
    assert "no token" in refused("revoke", token["id"], "--by", "ops")
    audited = [entry.event.kind for entry in guard.store.entries("north")]
    assert audited == ["token.created", "api.refused", "token.revoked", "api.refused"]
    stored = Path("guardkit.db").read_bytes() + Path("guardkit.db-wal").read_bytes()
    assert text.rpartition("_")[2].encode() not in stored, "the database holds no secret"


@pytest.mark.promise("P15")
@pytest.mark.usefixtures("guard")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--person", "nobody", "--scope", "approvals:read"], "--person 'nobody' is nobody"),
        (["--person", "lee", "--scope", "approvals:read"], "--person 'lee' is nobody"),
        (["--scope", "approvals:read"], "--person or --service"),
        (["--person", "dana", "--service", "x", "--scope", "approvals:read"], "--person or --service"),
        (["--person", "dana", "--tenant", "south", "--scope", "approvals:read"], "--tenant goes with --service"),
        (["--service", "x", "--scope", "approvals:decide"], "a service cannot have the scope approvals:decide"),
        (["--service", "x", "--scope", "everything"], "everything"),
        (["--service", "x", "--scope", "stops:read", "--days", "400"], "366"),
        (["--service", " x", "--scope", "stops:read"], "white space"),
        (["--service", "x", "--tenant", "*", "--scope", "stops:read"], "reserved"),
    ],
    ids=str,
)  # fmt: skip
def test_a_token_that_cannot_be_is_not_made(words: list[str], said: str) -> None:
    assert said in refused("create", "--by", "ops", *words)
    assert json.loads(run("list", "--json").stdout) == []
