"""A small library of documents, and a driver that answers what the flow asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, assert_never

from langchain_core.language_models import BaseChatModel

from guardkit.core.drafts import ClaimVerdict, Criterion, CriterionAnswer
from guardkit.core.sources import Authority, Source
from guardkit.grounding import (
    AskCritic,
    AskJudges,
    AskModel,
    AskSufficiency,
    Exhibit,
    Failure,
    Grounded,
    Index,
    JudgeAnswer,
    Outcome,
    SufficiencyAnswer,
    Task,
    Ungrounded,
    ground,
)

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUSEHOLD = """# Water damage

Water damage from burst pipes is covered up to 25,000 euros per event. Water damage must be reported within 30 days.

# Theft

Theft of bicycles is covered if the bicycle was locked. The reporting of theft goes to the police.

# Exclusions

Damage by earthquake is not covered.
"""
QUESTION = "Up to what amount is water damage from burst pipes covered?"
SENTENCE = "Water damage from burst pipes is covered up to 25,000 euros per event."


def document(text: str = HOUSEHOLD, **fields: Any) -> Source:
    known = {
        "id": "household",
        "title": "Household cover",
        "owner": "cover desk",
        "tenant": "harbour",
        "authority": Authority.AUTHORITATIVE,
        **fields,
    }
    return Source.of(text, **known)


def index_of(*texts: str) -> Index:
    return Index([document(text, id=f"d{place}", title="") for place, text in enumerate(texts)])


def task(**fields: Any) -> Task:
    known: dict[str, Any] = {
        "question": QUESTION,
        "sources": [document()],
        "tenant": "harbour",
        "at": NOW,
        **fields,
    }
    return Task(**known)


@dataclass
class Writer:
    """Says its lines one after the other, and keeps what it was asked."""

    lines: Sequence[str | Exception]
    asked: list[str] = field(default_factory=list)

    def __call__(self, messages: Sequence[tuple[str, str]]) -> str | Exception:
        self.asked.append("\n".join(text for _, text in messages))
        return self.lines[len(self.asked) - 1]


def answer(task: Task, *lines: str | Exception) -> Outcome:
    """What the flow comes to when the model says these lines."""
    return drive(task, Writer(lines))


def drive(task: Task, write: Callable[[Any], str | Exception]) -> Outcome:
    flow = ground(task)
    reply: Any = None
    try:
        while True:
            match flow.send(reply):
                case AskModel(messages):
                    reply = write(messages)
                case AskJudges(asks):
                    reply = [_tried(ask.call) for ask in asks]
                case AskSufficiency() | AskCritic() as request:
                    reply = _tried(request.call)
                case other:
                    assert_never(other)
    except StopIteration as done:
        return done.value


def chatting(model: BaseChatModel) -> Callable[[Any], str]:
    return lambda messages: model.invoke(list(messages)).text


def _tried(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001  # as every driver does: the flow decides what it means
        return error


def grounded(outcome: Outcome) -> Grounded:
    assert isinstance(outcome, Grounded), outcome
    return outcome


def ungrounded(outcome: Outcome) -> Ungrounded:
    assert isinstance(outcome, Ungrounded), outcome
    return outcome


@dataclass
class FixedJudge:
    """Says the same of every claim; quotes the exhibit it names unless told otherwise."""

    verdict: ClaimVerdict | Any = ClaimVerdict.SUPPORTED
    name: str = "judge"
    ids: tuple[str, ...] | None = None
    quote: str | None = None
    seen: list[str] = field(default_factory=list)

    def judge(self, claim: str, exhibits: Sequence[Exhibit]) -> Any:
        self.seen.append(claim)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        if not isinstance(self.verdict, ClaimVerdict):
            return self.verdict
        ids = (exhibits[0].id,) if self.ids is None else self.ids
        return JudgeAnswer(
            verdict=self.verdict, evidence_ids=ids, quote=self.quote or exhibits[0].evidence.text
        )


@dataclass
class FixedSufficiency:
    answer: SufficiencyAnswer | Failure | Exception | str

    def suffices(self, question: str, exhibits: Sequence[Exhibit]) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class FixedCritic:
    """Gives the answers of each round in turn, then the last ones again."""

    rounds: Sequence[Any]
    drafts: list[str] = field(default_factory=list)

    def criticise(self, question: str, draft: str, criteria: Sequence[Criterion]) -> Any:
        self.drafts.append(draft)
        said = self.rounds[min(len(self.drafts), len(self.rounds)) - 1]
        if isinstance(said, Exception):
            raise said
        return said


CRITERION = Criterion(id="sum", text="Names the sum.")
MET = [CriterionAnswer(criterion_id="sum", met=True)]
UNMET = [CriterionAnswer(criterion_id="sum", met=False, gap="no sum")]
