"""What Slack sends by HTTP: signed, once, and in a form."""

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl

from slack_sdk.signature import SignatureVerifier

from guardkit.channels.host import ChannelHost
from guardkit.channels.http import HttpReply, HttpRequest
from guardkit.channels.slack.interactions import Ack
from guardkit.core.digest import parse
from guardkit.core.values import JsonObject
from guardkit.errors import CanonicalError

LARGEST = 512 * 1024
"""Bytes of the largest request that is read; Slack's hold a message of 50 blocks."""

_FIELDS = 100
_REMEMBERED = 700.0
"""Seconds a signature is remembered: it is good for 300 before and 300 after its time."""

_SCOPE = "slack"
"""One for all channels: an app has one signing secret, and any of its addresses would take what it signs."""

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


class Receiver:
    """Checks requests, and hands their payloads on.

    Args:
        host: the process.
        signing_secret: what Slack signs with.
        take: takes a payload.
        later: runs what is done after the answer.
    """

    def __init__(
        self,
        host: ChannelHost,
        signing_secret: str,
        take: Callable[[Mapping[str, Any]], Ack],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._host = host
        self._verifier = SignatureVerifier(signing_secret)
        self._take = take
        self._later = later

    def receive(self, request: HttpRequest) -> HttpReply:
        """Take one request: 401 where it is not Slack's or came before, 400 where it cannot be read.

        Raises:
            StorageError: the database cannot be reached; nothing changed.
        """
        if len(request.body) > LARGEST:
            return self._refuse("too_large", 400)
        if "x-slack-signature" not in request.headers and _is_check(request.body):
            return HttpReply(status=200)
        if not self._authentic(request):
            return self._refuse("bad_signature", 401)
        signature = request.headers["x-slack-signature"]
        if not self._host.store.first_time(_SCOPE, signature, _REMEMBERED):
            return self._refuse("replayed", 401)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == _JSON:
            return self._event(request.body)
        payload = _payload(request.body) if kind == _FORM else None
        if payload is None:
            return self._refuse("malformed", 400)
        if "ssl_check" in payload and "command" not in payload:
            return HttpReply(status=200)
        ack = self._take(payload)
        if ack.after is not None:
            self._later(ack.after)
        return HttpReply(status=ack.status) if ack.body is None else HttpReply.of(ack.status, ack.body)

    def _authentic(self, request: HttpRequest) -> bool:
        """slack_sdk raises on timestamps, bodies and signatures that are no such: that is a no as well."""
        try:
            return self._verifier.is_valid_request(request.body, dict(request.headers))
        except (TypeError, ValueError):
            return False

    def _event(self, body: bytes) -> HttpReply:
        """Slack asks once whether the address is ours; guardkit wants no events."""
        try:
            sent = parse(body, path="body")
        except CanonicalError:
            return self._refuse("malformed", 400)
        match sent:
            case {"type": "url_verification", "challenge": str() as challenge}:
                return HttpReply.of(200, {"challenge": challenge})
            case {"type": str()}:
                return HttpReply(status=200)
            case _:
                return self._refuse("malformed", 400)

    def _refuse(self, why: str, status: int) -> HttpReply:
        self._host.refusals.note(why)
        return HttpReply(status=status)


def _is_check(body: bytes) -> bool:
    """Whether Slack only tries the certificate, which it does without a signature."""
    return len(body) < 1000 and dict(_fields(body) or ()).get("ssl_check") == "1"


def _fields(body: bytes) -> list[tuple[str, str]] | None:
    """The fields of a form; `None` when it is none, or has too many."""
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_FIELDS,
        )
    except ValueError:
        return None


def _payload(body: bytes) -> JsonObject | None:
    """The payload of a form: JSON in its one field, or the fields themselves of a slash command.

    `None`, which is refused as malformed, when it is neither, or when a name or key comes twice.
    """
    pairs = _fields(body)
    if pairs is None or len({name for name, _ in pairs}) != len(pairs):
        return None
    fields = dict(pairs)
    if "payload" not in fields:
        return cast("JsonObject", fields)
    try:
        sent = parse(fields["payload"], path="payload")
    except CanonicalError:
        return None
    return sent if isinstance(sent, dict) else None
