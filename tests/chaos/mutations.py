"""Payloads that are almost right, as hypothesis strategies: every way in which JSON, forms and requests can be wrong."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote_plus

from hypothesis import strategies as st

Place = tuple[Any, ...]
"""The keys and indices that lead to a value."""

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(
        ["", " ", "0", "true", "approve", "\x00", "\u202e", "😀" * 9, "x" * 5_000, 2**64, -1, 1e308]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
"""Any JSON, NaN and infinity included."""

_HOLE = "@hole@"
_TOKENS = st.sampled_from(
    [
        *("NaN", "-Infinity", "1e400", "-0", "01", "+1", ".5", "0x10", "9" * 5_000, "1." + "0" * 400 + "1"),
        *("tru", "", "'x'", "[1,]", "{,}", "[1 2]", '{"a" 1}', "// no\n1", '"\\q"', '"\x01"', '"open'),
        *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '{"id":1,"id":2}', '{"":{"":{}}}'),
        *("[" * 5_000 + "]" * 5_000, '{"a":' * 5_000 + "1" + "}" * 5_000, "[" * 50_000),
        *('"' + "x" * 70_000 + '"', "[" + "0," * 20_000 + "0]", '"' + "\\ud83d\\ude00" * 3_000 + '"'),
    ]
)
"""What stands where a value should: no JSON, or JSON that is deep, huge, twice or half."""

_BYTES = st.sampled_from(
    [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\xef\xbb\xbf", b"\\", b'"', b"}", b"%", b"&"]
)
_TYPES = st.sampled_from(
    [
        *(
            "application/json",
            "application/x-www-form-urlencoded",
            "text/plain",
            "text/html",
            "multipart/form-data",
        ),
        *(
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/json;;=",
            "",
            "\x00",
        ),
        *(
            "APPLICATION/JSON",
            "application/cloudevents+json",
            "application/x-www-form-urlencoded; charset=\xff",
            "x" * 9_000,
        ),
    ]
)
_LENGTHS = st.sampled_from(["0", "1", "-1", "99999999", "9" * 40, "1e3", "", "٣", "+5", "12, 12", "x"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One request, as a server hands it on."""

    path: str
    method: str = "POST"
    query: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    """By name in lower case; a name may come twice."""

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

    changes: frozenset[str] = field(default_factory=frozenset[str])
    """What was done to it."""

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


def _without(value: Any, path: Place) -> Any:
    changed = copy.copy(value)
    if len(path) == 1:
        del changed[path[0]]
    else:
        changed[path[0]] = _without(value[path[0]], path[1:])
    return changed


def _at(value: Any, path: Place) -> Any:
    for step in path:
        value = value[step]
    return value


@st.composite
def values(draw: st.DrawFn, value: Any, keep: Callable[[Place], bool] = lambda _: False) -> Any:
    """The value with some of it replaced, removed, added, moved, wrapped, repeated or written as text.

    Args:
        draw: of hypothesis.
        value: any JSON.
        keep: names places that are left as they are.
    """
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from([place for place in places(value) if not keep(place)]))
        there = _at(value, path)
        how = draw(st.sampled_from(["replace", "remove", "add", "copy", "wrap", "repeat", "text", "case"]))
        match how:
            case "remove" if path:
                value = _without(value, path)
            case "add" if isinstance(there, dict):
                value = put(value, path, {**there, draw(st.text(max_size=12)): draw(VALUES)})
            case "copy":
                value = put(value, path, _at(value, draw(st.sampled_from(places(value)))))
            case "wrap":
                value = put(value, path, draw(st.sampled_from([[there], {"value": there}, [[there], there]])))
            case "repeat":
                value = put(value, path, [there] * draw(st.sampled_from([0, 2, 50])))
            case "text":
                value = put(value, path, there if isinstance(there, str) else json.dumps(there))
            case "case" if isinstance(there, str):
                value = put(
                    value, path, draw(st.sampled_from([there.upper(), f" {there}", f"{there}\n", there[:-1]]))
                )
            case _:
                value = put(value, path, draw(VALUES))
    return value


@st.composite
def documents(draw: st.DrawFn, value: Any) -> tuple[str, frozenset[str]]:
    """JSON as text, sometimes no JSON any more; and what was done to it."""
    done: set[str] = set()
    kind = draw(st.sampled_from(["whole", "whole", "token", "double", "cut"]))
    if kind == "token":
        value = put(value, draw(st.sampled_from(places(value))), _HOLE)
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    match kind:
        case "token":
            text = text.replace(f'"{_HOLE}"', draw(_TOKENS), 1)
        case "double" if '": ' in text:
            ends = [at for at in range(len(text)) if text.startswith('": ', at)]
            at = draw(st.sampled_from(ends))
            start = text.rfind('"', 0, at)
            text = f"{text[:start]}{text[start : at + 1]}: {json.dumps(draw(SCALARS))}, {text[start:]}"
        case "cut":
            text = text[: draw(st.integers(0, max(0, len(text) - 1)))]
        case _:
            return text, frozenset(done)
    return text, frozenset({kind})


