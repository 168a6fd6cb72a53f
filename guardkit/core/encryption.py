"""Keys for what is encrypted at rest. The first of them encrypts; the others only decrypt what was encrypted before."""

import base64
import binascii
import hashlib
import secrets
from typing import Self

from pydantic import SecretStr, field_validator

from guardkit.core.values import Value
from guardkit.errors import ConfigurationError

_BYTES = 32
_NAMED = "guardkit.encryption-key.v1"


class Encryption(Value):
    """How a process encrypts what it stores, and what it takes for stored by guardkit."""

    keys: tuple[SecretStr, ...]
    """Keys for AES-256-GCM (32 bytes, base64). The first encrypts, each decrypts what names it."""

    accepts_plain: bool = False
    """Whether values in clear are read too: while an existing database is being encrypted, and never afterwards."""

    @field_validator("keys")
    @classmethod
    def _readable(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not keys:
            raise ConfigurationError("encryption has no key", remedy="`guardkit keys new` makes one")
        for key in keys:
            raw_key(key)
        return keys

    @classmethod
    def generate(cls) -> Self:
        """A new key, for demos and tests: nothing reads what was encrypted with the last one."""
        return cls(keys=(SecretStr(encryption_key()),))

    def by_id(self) -> dict[str, bytes]:
        """The keys by their ids, the one that encrypts first."""
        found = [raw_key(key) for key in self.keys]
        return {encryption_key_id(raw): raw for raw in found}


def encryption_key() -> str:
    """A new key, base64."""
    return base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def encryption_key_id(raw: bytes) -> str:
    """The name of a key in what it has encrypted: the first 12 hex digits of a SHA-256 of it."""
    return hashlib.sha256(_NAMED.encode() + b"\x00" + raw).hexdigest()[:12]


def raw_key(key: SecretStr) -> bytes:
    """The bytes of a key.

    Raises:
        ConfigurationError: it is not 32 bytes in base64.
    """
    try:
        raw = base64.b64decode(key.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(
            "an encryption key is not base64", remedy="`guardkit keys new` makes one"
        ) from None
    if len(raw) != _BYTES:
        raise ConfigurationError(
            f"an encryption key has {len(raw)} bytes, {_BYTES} are needed",
            remedy="`guardkit keys new` makes one",
        )
    return raw
