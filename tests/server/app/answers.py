"""An agent on a LangGraph server that answers from one document, with a model that invents something in its first draft."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph

from guardkit import Authority, Guard, Policy, Source
from guardkit.core.settings import load_settings
from guardkit.grounding import Outcome
from guardkit.testing import ExtractiveModel

policy = Policy.from_dict(
    {"policy": "answers", "version": "1", "owner": "legal@example.com", "default": "reject", "tools": {}}
)
settings = load_settings(os.environ, Path.cwd())
guard = Guard(settings.need_database(), policy=policy, keys=settings.keys, lease_seconds=3)
document = Source.of(
    "Lost luggage is covered up to 2,000 euros per person. Claims are made in writing.",
    id="terms",
    tenant="default",
    owner="legal",
    authority=Authority.AUTHORITATIVE,
    title="Terms",
)


@guard.retriever
def library(state: Any) -> list[Source]:
    """The one document."""
    return [document]


def keep(outcome: Outcome) -> None:
    """Write down what was drafted, so that a test can see that there was something to hear."""
    with Path(os.environ["DESK_DRAFTS"]).open("a", encoding="utf-8") as drafts:
        drafts.write(f"{outcome!r}\n")


answer = guard.draft_critique_verify(
    model=ExtractiveModel(misbehave="invent"), retriever=library, on_outcome=keep
)
builder: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
builder.add_node("answer", answer)
builder.add_edge(START, "answer")
graph = guard.compile(builder, name="answers", checkpointer=False)
