"""The Bot Connector's REST API: the few calls that an approval needs.

Source: https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference, and for
limits https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.parse import quote

import httpx

from guardkit.channels.teams.entra import Tokens
from guardkit.channels.teams.faults import LostReplyError, refusal, text_of
from guardkit.channels.teams.settings import Bot
from guardkit.core.values import Json, JsonObject
from guardkit.errors import ChannelError

_SLOW_DOWN = frozenset({412, 429})
"""Nothing has happened: may be sent again."""

_BROKEN = frozenset({500, 502, 503, 504})
"""It may have happened."""

_UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Nothing was sent."""

_JITTER = random.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a request is made, and how long is waited in between."""

    attempts: int = 4
    first: float = 0.5
    """Seconds before the second attempt, at most; doubles with each."""

    longest: float = 8.0
    """Seconds that are waited at most. Where Teams asks for more, the worker comes back later."""

    def wait(self, attempt: int, reply: httpx.Response | None) -> bool:
        """Wait before the next attempt. Returns whether there is one.

        Args:
            attempt: how many were made.
            reply: what Teams answered to the last one, if it did.
        """
        if attempt >= self.attempts:
            return False
        asked = _retry_after(reply)
        if asked > self.longest:
            return False
        limit = min(self.longest, self.first * 2 ** (attempt - 1))
        time.sleep(max(asked, limit * _JITTER.uniform(0.5, 1.0)))
        return True


ONCE = Patience(attempts=1)
"""For requests on which somebody waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A conversation, and which service it is at."""

    service_url: str
    conversation: str

    def url(self, *more: str) -> str:
        """The address of something in the conversation."""
        parts = ("v3", "conversations", self.conversation, *more)
        return "/".join([self.service_url.rstrip("/"), *(quote(part, safe="") for part in parts)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody in a conversation, as Teams' own directory knows them."""

    object_id: str | None
    tenant_id: str | None
    email: str | None
    principal_name: str | None


class Connector:
    """Posts, updates and looks up, with the app's token.

    Args:
        client: what requests are made with.
        tokens: where the token comes from.
        bot: the app.
        patience: how often requests are repeated that can be.
        trusts: says whether the token may be sent to a service.
    """

    def __init__(
        self,
        client: httpx.Client,
        tokens: Tokens,
        bot: Bot,
        patience: Patience,
        trusts: Callable[[str], bool],
    ) -> None:
        self._client = client
        self._tokens = tokens
        self._bot = bot
        self._patience = patience
        self._trusts = trusts

    def converse(self, service_url: str, user: str, tenant: str) -> Place:
        """The personal conversation with somebody. Asking twice gives the same one.

        Args:
            service_url: the service that the person was met at.
            user: the person's id for this bot, `29:…`.
            tenant: the person's Entra tenant.

        Raises:
            ChannelError: there is none.
        """
        body: JsonObject = {
            "isGroup": False,
            "bot": {"id": self._bot.id},
            "members": [{"id": user}],
            "tenantId": tenant,
            "channelData": {"tenant": {"id": tenant}},
        }
        url = f"{service_url.rstrip('/')}/v3/conversations"
        answer = self._ask("open a conversation", "POST", url, body, repeatable=True)
        return Place(service_url=service_url, conversation=_id(answer, "open a conversation"))

    def post(self, place: Place, activity: JsonObject) -> str:
        """Post a message; returns its id.

        Raises:
            LostReplyError: it may be there.
            ChannelError: it is not there.
        """
        answer = self._ask("post a message", "POST", place.url("activities"), activity, repeatable=False)
        return _id(answer, "post a message")

    def update(self, place: Place, activity_id: str, activity: JsonObject) -> None:
        """Replace a message.

        Raises:
            GoneError: somebody has deleted it.
            ChannelError: it shows what it showed before, or what it should.
        """
        url = place.url("activities", activity_id)
        self._ask("update a message", "PUT", url, {**activity, "id": activity_id}, repeatable=True)

    def member(self, place: Place, user: str) -> Member:
        """Who somebody in a conversation is; asked once, because a person waits.

        Raises:
            ChannelError: it cannot be known now.
        """
        answer = self._ask(
            "look up a member", "GET", place.url("members", user), None, repeatable=True, patience=ONCE
        )
        object_id, tenant = text_of(answer, "aadObjectId"), text_of(answer, "tenantId")
        return Member(
            object_id=object_id and object_id.lower(),
            tenant_id=tenant and tenant.lower(),
            email=text_of(answer, "email"),
            principal_name=text_of(answer, "userPrincipalName"),
        )

    def _ask(
        self,
        doing: str,
        method: str,
        url: str,
        body: JsonObject | None,
        *,
        repeatable: bool,
        patience: Patience | None = None,
    ) -> Json:
        """One request; what may have been done already is repeated only if doing it twice is doing it once."""
        patience = patience or self._patience
        if not self._trusts(url.partition("/v3/")[0]):
            raise ChannelError(
                f"Teams: the service to {doing} is not one of Microsoft's", remedy="set service_url"
            )
        renewed = False
        attempt = 0
        while True:
            attempt += 1
            try:
                reply = self._client.request(
                    method, url, json=body, headers={"authorization": f"Bearer {self._tokens.token()}"}
                )
            except httpx.HTTPError as error:
                harmless = repeatable or isinstance(error, _UNREACHED)
                if harmless and patience.wait(attempt, None):
                    continue
                kind = ChannelError if harmless else LostReplyError
                raise kind(f"Teams cannot be reached to {doing}: {type(error).__name__}") from error
            if reply.is_success:
                return _json(reply)
            if reply.status_code == HTTPStatus.UNAUTHORIZED and not renewed:
                self._tokens.forget()
                renewed = True
                continue
            again = reply.status_code in _SLOW_DOWN or (repeatable and reply.status_code in _BROKEN)
            if again and patience.wait(attempt, reply):
                continue
            if reply.status_code in _BROKEN and not repeatable:
                raise LostReplyError(f"Teams could not {doing}: {reply.status_code}")
            raise refusal(doing, reply.status_code, _json(reply))


def _json(reply: httpx.Response) -> Json:
    """The JSON of an answer; `None` when it is none, which has no id and no error code."""
    try:
        return cast("Json", reply.json())
    except ValueError:
        return None


def _id(answer: Json, doing: str) -> str:
    found = text_of(answer, "id")
    if found is None:
        raise LostReplyError(f"Teams was asked to {doing} and gave no id")
    return found


def _retry_after(reply: httpx.Response | None) -> float:
    text = "" if reply is None else reply.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0.0
