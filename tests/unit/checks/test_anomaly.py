"""The check that holds up an agent while an anomaly of it stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guardkit.checks import unusual_behaviour
from guardkit.core.anomalies import CHECK, Measure, Watch
from guardkit.core.principals import Principal
from guardkit.core.verdicts import CheckContext, Verdict
from guardkit.errors import ConfigurationError, StorageError
from guardkit.testing import FakeClock, MemoryAnomalies
from tests.unit.checks.desk import call, context

ABOUT = replace(context(), agent="claims", principal=Principal(id="kim", tenant="default"))


class Watched:
    """The check over anomalies that a test makes."""

    def __init__(self, watch: Watch | None = None) -> None:
        self.watch = watch or Watch()
        self.clock = FakeClock()
        self.anomalies = MemoryAnomalies(self.clock)
        self.name, self._check = unusual_behaviour(self.anomalies, self.watch, self.clock)

    def occur(
        self, measure: Measure = Measure.BLOCKED, *, agent: str = "claims", tenant: str = "default"
    ) -> None:
        self.anomalies.occur(agent, measure=measure, tenant=tenant)
        self.anomalies.look(self.watch)

    def __call__(self, about: CheckContext = ABOUT) -> Verdict | None:
        said = self._check(call(), about)
        assert said is None or isinstance(said, Verdict)
        return said


def test_an_agent_like_itself_is_let_pass() -> None:
    watched = Watched()
    assert watched.name == CHECK
    assert watched() is None


def test_people_are_asked_while_an_anomaly_stands() -> None:
    watched = Watched()
    watched.occur()
    said = watched()
    assert said is not None
    assert said.outcome == "review"
    assert said.why == "unusual: blocked actions (8 of 10, usually 0.0 %; anomaly anomaly-1)"
    assert said.evidence == ("anomaly:anomaly-1",)
    assert said.tell_model is None
    watched.clock.advance(watched.watch.hold)
    assert watched() is None


def test_the_strictest_of_all_demands_counts() -> None:
    watched = Watched(Watch(demand="note", demands={Measure.REJECTED: "block", Measure.NO_RESULT: "stop"}))
    for measure, outcome in (
        (Measure.TOOL_ERROR, "pass"),
        (Measure.REJECTED, "block"),
        (Measure.BLOCKED, "block"),
        (Measure.NO_RESULT, "stop"),
    ):
        watched.occur(measure)
        watched.clock.advance(watched.watch.stale)
        said = watched()
        assert said is not None
        assert said.outcome == outcome
        assert said.why


def test_others_are_not_held_up() -> None:
    watched = Watched()
    watched.occur(agent="mail")
    watched.occur(tenant="north")
    assert watched() is None


def test_it_reads_once_in_a_while_for_each_agent() -> None:
    watched = Watched(Watch(stale=5))
    for _ in range(10):
        assert watched() is None
    assert watched.anomalies.reads == 1
    watched.occur()
    watched.clock.advance(4.9)
    assert watched() is None
    watched.clock.advance(0.2)
    assert watched() is not None
    assert watched.anomalies.reads == 2
    watched(replace(ABOUT, agent="mail"))
    assert watched.anomalies.reads == 3


def test_without_the_database_it_raises_which_is_a_block() -> None:
    watched = Watched()
    assert watched() is None
    watched.anomalies.broken = True
    assert watched() is None
    watched.clock.advance(watched.watch.stale)
    for _ in range(2):
        with pytest.raises(StorageError):
            watched()


def test_without_an_agent_it_raises_which_is_a_block() -> None:
    with pytest.raises(ConfigurationError, match="agent"):
        Watched()(replace(ABOUT, agent=""))
