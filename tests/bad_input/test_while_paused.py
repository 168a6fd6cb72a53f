"""Policies and graphs that change while a thread waits for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from langgraph.graph import MessagesState

from guardkit import ApprovalState, Guard, GuardedGraph, NoResultReason, Policy
from guardkit.core.values import JsonObject
from guardkit.errors import FingerprintError
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    Mode,
    Scene,
    agent,
    approvals,
    ask,
    compiled,
    decide,
    ended,
    entries,
    go_on,
    last,
    payer,
    policy_of,
    route,
    run,
    told,
    waiting,
    work,
)

pytestmark = [pytest.mark.promise("P15")]

PAY = calls(("pay", {"claim": "C-1", "amount": 5}))
LINES = (PAY, "done")


def rule(decide: str, **fields: Any) -> dict[str, Any]:
    """A rule about large amounts, which 5 is."""
    return {"id": "large", "when": "args.amount > 1", "decide": decide, "why": "it is much", **fields}


def desk(scene: Scene, paid: list[JsonObject], policy: Policy) -> tuple[Guard, GuardedGraph]:
    """The same agent under some policy, as after a restart."""
    guard = scene.guard({}, given=policy)
    return guard, compiled(guard, LINES, [payer(guard, paid)])


def of(scene: Scene, entry: Any, **changes: Any) -> Policy:
    """A policy about `pay`, with the people of the scene."""
    return policy_of({"pay": entry}, people=scene.people, **changes)


# --- policies ---------------------------------------------------------------------------------------------------------


@pytest.mark.promise("P4", "P7")
@pytest.mark.parametrize(
    "today",
    [
        pytest.param("reject", id="the tool is rejected"),
        pytest.param({**ASK, "rules": [rule("reject")]}, id="a rule rejects"),
        pytest.param(None, id="the tool is no longer listed"),
    ],
)
def test_a_policy_that_is_stricter_today_wins_over_a_yes_of_yesterday(
    scene: Scene, mode: Mode, today: Any
) -> None:
    paid: list[JsonObject] = []
    before, graph = desk(scene, paid, of(scene, ASK))
    config = before.config("c-1", KIM)
    run(graph, ask(), config, mode)
    decide(before, waiting(before, config)[0])

    stricter = policy_of({} if today is None else {"pay": today}, people=scene.people)
    after, graph = desk(scene, paid, stricter)
    output = go_on(graph, config, mode)
    assert paid == []
    assert last(output) == "done"
    assert len(told(output)) == 1
    assert after.store.effects() == []
    assert [one.state for one in approvals(after)] != [ApprovalState.CONSUMED]


@pytest.mark.promise("P4", "P9")
def test_a_policy_that_stops_today_ends_the_turn_that_waits(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    before, graph = desk(scene, paid, of(scene, ASK))
    config = before.config("c-1", KIM)
    run(graph, ask(), config, mode)
    decide(before, waiting(before, config)[0])

    after, graph = desk(scene, paid, of(scene, {**ASK, "rules": [rule("stop")]}))
    go_on(graph, config, mode)
    assert ended(after, config).reason is NoResultReason.POLICY_DENIED
    assert paid == []


@pytest.mark.promise("P1", "P2")
@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        pytest.param({**ASK, "rules": [rule("escalate")]}, {}, id="a rule was added"),
        pytest.param(ASK, {"route": {"required": 2}}, id="the route asks more people"),
        pytest.param(ASK, {"route": {"valid_for": "5m"}}, id="a yes is valid for less time"),
    ],
)
def test_a_rule_or_a_route_that_changed_is_asked_again(
    scene: Scene, mode: Mode, entry: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    paid: list[JsonObject] = []
    before, graph = desk(scene, paid, of(scene, ASK))
    config = before.config("c-1", KIM)
    run(graph, ask(), config, mode)
    (first,) = waiting(before, config)
    decide(before, first)

    after, graph = desk(scene, paid, of(scene, entry, **changes))
    go_on(graph, config, mode)
    assert paid == []
    (second,) = waiting(after, config)
    assert second.request.id != first.request.id
    assert second.args == first.args

    for person in ("dana", "ben")[: second.request.stages[0].required]:
        decide(after, second, by=person)
    assert last(go_on(graph, config, mode)) == "done"
    assert len(paid) == 1


@pytest.mark.promise("P1", "P2")
def test_a_rule_that_was_removed_is_asked_again(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    before, graph = desk(scene, paid, of(scene, {**ASK, "rules": [rule("escalate")]}))
    config = before.config("c-1", KIM)
    run(graph, ask(), config, mode)
    (first,) = waiting(before, config)
    decide(before, first)

    after, graph = desk(scene, paid, of(scene, ASK))
    go_on(graph, config, mode)
    assert paid == []
    (second,) = waiting(after, config)
    assert second.request.id != first.request.id


@pytest.mark.promise("P4")
def test_a_route_that_was_removed_leaves_no_yes_that_counts(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    before, graph = desk(scene, paid, of(scene, ASK))
    config = before.config("c-1", KIM)
    run(graph, ask(), config, mode)
    (first,) = waiting(before, config)
    decide(before, first)

    renamed = policy_of(
        {"pay": {"otherwise": "escalate", "approval": "chiefs"}},
        people=scene.people,
        approvals={"chiefs": route()},
    )
    after, graph = desk(scene, paid, renamed)
    go_on(graph, config, mode)
    assert paid == []
    (second,) = waiting(after, config)
    assert second.request.routes == ("chiefs",)


@pytest.mark.promise("P4")
def test_a_policy_that_is_looser_today_does_not_answer_for_people(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    before, graph = desk(scene, paid, of(scene, ASK))
    config = before.config("c-1", KIM)
    run(graph, ask(), config, mode)
    (asked,) = waiting(before, config)

    after, graph = desk(scene, paid, of(scene, "allow"))
    go_on(graph, config, mode)
    assert paid == []
    assert [one.request.id for one in waiting(after, config)] == [asked.request.id]
    decide(after, asked, "reject")
    go_on(graph, config, mode)
    assert paid == []


@pytest.mark.promise("P2")
def test_a_change_elsewhere_leaves_a_yes_standing(scene: Scene, mode: Mode) -> None:
    paid: list[JsonObject] = []
    before, graph = desk(scene, paid, of(scene, ASK))
    config = before.config("c-1", KIM)
    run(graph, ask(), config, mode)
    decide(before, waiting(before, config)[0])

    after, graph = desk(scene, paid, of(scene, ASK, version="2", budgets={"tool_calls": 50}))
    assert last(go_on(graph, config, mode)) == "done"
    assert len(paid) == 1
    (claimed,) = entries(after, "effect.claimed")
    assert claimed.event.data["policy_version"] == "2"


# --- graphs -----------------------------------------------------------------------------------------------------------


def renamed(guard: Guard, paid: list[JsonObject]) -> GuardedGraph:
    """Another state key."""

    class Wider(MessagesState):
        note: str

    return guard.compile(agent(LINES, [payer(guard, paid)], state=Wider))


def more_nodes(guard: Guard, paid: list[JsonObject]) -> GuardedGraph:
    """One node more."""
    builder = agent(LINES, [payer(guard, paid)])

    def closing(state: Any) -> dict[str, Any]:
        return {}

    builder.add_node("closing", closing)
    return guard.compile(builder)


def other_schema(guard: Guard, paid: list[JsonObject]) -> GuardedGraph:
    """The tool takes one argument more."""

    @guard.effect
    def pay(claim: str, amount: int, note: str = "") -> str:
        """Pay a claim."""
        paid.append({"claim": claim, "amount": amount})
        return "paid"

    return compiled(guard, LINES, [pay])


@pytest.mark.promise("P1", "P12")
@pytest.mark.parametrize(
    "changed", [renamed, more_nodes, other_schema], ids=["state", "nodes", "tool schema"]
)
def test_a_graph_that_changed_is_a_dead_letter_that_can_be_made_good(
    scene: Scene, mode: Mode, changed: Any
) -> None:
    paid: list[JsonObject] = []
    before, graph = desk(scene, paid, of(scene, ASK))
    config = before.config("c-1", KIM)
    run(graph, ask(), config, mode)
    (asked,) = waiting(before, config)

    after = scene.guard({}, given=of(scene, ASK))
    new = changed(after, paid)
    with pytest.raises(FingerprintError, match=r"'agent' changed since turn 1.*run the old code") as caught:
        run(new, None, config, mode)
    assert caught.value.remedy is not None
    assert waiting(after, config) == [asked]

    decide(after, asked)
    assert work(after)[0].dead == 1
    (row,) = after.store.threads("default")
    assert "fingerprint" in str(row.dead_letter)
    assert work(after, rounds=2)[-1].idle
    assert paid == []

    assert after.store.redrive("default", "c-1", by="ops")
    assert work(before)[0].resumed == 1
    assert len(paid) == 1


@pytest.mark.promise("P2")
def test_new_input_begins_a_turn_on_the_new_graph_and_voids_the_old_question(
    scene: Scene, mode: Mode
) -> None:
    paid: list[JsonObject] = []
    before, graph = desk(scene, paid, of(scene, ASK))
    config = before.config("c-1", KIM)
    run(graph, ask(), config, mode)
    (old,) = waiting(before, config)

    after = scene.guard({}, given=of(scene, ASK))
    new = more_nodes(after, paid)
    run(new, ask("Again."), config, mode)
    states = {one.request.id: one.state for one in approvals(after)}
    assert states[old.request.id] is ApprovalState.CANCELLED
    assert paid == []
