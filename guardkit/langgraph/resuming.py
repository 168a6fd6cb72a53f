"""Finding out what a thread needs, and doing it: the same from any process, at any time, as often as it is tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, Interrupt, StateSnapshot

from guardkit.core.runs import DueThread, Turn, TurnStatus
from guardkit.errors import InputError, MissingDataError
from guardkit.langgraph.channel import CHANNEL
from guardkit.langgraph.inputs import load_input
from guardkit.langgraph.messages import fields_of
from guardkit.langgraph.runs import CALLER, TENANT, Caller, Runs, caller_of
from guardkit.runtime.driver import Offload

WAKE = {"guardkit": "wake"}
"""What a guarded interrupt is resumed with. It carries nothing: the gate reads the store."""

GO_ON = {"guardkit": "go on"}
"""What a guarded graph on a LangGraph server is resumed with: it finds out itself what its thread needs."""


class Resumable(Protocol):
    """A guarded graph, as far as going on with its threads needs it."""

    runs: Runs
    offload: Offload

    async def aget_state(self, config: RunnableConfig, *, subgraphs: bool = False) -> StateSnapshot:
        """Its newest state."""
        ...

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """A run."""
        ...


@dataclass(frozen=True, slots=True)
class Next:
    """The run that brings a thread further."""

    given: Any
    """The graph's input."""

    restart: bool = False
    """Whether it is the stored input of a turn that died before its first checkpoint."""


def config_for(tenant: str, thread_id: str, *, restart: bool = False) -> RunnableConfig:
    """The config of a run that goes on with a thread for whoever began its turn."""
    caller = Caller(None, tenant, restart=restart)
    return {"configurable": {"thread_id": thread_id, CALLER: caller, TENANT: tenant}}


async def resume(graph: Resumable, thread: DueThread) -> None:
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
    following = await _next(
        graph, thread.tenant, thread.thread_id, config_for(thread.tenant, thread.thread_id)
    )
    if following is not None:
        config = config_for(thread.tenant, thread.thread_id, restart=following.restart)
        await graph.ainvoke(following.given, config)


def asks_to_go_on(given: object) -> bool:
    """Whether a graph's input says `GO_ON`."""
    return isinstance(given, Command) and cast("Any", given).resume == GO_ON


async def going_on(graph: Resumable, config: RunnableConfig) -> tuple[Any, RunnableConfig] | None:
    """Input and config of the run that somebody asked for with `GO_ON`; `None` when the thread waits for people.

    Who asks says nothing, so whoever the server lets at the thread may ask; the run acts for whoever began the turn.

    Args:
        graph: the guarded graph.
        config: the caller's. Its tenant is the one that is looked into, and no older checkpoint is gone back to.

    Raises:
        FingerprintError: the graph's code changed while the thread was paused.
        InputError: no thread id.
        MissingDataError: as `resume`; also when the tenant has no such thread.
    """
    configurable: Mapping[str, Any] = config.get("configurable", {})
    thread_id = configurable.get("thread_id")
    if not isinstance(thread_id, str | int) or thread_id == "":
        raise InputError("the config has no configurable.thread_id", remedy="name the thread to go on with")
    tenant = caller_of(configurable).tenant

    def own(*, restart: bool) -> RunnableConfig:
        kept = {key: value for key, value in configurable.items() if key not in _OLD}
        mine = config_for(tenant, str(thread_id), restart=restart).get("configurable", {})
        return cast("RunnableConfig", {**config, "configurable": {**kept, **mine}})

    following = await _next(graph, tenant, str(thread_id), own(restart=False))
    return None if following is None else (following.given, own(restart=following.restart))


_OLD = ("checkpoint_id", "checkpoint_map")


async def _next(graph: Resumable, tenant: str, thread_id: str, config: RunnableConfig) -> Next | None:
    store = graph.runs.services.store
    turn = await graph.offload(lambda: store.turn(tenant, thread_id))
    if turn is None:
        raise MissingDataError(f"thread {thread_id!r} has no turn to go on with")
    # A graph that lacks the paused node looks as if nothing were left to do.
    problem = graph.runs.changed_since(turn)
    if problem is not None:
        raise problem
    state = await graph.aget_state(config)
    questions = [one for one in state.interrupts if _mark(one.value).get("kind") == "approval"]
    if _turn_of(state.values) != turn.number and not await _asked_in(graph, turn, questions):
        stored = await graph.offload(lambda: store.turn_input(tenant, thread_id, turn.number))
        if stored is None:
            raise MissingDataError(f"the input of turn {turn.number} of thread {thread_id!r} is gone")
        return Next(load_input(stored), restart=True)
    if questions:
        return Next(Command(resume={question.id: WAKE for question in questions}))
    if state.next or turn.status in (TurnStatus.RUNNING, TurnStatus.FAILED):
        return Next(None)
    if turn.status is TurnStatus.PAUSED:
        # Unless another run has come to the end of the turn since it was looked up.
        latest = await graph.offload(lambda: store.turn(tenant, thread_id))
        if latest is not None and (latest.number, latest.status) == (turn.number, turn.status):
            raise MissingDataError(
                f"turn {turn.number} of thread {turn.thread_id!r} is paused, and its checkpoint waits for nothing",
                remedy="look whether the checkpoints were changed, or send new input to begin another turn",
            )
    return None


def _turn_of(values: object) -> int | None:
    return fields_of(fields_of(values).get(CHANNEL)).get("turn")


def _mark(value: object) -> Mapping[str, Any]:
    return fields_of(fields_of(value).get("guardkit"))


async def _asked_in(graph: Resumable, turn: Turn, questions: Sequence[Interrupt]) -> bool:
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
