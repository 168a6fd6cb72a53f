"""A desk that answers from documents, on the graph itself: its fakes, and what they were asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from guardkit import (
    Answer,
    Authority,
    Criterion,
    Guard,
    GuardedGraph,
    NoResult,
    NoResultReason,
    Source,
)
from guardkit.core.drafts import ClaimVerdict, CriterionAnswer
from guardkit.grounding import (
    Exhibit,
    GroundingSettings,
    JudgeAnswer,
    Outcome as Trail,
)
from guardkit.grounding.prompts import read_prompt
from guardkit.testing import ScriptedModel
from tests.promises.scene import KIM, Mode, Scene, ask, run

R = NoResultReason
HOUSEHOLD = """# Water damage

Water damage from burst pipes is covered up to 25,000 euros per event. Water damage must be reported within 30 days.

# Theft

Theft of bicycles is covered if the bicycle was locked. The reporting of theft goes to the police.
"""
QUESTION = "Up to what amount is water damage from burst pipes covered?"
SENTENCE = "Water damage from burst pipes is covered up to 25,000 euros per event."
OTHER = "The reporting of theft goes to the police."
GOOD = f"{SENTENCE} [E1]"
INVENTED = "Theft of gold is covered up to 777 euros. [E1]"
FREE = "Water damage from burst pipes leads to payments of 25,000 euros. [E1]"
"""Says in other words what the document says: only a judge can tell."""

EARTHQUAKE = "Is damage by an earthquake covered?"
TRAINS = "Which trains run from Lyon to Marseille on Sundays?"
SUM = Criterion(id="sum", text="The answer names the sum.")


def document(text: str = HOUSEHOLD, **fields: Any) -> Source:
    known = {
        "id": "household",
        "title": "Household cover",
        "owner": "cover desk",
        "tenant": "default",
        "authority": Authority.AUTHORITATIVE,
        **fields,
    }
    return Source.of(text, **known)


def pets(**fields: Any) -> Source:
    return document("Pets are insured. Pets must be vaccinated.", id="pets", title="Pet cover", **fields)


@dataclass
class Writer:
    """Writes a draft, then the lines of its repairs, and keeps every prompt."""

    draft: str
    repairs: Sequence[str] = ()
    asked: list[str] = field(default_factory=list[str])
    told: list[str] = field(default_factory=list[str])

    def __call__(self, messages: Sequence[BaseMessage]) -> AIMessage:
        self.told.append("\n".join(message.text for message in messages))
        prompt = read_prompt(messages[-1].text)
        assert prompt is not None
        self.asked.append(prompt.task)
        return AIMessage(self.draft if prompt.task == "draft" else self.repairs[len(self.asked) - 2])

    @property
    def model(self) -> ScriptedModel:
        return ScriptedModel(self)


@dataclass
class Judge:
    """Says the same of every claim, raises it, or says it when it is too late."""

    says: Any = ClaimVerdict.SUPPORTED
    name: str = "judge"
    sleeps: float = 0.0
    asked: list[str] = field(default_factory=list[str])

    def judge(self, claim: str, exhibits: Sequence[Exhibit], /) -> Any:
        self.asked.append(claim)
        time.sleep(self.sleeps)
        if isinstance(self.says, Exception):
            raise self.says
        if not isinstance(self.says, ClaimVerdict):
            return self.says
        first = exhibits[0]
        return JudgeAnswer(verdict=self.says, evidence_ids=(first.id,), quote=first.evidence.text)


class AsyncJudge(Judge):
    async def judge(self, claim: str, exhibits: Sequence[Exhibit], /) -> Any:
        await asyncio.sleep(0)
        return super().judge(claim, exhibits)


@dataclass
class Critic:
    """Answers a round after the other, the last one again and again."""

    rounds: Sequence[Any]
    drafts: list[str] = field(default_factory=list[str])
    criteria: list[str] = field(default_factory=list[str])

    def criticise(self, question: str, draft: str, criteria: Sequence[Criterion], /) -> Any:
        self.drafts.append(draft)
        self.criteria = [one.id for one in criteria]
        says = self.rounds[min(len(self.drafts), len(self.rounds)) - 1]
        if isinstance(says, Exception):
            raise says
        return says


@dataclass
class Sufficiency:
    says: Any

    def suffices(self, question: str, exhibits: Sequence[Exhibit], /) -> Any:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


MET = [CriterionAnswer(criterion_id="sum", met=True)]
UNMET = [CriterionAnswer(criterion_id="sum", met=False, gap="it names no sum")]
ONCE = GroundingSettings(max_revisions=0)


@dataclass
class Desk:
    """A graph of one answering node, and what its `on_outcome` saw."""

    guard: Guard
    graph: GuardedGraph
    mode: Mode
    trails: list[Trail]
    output: Any = None

    def ask(self, question: str = QUESTION, thread: str = "t") -> Answer | NoResult:
        config = self.guard.config(thread, KIM)
        self.output = run(self.graph, ask(question), config, self.mode)
        outcome = self.guard.outcome(None, config)
        assert isinstance(outcome, Answer | NoResult)
        assert self.guard.outcome(self.output, config) == outcome
        return outcome

    def answer(self, question: str = QUESTION) -> Answer:
        outcome = self.ask(question)
        assert isinstance(outcome, Answer), outcome
        return outcome

    def no_result(self, question: str = QUESTION) -> NoResult:
        outcome = self.ask(question)
        assert isinstance(outcome, NoResult), outcome
        return outcome

    def saw(self, *kinds: type[Any]) -> list[Any]:
        (trail,) = self.trails
        return [record for record in trail.trail if isinstance(record, kinds)]


def open_desk(
    scene: Scene,
    mode: Mode,
    *,
    sources: Sequence[Any] | None = None,
    draft: str | Writer | BaseChatModel = GOOD,
    guard: Guard | None = None,
    **options: Any,
) -> Desk:
    guard = guard or scene.guard({})
    found = [document()] if sources is None else sources
    trails: list[Trail] = []
    writer = Writer(draft) if isinstance(draft, str) else draft

    def library(state: Any) -> Sequence[Any]:
        return found

    async def alibrary(state: Any) -> Sequence[Any]:
        return found

    node = guard.draft_critique_verify(
        model=writer.model if isinstance(writer, Writer) else writer,
        retriever=guard.retriever(alibrary if mode == "async" else library),
        on_outcome=trails.append,
        **options,
    )
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Talk)
    builder.add_node("answer", node)
    builder.add_edge(START, "answer")
    return Desk(guard, guard.compile(builder), mode, trails)


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
