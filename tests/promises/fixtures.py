"""The desk that promises, hazards and bad input are tried on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.promises.scene import MODES, Mode, Scene, opened


@pytest.fixture
def scene(sqlite_url: str) -> Iterator[Scene]:
    """A new desk on a new SQLite file."""
    yield from opened(sqlite_url)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    """Whether graphs run with `invoke` or with `ainvoke`."""
    return request.param
