"""Judges and critics that are chat models."""

from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias, TypeVar

from langchain_core.language_models import BaseChatModel
from pydantic import TypeAdapter, ValidationError

from guardkit.core.drafts import Criterion, CriterionAnswer
from guardkit.core.values import Value
from guardkit.grounding.judges import Exhibit, Failure, JudgeAnswer, SufficiencyAnswer
from guardkit.grounding.prompts import REPAIR_JSON, Messages, critic_prompt, judge_prompt, sufficiency_prompt

T = TypeVar("T")

MAX_REPLY = 20_000
"""Longest reply in characters that is parsed; a longer one is malformed."""

Turn: TypeAlias = tuple[str, str]
Conversation: TypeAlias = Generator[list[Turn], str, T | Failure]


class _CriticReply(Value):
    answers: tuple[CriterionAnswer, ...]


_JUDGE = TypeAdapter(JudgeAnswer)
_SUFFICIENCY = TypeAdapter(SufficiencyAnswer)
_CRITIC = TypeAdapter(_CriticReply)


class ChatJudge:
    """A chat model as judge, sufficiency judge and critic.

    The model must answer with one JSON object; if it does not, it is asked once more, and then the answer
    is a `Failure`. What the model itself raises passes through: the flow counts it as no agreement.

    Args:
        model: any chat model; a deterministic setting (temperature 0) is advisable.
        name: shows up in votes. Two judges of one provider or family err together, so name them apart.
    """

    def __init__(self, model: BaseChatModel, *, name: str) -> None:
        self._model = model
        self._name = name

    @property
    def name(self) -> str:
        """Identifies the judge in votes."""
        return self._name

    def judge(self, claim: str, exhibits: Sequence[Exhibit]) -> JudgeAnswer | Failure:
        """The verdict on one claim."""
        return self._hold(_converse(judge_prompt(claim, _shown(exhibits)), _JUDGE.validate_json))

    async def ajudge(self, claim: str, exhibits: Sequence[Exhibit]) -> JudgeAnswer | Failure:
        """The verdict on one claim."""
        return await self._ahold(_converse(judge_prompt(claim, _shown(exhibits)), _JUDGE.validate_json))

    def suffices(self, question: str, exhibits: Sequence[Exhibit]) -> SufficiencyAnswer | Failure:
        """Whether the exhibits answer the question."""
        return self._hold(
            _converse(sufficiency_prompt(question, _shown(exhibits)), _SUFFICIENCY.validate_json)
        )

    async def asuffices(self, question: str, exhibits: Sequence[Exhibit]) -> SufficiencyAnswer | Failure:
        """Whether the exhibits answer the question."""
        return await self._ahold(
            _converse(sufficiency_prompt(question, _shown(exhibits)), _SUFFICIENCY.validate_json)
        )

    def criticise(
        self, question: str, draft: str, criteria: Sequence[Criterion]
    ) -> Sequence[CriterionAnswer] | Failure:
        """An answer to each criterion, as far as the model gives one."""
        reply = self._hold(_converse(critic_prompt(question, draft, criteria), _CRITIC.validate_json))
        return reply if isinstance(reply, Failure) else reply.answers

    async def acriticise(
        self, question: str, draft: str, criteria: Sequence[Criterion]
    ) -> Sequence[CriterionAnswer] | Failure:
        """An answer to each criterion, as far as the model gives one."""
        reply = await self._ahold(_converse(critic_prompt(question, draft, criteria), _CRITIC.validate_json))
        return reply if isinstance(reply, Failure) else reply.answers

    def _hold(self, conversation: Conversation[T]) -> T | Failure:
        messages = next(conversation)
        while True:
            reply = self._model.invoke(messages).text
            try:
                messages = conversation.send(reply)
            except StopIteration as done:
                return done.value

    async def _ahold(self, conversation: Conversation[T]) -> T | Failure:
        messages = next(conversation)
        while True:
            reply = (await self._model.ainvoke(messages)).text
            try:
                messages = conversation.send(reply)
            except StopIteration as done:
                return done.value


def _shown(exhibits: Sequence[Exhibit]) -> list[tuple[str, str]]:
    return [(exhibit.id, exhibit.evidence.text) for exhibit in exhibits]


def _converse(messages: Messages, parse: Callable[[str], T]) -> Conversation[T]:
    """Ask, parse strictly, ask once more, give up."""
    turns: list[Turn] = list(messages)
    reply = yield turns
    for last in (False, True):
        if len(reply) <= MAX_REPLY:
            try:
                return parse(reply.strip())
            except ValidationError:
                pass
        if not last:
            reply = yield [*turns, ("ai", reply[:MAX_REPLY]), ("human", REPAIR_JSON)]
    return Failure(kind="malformed")
