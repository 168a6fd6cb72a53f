"""What the campaigns have found, each as one plain sequence of calls."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from guardkit import ApprovalState, EffectState
from guardkit.core.runs import TurnStatus
from guardkit.core.values import Json
from tests.chaos.people import Crowd
from tests.chaos.scene import Scene, new_folder, prompt, template


@pytest.mark.promise("P2", "P12")
def test_a_turn_that_went_on_from_an_old_checkpoint_is_over_when_the_graph_is(tmp_path: Path) -> None:
    scene = Scene(new_folder(tmp_path, "scene", template(tmp_path)))
    graph = scene.graph("node", in_async=False)
    config = scene.config("t")
    graph.invoke(prompt([[("note", {"item": "a", "amount": 5})]]), config)
    old = [state for state in graph.get_state_history(config) if state.next == ("agent",)]

    graph.invoke(None, old[0].config)

    assert [row.status for row in scene.guard.store.threads(None)] == [TurnStatus.DONE]
    assert len(scene.bank.journal.lines("effect")) == 1
    scene.close()


@pytest.mark.promise("P3", "P12")
@pytest.mark.parametrize(
    ("result", "told"),
    [("found", "found"), ({"receipt": 7}, '{"receipt": 7}'), (None, "The action took place.")],
    ids=["text", "data", "nothing"],
)
def test_a_reconciled_effect_answers_its_tool_call(tmp_path: Path, result: Json, told: str) -> None:
    scene = Scene(new_folder(tmp_path, "scene", template(tmp_path)))
    scene.bank.found = result
    graph = scene.graph("node", in_async=False)
    config = scene.config("t")
    graph.invoke(prompt([[("refund", {"item": "a", "amount": 5})]]), config)
    Crowd(scene, "all agree").step(random.Random(0))
    scene.bank.breaks = True
    with pytest.raises(KeyboardInterrupt):
        graph.invoke(None, config)
    scene.bank.breaks = False

    said = graph.invoke(None, config)["messages"]

    assert [message.type for message in said] == ["human", "ai", "tool", "ai"]
    assert said[2].content == told
    assert [one.state for one in scene.guard.store.effects()] == [EffectState.DONE]
    assert len(scene.bank.journal.lines("effect")) == 1
    scene.close()


@pytest.mark.promise("P12")
async def test_an_answer_to_a_replay_of_an_earlier_turn_resumes_the_replay(tmp_path: Path) -> None:
    scene = Scene(new_folder(tmp_path, "scene", template(tmp_path)))
    graph = scene.graph("node", in_async=True)
    config = scene.config("t")
    await graph.ainvoke(prompt([[("refund", {"item": "a", "amount": 5})]]), config)
    await graph.ainvoke(prompt([[("note", {"item": "b", "amount": 5})]], name="second"), config)
    history = [state async for state in graph.aget_state_history(config)]
    first = [state for state in history if state.next == ("agent",)][-1]

    await graph.ainvoke(None, first.config)
    while Crowd(scene, "all agree").step(random.Random(0)):
        pass
    await scene.guard.worker(graph).once()

    done = [line["tool"] for line in scene.bank.journal.lines("effect")]
    assert done == ["note", "refund"]
    assert [row.status for row in scene.guard.store.threads(None)] == [TurnStatus.DONE]
    scene.close()


@pytest.mark.promise("P2")
def test_an_approval_whose_turn_went_elsewhere_is_withdrawn_and_stays_so(tmp_path: Path) -> None:
    scene = Scene(new_folder(tmp_path, "scene", template(tmp_path)))
    graph = scene.graph("node", in_async=False)
    store = scene.guard.store
    config = scene.config("t")
    graph.invoke(prompt([[("note", {"item": "a", "amount": 5})]]), config)
    old = [state for state in graph.get_state_history(config) if state.next == ("agent",)][-1]
    graph.invoke(prompt([[("refund", {"item": "b", "amount": 5})]], name="second"), config)
    asking = graph.get_state(config)
    Crowd(scene, "all agree").step(random.Random(0))
    assert [one.state for one in store.listed()] == [ApprovalState.APPROVED]

    graph.invoke(None, old.config)

    assert [one.state for one in store.listed()] == [ApprovalState.CANCELLED]
    assert [line["tool"] for line in scene.bank.journal.lines("effect")] == ["note"]

    said = graph.invoke(None, asking.config)["messages"]
    assert said[-2].status == "error"
    assert [one.state for one in store.listed()] == [ApprovalState.CANCELLED]
    assert [line["tool"] for line in scene.bank.journal.lines("effect")] == ["note"]
    scene.close()
