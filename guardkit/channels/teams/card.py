"""An approval as an Adaptive Card 1.5, which is the version that Teams takes from bots.

Source: https://adaptivecards.io/schemas/adaptive-card.json, version 1.5, and
https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/universal-actions-for-adaptive-cards/overview.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from guardkit.channels.card import Card, Fact, Tone, fitted, row_note
from guardkit.channels.teams.form import inputs
from guardkit.channels.teams.text import labelled, paragraph, plain_words, runs
from guardkit.core.approvals import DecisionKind
from guardkit.core.fields import Field
from guardkit.core.rows import Change, Row
from guardkit.core.values import Json, JsonObject

SIZE = 80_000
"""Bytes of a message in UTF-16 that are used. Teams takes about 100 KB and says so in no exact number."""

CARD_TYPE = "application/vnd.microsoft.card.adaptive"

REASON = "reason"
"""The input that holds what somebody wrote. Arguments' inputs are called `f0`, `f1` and so on."""

_REASON_LIMIT = 4000
_STYLES: dict[Tone, str] = {"waiting": "warning", "good": "good", "bad": "attention", "over": "emphasis"}
_STEPS = ((24_000, 120), (16_000, 80), (10_000, 48), (6_000, 24), (3_000, 12), (2_000, 6))
"""Characters and values of a card that is made smaller step by step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is drawn: a card, and what Teams adds to it."""

    card: Card
    fields: Sequence[Field] = ()
    """The edit form; empty where edits need the inbox."""

    part_of_fields: bool = False
    """Whether some arguments are edited in the inbox only."""

    notices: Sequence[str] = ()
    """What its reader has to know first."""


def draw(sheet: Sheet, *, limit: int = SIZE) -> JsonObject:
    """The Adaptive Card, made smaller until Teams takes it.

    Args:
        sheet: what to draw.
        limit: bytes in UTF-16 that it may have.
    """
    for part in _smaller(sheet):
        drawn = _card(part)
        if size(drawn) <= limit:
            return drawn
    return _card(_smallest(sheet))


def size(value: Json) -> int:
    """Bytes of JSON in UTF-16, by which Teams counts.

    Args:
        value: a card, or a message.
    """
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-16-le"))


def _smaller(sheet: Sheet) -> Iterator[Sheet]:
    yield sheet
    without_form = replace(sheet, fields=())
    yield without_form
    for characters, values in _STEPS:
        yield replace(without_form, card=fitted(sheet.card, characters=characters, values=values))


def _smallest(sheet: Sheet) -> Sheet:
    cut = fitted(sheet.card, characters=2_000, values=2)
    nothing = {"args": (), "reads": (), "changes": (), "said": (), "thought": ""}
    few = {"stages": cut.stages[:2], "facts": cut.facts[:8]}
    return replace(sheet, fields=(), card=cut.model_copy(update={**nothing, **few}))


def _card(sheet: Sheet) -> JsonObject:
    card = sheet.card
    body: list[Json] = [_head(card)]
    body += [paragraph(runs(notice, "label")) for notice in (*sheet.notices, card.notice) if notice]
    for fact in card.facts:
        body += _fact(fact)
    body += _section("Arguments", [element for row in card.args for element in _row(row)])
    body += _section("Also reads", [element for row in card.reads for element in _row(row)])
    body += _section("Changed by people", [element for change in card.changes for element in _change(change)])
    if card.thought:
        body += _section("The model's words, not verified", list(labelled("It wrote", card.thought, "words")))
    body += _section("Who approves", [one for fact in card.stages for one in labelled(fact.label, fact.text)])
    body += _section("What was said", [one for fact in card.said for one in labelled(fact.label, fact.text)])
    actions: list[Json] = [*_actions(sheet)]
    drawn: JsonObject = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "body": body,
    }
    return {**drawn, "actions": actions} if actions else drawn


