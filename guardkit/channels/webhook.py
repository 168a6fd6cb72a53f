"""A webhook as an approval channel: for whatever has no channel of its own.

Messages are signed as Standard Webhooks says (https://www.standardwebhooks.com, specification 1.0): the receiver knows
who sent them, that nobody changed them, and which of them it has had before. Answers do not come back this way; the
receiver shows the link to the inbox, or calls the desk in a process that verifies people.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import ssl
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from guardkit.channels.again import review_card
from guardkit.channels.card import compose
from guardkit.channels.host import ChannelHost
from guardkit.core.approvals import Approval
from guardkit.core.runs import Delivery
from guardkit.errors import ChannelError, ConfigurationError

SECRET = "GUARDKIT_WEBHOOK_SECRET"  # noqa: S105  # the variable's name
"""The environment variable that holds the signing secret."""

_PREFIX = "whsec_"
_TYPES = {
    "ask": "approval.asked",
    "remind": "approval.reminded",
    "update": "approval.updated",
    "outcome": "approval.settled",
    "review": "review.asked",
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Webhook:
    """Posts questions and outcomes to one URL, as signed JSON.

    A message is sent again, with the same `webhook-id`, until the receiver answers 2xx; the worker waits longer each
    time, an hour at most. Redirects are not followed.

    Args:
        url: where to; `https`, or `http` on loopback.
        name: the name by which policies call this channel.
        secret: `whsec_` and 24 to 64 bytes in base64; by default `GUARDKIT_WEBHOOK_SECRET`, read in the worker.
        timeout: seconds for one message.
        ca_file: certificates to trust in place of the machine's.

    Raises:
        ConfigurationError: the URL cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "webhook",
        secret: SecretStr | None = None,
        timeout: float = 10.0,
        ca_file: str | Path | None = None,
    ) -> None:
        self.name = name
        self._url = _checked(url)
        self._secret = secret
        self._timeout = timeout
        self._ca_file = ca_file
        self._key: bytes | None = None
        self._host: ChannelHost | None = None

    def attach(self, host: ChannelHost) -> None:
        """Read the secret.

        Raises:
            ConfigurationError: there is none, or it is none of Standard Webhooks.
        """
        secret = self._secret or SecretStr(os.environ.get(SECRET, ""))
        self._key = _key(secret.get_secret_value())
        self._host = host
        self.name = host.name

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Post an approval as it stands; returns the hash of what was sent.

        Raises:
            ChannelError: the receiver did not take it, or the channel was not attached.
        """
        if self._key is None or self._host is None:
            raise ChannelError(
                f"channel {self.name!r} was not attached", remedy="let a worker send its messages"
            )
        if delivery.kind == "review":
            card = review_card(self._host, approval)
        else:
            card = compose(approval, link=self._host.link(approval, delivery.id), who=self._host.who)
        now = int(self._host.store.now())
        body = json.dumps(
            {
                "type": _TYPES[delivery.kind],
                "timestamp": now,
                "data": {
                    "tenant": approval.request.tenant,
                    "state": approval.state.value,
                    "digest": approval.digest,
                    "stage": delivery.stage + 1,
                    "card": card.model_dump(mode="json"),
                },
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        self._post(body, signed(self._key, delivery.id, now, body))
        return card.hash

    def _post(self, body: bytes, headers: dict[str, str]) -> None:
        verify = ssl.create_default_context(cafile=self._ca_file)
        try:
            with httpx.Client(verify=verify, timeout=self._timeout, trust_env=False) as client:
                answer = client.post(self._url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise ChannelError(
                f"channel {self.name!r}: the receiver cannot be reached: {type(error).__name__}"
            ) from None
        if not answer.is_success:
            gone = "the receiver wants no more messages; take the channel out of the policy"
            raise ChannelError(
                f"channel {self.name!r}: the receiver answered {answer.status_code}",
                remedy=gone if answer.status_code == HTTPStatus.GONE else None,
            )


def signed(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: HMAC-SHA-256 over id, time and body, joined by full stops.

    Args:
        key: the secret's bytes.
        message_id: the same for every attempt.
        timestamp: seconds since the epoch.
        body: as it is sent.
    """
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json; charset=utf-8",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(mac.digest()).decode()}",
    }


def _checked(url: str) -> str:
    try:
        split = urlsplit(url)
        secure = split.scheme == "https" or (split.scheme == "http" and split.hostname in _LOOPBACK)
        usable = secure and bool(split.hostname) and split.username is None
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(
            f"webhook url {url!r} is neither https nor http on loopback, or holds a user",
            remedy="e.g. https://hooks.corp.example/approvals",
        )
    return url


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ConfigurationError(
            f"{SECRET} is not a secret of Standard Webhooks",
            remedy=f"{_PREFIX} and 24 to 64 random bytes in base64",
        )
    return key


__all__ = ["SECRET", "Webhook", "signed"]
