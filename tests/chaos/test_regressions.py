"""What the campaigns have found, each as one plain sequence of calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardkit.core.runs import TurnStatus
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
