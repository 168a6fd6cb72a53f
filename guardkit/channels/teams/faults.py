"""What can go wrong between guardkit and Teams, told apart by what has to be done about it."""

import re
from typing import cast

from guardkit.core.values import Json
from guardkit.errors import ChannelError

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


class LostReplyError(ChannelError):
    """A message may have been posted, or not: the answer to the request never came."""


class BlockedError(ChannelError):
    """The person has blocked or removed the app (403 `MessageWritesBlocked`), or it was never installed."""


class GoneError(ChannelError):
    """There is no such message or conversation any more."""


class TooLargeError(ChannelError):
    """The message is larger than Teams takes (413 `MessageSizeTooBig`)."""


def error_code(body: Json) -> str:
    """The service's own name for what went wrong, e.g. `MessageWritesBlocked`; empty when it gives none.

    Args:
        body: what was answered; `error.code` in the Bot Connector's REST API.
    """
    match body:
        case {"error": {"code": str() as code}} if _CODE.fullmatch(code):
            return code
        case _:
            return ""


def refusal(doing: str, status: int, body: Json) -> ChannelError:
    """The error for an answer that is no success.

    Args:
        doing: what was tried, e.g. `post a message`.
        status: of the HTTP answer.
        body: its JSON, if it was any.
    """
    code = error_code(body)
    what = f"Teams refused to {doing}: {status}{f' {code}' if code else ''}"
    match status, code:
        case 401, _:
            return ChannelError(what, remedy="check app id, tenant id and secret of the Azure Bot")
        case 403, "MessageWritesBlocked" | "BotDisabledByAdmin" | "ForbiddenOperationException":
            return BlockedError(what, remedy="the person has to install or unblock the app in Teams")
        case 403, _:
            return BlockedError(what, remedy="add the app to that team or chat, or let the person install it")
        case 404, "":
            # Not the Connector's own words: a proxy's, or another server's. Nothing is known of the message.
            return ChannelError(what, remedy="check service_url")
        case 404, _:
            return GoneError(what, remedy="check the conversation's id, and that the app is still there")
        case 413, _:
            return TooLargeError(what, remedy="decide in the inbox; the message cannot be made smaller")
        case 412 | 429, _:
            return ChannelError(what, remedy="Teams asks to slow down; it is tried again later")
        case _:
            return ChannelError(what)


def text_of(body: Json, name: str) -> str | None:
    """One text of a JSON object; `None` when it is not there or no text.

    Args:
        body: any JSON.
        name: the member's name.
    """
    value = cast("dict[str, Json]", body).get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) and value else None
