"""Microsoft's own Agents Playground as Teams, with the inbox behind a proxy that signs as the Bot Framework does.

The playground sends no token, so the proxy between it and the inbox makes one: everything else is as in Teams.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.unit.teams.desk import ANA, BEN, CLEO, OBJECT_IDS
from tests.unit.teams.microsoft import BOT, TENANT, Microsoft

HERE = Path(__file__).parent
PERSONAL = "a:p-ana"
CHANNEL = "19:claims@thread.tacv2"
GROUP = "19:group@thread.v2"
_LISTENS = re.compile(r"Listening on ([0-9]+)")
PACKAGE = "node_modules/@microsoft/m365agentsplayground/cli.js"


def installed() -> Path | None:
    """The playground's program in the folder that `GUARDKIT_TEST_PLAYGROUND` names, if Node can run it."""
    folder = os.environ.get("GUARDKIT_TEST_PLAYGROUND", "")
    program = Path(folder).resolve() / PACKAGE
    return program if folder and program.is_file() and shutil.which("node") else None


class Served:
    """An ASGI app on a free port of 127.0.0.1; it is made once its address is known."""

    def __init__(self, make: Callable[[str], ASGIApp]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            make(self.url), log_level="critical", access_log=False, ws="none", lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()
        wait_for(lambda: self._server.started)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def wait_for(done: Callable[[], object], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it does not start"
        time.sleep(0.05)


class Signer:
    """Hands every request on with a token for the service that it names."""

    def __init__(self, microsoft: Microsoft) -> None:
        self._microsoft = microsoft
        self.target = ""
        """Where requests are handed on to."""

        self.answers: list[tuple[dict[str, Any], httpx.Response]] = []
        """Each activity, and what the inbox answered to it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        activity = json.loads(body)
        token = self._microsoft.token(serviceurl=activity["serviceUrl"])
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            reply = await client.post(self.target, content=body, headers=headers)
        self.answers.append((activity, reply))
        kept = [(b"content-type", reply.headers.get("content-type", "text/plain").encode())]
        await send({"type": "http.response.start", "status": reply.status_code, "headers": kept})
        await send({"type": "http.response.body", "body": reply.content})


@dataclass
class Playground:
    """The playground at work."""

    process: subprocess.Popen[bytes]
    port: int
    client: httpx.Client

    @classmethod
    def start(cls, program: Path, folder: Path, bot: str) -> Playground:
        """Start it, bound to 127.0.0.1, with the claims desk's people in it."""
        (folder / ".m365agentsplayground.yml").write_text(json.dumps(_people()))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        said = folder / "playground.txt"
        command = ["node", str(program), "start", "-e", bot, "-c", "msteams", "-p", str(port), "--dt"]
        with said.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "NODE_OPTIONS": f"--require {HERE / 'preload.cjs'}", "BROWSER": "none"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            # Where somebody was faster at the port, the playground takes another one.
            wait_for(lambda: process.poll() is not None or _LISTENS.search(said.read_text()))
            listens = _LISTENS.search(said.read_text())
            assert listens is not None, f"the playground has ended: {said.read_text()[-2000:]}"
            port = int(listens[1])
            client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)
            started = cls(process, port, client)
            wait_for(started._answers)
        except BaseException:
            process.kill()
            process.wait()
            raise
        return started

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the playground has ended"
        try:
            return self.client.get("/_internal/v1/config").is_success
        except httpx.TransportError:
            return False

    @property
    def service_url(self) -> str:
        """As it is written in its activities."""
        return f"http://localhost:{self.port}/_connector"

    def click(self, person: str, conversation: str, message: str, verb: str, data: dict[str, Any]) -> Any:
        """Somebody clicks a button; what the bot has answered."""
        action = {"type": "Action.Execute", "verb": verb, "data": data}
        reply = self.client.post(
            "/_conversation/v1/invoke",
            json={
                "name": "adaptiveCard/action",
                "value": {"action": action, "trigger": "manual"},
                "from": {"id": f"29:{person}"},
                "conversation": {"id": conversation},
                "replyToId": message,
            },
        )
        assert reply.status_code == 200, reply.text
        return reply.json()

    def close(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait()


def _people() -> dict[str, Any]:
    known = [_person(person.id, OBJECT_IDS[person.id], str(person.email)) for person in (ANA, BEN, CLEO)]
    others = [
        _person(f"u{n}", f"00000000-0000-4000-8000-0000000000f{n}", f"u{n}@corp.example") for n in range(3)
    ]
    return {
        "version": "0.1.1",
        "tenantId": TENANT,
        "bot": {"id": BOT, "name": "guardkit"},
        "currentUser": known[0],
        "users": [*known[1:], *others],
        "personalChat": {"id": PERSONAL},
        "groupChat": {"id": GROUP, "name": "Desk"},
        "team": {
            "id": "19:team@thread.tacv2",
            "name": "Claims",
            "aadGroupId": "00000000-0000-4000-8000-0000000000aa",
            "channels": [{"id": CHANNEL, "name": "Claims"}],
        },
    }


def _person(name: str, object_id: str, email: str) -> dict[str, str]:
    return {
        "id": f"29:{name}",
        "name": name,
        "userPrincipleName": email,  # as the playground spells it
        "aadObjectId": object_id,
        "givenName": name,
        "surname": "Test",
        "email": email,
    }
