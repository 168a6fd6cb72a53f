"""The links in mails: what they say, and how they are signed.

A link says whose mail it was in, which approval it is about, and which version of it the mail showed. It is signed with
HMAC-SHA256, by a key that is derived from the web secret for this purpose alone. Nothing in it is used up: whether an
answer still counts is the approval's state, so a program that opens a link before its reader does takes nothing away.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Any, cast

from pydantic import SecretStr

from guardkit.core.digest import canonical, parse
from guardkit.core.values import Value
from guardkit.errors import CanonicalError, MissingKeyError

_DOMAIN = b"guardkit.mail-link.v1"
_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,4096})\.([A-Za-z0-9_-]{43})")


class MailLink(Value):
    """What a link says."""

    channel: str
    """Name of the approval channel that the mail was sent by."""

    approval: str
    version: int
    """The `Approval.version` that the mail showed."""

    person: str
    """`Person.id` of the one approver whose link it is."""

    delivery: str
    """Id of the delivery that the mail came from."""

    until: float
    """Seconds since the epoch, by the database's clock; it cannot be used from then on."""


class MailLinks:
    """Signs links, and reads what it or an earlier key has signed.

    Args:
        keys: the first one signs; the others, retired ones, still verify.

    Raises:
        MissingKeyError: there are none.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        if not keys:
            raise MissingKeyError("links in mails need a key", remedy="configure a web secret")
        self._keys = [hmac.digest(key.get_secret_value().encode(), _DOMAIN, hashlib.sha256) for key in keys]

    def token(self, link: MailLink) -> str:
        """The link as a text that can stand in a URL's path."""
        payload = _text(
            canonical(list(link.model_dump(mode="json").values()))
        )  # no names: it stands in a URL
        return f"{payload}.{_signature(self._keys[0], payload)}"

    def shares_key(self, reader: "MailLinks") -> bool:
        """Whether the reader can read what is signed here."""
        nobody = MailLink(channel="", approval="", version=0, person="", delivery="", until=0.0)
        return reader.read(self.token(nobody)) is not None

    def read(self, token: str) -> MailLink | None:
        """What a link says, or `None` when it is not exactly what was signed. Whether it is over is not looked at.

        Args:
            token: any text.
        """
        found = _TOKEN.fullmatch(token)
        if found is None:
            return None
        payload, signature = found.groups()
        # The texts are compared, not the bytes that they stand for: two texts may stand for the same bytes.
        if not any(hmac.compare_digest(_signature(key, payload), signature) for key in self._keys):
            return None
        try:
            values = parse(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), path="link")
            return MailLink.model_validate(dict(zip(MailLink.model_fields, cast("Any", values), strict=True)))
        except (CanonicalError, TypeError, ValueError):
            return None  # signed, but no link of this release: it counts for nothing


def _signature(key: bytes, payload: str) -> str:
    return _text(hmac.digest(key, payload.encode(), hashlib.sha256))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
