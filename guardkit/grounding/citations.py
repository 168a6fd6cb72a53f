"""Citation marks in drafts and in answers.

A draft cites a passage by its id in square brackets, `[E1]`, several as `[E1, E3]` or `[E1][E3]`, after the
sentence that it supports. The letter keeps them apart from the footnotes `[1]` that documents contain. An
answer cites as `[1]`, `[2]`, ..., resolved in `Answer.citations`.
"""

import re

_MARK = re.compile(r"[ \t]{0,3}\[\s{0,2}(E\d{1,4}(?:\s{0,2}[,;]?\s{0,2}E\d{1,4}){0,19})\s{0,2}\]")
_ID = re.compile(r"E\d{1,4}")
_FOOTNOTE = re.compile(r"[ \t]{0,3}\[(?:\d{1,3}|citation needed|note \d{1,2})\]")
_LIST = re.compile(r"\n[ \t]{0,20}(?:[-*+\u2022]|\d{1,3}[.)])[ \t]")
_LINES = re.compile(r"[ \t]*\n\s*")
_SPACE = re.compile(r"\s+")


def markers(text: str) -> tuple[str, ...]:
    """Ids that a text cites, in order, each once. They need not exist."""
    return tuple(
        dict.fromkeys(found for mark in _MARK.finditer(text) for found in _ID.findall(mark.group(1)))
    )


def without_markers(text: str) -> str:
    """A text without citation marks, with single spaces."""
    return _SPACE.sub(" ", _MARK.sub("", text)).strip()


def readable(text: str) -> str:
    """A statement as it stands in an answer: no marks, no footnotes, one line unless it holds a list."""
    bare = without_footnotes(_MARK.sub("", text)).strip()
    return _LINES.sub("\n", bare) if _LIST.search(bare) else _SPACE.sub(" ", bare)


def without_footnotes(text: str) -> str:
    """A text without the footnote marks that a quoted document brings along."""
    return _FOOTNOTE.sub("", text)
