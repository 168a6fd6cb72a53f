"""P1, P4: a policy is released while many questions are open. Only what it changes is asked anew, and its stricter rule wins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from guardkit import Approval, ApprovalState, Guard, GuardedGraph, Policy
from guardkit.sql import upgrade
from guardkit.testing import calls
from tests.promises.scene import (
    ASK,
    KIM,
    Scene,
    agent,
    approvals,
    ask,
    decide,
    go_on,
    opened,
    policy_of,
    route,
    run,
    work,
)

pytestmark = pytest.mark.promise("P1", "P4")

SMALL, LARGE = 10, 90
NAMES = ("pay", "refund", "wire", "close")
CALLS = (*((name, amount) for name in NAMES for amount in (SMALL, LARGE)), ("pay", 20), ("pay", 30))
"""What each thread asks for in one message: ten calls."""

LIMIT: dict[str, Any] = {"when": "args.amount > 50", "why": "it is much"}
ROUTE = {"otherwise": "escalate", "approval": "chiefs"}


def _policy(scene: Scene, version: str, *, released: bool) -> Policy:
    tools: dict[str, Any] = {
        "pay": ASK,
        "refund": ROUTE,
        "wire": {**ASK, "rules": [{**LIMIT, "id": "large-wire", "decide": "escalate"}]} if released else ASK,
        "close": {**ASK, "rules": [{**LIMIT, "id": "large-close", "decide": "reject"}]} if released else ASK,
    }
    routes = {"managers": route(), "chiefs": route(required=2 if released else 1)}
    return policy_of(
        tools, people=scene.people, version=version, approvals=routes, budgets={"tool_calls": 50}
    )


def _desk(scene: Scene, policy: Policy, ran: list[tuple[str, int]]) -> tuple[Guard, GuardedGraph]:
    guard = scene.guard({}, given=policy)

    def tool(name: str) -> Any:
        def move(amount: int) -> str:
            """Move money."""
            ran.append((name, amount))
            return "moved"

        move.__name__ = name
        return guard.effect(move)

    message = calls(*((name, {"amount": amount}) for name, amount in CALLS))
    return guard, guard.compile(agent([message, "Done."], [tool(name) for name in NAMES]))


def _by_call(found: list[Approval]) -> dict[tuple[str, str, int], list[Approval]]:
    grouped: dict[tuple[str, str, int], list[Approval]] = {}
    for one in found:
        amount = one.args["amount"]
        assert isinstance(amount, int)
        grouped.setdefault((one.request.thread_id, one.request.action.tool, amount), []).append(one)
    return grouped


def _changed(name: str, amount: int) -> bool:
    """Whether the release asks anew."""
    return name == "refund" or (name == "wire" and amount == LARGE)


def _released(scene: Scene, threads: int) -> None:
    ran: list[tuple[str, int]] = []
    before, graph = _desk(scene, _policy(scene, "1", released=False), ran)
    configs = [before.config(f"t-{number}", KIM) for number in range(threads)]
    for config in configs:
        run(graph, ask(), config)
    first = {one.request.id for one in approvals(before)}
    assert len(first) == threads * len(CALLS)

    after, graph = _desk(scene, _policy(scene, "2", released=True), ran)
    for config in configs:
        go_on(graph, config)
    assert ran == []
    for (_, name, amount), asked in _by_call(approvals(after)).items():
        states = [one.state for one in asked]
        if _changed(name, amount):
            assert states == [ApprovalState.CANCELLED, ApprovalState.PENDING], (name, amount)
            assert asked[1].request.stages[0].required == (2 if name == "refund" else 1)
        else:
            assert [one.request.id in first for one in asked] == [True], (name, amount)
            if (name, amount) != ("close", LARGE):
                assert states == [ApprovalState.PENDING], (name, amount)

    for approval in approvals(after, ApprovalState.PENDING):
        people = ("dana", "ben")[: approval.request.stages[0].required]
        if approval.request.thread_id == "t-0":
            for person in people:
                decide(after, approval, by=person)
    assert work(after)[0].resumed == 1
    may = [(name, amount) for name, amount in CALLS if (name, amount) != ("close", LARGE)]
    assert Counter(ran) == Counter(may)
    assert {one.state for one in approvals(after) if one.request.thread_id != "t-0"} >= {
        ApprovalState.PENDING
    }


def test_a_release_while_five_hundred_questions_are_open(scene: Scene) -> None:
    _released(scene, 50)


@pytest.fixture(params=["postgres", "mariadb"])
def served(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A desk on a server."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    upgrade(url)
    yield from opened(url)


def test_a_release_while_questions_are_open_on_a_server(served: Scene) -> None:
    _released(served, 3)
