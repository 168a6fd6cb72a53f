"""What a text speaks of: its terms, and how much each matters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from guardkit.grounding.forms import forms
from guardkit.grounding.lexicon import COMMON
from guardkit.grounding.numbers import Number, numbers
from guardkit.grounding.tokens import Token, tokens

TermKind: TypeAlias = Literal["name", "word", "common", "number", "soft_number"]

WEIGHTS: dict[TermKind, float] = {"name": 1.5, "word": 1.0, "common": 0.4, "number": 2.0, "soft_number": 1.0}
"""How much a term of each kind matters, set by hand: names and numbers carry facts."""

_RARITY = 0.3
"""Exponent of a term's rarity among the sentences: 0 ignores it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one text: content stems, and numbers as `#value`."""

    kinds: dict[str, TermKind]
    order: tuple[str, ...]
    """Every occurrence of a word or number in order, without dates."""

    dates: tuple[str, ...]
    """Every part of a date in order: a date moves freely in a sentence, but not past another date."""

    numbers: tuple[Number, ...]
    words: tuple[Token, ...]
    """All words, those without content too."""

    forms: tuple[tuple[int, str], ...]
    """Offset and form of every word and sign that can change what is said."""

    def weights(self, rarity: Callable[[str], float]) -> dict[str, float]:
        """Weight of each term, by kind and by rarity among the sentences of the sources."""
        return {term: WEIGHTS[kind] * max(0.05, rarity(term)) ** _RARITY for term, kind in self.kinds.items()}


def number_term(number: Number) -> str:
    """The term under which a number is looked up."""
    return f"#{number.value}"


def terms(text: str) -> Terms:
    """The terms of a text."""
    found = tuple(numbers(text))
    words = tuple(tokens(text))
    taken = bytearray(len(text))
    for number in found:
        taken[number.start : number.end] = b"\1" * (number.end - number.start)
    kinds: dict[str, TermKind] = {}
    places: list[tuple[int, str]] = []
    dates: list[str] = []
    for word in words:
        if not word.content or taken[word.start] or word.text.isdigit():
            continue
        name = word.text[0].isupper() and not (word is words[0] and word.stem in COMMON)
        if kinds.get(word.stem) != "name":
            kinds[word.stem] = "name" if name else "common" if word.stem in COMMON else "word"
        places.append((word.start, word.stem))
    for place, number in enumerate(found):
        if number.soft and number.value == "1":
            continue
        kinds[number_term(number)] = "soft_number" if number.soft else "number"
        if _in_date(place, found):
            dates.append(number_term(number))
        else:
            places.append((number.start, number_term(number)))
    order = tuple(term for _, term in sorted(places))
    return Terms(kinds, order, tuple(dates), found, words, forms(text, words, found))


def _in_date(place: int, found: Sequence[Number]) -> bool:
    """Whether the number at a place is a month, a year, or a day beside a month."""
    number = found[place]
    if number.value.startswith("month:"):
        return True
    if number.unit is not None or not number.value.isdigit():
        return False
    if len(number.value) == 4 and 1000 <= int(number.value) <= 2100:
        return True
    return len(number.value) <= 2 and any(
        other.value.startswith("month:")
        and (-2 <= other.start - number.end <= 4 or 0 <= number.start - other.end <= 2)
        for other in found[max(0, place - 1) : place + 2]
    )