@st.composite
def encoded(draw: st.DrawFn, text: str) -> tuple[bytes, frozenset[str]]:
    """Text as bytes, sometimes in another encoding, or with bytes that are no text; and what was done to it."""
    kind = draw(st.sampled_from(["utf-8"] * 6 + ["utf-16", "utf-8-sig", "bytes"]))
    if kind == "bytes":
        data = text.encode(errors="surrogatepass")
        at = draw(st.integers(0, len(data)))
        return data[:at] + draw(_BYTES) + data[at:], frozenset({"bytes"})
    return text.encode(kind, errors="surrogatepass"), frozenset({kind} - {"utf-8"})


@st.composite
def forms(draw: st.DrawFn, fields: Mapping[str, bytes]) -> tuple[bytes, frozenset[str]]:
    """A form, sometimes with fields missing, added, twice or half; and what was done to it."""
    pairs = [f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields.items()]
    kind = draw(st.sampled_from(["whole"] * 4 + ["missing", "extra", "twice", "many", "odd", "raw", "cut"]))
    match kind:
        case "missing":
            del pairs[draw(st.integers(0, len(pairs) - 1))]
        case "extra":
            pairs.append(f"{quote_plus(draw(st.text(max_size=8)))}={quote_plus(draw(st.text(max_size=40)))}")
        case "twice":
            pairs.append(draw(st.sampled_from(pairs)))
        case "many":
            pairs += [f"f{number}=" for number in range(1_200)]
        case "odd":
            pairs.append(
                draw(st.sampled_from(["%zz=1", "%ff=%ff", "=", "a", "&&", "a=%00", ";a=1", "a=%u0041"]))
            )
        case "raw":
            return draw(st.binary(max_size=200)), frozenset({"form raw"})
        case "cut":
            whole = "&".join(pairs)
            return whole[: draw(st.integers(0, len(whole)))].encode(), frozenset({"form cut"})
        case _:
            return "&".join(pairs).encode(), frozenset()
    return "&".join(pairs).encode(), frozenset({f"form {kind}"})


@st.composite
def packed(draw: st.DrawFn, body: bytes) -> tuple[bytes, tuple[tuple[str, str], ...], frozenset[str]]:
    """A body with a `content-encoding` that it has, or has not; and what was done to it."""
    kind = draw(st.sampled_from(["plain"] * 9 + ["gzip", "deflate", "not gzip", "unknown"]))
    match kind:
        case "gzip":
            return gzip.compress(body, 1, mtime=0), (("content-encoding", "gzip"),), frozenset({kind})
        case "deflate":
            return zlib.compress(body, 1), (("content-encoding", "deflate"),), frozenset({kind})
        case "not gzip":
            return body, (("content-encoding", "gzip"),), frozenset({kind})
        case "unknown":
            return body, (("content-encoding", "x-none, br"),), frozenset({kind})
        case _:
            return body, (), frozenset()


@st.composite
def requests(draw: st.DrawFn, shot: Shot, *proofs: str) -> Shot:
    """A request whose frame is wrong, sometimes: type, length, method, address, headers, or its end.

    Args:
        draw: of hypothesis.
        shot: the request.
        proofs: names of the headers by which senders prove who they are.
    """
    kinds = ["type", "length", "pieces", "end", "twice", "missing", "method", "address", "large"]
    kind = draw(st.sampled_from(["whole"] * 9 + kinds))
    names = [name for name, _ in shot.headers] + list(proofs)
    match kind:
        case "type":
            others = tuple(one for one in shot.headers if one[0] != "content-type")
            shot = replace(shot, headers=(*others, ("content-type", draw(_TYPES))))
        case "length":
            shot = replace(shot, headers=(*shot.headers, ("content-length", draw(_LENGTHS))))
        case "pieces":
            shot = replace(shot, pieces=draw(st.integers(2, 20)))
        case "end":
            shot = replace(shot, pieces=2, broken_off=True)
        case "twice":
            shot = replace(shot, twice=draw(st.sampled_from(names)))
        case "missing":
            shot = replace(shot, missing=draw(st.sampled_from(names)))
        case "method":
            methods = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST", "x"]
            shot = replace(shot, method=draw(st.sampled_from(methods)))
        case "address":
            more = draw(st.sampled_from(["/", "//", "/x", "/../x", "%2f", "\x00", "é", "/" + "a" * 5_000]))
            shot = replace(shot, path=shot.path + more)
        case "large":
            shot = replace(shot, body=shot.body + b" " * 1_100_000)
        case _:
            return shot
    return replace(shot, changes=shot.changes | {f"request {kind}"})
