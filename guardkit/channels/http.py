"""What comes in from a messenger by HTTP, without a web framework: a channel can be mounted on any server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from guardkit.core.values import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One POST to a channel's address."""

    path: str = ""
    """What follows the channel's address, without a slash at its beginning."""

    headers: Mapping[str, str]
    """By name in lower case. A header that was sent twice is not here."""

    body: bytes
    """As it was sent: signatures cover these bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What to answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, status: int, value: JsonObject) -> "HttpReply":
        """A reply of JSON."""
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status=status, body=body, headers={"content-type": "application/json; charset=utf-8"})


class Receiving(Protocol):
    """A channel that people's answers come back through by HTTP."""

    def receive(self, request: HttpRequest) -> HttpReply:
        """Take one request. Bad input gets a 4xx and changes nothing.

        Raises:
            StorageError: the database cannot be reached; nothing changed, and the sender may try again.
        """
        ...
