"""A draft cut into claims, one a sentence, with exact offsets."""

import re

from guardkit.core.drafts import Claim, ClaimKind, Draft
from guardkit.grounding.citations import markers, without_markers
from guardkit.grounding.lexicon import ATTITUDES
from guardkit.grounding.numbers import numbers
from guardkit.grounding.quotes import quotations
from guardkit.grounding.sentences import Span, sentences
from guardkit.grounding.tokens import tokens

MAX_DRAFT = 20_000
"""Characters of a draft that are read."""

MAX_CLAIMS = 80
"""Claims of a draft that are read."""

_NOT_GIVEN = re.compile(
    r"\b(?:(?:do|does|did|is|are|was|were|could|can)(?:n't| not)|cannot|can't|no|not|unable to|never) (?:\w+ ){0,3}?"
    r"(?:know|find|answer|determine|mention(?:s|ed)?|state[sd]?|says?|said|contain(?:s|ed)?|specif(?:y|ies|ied)|provide[sd]?|"
    r"information|evidence|address(?:es|ed)?|enough|sufficient|cover(?:s|ed)?)\b",
    re.IGNORECASE,
)
_ABOUT_SOURCES = re.compile(r"\b(?:evidence|sources?|documents?|passages?|context|excerpts?|texts?|I|we)\b")


def read_draft(text: str, *, revision: int = 0) -> Draft:
    """A draft with its claims. What is beyond the limits is cut off and marked, and never answers."""
    kept = text[:MAX_DRAFT]
    spans = _joined(kept, sentences(kept))
    claims = tuple(_claim(kept, span, number) for number, span in enumerate(spans[:MAX_CLAIMS], start=1))
    return Draft(
        text=kept,
        revision=revision,
        claims=claims,
        truncated=len(text) > MAX_DRAFT or len(spans) > MAX_CLAIMS,
    )


def _joined(text: str, spans: list[Span]) -> list[Span]:
    """Citation marks that stand alone go with the sentence before them."""
    found: list[Span] = []
    for span in spans:
        if found and not without_markers(text[span.start : span.end]):
            found[-1] = Span(found[-1].start, span.end)
        else:
            found.append(span)
    return found


def _claim(text: str, span: Span, number: int) -> Claim:
    piece = text[span.start : span.end]
    statement = without_markers(piece)
    return Claim(
        id=f"c{number}",
        text=piece,
        statement=statement,
        start=span.start,
        end=span.end,
        kind=_kind(statement),
        citations=markers(piece),
    )


def _kind(statement: str) -> ClaimKind:
    words = tokens(statement)
    if not any(word.content for word in words) or statement.startswith("#") or statement.endswith(("?", ":")):
        return ClaimKind.META
    if _NOT_GIVEN.search(statement) and _ABOUT_SOURCES.search(statement):
        return ClaimKind.REFUSAL
    spoken = {word.folded for word in words}
    if spoken & {"i", "we", "my", "our"} and spoken & ATTITUDES:
        return ClaimKind.OPINION
    if quotations(statement):
        return ClaimKind.QUOTE
    if any(not found.soft for found in numbers(statement)):
        return ClaimKind.NUMERIC
    return ClaimKind.FACTUAL
