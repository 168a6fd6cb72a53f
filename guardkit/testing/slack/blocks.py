"""The blocks of messages and views, checked against Slack's limits."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from guardkit.core.values import Json, JsonObject
from guardkit.testing.slack.elements import (
    ID_LENGTH,
    IN_ACTIONS,
    IN_CONTEXT,
    IN_INPUT,
    IN_SECTION,
    among,
)
from guardkit.testing.slack.rich_text import RICH_TEXT_PARTS
from guardkit.testing.slack.rules import Check, Findings, Problem, Rule
from guardkit.testing.slack.shapes import choice, fields, flag, items, string, text, typed

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
BLOCK_TEXT = 13_200
"""Characters that all blocks of a message may have together. Slack does not document it."""

_BLOCK_ID: dict[str, Check] = {"block_id": string(Rule.BLOCK_ID, ID_LENGTH)}

_RICH_TEXT = fields(
    required={"elements": items(Rule.WRONG_TYPE, typed(RICH_TEXT_PARTS), most=10_000)},
    optional=_BLOCK_ID,
)
_CELL = typed(
    {
        "rich_text": _RICH_TEXT,
        "raw_text": fields(required={"text": string(Rule.WRONG_TYPE, 10_000)}),
    }
)
_ANY_SECTION = fields(
    optional={
        **_BLOCK_ID,
        "text": text(Rule.SECTION_TEXT, 3000),
        "fields": items(Rule.SECTION_FIELDS, text(Rule.FIELD_TEXT, 2000), most=10),
        "accessory": typed(among(IN_SECTION)),
        "expand": flag,
    }
)


def _section(value: Json, pointer: str, findings: Findings) -> None:
    _ANY_SECTION(value, pointer, findings)
    if isinstance(value, dict) and "text" not in value and "fields" not in value:
        findings.add(Rule.SECTION_WITHOUT_TEXT, pointer, "must have text or fields")


def _context_element(value: Json, pointer: str, findings: Findings) -> None:
    if isinstance(value, dict) and value.get("type") in ("plain_text", "mrkdwn"):
        text(Rule.SECTION_TEXT, 3000)(value, pointer, findings)
    else:
        typed(among(IN_CONTEXT))(value, pointer, findings)


BLOCKS: dict[str, Check] = {
    "section": _section,
    "header": fields(required={"text": text(Rule.HEADER_TEXT, 150, plain=True)}, optional=_BLOCK_ID),
    "divider": fields(optional=_BLOCK_ID),
    "context": fields(
        required={"elements": items(Rule.CONTEXT_ELEMENTS, _context_element, most=10)},
        optional=_BLOCK_ID,
    ),
    "actions": fields(
        required={"elements": items(Rule.ACTIONS_ELEMENTS, typed(among(IN_ACTIONS)), most=25)},
        optional=_BLOCK_ID,
    ),
    "image": fields(
        required={
            "image_url": string(Rule.IMAGE_URL, 3000),
            "alt_text": string(Rule.IMAGE_ALT_TEXT, 2000),
        },
        optional={**_BLOCK_ID, "title": text(Rule.IMAGE_TITLE, 2000, plain=True)},
    ),
    "markdown": fields(required={"text": string(Rule.MARKDOWN_TEXT, 12_000)}, optional=_BLOCK_ID),
    "table": fields(
        required={
            "rows": items(Rule.TABLE_ROWS, items(Rule.TABLE_CELLS, _CELL, most=20), most=100),
        },
        optional={
            **_BLOCK_ID,
            "column_settings": items(
                Rule.TABLE_CELLS,
                fields(optional={"align": choice("left", "center", "right"), "is_wrapped": flag}),
                most=20,
            ),
        },
    ),
    "input": fields(
        required={
            "label": text(Rule.INPUT_LABEL, 2000, plain=True),
            "element": typed(among(IN_INPUT)),
        },
        optional={
            **_BLOCK_ID,
            "hint": text(Rule.INPUT_HINT, 2000, plain=True),
            "optional": flag,
            "dispatch_action": flag,
        },
    ),
    "rich_text": _RICH_TEXT,
}
"""The check of each kind of block."""

_VIEW = fields(
    required={
        "title": text(Rule.VIEW_TITLE, 24, plain=True),
        "blocks": items(Rule.BLOCKS_OF_VIEW, typed(BLOCKS), most=VIEW_BLOCKS),
    },
    optional={
        "submit": text(Rule.VIEW_SUBMIT, 24, plain=True),
        "close": text(Rule.VIEW_CLOSE, 24, plain=True),
        "private_metadata": string(Rule.PRIVATE_METADATA, 3000, least=0),
        "callback_id": string(Rule.CALLBACK_ID, ID_LENGTH, least=0),
        "external_id": string(Rule.CALLBACK_ID, ID_LENGTH, least=0),
        "clear_on_close": flag,
        "notify_on_close": flag,
        "submit_disabled": flag,
    },
)


def message_problems(blocks: Any) -> tuple[Problem, ...]:
    """What Slack refuses in the blocks of a message."""
    findings = Findings()
    items(Rule.BLOCKS_OF_MESSAGE, typed(BLOCKS), most=MESSAGE_BLOCKS, least=0)(blocks, "/blocks", findings)
    _identities(blocks, "/blocks", findings)
    return tuple(findings.problems)


def view_problems(view: Any) -> tuple[Problem, ...]:
    """What Slack refuses in a modal."""
    findings = Findings()
    typed({"modal": _VIEW})(view, "/view", findings)
    for whole in objects([view]):
        blocks = whole.get("blocks")
        _identities(blocks, "/view/blocks", findings)
        if "submit" not in whole and any(block.get("type") == "input" for block in objects(blocks)):
            findings.add(Rule.SUBMIT_MISSING, "/view", "missing required field: submit, with input blocks")
    return tuple(findings.problems)


def objects(values: Json) -> Iterator[JsonObject]:
    """The objects in a list; nothing for what is no list."""
    if isinstance(values, list):
        for value in values:
            if isinstance(value, dict):
                yield value


def elements(block: JsonObject) -> Iterator[JsonObject]:
    """What people can use in a block: its buttons, menus and inputs."""
    match block.get("type"):
        case "actions":
            yield from objects(block.get("elements"))
        case "section":
            yield from objects([block.get("accessory")])
        case "input":
            yield from objects([block.get("element")])
        case _:
            pass


def text_length(value: Json) -> int:
    """Characters of all texts that blocks show."""
    if isinstance(value, list):
        return sum(text_length(item) for item in value)
    if isinstance(value, dict):
        return sum(
            len(part) if name == "text" and isinstance(part, str) else text_length(part)
            for name, part in value.items()
        )
    return 0


def identified(blocks: Json, fresh: Iterable[str]) -> tuple[JsonObject, ...]:
    """A copy of the blocks in which everything has an id, as Slack stores it.

    Args:
        blocks: checked blocks.
        fresh: gives an unused id at each step.
    """
    names = iter(fresh)
    copies = tuple(copy.deepcopy(block) for block in objects(blocks))
    for block in copies:
        block.setdefault("block_id", next(names))
        for element in elements(block):
            if element.get("type") != "image":
                element.setdefault("action_id", next(names))
    return copies


def _identities(blocks: Json, pointer: str, findings: Findings) -> None:
    seen: set[str] = set()
    for index, block in enumerate(objects(blocks)):
        name = block.get("block_id")
        if isinstance(name, str):
            if name in seen:
                findings.add(
                    Rule.BLOCK_ID_REPEATED, f"{pointer}/{index}/block_id", f"block_id {name} already exists"
                )
            seen.add(name)
        actions: set[str] = set()
        for element in elements(block):
            action = element.get("action_id")
            if isinstance(action, str):
                if action in actions:
                    findings.add(
                        Rule.ACTION_ID_REPEATED,
                        f"{pointer}/{index}",
                        f"action_id {action} already exists in this block",
                    )
                actions.add(action)
