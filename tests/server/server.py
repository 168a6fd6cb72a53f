"""A LangGraph server with the guarded agent of `app/`, and what a test needs around it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from guardkit import Assurance, Guard, Keys, PeopleDirectory, Person, Policy
from guardkit.core.approvals import Approval
from guardkit.langgraph.remote import RemoteAgent
from guardkit.testing import FakeChannel
from guardkit.worker import Worker

APP = Path(__file__).parent / "app"
ROOT = Path(__file__).parents[2]
PATIENCE = 180.0
Saver = Literal["the server's", "ours"]


def installed() -> Path | None:
    """The command `langgraph` in the environment that `GUARDKIT_TEST_SERVER` names."""
    folder = os.environ.get("GUARDKIT_TEST_SERVER", "")
    command = ROOT / folder / "bin" / "langgraph"
    return command if folder and command.is_file() else None


def until(done: Callable[[], object], what: str) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@dataclass
class Server:
    """`langgraph dev` at work, and a guard over the same database outside of it."""

    command: Path
    folder: Path
    saver: Saver
    keys: Keys = field(default_factory=Keys.generate)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    clients: list[LangGraphClient] = field(default_factory=list)

    def __post_init__(self) -> None:
        shutil.copytree(APP, self.folder / "app")
        people = PeopleDirectory([Person(id="dana", email="dana@example.com"), Person(id="kim")])
        policy = {
            "policy": "outside",
            "version": "1",
            "owner": "o@example.com",
            "default": "reject",
            "tools": {},
        }
        self.guard = Guard(
            self.database,
            policy=Policy.from_dict(policy, directory=people),
            channels={"desk": FakeChannel("desk")},
            keys=self.keys,
        )

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder / 'guardkit.db'}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it on a free port of 127.0.0.1."""
        with socket.create_server(("127.0.0.1", self.port)) as free:
            self.port = free.getsockname()[1]
        config = "langgraph.json" if self.saver == "the server's" else "langgraph_own_saver.json"
        said = (self.folder / "server.txt").open("ab")
        public = self.keys.for_agent().decision_public_keys
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GUARDKIT_")},
            "PATH": f"{self.command.parent}{os.pathsep}{os.environ['PATH']}",
            "GUARDKIT_DATABASE": self.database,
            "GUARDKIT_DECISION_PUBLIC_KEYS": ",".join(public),
            "DESK_PAYMENTS": str(self.folder / "payments"),
            "DESK_DRAFTS": str(self.folder / "drafts"),
            "LANGGRAPH_CLI_NO_ANALYTICS": "1",
            "LANGSMITH_TRACING": "false",
            "NO_PROXY": "*",
        }
        options = [
            "--no-browser",
            "--no-reload",
            "--allow-blocking",
            "--config",
            config,
            "--port",
            str(self.port),
        ]
        with said:
            self.process = subprocess.Popen(
                [str(self.command), "dev", *options],
                cwd=self.folder / "app",
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until(self.answers, f"the server does not start:\n{self.said()}")

    def answers(self) -> bool:
        assert self.process is None or self.process.poll() is None, self.said()
        try:
            return httpx.get(f"{self.url}/ok", trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False

    def said(self) -> str:
        """The end of what it wrote."""
        return (self.folder / "server.txt").read_text(errors="replace")[-4000:]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, how)
            self.process.wait(PATIENCE)
            self.process = None

    def close(self) -> None:
        self.stop()
        self.guard.database.close()

    # --- what people and processes do ---

    def graph(self, who: str, agent: str = "desk") -> RemoteGraph:
        """LangGraph's client of an agent, as somebody."""
        headers = {"authorization": f"Bearer {who}"}
        client = get_client(url=self.url, headers=headers)
        self.clients.append(client)
        return RemoteGraph(agent, client=client)

    async def hang_up(self) -> None:
        """Close what the clients of a test have open."""
        while self.clients:
            await self.clients.pop().aclose()

    def thread(self, who: str) -> str:
        """A new thread of somebody."""
        reply = self._request("POST", "/threads", who, json={})
        return str(reply.json()["thread_id"])

    def forget(self, who: str, thread_id: str) -> None:
        """Delete a thread of the server's."""
        self._request("DELETE", f"/threads/{thread_id}", who)

    def streamed(self, who: str, agent: str, thread_id: str, given: Any, **more: Any) -> str:
        """Everything that the server sends while a run goes on, as it comes over the wire."""
        body = {"assistant_id": agent, "input": given, **more}
        return self._request(
            "POST", f"/threads/{thread_id}/runs/stream", who, json=body, timeout=PATIENCE
        ).text

    def told(self, who: str, path: str) -> str:
        """What the server says about a thread."""
        return self._request("GET", path, who).text

    def _request(self, method: str, path: str, who: str, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {who}"}
        more.setdefault("timeout", PATIENCE)
        reply = httpx.request(method, f"{self.url}{path}", headers=headers, trust_env=False, **more)
        return reply.raise_for_status()

    def worker(self, who: str = "worker") -> Worker:
        return self.guard.worker(remote={"desk": RemoteAgent(self.graph(who))}, backoff=0.01)

    def asked(self, thread_id: str) -> list[Approval]:
        """What waits for people on a thread."""
        return [
            one
            for one in self.guard.store.listed(tenant="default", limit=1000)
            if one.request.thread_id == thread_id
        ]

    def decide(self, approval: Approval, kind: Any = "approve", **said: Any) -> None:
        self.guard.desk.decide(
            approval.request.id,
            identity="dana@example.com",
            digest=approval.digest,
            kind=kind,
            assurance=Assurance.LOCAL_OPERATOR,
            via="test",
            **said,
        )

    def payments(self) -> list[str]:
        return self._written("payments").split()

    def drafts(self) -> str:
        """What models drafted, on its way to nobody."""
        return self._written("drafts")

    def _written(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(encoding="utf-8") if path.exists() else ""


def config(thread_id: str, **more: Any) -> Any:
    return {"configurable": {"thread_id": thread_id, **more}}


def asks(claim: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": claim}]}


assert sys.platform != "win32"  # process groups
