"""Words as they stand: what near-verbatim means.

Stems make one word of `insured`, `insurer` and `insurance`, which is right for finding evidence and wrong for
accepting a claim. A form keeps all that tells them apart, and it keeps the small words (`by`, `to`, `we`, `or`, `must`) on
which a sentence can turn.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from guardkit.grounding.numbers import Number
from guardkit.grounding.tokens import Token

_IDLE = frozenset("a an the that which who whom of also".split())
"""Words that come and go without changing a sentence."""

_MOVABLE = frozenset("in on at during".split())
"""Words that move with a date or a place. They must be there, anywhere."""

_SIGN = re.compile(r"[<>~+^=&]|(?<=\S)[/@](?=\S)|(?<=\d)\*(?=\d)|[^\w\s\x00-\x7f]")
_MUTE = frozenset("\u00a9\u00ae\u2122\u00b0")
"""Signs without a meaning of their own: copyright, trade marks, degrees."""


def forms(text: str, words: Sequence[Token], numbers: Sequence[Number]) -> tuple[tuple[int, str], ...]:
    """All words and signs of a text that can change what it says, with their offsets, in order.

    Numbers are left out, as they are compared by value; `one`, `once` and `first` count as words.
    """
    counted = bytearray(len(text))
    for number in numbers:
        if not (number.soft and number.value == "1"):
            counted[number.start : number.end] = b"\1" * (number.end - number.start)
    found = [
        (word.start, one)
        for word in words
        if not counted[word.start] and not word.text.isdigit() and (one := _form_of(word))
    ]
    found += [(sign.start(), sign.group()) for sign in _SIGN.finditer(text) if _tells(sign.group())]
    return tuple(sorted(found))


def _form_of(word: Token) -> str | None:
    """`Plan A` names something and `US` is not `us`: capitals tell short words apart, but for a first letter."""
    if word.text.isupper() and not word.content and (len(word.text) > 1 or (word.start and word.text == "A")):
        return word.text
    return None if word.folded in _IDLE else word.folded.removesuffix("'s")


def _tells(sign: str) -> bool:
    return sign.isascii() or (unicodedata.category(sign) in ("So", "Sm") and sign not in _MUTE)


def in_order(found: Sequence[tuple[int, str]]) -> list[str]:
    """The forms whose place in the sentence matters."""
    return [one for _, one in found if one not in _MOVABLE]


def surplus(ours: Counter[str], theirs: Counter[str]) -> set[str]:
    """Forms that stand more often on one side than on the other."""
    return {one for one, count in ours.items() if count > theirs[one]}
