"""Tokens that look drawn by lot: long, with digits among letters, and of nearly as many different characters as fit.

Entropy is Shannon's, H = -sum(p * log2 p) over the characters of the token (C. E. Shannon, "A Mathematical Theory of
Communication", Bell System Technical Journal 27, 1948, section 6), in bits a character.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

from guardkit.otel.redaction.redactor import Redactor

_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{20,}+={0,2}+")
_HEX = re.compile(r"[0-9a-f]++|[0-9A-F]++")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORD = re.compile(r"[A-Za-z][a-z]{2,}+")
_MOST_IN_WORDS = 0.5
_SHARE = 0.8
"""Of the most that a token of its length and alphabet can have."""


def entropy(token: str) -> float:
    """Bits a character."""
    length = len(token)
    return -sum(count / length * math.log2(count / length) for count in Counter(token).values())


def looks_random(token: str) -> bool:
    """Whether a token of 20 characters or more looks drawn by lot. A UUID is an identifier and does not count."""
    if _UUID.fullmatch(token) or not any(map(str.isdigit, token)) or not any(map(str.isalpha, token)):
        return False
    letters = _HEX.fullmatch(token) is not None
    most = math.log2(min(len(token), 16 if letters else 64))
    in_words = sum(len(word) for word in _WORD.findall(token) if len(word) > 3)
    return entropy(token) >= _SHARE * most and in_words < _MOST_IN_WORDS * len(token)


def _random(text: str) -> Iterator[tuple[int, int]]:
    for match in _TOKEN.finditer(text):
        if looks_random(match[0]):
            yield match.span()


RANDOM = Redactor("secret", _random)
