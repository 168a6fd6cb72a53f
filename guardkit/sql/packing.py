"""How bytes of a serializer are kept: as they are, compressed, or as what differs from older bytes.

What was done to a value is said in front of its type, so a reader that does not know it fails instead of misreading:

    msgpack      as the serializer made it, as revision 0002 wrote everything
    r:a:b        the same, for a serializer's type that has a colon itself
    z:msgpack    a zstd frame, made with `_DICTIONARY`
    c:msgpack    a copy: `_COPY`, then a zstd frame or plain bytes: what is new. The value is its first `head` bytes of
                 these, `prefix` bytes of the base from `skip` on, the rest of the new bytes, the last `suffix` bytes of the base
    p:msgpack    a patch: `_PATCH`, then a zstd frame made with the whole base as its dictionary

Copies and patches rest on a base: an older value of the same channel. msgpack writes the length of a list or map in front of
it, so a list that grows differs in its first byte; the head is there for that.
"""

import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import zstandard
from zstandard import DICT_TYPE_RAWCONTENT, ZstdCompressionDict, ZstdCompressor, ZstdDecompressor

from guardkit.errors import MissingDataError

_DICTIONARY = (
    b"\x93\xbdlangchain_core.messages.system\xadSystemMessage\x93\xbblangchain_core.messages.tool\xabToolMessage\xactool_call_id"
    b"\xa8artifact\xa6status\xa7success\x93\xbclangchain_core.messages.human\xacHumanMessage\xa7content\xa4type\xa5human\xa7example\xc2"
    b"counters_since_delta_snapshot\xa6run_id\xa6source\xa5input\xa6update\xa4fork\xa4step\xa7parents\x80"
    b"__guardkit_\xa5guard\xa8messages__pregel_tasks__interrupt____resume____error__"
    b"\x84\xa1v\x01\xaacheckpoint\x87\xa1v\x04\xa2ts\xd9 2026-01-01T00:00:00.000000+00:00\xa2id\xd9$1f0"
    b"\xb0channel_versions\x83\xa9__start__\xd9300000000000000000000000000000001.0.\xa8messages\xd9300000000000000000000000000000002.0."
    b"\xadversions_seen\x82\xa9__input__\x80\xa9__start__\x81\xa9__start__\xd9300000000000000000000000000000001.0."
    b"\xb0updated_channels\x92\xa9branch:to:\xa6inline\x81\xa4kept\x91\xa8messages\xc0"
    b"\x84\xa6source\xa4loop\xa4step\x01\xa7parents\x80\xa6source\xa4loop"
    b"\xc7\x05\x94\xbalangchain_core.messages.ai\xa9AIMessage\x89\xa7content\xb1additional_kwargs\x80\xb1response_metadata\x82"
    b"\xa5model_name\xaamodel_provider\xadfinish_reason\xa4stop\xaatool_calls\x94\xa4name\xa4args\xa2id\xa4type\xa9tool_call"
    b"\xb2invalid_tool_calls\x90\xaeusage_metadata\x83\xacinput_tokens\xcdoutput_tokens\xcctotal_tokens\xcdinput_token_details"
    b"\xa4type\xa2ai\xa4name\xc0\xa2id\xd9\xb3model_validate_json"
)
"""What checkpoints have in common. It is part of the format: what was compressed with it is read with it."""

_COPY = struct.Struct("<BBBHIIII")
"""Whether the rest is compressed, `head`, `skip`, number of links, length of the base, of the value, `prefix`, `suffix`."""

_PATCH = struct.Struct("<HII")
"""Number of links, length of the base, of the value."""

_WORTH = 64
"""Bytes below which nothing is compressed."""

_PATCHED = 1 << 20
"""Bytes above which values are not compared as a whole: it takes milliseconds."""

_PIECE = 1 << 12

Typed = tuple[str, bytes]


class _Tools(threading.local):
    """Compressors: no two threads may use one at once."""

    def __init__(self) -> None:
        dictionary = ZstdCompressionDict(_DICTIONARY, dict_type=DICT_TYPE_RAWCONTENT)
        dictionary.precompute_compress(level=1)  # pyright: ignore[reportUnknownMemberType]  # its stub says nothing
        self.compress = ZstdCompressor(level=1, dict_data=dictionary, write_dict_id=False).compress
        self.decompress = ZstdDecompressor(dict_data=dictionary).decompress


