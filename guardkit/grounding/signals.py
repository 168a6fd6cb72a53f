"""What differs between a claim and the sentences that support it best: the flags that withhold acceptance.

Each flag is a cue, not a proof, except a number that stands nowhere in the sources.
"""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Sequence

from rapidfuzz.distance import LCSseq

from guardkit.core.drafts import Flag
from guardkit.grounding.forms import in_order, surplus
from guardkit.grounding.index import Index, Sentence, Window
from guardkit.grounding.lexicon import CONDITIONS, LIMITS, STRENGTHENERS
from guardkit.grounding.numbers import Number
from guardkit.grounding.surroundings import negations, refers_back, surrounding_flags
from guardkit.grounding.terms import Terms, number_term
from guardkit.grounding.tokens import Token

_CLAUSE = re.compile(r"[,:](?!\d)|[;()\u2013\u2014]|\band\b|\bbut\b|\bwhile\b")
_ADDED = re.compile(r";|and\b")
_PRONOUNS = frozenset(
    "he she it they him her them his hers its their theirs this these those that latter former such".split()
)
_FEW = 3
"""Words of a clause up to which it is taken for a remark that limits the rest."""

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
    near = [number for sentence in window.sentences for number in sentence.spoken.numbers]
    by_value: dict[str, list[Number]] = {}
    for number in near:
        by_value.setdefault(number.value, []).append(number)
    for number in claim.numbers:
        found = by_value.get(number.value)
        if number in absent or (number.soft and number.value == "1"):
            continue
        if found is None:
            flags.add(Flag.NUMBER_ELSEWHERE)
        elif all(number.unit != other.unit for other in found):
            flags.add(Flag.UNIT_MISMATCH)
    if absent and _is_aligned(claim, window) and any(_rivals(number, near) for number in absent):
        flags.add(Flag.NUMBER_CONFLICT)
    return flags


def word_flags(claim: Terms, window: Window, index: Index) -> set[Flag]:
    """Flags about names, words that one side has and the other lacks, and word order."""
    flags: set[Flag] = set()
    for term, kind in claim.kinds.items():
        if window.met.get(term) == 1.0:
            continue
        if kind == "name":
            flags.add(Flag.NAME_ELSEWHERE if index.variants(term) else Flag.NAME_ABSENT)
        elif kind == "common" or (kind == "word" and not _in_context(term, window)):
            flags.add(Flag.WORDS_ADDED)
    if len(window.sentences) > 1:
        flags.add(Flag.SPREAD)
    supporting = [sentence.spoken for sentence in window.sentences]
    if _reordered(claim.order, [term for spoken in supporting for term in spoken.order]) or _reordered(
        claim.dates, [term for spoken in supporting for term in spoken.dates]
    ):
        flags.add(Flag.ORDER_CHANGED)
    if _reordered(in_order(claim.forms), [one for spoken in supporting for one in in_order(spoken.forms)]):
        flags.add(Flag.ORDER_CHANGED)
    return flags


def _reordered(said: Sequence[str], supporting: Sequence[str]) -> bool:
    """Whether what both sides hold stands in another order."""
    present = set(supporting)
    shared = [one for one in said if one in present]
    return LCSseq.similarity(shared, supporting) < len(shared)


def wording_flags(claim: Terms, window: Window, index: Index) -> set[Flag]:
    """Flags about negation, hedges, exceptions, strong words, forms, pronouns and what was left out.

    Words are counted, not only looked up: one `not` does not make up for another.
    """
    said = Counter(word.folded for word in claim.words)
    everything = Counter(word.folded for sentence in window.sentences for word in sentence.spoken.words)
    touched, forms, dropped = _touched(claim, window)
    flags: set[Flag] = set()
    if dropped:
        flags.add(Flag.WORDS_DROPPED)
    if negations(said) > negations(everything):
        flags.add(Flag.NEGATION_ADDED)
    if negations(said) < negations(everything):
        flags.add(Flag.NEGATION_DROPPED)
    if any(count > said[word] for word, count in touched.items() if word in LIMITS or _is_adverb(word)):
        flags.add(Flag.LIMIT_DROPPED)
    if any(count > said[word] for word, count in everything.items() if word in CONDITIONS):
        flags.add(Flag.LIMIT_DROPPED)
    if any(count > everything[word] for word, count in said.items() if word in STRENGTHENERS):
        flags.add(Flag.STRENGTHENED)
    if any(word in _PRONOUNS and word not in everything for word in said) or refers_back(claim):
        flags.add(Flag.REFERENCE_OPEN)
    ours = Counter(one for _, one in claim.forms)
    theirs = Counter(one for sentence in window.sentences for _, one in sentence.spoken.forms)
    if surplus(ours, theirs) or surplus(forms, ours):
        flags.add(Flag.FORM_CHANGED)
    return flags | surrounding_flags(claim, said, window, index)


def conflicting_numbers(first: Sentence, second: Sentence) -> bool:
    """Whether two sentences say the same thing with different numbers of the same unit.

    Both must share most of their words, and neither may hold the other's number.
    """
    ours, theirs = _words(first), _words(second)
    smaller, larger = sorted((len(ours), len(theirs)))
    shared = len(ours & theirs)
    if shared < 3 or shared < 0.75 * smaller or shared < 0.5 * larger:
        return False
    values = (
        {number.value for number in first.spoken.numbers},
        {number.value for number in second.spoken.numbers},
    )
    left = [number for number in first.spoken.numbers if not number.soft and number.value not in values[1]]
    right = [number for number in second.spoken.numbers if not number.soft and number.value not in values[0]]
    return any(
        number.dimension == other.dimension and number.unit == other.unit
        for number in left
        for other in right
    )


def _words(sentence: Sentence) -> set[str]:
    return {term for term in sentence.spoken.kinds.keys() | sentence.context if not term.startswith("#")}


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


def _is_adverb(word: str) -> bool:
    return len(word) > 4 and word.endswith("ly")


def _touched(claim: Terms, window: Window) -> tuple[Counter[str], Counter[str], bool]:
    """The clauses of the supporting sentences that the claim speaks of.

    Returns:
        Their words; their forms; and whether the claim leaves out content of theirs, or a clause that is more than
        an addition: only what `and` or a semicolon adds can go without changing the rest.
    """
    touched: Counter[str] = Counter()
    forms: Counter[str] = Counter()
    dropped = False
    for sentence in window.sentences:
        breaks = [match.start() for match in _CLAUSE.finditer(sentence.text)]
        clauses: dict[int, list[Token]] = {}
        for word in sentence.spoken.words:
            clauses.setdefault(bisect(breaks, word.start), []).append(word)
        met = {
            place
            for place, words in clauses.items()
            if any(word.content and word.stem in claim.kinds for word in words)
        }
        numbers = {bisect(breaks, number.start): number_term(number) for number in sentence.spoken.numbers}
        met |= {place for place, term in numbers.items() if term in claim.kinds}
        for place, words in clauses.items():
            if place in met:
                touched.update(word.folded for word in words)
                spoken = [word for word in words if word.content and word.stem in sentence.spoken.kinds]
                dropped = dropped or any(word.stem not in claim.kinds for word in spoken)
            elif len(words) <= _FEW or not place or not _ADDED.match(sentence.text, breaks[place - 1]):
                dropped = True
        forms.update(one for at, one in sentence.spoken.forms if bisect(breaks, at) in met)
        dropped = dropped or any(
            number_term(number) not in claim.kinds
            for number in sentence.spoken.numbers
            if number_term(number) in sentence.spoken.kinds and bisect(breaks, number.start) in met
        )
    return touched, forms, dropped
