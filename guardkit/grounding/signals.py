"""What differs between a claim and the sentences that support it best: the flags that withhold acceptance.

Each flag is a cue, not a proof, except a number that stands nowhere in the sources.
"""

import re

from rapidfuzz.distance import LCSseq

from guardkit.core.drafts import Flag
from guardkit.grounding.index import Index, Sentence, Window
from guardkit.grounding.lexicon import CONDITIONS, LIMITS, NEGATIONS, STRENGTHENERS
from guardkit.grounding.numbers import Number, numbers
from guardkit.grounding.terms import Terms, terms
from guardkit.grounding.tokens import fold, tokens

_CLAUSE = re.compile(r"[,;:()\u2013\u2014]|\band\b|\bbut\b|\bwhile\b")
_PRONOUNS = frozenset(
    "he she it they him her them his hers its their theirs this these those that latter former such".split()
)
_ALIGNED = 0.6
"""Share of a claim's terms that must be met for another number in the same place to count as a conflict."""


def absent_numbers(claim: Terms, index: Index) -> list[Number]:
    """Numbers of the claim that stand nowhere in the sources: the one veto."""
    return [number for number in claim.numbers if not number.soft and number.value not in index.number_values]


def number_flags(claim: Terms, window: Window | None, index: Index) -> set[Flag]:
    """Flags about numbers, units and dates."""
    flags: set[Flag] = set()
    absent = absent_numbers(claim, index)
    if absent:
        flags.add(Flag.NUMBER_ABSENT)
    if window is None:
        return flags
    near = [number for sentence in window.sentences for number in sentence.numbers]
    by_value: dict[str, list[Number]] = {}
    for number in near:
        by_value.setdefault(number.value, []).append(number)
    for number in claim.numbers:
        found = by_value.get(number.value)
        if found is None:
            if number.soft and number.value == "1":
                continue
            flags.add(Flag.NUMBER_ELSEWHERE)
        elif all(number.unit != other.unit for other in found):
            flags.add(Flag.UNIT_MISMATCH)
    if absent and _is_aligned(claim, window) and any(_rivals(number, near) for number in absent):
        flags.add(Flag.NUMBER_CONFLICT)
    return flags


def word_flags(claim: Terms, window: Window, index: Index) -> set[Flag]:
    """Flags about names, added words and word order."""
    flags: set[Flag] = set()
    for term, kind in claim.kinds.items():
        if term in window.met and (window.met[term] == 1.0 or kind == "common"):
            continue
        if kind == "name":
            flags.add(Flag.NAME_ELSEWHERE if index.variants(term) else Flag.NAME_ABSENT)
        elif kind in ("word", "common") and not _in_context(term, window):
            flags.add(Flag.WORDS_ADDED)
    supporting = [term for sentence in window.sentences for term in terms(sentence.text).order]
    present = set(supporting)
    shared = [term for term in claim.order if term in present]
    if LCSseq.similarity(shared, supporting) < len(shared):
        flags.add(Flag.ORDER_CHANGED)
    return flags


def wording_flags(claim: str, window: Window) -> set[Flag]:
    """Flags about negation, hedges, exceptions, strong words and pronouns."""
    said = {fold(token.text) for token in tokens(claim)}
    everything = {fold(token.text) for sentence in window.sentences for token in tokens(sentence.text)}
    touched = _touched_words(claim, window)
    flags: set[Flag] = set()
    if _negated(said) and not _negated(everything):
        flags.add(Flag.NEGATION_ADDED)
    if _negated(touched) and not _negated(said):
        flags.add(Flag.NEGATION_DROPPED)
    if (touched & LIMITS or everything & CONDITIONS) and not (touched & LIMITS) | (everything & CONDITIONS) <= said:
        flags.add(Flag.LIMIT_DROPPED)
    if {word for word in touched if len(word) > 4 and word.endswith("ly")} - said:
        flags.add(Flag.LIMIT_DROPPED)
    if (said & STRENGTHENERS) - everything:
        flags.add(Flag.STRENGTHENED)
    if (said & _PRONOUNS) - everything:
        flags.add(Flag.REFERENCE_OPEN)
    return flags


def conflicting_numbers(first: Sentence, second: Sentence) -> bool:
    """Whether two sentences say the same thing with different numbers of the same unit.

    Both must share most of their words, and neither may hold the other's number.
    """
    ours, theirs = _words(first), _words(second)
    smaller, larger = sorted((len(ours), len(theirs)))
    shared = len(ours & theirs)
    if shared < 3 or shared < 0.75 * smaller or shared < 0.5 * larger:
        return False
    values = {number.value for number in first.numbers}, {number.value for number in second.numbers}
    left = [number for number in first.numbers if not number.soft and number.value not in values[1]]
    right = [number for number in second.numbers if not number.soft and number.value not in values[0]]
    return any(number.dimension == other.dimension and number.unit == other.unit for number in left for other in right)


def _words(sentence: Sentence) -> set[str]:
    return {term for term in sentence.terms | sentence.context if not term.startswith("#")}


def _is_aligned(claim: Terms, window: Window) -> bool:
    sought = [term for term in claim.kinds if not term.startswith("#")]
    return bool(sought) and sum(term in window.met for term in sought) >= _ALIGNED * len(sought)


def _rivals(number: Number, near: list[Number]) -> bool:
    return any(
        not other.soft and other.value != number.value and other.unit == number.unit and _alike(number, other)
        for other in near
    )


def _alike(number: Number, other: Number) -> bool:
    return number.unit is not None or len(number.value) == len(other.value)


def _in_context(term: str, window: Window) -> bool:
    return all(term in sentence.context for sentence in window.sentences)


def _negated(words: set[str]) -> bool:
    return bool(words & NEGATIONS) or any(word.endswith("n't") for word in words)


def _touched_words(claim: str, window: Window) -> set[str]:
    """Words of those clauses of the supporting sentences that share a term with the claim."""
    sought = set(terms(claim).kinds)
    words: set[str] = set()
    for sentence in window.sentences:
        for clause in _CLAUSE.split(sentence.text):
            found = tokens(clause)
            if any(token.stem in sought for token in found) or any(
                f"#{number.value}" in sought for number in numbers(clause)
            ):
                words.update(fold(token.text) for token in found)
    return words
