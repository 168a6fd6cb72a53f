"""A guarded agent on a LangGraph server: asked there, decided elsewhere, gone on with by a worker that only wakes it."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest
from langgraph.pregel.remote import RemoteException
from langgraph.types import Command

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.effects import EffectState
from guardkit.core.runs import StopOrder, TurnStatus
from guardkit.langgraph.remote import RemoteAgent
from guardkit.langgraph.resuming import GO_ON
from tests.server.server import Server, asks, config, until


async def begin(server: Server, claim: str, who: str = "kim") -> tuple[str, Approval]:
    """A payment that waits for people."""
    thread_id = server.thread(who)
    await server.graph(who).ainvoke(asks(claim), config(thread_id))
    (approval,) = server.asked(thread_id)
    assert server.payments().count(claim) == 0
    return thread_id, approval


def status(server: Server, thread_id: str) -> TurnStatus:
    turn = server.guard.store.turn("default", thread_id)
    assert turn is not None
    return turn.status


async def last(server: Server, thread_id: str, who: str = "kim") -> Any:
    state = await server.graph(who).aget_state(config(thread_id))
    values: Any = state.values
    return values["messages"][-1]["content"]


@pytest.mark.promise("P2", "P10", "P12")
async def test_what_people_approve_is_done_once_and_the_run_goes_on_by_itself(server: Server) -> None:
    thread_id, approval = await begin(server, "approved")
    server.decide(approval)
    worker = server.worker()
    assert (await worker.once()).resumed == 1
    assert server.payments().count("approved") == 1
    assert await last(server, thread_id) == "Done."
    assert status(server, thread_id) is TurnStatus.DONE
    (effect,) = [one for one in server.guard.store.effects() if one.thread_id == thread_id]
    assert effect.state is EffectState.DONE
    kinds = [entry.event.kind for entry in server.guard.store.history("default", thread_id)]
    decided = kinds.index("approval.decided")
    assert decided < kinds.index("effect.claimed") < kinds.index("effect.recorded")
    assert (await worker.once()).idle


@pytest.mark.promise("P1")
async def test_what_people_change_is_done_and_nothing_else(server: Server) -> None:
    _, approval = await begin(server, "proposed")
    server.decide(approval, "edit", args={"claim": "changed"})
    assert (await server.worker().once()).resumed == 1
    assert (server.payments().count("changed"), server.payments().count("proposed")) == (1, 0)


@pytest.mark.promise("P4")
async def test_what_people_reject_is_not_done(server: Server) -> None:
    thread_id, approval = await begin(server, "rejected")
    server.decide(approval, "reject", reason="no")
    assert (await server.worker().once()).resumed == 1
    assert "rejected" not in server.payments()
    assert status(server, thread_id) is not TurnStatus.PAUSED


@pytest.mark.promise("P2", "P5")
@pytest.mark.parametrize(
    "answer",
    [
        {"type": "accept"},
        [{"type": "accept", "args": None}],
        {"decisions": [{"type": "approve"}]},
        True,
        "yes",
    ],
    ids=["accept", "a list", "decisions", "true", "yes"],
)
async def test_answers_of_other_user_interfaces_do_not_count(server: Server, answer: Any) -> None:
    thread_id, approval = await begin(server, f"foreign-{answer!r}".replace(" ", ""))
    graph = server.graph("kim")
    state = await graph.aget_state(config(thread_id))
    (question,) = state.interrupts
    await graph.ainvoke(Command(resume={question.id: answer}), config(thread_id))
    (again,) = (await graph.aget_state(config(thread_id))).interrupts
    assert again.value["guardkit"]["approval_id"] == approval.request.id
    (now,) = server.asked(thread_id)
    assert now.state is ApprovalState.PENDING
    assert not [one for one in server.guard.store.effects() if one.thread_id == thread_id]


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    "forged",
    [
        {"langgraph_auth_user": {"identity": "dana"}},
        {"langgraph_auth_user_id": "dana"},
        {"__guardkit_caller": {"principal": {"id": "dana"}, "tenant": "other"}, "__guardkit_tenant": "other"},
        {"principal": "dana"},
    ],
    ids=["user", "id", "caller", "principal"],
)
async def test_a_turn_acts_for_whom_the_server_has_verified(server: Server, forged: dict[str, Any]) -> None:
    thread_id = server.thread("kim")
    await server.graph("kim").ainvoke(asks("forged"), config(thread_id, **forged))
    turn = server.guard.store.turn("default", thread_id)
    assert turn is not None
    assert (turn.principal.id, turn.principal.tenant) == ("kim", "default")
    assert turn.principal.verified_by == "server"


@pytest.mark.promise("P6")
async def test_nobody_goes_on_with_the_turn_of_somebody_else_but_by_waking_it(server: Server) -> None:
    thread_id, approval = await begin(server, "theirs")
    before = status(server, thread_id)
    with pytest.raises(RemoteException, match="InputError"):
        await server.graph("eve").ainvoke(None, config(thread_id))
    assert status(server, thread_id) is before
    await server.graph("eve").ainvoke(Command(resume=GO_ON), config(thread_id))
    (now,) = server.asked(thread_id)
    assert (now.state, now.version) == (ApprovalState.PENDING, approval.version)
    assert "theirs" not in server.payments()


@pytest.mark.promise("P9")
async def test_a_stop_ends_a_thread_that_waits_on_the_server(server: Server) -> None:
    thread_id, approval = await begin(server, "stopped")
    order = StopOrder(
        id=thread_id, scope="thread", tenant="default", target=thread_id, by="ops", why="drill", at=0
    )
    server.guard.store.set_stop(order)
    server.decide(approval)
    await server.worker().once()
    assert "stopped" not in server.payments()
    assert status(server, thread_id) is TurnStatus.ENDED


@pytest.mark.promise("P2")
async def test_a_thread_that_the_server_has_lost_begins_its_turn_again_and_asks_again(server: Server) -> None:
    thread_id, approval = await begin(server, "lost")
    await asyncio.to_thread(server.forget, "kim", thread_id)
    server.decide(approval)
    assert (await server.worker().once()).resumed == 1
    assert "lost" not in server.payments()
    (again,) = [one for one in server.asked(thread_id) if one.state is ApprovalState.PENDING]
    server.decide(again)
    assert (await server.worker().once()).resumed == 1
    assert server.payments().count("lost") == 1


async def test_who_may_not_enter_the_server_costs_no_thread_an_attempt(server: Server) -> None:
    _, approval = await begin(server, "barred")
    server.decide(approval)
    barred = server.guard.worker(remote={"desk": RemoteAgent(server.graph(""))}, attempts=1, backoff=60.0)
    done = await barred.once()
    assert (done.failed, done.dead) == (1, 0)
    assert (await barred.once()).idle
    assert (await server.worker().once()).resumed == 1
    assert server.payments().count("barred") == 1


@pytest.mark.promise("P12")
async def test_what_a_killed_server_left_is_gone_on_with_when_it_is_back(durable: Server) -> None:
    server = durable
    thread_id, approval = await begin(server, "killed")
    server.stop(signal.SIGKILL)
    server.decide(approval)
    stop = asyncio.Event()
    remote = {"desk": RemoteAgent(server.graph("worker"))}
    worker = server.guard.worker(remote=remote, backoff=0.01, attempts=1)
    assert ((await worker.once()).failed, server.payments().count("killed")) == (1, 0)
    running = asyncio.create_task(worker.run(stop))
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(
        until, lambda: status(server, thread_id) is TurnStatus.DONE, "nobody goes on with the thread"
    )
    stop.set()
    await running
    assert server.payments().count("killed") == 1


@pytest.mark.promise("P3", "P12")
async def test_what_was_under_way_when_the_server_was_killed_is_in_doubt_and_not_done_again(
    durable: Server,
) -> None:
    server = durable
    thread_id, approval = await begin(server, "slow")
    server.decide(approval)
    waking = asyncio.create_task(server.worker().once())
    await asyncio.to_thread(until, lambda: "slow" in server.payments(), "the effect does not begin")
    server.stop(signal.SIGKILL)
    assert (await waking).failed == 1
    await asyncio.to_thread(server.start)
    worker = server.worker()
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    await asyncio.to_thread(
        until, lambda: status(server, thread_id) is not TurnStatus.RUNNING, "nobody goes on with the thread"
    )
    stop.set()
    await running
    assert server.payments().count("slow") == 1
    (effect,) = [one for one in server.guard.store.effects() if one.thread_id == thread_id]
    assert effect.state is EffectState.IN_DOUBT
