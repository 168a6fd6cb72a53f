"""From values to what is stored, and back: serialized, compared and compressed, then encrypted where the serializer encrypts.

Ciphertexts neither compress nor resemble one another. So of LangGraph's `EncryptedSerializer` the two parts are used one
by one, with guardkit's packing in between; what is stored reads like its own, a `+` and the cipher's name after the type.
"""

from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from guardkit.sql.packing import Link, Typed, number_of, packed, unpacked


class Seal:
    """What stands between a saver and its tables.

    Args:
        serde: the saver's serializer.
    """

    def __init__(self, serde: SerializerProtocol) -> None:
        # A subclass may do something else, so its parts are not taken apart.
        parts = serde if type(serde) is EncryptedSerializer else None
        self._serde = serde if parts is None else parts.serde
        self._cipher = None if parts is None else parts.cipher

    def dumped(self, value: Any) -> Typed:
        """A value as the serializer's type and bytes, not encrypted."""
        return self._serde.dumps_typed(value)

    def loaded(self, kind: str, data: bytes) -> Any:
        """A value from what `dumped` gave."""
        return self._serde.loads_typed((kind, data))

    def closed(self, kind: str, data: bytes) -> Typed:
        """What is stored of packed bytes."""
        if self._cipher is None:
            return kind, data
        cipher, sealed = self._cipher.encrypt(data)
        return f"{kind}+{cipher}", sealed

    def opened(self, kind: str, data: bytes) -> Typed:
        """What `closed` was given."""
        if self._cipher is None or "+" not in kind:
            return kind, data
        inner, cipher = kind.split("+", 1)
        return inner, self._cipher.decrypt(cipher, data)

    def dump(self, value: Any) -> Typed:
        """What is stored of a value that rests on no other."""
        return self.closed(*packed(*self.dumped(value)))

    def load(self, kind: str, data: bytes) -> Any:
        """A value from what `dump` gave."""
        return self.loaded(*unpacked(*self.opened(kind, data)))

    def link(self, row: Any) -> Link:
        """A stored value of a channel from its row."""
        kind, value = self.opened(row.type, row.value)
        return Link(row.version, kind, value, row.base, number_of(kind, value), len(row.value))
