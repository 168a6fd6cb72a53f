"""Answering questions from a folder of documents."""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langgraph.graph import START, MessagesState, StateGraph

from guardkit.core.outcomes import Outcome
from guardkit.core.principals import Principal
from guardkit.demo.critic import RuleCritic
from guardkit.demo.documents import TENANT, sources_in
from guardkit.demo.showing import Stage
from guardkit.errors import ConfigurationError
from guardkit.guard import Guard
from guardkit.langgraph.graph import GuardedGraph
from guardkit.testing import ExtractiveModel

DOCUMENTS = Path(__file__).parent / "documents"


def chat_model(name: str | None) -> BaseChatModel:
    """The offline extractive model, or any that LangChain's `init_chat_model` knows, e.g. `openai:gpt-4o`.

    Raises:
        ConfigurationError: the extra `langchain` is not installed, or it does not know the model.
    """
    if name is None:
        return ExtractiveModel()
    try:
        from langchain.chat_models import init_chat_model  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise ConfigurationError(
            "--model needs the extra 'langchain'", remedy="pip install guardkit[langchain]"
        ) from error
    try:
        return init_chat_model(name)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"--model {name!r}: {error}") from error


class Desk:
    """A guarded graph that answers from a folder.

    Args:
        guard: with the policy that says which sources count.
        folder: the documents.
        model: writes the drafts.
        stage: shows draft, critique and verification.
        name: the graph's name.
    """

    def __init__(self, guard: Guard, folder: Path, model: BaseChatModel, stage: Stage, *, name: str) -> None:
        sources = sources_in(folder)

        @guard.retriever
        def documents(_: Any) -> Any:
            return sources

        builder = StateGraph(MessagesState)
        critic = RuleCritic() if guard.policy.principles else None
        answer = guard.draft_critique_verify(
            model=model,
            retriever=documents,
            critic=critic,
            on_outcome=lambda outcome: stage.trail(outcome.trail),
        )
        builder.add_node("answer", answer)
        builder.add_edge(START, "answer")
        self.graph: GuardedGraph = guard.compile(builder, name=name)
        self._guard = guard

    def ask(self, question: str, thread_id: str) -> Outcome:
        """Put a question in a thread of its own."""
        config = self._guard.config(thread_id, Principal(id="kim.demo@example.com", tenant=TENANT))
        return self._guard.outcome(self.graph.invoke({"messages": [("user", question)]}, config), config)
