"""What the command line says about channels."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import pytest

from guardkit.testing.slack import SlackServer
from guardkit.testing.slack.access import DEFAULT_SCOPES
from tests.unit.cli.conftest import Line

APP = """
from guardkit import Guard, Keys
from guardkit.channels import Console, Slack, Teams

guard = Guard(
    "sqlite:///guardkit.db",
    policy="policy.yaml",
    keys=Keys.generate(),
    channels={{
        "desk": Slack({room!r}, base_url={base_url!r}),
        "finance": Teams(),
        "log": Console(),
    }},
)
"""


def findings(line: Line, slack: SlackServer, room: str, **secrets: str) -> dict[str, dict]:
    (line.folder / "app.py").write_text(APP.format(room=room, base_url=slack.base_url))
    ran = line("doctor", "app:guard", "--json", **secrets)
    assert ran.err == ""
    found = {one["what"]: one for one in json.loads(ran.out)}
    assert ran.status == (0 if all(one["ok"] for one in found.values()) else 1)
    return found


def test_the_doctor_asks_slack_and_names_the_remedy(line: Line) -> None:
    with SlackServer() as slack:
        ana = slack.person("Ana", "ana@corp.example")
        inside = slack.conversation("claims", ana)
        outside = slack.conversation("elsewhere", ana, with_bot=False)
        tokens = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token}
        well = findings(line, slack, inside.id, **tokens)
        for subject in ("token", "scopes", "clock", "conversation", "socket mode"):
            assert well[f"channel desk: {subject}"]["ok"], well
        slack.grant("chat:write", "im:write", "users:read")
        scopes = findings(line, slack, inside.id, **tokens)["channel desk: scopes"]
        assert not scopes["ok"]
        assert "commands, users:read.email" in scopes["says"]
        slack.grant(*DEFAULT_SCOPES)
        missing = findings(line, slack, outside.id, **tokens)["channel desk: conversation"]
        assert not missing["ok"]
        assert "/invite" in missing["says"]
        slack.revoke_token()
        revoked = findings(line, slack, inside.id, **tokens)["channel desk: token"]
        assert not revoked["ok"]
        assert slack.bot_token not in json.dumps(revoked)


def test_the_doctor_names_the_variable_that_is_missing(line: Line) -> None:
    with SlackServer() as slack:
        found = findings(line, slack, "C1")
    assert "SLACK_BOT_TOKEN" in found["channel desk: token"]["says"]
    assert "GUARDKIT_TEAMS_APP_ID" in found["channel finance: settings"]["says"]
    assert not [what for what in found if what.startswith("channel log")]


GRAPH = """
from langgraph.graph import START, MessagesState, StateGraph
from guardkit import Guard, Policy

policy = Policy.from_dict({"policy": "p", "version": "1", "owner": "me", "default": "reject"})
guard = Guard("sqlite:///own.db", policy=policy)
builder = StateGraph(MessagesState)
builder.add_node("agent", lambda state: {"messages": []})
builder.add_edge(START, "agent")
graph = guard.compile(builder, name="claims")
"""


@pytest.mark.promise("P6")
def test_the_doctor_looks_for_private_keys_where_graphs_run(line: Line) -> None:
    (line.folder / "graph_app.py").write_text(GRAPH)
    shared = {"GUARDKIT_DATABASE": "postgresql+psycopg://nobody@127.0.0.1:1/none"}
    public = {"GUARDKIT_DECISION_KEY": "", "GUARDKIT_WEB_SECRET": ""}

    def looked(*words: str, **variables: str) -> list[Any]:
        ran = line("doctor", *words, "--json", **variables)
        assert ran.err == ""
        found = json.loads(ran.out)
        return [one for one in found if one["warns"]]

    [look] = looked("graph_app:graph", **shared)
    assert look["ok"], "whoever runs it in the inbox's environment has done nothing wrong"
    assert "GUARDKIT_DECISION_KEY" in look["says"]
    assert "look keys: private ones" in line("doctor", "graph_app:graph", **shared).out
    assert looked("graph_app:graph", **shared, **public) == []
    assert looked(**shared) == [], "nothing says that graphs run here"
    assert looked("graph_app:graph") == [], "on one machine"


def test_the_app_package_for_teams_is_written(line: Line) -> None:
    app_id = "11111111-2222-4333-8444-555555555555"
    ran = line(
        "teams", "package", "--app-id", app_id, "--developer", "Corp", "--website", "https://corp.example"
    )
    assert ran.status == 0, ran.err
    with zipfile.ZipFile(line.folder / "approvals.zip") as package:
        assert sorted(package.namelist()) == ["color.png", "manifest.json", "outline.png"]
        assert json.loads(package.read("manifest.json"))["bots"][0]["botId"] == app_id


@pytest.mark.promise("P15")
def test_an_app_package_for_no_app_is_refused(line: Line) -> None:
    ran = line(
        "teams", "package", "--app-id", "mine", "--developer", "Corp", "--website", "https://corp.example"
    )
    assert ran.status == 2
    assert "mine" in ran.err
    assert not (line.folder / "approvals.zip").exists()
