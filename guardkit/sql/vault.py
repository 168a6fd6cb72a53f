"""Encryption at rest: values are sealed to the place that they belong to.

A sealed value is AES-256-GCM under a key derived (HKDF-SHA256, RFC 5869) from the configured one, the table and the tenant; 96 random bits of
nonce go before it (NIST SP 800-38D, section 8.2.2). What is authenticated with it names table, column, tenant and primary key, so a value that was moved to
another place, or taken from another tenant, does not open. What is looked for and not read is kept as a keyed hash.
"""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import ColumnElement, Connection

from guardkit.core.encryption import Encryption
from guardkit.errors import InputError, SealError

Where: TypeAlias = Sequence[str | int | None]
"""Table, column, tenant, and what else tells a value from every other one."""

OPTION = "guardkit_vault"
"""The execution option in which a connection carries its vault."""

MARK = "\x02gk1."
"""What a sealed text begins with, before the id of its key. What people write does not begin with it."""

HASHED = "k"
"""What a keyed hash begins with; one without a key is hexadecimal and does not."""

_MARK = MARK.encode()
_ID = 12
_NONCE = 12
_TAG = 16
_REMEDY = "restore the row from a backup, and find out who changed it"


class Vault:
    """Seals values and opens them.

    Args:
        encryption: the keys; without any, values are kept in clear.
    """

    def __init__(self, encryption: Encryption | None = None) -> None:
        self._keys: Mapping[str, bytes] = {} if encryption is None else encryption.by_id()
        self.accepts_plain = encryption is None or encryption.accepts_plain
        self._secret: bytes | None = None
        self._derived = lru_cache(maxsize=1024)(self._derive)

    @property
    def keyed(self) -> bool:
        """Whether values are sealed."""
        return bool(self._keys)

    @property
    def key_id(self) -> str:
        """The id of the key that seals; empty without one."""
        return next(iter(self._keys), "")

    # --- values ---

    def sealed_text(self, where: Where, text: str) -> str:
        """What is stored of a text.

        Raises:
            InputError: without a key, the text looks as if it were sealed.
        """
        if not self._keys:
            if text.startswith(MARK):
                raise InputError(
                    "a text begins like an encrypted one", remedy="leave out the control character"
                )
            return text
        made = self._encrypt(self.key_id, where, text.encode("utf-8", "surrogatepass"))
        return f"{MARK}{self.key_id}." + base64.b64encode(made).decode()

    def opened_text(self, where: Where, text: str) -> str:
        """What `sealed_text` was given.

        Raises:
            SealError: it is not what was sealed for this place, or in clear where nothing is.
        """
        if not text.startswith(MARK):
            self._plain(where)
            return text
        name, _, body = text[len(MARK) :].partition(".")
        try:
            made = base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            raise _broken(where) from None
        return self._decrypt(name, where, made).decode("utf-8", "surrogatepass")

    def sealed_bytes(self, where: Where, data: bytes) -> bytes:
        """What is stored of bytes.

        Raises:
            InputError: without a key, they look as if they were sealed.
        """
        if not self._keys:
            if data.startswith(_MARK):
                raise InputError("bytes begin like encrypted ones")
            return data
        return _MARK + self.key_id.encode() + self._encrypt(self.key_id, where, data)

    def opened_bytes(self, where: Where, data: bytes) -> bytes:
        """What `sealed_bytes` was given. Raises as `opened_text`."""
        data = bytes(data)
        if not data.startswith(_MARK):
            self._plain(where)
            return data
        start = len(_MARK)
        name = data[start : start + _ID].decode("ascii", "replace")
        return self._decrypt(name, where, data[start + _ID :])

    def key_of(self, stored: str | bytes) -> str | None:
        """The id of the key that sealed a stored value; `None` where it is in clear."""
        begin = stored[: len(MARK) + _ID]
        if isinstance(begin, bytes | bytearray | memoryview):
            begin = bytes(begin).decode("ascii", "replace")
        return begin[len(MARK) :] if begin.startswith(MARK) else None

    def _plain(self, where: Where) -> None:
        if not self.accepts_plain:
            raise SealError(
                f"{_named(where)} is not encrypted, and everything is here",
                remedy=f"{_REMEDY}; while an older database is being encrypted, set encryption_accepts_plain",
            )

    def _encrypt(self, name: str, where: Where, data: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher(name, where).encrypt(nonce, data, _bound(where))

    def _decrypt(self, name: str, where: Where, made: bytes) -> bytes:
        if name not in self._keys:
            raise SealError(
                f"{_named(where)} is encrypted with key {name[:_ID]!r}, which this process does not have",
                remedy="set GUARDKIT_ENCRYPTION_KEY, and keep older keys in GUARDKIT_ENCRYPTION_OLD_KEYS",
            )
        if len(made) < _NONCE + _TAG:
            raise _broken(where)
        try:
            return self._cipher(name, where).decrypt(made[:_NONCE], made[_NONCE:], _bound(where))
        except InvalidTag:
            raise _broken(where) from None

    def _cipher(self, name: str, where: Where) -> AESGCM:
        return self._derived(name, str(where[0]), where[2])

    def _derive(self, name: str, table: str, tenant: object) -> AESGCM:
        info = json.dumps(["guardkit.seal.v1", table, tenant]).encode()
        return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(self._keys[name]))

    # --- what is looked for ---

    def remember(self, secret: bytes) -> None:
        """Take the database's secret, which hashes are keyed with. It outlives the keys of values."""
        self._secret = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"guardkit.lookup.v1").derive(
            secret
        )

    def hashed(self, plain: str) -> str:
        """What is stored of a hash of something that may be guessed; of the same length."""
        if not self._keys or not plain or plain.startswith(HASHED):
            return plain
        if self._secret is None:
            raise SealError("the database's secret was not read", remedy="use guardkit.sql.Database")
        return HASHED + hmac.new(self._secret, plain.encode(), sha256).hexdigest()[: len(plain) - 1]

    def lookups(self, plain: str) -> tuple[str, ...]:
        """What may be stored of a hash: keyed, and in clear where that is still read."""
        keyed = self.hashed(plain)
        return (keyed, plain) if self._keys and self.accepts_plain else (keyed,)

    def is_hash(self, column: ColumnElement[str], plain: str) -> ColumnElement[bool]:
        """Whether a column holds a hash."""
        found = self.lookups(plain)
        return column == found[0] if len(found) == 1 else column.in_(found)


CLEAR = Vault()
"""Keeps everything in clear, and opens nothing."""


def vault_of(connection: Connection) -> Vault:
    """The vault of a connection's database."""
    found: Any = connection.get_execution_options().get(OPTION)
    return found if isinstance(found, Vault) else CLEAR


def _bound(where: Where) -> bytes:
    return json.dumps(["guardkit.sealed.v1", *where], separators=(",", ":")).encode()


def _named(where: Where) -> str:
    return f"{where[0]}.{where[1]} of tenant {where[2]!r}"


def _broken(where: Where) -> SealError:
    return SealError(
        f"{_named(where)} does not open: it was changed, or belongs to another row", remedy=_REMEDY
    )
