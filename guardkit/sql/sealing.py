"""From values to what is stored, and back: serialized, compared and compressed, then encrypted.

Ciphertexts neither compress nor resemble one another. So of LangGraph's `EncryptedSerializer` the two parts are used one
by one, with guardkit's packing in between; what is stored reads like its own, a `+` and the cipher's name after the type. What the
database's own keys encrypt is bound to its row.
"""

from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from guardkit.sql.packing import Link, Typed, number_of, packed, unpacked
from guardkit.sql.vault import CLEAR, Vault, Where


class Seal:
    """What stands between a saver and its tables.

    Args:
        serde: the saver's serializer.
        vault: of its database.
    """

    def __init__(self, serde: SerializerProtocol, vault: Vault = CLEAR) -> None:
        # A subclass may do something else, so its parts are not taken apart.
        parts = serde if type(serde) is EncryptedSerializer else None
        self._serde = serde if parts is None else parts.serde
        self._cipher = None if parts is None else parts.cipher
        self.vault = vault

    def dumped(self, value: Any) -> Typed:
        """A value as the serializer's type and bytes, not encrypted."""
        return self._serde.dumps_typed(value)

    def loaded(self, kind: str, data: bytes) -> Any:
        """A value from what `dumped` gave."""
        return self._serde.loads_typed((kind, data))

    def closed(self, where: Where, kind: str, data: bytes) -> Typed:
        """What is stored of packed bytes at a place."""
        if self._cipher is not None:
            cipher, data = self._cipher.encrypt(data)
            kind = f"{kind}+{cipher}"
        return kind, self.vault.sealed_bytes([*where, kind], data)

    def opened(self, where: Where, kind: str, data: bytes) -> Typed:
        """What `closed` was given."""
        data = self.vault.opened_bytes([*where, kind], data)
        if self._cipher is None or "+" not in kind:
            return kind, data
        inner, cipher = kind.split("+", 1)
        return inner, self._cipher.decrypt(cipher, data)

    def moved(self, where: Where, to: Where, kind: str, data: bytes) -> bytes:
        """What is stored at another place of what is stored at one."""
        return self.vault.sealed_bytes([*to, kind], self.vault.opened_bytes([*where, kind], data))

    def dump(self, where: Where, value: Any) -> Typed:
        """What is stored of a value that rests on no other."""
        return self.closed(where, *packed(*self.dumped(value)))

    def load(self, where: Where, kind: str, data: bytes) -> Any:
        """A value from what `dump` gave."""
        return self.loaded(*unpacked(*self.opened(where, kind, data)))

    def link(self, where: Where, row: Any) -> Link:
        """A stored value of a channel from its row."""
        kind, value = self.opened(where, row.type, row.value)
        return Link(row.version, kind, value, row.base, number_of(kind, value), len(row.value))
