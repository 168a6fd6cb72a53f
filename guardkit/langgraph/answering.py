"""Graphs that answer from authorised sources, as a `Guard` makes them."""

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel

from guardkit.core.drafts import Criterion
from guardkit.errors import ConfigurationError
from guardkit.grounding import Critic, GroundingSettings, Judge, Outcome, SufficiencyJudge
from guardkit.langgraph.drafting import Drafting, answer_graph, last_question
from guardkit.langgraph.retrieving import Retriever
from guardkit.langgraph.weaving import Graph
from guardkit.policy import Policy


class Answering:
    """What a guard answers with, by the constitution of its policy."""

    policy: Policy

    def draft_critique_verify(
        self,
        *,
        model: BaseChatModel,
        retriever: Retriever,
        question: Callable[[Any], str] | None = None,
        critic: Critic | None = None,
        criteria: Sequence[Criterion] = (),
        judges: Sequence[Judge] = (),
        sufficiency: SufficiencyJudge | None = None,
        settings: GroundingSettings | None = None,
        seconds: float | None = None,
        messages_key: str = "messages",
        on_outcome: Callable[[Outcome], None] | None = None,
    ) -> Graph:
        """A graph that answers a question from authorised sources, or ends the turn in a `NoResult`.

        Add it as a node to the graph that `compile` guards. No part of a draft reaches a caller in any stream mode;
        the verified text is streamed as one message.

        Args:
            model: writes the draft.
            retriever: finds sources; what is not authorised reaches no prompt.
            question: the question in the state; by default the last human message.
            critic: answers the criteria and the constitution's principles.
            criteria: what an answer must satisfy, beside the policy's constitution.
            judges: a panel; a claim that the verifier leaves open counts only if all agree.
            sufficiency: judges before drafting whether the sources answer the question.
            settings: thresholds and limits.
            seconds: time for one answer, from retrieval to verification. Async calls are cut off then; a synchronous
                one that is late is waited for, and its reply does not count.
            messages_key: the state key that holds the messages.
            on_outcome: sees the whole trail, unverified text included, in this process only.

        Raises:
            ConfigurationError: there are criteria or principles and no critic to answer them.
        """
        principles = [one.criterion() for one in self.policy.principles]
        if (principles or criteria) and critic is None:
            raise ConfigurationError("criteria and principles need a critic", remedy="pass critic=")
        drafting = Drafting(
            model=model,
            retriever=retriever,
            question=question or last_question(messages_key),
            criteria=(*principles, *criteria),
            critic=critic,
            judges=tuple(judges),
            sufficiency=sufficiency,
            settings=settings or GroundingSettings(),
            seconds=seconds,
            on_outcome=on_outcome,
        )
        return answer_graph(drafting, messages_key=messages_key)
