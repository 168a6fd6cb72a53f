"""Whether two texts can be compared word by word: same script, and English as far as that can be told."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

from guardkit.core.sources import Source
from guardkit.grounding.tokens import STOP_WORDS, tokens

SAMPLE = 4000
"""Characters of a text that are looked at."""

_FOREIGN = frozenset(
    """der die das und ist nicht ein eine für mit auf von wie wird sind bei welche wann wo le la les des est une dans
    pour que qui pas avec sur quel quelle comment el los las una por para con como del cual cuando il che di per non
    sono quale quando het een van niet voor hoe wat welke o os uma não com qual apa yang dan di adalah untuk dengan
    berapa bagaimana apakah jika och att som för är inte hur vad jest nie czy jak jaki ile""".split()
) - {"die", "a", "on", "per", "van"}
"""Frequent words of other languages in Latin script that are hardly ever English."""

Language: TypeAlias = Literal["english", "other", "unclear"]


@lru_cache(maxsize=4096)
def _script_of(letter: str) -> str:
    name = unicodedata.name(letter, "")
    return name.split(" ", 1)[0]


def script(text: str) -> str | None:
    """The script of most letters, e.g. `LATIN`, `CYRILLIC`, `CJK`; `None` without letters."""
    counts = Counter(_script_of(letter) for letter in text[:SAMPLE] if letter.isalpha())
    return counts.most_common(1)[0][0] if counts else None


def language(text: str) -> Language:
    """A guess from grammatical words: English, something else in Latin script, or unclear."""
    words = [token.folded for token in tokens(text[:SAMPLE])]
    english = sum(word in STOP_WORDS for word in words)
    foreign = sum(word in _FOREIGN for word in words)
    if foreign > english:
        return "other"
    return "english" if english else "unclear"


def comparable(question: str, sources: Sequence[Source]) -> bool:
    """Whether low overlap of words between question and sources means anything.

    `False` when the scripts differ, or when either side is not clearly English: then low overlap
    says nothing, and nothing may be refused for it.
    """
    asked = script(question)
    if asked != "LATIN" or language(question) != "english":
        return False
    for source in sources:
        declared = (source.language or "").lower()
        if declared and not declared.startswith("en"):
            continue
        if script(source.text) == "LATIN" and (declared or language(source.text) == "english"):
            return True
    return False
