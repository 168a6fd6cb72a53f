"""LangGraph's own conformance suite, with the fence in every write."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import ALL_CAPABILITIES, BASE_CAPABILITIES
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from pydantic import BaseModel
from typing_extensions import TypedDict

from guardkit.core.encryption import Encryption
from guardkit.sql import Database, SQLAlchemySaver, upgrade
from tests.sql.fenced import FencedSaver, SyncSaver


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    url: str = request.getfixturevalue(request.param)
    upgrade(url)
    with Database(url) as found:
        yield found


@pytest.mark.promise("P11")
@pytest.mark.parametrize("kind", [FencedSaver, SyncSaver], ids=["async", "sync"])
@pytest.mark.parametrize(
    "database",
    [
        pytest.param("sqlite_url", id="sqlite"),
        pytest.param("postgres_url", id="postgresql", marks=pytest.mark.postgres),
        pytest.param("mariadb_url", id="mariadb", marks=pytest.mark.mariadb),
    ],
    indirect=True,
)
async def test_everything_that_langgraph_can_detect_passes(
    database: Database, kind: type[FencedSaver]
) -> None:
    savers: list[FencedSaver] = []

    def made() -> FencedSaver:
        savers.append(kind(database))
        return savers[-1]

    await _passes(kind.__name__, made)
    assert sum(saver.writes_under_a_lease for saver in savers) > 100


@pytest.mark.parametrize("encryption", [None, Encryption.generate()], ids=["plain", "encrypted"])
async def test_without_guardkit_it_passes_too(sqlite_url: str, encryption: Encryption | None) -> None:
    """As the saver of somebody who has no guard; once as it is, once as LangGraph copies it under strict msgpack."""
    with Database(sqlite_url, encryption=encryption) as database:
        saver = SQLAlchemySaver(database, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        copied = saver.with_allowlist([("uuid", "UUID")])
        assert copied is not saver
        await _passes("plain", lambda: SQLAlchemySaver(database))
        await _passes("copied", lambda: copied)


async def _passes(name: str, made: Callable[[], BaseCheckpointSaver[str]]) -> None:
    """See that the suite detects every capability of a saver, and that something of each is tried and all of it passes."""

    @checkpointer_test(name=f"guardkit-{name}")
    async def fresh() -> AsyncGenerator[BaseCheckpointSaver[str], None]:
        yield made()

    report = (await validate(fresh)).results
    failures = {name: result.failures for name, result in report.items() if result.failures}
    assert failures == {}
    assert set(report) == {capability.value for capability in ALL_CAPABILITIES}
    # The suite calls a checkpointer complete when all that it *detected* passes.
    assert {name for name, result in report.items() if not result.detected} == set()
    assert {name for name, result in report.items() if not result.tests_passed} == set()
    for capability in BASE_CAPABILITIES:
        assert not report[capability.value].tests_skipped


class Colour(BaseModel):
    name: str


class Painted(TypedDict):
    colour: Colour


def paint(state: Painted) -> Painted:
    return {"colour": Colour(name=f"dark {state['colour'].name}")}


def test_a_copy_with_another_allowlist_is_the_same_saver_with_other_types(sqlite_url: str) -> None:
    """LangGraph copies a saver when it compiles a graph whose state has types of its own."""
    with Database(sqlite_url) as database:
        saver = SQLAlchemySaver(database, serde=JsonPlusSerializer(allowed_msgpack_modules=None))
        builder: StateGraph[Any, Any, Any, Any] = StateGraph(Painted)
        builder.add_node("paint", paint)
        builder.add_edge(START, "paint")
        config: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        copied = saver.with_allowlist([(Colour.__module__, "Colour")])
        assert isinstance(copied, SQLAlchemySaver)
        assert copied.database is database
        graph = builder.compile(checkpointer=copied)
        for _ in range(2):
            graph.invoke({"colour": Colour(name="red")}, config)
        found = copied.get_tuple(config)
        assert found is not None
        assert found.checkpoint["channel_values"]["colour"] == Colour(name="dark red")
        strict = saver.get_tuple(config)
        assert strict is not None
        assert not isinstance(strict.checkpoint["channel_values"]["colour"], Colour)
