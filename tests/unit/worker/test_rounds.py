"""A worker's rounds: begun by news, beside runs that take long, to the end of what is under way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from guardkit import Guard
from guardkit.core.runs import TurnStatus
from guardkit.testing import calls
from guardkit.worker import Worker
from tests.promises.scene import ASK, KIM, Scene, agent, ask, decide, run, waiting

PATIENCE = 120.0
NEVER = 3600.0
"""Seconds between rounds: only news begins one."""


class Desk:
    """Two payments that wait for people; the slow one takes as long as the test wants."""

    def __init__(self, scene: Scene) -> None:
        self.begun, self.release = threading.Event(), threading.Event()
        self.paid: list[str] = []
        self.guard = scene.guard({"pay": ASK})

        @self.guard.effect(key=lambda args: args.claim)
        def pay(claim: str) -> str:
            """Pay a claim."""
            if claim.startswith("slow"):
                self.begun.set()
                assert self.release.wait(PATIENCE)
            self.paid.append(claim)
            return f"paid {claim}"

        # Every thread has a model of its own: what it says depends on nothing but the thread's messages.
        def think(state: Any) -> dict[str, Any]:
            first, *rest = state["messages"]
            if any(one.type == "tool" for one in rest):
                return {"messages": [("ai", "Done.")]}
            return {"messages": [calls(("pay", {"claim": first.content}))]}

        builder = agent(["unused"], [pay])
        builder.nodes.pop("agent")
        builder.add_node("agent", think)
        self.graph = self.guard.compile(builder, name="clerk")

    def begin(self, claim: str) -> None:
        run(self.graph, ask(claim), self.guard.config(claim, KIM))

    def approve(self, claim: str) -> None:
        (approval,) = waiting(self.guard, self.guard.config(claim))
        decide(self.guard, approval)

    def status(self, claim: str) -> TurnStatus:
        turn = self.guard.store.turn("default", claim)
        assert turn is not None
        return turn.status


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncIterator[tuple[asyncio.Event, asyncio.Task[None]]]:
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        yield stop, running
    finally:
        stop.set()
        await asyncio.wait_for(running, PATIENCE)


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def worker_of(guard: Guard, **options: Any) -> Worker:
    return guard.worker(poll=NEVER, **options)


def test_a_decision_begins_a_round_at_once(scene: Scene) -> None:
    desk = Desk(scene)
    desk.begin("C-1")

    async def work() -> None:
        async with at_work(worker_of(desk.guard)):
            await until(lambda: len(scene.channel.sent) == 1)  # it has made its first round
            await asyncio.to_thread(desk.approve, "C-1")
            await until(lambda: desk.status("C-1") is TurnStatus.DONE)

    asyncio.run(work())
    assert desk.paid == ["C-1"]


def test_a_run_that_takes_long_holds_up_no_other(scene: Scene) -> None:
    desk = Desk(scene)
    for claim in ("slow", "C-1", "C-2"):
        desk.begin(claim)

    async def work() -> None:
        async with at_work(worker_of(desk.guard, concurrency=2)) as (stop, running):
            await asyncio.to_thread(desk.approve, "slow")
            assert await asyncio.to_thread(desk.begun.wait, PATIENCE)
            for claim in ("C-1", "C-2"):
                await asyncio.to_thread(desk.approve, claim)
            await until(lambda: desk.paid == ["C-1", "C-2"])
            await until(lambda: desk.status("C-2") is TurnStatus.DONE)
            assert desk.status("slow") is TurnStatus.RUNNING
            stop.set()
            await asyncio.sleep(0.1)
            assert not running.done(), "it ends what is under way first"
            desk.release.set()

    asyncio.run(work())
    assert desk.paid == ["C-1", "C-2", "slow"]
    assert desk.status("slow") is TurnStatus.DONE


def test_no_more_runs_are_under_way_than_there_are_places(scene: Scene) -> None:
    desk = Desk(scene)
    claims = [f"slow-{number}" for number in range(3)]
    for claim in claims:
        desk.begin(claim)
        desk.approve(claim)

    async def work() -> None:
        worker = worker_of(desk.guard, concurrency=2)
        async with at_work(worker):
            await until(lambda: [desk.status(claim) for claim in claims].count(TurnStatus.RUNNING) == 2)
            await asyncio.sleep(0.2)
            assert [desk.status(claim) for claim in claims].count(TurnStatus.PAUSED) == 1
            assert worker.round_age >= 0.1, "without a free place the round goes on"
            desk.release.set()
            await until(lambda: all(desk.status(claim) is TurnStatus.DONE for claim in claims))

    asyncio.run(work())
    assert sorted(desk.paid) == claims


def test_a_worker_that_is_told_to_stop_before_it_begins_ends(scene: Scene) -> None:
    worker = Desk(scene).guard.worker(poll=NEVER)

    async def told() -> None:
        stop = asyncio.Event()
        stop.set()
        await asyncio.wait_for(worker.run(stop), PATIENCE)

    asyncio.run(told())
    assert worker.round_age == 0.0
