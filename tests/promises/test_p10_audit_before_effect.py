"""P10: every decision on an effect is in the log before the effect starts; no log, no effect."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from guardkit import Guard
from guardkit.core.audit import verify
from guardkit.core.values import JsonObject
from guardkit.errors import StorageError
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    ask,
    compiled,
    decide,
    entries,
    go_on,
    payer,
    run,
    waiting,
)

pytestmark = pytest.mark.promise("P10")

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))


def _kinds(scene: Scene) -> list[str]:
    with scene.sqlite() as connection:
        return [row[0] for row in connection.execute("SELECT kind FROM gk_audit ORDER BY seq")]


@pytest.mark.parametrize("policy", [pytest.param("allow", id="allowed"), pytest.param(ASK, id="approved")])
def test_the_tool_itself_finds_its_decision_in_the_log(scene: Scene, mode: Mode, policy: Any) -> None:
    seen: list[list[str]] = []
    guard = scene.guard({"pay": policy})

    @guard.effect
    def pay(claim: str, amount: int) -> str:
        """Look into the log through a connection of one's own."""
        seen.append(_kinds(scene))
        return "paid"

    graph = compiled(guard, [PAY, "Done."], [pay])
    config = guard.config("t", KIM)
    run(graph, ask(), config, mode)
    if policy is ASK:
        decide(guard, waiting(guard, config)[0])
        go_on(graph, config, mode)
    assert len(seen) == 1
    wanted = ["action.decided", "effect.claimed"]
    if policy is ASK:
        wanted = ["approval.requested", "approval.decided", *wanted]
    assert [kind for kind in wanted if kind not in seen[0]] == []
    assert "effect.recorded" not in seen[0]


def test_a_decision_names_the_policy_that_it_was_taken_under(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({"pay": "allow"}, version="7.3")
    run(compiled(guard, [PAY, "Done."], [payer(guard, [])]), ask(), guard.config("t", KIM), mode)
    for kind in ("action.decided", "effect.claimed"):
        assert [entry.event.data["policy_version"] for entry in entries(guard, kind)] == ["7.3"]


def _break_log(scene: Scene, guard: Guard, kind: str) -> None:
    guard.store.now()
    with scene.sqlite() as connection:
        connection.execute(
            f"""CREATE TRIGGER broken BEFORE INSERT ON gk_audit WHEN NEW.kind = '{kind}'
                BEGIN SELECT RAISE(ABORT, 'the log is full'); END"""
        )


@pytest.mark.parametrize("kind", ["action.decided", "effect.claimed"])
def test_when_the_log_cannot_be_written_nothing_happens(scene: Scene, mode: Mode, kind: str) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow"})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid, key=lambda a: a.claim)])
    _break_log(scene, guard, kind)
    with pytest.raises(StorageError):
        run(graph, ask(), guard.config("t", KIM), mode)
    assert paid == []
    assert guard.store.effect("default", "pay:C-1") is None


def test_when_the_log_cannot_be_written_nobody_is_asked_and_no_answer_is_taken(
    scene: Scene, mode: Mode
) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    _break_log(scene, guard, "approval.requested")
    with pytest.raises(StorageError):
        run(graph, ask(), guard.config("t", KIM), mode)
    assert guard.store.listed() == []
    with scene.sqlite() as connection:
        connection.execute("DROP TRIGGER broken")
    config = guard.config("u", KIM)
    run(graph, ask(), config, mode)
    _break_log(scene, guard, "approval.decided")
    [approval] = waiting(guard, config)
    with pytest.raises(StorageError):
        decide(guard, approval)
    assert guard.store.find(approval.request.id) == approval
    go_on(graph, config, mode)
    assert paid == []


def test_a_run_goes_on_once_the_log_can_be_written_again(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    guard = scene.guard({"pay": "allow"})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, paid)])
    _break_log(scene, guard, "effect.claimed")
    config = guard.config("t", KIM)
    with pytest.raises(StorageError):
        run(graph, ask(), config, mode)
    with scene.sqlite() as connection:
        connection.execute("DROP TRIGGER broken")
    run(graph, None, config, mode)
    assert len(paid) == 1


def test_decisions_on_reads_are_written_with_the_supersteps_checkpoint(scene: Scene, mode: Mode) -> None:
    seen: list[list[str]] = []
    guard = scene.guard({"look": "allow"})

    @guard.read(trust="trusted")
    def look() -> str:
        """Look."""
        seen.append(_kinds(scene))
        return "fine"

    def second(messages: Any) -> Any:
        seen.append(_kinds(scene))
        return calls(("look", {}))

    graph = compiled(guard, [calls(("look", {})), second, "Done."], [look])
    run(graph, ask(), guard.config("t", KIM), mode, durability="sync")
    before, between, *_ = seen
    assert "action.decided" not in before
    assert "action.decided" in between


def test_the_chain_holds_after_all_that(scene: Scene) -> None:
    guard = scene.guard({"pay": ASK})
    graph = compiled(guard, [PAY, "Done."], [payer(guard, [])])
    config = guard.config("t", KIM)
    run(graph, ask(), config)
    decide(guard, waiting(guard, config)[0])
    asyncio.run(guard.worker().once())
    report = verify("default", guard.store.entries("default"))
    assert report.intact
    with scene.sqlite() as connection:
        connection.execute("UPDATE gk_audit SET data = replace(data, '\"allow\"', '\"reject\"')")
        connection.execute("UPDATE gk_audit SET kind = 'action.seen' WHERE kind = 'effect.claimed'")
    assert not verify("default", guard.store.entries("default")).intact
