"""Quoted words: whether a source contains them, letter for letter but for white space and typography."""

import re

MIN_WORDS = 3
"""Shorter quotations are titles and scare quotes, which say little."""

_QUOTED = re.compile(
    r"\"([^\"\n]{8,600})\"|\u201c([^\u201d\n]{8,600})\u201d|\u00ab([^\u00bb\n]{8,600})\u00bb"
)
_HIDDEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_SPACE = re.compile(r"\s+")
_TYPOGRAPHY = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2011": "-",
        "\u00a0": " ",
    }
)


def quotations(text: str) -> tuple[str, ...]:
    """What a text presents as quoted, of at least three words."""
    found = (next(part for part in match.groups() if part) for match in _QUOTED.finditer(text))
    return tuple(quoted for quoted in found if len(quoted.split()) >= MIN_WORDS)


def shown(text: str) -> str:
    """A text as models get it: nothing invisible in it, so that nothing hides from people who read along."""
    return _HIDDEN.sub("", text)


def plain(text: str) -> str:
    """A text with white space, quotation marks and dashes made uniform. Case and words stay."""
    return _SPACE.sub(" ", shown(text.translate(_TYPOGRAPHY))).strip()


def contains(source: str, quotation: str) -> bool:
    """Whether a `plain` source holds a quotation, up to white space, typography and closing punctuation."""
    sought = plain(quotation).rstrip(".,;:!? ")
    return bool(sought) and sought in source
