"""Tokens of the HTTP API: who calls, what they may do, until when.

A token reads `gk_<id>_<secret>`: 16 hex digits that name it, 64 that prove it (256 bits from the system's generator).
Only a SHA-256 of it is kept. With that much entropy a slow hash adds nothing; see the password storage rules of
NIST SP 800-63B, which ask for one where secrets can be guessed.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from pydantic import Field, model_validator

from guardkit.core.digest import sha256
from guardkit.core.values import Value
from guardkit.errors import InputError

PREFIX = "gk"
MAX_DAYS = 366
"""The longest life of a token."""

_FORM = re.compile(r"gk_(?P<id>[0-9a-f]{16})_[0-9a-f]{64}", re.ASCII)

Holder: TypeAlias = Literal["person", "service"]


class TokenScope(StrEnum):
    """What a token may be used for."""

    APPROVALS_READ = "approvals:read"
    """See approvals: those that the person may look at; for a service all of the tenant."""
    APPROVALS_DECIDE = "approvals:decide"
    """Decide, and withdraw one's own request. Persons only."""
    THREADS_READ = "threads:read"
    """List the tenant's threads and read their audit trails."""
    STOPS_READ = "stops:read"
    """See the emergency stops that cover the tenant."""
    STOPS_WRITE = "stops:write"
    """Set emergency stops in the tenant; persons also lift them."""


class ApiToken(Value):
    """What is kept of a token."""

    id: str = Field(pattern=r"^[0-9a-f]{16}$")
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    tenant: str
    holder: Holder
    subject: str = Field(min_length=1, max_length=255)
    """`Person.id`, or the service's name."""

    scopes: tuple[TokenScope, ...] = Field(min_length=1)
    created_by: str = Field(min_length=1, max_length=255)
    """The operator who made it."""

    created_at: float = 0.0
    """Seconds since the epoch, by the database's clock, like the next two."""

    expires_at: float = 0.0
    revoked_at: float | None = None
    revoked_by: str | None = None

    @model_validator(mode="after")
    def _services_never_decide(self) -> "ApiToken":
        if self.holder == "service" and TokenScope.APPROVALS_DECIDE in self.scopes:
            raise ValueError("a service cannot decide: approvals:decide is for persons")
        return self

    def is_live(self, now: float) -> bool:
        """Whether it can be used at this time."""
        return self.revoked_at is None and now < self.expires_at

    def proves(self, text: str) -> bool:
        """Whether a text is this token. Takes the same time wherever they differ."""
        return hmac.compare_digest(self.hash, _hash(text))


def token_id(text: str) -> str | None:
    """The id in a token, or `None` when it is none."""
    found = _FORM.fullmatch(text)
    return None if found is None else found["id"]


def new_token(
    *, tenant: str, holder: Holder, subject: str, scopes: Sequence[TokenScope], created_by: str
) -> tuple[str, ApiToken]:
    """A new token, and what is kept of it. The text exists here only: show it once.

    Args:
        tenant: whose approvals and threads it reaches.
        holder: whether a person or a program calls with it.
        subject: `Person.id`, or the service's name.
        scopes: what it may be used for.
        created_by: the operator who makes it.

    Raises:
        InputError: there is no scope, or a service would decide.
    """
    name = secrets.token_hex(8)
    text = f"{PREFIX}_{name}_{secrets.token_hex(32)}"
    if not scopes:
        raise InputError("a token without a scope opens nothing", remedy="name at least one scope")
    if holder == "service" and TokenScope.APPROVALS_DECIDE in scopes:
        raise InputError(
            "a service cannot have the scope approvals:decide", remedy="people decide: make a person's token"
        )
    return text, ApiToken(
        id=name,
        hash=_hash(text),
        tenant=tenant,
        holder=holder,
        subject=subject,
        scopes=tuple(dict.fromkeys(scopes)),
        created_by=created_by,
    )


def _hash(text: str) -> str:
    return sha256("guardkit.api-token.v1", text)


class Tokens(Protocol):
    """The tokens of the HTTP API."""

    def add_token(self, token: ApiToken, seconds: float) -> ApiToken:
        """Keep a new token, audited; its times are replaced by the database's.

        Args:
            token: what is kept of it.
            seconds: its life from now.

        Raises:
            InputError: its id is taken, or its tenant, subject or operator has a name that cannot be kept.
        """
        ...

    def token(self, token_id: str) -> ApiToken | None:
        """The token with this id, live or not."""
        ...

    def tokens(self, tenant: str | None = None) -> Sequence[ApiToken]:
        """Tokens, newest first; of every tenant when `tenant` is `None`."""
        ...

    def revoke_token(self, token_id: str, *, by: str) -> bool:
        """Revoke a token for ever, audited. Returns whether it was there and not revoked."""
        ...
