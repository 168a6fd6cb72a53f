"""Text as it is read, character by character, so that what is found in it can be found again in the original."""

import re
import unicodedata
from functools import lru_cache

_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_SHOWN = frozenset("\t\n\r\x0b\x0c\x85")
_NOTHING = frozenset({"Cc", "Cf", "Mn", "Me"})
"""Unicode's general categories of controls, format characters (zero-width ones among them) and marks on others."""

_FILLERS = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def unfold(text: str) -> tuple[str, list[int] | range]:
    """The text in compatibility form (NFKC), with ASCII digits, spaces and dashes, without what shows nothing.

    Returns:
        The text, and for each of its characters the index of the one in the original that it comes from.
    """
    if text.isascii() and not _CONTROLS.search(text):
        return text, range(len(text))
    read: list[str] = []
    at: list[int] = []
    for index, char in enumerate(text):
        plain = char if " " <= char <= "~" else _plain(char)
        read.append(plain)
        at.extend([index] * len(plain))
    return "".join(read), at


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    category = unicodedata.category(char)
    if char in _SHOWN or category in ("Zl", "Zp"):
        return "\n" if char != "\t" else char
    if category in _NOTHING or char in _FILLERS:
        return ""
    if category == "Zs":
        return " "
    if category == "Pd" or char == "\u2212":
        return "-"
    if category == "Nd":
        return str(unicodedata.decimal(char))
    return unicodedata.normalize("NFKC", char)
