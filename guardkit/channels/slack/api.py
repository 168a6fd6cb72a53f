"""Calls of Slack's Web API, and what their failures mean."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, cast

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry import ConnectionErrorRetryHandler, RateLimitErrorRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

from guardkit.core.values import JsonObject
from guardkit.errors import ChannelError

QUIET = logging.getLogger("guardkit.channels.slack.sdk")
"""What slack_sdk logs: at its DEBUG level that is whole messages, so the level is pinned."""
QUIET.setLevel(logging.CRITICAL)

SEND_SECONDS = 15
"""How long an answer to a message is waited for."""

ASK_SECONDS = 2
"""How long an answer is waited for while somebody waits for ours: Slack gives 3 seconds."""

_PATIENCE = 20
"""Seconds of a rate limit that are waited for in place; after longer ones the worker comes again."""

_UNSURE = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})
"""Errors of a call that may nevertheless have been done (docs.slack.dev, chat.postMessage, errors)."""

_JSON = frozenset(
    {
        "chat.postEphemeral",
        "chat.postMessage",
        "chat.update",
        "conversations.open",
        "views.open",
        "views.update",
    }
)

_REMEDIES: dict[str, str] = {
    "invalid_auth": "copy the token of the installed app again; bot tokens begin with xoxb-, app tokens with xapp-",
    "not_authed": "set the token",
    "not_allowed_token_type": "use the bot token, xoxb-, for messages and the app token, xapp-, for Socket Mode",
    "token_revoked": "install the app in the workspace again and use its new token",
    "token_expired": "switch token rotation off in the app's settings, and install the app again",
    "account_inactive": "the app or its workspace was removed; install the app again",
    "missing_scope": "add the scope to the app and install it again",
    "channel_not_found": "use the conversation's id, such as C0123; into a private one invite the bot: /invite @guardkit",
    "not_in_channel": "invite the bot into the conversation: /invite @guardkit",
    "is_archived": "unarchive the conversation, or name another one",
    "restricted_action": "the workspace restricts who may write there; allow the app",
    "users_not_found": "nobody in the workspace has this e-mail address; list identity slack:<team>:<user> in the directory",
    "user_not_found": "the directory lists somebody who is not in the workspace",
    "user_disabled": "the directory lists somebody whose Slack account is deactivated",
    "ratelimited": "it is tried again later",
    "msg_blocks_too_long": "lower Slack(values=…)",
}


class SlackError(ChannelError):
    """Slack refused a call, or did not answer.

    Attributes:
        said: Slack's error, e.g. `not_in_channel`; `None` when there was no readable answer.
        unsure: whether the call may have been done all the same.
    """

    def __init__(self, method: str, said: str | None, *, unsure: bool, needed: str | None = None) -> None:
        remedy = _REMEDIES.get(said or "")
        if said is None:
            super().__init__(f"Slack did not answer {method}", remedy="it is tried again")
        else:
            wanted = f", it needs {needed}" if needed else ""
            super().__init__(f"Slack refused {method}: {said}{wanted}", remedy=remedy)
        self.said = said
        self.unsure = unsure


class _Patient(RateLimitErrorRetryHandler):
    """Waits for a rate limit in place where that is short."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if not super()._can_retry(state=state, request=request, response=response, error=error):
            return False
        headers = {} if response is None else response.headers
        asked = next((value for name, value in headers.items() if name.lower() == "retry-after"), ["1"])
        return re.fullmatch(r"\d{1,3}", asked[0]) is not None and int(asked[0]) <= _PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Three ways to call the same API: they differ in what is tried again, and in how long they wait."""

    posting: WebClient
    """Writes messages. A call whose answer got lost is not repeated: Slack would write the message twice."""

    updating: WebClient
    """Everything that may be repeated."""

    asking: WebClient
    """Calls while somebody waits; short, and not repeated."""

    @classmethod
    def of(cls, token: str, *, base_url: str, proxy: str | None) -> "Clients":
        """Clients with one token.

        Args:
            token: the bot token, or for Socket Mode the app token.
            base_url: where the API is.
            proxy: URL of an HTTP proxy; by default what the environment says.
        """

        def client(seconds: int, *handlers: Any) -> WebClient:
            return WebClient(
                token=token,
                base_url=base_url,
                timeout=seconds,
                proxy=proxy,
                logger=QUIET,
                retry_handlers=list(handlers),
            )

        return cls(
            posting=client(SEND_SECONDS, _Patient()),
            updating=client(SEND_SECONDS, _Patient(), ConnectionErrorRetryHandler()),
            asking=client(ASK_SECONDS),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What Slack answers to a call."""

    data: Mapping[str, object]
    headers: Mapping[str, str]
    """By name in lower case."""

    def value(self, *path: str) -> object:
        """A field; `None` when it is not there."""
        found: object = self.data
        for name in path:
            found = cast("Mapping[str, object]", found).get(name) if isinstance(found, dict) else None
        return found

    def text(self, *path: str) -> str | None:
        """A field, if it is text and not empty."""
        found = self.value(*path)
        return found if isinstance(found, str) and found else None


def call(client: WebClient, method: str, arguments: JsonObject | None = None) -> Answer:
    """Call a method of the Web API.

    Methods that write take JSON, the others forms (docs.slack.dev, Web API, POST bodies).

    Args:
        client: of `Clients`.
        method: e.g. `chat.postMessage`.
        arguments: those that are `None` are left out.

    Raises:
        SlackError: Slack refuses it, or does not answer.
    """
    given = {name: value for name, value in (arguments or {}).items() if value is not None}
    as_json = method in _JSON
    sdk = cast("Any", client)
    try:
        response = sdk.api_call(method, json=given if as_json else None, data=None if as_json else given)
    except SlackApiError as error:
        raise _refused(
            method, _answer(cast("Any", error).response), cast("Any", error).response.status_code
        ) from None
    except (
        AttributeError,
        HTTPException,
        OSError,
        SlackClientError,
        TypeError,
        ValueError,
    ) as error:  # AttributeError, TypeError and ValueError where the answer is no JSON object
        raise SlackError(method, None, unsure=True) from error
    return _answer(response)


def _answer(response: Any) -> Answer:
    data: object = response.data
    headers: dict[str, str] = {}
    for name, value in response.headers.items():
        headers[str(name).lower()] = str(value)
    return Answer(cast("Mapping[str, object]", data) if isinstance(data, dict) else {}, headers)


def _refused(method: str, said: Answer, status: int) -> SlackError:
    if status == 429:
        return SlackError(method, "ratelimited", unsure=False)
    code = said.text("error")
    if code is None or re.fullmatch(r"[a-z][a-z0-9_]{0,63}", code) is None:
        return SlackError(method, None, unsure=True)
    needed = said.text("needed")
    fine = needed is not None and re.fullmatch(r"[a-z:.,_]{1,200}", needed) is not None
    return SlackError(method, code, unsure=code in _UNSURE or status >= 500, needed=needed if fine else None)
