"""A card as the two parts of a mail: plain text, and HTML without anything that is fetched."""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from guardkit.channels.card import Card, Fact, row_note
from guardkit.channels.email.still import still
from guardkit.core.rows import Change, Row
from guardkit.core.values import Value

_THOUGHT = "The model's own words, not verified"
_SET_APART = "Signs in ⟨ ⟩ are set apart so that nothing that others wrote becomes a link. Answers to this mail are not read."

_TONES = {"waiting": "#7a4f00", "good": "#1d6b43", "bad": "#a3282b", "over": "#34495a"}
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif"
_VALUE = "white-space:pre-wrap;word-break:break-word;unicode-bidi:isolate"
_LABEL = "color:#59636a;padding:3px 14px 3px 0;vertical-align:top;text-align:left;font-weight:normal"
_LINK = "color:#17575b"
_BUTTON = "background:#1f5f63;color:#ffffff;padding:10px 18px;text-decoration:none;font-weight:600"


class Way(Value):
    """One way to go on, in guardkit's own words."""

    text: str
    url: str
    button: str
    """What the link is called."""


class Sheet(Value):
    """What one mail shows."""

    card: Card
    ways: tuple[Way, ...] = ()
    short: bool = False
    """Whether only status, words of people and changes are shown."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The card's facts; of a short sheet those that say how it ended and what it was about."""
        return (*self.card.facts[:3], self.card.facts[-1]) if self.short else self.card.facts


def plain(sheet: Sheet, when: Callable[[float], str]) -> str:
    """The plain part. A line of foreign text never stands at the left edge, where guardkit's own lines begin.

    Args:
        sheet: what to show.
        when: writes a time, given in seconds since the epoch.
    """
    card = sheet.card
    lines = [still(card.headline), ""]
    for way in sheet.ways:
        lines += [way.text, way.url, ""]
    lines += [line for fact in sheet.facts for line in _said(_shown(fact, when))]
    if not sheet.short:
        lines += ["", "Arguments", *(line for row in card.args for line in _row(row))]
        if card.reads:
            lines += ["", "It also reads", *(line for row in card.reads for line in _row(row))]
    if card.changes:
        lines += ["", "Edited", *(line for change in card.changes for line in _change(change))]
    if card.thought and not sheet.short:
        lines += ["", _THOUGHT, *_quoted(card.thought)]
    if not sheet.short:
        lines += ["", "Who must approve", *(line for fact in card.stages for line in _said(fact, "  "))]
    if card.said:
        lines += ["", "What was said", *(line for fact in card.said for line in _said(fact, "  "))]
    if card.notice:
        lines += ["", card.notice]
    return "\n".join([*lines, "", "-- ", _SET_APART, ""])


def _said(fact: Fact, indent: str = "") -> Iterator[str]:
    first, *more = still(fact.text).split("\n")
    yield f"{indent}{still(fact.label)}: {first}"
    yield from (f"{indent}  | {line}" for line in more)


def _quoted(text: str) -> Iterator[str]:
    yield from (f"  | {line}" for line in still(text).split("\n"))


def _row(row: Row) -> Iterator[str]:
    note = row_note(row)
    yield f"  {still(row.label + _path(row))}{f' ({note})' if note else ''}"
    yield from _quoted(row.text)


def _change(change: Change) -> Iterator[str]:
    yield f"  {still(change.label)}, asked for"
    yield from _quoted("⟨absent⟩" if change.before is None else change.before)
    yield f"  {still(change.label)}, now"
    yield from _quoted("⟨absent⟩" if change.after is None else change.after)


def _path(row: Row) -> str:
    """Where the value is, unless the label says so."""
    label, path = (re.sub(r"\W|_", "", text).casefold() for text in (row.label, row.path))
    return "" if label == path else f" [{row.path}]"


def _shown(fact: Fact, when: Callable[[float], str]) -> Fact:
    return fact if fact.at is None else fact.model_copy(update={"text": when(fact.at)})


def page(sheet: Sheet, when: Callable[[float], str]) -> str:
    """The HTML part: tables and inline styles, no picture, no script, no form; links only to the inbox.

    Args:
        sheet: what to show.
        when: writes a time, given in seconds since the epoch.
    """
    card = sheet.card
    parts = [
        f'<h1 style="font-size:20px;margin:0 0 12px;color:{_TONES[card.tone]}">{_escaped(card.headline)}</h1>'
    ]
    parts += [_ways(sheet.ways)]
    parts += [_table((_shown(fact, when).label, _shown(fact, when).text) for fact in sheet.facts)]
    if not sheet.short:
        parts += [_titled("Arguments"), _table(map(_pair, card.args))]
        if card.reads:
            parts += [_titled("It also reads"), _table(map(_pair, card.reads))]
    if card.changes:
        parts += [_titled("Edited"), _changes(card.changes)]
    if card.thought and not sheet.short:
        parts += [
            _titled(_THOUGHT),
            f'<p dir="ltr" style="font-style:italic;{_VALUE}">{_escaped(card.thought)}</p>',
        ]
    if not sheet.short:
        parts += [_titled("Who must approve"), _table((fact.label, fact.text) for fact in card.stages)]
    if card.said:
        parts += [_titled("What was said"), _table((fact.label, fact.text) for fact in card.said)]
    if card.notice:
        parts += [f"<p><strong>{html.escape(card.notice)}</strong></p>"]
    parts += [f'<p style="color:#59636a;font-size:13px">{_SET_APART}</p>']
    # Phones make links of numbers and dates too; these two ask them not to.
    head = '<meta charset="utf-8"><meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">'
    body = f'<div dir="ltr" style="max-width:640px;color:#1d2327;font-size:15px;line-height:1.45;{_FONT}">{"".join(parts)}</div>'
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"


def _escaped(text: str) -> str:
    return html.escape(still(text), quote=True)


def _ways(ways: Sequence[Way]) -> str:
    return "".join(
        f"<p>{html.escape(way.text)}</p>{_anchor(way, _BUTTON if at == 0 else _LINK)}"
        for at, way in enumerate(ways)
    )


def _anchor(way: Way, style: str) -> str:
    url = html.escape(way.url, quote=True)
    return f'<p><a href="{url}" style="{style}">{html.escape(way.button)}</a></p>'


def _titled(text: str) -> str:
    return f'<h2 style="font-size:15px;margin:18px 0 4px">{html.escape(text)}</h2>'


def _pair(row: Row) -> tuple[str, str]:
    note = row_note(row)
    return f"{row.label}{_path(row)}", f"{row.text}{f' ({note})' if note else ''}"


def _table(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th style="{_LABEL}">{_escaped(label)}</th><td dir="ltr" style="{_VALUE}">{_escaped(text)}</td></tr>'
        for label, text in pairs
    )
    return f'<table style="border-collapse:collapse">{rows}</table>'


def _changes(changes: Sequence[Change]) -> str:
    def cell(tag: str, text: str | None) -> str:
        return f'<td dir="ltr" style="padding-right:14px;vertical-align:top;{_VALUE}"><{tag}>{_escaped("⟨absent⟩" if text is None else text)}</{tag}></td>'

    rows = "".join(
        f'<tr><th style="{_LABEL}">{_escaped(one.label)}</th>{cell("del", one.before)}{cell("ins", one.after)}</tr>'
        for one in changes
    )
    head = "<tr><th></th><th>Asked for</th><th>Now</th></tr>"
    return f'<table style="border-collapse:collapse">{head}{rows}</table>'
