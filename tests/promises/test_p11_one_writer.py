"""P11, in one process: of two runs on one thread only the lease holder's writes count."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph

from guardkit.core.values import JsonObject
from guardkit.errors import BusyError, StaleRunError
from guardkit.testing import calls
from tests.promises.scene import KIM, Mode, Scene, ask, compiled, payer, run

pytestmark = pytest.mark.promise("P11")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))


def _slow(scene: Scene, began: threading.Event, go: threading.Event, **options: Any) -> Any:
    guard = scene.guard({}, **options)

    def wait(state: MessagesState) -> dict[str, Any]:
        began.set()
        assert go.wait(30)
        return {"messages": [("ai", "waited")]}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("wait", wait)
    builder.add_edge(START, "wait")
    return guard, guard.compile(builder)


def _dump(scene: Scene) -> list[Any]:
    with scene.sqlite() as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (table, sorted(map(repr, connection.execute(f"SELECT * FROM {table}"))))
            for table in sorted(tables)
            if table.startswith("gk_") and table not in ("gk_threads", "gk_writes", "gk_stop_gate")
        ]


def test_the_second_run_is_told_and_changes_nothing(scene: Scene, mode: Mode) -> None:
    began, go = threading.Event(), threading.Event()
    guard, graph = _slow(scene, began, go)
    config = guard.config("t", KIM)
    first = threading.Thread(target=lambda: graph.invoke(ask(), config, durability="sync"))
    first.start()
    assert began.wait(30)
    try:
        before = _dump(scene)
        with pytest.raises(BusyError, match="'t'"):
            run(graph, ask("Me too."), config, mode)
        with pytest.raises(BusyError, match="'t'"):
            graph.update_state(config, {"messages": [("user", "and me")]})
        assert _dump(scene) == before
    finally:
        go.set()
        first.join()
    assert [message.text for message in graph.get_state(config).values["messages"]] == ["Do it.", "waited"]


def test_other_threads_go_on_meanwhile(scene: Scene, mode: Mode) -> None:
    began, go = threading.Event(), threading.Event()
    guard, graph = _slow(scene, began, go)
    first = threading.Thread(target=lambda: graph.invoke(ask(), guard.config("t", KIM)))
    first.start()
    assert began.wait(30)
    paid: list[JsonObject] = []
    other = scene.guard({"pay": "allow"})
    run(compiled(other, [PAY, "Done."], [payer(other, paid)]), ask(), other.config("u", KIM), mode)
    go.set()
    first.join()
    assert len(paid) == 1


def test_a_call_to_the_own_thread_from_inside_is_refused(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({})
    graphs: list[Any] = []

    def again(state: MessagesState) -> dict[str, Any]:
        graphs[0].invoke(ask("inner"), guard.config("t", KIM))
        return {}

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    builder.add_node("again", again)
    builder.add_edge(START, "again")
    graphs.append(guard.compile(builder))
    with pytest.raises(BusyError):
        run(graphs[0], ask(), guard.config("t", KIM), mode)


def test_a_run_that_lost_its_lease_writes_nothing_more(scene: Scene) -> None:
    began, go = threading.Event(), threading.Event()
    guard, graph = _slow(scene, began, go)
    config = guard.config("t", KIM)
    faults: list[BaseException] = []

    def first() -> None:
        try:
            graph.invoke(ask(), config, durability="sync")
        except StaleRunError as error:
            faults.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(30)
    with scene.sqlite() as connection:
        # What happens when a process stands still for longer than its lease, and another takes the thread.
        connection.execute("UPDATE gk_threads SET token = token + 1, lease_run = 'another'")
    before = _dump(scene)
    go.set()
    thread.join()
    assert len(faults) == 1
    assert _dump(scene) == before
