"""Real processes: `guardkit serve` and `guardkit worker` over an agent that waits for people."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx

from guardkit.core.keys import Keys

APP = '''
import time
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from guardkit import Guard, Principal
from guardkit.testing import ScriptedModel, calls

guard = Guard.from_env()

@guard.effect
def send_mail(to: str, text: str) -> str:
    """Send a mail."""
    return "sent"

model = ScriptedModel(calls(("send_mail", {"to": "ada@example.net", "text": "argument-secret"})), "Done.")

async def think(state):
    if state["messages"][-1].type == "tool":
        time.sleep(600)      # holds up the event loop, as code by mistake does
    return {"messages": [model.invoke(state["messages"])]}

builder = StateGraph(MessagesState)
builder.add_node("think", think)
builder.add_node("tools", ToolNode([send_mail]))
builder.add_edge(START, "think")
builder.add_conditional_edges("think", tools_condition)
builder.add_edge("tools", "think")
graph = guard.compile(builder, name="clerk")

if __name__ == "__main__":
    import asyncio
    asyncio.run(graph.ainvoke({"messages": [("user", "prompt-secret")]}, guard.config("t-1", Principal(id="kim"))))
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
"""


def furnished(folder: Path, database: str | None = None) -> dict[str, str]:
    """Write the agent into a folder. Returns the environment of its processes."""
    for name, text in (("desk_app.py", APP), ("policy.yaml", POLICY), ("people.yaml", PEOPLE)):
        (folder / name).write_text(text, encoding="utf-8")
    keys = Keys.generate()
    assert keys.decision_key is not None
    assert keys.web_secret is not None
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GUARDKIT_", "OTEL_"))}
    return {
        **clean,
        "GUARDKIT_DATABASE": database or f"sqlite:///{folder / 'guardkit.db'}",
        "GUARDKIT_POLICY": str(folder / "policy.yaml"),
        "GUARDKIT_DECISION_KEY": keys.decision_key.get_secret_value(),
        "GUARDKIT_DECISION_PUBLIC_KEYS": ",".join(keys.decision_public_keys),
        "GUARDKIT_WEB_SECRET": keys.web_secret.get_secret_value(),
    }


def ask(folder: Path, environment: Mapping[str, str]) -> None:
    """Let the agent run until it waits for people."""
    _run(folder, environment, "desk_app.py")


def commanded(folder: Path, environment: Mapping[str, str], *words: str) -> str:
    """What a command of the operator's prints."""
    return _run(folder, environment, "-m", "guardkit", *words)


def _run(folder: Path, environment: Mapping[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


class Process:
    """One that runs, and what it has written to standard error."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stderr is not None
        self.lines.extend(self.popen.stderr)

    def close(self) -> None:
        """Read what is left, and close the pipes."""
        self._reader.join(timeout=60)
        for pipe in (self.popen.stdout, self.popen.stderr):
            if pipe is not None:
                pipe.close()

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and wait. Returns its exit status."""
        self.popen.send_signal(number)
        status = self.popen.wait(timeout=120)
        self._reader.join(timeout=60)
        return status


@contextlib.contextmanager
def running(folder: Path, environment: Mapping[str, str], *words: str) -> Iterator[Process]:
    """`guardkit` with these words."""
    popen = subprocess.Popen(
        [sys.executable, "-m", "guardkit", *words],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    process = Process(popen)
    try:
        yield process
    finally:
        if popen.poll() is None:
            popen.send_signal(signal.SIGCONT)
            popen.kill()
            popen.wait(timeout=60)
        process.close()


def free_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def asked(port: int, path: str) -> int | None:
    """The status that a probe gets, or `None` when nobody answers in time."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False, timeout=10).status_code
    except httpx.HTTPError:
        return None


def until(holds: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait for something that comes about by itself."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"still waiting for: {what}"
        time.sleep(0.1)


def metrics(port: int) -> str:
    """What a scrape reads."""
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=30)
    assert answer.status_code == 200
    return answer.text


def value(scraped: str, series: str) -> float | None:
    """The value of a series, or `None` when it is absent."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", scraped, re.MULTILINE)
    return None if found is None else float(found[1])
