"""A card as a Slack message."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from guardkit.channels.card import Card, Choice, Fact, Tone, fitted, row_note, shortened_again
from guardkit.channels.slack.rich import (
    date,
    header,
    inert,
    line,
    link,
    numbered,
    plain,
    quotation,
    rich,
    verbatim,
    words,
)
from guardkit.channels.slack.tickets import Ticket
from guardkit.core.approvals import DecisionKind
from guardkit.core.rows import Change, Row
from guardkit.core.values import Json, JsonObject

SIZE = 12_000
"""Characters of all blocks together as JSON. Slack refuses about 13,200 without saying what it counts; markup of
its own included is the safe reading (slackapi/bolt-js#2509)."""

ACTIONS: dict[DecisionKind, str] = {
    "approve": "gk_approve",
    "edit": "gk_edit",
    "reject": "gk_reject",
    "respond": "gk_respond",
}
"""The `action_id` of each button."""

OPEN = "gk_open"
"""The `action_id` of the button that leads to the inbox."""

_FALLBACK = 300
_TITLE = 150
_SHORT = 120
"""Characters of a value that is shown in its line; a longer one has its own lines."""

_LEAST = 2_000
_SIGNS: dict[Tone, str] = {"waiting": "⏳", "good": "✅", "bad": "⛔", "over": "⚪"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A message."""

    blocks: list[JsonObject]
    text: str
    """For notifications, and for clients that show no blocks."""


def draw(card: Card, *, offer: bool, confirm: bool, values: int) -> Drawing:
    """The message of a card.

    Args:
        card: as composed.
        offer: whether people of this copy may decide now.
        confirm: whether Slack asks again before an approval is sent.
        values: arguments, reads and changes that are shown at most of each.
    """
    prefix = f"gk.{card.approval_id[:40]}.{card.version}{'' if offer else '.x'}"
    characters, shown = SIZE, values
    while True:
        smaller = fitted(card, characters=characters, values=shown)
        blocks = numbered(_blocks(smaller, offer=offer, confirm=confirm), prefix)
        if size(blocks) <= SIZE:
            break
        if characters == _LEAST:
            blocks = numbered(_blocks(_bare(smaller), offer=offer, confirm=confirm), prefix)
            break
        characters, shown = max(_LEAST, characters * 2 // 3), max(2, shown * 2 // 3)
    return Drawing(blocks=blocks, text=fallback(card))


def size(blocks: list[JsonObject]) -> int:
    """Characters of blocks as JSON."""
    return len(json.dumps(blocks, ensure_ascii=False))


def fallback(card: Card) -> str:
    """The card in one line without markup."""
    return shortened_again(inert(card.headline), _FALLBACK)


def _bare(card: Card) -> Card:
    """What is left of a card whose facts alone are too long; by the rule of `fitted`."""
    stops = tuple(one for one in card.choices if one.kind in ("reject", "respond"))
    where = "The whole is behind the link." if card.link else "Nobody can approve it from here."
    return card.model_copy(
        update={
            "choices": card.choices if card.link else stops,
            "notice": f"This message does not show everything. {where}",
            "facts": tuple(fact for fact in card.facts if fact.at is not None),
            "args": card.args[:4],
            "reads": (),
            "changes": card.changes[:2],
            "thought": "",
            "stages": card.stages[:1],
            "said": card.said[-1:],
        }
    )


def _blocks(card: Card, *, offer: bool, confirm: bool) -> list[JsonObject]:
    drawn = [
        header(card.title if len(card.title) <= _TITLE else shortened_again(card.title, 90)),
        rich(line(words(f"{_SIGNS[card.tone]} {card.status}", "bold")), *map(_fact, card.facts)),
    ]
    if card.args:
        drawn.append(rich(line(words("Arguments", "bold")), *_rows(card.args)))
    if card.reads:
        drawn.append(rich(line(words("Also reads", "bold")), *_rows(card.reads)))
    if card.changes:
        drawn.append(rich(line(words("Edited", "bold")), *changed(card.changes)))
    if card.thought:
        drawn.append(rich(line(words("The model's words, not verified", "bold")), quotation(card.thought)))
    drawn.append(rich(line(words("Who must approve", "bold")), *map(_fact, card.stages)))
    if card.said:
        drawn.append(rich(line(words("Said so far", "bold")), *map(_fact, card.said)))
    if card.notice:
        drawn.append(rich(line(words(card.notice, "bold"))))
    buttons = [_button(card, choice, confirm=confirm) for choice in card.choices] if offer else []
    if buttons and card.link:
        buttons.append(inbox_button(card.link))
    if buttons:
        drawn.append({"type": "actions", "elements": list[Json](buttons)})
    elif card.link:
        drawn.append(rich(line(link(card.link, "Open in the inbox"))))
    return drawn


def _fact(fact: Fact) -> JsonObject:
    said = words(fact.text) if fact.at is None else date(fact.at)
    return line(words(f"{fact.label}: ", "bold"), said)


def _rows(rows: tuple[Row, ...]) -> Iterator[JsonObject]:
    labels = Counter(row.label for row in rows)
    for row in rows:
        name = [words(row.label, "bold")]
        if labels[row.label] > 1 and row.path:
            name.append(words(f" {row.path}", "italic"))
        note = row_note(row)
        if note:
            name.append(words(f" ({note})", "italic"))
        if "\n" in row.text or len(row.text) > _SHORT:
            yield line(*name)
            yield verbatim(row.text)
        else:
            yield line(*name, words("  "), words(row.text, "code"))


def changed(changes: tuple[Change, ...]) -> Iterator[JsonObject]:
    """The lines of what an edit changes."""
    for change in changes:
        before = "absent" if change.before is None else change.before
        after = "absent" if change.after is None else change.after
        if "\n" in before + after or len(before) + len(after) > _SHORT:
            yield line(words(change.label, "bold"), words(" was"))
            yield verbatim(before)
            yield line(words("now is"))
            yield verbatim(after)
        else:
            yield line(
                words(change.label, "bold"),
                words("  "),
                words(before, "strike"),
                words(" → "),
                words(after, "code"),
            )


def _button(card: Card, choice: Choice, *, confirm: bool) -> JsonObject:
    button: JsonObject = {
        "type": "button",
        "action_id": ACTIONS[choice.kind],
        "text": plain(choice.label),
        "value": Ticket(approval_id=card.approval_id, version=card.version).value,
    }
    if choice.kind == "approve":
        button["style"] = "primary"
        if confirm and not choice.comment:
            button["confirm"] = _confirmation(card)
    if choice.kind == "reject":
        button["style"] = "danger"
    return button


def _confirmation(card: Card) -> JsonObject:
    shown = "; ".join(f"{row.label}: {row.text}" for row in card.args if row.prominent)
    said = f"{card.title}. {shown}" if shown else card.title
    return {
        "title": plain("Approve this?"),
        "text": plain(said if len(said) <= 300 else f"{said[:240]} … and more, see the message."),
        "confirm": plain("Approve"),
        "deny": plain("Go back"),
    }


def inbox_button(url: str) -> JsonObject:
    """A button that leads to the inbox."""
    return {"type": "button", "action_id": OPEN, "text": plain("Open in the inbox"), "url": url}
