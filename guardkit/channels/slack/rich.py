"""Blocks of Slack's Block Kit for text that somebody else wrote.

Slack reads `mrkdwn` objects for markup, links and mentions. The objects made here are shown as they are: `plain_text`
with emoji names left alone, and the `text` elements of rich text (docs.slack.dev, Block Kit reference).
"""

import re

from guardkit.core.presentation import utc
from guardkit.core.values import Json, JsonObject

_ACTIVE = re.compile(r"[<>&*_~`|:@#\[\]()!/\\]+")
_DATE = "{date_short} at {time}"


def plain(text: str) -> JsonObject:
    """A text object that is shown as it is; at least one character, as Slack demands."""
    return {"type": "plain_text", "text": text or " ", "emoji": False}


def inert(text: str) -> str:
    """Text for places that Slack reads for markup: without the characters that begin any."""
    return " ".join(_ACTIVE.sub(" ", text).split())


def words(text: str, *styles: str) -> JsonObject:
    """A piece of a line.

    Args:
        text: anything.
        styles: of `bold`, `italic`, `strike`, `code`.
    """
    piece: JsonObject = {"type": "text", "text": text or " "}
    if styles:
        piece["style"] = dict.fromkeys(styles, True)
    return piece


def date(at: float) -> JsonObject:
    """A time, shown in the reader's own zone.

    Args:
        at: seconds since the epoch.
    """
    return {"type": "date", "timestamp": int(at), "format": _DATE, "fallback": utc(at)}


def link(url: str, text: str) -> JsonObject:
    """A link of guardkit's own."""
    return {"type": "link", "url": url, "text": text}


def line(*pieces: JsonObject) -> JsonObject:
    """A line of rich text."""
    return {"type": "rich_text_section", "elements": list[Json](pieces)}


def verbatim(text: str) -> JsonObject:
    """Text in a fixed font with its line breaks."""
    return {"type": "rich_text_preformatted", "elements": [words(text)]}


def quotation(text: str) -> JsonObject:
    """What somebody else said."""
    return {"type": "rich_text_quote", "elements": [words(text)]}


def rich(*parts: JsonObject) -> JsonObject:
    """A block of rich text."""
    return {"type": "rich_text", "elements": list[Json](parts)}


def header(text: str) -> JsonObject:
    """A title; at most 150 characters."""
    return {"type": "header", "text": plain(text)}


def numbered(blocks: list[JsonObject], prefix: str) -> list[JsonObject]:
    """The blocks with ids: Slack wants new ones for each version of a message.

    Args:
        blocks: without ids, or with ids of their own.
        prefix: what the ids begin with, e.g. the approval and its version.
    """
    return [{"block_id": f"{prefix}.{number}", **block} for number, block in enumerate(blocks)]
