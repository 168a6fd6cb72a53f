"""Answers to requests that must not act twice: what an idempotency key stands for.

The key belongs to one token. The first request with it holds the key while it acts, and its answer is kept; see
draft-ietf-httpapi-idempotency-key-header-07, sections 2.6 and 2.7.
"""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from guardkit.core.digest import sha256
from guardkit.core.values import Value

HELD = 60.0
"""Seconds after which a request that has not answered counts as dead, and another one may act with its key."""

KEPT = 24 * 3600.0
"""Seconds for which an answer is kept, from the first request."""


class KeyedRequest(Value):
    """A request that carries a key."""

    tenant: str
    token_id: str
    key: str
    fingerprint: str
    """Hash of what is asked: operation, target and body."""

    @property
    def name(self) -> str:
        """What the key is kept under, 64 hex digits: keys are as long as callers like."""
        return sha256("guardkit.idempotency-key.v1", [self.tenant, self.token_id, self.key])


class Reply(Value):
    """An answer as it was given."""

    status: int
    body: str


@dataclass(frozen=True, slots=True)
class Held:
    """The key is the caller's to act with, once."""

    owner: str
    """Proves to `answered` that the key is still held."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The same request has been answered."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class InProgress:
    """The same request is being answered at this moment."""


@dataclass(frozen=True, slots=True)
class Reused:
    """The key stands for another request."""


Holding: TypeAlias = Held | Answered | InProgress | Reused


class Replies(Protocol):
    """What was answered to requests that carry a key."""

    def hold(self, request: KeyedRequest, *, held: float = HELD, kept: float = KEPT) -> Holding:
        """Take a request's key, in any process, unless it is taken.

        A key that was held for `held` seconds without an answer is handed to the next who asks: its process has died,
        and whoever acts must see for themselves how far it came.

        Args:
            request: what is asked.
            held: seconds.
            kept: seconds from now for which the key is remembered.
        """
        ...

    def answered(self, request: KeyedRequest, owner: str, reply: Reply) -> bool:
        """Keep an answer. Returns whether the key was still this owner's."""
        ...

    def let_go(self, request: KeyedRequest, owner: str) -> bool:
        """Forget a key that is held and stands for nothing: nothing was done. Returns whether it was this owner's."""
        ...
