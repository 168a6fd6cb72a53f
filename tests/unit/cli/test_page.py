"""The page of a thread: where an instant is drawn, and how a long thread looks in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies

from guardkit.cli.axis import Axis
from guardkit.cli.timeline import page
from guardkit.core.audit import GENESIS, AuditEvent, chain
from guardkit.core.principals import Principal
from guardkit.core.runs import Turn, TurnStatus
from guardkit.core.story import RunStory, tell
from tests.web.test_browser import browser, complaints

STEPS = 1000


def run(number: int, started_at: float, ended_at: float | None) -> RunStory:
    return RunStory(
        run_id=str(number), process="here:1", continued=number > 0, started_at=started_at, ended_at=ended_at
    )


@given(
    strategies.lists(strategies.tuples(strategies.floats(0, 90_000), strategies.floats(0, 5)), max_size=80),
    strategies.floats(0, 90_000),
    strategies.booleans(),
)
def test_later_is_never_to_the_left(lengths: list[tuple[float, float]], after: float, died: bool) -> None:
    runs: list[RunStory] = []
    instants = [1000.0]
    for number, (pause, work) in enumerate(lengths):
        started, ended = instants[-1] + pause, instants[-1] + pause + work
        runs.append(run(number, started, None if died and number == len(lengths) - 1 else ended))
        instants += [started, (started + ended) / 2, ended]
    instants.append(instants[-1] + after)
    axis = Axis(instants[0], instants[-1], runs)
    places = [axis.at(instant) for instant in instants]
    assert places == sorted(places)
    assert places[0] == 0.0
    assert all(0.0 <= place <= 100.1 for place in places)
    for one, following in zip(axis.stretches, axis.stretches[1:], strict=False):
        assert one.end == following.begin
    assert sum(part.width for part in axis.stretches) == pytest.approx(100, abs=1)


def test_work_beside_hours_of_waiting_can_be_seen() -> None:
    axis = Axis(0.0, 10_001.0, [run(0, 0.0, 0.5), run(1, 10_000.5, 10_001.0)])
    assert [part.runs for part in axis.stretches] == [True, False, True]
    assert all(part.width > 10 for part in axis.stretches)


@pytest.mark.browser
def test_a_thread_of_a_thousand_steps_is_read_in_a_browser(chromium: str, tmp_path: Path) -> None:
    turn = Turn(
        tenant="default", thread_id="long", number=1, agent="clerk", principal=Principal(id="kim"),
        fingerprint="f", policy_version="1", salt="s", status=TurnStatus.DONE, opened_at=1000.0, tool_calls=STEPS,
    )  # fmt: skip
    decided = {"policy": "p", "policy_version": "1", "decision": "allow", "rules": ["r" * 90], "checks": []}
    events = [
        AuditEvent(kind="action.decided", thread_id="long", turn=1,
                   data={"action": f"{number:032x}", "tool": "look_up_" + "x" * (number % 60), **decided})
        for number in range(STEPS)
    ]  # fmt: skip
    entries = chain("default", (0, GENESIS), 1000.0, events)
    spread = [entry.model_copy(update={"at": 1000.0 + entry.seq}) for entry in entries]
    file = tmp_path / "long.html"
    file.write_text(page(tell([turn], spread, [])), encoding="utf-8")
    for width in (1180, 600):
        with browser(chromium, width=width) as driver:
            driver.get(file.as_uri())
            count = "return document.querySelectorAll(arguments[0]).length"
            assert driver.execute_script(count, "details") == STEPS
            assert driver.execute_script(count, "details[open]") == 0, "a long thread is folded"
            look = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            assert driver.execute_script(look), "nothing is cut off at the side"
            tall = (
                "return Math.max(...[...document.querySelectorAll('summary')].map(one => one.offsetHeight))"
            )
            assert driver.execute_script(tall) < 160
            driver.find_element("css selector", "summary").click()
            assert driver.find_element("css selector", "details .moments time").is_displayed()
            assert complaints(driver) == [], "the style is the one that the page's policy names"
