"""The answer that is left of a verified draft."""

from collections.abc import Sequence

from guardkit.core.drafts import Answer, Citation, ClaimCheck, Draft
from guardkit.core.sources import Evidence
from guardkit.grounding.citations import readable
from guardkit.grounding.index import Index

MAX_CITATIONS = 3
"""Most spans that one statement cites."""


def compose(draft: Draft, supported: Sequence[ClaimCheck], index: Index, assurance: Sequence[str]) -> Answer:
    """An answer of the supported statements alone, in their order, each with the spans that support it.

    A statement that began a line in the draft begins one in the answer.
    """
    numbers: dict[Evidence, int] = {}
    parts: list[str] = []
    end = 0
    for check in supported:
        marks = "".join(f"[{numbers.setdefault(span, len(numbers) + 1)}]" for span in _cited(check, index))
        between = draft.text[end : check.claim.start]
        end = check.claim.end
        if parts:
            parts.append("\n\n" if "\n\n" in between else "\n" if "\n" in between else " ")
        parts.append(f"{readable(check.claim.text)} {marks}")
    return Answer(
        text="".join(parts),
        citations=tuple(_citation(number, span, index) for span, number in numbers.items()),
        assurance=tuple(assurance),
    )


def _cited(check: ClaimCheck, index: Index) -> list[Evidence]:
    """The first span, and those judges quoted beside it."""
    quotes = {vote.quote for vote in check.votes if vote.quote}
    return [check.evidence[0], *(span for span in check.evidence[1:] if span.text in quotes)][:MAX_CITATIONS]


def _citation(number: int, span: Evidence, index: Index) -> Citation:
    source = next(source for source in index.sources if source.id == span.source_id)
    touched = index.sentences_in(span)
    return Citation(
        number=number,
        source_id=source.id,
        document=source.title,
        section=(touched[0].section if touched else source.section) or None,
        uri=source.uri,
        start=span.start,
        end=span.end,
        quote=span.text,
    )
