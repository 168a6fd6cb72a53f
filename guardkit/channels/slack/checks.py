"""Blocks and modals, checked before they are sent: a message that Slack refuses reaches nobody."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from guardkit.channels.slack.blocks import SIZE, size
from guardkit.core.values import Json, JsonObject
from guardkit.errors import ChannelError

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100


def check_message(blocks: list[JsonObject]) -> None:
    """Refuse blocks that Slack would refuse, and any text that it would read for markup.

    Raises:
        ChannelError: names what is wrong; none of the text.
    """
    _check(blocks, MESSAGE_BLOCKS)
    if size(blocks) > SIZE:
        raise ChannelError(f"the blocks have {size(blocks):,} characters", remedy="lower Slack(values=…)")


def check_view(view: JsonObject) -> None:
    """Refuse a modal that Slack would refuse, and any text that it would read for markup.

    Raises:
        ChannelError: names what is wrong; none of the text.
    """
    _check(cast("list[JsonObject]", view["blocks"]), VIEW_BLOCKS)
    try:
        cast("Any", View)(**view).to_dict()
    except SlackObjectFormationError as error:
        raise ChannelError(f"Slack does not take this modal: {error}") from error


def _check(blocks: Sequence[JsonObject], most: int) -> None:
    if not 0 < len(blocks) <= most:
        raise ChannelError(f"{len(blocks)} blocks, Slack takes 1 to {most}")
    try:
        for block in cast("Any", Block).parse_all(blocks):
            block.to_dict()
    except (AttributeError, SlackObjectFormationError) as error:  # AttributeError: an unknown type is None
        raise ChannelError(f"Slack does not take these blocks: {error}") from error
    if any(one.get("type") == "mrkdwn" for one in _objects(list[Json](blocks))):
        raise ChannelError("a text object of type mrkdwn, which Slack reads for markup")
    for name in ("block_id", "action_id"):
        ids = [one[name] for one in _objects(list[Json](blocks)) if name in one]
        if len(set(map(str, ids))) != len(ids):
            raise ChannelError(f"the same {name} twice")


def _objects(value: Json) -> Iterator[JsonObject]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)
