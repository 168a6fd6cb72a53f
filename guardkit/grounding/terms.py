"""What a claim or a question speaks of: its terms and how much each matters."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from guardkit.grounding.index import Index, content_words, number_term
from guardkit.grounding.lexicon import COMMON
from guardkit.grounding.numbers import Number, numbers
from guardkit.grounding.tokens import tokens

TermKind: TypeAlias = Literal["name", "word", "common", "number", "soft_number"]

WEIGHTS: dict[TermKind, float] = {"name": 1.5, "word": 1.0, "common": 0.4, "number": 2.0, "soft_number": 1.0}
"""How much a term of each kind matters, set by hand: names and numbers carry facts."""

_RARITY = 0.3
"""Exponent of a term's rarity among the sentences: 0 ignores it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one text."""

    kinds: dict[str, TermKind]
    """In order of first appearance."""

    order: tuple[str, ...]
    """Every occurrence of a word or number in order, dates left out: they move freely in a sentence."""

    numbers: tuple[Number, ...]

    def weights(self, index: Index) -> dict[str, float]:
        """Weight of each term, by kind and by rarity in the sources."""
        return {
            term: WEIGHTS[kind] * max(0.05, index.rarity(term)) ** _RARITY for term, kind in self.kinds.items()
        }


def terms(text: str) -> Terms:
    """The terms of a text: content stems, and numbers as `#value`."""
    found = tuple(numbers(text))
    first = next((token.start for token in tokens(text[:200])), 0)
    kinds: dict[str, TermKind] = {}
    places: list[tuple[int, str]] = []
    for word in content_words(text, found):
        name = word.text[0].isupper() and not (word.start == first and word.stem in COMMON)
        kind: TermKind = "name" if name else "common" if word.stem in COMMON else "word"
        if kinds.get(word.stem) != "name":
            kinds[word.stem] = kind
        places.append((word.start, word.stem))
    for number in found:
        if number.soft and number.value == "1":
            continue
        kinds[number_term(number)] = "soft_number" if number.soft else "number"
        if not _in_date(number, found):
            places.append((number.start, number_term(number)))
    return Terms(kinds, tuple(term for _, term in sorted(places)), found)


def _in_date(number: Number, found: tuple[Number, ...]) -> bool:
    if number.value.startswith("month:"):
        return True
    if number.unit is not None or not number.value.isdigit():
        return False
    if len(number.value) == 4 and 1000 <= int(number.value) <= 2100:
        return True
    return int(number.value) <= 31 and any(
        other.value.startswith("month:") and (-2 <= other.start - number.end <= 4 or 0 <= number.start - other.end <= 2)
        for other in found
    )
