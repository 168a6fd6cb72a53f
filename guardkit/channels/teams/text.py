"""Foreign text in an Adaptive Card, so that it is shown as it is.

`TextBlock` and `FactSet` read Markdown: `[invoice](https://evil.example)` becomes a link in them. A `TextRun` does
not. Both replace `{{DATE(…)}}` and `{{TIME(…)}}` by the time in words, so that a value would be shown as something
that it is not; a run that ends between the two braces is nothing to replace.
"""

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

from guardkit.core.values import Json, JsonObject

Look: TypeAlias = Literal["plain", "label", "value", "note", "words", "heading"]

_LOOKS: dict[Look, JsonObject] = {
    "plain": {},
    "label": {"weight": "Bolder"},
    "value": {"fontType": "Monospace"},
    "note": {"isSubtle": True, "size": "Small"},
    "words": {"italic": True},
    "heading": {"weight": "Bolder", "size": "Large"},
}

_FUNCTION = re.compile(r"(?<=\{)(?=\{\s*(?:DATE|TIME))", re.IGNORECASE)
_LINES = 20
"""Lines of a value that are drawn as lines; the line feeds of a longer one are marked."""


def runs(text: str, look: Look = "plain") -> list[Json]:
    """Text as inlines of a `RichTextBlock`.

    Args:
        text: any visible text.
        look: how it is set.
    """
    return [{"type": "TextRun", "text": part, **_LOOKS[look]} for part in _FUNCTION.split(text)]


def paragraph(*inlines: list[Json], close: bool = False) -> JsonObject:
    """Inlines in one line.

    Args:
        inlines: as `runs` makes them.
        close: whether it belongs to the line above.
    """
    return {
        "type": "RichTextBlock",
        "inlines": [one for some in inlines for one in some],
        "spacing": "None" if close else "Small",
    }


def labelled(label: str, text: str, look: Look = "plain", note: str = "") -> Iterator[JsonObject]:
    """A label and what belongs to it, on as many lines as the text has.

    Args:
        label: what it is about.
        text: what is said.
        look: how the text is set.
        note: what else is to be known about it.
    """
    lines = text.split("\n")
    if len(lines) > _LINES:
        lines = [text.replace("\n", "⟨U+000A⟩")]
    tail = runs(f"  {note}", "note") if note else []
    head = runs(f"{label}: ", "label")
    if len(lines) == 1:
        yield paragraph(head, runs(lines[0], look) if lines[0] else [], tail)
        return
    yield paragraph(head, tail)
    for line in lines:
        # An empty run is nothing to some clients, so that an empty line would vanish.
        yield paragraph(runs(line or " ", look), close=True)


def plain_words(text: str, otherwise: str) -> str:
    """What is left of a name where only a plain string can stand, and its reader may look for markup.

    Args:
        text: any text.
        otherwise: what is written when nothing is left.
    """
    return re.sub(r"[\W_]+", " ", text[:100]).strip() or otherwise
