"""A scripted agent with a past that begins to do what it must not: found, told, held up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from guardkit import Finished, Guard, NoResult, NoResultReason, Paused
from guardkit.core import telemetry_names as names
from guardkit.core.anomalies import CHECK, Measure, Watch
from guardkit.runtime.watching import Watching
from guardkit.testing import FakeClock, MemoryAnomalies, calls
from tests.promises.scene import (
    ASK,
    KIM,
    MODES,
    Mode,
    Scene,
    agent,
    ask,
    entries,
    opened,
    policy_of,
    run,
    work,
)
from tests.unit.otel.scene import Seen
from tests.unit.watch.past import HOUR, Desk

WATCH = Watch(windows=(HOUR,), every=0, stale=0)
RULES: dict[str, Any] = {
    "otherwise": "allow",
    "rules": [
        {
            "id": "not-itself",
            "when": f"'{CHECK}' in flags",
            "decide": "stop",
            "why": "the agent is not itself",
        }
    ],
}


@pytest.fixture
def scene(sqlite_url: str) -> Iterator[Scene]:
    yield from opened(sqlite_url)


def clerk(
    scene: Scene, watch: Watch, *lines: Any, tools: dict[str, Any], telemetry: Any = None
) -> tuple[Guard, Any]:
    """A clerk who looks up, pays and wipes; the last is not allowed."""
    policy = policy_of({"wipe": "reject", **tools}, people=scene.people)
    guard = Guard(
        scene.url,
        policy=policy,
        keys=scene.keys,
        directory=scene.people,
        channels={"desk": scene.channel},
        watch=watch,
        telemetry=telemetry,
    )
    scene.guards.append(guard)

    @guard.read(trust="trusted")
    def look_up(what: str) -> str:
        """Look something up."""
        if what == "broken":
            raise ValueError("no such thing")
        return "found"

    @guard.effect
    def wipe(what: str) -> str:
        """Wipe."""
        raise AssertionError("this is never allowed")

    builder = agent(lines, [look_up, wipe], handle_tool_errors=True)
    return guard, guard.compile(builder, name="claims")


def wipes(times: int) -> Any:
    """One message that proposes to wipe so many things."""
    return calls(*(("wipe", {"what": str(number)}) for number in range(times)))


LOOK = calls(("look_up", {"what": "x"}))


@pytest.mark.parametrize("mode", MODES)
def test_a_burst_of_blocked_actions_ends_in_a_stop_by_policy(scene: Scene, mode: Mode) -> None:
    seen = Seen()
    guard, graph = clerk(
        scene, WATCH.model_copy(update={"demand": "note"}), LOOK, "Fine.", wipes(8), "No.", LOOK, "Never said.",
        tools={"look_up": RULES}, telemetry=seen.telemetry,
    )  # fmt: skip
    Desk(guard.database).live("claims")
    config = guard.config("t", KIM)
    for _ in ("before", "burst"):
        run(graph, ask(), config, mode)
        assert isinstance(guard.outcome(None, config), Finished)
        work(guard, rounds=2)
    run(graph, ask(), config, mode)
    outcome = guard.outcome(None, config)
    assert isinstance(outcome, NoResult)
    assert outcome.reason is NoResultReason.POLICY_DENIED
    assert outcome.why == ("the agent is not itself",)

    (event,) = seen.logged(names.ANOMALY_FOUND)
    assert (event[names.AGENT], event[names.ANOMALY_MEASURE], event[names.ANOMALY_COUNT]) == (
        "claims",
        "blocked",
        8,
    )
    (point,) = seen.points()[names.ANOMALIES]
    assert dict(point.attributes or {}) == {names.AGENT: "claims", names.ANOMALY_MEASURE: "blocked"}
    (found,) = entries(guard, "anomaly.found")
    assert found.event.data["of"] == 9
    decided = entries(guard, "action.decided")[-1].event.data
    assert (decided["decision"], decided["rules"]) == ("stop", ["not-itself"])
    assert decided["checks"] == [
        {"check": "argument-sanity", "verdict": "pass"},
        {"check": CHECK, "verdict": "pass", "remark": True},
    ]
    work(guard)
    assert len(entries(guard, "anomaly.found")) == 1


def test_the_check_alone_can_stop_and_ask(scene: Scene) -> None:
    lines = [wipes(8), "No.", LOOK, "Never said."]
    guard, graph = clerk(
        scene, WATCH.model_copy(update={"demand": "stop"}), *lines, tools={"look_up": "allow"}
    )
    Desk(guard.database).live("claims")
    config = guard.config("t", KIM)
    run(graph, ask(), config)
    work(guard)
    run(graph, ask(), config)
    outcome = guard.outcome(None, config)
    assert isinstance(outcome, NoResult)
    assert outcome.reason is NoResultReason.CHECK_FAILED
    assert outcome.why[0].startswith("unusual: blocked actions (8 of 8, usually 0.0 %")

    asking, graph = clerk(scene, WATCH, LOOK, "Never said.", tools={"look_up": {**ASK, "otherwise": "allow"}})
    config = asking.config("asked", KIM)
    run(graph, ask(), config)
    outcome = asking.outcome(None, config)
    assert isinstance(outcome, Paused)
    assert outcome.approvals[0].request.rules == (f"check:{CHECK}",)


def test_without_the_watch_nothing_is_read_or_counted(scene: Scene) -> None:
    guard = scene.guard({"look_up": "allow"})
    work(guard)
    with scene.sqlite() as connection:
        assert connection.execute("SELECT count(*) FROM gk_watch_cursors").fetchone() == (0,)


def test_a_tool_that_raises_is_in_the_audit_log(scene: Scene) -> None:
    broken = calls(("look_up", {"what": "broken"}))
    guard, graph = clerk(scene, WATCH, broken, "It failed.", tools={"look_up": "allow"})
    run(graph, ask(), guard.config("broken", KIM))
    (failed,) = entries(guard, "tool.failed")
    assert failed.event.data["tool"] == "look_up"
    assert failed.event.data["error"] == "ValueError"
    assert "no such thing" not in str(failed.event.data)


def test_a_look_is_due_now_and_then() -> None:
    clock, anomalies, seen = FakeClock(), MemoryAnomalies(), Seen()
    watching = Watching(anomalies, Watch(every=15), seen.telemetry, clock)
    assert watching.due()
    assert watching.look() == []
    assert not watching.due()
    anomalies.occur("mail", measure=Measure.UNUSUAL_TOOL, tool="wire_money")
    clock.advance(15)
    assert watching.due()
    (found,) = watching.look()
    assert found.says() == "unusual: calls of tool 'wire_money' (8 of 10, usually 0.0 %; anomaly anomaly-1)"
    assert [one[names.TOOL] for one in seen.logged(names.ANOMALY_FOUND)] == ["wire_money"]
    assert watching.look() == []
