"""What a worker makes of the answers of a LangGraph server."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph_sdk.client import LangGraphClient

from guardkit.cli.remotes import remote_agents
from guardkit.core.runs import DueThread
from guardkit.errors import (
    AgentServerError,
    BusyError,
    ConfigurationError,
    FingerprintError,
    GuardkitError,
    InputError,
    MissingDataError,
    StaleRunError,
)
from guardkit.langgraph.remote import RemoteAgent
from guardkit.testing import calls
from tests.promises.scene import Scene, agent

THREAD = DueThread(
    tenant="acme", thread_id="t-1", agent="desk", turn=1, why="decided", attempts=0, seen="1.1"
)


async def asked(answer: httpx.Response | Exception) -> httpx.Request:
    """What is asked of a server, which answers so."""
    heard: list[httpx.Request] = []

    def server(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(server), base_url="http://127.0.0.1:1"
    ) as client:
        tenants: list[str] = []

        def graph(tenant: str) -> RemoteGraph:
            tenants.append(tenant)
            return RemoteGraph("desk", client=LangGraphClient(client))

        await RemoteAgent(graph).resume(THREAD)
    assert tenants == ["acme"]
    return heard[0]


def stream(event: str, data: str) -> httpx.Response:
    body = f"event: {event}\r\ndata: {data}\r\n\r\n"
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=body)


async def test_it_is_asked_to_go_on_and_told_nothing() -> None:
    request = await asked(stream("values", "{}"))
    assert request.url.path == "/threads/t-1/runs/stream"
    said = httpx.Response(200, content=request.content).json()
    assert said["command"]["resume"] == {"guardkit": "go on"}
    assert said.get("input") is None
    assert said["multitask_strategy"] == "reject"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, AgentServerError),
        (403, AgentServerError),
        (404, MissingDataError),
        (409, BusyError),
        (422, MissingDataError),
        (429, AgentServerError),
        (500, AgentServerError),
        (503, AgentServerError),
    ],
)
async def test_what_a_status_means(status: int, error: type[GuardkitError]) -> None:
    with pytest.raises(error):
        await asked(httpx.Response(status, json={"detail": "no"}))


@pytest.mark.parametrize("fault", [httpx.ConnectError("no"), httpx.ReadTimeout("late")])
async def test_a_server_that_does_not_answer(fault: Exception) -> None:
    with pytest.raises(AgentServerError, match=f"'desk' cannot be reached: {type(fault).__name__}"):
        await asked(fault)


@pytest.mark.parametrize("error", [BusyError, FingerprintError, MissingDataError, StaleRunError])
async def test_what_the_run_ended_in(error: type[GuardkitError]) -> None:
    with pytest.raises(error, match="t-1"):
        await asked(stream("error", f'{{"error": "{error.__name__}", "message": "internal"}}'))


@pytest.mark.parametrize("data", ['{"error": "ValueError"}', '"text"', "null", '{"error": 7}'])
async def test_what_else_it_ended_in_is_not_guessed_at(data: str) -> None:
    with pytest.raises(RemoteException):
        await asked(stream("error", data))


def test_an_agent_is_here_or_there(scene: Scene) -> None:
    guard = scene.guard({"pay": "allow"})

    @guard.effect
    def pay(claim: str) -> str:
        """Pay a claim."""
        return claim

    graph = guard.compile(agent([calls(("pay", {"claim": "c"}))], [pay]), name="desk")
    elsewhere = remote_agents(["desk=http://127.0.0.1:1"], None)
    with pytest.raises(ConfigurationError, match="'desk' is both"):
        guard.worker(graph, remote=elsewhere)


@pytest.mark.parametrize(
    "named",
    ["desk", "desk=", "=http://127.0.0.1:1", "desk=127.0.0.1:1", "desk=ftp://127.0.0.1", "desk=http://"],
)
def test_an_option_that_names_no_agent_is_refused(named: str) -> None:
    with pytest.raises(InputError, match="AGENT=URL"):
        remote_agents([named], None)


def test_an_agent_is_named_once() -> None:
    with pytest.raises(InputError, match="'desk' twice"):
        remote_agents(["desk=http://127.0.0.1:1", "desk=http://127.0.0.1:2"], None)


@pytest.mark.parametrize("content", [None, b"", b"\xff"], ids=["absent", "empty", "not text"])
def test_a_token_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="--remote-token-file"):
        remote_agents(["desk=http://127.0.0.1:1"], file)
