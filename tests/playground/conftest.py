from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from guardkit.web import OneTimeLink, WebSettings, inbox
from tests.conftest import _missing
from tests.playground.playground import Playground, Served, Signer, installed
from tests.unit.teams.desk import TeamsDesk
from tests.unit.teams.microsoft import Microsoft

KEY = SecretStr("a key for tests, of more than 32 characters")


class Stage:
    """A claims desk whose Teams is the playground."""

    def __init__(self, microsoft: Microsoft, program: Path, folder: Path, conversation: str | None) -> None:
        self.signer = Signer(microsoft)
        self._proxy = Served(lambda _: self.signer)
        self.playground = Playground.start(program, folder, f"{self._proxy.url}/api/messages")
        settings = {"service_url": self.playground.service_url}
        self.desk = TeamsDesk(microsoft, conversation=conversation, settings=settings)
        self._inbox = Served(self._web)
        self.hook = self.signer.target = f"{self._inbox.url}/hooks/{self.desk.name}"

    def _web(self, url: str) -> Starlette:
        settings = WebSettings(url=url, keys=(KEY,))
        claims = self.desk.claims
        return inbox(
            claims.desk,
            claims.store,
            claims.people,
            settings,
            sign_in=OneTimeLink(settings),
            channels={self.desk.name: self.desk.channel},
        )

    def close(self) -> None:
        self.playground.close()
        self._proxy.close()
        self._inbox.close()
        self.desk.close()


@pytest.fixture(scope="session")
def program() -> Path:
    """The playground's program."""
    found = installed()
    if found is None:
        _missing(
            "GUARDKIT_TEST_PLAYGROUND names no folder with @microsoft/m365agentsplayground, or there is no Node",
            required="GUARDKIT_REQUIRE_PLAYGROUND",
        )
    return found


@pytest.fixture(scope="session")
def _microsoft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microsoft]:
    server = Microsoft(tmp_path_factory.mktemp("microsoft"))
    yield server
    server.close()


@pytest.fixture
def stage(program: Path, _microsoft: Microsoft, tmp_path: Path) -> Iterator[Callable[[str | None], Stage]]:
    """Opens a stage on which questions go to a conversation, or to each approver."""
    open_ones: list[Stage] = []
    _microsoft.reset()

    def opened(conversation: str | None) -> Stage:
        open_ones.append(Stage(_microsoft, program, tmp_path, conversation))
        return open_ones[-1]

    yield opened
    for one in open_ones:
        one.close()
