"""What Teams sends to the app: whether it is authentic, and what follows from it."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from guardkit.channels.host import ChannelHost
from guardkit.channels.http import HttpReply, HttpRequest
from guardkit.channels.teams.activity import Activity, read_activity
from guardkit.channels.teams.answering import ACTION, Answering
from guardkit.channels.teams.bearer import CHANNEL, Bearer, TokenRefusedError
from guardkit.channels.teams.contacts import Contacts, Reference
from guardkit.channels.teams.identity import Identities
from guardkit.core.values import JsonObject
from guardkit.errors import ChannelError

log = logging.getLogger("guardkit.teams")

_BODY_LIMIT = 1024 * 1024
_MEETS = frozenset({"installationUpdate", "conversationUpdate", "message"})
_ADDED = frozenset({"", "add", "add-upgrade"})


class Receiving:
    """Judges requests, in this order: sender, form, and whether it is for this bot, from a known tenant and service.

    Args:
        host: the process.
        bearer: judges tokens.
        answering: takes clicks.
        identities: finds people.
        contacts: whom the app has met.
        bot_id: how Teams names the bot.
        tenants: Entra tenants whose people may answer.
        trusts: says whether the token may be sent to a service.
    """

    def __init__(
        self,
        host: ChannelHost,
        *,
        bearer: Bearer,
        answering: Answering,
        identities: Identities,
        contacts: Contacts,
        bot_id: str,
        tenants: frozenset[str],
        trusts: Callable[[str], bool],
    ) -> None:
        self._host = host
        self._bearer = bearer
        self._answering = answering
        self._identities = identities
        self._contacts = contacts
        self._bot_id = bot_id
        self._tenants = tenants
        self._trusts = trusts

    def receive(self, request: HttpRequest) -> HttpReply:
        """Take one request.

        Args:
            request: as it came in.

        Raises:
            StorageError: the database cannot be reached.
        """
        try:
            credential = self._bearer.judge(request.headers.get("authorization"))
        except TokenRefusedError as error:
            return self._refuse(HTTPStatus.UNAUTHORIZED, error.why)
        except ChannelError as error:
            log.warning("channel %s: %s", self._host.name, error.message)
            self._host.refusals.note("keys_unavailable")
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, "keys_unavailable")
        activity = None if len(request.body) > _BODY_LIMIT else read_activity(request.body)
        if activity is None:
            return self._refuse(HTTPStatus.BAD_REQUEST, "malformed")
        # The token names the service that it was made for: without this check one that any service was shown could be
        # used to make guardkit send its own token elsewhere.
        if not activity.service_url or activity.service_url.rstrip("/") != credential.service_url:
            return self._refuse(HTTPStatus.UNAUTHORIZED, "token_other_service")
        wrong = self._wrong(activity)
        if wrong is not None:
            return self._refuse(HTTPStatus.FORBIDDEN, wrong)
        return self._take(activity)

    def _wrong(self, activity: Activity) -> str | None:
        """Why an authentic request is not for this channel."""
        if activity.channel != CHANNEL:
            return "wrong_channel"
        if activity.recipient.lower() != self._bot_id:
            return "wrong_recipient"
        if len(activity.tenants) != 1 or not activity.tenants <= self._tenants:
            return "wrong_tenant"
        if not self._trusts(activity.service_url):
            return "wrong_service"
        return None

    def _take(self, activity: Activity) -> HttpReply:
        if activity.type == "invoke":
            if activity.name != ACTION:
                return self._refuse(HTTPStatus.BAD_REQUEST, "unknown_invoke")
            return self._answering.answer(activity)
        if activity.type in _MEETS and activity.object_id and activity.sender and activity.conversation:
            self._meet(activity)
        return HttpReply.of(HTTPStatus.OK, {})

    def _meet(self, activity: Activity) -> None:
        """Remember whoever is there, or forget whoever has removed the app."""
        try:
            email = self._identities.find(activity).email
        except ChannelError as error:
            log.warning("channel %s: an address could not be looked up: %s", self._host.name, error.code)
            email = None
        removed = self._bot_id in {one.lower() for one in activity.removed} or (
            activity.type == "installationUpdate" and activity.action not in _ADDED
        )
        if removed:
            if activity.personal:
                self._contacts.lose(activity.object_id, email)
            return
        (tenant,) = activity.tenants
        self._contacts.meet(
            activity.object_id,
            Reference(
                service_url=activity.service_url,
                user=activity.sender,
                tenant=tenant,
                conversation=activity.conversation if activity.personal else None,
            ),
            email,
        )

    def _refuse(self, status: HTTPStatus, why: str) -> HttpReply:
        self._host.refusals.note(why)
        return _told(status, why)


def _told(status: HTTPStatus, why: str) -> HttpReply:
    body: JsonObject = {"error": {"code": why}}
    reply = HttpReply.of(status, body)
    if status is HTTPStatus.UNAUTHORIZED:
        return HttpReply(
            status=status, body=reply.body, headers={**reply.headers, "www-authenticate": "Bearer"}
        )
    return reply
