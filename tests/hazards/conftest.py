"""The desk that LangGraph's hazards are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.hazards.stock import VERSION
from tests.promises.scene import MODES, Mode, Scene, opened


@pytest.fixture
def scene(sqlite_url: str) -> Iterator[Scene]:
    """A new desk on a new SQLite file."""
    yield from opened(sqlite_url)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    """Whether graphs run with `invoke` or with `ainvoke`."""
    return request.param


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Notes what stock LangGraph did where it depends on timing, and decides nothing by it."""

    def noted(what: str, seen: object) -> None:
        record_property(f"langgraph {VERSION}: {what}", seen)
        print(f"langgraph {VERSION}: {what}: {seen}")

    return noted
