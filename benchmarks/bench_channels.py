"""How long Slack waits for the answer to a click while fifty people click at once, beside a handler that does nothing.

The inbox runs in a process of its own, on SQLite with full synchronisation, and takes clicks by signed HTTP from the
local Slack of `guardkit.testing.slack`. Each click approves an approval of its own: signature, replay, person, quorum,
commit with audit entry, acknowledgement. The empty handler is in the same process and reads the same requests. Rounds of
both alternate. Results go to `benchmarks/results/channels.json`.

Run: make bench, or python benchmarks/bench_channels.py [rounds]
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvicorn
from measuring import keep
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from guardkit import ApprovalStage, Guard, Keys, PeopleDirectory, Person, Policy
from guardkit.channels import Slack
from guardkit.testing.contracts import samples
from guardkit.testing.slack import Message, SlackServer
from guardkit.web import OneTimeLink, WebSettings

CLICKS = 50
STAGE = ApprovalStage(approvers=("ana@corp.example",), channels=("desk",))
PEOPLE = PeopleDirectory([Person(id="ana", name="Ana", email="ana@corp.example", tenant=samples.TENANT)])
POLICY = {"policy": "bench", "version": "1", "owner": "bench@example.com", "default": "reject"}


def guarded(folder: str, keys: Keys, url: str, **slack: Any) -> Guard:
    return Guard(
        f"sqlite:///{Path(folder) / 'guardkit.db'}",
        policy=Policy.from_dict(POLICY),
        directory=PEOPLE,
        keys=keys,
        channels={"desk": Slack(**slack)},
        decide_at=url,
    )


def serve(folder: str, port: int, conversation: str, base_url: str) -> None:
    """The inbox, and beside it a handler that does nothing."""
    url = f"http://127.0.0.1:{port}"
    keys = Keys(
        decision_key=SecretStr(os.environ["GUARDKIT_DECISION_KEY"]),
        decision_public_keys=(os.environ["GUARDKIT_DECISION_PUBLIC_KEYS"],),
        web_secret=SecretStr("w" * 40),
    )
    guard = guarded(folder, keys, url, conversation=conversation, base_url=base_url)
    settings = WebSettings(url=url, keys=(SecretStr("w" * 40),))
    app = guard.app(settings=settings, sign_in=OneTimeLink(settings))

    async def empty(request: Request) -> Response:
        await request.body()
        return Response()

    # The inbox's shield would refuse a request of no browser, so the empty handler stands before it.
    bare = Route("/hooks-empty", empty, methods=["POST"])

    async def both(scope: Any, receive: Any, send: Any) -> None:
        inner = bare if scope["type"] == "http" and scope["path"] == "/hooks-empty" else app
        await (inner.handle if inner is bare else inner)(scope, receive, send)

    uvicorn.run(both, port=port, log_level="warning", access_log=False, lifespan="off")


def ask(guard: Guard, numbers: count[int]) -> None:
    """Fifty approvals, each of a thread of its own, and a message for each."""
    for _ in range(CLICKS):
        number = next(numbers)
        run = guard.store.open_run(samples.opening(f"t{number}"), []).run
        guard.store.register(run, [samples.request(run, number, stages=(STAGE,))], [])
        guard.store.close_run(run, samples.closing("paused"), [])
    worker = guard.worker()
    while asyncio.run(worker.once()).delivered:
        pass


def clicked(slack: SlackServer, person: Any, messages: list[Message]) -> list[float]:
    """Seconds that each of many clicks at the same time waits for its answer."""
    with ThreadPoolExecutor(len(messages)) as pool:
        done = list(pool.map(lambda message: slack.click(person, message, "gk_approve"), messages))
    if not all(one.acknowledged for one in done):
        raise RuntimeError("a click was not acknowledged")
    return [one.seconds for one in done]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    taken: dict[str, list[float]] = {"guardkit": [], "empty": []}
    keys = Keys.generate()
    with TemporaryDirectory() as folder, SlackServer() as slack:
        ana = slack.person("Ana", "ana@corp.example")
        room = slack.conversation("claims", ana)
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        secrets = {"token": slack.bot_token, "signing_secret": slack.signing_secret}
        guard = guarded(folder, keys, url, conversation=room.id, base_url=slack.base_url, **secrets)
        guard.database.prepare()
        environment = {
            **os.environ,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
            "GUARDKIT_DECISION_KEY": keys.decision_key.get_secret_value() if keys.decision_key else "",
            "GUARDKIT_DECISION_PUBLIC_KEYS": keys.decision_public_keys[0],
        }
        server = subprocess.Popen(
            [sys.executable, __file__, "serve", folder, str(port), room.id, slack.base_url], env=environment
        )
        try:
            _wait_for(f"{url}/healthz", server)
            numbers = count()
            for number in range(-1, rounds):
                ask(guard, numbers)
                messages = [one for one in slack.messages(room) if "gk_approve" in str(one.blocks)][-CLICKS:]
                for name, address in (("empty", f"{url}/hooks-empty"), ("guardkit", f"{url}/hooks/desk")):
                    slack.request_url = address
                    seconds = clicked(slack, ana, messages)
                    if number >= 0:
                        taken[name] += seconds
                while asyncio.run(guard.worker().once()).delivered:
                    pass
            decided = len(guard.store.listed(limit=1000))
        finally:
            server.terminate()
            server.wait(30)
            guard.database.close()
    if decided != CLICKS * (rounds + 1):
        raise RuntimeError(f"{decided} approvals instead of {CLICKS * (rounds + 1)}")
    results = {name: _summary(seconds) for name, seconds in taken.items()}
    print(f"ms until a click is acknowledged, {CLICKS} at once, {rounds} rounds")
    for name, found in results.items():
        print(
            f"{name:10} median {found['median_ms']:7.1f}   p99 {found['p99_ms']:7.1f}   most {found['most_ms']:7.1f}"
        )
    ratio = round(results["guardkit"]["p99_ms"] / results["empty"]["p99_ms"], 2)
    print(f"p99 is {ratio} times the empty handler's; the aim is under 1,000 ms")
    keep(
        "channels",
        {
            "unit": "ms of wall time",
            "clicks_at_once": CLICKS,
            "rounds": rounds,
            "ratio_p99": ratio,
            **results,
        },
    )


def _summary(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(1000 * one for one in seconds)
    return {
        "median_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[int(len(ordered) * 0.99) - 1], 1),
        "most_ms": round(ordered[-1], 1),
    }


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError("the inbox did not start")
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the inbox does not answer")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
    else:
        main()
