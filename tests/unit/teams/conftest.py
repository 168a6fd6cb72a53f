from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.teams.desk import TeamsDesk
from tests.unit.teams.microsoft import Microsoft


@pytest.fixture(scope="session")
def _microsoft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Microsoft]:
    server = Microsoft(tmp_path_factory.mktemp("microsoft"))
    yield server
    server.close()


@pytest.fixture
def microsoft(_microsoft: Microsoft) -> Microsoft:
    _microsoft.reset()
    return _microsoft


@pytest.fixture
def desk(microsoft: Microsoft) -> Iterator[TeamsDesk]:
    """Questions go to one conversation."""
    desk = TeamsDesk(microsoft)
    yield desk
    desk.close()


@pytest.fixture
def personal(microsoft: Microsoft) -> Iterator[TeamsDesk]:
    """Questions go to each approver."""
    desk = TeamsDesk(microsoft, conversation=None)
    yield desk
    desk.close()
