"""The deterministic verifier: how well the admitted sources cover a claim, and what speaks against accepting it.

It is a first stage, not a judge: it proves near-verbatim claims and catches invented numbers, names and
sentences. It does not see relations, inference, or polarity that is put into other words.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from guardkit.core.drafts import Flag
from guardkit.core.sources import Evidence
from guardkit.core.values import Value
from guardkit.grounding.index import Index, Window
from guardkit.grounding.signals import number_flags, word_flags, wording_flags
from guardkit.grounding.terms import Terms, terms

Band: TypeAlias = Literal["accept", "escalate", "reject"]

MAX_TERMS = 120
"""Most terms of one claim that are looked at; a longer claim is never accepted."""

_LOOKED_AT = 3
"""How many equally good windows are compared for flags."""

_PENALTIES: dict[Flag, float] = {
    Flag.NUMBER_ABSENT: 0.5,
    Flag.NAME_ABSENT: 0.8,
    Flag.NAME_ELSEWHERE: 0.9,
    Flag.STRENGTHENED: 0.9,
    Flag.NEGATION_ADDED: 0.8,
    Flag.UNIT_MISMATCH: 0.8,
}
"""Factors on the score, set by hand. Flags that are not named here leave it alone."""


class VerifierSettings(Value):
    """Thresholds on the verifier's score, chosen on development data."""

    accept: float = Field(default=0.85, ge=0.0, le=1.0)
    """From here on a claim without any flag is accepted."""

    reject: float = Field(default=0.25, ge=0.0, le=1.0)
    """Below it a claim is rejected without asking a judge. The band in between is wide on purpose."""

    decide: float = Field(default=0.45, ge=0.0, le=1.0)
    """The one threshold for callers that want yes or no of the score alone; the flow does not use it."""

    tolerated: frozenset[Flag] = frozenset()
    """Flags that do not withhold acceptance. A number that is nowhere in the sources is never tolerated."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.reject <= self.decide <= self.accept:
            raise ValueError(
                f"reject {self.reject}, decide {self.decide} and accept {self.accept} must not fall in this order"
            )
        if Flag.NUMBER_ABSENT in self.tolerated:
            raise ValueError("tolerated: number_absent is a veto and cannot be tolerated")
        return self


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the verifier says of one claim."""

    score: float
    """Coverage by the sources in [0, 1], lowered by flags."""

    band: Band
    flags: frozenset[Flag]
    evidence: tuple[Evidence, ...]
    """The windows that cover the claim best, best first."""


def assess(
    claim: str,
    index: Index,
    settings: VerifierSettings | None = None,
    *,
    cited: Sequence[Evidence] = (),
    evidence: int = 4,
) -> Assessment:
    """How well the sources cover a claim.

    The score is the mean of three coverages, each weighted by kind of term: by the best window of one to
    three sentences; of pairs of terms that meet in one window; and `exp(-missing / 4)` of the weight that no
    sentence holds. Flags lower it by fixed factors.

    Args:
        claim: one statement, without citation marks.
        index: the admitted sources.
        settings: thresholds; the shipped ones when `None`.
        cited: spans that the claim cites; of windows that are nearly as good, one inside them is taken.
        evidence: most windows to return.
    """
    chosen = settings or VerifierSettings()
    spoken = terms(claim)
    weights = dict(list(spoken.weights(index.rarity).items())[:MAX_TERMS])
    windows = index.windows(list(weights))
    total = sum(weights.values())
    if not weights or not windows:
        flags = frozenset(number_flags(spoken, None, index))
        return Assessment(0.0, "reject", flags, ())
    ranked = _ranked(windows, weights)
    best, flags = _least_flagged(spoken, _tight(ranked, weights, cited), index)
    score = _coverage(ranked, weights, total) * math.prod(_PENALTIES.get(flag, 1.0) for flag in flags)
    whole = len(weights) == len(spoken.kinds)
    return Assessment(
        round(min(1.0, score), 4),
        _band(score, flags if whole else flags | {Flag.WORDS_ADDED}, chosen),
        flags,
        tuple(_distinct(best, ranked, evidence)),
    )


def _band(score: float, flags: frozenset[Flag], settings: VerifierSettings) -> Band:
    if Flag.NUMBER_ABSENT in flags or score < settings.reject:
        return "reject"
    if score >= settings.accept and not flags - settings.tolerated:
        return "accept"
    return "escalate"


def _weight(window: Window, weights: dict[str, float]) -> float:
    return sum(weights[term] * degree for term, degree in window.met.items())


def _ranked(windows: list[Window], weights: dict[str, float]) -> list[Window]:
    return sorted(windows, key=lambda window: (-_weight(window, weights), len(window.sentences)))


def _tight(ranked: list[Window], weights: dict[str, float], cited: Sequence[Evidence]) -> list[Window]:
    """Windows that are nearly as good as the best: cited ones first, then short ones."""
    enough = 0.95 * _weight(ranked[0], weights)
    near = list(takewhile(lambda window: _weight(window, weights) >= enough, ranked))
    return sorted(near, key=lambda window: (not _inside(window, cited), len(window.sentences)))[:_LOOKED_AT]


def _inside(window: Window, cited: Sequence[Evidence]) -> bool:
    first, last = window.sentences[0], window.sentences[-1]
    return any(
        span.source_id == first.source.id and span.start <= first.start and last.end <= span.end
        for span in cited
    )


def _least_flagged(spoken: Terms, windows: Sequence[Window], index: Index) -> tuple[Window, frozenset[Flag]]:
    read: list[tuple[Window, frozenset[Flag]]] = []
    for window in windows:
        flags = frozenset(
            number_flags(spoken, window, index)
            | word_flags(spoken, window, index)
            | wording_flags(spoken, window, index)
        )
        read.append((window, flags))
        if not flags:
            break
    return min(read, key=lambda pair: len(pair[1]))


def _coverage(ranked: list[Window], weights: dict[str, float], total: float) -> float:
    best = _weight(ranked[0], weights) / total
    met: dict[str, float] = {}
    pairs: dict[tuple[str, str], float] = {}
    order = {term: place for place, term in enumerate(weights)}
    for window in ranked:
        found = sorted(window.met.items(), key=lambda item: order[item[0]])
        for place, (term, degree) in enumerate(found):
            met[term] = max(degree, met.get(term, 0.0))
            for other, other_degree in found[place + 1 :]:
                pair = (term, other)
                pairs[pair] = max(degree * other_degree, pairs.get(pair, 0.0))
    all_pairs = (total**2 - sum(weight**2 for weight in weights.values())) / 2
    related = (
        sum(weights[term] * weights[other] * degree for (term, other), degree in pairs.items()) / all_pairs
        if len(weights) > 1
        else best
    )
    missing = sum(weight * (1 - met.get(term, 0.0)) for term, weight in weights.items())
    return (best + related + math.exp(-missing / 4)) / 3


def _distinct(best: Window, ranked: list[Window], limit: int) -> list[Evidence]:
    found: list[Evidence] = []
    taken: set[int] = set()
    for window in [best, *ranked]:
        places = {sentence.position for sentence in window.sentences}
        if places & taken:
            continue
        taken |= places
        found.append(window.evidence)
        if len(found) == limit:
            break
    return found
