"""Whether the admitted sources speak of what is asked, by words alone.

Sources about something else are told apart almost perfectly. Sources about the same thing that do not
answer are not: that takes a sufficiency judge, and the check of the draft afterwards.
"""

from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from guardkit.core.values import Value
from guardkit.grounding.index import Index
from guardkit.grounding.language import comparable
from guardkit.grounding.terms import TermKind, terms
from guardkit.grounding.tokens import tokens

RelevanceBand: TypeAlias = Literal["covered", "doubtful", "off_topic", "unknown"]

MAX_QUESTION = 4000
"""Characters of a question that are looked at."""

_WEIGHTS: dict[TermKind, float] = {"name": 1.2, "word": 1.0, "common": 0.4, "number": 1.5, "soft_number": 0.6}
_TRUST_RARITY = 100
"""Number of sentences at which the rarity of a word counts half."""


class RelevanceSettings(Value):
    """Thresholds on the coverage of a question, chosen on development data."""

    off_topic: float = Field(default=0.3, ge=0.0, le=1.0)
    """Below it the sources are about something else."""

    covered: float = Field(default=0.5, ge=0.0, le=1.0)
    """From here on the question counts as covered; in between it is doubtful."""

    covered_but_for: float = Field(default=0.7, ge=0.0, le=1.0)
    """What counts as covered when a specific word of the question stands nowhere in the sources."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.off_topic <= self.covered <= self.covered_but_for:
            raise ValueError(
                f"off_topic {self.off_topic}, covered {self.covered} and covered_but_for {self.covered_but_for} "
                "must not fall in this order"
            )
        return self


@dataclass(frozen=True, slots=True)
class Relevance:
    """How well the sources cover a question."""

    score: float
    """Coverage of the question by the best window, in [0, 1]."""

    band: RelevanceBand
    missing: tuple[str, ...]
    """Words of the question, as asked, that stand nowhere in the sources."""


def relevance(question: str, index: Index, settings: RelevanceSettings | None = None) -> Relevance:
    """How well the best window of the sources covers the question.

    The score is the mean of two weighted coverages, one of them by rarity of the words among the
    sentences; the rarity counts the more, the more sentences there are.
    """
    chosen = settings or RelevanceSettings()
    asked = terms(question[:MAX_QUESTION])
    missing = _missing(question[:MAX_QUESTION], asked.kinds, index)
    size = len(index.sentences)
    plain = {term: _WEIGHTS[kind] for term, kind in asked.kinds.items()}
    exponent = size / (size + _TRUST_RARITY)
    rare = {term: weight * max(0.05, index.rarity(term)) ** exponent for term, weight in plain.items()}
    windows = index.windows(list(plain)) if plain else []
    score = (
        sum(
            max(
                (sum(weights[term] * degree for term, degree in window.met.items()) for window in windows),
                default=0.0,
            )
            / max(sum(weights.values()), 1e-9)
            for weights in (plain, rare)
        )
        / 2
    )
    if not comparable(question[:MAX_QUESTION], index.sources) or not plain:
        return Relevance(round(score, 4), "unknown", missing)
    enough = chosen.covered_but_for if missing else chosen.covered
    band: RelevanceBand = (
        "off_topic" if score < chosen.off_topic else "covered" if score >= enough else "doubtful"
    )
    return Relevance(round(score, 4), band, missing)


def coverage(question: str, text: str) -> float:
    """Share of the question's words, weighted by kind, that a text contains."""
    asked = terms(question[:MAX_QUESTION])
    said = terms(text)
    total = sum(_WEIGHTS[kind] for kind in asked.kinds.values())
    met = sum(_WEIGHTS[kind] for term, kind in asked.kinds.items() if term in said.kinds)
    return met / total if total else 0.0


def _missing(question: str, kinds: dict[str, TermKind], index: Index) -> tuple[str, ...]:
    gone = {term for term, kind in kinds.items() if kind in ("name", "word") and not index.variants(term)}
    words = [token.text for token in tokens(question) if token.stem in gone]
    numbers = [
        term.removeprefix("#") for term, kind in kinds.items() if kind == "number" and term not in index
    ]
    return tuple(dict.fromkeys(words + numbers))
