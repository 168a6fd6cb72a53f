"""Text cut into sections and sentences with exact offsets, for markdown and plain text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SENTENCE = 1200
"""Longest sentence in characters; a longer one is cut at white space, so that windows stay small."""

_HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(\S[^\n]*)")
_BLOCK = re.compile(
    r"[ \t]*(?:[-*+\u2022\u2013]|\d{1,3}[.)]|[A-Za-z][.)]|>+|\||#{1,6})[ \t]*(?=\S)|[ \t]*(?:```|~~~)"
)
_MARK = re.compile(r"[ \t]*(?:(?:[-*+\u2022\u2013]|\d{1,3}[.)]|>+)[ \t]+)+")
_RULE = re.compile(r"[-=_*|: \t]{3,}")
_STOP = re.compile(  # possessive and anchored to the start of a run: linear on any input
    r"(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019)\]]*+(?=\s|$|\[)|[\u3002\uff01\uff1f\u06d4\u061f\u0964]++"
)
_CITES = re.compile(r"(?:[ \t]{0,3}\[[A-Za-z0-9#,; \t-]{1,40}\])+[.!?]?")
_ABBREVIATIONS = frozenset(
    """mr mrs ms dr prof sr jr st vs etc eg ie e.g i.e cf al inc ltd co corp dept est fig figs no nos vol vols pp art
    sec para gen col lt sgt capt rev hon gov sen rep jan feb mar apr jun jul aug sep sept oct nov dec approx ca
    incl excl ext tel u.s u.k u.n a.m p.m ph.d ft mt op ed eds""".split()
)


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of a text."""

    start: int
    end: int

    lead: str = ""
    """Of a list item that stands alone: the line above its list."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it, up to the next heading."""

    path: str
    """Headings from the outermost inwards, joined by ` > `; empty before the first heading."""

    start: int
    """Where the body begins, after the heading line."""

    end: int


def sections(text: str) -> list[Section]:
    """The sections of a markdown text; a text without headings is one section without a path."""
    found: list[Section] = []
    trail: list[tuple[int, str]] = []
    body = 0
    fenced = False
    for start, end in _lines(text):
        line = text[start:end]
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        match = None if fenced else _HEADING.match(line)
        if match is None:
            continue
        if text[body:start].strip():
            found.append(Section(_path(trail), body, start))
        depth = len(match.group(1))
        trail = [(level, name) for level, name in trail if level < depth]
        trail.append((depth, match.group(2).strip().rstrip("#").strip()[:200]))
        body = min(end + 1, len(text))
    if text[body:].strip():
        found.append(Section(_path(trail), body, len(text)))
    return found


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """The sentences of `text[start:end]`, as spans of `text` without surrounding white space.

    A hard-wrapped paragraph is put together again; list items, headings, table rows and short
    lines stand alone. List marks and quote marks in front of a line are left out of the span. A list
    after a line that ends with a colon is one sentence with that line: `not covered:` decides what its
    items say. Items of a longer list, or of one below a line without a colon, know that line as their `lead`.
    """
    found: list[Span] = []
    leading = False
    lead = ""
    for block, item in _blocks(text, start, len(text) if end is None else end):
        if leading and item and block.end - found[-1].start <= MAX_SENTENCE:
            found[-1] = Span(found[-1].start, _stripped_end(text, block))
            continue
        if item:
            found.extend(Span(span.start, span.end, lead) for span in _split(text, block))
            continue
        found.extend(_split(text, block))
        leading = bool(found) and text[found[-1].end - 1] == ":"
        lead = text[found[-1].start : found[-1].end] if found and not _closed(text, found[-1]) else ""
    return found


def _closed(text: str, span: Span) -> bool:
    return text[span.end - 1] in ".!?;\u3002"


def _path(trail: list[tuple[int, str]]) -> str:
    return " > ".join(name for _, name in trail)


def _lines(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    stop = len(text) if end is None else end
    while start < stop:
        newline = text.find("\n", start, stop)
        line_end = stop if newline < 0 else newline
        yield start, line_end
        start = line_end + 1


def _blocks(text: str, start: int, end: int) -> Iterator[tuple[Span, bool]]:
    """Paragraphs, list items and single lines, and whether each is a list item."""
    opened: Span | None = None
    item = False
    for left, right in _lines(text, start, end):
        line = text[left:right]
        stripped = line.strip()
        if not stripped or _RULE.fullmatch(stripped):
            if opened:
                yield opened, item
            opened = None
            continue
        if opened and not _BLOCK.match(line) and _wraps(text, opened, stripped):
            opened = Span(opened.start, right)
            continue
        if opened:
            yield opened, item
        mark = _MARK.match(line)
        item = mark is not None
        opened = Span(left + (mark.end() if mark else 0), right)
    if opened:
        yield opened, item


def _stripped_end(text: str, block: Span) -> int:
    end = block.end
    while end > block.start and text[end - 1].isspace():
        end -= 1
    return end


def _wraps(text: str, opened: Span, following: str) -> bool:
    """Whether the line that ends `opened` was broken only because it was full."""
    last = text[text.rfind("\n", opened.start, opened.end) + 1 : opened.end].strip()
    if text.startswith("#", opened.start) or last.startswith("|"):
        return False
    if following[:1].islower():
        return len(last) >= 20
    return len(last) >= 55 and not last.endswith((".", "!", "?", ":", ";", "\u3002"))


def _split(text: str, block: Span) -> Iterator[Span]:
    start = block.start
    position = block.start
    while match := _STOP.search(text, position, block.end):
        position = match.end()
        if _is_abbreviation(text, start, match, block.end):
            continue
        cites = _CITES.match(text, position, block.end)
        if cites:
            position = cites.end()
        yield from _trimmed(text, start, position)
        start = position
    yield from _trimmed(text, start, block.end)


def _is_abbreviation(text: str, start: int, stop: re.Match[str], end: int) -> bool:
    if stop.group() != ".":
        return False
    if _CITES.match(text, stop.end(), end):
        return False
    word_start = stop.start()
    while word_start > start and word_start > stop.start() - 12 and not text[word_start - 1].isspace():
        word_start -= 1
    word = text[word_start : stop.start()].lstrip("(\"'\u201c").lower()
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        rest = text[stop.end() : min(end, stop.end() + 40)].lstrip()
        return bool(rest) and (
            word not in {"etc", "inc", "ltd", "co", "corp", "a.m", "p.m"} or not rest[:1].isupper()
        )
    rest = text[stop.end() : min(end, stop.end() + 40)].lstrip()
    return rest[:1].islower()


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while end - start > MAX_SENTENCE:
        cut = text.rfind(" ", start + MAX_SENTENCE // 2, start + MAX_SENTENCE)
        cut = start + MAX_SENTENCE if cut < 0 else cut
        yield Span(start, cut)
        start = cut + 1 if text[cut : cut + 1] == " " else cut
    if start < end:
        yield Span(start, end)
