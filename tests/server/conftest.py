from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest

from tests.conftest import _missing
from tests.server.server import Saver, Server, installed


@pytest.fixture(scope="session")
def command() -> Path:
    """The command that serves."""
    found = installed()
    if found is None:
        _missing(
            "GUARDKIT_TEST_SERVER names no environment with langgraph-cli[inmem]",
            required="GUARDKIT_REQUIRE_SERVER",
        )
    return found


@pytest.fixture(scope="session", params=get_args(Saver))
def running(
    command: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """A server, once with its own checkpoints and once with guardkit's."""
    with serving(Server(command, tmp_path_factory.mktemp("server"), request.param)) as started:
        yield started


@pytest.fixture
async def server(running: Server) -> AsyncIterator[Server]:
    """The server of the session, for one test."""
    yield running
    await running.hang_up()


@pytest.fixture
async def durable(command: Path, tmp_path: Path) -> AsyncIterator[Server]:
    """A server that may be killed: its checkpoints are in guardkit's database."""
    with serving(Server(command, tmp_path, "ours")) as started:
        yield started
        await started.hang_up()


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.close()
