"""LangGraph's own conformance suite, with the fence in every write."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import ALL_CAPABILITIES, BASE_CAPABILITIES

from guardkit.sql import Database, upgrade
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

    @checkpointer_test(name=f"guardkit-{kind.__name__}")
    async def fresh() -> AsyncGenerator[FencedSaver, None]:
        savers.append(kind(database))
        yield savers[-1]

    report = (await validate(fresh)).results
    failures = {name: result.failures for name, result in report.items() if result.failures}
    assert failures == {}
    assert set(report) == {capability.value for capability in ALL_CAPABILITIES}
    # The suite calls a checkpointer complete when all that it *detected* passes.
    assert {name for name, result in report.items() if not result.detected} == set()
    for capability in BASE_CAPABILITIES:
        assert report[capability.value].tests_passed > 0
        assert not report[capability.value].tests_skipped
    assert sum(saver.writes_under_a_lease for saver in savers) > 100
