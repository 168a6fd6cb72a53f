"""The answer node: draft, criticise, revise, verify, and only then speak."""

# pyright: reportMissingTypeStubs=false

import asyncio
import inspect
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypedDict, assert_never, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph

from guardkit.core import telemetry_names as names
from guardkit.core.drafts import Answer, ClaimCheck, Criterion
from guardkit.core.effects import Effect
from guardkit.core.no_result import MESSAGES, NoResult
from guardkit.core.sources import Source
from guardkit.core.values import Json, JsonObject
from guardkit.errors import InputError
from guardkit.grounding import (
    AskCritic,
    AskJudges,
    AskModel,
    AskSufficiency,
    Critic,
    GroundingSettings,
    Judge,
    Outcome,
    SufficiencyJudge,
    Task,
    Ungrounded,
    ground,
)
from guardkit.grounding.outcome import Drafted, Revised, Verified
from guardkit.grounding.requests import Request
from guardkit.langgraph import compat
from guardkit.langgraph.hush import Speak, for_listeners, hushed
from guardkit.langgraph.messages import messages_in, of_user, text_of
from guardkit.langgraph.node import NODE, Node
from guardkit.langgraph.retrieving import Retriever
from guardkit.langgraph.stopping import NoResultStop
from guardkit.runtime.driver import AsyncHost, SyncHost, adrive, drive
from guardkit.runtime.ending import end
from guardkit.runtime.events import Span, spanned


class DraftState(TypedDict):
    """What the answer graph shares with the graph that it is a node of."""

    messages: Annotated[list[AnyMessage], add_messages]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafting:
    """How answers are drafted and verified."""

    model: BaseChatModel
    retriever: Retriever
    question: Callable[[Any], str]
    criteria: tuple[Criterion, ...] = ()
    critic: Critic | None = None
    judges: tuple[Judge, ...] = ()
    sufficiency: SufficiencyJudge | None = None
    settings: GroundingSettings = field(default_factory=GroundingSettings)
    seconds: float | None = None
    """Seconds for one answer, from retrieval to verification. Async calls are cut off then; a synchronous one that is
    late is waited for, and its reply does not count."""

    def deadline(self) -> float | None:
        """When an answer that is begun now is late, in monotonic seconds."""
        return None if self.seconds is None else time.monotonic() + self.seconds

    on_outcome: Callable[[Outcome], None] | None = None
    """Sees the whole trail, unverified text included, in this process only."""


