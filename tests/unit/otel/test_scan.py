"""The scan of the whole suite finds a leak: a suite that leaks on purpose is run with it, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import logging
from pathlib import Path
from guardkit.core.steps import Action
from guardkit.core.verdicts import CheckContext, Verdict
from opentelemetry.trace import get_current_span
from guardkit import Guard, Policy
from tests.unit.otel.scene import ASK, KIM
from langgraph.graph import START, MessagesState, StateGraph

POLICY = Policy.from_dict({"policy": "p", "version": "1", "owner": "me", "default": "reject"})

def run(folder: Path, node) -> None:
    guard = Guard(f"sqlite:///{folder / 'guardkit.db'}", policy=POLICY)
    builder = StateGraph(MessagesState)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    guard.compile(builder, name="clerk").invoke(ASK, guard.config("conversation-1", KIM))
    guard.database.close()

def test_nothing(tmp_path):
    run(tmp_path, lambda state: {})

def test_span(tmp_path):
    def node(state):
        get_current_span().set_attribute("said", state["messages"][-1].content)
        return {}
    run(tmp_path, node)

def test_event(tmp_path):
    def node(state):
        get_current_span().add_event("asked by", {"who": "somebody@corp.example"})
        return {}
    run(tmp_path, node)

def test_log(tmp_path):
    def node(state):
        try:
            raise ValueError(state["messages"][-1].content)
        except ValueError:
            logging.getLogger("guardkit.anything").exception("it failed")
        return {}
    run(tmp_path, node)

def test_agent_name(tmp_path):
    guard = Guard(f"sqlite:///{tmp_path / 'guardkit.db'}", policy=POLICY)
    builder = StateGraph(MessagesState)
    builder.add_node("node", lambda state: {})
    builder.add_edge(START, "node")
    config = guard.config("xoxb" + "-1234", KIM)
    guard.compile(builder, name="clerk").invoke(ASK, config)
    guard.database.close()
"""


@pytest.mark.promise("P13")
def test_a_suite_that_leaks_fails(tmp_path: Path) -> None:
    (tmp_path / "test_leaks.py").write_text(SUITE, encoding="utf-8")
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "tests.scan", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", "-rA", str(tmp_path)],
        cwd=root,
        env={"PYTHONPATH": str(root), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    failed = [
        line for line in done.stdout.splitlines() if line.startswith(("ERROR ", "FAILED ")) and "::" in line
    ]
    assert sorted(line.split("::")[1].split()[0] for line in failed) == [
        "test_agent_name",
        "test_event",
        "test_log",
        "test_span",
    ], done.stdout
    for leak in (
        "spans: 'prompt-secret'",
        "spans: 'somebody@corp.example'",
        "log: 'prompt-secret'",
        "spans: 'xoxb-" + "1'",
    ):
        assert leak in done.stdout
