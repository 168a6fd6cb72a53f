"""Payloads that are almost right: every way in which JSON, forms and requests can be wrong, by repeatable random numbers."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from urllib.parse import quote_plus

Place = tuple[Any, ...]
"""The keys and indices that lead to a value."""

Done = frozenset[str]
"""What was done to a payload."""

_SCALARS: Sequence[Any] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2**31,
        2**53 + 1,
        2**64,
        -(2**70),
        0.5,
        1e308,
        -0.0,
        float("nan"),
        float("inf"),
    ),
    *(
        "",
        " ",
        "0",
        "true",
        "approve",
        "reject",
        "\x00",
        "\u202e",
        "😀" * 9,
        "x" * 5_000,
        "\ud800",
        "a\u0301",
    ),
    *("<!channel>", "'; drop table approvals; --", "../../etc/passwd", "{{7*7}}", "%s%n", [], {}),
)
_CHARS = "aZ09 _-.:;,/\\'\"<>[]{}()=&%+#@!?*~^|`$\n\r\t\x00\x1b\x85éß漢😀\u200b\u202e\u2028\ufeff\ufffe\ud83d"
_HOLE = "@hole@"
_TOKENS = (
    *(
        "NaN",
        "-Infinity",
        "1e400",
        "-0",
        "01",
        "+1",
        ".5",
        "0x10",
        "9" * 5_000,
        "1." + "0" * 400 + "1",
        "tru",
        "",
    ),
    *(
        "'x'",
        "[1,]",
        "{,}",
        "[1 2]",
        '{"a" 1}',
        "// no\n1",
        '"\\q"',
        '"\x01"',
        '"open',
        '"\\ud800"',
        '"\\u0000"',
    ),
    *('"\\udc00\\ud800"', '{"id":1,"id":2}', '{"":{"":{}}}', "[" * 50_000, "[" * 5_000 + "]" * 5_000),
    *('{"a":' * 5_000 + "1" + "}" * 5_000, '"' + "x" * 70_000 + '"', "[" + "0," * 20_000 + "0]"),
)
"""What stands where a value should: no JSON, or JSON that is deep, huge, twice or half."""

_BYTES = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b"\\", b'"', b"}", b"%", b"&")
_TYPES = (
    *(
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
        "",
        "\x00",
    ),
    *(
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json;;=",
        "x" * 9_000,
    ),
    *("APPLICATION/JSON", "application/x-www-form-urlencoded; charset=\xff"),
)
_LENGTHS = ("0", "1", "-1", "99999999", "9" * 40, "1e3", "", "٣", "+5", "12, 12", "x")
_METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST", "x")
_ADDRESSES = ("/", "//", "/x", "/../x", "%2f", "\x00", "é", "/" + "a" * 5_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One request, as a server hands it on."""

    path: str
    method: str = "POST"
    query: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    """By name in lower case."""

    body: bytes = b""
    proof: str = "good"
    """How the sender proves who it is: rightly, or in which wrong way."""

    twice: str = ""
    """A header that is sent twice."""

    missing: str = ""
    """A header that is left out."""

    pieces: int = 1
    """In how many parts the body comes."""

    broken_off: bool = False
    """Whether the sender hangs up before the end."""

    done: Done = field(default_factory=Done)

    def headers_with(self, proof: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        """The headers as bytes, with those by which the sender proves who it is."""
        named = [one for one in (*self.headers, *proof.items()) if one[0] != self.missing]
        named += [one for one in named if one[0] == self.twice]
        return [(name.encode(), value.encode("latin-1", "replace")) for name, value in named]


def places(value: Any, path: Place = ()) -> list[Place]:
    """Every place of a JSON value, its root first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def put(value: Any, path: Place, new: Any) -> Any:
    """The value with another one at a place; what was given stays as it is."""
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], new)
    return changed


def text(random: Random, longest: int = 30) -> str:
    """Any text, with characters in it that mean something somewhere."""
    return "".join(random.choices(_CHARS, k=random.randint(0, longest)))


def anything(random: Random, depth: int = 3) -> Any:
    """Any JSON, NaN and infinity included."""
    match random.randint(0, 7 if depth else 4):
        case 0 | 1 | 2:
            return random.choice(_SCALARS)
        case 3:
            return text(random)
        case 4:
            return random.uniform(-1e9, 1e9)
        case 5 | 6:
            return {text(random, 8): anything(random, depth - 1) for _ in range(random.randint(0, 3))}
        case _:
            return [anything(random, depth - 1) for _ in range(random.randint(0, 3))]


def changed(random: Random, value: Any) -> Any:
    """The value with some of it replaced, removed, added, moved, wrapped, repeated or written as text."""
    for _ in range(random.randint(0, 3)):
        path = random.choice(places(value))
        there = _at(value, path)
        match random.choice(("replace", "remove", "add", "copy", "wrap", "repeat", "text", "case")):
            case "remove" if path:
                value = _without(value, path)
            case "add" if isinstance(there, dict):
                value = put(value, path, {**there, text(random, 12): anything(random)})
            case "copy":
                value = put(value, path, _at(value, random.choice(places(value))))
            case "wrap":
                value = put(value, path, random.choice(([there], {"value": there}, [[there], there])))
            case "repeat":
                value = put(value, path, [there] * random.choice((0, 2, 50)))
            case "text":
                value = put(value, path, there if isinstance(there, str) else json.dumps(there))
            case "case" if isinstance(there, str):
                value = put(
                    value, path, random.choice((there.upper(), f" {there}", f"{there}\n", there[:-1]))
                )
            case _:
                value = put(value, path, anything(random))
    return value


def _at(value: Any, path: Place) -> Any:
    for step in path:
        value = value[step]
    return value


def _without(value: Any, path: Place) -> Any:
    kept = copy.copy(value)
    if len(path) == 1:
        del kept[path[0]]
    else:
        kept[path[0]] = _without(value[path[0]], path[1:])
    return kept


def document(random: Random, value: Any) -> tuple[str, Done]:
    """JSON as text, sometimes no JSON any more."""
    kind = random.choice(("whole", "whole", "token", "key twice", "cut"))
    if kind == "token":
        value = put(value, random.choice(places(value)), _HOLE)
    written = json.dumps(value, ensure_ascii=random.random() < 0.5)
    match kind:
        case "token":
            written = written.replace(f'"{_HOLE}"', random.choice(_TOKENS), 1)
        case "key twice" if '": ' in written:
            end = random.choice([at for at in range(len(written)) if written.startswith('": ', at)])
            start = written.rfind('"', 0, end)
            again = f"{written[start : end + 1]}: {json.dumps(random.choice(_SCALARS))}, "
            written = written[:start] + again + written[start:]
        case "cut":
            written = written[: random.randint(0, max(0, len(written) - 1))]
        case _:
            return written, Done()
    return written, Done({kind})


def encoded(random: Random, written: str) -> tuple[bytes, Done]:
    """Text as bytes, sometimes in another encoding, or with bytes that are no text."""
    kind = random.choice(("utf-8",) * 6 + ("utf-16", "utf-8-sig", "bytes"))
    if kind == "bytes":
        data = written.encode(errors="surrogatepass")
        at = random.randint(0, len(data))
        return data[:at] + random.choice(_BYTES) + data[at:], Done({kind})
    return written.encode(kind, errors="surrogatepass"), Done({kind}) - {"utf-8"}


def form(random: Random, fields: Mapping[str, bytes]) -> tuple[bytes, Done]:
    """A form, sometimes with fields missing, added, twice or half."""
    pairs = [f"{quote_plus(name, errors='replace')}={quote_plus(value)}" for name, value in fields.items()]
    kind = random.choice(("whole",) * 6 + ("missing", "extra", "twice", "many", "odd", "no form", "cut"))
    match kind:
        case "missing" if pairs:
            pairs.pop(random.randrange(len(pairs)))
        case "extra":
            pairs.append(
                f"{quote_plus(text(random, 8), errors='replace')}={quote_plus(text(random), errors='replace')}"
            )
        case "twice" if pairs:
            pairs.append(random.choice(pairs))
        case "many":
            pairs += [f"f{number}=" for number in range(1_200)]
        case "odd":
            pairs.append(random.choice(("%zz=1", "%ff=%ff", "=", "a", "&&", "a=%00", ";a=1", "a=%u0041")))
        case "no form":
            return random.randbytes(random.randint(0, 200)), Done({kind})
        case "cut":
            whole = "&".join(pairs)
            return whole[: random.randint(0, len(whole))].encode(), Done({"form cut"})
        case _:
            return "&".join(pairs).encode(), Done()
    return "&".join(pairs).encode(), Done({f"field {kind}"})


def packed(random: Random, body: bytes) -> tuple[bytes, tuple[tuple[str, str], ...], Done]:
    """A body, sometimes with a `content-encoding`, which it has or has not."""
    kind = random.choice(("plain",) * 12 + ("gzip", "deflate", "gzip that is none", "unknown encoding"))
    match kind:
        case "gzip":
            return gzip.compress(body, 1, mtime=0), (("content-encoding", "gzip"),), Done({kind})
        case "deflate":
            return zlib.compress(body, 1), (("content-encoding", "deflate"),), Done({kind})
        case "gzip that is none":
            return body, (("content-encoding", "gzip"),), Done({kind})
        case "unknown encoding":
            return body, (("content-encoding", "x-none, br"),), Done({kind})
        case _:
            return body, (), Done()


def framed(random: Random, shot: Shot, *proofs: str) -> Shot:
    """A request whose frame is wrong, sometimes: type, length, method, address, headers, size, or its end.

    Args:
        random: where choices come from.
        shot: the request.
        proofs: names of the headers by which senders prove who they are.
    """
    kinds = ("type", "length", "pieces", "broken off", "twice", "missing", "method", "address", "large")
    kind = random.choice(("whole",) * 12 + kinds)
    names = [*(name for name, _ in shot.headers), *proofs]
    match kind:
        case "type":
            others = tuple(one for one in shot.headers if one[0] != "content-type")
            shot = replace(shot, headers=(*others, ("content-type", random.choice(_TYPES))))
        case "length":
            shot = replace(shot, headers=(*shot.headers, ("content-length", random.choice(_LENGTHS))))
        case "pieces":
            shot = replace(shot, pieces=random.randint(2, 20))
        case "broken off":
            shot = replace(shot, pieces=2, broken_off=True)
        case "twice":
            shot = replace(shot, twice=random.choice(names))
        case "missing":
            shot = replace(shot, missing=random.choice(names))
        case "method":
            shot = replace(shot, method=random.choice(_METHODS))
        case "address":
            shot = replace(shot, path=shot.path + random.choice(_ADDRESSES))
        case "large":
            shot = replace(shot, body=shot.body + b" " * 1_100_000)
        case _:
            return shot
    return replace(shot, done=shot.done | {f"{kind} (request)"})
