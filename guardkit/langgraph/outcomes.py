"""How a call to a guarded graph ended, read from the store; the channel only carries the answer's text."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig

from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.drafts import Answer
from guardkit.core.outcomes import Finished, Outcome, Paused, Question
from guardkit.core.ports import Store
from guardkit.core.runs import TurnStatus
from guardkit.errors import InputError
from guardkit.langgraph.channel import CHANNEL
from guardkit.langgraph.graph import GuardedGraph
from guardkit.langgraph.messages import fields_of, messages_in, text_of
from guardkit.langgraph.resuming import config_for
from guardkit.langgraph.runs import caller_of


def outcome_of(
    store: Store, graphs: Mapping[str, GuardedGraph], output: Any, config: RunnableConfig
) -> Outcome:
    """How a call ended.

    Raises:
        InputError: the config names no thread, or a thread whose latest turn failed or that has none.
    """
    configurable: Mapping[str, Any] = config.get("configurable", {})
    thread_id, tenant = configurable.get("thread_id"), caller_of(configurable).tenant
    turn = store.turn(tenant, str(thread_id)) if thread_id else None
    if turn is None:
        raise InputError(
            f"thread {thread_id!r} has no turn", remedy="pass the config that the graph was called with"
        )
    if turn.no_result is not None:
        return turn.no_result
    if turn.status is TurnStatus.FAILED:
        raise InputError(
            f"turn {turn.number} of thread {thread_id!r} failed and has no outcome",
            remedy="continue it by calling the graph with None, or send new input",
        )
    graph = graphs.get(turn.agent)
    state = graph.get_state(config_for(tenant, str(thread_id))) if graph is not None else None
    if turn.status in (TurnStatus.PAUSED, TurnStatus.RUNNING):
        pending = store.listed(tenant=tenant, thread_id=str(thread_id), states=(ApprovalState.PENDING,))
        interrupts = state.interrupts if state is not None else ()
        return paused(tuple(one for one in pending if one.request.turn == turn.number), interrupts)
    values = state.values if state is not None else output
    shown = fields_of(fields_of(values).get(CHANNEL))
    if shown.get("turn") == turn.number and "answer" in shown:
        return Answer.model_validate(shown["answer"])
    return Finished(text=_last_text(values))


def paused(approvals: tuple[Approval, ...], interrupts: Sequence[Any]) -> Paused:
    """What a turn waits for."""
    questions: list[Question] = []
    others: list[dict[str, Any]] = []
    for interrupt in interrupts:
        mark = fields_of(fields_of(interrupt.value).get("guardkit"))
        if not mark:
            others.append({"id": interrupt.id, "value": interrupt.value})
        elif mark.get("kind") == "question":
            question = Question(interrupt_id=interrupt.id, action_id=mark["action_id"], text=mark["question"])
            questions.append(question)
    return Paused(approvals=approvals, questions=tuple(questions), interrupts=tuple(others))


def _last_text(values: Any) -> str | None:
    messages = messages_in(values, "messages")
    return text_of(messages[-1].content) if messages else None
