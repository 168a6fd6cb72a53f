"""How timing-dependent hazards are reported."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.hazards.stock import VERSION


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """Notes what stock LangGraph did where it depends on timing, and decides nothing by it."""

    def noted(what: str, seen: object) -> None:
        record_property(f"langgraph {VERSION}: {what}", seen)
        print(f"langgraph {VERSION}: {what}: {seen}")

    return noted
