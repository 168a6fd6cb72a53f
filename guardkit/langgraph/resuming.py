"""Finding out what a thread needs, and doing it: the same from any process, at any time, as often as it is tried."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Interrupt

from guardkit.core.runs import DueThread, Turn, TurnStatus
from guardkit.errors import MissingDataError
from guardkit.langgraph.channel import CHANNEL
from guardkit.langgraph.graph import GuardedGraph
from guardkit.langgraph.inputs import load_input
from guardkit.langgraph.messages import fields_of
from guardkit.langgraph.runs import CALLER, TENANT, Caller

WAKE = {"guardkit": "wake"}
"""What a guarded interrupt is resumed with. It carries nothing: the gate reads the store."""


def config_for(tenant: str, thread_id: str, *, restart: bool = False) -> RunnableConfig:
    """The config of a run that goes on with a thread for whoever began its turn."""
    caller = Caller(None, tenant, restart=restart)
    return {"configurable": {"thread_id": thread_id, CALLER: caller, TENANT: tenant}}


async def resume(graph: GuardedGraph, thread: DueThread) -> None:
    """Bring a thread as far as it can go without people.

    An interrupt that waits for an approval is woken by its id; a run that died between two steps goes on; one that
    died before its first checkpoint starts again from the stored input. Safe to repeat.

    Raises:
        BusyError: another run holds the thread.
        FingerprintError: the graph's code changed while the thread was paused.
        MissingDataError: the turn's input is gone and there is no checkpoint to go on from, or the turn is paused and
            its checkpoint waits for nothing.
        Exception: whatever the graph's own code raises.
    """
    store = graph.runs.services.store
    turn = await graph.offload(lambda: store.turn(thread.tenant, thread.thread_id))
    if turn is None:
        raise MissingDataError(f"thread {thread.thread_id!r} is due and has no turn")
    # A graph that lacks the paused node looks as if nothing were left to do.
    problem = graph.runs.changed_since(turn)
    if problem is not None:
        raise problem
    config = config_for(thread.tenant, thread.thread_id)
    state = await graph.aget_state(config)
    questions = [one for one in state.interrupts if _mark(one.value).get("kind") == "approval"]
    if _turn_of(state.values) != turn.number and not await _asked_in(graph, turn, questions):
        stored = await graph.offload(lambda: store.turn_input(thread.tenant, thread.thread_id, turn.number))
        if stored is None:
            raise MissingDataError(f"the input of turn {turn.number} of thread {thread.thread_id!r} is gone")
        await graph.ainvoke(load_input(stored), config_for(thread.tenant, thread.thread_id, restart=True))
        return
    if questions:
        await graph.ainvoke(Command(resume={question.id: WAKE for question in questions}), config)
    elif state.next or turn.status in (TurnStatus.RUNNING, TurnStatus.FAILED):
        await graph.ainvoke(None, config)
    elif turn.status is TurnStatus.PAUSED:
        # Unless another run has come to the end of the turn since it was looked up.
        latest = await graph.offload(lambda: store.turn(thread.tenant, thread.thread_id))
        if latest is not None and (latest.number, latest.status) == (turn.number, turn.status):
            raise MissingDataError(
                f"turn {turn.number} of thread {turn.thread_id!r} is paused, and its checkpoint waits for nothing",
                remedy="look whether the checkpoints were changed, or send new input to begin another turn",
            )


def _turn_of(values: object) -> int | None:
    return fields_of(fields_of(values).get(CHANNEL)).get("turn")


def _mark(value: object) -> Mapping[str, Any]:
    return fields_of(fields_of(value).get("guardkit"))


async def _asked_in(graph: GuardedGraph, turn: Turn, questions: Sequence[Interrupt]) -> bool:
    """Whether the turn asked one of these questions.

    After time travel to an earlier turn's checkpoint the state still bears that turn's number, while what the replay
    asks belongs to the turn that is continued.
    """
    ids = [str(_mark(one.value).get("approval_id")) for one in questions]
    if not ids:
        return False
    store = graph.runs.services.store
    asked = await graph.offload(lambda: store.approvals(turn.tenant, ids))
    return any(one.request.turn == turn.number for one in asked)