def _head(card: Card) -> JsonObject:
    return {
        "type": "Container",
        "style": _STYLES[card.tone],
        "bleed": True,
        "items": [paragraph(runs(card.title, "heading")), paragraph(runs(card.status, "label"), close=True)],
    }


def _section(title: str, elements: Sequence[Json]) -> list[Json]:
    """Elements under a title of guardkit's own words; nothing where there are none."""
    if not elements:
        return []
    heading: JsonObject = {"type": "TextBlock", "text": title, "weight": "Bolder", "separator": True}
    return [heading, *elements]


def _fact(fact: Fact) -> list[Json]:
    if fact.at is None:
        return list(labelled(fact.label, fact.text))
    # The one text that a client may replace: it shows the time in its reader's own zone.
    at = f"{datetime.fromtimestamp(fact.at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    text = f"{plain_words(fact.label, 'At')}: {{{{DATE({at}, SHORT)}}}} {{{{TIME({at})}}}}"
    return [
        {"type": "TextBlock", "text": text, "weight": "Bolder", "wrap": True, "spacing": "Small"},
        paragraph(runs(fact.text, "note"), close=True),
    ]


def _row(row: Row) -> Iterator[JsonObject]:
    return labelled(row.label, row.text, "value", row_note(row))


def _change(change: Change) -> Iterator[JsonObject]:
    yield from labelled(
        f"{change.label}, before", "no value" if change.before is None else change.before, "value"
    )
    yield from labelled(f"{change.label}, now", "no value" if change.after is None else change.after, "value")


def _actions(sheet: Sheet) -> Iterator[JsonObject]:
    card = sheet.card
    for choice in card.choices:
        match choice.kind:
            case "approve" if choice.comment:
                words = _words(
                    "Why? The policy asks for a comment, which is kept with the decision.", "Say why"
                )
                yield _opens(choice.label, words, _execute(card, "approve", "Approve", "positive"))
            case "approve":
                yield {**_execute(card, "approve", "Approve", "positive"), "associatedInputs": "none"}
            case "reject":
                words = _words("Why? The reason is kept with the decision.", "Say why")
                yield _opens(choice.label, words, _execute(card, "reject", "Reject", "destructive"))
            case "respond":
                words = _words("What should the assistant be told?", "Write an answer")
                yield _opens(choice.label, words, _execute(card, "respond", "Send the answer"))
            case "edit":
                if sheet.fields:
                    form = _form(sheet, comment=choice.comment)
                    yield _opens(choice.label, form, _execute(card, "edit", "Approve with these values"))
    if card.link is not None:
        yield {"type": "Action.OpenUrl", "title": "Open in the inbox", "url": card.link}


def _form(sheet: Sheet, *, comment: bool) -> list[Json]:
    elements = inputs(sheet.fields)
    if sheet.part_of_fields:
        elements.append(paragraph(runs("Lists and long values are edited in the inbox.", "note")))
    asked = (
        _words("Why? The policy asks for a comment.", "Say why")
        if comment
        else _words("Why? (optional)", None)
    )
    return [*elements, *asked]


def _words(label: str, missing: str | None) -> list[Json]:
    field: JsonObject = {
        "type": "Input.Text",
        "id": REASON,
        "label": label,
        "isMultiline": True,
        "maxLength": _REASON_LIMIT,
    }
    return [field | ({} if missing is None else {"isRequired": True, "errorMessage": missing})]


def _execute(card: Card, verb: DecisionKind, title: str, style: str = "default") -> JsonObject:
    """The button. Its data comes back as anybody may have changed it: nothing but what was shown is in it."""
    return {
        "type": "Action.Execute",
        "title": title,
        "verb": verb,
        "data": {"id": card.approval_id, "version": card.version},
        "style": style,
    }


def _opens(title: str, body: list[Json], action: JsonObject) -> JsonObject:
    inner: JsonObject = {"type": "AdaptiveCard", "version": "1.5", "body": body, "actions": [action]}
    return {"type": "Action.ShowCard", "title": title, "card": inner}
