"""The structure of rich text: sections, preformatted text, lists, quotations and what they hold."""

from guardkit.testing.slack.rules import Check, Rule
from guardkit.testing.slack.shapes import choice, fields, flag, items, number, string, typed

_MANY = 10_000
"""Slack names no limit here."""

_ID = string(Rule.WRONG_TYPE, 255)
_LONG = string(Rule.WRONG_TYPE, _MANY)
_STYLES = fields(
    optional=dict.fromkeys(
        ("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"), flag
    )
)
_STYLED: dict[str, Check] = {"style": _STYLES}

_INLINE: dict[str, Check] = {
    "text": fields(required={"text": string(Rule.WRONG_TYPE, 40_000)}, optional=_STYLED),
    "link": fields(required={"url": _LONG}, optional={**_STYLED, "text": _LONG, "unsafe": flag}),
    "emoji": fields(
        required={"name": _ID}, optional={"unicode": _ID, "url": _LONG, "skin_tone": number(1, 6)}
    ),
    "user": fields(required={"user_id": _ID}, optional=_STYLED),
    "usergroup": fields(required={"usergroup_id": _ID}, optional=_STYLED),
    "team": fields(required={"team_id": _ID}, optional=_STYLED),
    "channel": fields(required={"channel_id": _ID}, optional=_STYLED),
    "color": fields(required={"value": _ID}, optional=_STYLED),
    "date": fields(
        required={"timestamp": number(0, 2**53), "format": _LONG},
        optional={**_STYLED, "url": _LONG, "fallback": _LONG},
    ),
    "broadcast": fields(required={"range": choice("here", "channel", "everyone")}, optional=_STYLED),
}

_ANY_INLINE = items(Rule.WRONG_TYPE, typed(_INLINE), most=_MANY, least=0)
_LITERAL = items(
    Rule.WRONG_TYPE, typed({"text": _INLINE["text"], "link": _INLINE["link"]}), most=_MANY, least=0
)
_BORDER: dict[str, Check] = {"border": number(0, 1)}
_SECTION = fields(required={"elements": _ANY_INLINE})

RICH_TEXT_PARTS: dict[str, Check] = {
    "rich_text_section": _SECTION,
    "rich_text_preformatted": fields(required={"elements": _LITERAL}, optional={**_BORDER, "language": _ID}),
    "rich_text_quote": fields(required={"elements": _ANY_INLINE}, optional=_BORDER),
    "rich_text_list": fields(
        required={
            "style": choice("bullet", "ordered"),
            "elements": items(Rule.WRONG_TYPE, typed({"rich_text_section": _SECTION}), most=_MANY, least=0),
        },
        optional={**_BORDER, "indent": number(0, 8), "offset": number(0, _MANY)},
    ),
}
"""The check of each part of a `rich_text` block."""