def answer_graph(drafting: Drafting, *, messages_key: str) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A graph of one node that answers the question in the messages, or ends the turn."""

    def node(state: Any, config: RunnableConfig) -> dict[str, Any]:
        here, quiet, deadline = _here(), hushed(config), drafting.deadline()
        sources = drafting.retriever.found(state)
        now = here.session.services.store.now()
        task = _task(drafting, here, drafting.question(state), sources, now, deadline)
        with _verifying(here) as span, set_config_context(quiet) as context:
            outcome = context.run(_run, ground(task), drafting.model, quiet)
            _verified(here, span, outcome)
        return _spoken(drafting, here, outcome, config, messages_key)

    async def anode(state: Any, config: RunnableConfig) -> dict[str, Any]:
        here, quiet, deadline = _here(), hushed(config), drafting.deadline()
        sources = await _found_in_time(drafting, state, deadline)
        now = await here.offload(here.session.services.store.now)
        task = _task(drafting, here, drafting.question(state), sources, now, deadline)
        with _verifying(here) as span, set_config_context(quiet) as context:
            running = asyncio.create_task(_arun(task, drafting.model, quiet), context=context)
            outcome = await running
            _verified(here, span, outcome)
        return await _aspoken(drafting, here, outcome, config, messages_key)

    builder: Any = StateGraph(_schema(messages_key))
    builder.add_node("answer", compat.node_runnable(node, anode, "answer"))
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder.compile()


def _verifying(node: Node) -> AbstractContextManager[Span]:
    session = node.session
    return spanned(
        session.services.telemetry, f"{names.VERIFY_OUTPUT} {session.services.agent}", session.facts
    )


def _verified(node: Node, span: Span, outcome: Outcome) -> None:
    rounds = sum(record.kind == "verified" for record in outcome.trail)
    result = {names.RESULT: "no_result" if outcome.kind == "ungrounded" else "answer"}
    span.set({**result, names.ROUND: rounds})
    if outcome.kind == "ungrounded":
        span.set({names.NO_RESULT_REASON: outcome.reason.value, names.NO_RESULT_CAUSE: outcome.cause})
    span.show(lambda: _drafted(outcome))
    node.session.services.telemetry.measure(names.ROUNDS, rounds, result)


def _drafted(outcome: Outcome) -> dict[str, Json]:
    """The last draft and what became of its claims."""
    found: dict[str, Json] = {}
    for record in outcome.trail:
        match record:
            case Drafted() | Revised():
                found = {names.DRAFT: record.text}
            case Verified():
                found[names.CLAIMS] = [
                    {
                        "statement": check.claim.statement,
                        "verdict": check.verdict.value,
                        "decided_by": check.decided_by,
                    }
                    for check in record.verification.checks
                ]
            case _:
                pass
    return found


def _schema(messages_key: str) -> Any:
    if messages_key == "messages":
        return DraftState
    return TypedDict("DraftState", {messages_key: Annotated[list[AnyMessage], add_messages]})  # pyright: ignore[reportGeneralTypeIssues]  # its one key is named by the user


def last_question(messages_key: str) -> Callable[[Any], str]:
    """The text of the last human message."""

    def question(state: Any) -> str:
        for message in reversed(messages_in(state, messages_key) or []):
            if of_user(message):
                return text_of(message.content)
        raise InputError(
            f"the state's {messages_key!r} hold no human message to answer", remedy="pass question="
        )

    return question


def _here() -> Node:
    node = NODE.get()
    if node is None:
        raise InputError(
            "the answer graph runs only inside a guarded graph",
            remedy="add it as a node and compile with guard.compile",
        )
    return node


def _task(
    drafting: Drafting,
    node: Node,
    question: str,
    sources: Sequence[Source],
    now: float,
    deadline: float | None,
) -> Task:
    session = node.session
    return Task(
        question=question,
        sources=sources,
        tenant=session.turn.principal.tenant,
        at=datetime.fromtimestamp(now, UTC),
        only=session.services.policy.admits,
        criteria=drafting.criteria,
        critic=drafting.critic,
        judges=drafting.judges,
        sufficiency=drafting.sufficiency,
        settings=drafting.settings,
        clock=time.monotonic,
        deadline=deadline,
    )


async def _found_in_time(drafting: Drafting, state: Any, deadline: float | None) -> Sequence[Source]:
    """What the retriever finds; nothing when it is late, which the flow sees by itself."""
    left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
    try:
        async with asyncio.timeout(left):
            return await drafting.retriever.afound(state)
    except TimeoutError:
        if deadline is None or time.monotonic() < deadline:
            raise
        return ()


def _caught(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001  # the flow decides what a failed call means
        return error


async def _acaught(call: Callable[[], Any]) -> Any:
    try:
        result = call()
        return await result if inspect.isawaitable(result) else result
    except Exception as error:  # noqa: BLE001  # the flow decides what a failed call means
        return error


def _run(flow: Generator[Request, Any, Outcome], model: BaseChatModel, quiet: RunnableConfig) -> Outcome:
    def answer(request: Request) -> Any:
        match request:
            case AskModel():
                return _caught(lambda: text_of(model.invoke(list(request.messages), quiet).content))
            case AskJudges():
                return [_caught(ask.call) for ask in request.asks]
            case AskSufficiency() | AskCritic():
                return _caught(request.call)
            case _:
                assert_never(request)

    try:
        request = next(flow)
        while True:
            request = flow.send(answer(request))
    except StopIteration as stop:
        return stop.value
    finally:
        flow.close()


async def _arun(task: Task, model: BaseChatModel, quiet: RunnableConfig) -> Outcome:
    flow = ground(task)

    async def said(request: AskModel) -> str:
        return text_of((await model.ainvoke(list(request.messages), quiet)).content)

    async def answer(request: Request) -> Any:
        match request:
            case AskModel():
                return await _acaught(lambda: said(request))
            case AskJudges():
                return await asyncio.gather(*(_acaught(ask.acall) for ask in request.asks))
            case AskSufficiency() | AskCritic():
                return await _acaught(request.acall)
            case _:
                assert_never(request)

    async def in_time(request: Request) -> Any:
        left = None if task.deadline is None else max(task.deadline - time.monotonic(), 0.0)
        try:
            async with asyncio.timeout(left):
                return await answer(request)
        except TimeoutError as late:
            return late

    try:
        request = next(flow)
        while True:
            request = flow.send(await in_time(request))
    except StopIteration as stop:
        return stop.value
    finally:
        flow.close()


def no_result(outcome: Ungrounded) -> NoResult:
    """The turn's end, for an answer that could not be grounded. Quotes no draft."""
    return NoResult(
        reason=outcome.reason,
        message=MESSAGES[outcome.reason],
        why=(f"{outcome.cause}: {outcome.detail}",),
        looked_at=outcome.looked_at,
        missing=outcome.missing,
        next_steps=(
            "Ask somebody who knows the documents, or ask for the missing document to be authorised.",
        ),
    )