_TOOLS = _Tools()


@dataclass(frozen=True, slots=True)
class Link:
    """One stored value of a channel."""

    version: str
    type: str
    """The serializer's type, and in front of it what was done to its bytes."""

    value: bytes
    base: str | None = None
    """The version of the channel that it rests on."""

    number: int = 0
    """How many values came before it since the one that rests on nothing."""

    stored: int = 0
    """Bytes that it takes in the database."""


def packed(kind: str, data: bytes) -> Typed:
    """A serializer's type and bytes, compressed where that makes them smaller."""
    if len(data) >= _WORTH:
        small = _TOOLS.compress(data)
        if len(small) < len(data):
            return f"z:{kind}", small
    return (f"r:{kind}" if ":" in kind else kind), data


def unpacked(kind: str, value: bytes) -> Typed:
    """What `packed` was given.

    Raises:
        MissingDataError: the value was damaged, or rests on another one.
    """
    form, colon, inner = kind.partition(":")
    if not colon:
        return kind, value
    match form:
        case "r":
            return inner, value
        case "z":
            return inner, _opened(value)
        case _:
            raise damaged(f"it is kept in the form {form!r}")


def compared(kind: str, data: bytes, version: str, base: Link, older: bytes, number: int) -> Link | None:
    """A value as what differs from an older one; `None` when that is not much less than the value.

    Args:
        kind: the serializer's type; that of the base must be the same.
        data: the serializer's bytes.
        version: of the channel.
        base: the older value as it is stored.
        older: its bytes.
        number: of the new link.
    """
    head, skip = _head(data), _head(older)
    prefix = _same(data, head, older, skip)
    most = min(len(data) - head, len(older) - skip) - prefix
    suffix = _same_end(data, older, most)
    new = len(data) - prefix - suffix
    if new * 2 <= len(data):
        fresh = data[:head] + data[head + prefix : len(data) - suffix]
        small = _TOOLS.compress(fresh) if len(fresh) >= _WORTH else fresh
        dense = len(small) < len(fresh)
        front = _COPY.pack(dense, head, skip, number, len(older), len(data), prefix, suffix)
        return Link(version, f"c:{kind}", front + (small if dense else fresh), base.version, number)
    if len(data) > _PATCHED or len(older) > _PATCHED or len(data) < _WORTH:
        return None
    patch = _PATCH.pack(number, len(older), len(data)) + _patcher(older, len(data)).compress(data)
    if len(patch) * 2 > len(_TOOLS.compress(data)):
        return None
    return Link(version, f"p:{kind}", patch, base.version, number)


def number_of(kind: str, value: bytes) -> int:
    """How many values came before a stored one since the one that rests on nothing."""
    match kind[:2]:
        case "c:":
            return _COPY.unpack_from(value)[3]
        case "p:":
            return _PATCH.unpack_from(value)[0]
        case _:
            return 0


def rebuilt(path: Sequence[Link]) -> Typed:
    """The serializer's type and bytes of the last link of a path. Its first link rests on nothing, each other on the one before.

    Raises:
        MissingDataError: they do not fit together.
    """
    kind, data = unpacked(path[0].type, path[0].value)
    copies: list[Link] = []
    for link in path[1:]:
        form, _, inner = link.type.partition(":")
        if inner != kind or form not in ("c", "p"):
            raise damaged(f"a value of type {link.type!r} rests on one of type {kind!r}")
        if form == "c":
            copies.append(link)
            continue
        data = _copied(copies, data)
        copies.clear()
        data = _patched(link.value, data)
    return kind, _copied(copies, data)


@dataclass(slots=True)
class _Copy:
    """A copy's parts: ranges of its base, and new bytes."""

    head: bytes
    middle: bytes
    skip: int
    prefix: int
    suffix: int
    of: int
    length: int

    @classmethod
    def read(cls, value: bytes) -> "_Copy":
        try:
            dense, head, skip, _, of, length, prefix, suffix = _COPY.unpack_from(value)
        except struct.error:
            raise damaged("it is cut off") from None
        fresh = value[_COPY.size :]
        if dense:
            fresh = _opened(fresh)
        if len(fresh) + prefix + suffix != length:
            raise damaged("its length is wrong")
        return cls(fresh[:head], fresh[head:], skip, prefix, suffix, of, length)

    def parts(self) -> tuple["bytes | tuple[int, int]", ...]:
        return (
            self.head,
            (self.skip, self.skip + self.prefix),
            self.middle,
            (self.of - self.suffix, self.of),
        )


