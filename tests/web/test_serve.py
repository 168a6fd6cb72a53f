"""`guardkit serve` in a process of its own, over a real graph that waits."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from guardkit.cli import app
from guardkit.core.keys import Keys
from guardkit.errors import ConfigurationError, GuardkitError, InputError
from tests.web.visits import hidden, text_of

APP = '''
import sys
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from guardkit import Guard, Principal
from guardkit.testing import ScriptedModel, calls

guard = Guard.from_env()

@guard.effect
def send_mail(to: str, text: str) -> str:
    """Send a mail."""
    print("sent to", to)
    return "sent"

model = ScriptedModel(calls(("send_mail", {"to": "ada@example.net", "text": "Closed."})), "Done.")
builder = StateGraph(MessagesState)
builder.add_node("agent", lambda state: {"messages": [model.invoke(state["messages"])]})
builder.add_node("tools", ToolNode([send_mail]))
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", tools_condition)
builder.add_edge("tools", "agent")
graph = guard.compile(builder)

if __name__ == "__main__":
    graph.invoke({"messages": [("user", "Tell Ada.")]}, guard.config("t-1", Principal(id="kim")))
'''

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
    stages: [{approvers: [dana@example.com], channel: desk, assurance: local_operator}]
    exclude_requester: true
    expires_in: 8h
    on_expiry: reject
    valid_for: 30m
"""

PEOPLE = """
people:
  - {id: dana, name: Dana Reyes, email: dana@example.com}
  - {id: kim}
  - {id: lee, active: false}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "desk_app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    keys = Keys.generate()
    assert keys.decision_key is not None
    assert keys.web_secret is not None
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GUARDKIT_")}
    return {
        **clean,
        "GUARDKIT_DATABASE": f"sqlite:///{folder / 'guardkit.db'}",
        "GUARDKIT_POLICY": str(folder / "policy.yaml"),
        "GUARDKIT_DECISION_KEY": keys.decision_key.get_secret_value(),
        "GUARDKIT_DECISION_PUBLIC_KEYS": ",".join(keys.decision_public_keys),
        "GUARDKIT_WEB_SECRET": keys.web_secret.get_secret_value(),
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def here(folder: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This process stands in the folder, with its environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "desk_app", raising=False)
    return monkeypatch


def refused(*words: str) -> GuardkitError:
    """Why `guardkit serve` does not start. It prints no link then."""
    result = CliRunner().invoke(app, ["serve", "desk_app:graph", *words])
    sys.modules.pop("desk_app", None)
    assert isinstance(result.exception, GuardkitError), result.output
    assert "token=" not in result.output
    return result.exception


def listeners(port: int) -> set[str] | None:
    """The addresses that somebody listens on at this port, as Linux writes them; `None` elsewhere."""
    table = Path("/proc/net/tcp")
    if not table.exists():
        return None
    rows = [row.split() for row in table.read_text(encoding="ascii").splitlines()[1:]]
    return {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}


@contextlib.contextmanager
def serving(folder: Path, environment: dict[str, str], port: int, *words: str) -> Iterator[Any]:
    process = subprocess.Popen(
        [sys.executable, "-m", "guardkit", "serve", "desk_app:graph", "--port", str(port), *words],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=90)


@pytest.mark.promise("P6")
@pytest.mark.timeout(400)
def test_the_printed_link_leads_to_a_decision_once(folder: Path, environment: dict[str, str]) -> None:
    asked = subprocess.run(
        [sys.executable, "desk_app.py"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    port = free_port()
    with serving(folder, environment, port, "--link-for", "dana@example.com") as process:
        link = process.stdout.readline().strip()
        assert link.startswith(f"http://127.0.0.1:{port}/sign-in?token=")
        assert listeners(port) in (None, {f"0100007F:{port:04X}"}), "on loopback, and on nothing else"
        token = link.partition("token=")[2]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Sec-Fetch-Site": "same-origin"},
            trust_env=False,
            timeout=60,
        ) as dana:
            assert "Dana Reyes" in text_of(dana.get(link).text)
            assert dana.post("/sign-in", data={"token": token}).status_code == 303
            again = httpx.post(
                f"http://127.0.0.1:{port}/sign-in",
                data={"token": token},
                headers={"Sec-Fetch-Site": "same-origin"},
                trust_env=False,
                timeout=60,
            )
            assert again.status_code == 403
            listed = dana.get("/").text
            assert "ada@example.net" in listed
            found = re.search(r'href="(/approvals/[0-9a-f]+)"', listed)
            assert found is not None
            page = dana.get(found[1]).text
            answer = dana.post(
                f"{found[1]}/approve",
                data={
                    "token": hidden(page, "token"),
                    "digest": hidden(page, "digest"),
                    "shown": hidden(page, "shown"),
                },
            )
            assert answer.status_code == 303
            assert "Approved" in text_of(dana.get(found[1]).text)
            assert "server" not in answer.headers


@pytest.mark.promise("P15")
@pytest.mark.parametrize("who", ["nobody@example.com", "lee"], ids=["unknown", "inactive"])
@pytest.mark.usefixtures("here")
def test_no_link_is_printed_for_somebody_who_may_not_enter(who: str) -> None:
    error = refused("--port", str(free_port()), "--link-for", who)
    assert isinstance(error, InputError)
    assert f"--link-for {who!r}" in str(error)


@pytest.mark.promise("P15")
@pytest.mark.usefixtures("here")
def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = refused("--port", str(port), "--link-for", "dana")
    assert isinstance(error, ConfigurationError)
    assert f"port {port} on loopback cannot be used" in str(error)
    assert "--port" in str(error)


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("GUARDKIT_WEB_SECRET", "", "GUARDKIT_WEB_SECRET"),
        ("GUARDKIT_WEB_SECRET", "short", "web.keys[0] has 5 characters, 32 are needed"),
        ("GUARDKIT_DECISION_KEY", "", "GUARDKIT_DECISION_KEY"),
    ],
    ids=["no-secret", "short-secret", "no-decision-key"],
)
def test_without_its_keys_it_does_not_start(
    here: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    here.setenv(variable, value)
    error = refused("--link-for", "dana")
    assert isinstance(error, ConfigurationError)
    assert named in str(error)
