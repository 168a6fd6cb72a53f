"""P4: a no holds when what led to the question changes its mind, and when a middleware jumps past it."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, hook_config
from langchain_core.language_models import BaseChatModel
from langgraph.graph import START, MessagesState, StateGraph

from guardkit import Action, ApprovalState, CheckContext, Verdict
from guardkit.core.values import JsonObject
from guardkit.testing import ScriptedModel, calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    approvals,
    ask,
    compiled,
    decide,
    go_on,
    payer,
    run,
    waiting,
    work,
)

pytestmark = pytest.mark.promise("P4")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
FLAGGED = {"id": "flagged", "when": "'moody' in flags", "decide": "escalate", "why": "somebody should look"}


class Moody:
    """A check that wants to be asked about an action at some of its looks at it, and at others does not mind."""

    def __init__(self, *moods: bool) -> None:
        self._moods = list(moods)
        self.looks = 0

    def __call__(self, action: Action, context: CheckContext) -> Verdict | None:
        minds = self._moods[min(self.looks, len(self._moods) - 1)]
        self.looks += 1
        return Verdict(check="moody", outcome="review", why="hm") if minds else None


MOODS = ((True, False), (True, False, True, False), (False, True))
ENTRIES: dict[str, dict[str, Any]] = {
    "allowed otherwise": {"otherwise": "allow", "approval": "managers"},
    "asked otherwise": ASK,
    "asked by a rule too": {**ASK, "rules": [FLAGGED]},
}


@pytest.mark.parametrize(
    ("entry", "moods"),
    [
        pytest.param(entry, moods, id=f"{name}-{moods}")
        for name, entry in ENTRIES.items()
        for moods in (
            MOODS[:2] if name == "allowed otherwise" else MOODS
        )  # who minds nothing at first asks nobody
    ],
)
def test_a_no_holds_when_a_check_changes_its_mind(
    scene: Scene, mode: Mode, entry: dict[str, Any], moods: tuple[bool, ...]
) -> None:
    paid: list[JsonObject] = []
    moody = Moody(*moods)
    guard = scene.guard({"pay": entry}, action_checks=[("moody", moody)])
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [asked] = waiting(guard, config)
    decide(guard, asked, "reject")
    go_on(graph, config, mode)
    work(guard)
    assert moody.looks > 1
    assert paid == []
    assert [(one.request.id, one.state) for one in approvals(guard)] == [
        (asked.request.id, ApprovalState.REJECTED)
    ]


class Jumps(AgentMiddleware[Any, Any]):
    """After each word of the model it goes to the tools, whatever anybody has said."""

    @hook_config(can_jump_to=["tools"])
    def after_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Go to the tools."""
        return {"jump_to": "tools"} if state["messages"][-1].tool_calls else None

    @hook_config(can_jump_to=["tools"])
    async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Go to the tools."""
        return self.after_model(state, runtime)


@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_a_middleware_that_jumps_to_the_tools_runs_nothing_that_was_rejected(
    scene: Scene, mode: Mode, answer: Any
) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    model: BaseChatModel = ScriptedModel(PAY, "Done.")
    inner = create_agent(model, [payer(guard, paid)], middleware=[Jumps()])
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("inner", inner)
    builder.add_edge(START, "inner")
    graph = guard.compile(builder)
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    [asked] = waiting(guard, config)
    assert paid == []
    decide(guard, asked, answer)
    go_on(graph, config, mode)
    assert len(paid) == (answer == "approve")
    assert [one.request.id for one in approvals(guard)] == [asked.request.id]
