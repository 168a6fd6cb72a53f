"""Channels in the processes of a guard: attached where people are verified, connected while a worker runs."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import SecretStr

from guardkit import Guard, Keys
from guardkit.channels.host import ChannelHost
from guardkit.core.approvals import Approval
from guardkit.core.runs import Delivery
from guardkit.core.stages import ApprovalStage
from guardkit.errors import ChannelError, MissingKeyError
from guardkit.testing import FakeChannel
from guardkit.testing.contracts import samples


class Late(FakeChannel):
    """A channel whose messenger answers the third time."""

    def __init__(self) -> None:
        super().__init__("late")
        self.seen: list[str] = []
        self.connected = threading.Event()

    def attach(self, host: ChannelHost) -> None:
        if self.seen.count("tried") < 2:
            self.seen.append("tried")
            raise ChannelError("nobody there")
        self.seen.append("attached")

    def open(self) -> None:
        self.seen.append("opened")
        self.connected.set()

    def close(self) -> None:
        self.seen.append("closed")


POLICY = """
policy: claims
version: "1"
owner: me@example.com
default: reject
"""


class Connected(FakeChannel):
    """A channel that holds a connection, and notes what happens to it."""

    def __init__(self, *, refusals: int = 0) -> None:
        super().__init__()
        self.host: ChannelHost | None = None
        self.seen: list[str] = []
        self.refusals = refusals
        self.connected = threading.Event()

    def attach(self, host: ChannelHost) -> None:
        self.host = host
        self.seen.append("attached")

    def open(self) -> None:
        self.seen.append("opened")
        if self.refusals:
            self.refusals -= 1
            raise ChannelError("nobody there")
        self.connected.set()

    def close(self) -> None:
        self.seen.append("closed")


def guarded(tmp_path: Any, keys: Keys, **channels: Any) -> Guard:
    (tmp_path / "policy.yaml").write_text(POLICY)
    guard = Guard(
        f"sqlite:///{tmp_path / 'guard.db'}",
        policy=tmp_path / "policy.yaml",
        keys=keys,
        channels=channels,
        decide_at="https://inbox.example",
    )
    builder = StateGraph(MessagesState)
    builder.add_node("agent", lambda state: {"messages": []})
    builder.add_edge(START, "agent")
    guard.compile(builder, name="claims")
    return guard


PARTS = ("runs", "messages", "answers")
KEYS = Keys.generate().model_copy(update={"web_secret": SecretStr("w" * 40)})


def test_a_channel_is_attached_once_by_the_name_that_policies_use(tmp_path: Any) -> None:
    channel = Connected()
    guard = guarded(tmp_path, KEYS, desk=channel)
    assert channel.seen == [], "the agent's process verifies nobody"
    guard.worker(parts=PARTS)
    guard.app()
    guard.worker(parts=PARTS)
    assert channel.seen == ["attached"]
    assert channel.host is not None
    assert (channel.host.name, channel.host.inbox) == ("desk", "https://inbox.example")
    assert channel.host.secret == KEYS.web_secret


def test_a_process_without_the_decision_key_attaches_nothing(tmp_path: Any) -> None:
    channel = Connected()
    public = Keys(decision_public_keys=KEYS.decision_public_keys)
    guard = guarded(tmp_path, public, desk=channel)
    for start in (guard.app, lambda: guard.worker(parts=PARTS)):
        with pytest.raises(MissingKeyError, match="decision_key"):
            start()
    assert channel.seen == []


def test_a_messenger_that_does_not_answer_yet_stops_no_process(tmp_path: Any, caplog: Any) -> None:
    late, well = Late(), Connected()
    guard = guarded(tmp_path, KEYS, late=late, well=well)
    guard.app()
    assert (late.seen, well.seen) == (["tried"], ["attached"])
    assert "channel 'late' is not attached yet: nobody there" in caplog.text

    async def work() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(guard.worker(poll=0.01, parts=PARTS).run(stop))
        assert await asyncio.to_thread(late.connected.wait, 60)
        stop.set()
        await running

    asyncio.run(work())
    assert late.seen == ["tried", "tried", "attached", "opened", "closed"]


def test_a_worker_connects_what_holds_a_connection_and_closes_it(tmp_path: Any) -> None:
    channel, silent = Connected(), FakeChannel("silent")
    guard = guarded(tmp_path, KEYS, desk=channel, silent=silent)

    async def work() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(guard.worker(poll=0.01, parts=PARTS).run(stop))
        assert await asyncio.to_thread(channel.connected.wait, 60)
        stop.set()
        await running

    asyncio.run(work())
    assert channel.seen == ["attached", "opened", "closed"]


def test_a_channel_that_cannot_be_connected_stops_no_other(tmp_path: Any) -> None:
    broken, well = Connected(refusals=1), Connected()
    guard = guarded(tmp_path, KEYS, broken=broken, well=well)

    async def work() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(guard.worker(poll=0.01, parts=PARTS).run(stop))
        assert await asyncio.to_thread(well.connected.wait, 60)
        stop.set()
        await running

    asyncio.run(work())
    assert broken.seen == ["attached", "opened"], "it was not connected, so it is not closed"
    assert well.seen == ["attached", "opened", "closed"]


class Told(FakeChannel):
    """Says when it has sent something."""

    def __init__(self) -> None:
        super().__init__("well")
        self.told = threading.Event()

    def send(self, delivery: Delivery, approval: Approval) -> str:
        shown = super().send(delivery, approval)
        self.told.set()
        return shown


class Slow(FakeChannel):
    """Sends nothing until it may."""

    def __init__(self) -> None:
        super().__init__("slow")
        self.may = threading.Event()

    def send(self, delivery: Delivery, approval: Approval) -> str:
        assert self.may.wait(60)
        return super().send(delivery, approval)


class Broken(FakeChannel):
    """Somebody's own channel, with a mistake in it."""

    def send(self, delivery: Delivery, approval: Approval) -> str:
        raise ZeroDivisionError(approval.request.thought)


def test_a_channel_that_is_slow_or_broken_holds_up_no_other(tmp_path: Any, caplog: Any) -> None:
    slow, well = Slow(), Told()
    guard = guarded(tmp_path, KEYS, broken=Broken("broken"), slow=slow, well=well)
    run = guard.store.open_run(samples.opening(), []).run
    stage = ApprovalStage(groups=("desk",), channels=("broken", "slow", "well", "unknown"))
    request = samples.request(run, stages=(stage,)).model_copy(update={"thought": "secret words"})
    guard.store.register(run, [request], [])

    async def work() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(guard.worker(poll=0.01, parts=PARTS).run(stop))
        assert await asyncio.to_thread(well.told.wait, 60)
        assert slow.sent == []
        slow.may.set()
        stop.set()
        await running

    asyncio.run(work())
    assert len(slow.sent) == len(well.sent) == 1
    assert "raised ZeroDivisionError" in caplog.text
    assert "secret words" not in caplog.text
