"""Verified answers: only what authorised documents support leaves the graph, with citations.

Run: python examples/03_verified_answers.py
"""

from datetime import UTC, datetime
from tempfile import mkdtemp

from langgraph.graph import START, MessagesState, StateGraph

from guardkit import Answer, Authority, Guard, NoResult, Policy, Principal, Source, SourceStatus
from guardkit.testing import ExtractiveModel

policy = Policy.from_dict(
    {"policy": "answers", "version": "1", "owner": "legal@example.com", "default": "reject", "tools": {}}
)
guard = Guard(f"sqlite:///{mkdtemp()}/guardkit.db", policy=policy)


def document(id: str, text: str, **fields: object) -> Source:
    """A document that the company registered."""
    known = {
        "tenant": "default",
        "owner": "legal",
        "authority": Authority.AUTHORITATIVE,
        "title": id,
        **fields,
    }
    return Source.of(text, id=id, **known)


LIBRARY = [
    document(
        "travel-terms", "Lost luggage is covered up to 2,000 euros per person. Claims are made in writing."
    ),
    document(
        "pet-draft", "Treatment of dogs is covered up to 3,000 euros per year.", status=SourceStatus.DRAFT
    ),
    document(
        "glass-2024",
        "Broken windows are replaced free of charge.",
        valid_until=datetime(2025, 1, 1, tzinfo=UTC),
    ),
]


@guard.retriever
def library(state: MessagesState) -> list[Source]:
    """All documents; guardkit decides which of them count."""
    return LIBRARY


# This model adds a sentence of its own invention to every first draft.
builder = StateGraph(MessagesState)
builder.add_node(
    "answer", guard.draft_critique_verify(model=ExtractiveModel(misbehave="invent"), retriever=library)
)
builder.add_edge(START, "answer")
graph = guard.compile(builder)

questions = [
    "Up to what amount is lost luggage covered?",
    "Up to what amount is treatment of dogs covered?",
    "Are broken windows replaced free of charge?",
    "Is damage by an earthquake covered?",
]
for number, question in enumerate(questions):
    config = guard.config(f"thread-{number}", Principal(id="kim"))
    outcome = guard.outcome(graph.invoke({"messages": [("user", question)]}, config), config)
    print("\n" + question)
    match outcome:
        case Answer():
            print("  ", outcome.text)
            for citation in outcome.citations:
                print(f"   [{citation.number}] {citation.document}: {citation.quote!r}")
        case NoResult():
            print("   no result:", outcome.reason, "-", "; ".join(outcome.why))
        case _:
            raise AssertionError(outcome)