def _copied(copies: Sequence[Link], data: bytes) -> bytes:
    """Copies applied to their base, oldest first, without making what lies between."""
    if not copies:
        return data
    read = [_Copy.read(link.value) for link in copies]
    pieces: list[bytes | tuple[int, int]] = [(0, read[-1].length)]
    for index in range(len(read) - 1, -1, -1):
        copy = read[index]
        if copy.of != (read[index - 1].length if index else len(data)):
            raise damaged("it rests on a value of another length")
        pieces = _over(pieces, copy)
    return b"".join([piece if isinstance(piece, bytes) else data[piece[0] : piece[1]] for piece in pieces])


def _over(pieces: Sequence[bytes | tuple[int, int]], copy: _Copy) -> list[bytes | tuple[int, int]]:
    """Ranges of what a copy makes, as new bytes and ranges of its base."""
    done: list[bytes | tuple[int, int]] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            done.append(piece)
            continue
        start, stop = piece
        at = 0
        for part in copy.parts():
            size = len(part) if isinstance(part, bytes) else part[1] - part[0]
            low, high = max(start - at, 0), min(stop - at, size)
            if low < high:
                done.append(part[low:high] if isinstance(part, bytes) else (part[0] + low, part[0] + high))
            at += size
    return done


def _opened(frame: bytes) -> bytes:
    try:
        return _TOOLS.decompress(frame)
    except zstandard.ZstdError:
        raise damaged("it cannot be decompressed") from None


def _patcher(older: bytes, size: int) -> ZstdCompressor:
    window = max((len(older) + size).bit_length(), 10)
    parameters = zstandard.ZstdCompressionParameters.from_level(  # pyright: ignore[reportUnknownMemberType]  # its stub says `**kwargs`
        1, source_size=size, dict_size=len(older), window_log=window, write_dict_id=False
    )
    return ZstdCompressor(
        dict_data=ZstdCompressionDict(older, dict_type=DICT_TYPE_RAWCONTENT), compression_params=parameters
    )


def _patched(value: bytes, older: bytes) -> bytes:
    try:
        _, of, length = _PATCH.unpack_from(value)
        if of != len(older):
            raise damaged("it rests on a value of another length")
        dictionary = ZstdCompressionDict(older, dict_type=DICT_TYPE_RAWCONTENT)
        data = ZstdDecompressor(dict_data=dictionary, max_window_size=1 << 27).decompress(
            value[_PATCH.size :]
        )
    except (struct.error, zstandard.ZstdError):
        raise damaged("it cannot be rebuilt") from None
    if len(data) != length:
        raise damaged("its length is wrong")
    return data


def _head(data: bytes) -> int:
    """Bytes with which msgpack says how long a list or map is (the msgpack specification, "formats")."""
    first = data[0] if data else 0
    if 0x80 <= first <= 0x9F:
        return 1
    return {0xDC: 3, 0xDE: 3, 0xDD: 5, 0xDF: 5}.get(first, 0)


def _same(one: bytes, at: int, other: bytes, there: int) -> int:
    """How many bytes are equal from two places on."""
    most = min(len(one) - at, len(other) - there)
    done, size = 0, _PIECE
    while done < most and one[at + done : at + done + size] == other[there + done : there + done + size]:
        done = min(done + size, most)
        size *= 2
    low, high = done, min(done + size, most)
    while low < high:
        middle = (low + high + 1) // 2
        if one[at + done : at + middle] == other[there + done : there + middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _same_end(one: bytes, other: bytes, most: int) -> int:
    """How many bytes are equal at two ends, at most `most`."""
    low, high = 0, most
    size = 64
    while low < high:
        middle = min(low + size, high)
        if one[len(one) - middle : len(one) - low] == other[len(other) - middle : len(other) - low]:
            low = middle
            size *= 2
        elif middle == low + 1:
            break
        else:
            high, size = middle - 1, max((middle - low) // 2, 1)
    return low


def damaged(why: str) -> MissingDataError:
    """The error of a stored value that cannot be read."""
    return MissingDataError(
        f"a stored value cannot be rebuilt: {why}", remedy="restore the database from a backup"
    )