def _no_tool(args: JsonObject, effect: Effect | None) -> None:
    """Ending a turn runs no tool."""


async def _ano_tool(args: JsonObject, effect: Effect | None) -> None:
    """Ending a turn runs no tool."""


def _no_pause(payload: JsonObject) -> None:
    """Ending a turn asks nobody."""


def _settle(drafting: Drafting, node: Node, outcome: Outcome) -> tuple[NoResult | None, AIMessage | None]:
    session = node.session
    if drafting.on_outcome is not None:
        drafting.on_outcome(outcome)
    if isinstance(outcome, Ungrounded):
        withheld = {"reason": outcome.reason.value, "cause": outcome.cause}
        session.buffer(session.event("answer.withheld", **withheld, **_judged(outcome)))
        return no_result(outcome), None
    answer: Answer = outcome.answer
    session.outcome = cast("JsonObject", answer.model_dump(mode="json"))
    cited = sorted({citation.source_id for citation in answer.citations})
    verified = {"sources": list(cited), "citations": len(answer.citations)}
    session.buffer(session.event("answer.verified", **verified, **_judged(outcome)))
    return None, AIMessage(answer.text, id=f"answer-{session.run.run_id}-{node.task_id}")


def _judged(outcome: Outcome) -> JsonObject:
    """How often the answer was verified, and what was found of each claim at last. No text of a claim."""
    found = [record.verification for record in outcome.trail if record.kind == "verified"]
    claims: list[Json] = [_of_claim(check) for check in found[-1].checks] if found else []
    return {"rounds": len(found), "claims": claims}


def _of_claim(check: ClaimCheck) -> JsonObject:
    return {
        "claim": check.claim.id,
        "verdict": check.verdict.value,
        "by": check.decided_by,
        "flags": [flag.value for flag in check.flags],
        "sources": list(dict.fromkeys(span.source_id for span in check.evidence)),
    }


def _voice(message: AIMessage) -> Speak:
    text = text_of(message.content)
    parts = tuple(part for part in text.splitlines(keepends=True) if part) or (text,)
    return Speak(parts=parts, message_id=message.id or "")


def _spoken(
    drafting: Drafting, node: Node, outcome: Outcome, config: RunnableConfig, messages_key: str
) -> dict[str, Any]:
    ending, message = _settle(drafting, node, outcome)
    if ending is not None:
        host = SyncHost(run_tool=_no_tool, pause=_no_pause)
        raise NoResultStop(drive(end(node.session, ending), host))
    assert message is not None
    _voice(message).invoke([], for_listeners(config))
    return {messages_key: [message]}


async def _aspoken(
    drafting: Drafting, node: Node, outcome: Outcome, config: RunnableConfig, messages_key: str
) -> dict[str, Any]:
    ending, message = _settle(drafting, node, outcome)
    if ending is not None:
        host = AsyncHost(run_tool=_ano_tool, pause=_no_pause, offload=node.offload)
        raise NoResultStop(await adrive(end(node.session, ending), host))
    assert message is not None
    await _voice(message).ainvoke([], for_listeners(config))
    return {messages_key: [message]}
