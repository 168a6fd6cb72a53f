"""What text is disguised with, taken off: invisible characters, look-alikes, encodings, markup that hides.

Every step is linear in the text: no expression here can backtrack over more than a few hundred characters, and what
comes out of all disguises of a text together is no longer than a small multiple of it.
"""

import base64
import binascii
import codecs
import html
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_ASCII_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1b\x7f]+")
_ACCENTS = re.compile("[\u0300-\u036f]+")
_ACCENTED = re.compile("[\u00c0-\u024f\u0300-\u036f\u0386-\u03ce\u0400-\u045f\u1e00-\u1fff]")
_QUOTES = (("\u2019", "'"), ("\u2018", "'"), ("\u02bc", "'"), ("\uff07", "'"))
_ESCAPES = re.compile(r"\\(?:[nrtNRT]|U([0-9a-fA-F]{8})|[uU]([0-9a-fA-F]{4})|[xX]([0-9a-fA-F]{2}))")
_SURROGATES = re.compile("[\ud800-\udfff]")
_ENTITY = re.compile(r"&(?:#\d{2,7}|#x[0-9a-fA-F]{2,6}|[a-zA-Z]{2,8});")

_LOOKALIKES = {
    "асԁеցһіјӏкмпоԛрѕтυԝхуѵ": "acdeghijlkmnoqpstuwxyv",  # Cyrillic, Armenian and a Greek upsilon
    "ανοιρτκεηχγωςѡ": "avoiptkenxywsw",
    "ոսօհցզյ": "nuohgqj",
    "\u0261\u0131\u0251\u2113": "gial",  # script g, dotless i, alpha, script l
}
_FROM_LOOKALIKE = str.maketrans(
    {odd: usual for odds, usuals in _LOOKALIKES.items() for odd, usual in zip(odds, usuals, strict=True)}
)
_FOREIGN = re.compile("[\u0370-\u058f\u0261\u0131\u0251\u2113]")
_MIXED = re.compile("[a-z][\u0370-\u058f]|[\u0370-\u058f][a-z]|[\u0261\u0131\u0251\u2113]")
_LEET = re.compile(r"[013457@$!]{1,4}[a-z]{1,3}")
_FROM_LEET = str.maketrans("013457@$!", "oieastasi")
_APART = re.compile(r"[\s.\-*_·|][^\W\d_][\s.\-*_·|]{1,3}[^\W\d_][\s.\-*_·|]{1,3}[^\W\d_][\s.\-*_·|]")
_SPACED = re.compile(r"(?<![^\W_])[^\W\d_](?:[\s.\-*_·|]{1,3}+[^\W\d_](?![^\W_])){7,}+")
_LETTER = re.compile(r"[^\W_]")

_SMUGGLING = re.compile("[\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff\U000e0020-\U000e01ef]{6}")
_TAGS = re.compile("[\U000e0020-\U000e007f]{6,}")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{6,}")
_ZERO_WIDTHS = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff]{16,}")

_LEAST = 20
"""Characters from which a run without spaces may be an encoding."""

_WRAPPED = re.compile(r"(?:[A-Za-z0-9+/]{40,200}+\r?\n[ \t]{0,8}){1,}+(?:[A-Za-z0-9+/]{2,200}={0,2})?")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{20,}+={0,2}")
_HEX = re.compile(
    r"(?:[0-9a-fA-F]{2}){12,}+|(?:\\x[0-9a-fA-F]{2}){8,}+|(?:[0-9a-fA-F]{2}[:,]){8,}+[0-9a-fA-F]{2}"
)
_HEX_APART = re.compile(r"[0-9a-fA-F]{2}(?:,? (?:0x)?[0-9a-fA-F]{2}){11,}+")
_BINARY = re.compile(r"[01]{8}(?:[ \n,]?[01]{8}){7,}+")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}[A-Za-z0-9_.~+-]{0,40}+){4,}+")
_BEFORE_PERCENT = re.compile(r"[A-Za-z0-9_.~+-]{1,40}\Z")
_NOT_HEX = re.compile(r"\\x|0x|[^0-9a-fA-F]")

_MARKDOWN_COMMENT = re.compile(
    r"^\[[^\[\]\n]{0,80}\]:[ \t]{0,4}(?:#|<>)[ \t]{1,4}[\"'(]([^\n]{1,2000})", re.MULTILINE
)
_ATTRIBUTE = re.compile(r"=[ ]{0,3}[\"']([^\"'<>]{8,4000})")
_ALTERNATIVE = re.compile(r"(?:alt|title|aria-label)[ ]{0,3}\Z", re.IGNORECASE)
_PICTURE = re.compile(r"!\[([^\[\]\n]{24,4000})\]\(")
_TAG = re.compile(r"<[A-Za-z][^<>]{1,1000}>")
_UNSEEN = re.compile(
    r"display[ ]{0,2}:[ ]{0,2}none|visibility[ ]{0,2}:[ ]{0,2}hidden|font-size[ ]{0,2}:[ ]{0,2}0|opacity[ ]{0,2}:[ ]{0,2}0(?![.\d])"
    r"|\shidden(?=[\s>=/])|color[ ]{0,2}:[ ]{0,2}(?:white|#fff\b|#ffffff)|(?:left|top|text-indent)[ ]{0,2}:[ ]{0,2}-\d{3}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text that is not in plain sight, as the model may read it."""

    how: str
    """How it was disguised, e.g. `base64`."""

    text: str
    at: int
    """Where it begins, in characters of the text that it was found in."""

    blatant: bool = False
    """Whether the disguise has no honest use."""


def plain(text: str) -> str:
    """The text as it is read: NFKC, lower-case, without invisible characters, accents and escapes.

    ASCII text without controls, escapes and entities keeps its length, so offsets stay true.
    """
    if "&" in text and _ENTITY.search(text):
        text = html.unescape(text)
    if "\\" in text:
        text = _ESCAPES.sub(_unescaped, text)
        if _SURROGATES.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if text.isascii():
        text = _ASCII_INVISIBLE.sub("", text).lower()
    else:
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).lower()
        for odd, usual in _QUOTES:
            text = text.replace(odd, usual)
        if _ACCENTED.search(text):
            # Between two normal forms, so that Hangul syllables are whole again afterwards.
            text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))
    return text


def _unescaped(found: re.Match[str]) -> str:
    code = next(filter(None, found.groups()), None)
    if code is None:
        return "  "
    point = int(code, 16)
    return chr(point) if point <= sys.maxunicode else found[0]


def other_readings(text: str) -> Iterator[tuple[str, str]]:
    """The text read in other ways, where something in it asks for that: how, and the text.

    Args:
        text: plain text.
    """
    if not text.isascii() and _FOREIGN.search(text) and _MIXED.search(text):
        yield "lookalike", text.translate(_FROM_LOOKALIKE)
    if any(
        found.end() - found.start() > 3 or text[found.start() - 1].isalpha() for found in _LEET.finditer(text)
    ):
        yield "leet", text.translate(_FROM_LEET)
    if any(word in text for word in ("vafgehpgvba", "cerivbhf", "flfgrz cebzcg")):
        yield "rot13", codecs.encode(text, "rot13")
    if any(word in text for word in ("noitcurtsni", "suoiverp", "tpmorp metsys")):
        yield "backwards", text[::-1]


def spaced_out(text: str) -> Iterator[tuple[int, str]]:
    """Runs of single letters with something between them, put together: offset and letters."""
    if not _APART.search(text):
        return
    for found in _SPACED.finditer(text):
        yield found.start(), "".join(_LETTER.findall(found[0]))


def smuggled(text: str) -> Iterator[Piece]:
    """What invisible characters spell: tag characters, variation selectors, long runs of zero-width ones.

    Args:
        text: the text as it came.
    """
    if text.isascii() or not _SMUGGLING.search(text):
        return
    for found in _TAGS.finditer(_FLAG.sub(lambda flag: " " * len(flag[0]), text)):
        yield Piece(
            "tags", "".join(chr(ord(char) - 0xE0000) for char in found[0]), found.start(), blatant=True
        )
    for found in _SELECTORS.finditer(text):
        spelt = bytes(map(_byte, found[0])).decode("utf-8", "replace")
        yield Piece("selectors", spelt, found.start(), blatant=True)
    for found in _ZERO_WIDTHS.finditer(text):
        yield Piece("zero-width", "", found.start(), blatant=True)


def _byte(selector: str) -> int:
    code = ord(selector)
    return code - 0xFE00 if code < 0xFF00 else code - 0xE0100 + 16


def hidden(text: str) -> Iterator[Piece]:
    """What markup keeps from the reader of a page: comments, unseen elements, alternative texts.

    Args:
        text: the text as it came.
    """
    at = text.find("<!--")
    while at >= 0:
        end = text.find("-->", at + 4)
        yield Piece("hidden", text[at + 4 : end if end >= 0 else len(text)], at)
        at = text.find("<!--", end) if end >= 0 else -1
    if "<" in text:
        for tag in _TAG.finditer(text):
            if _UNSEEN.search(tag[0]):
                end = text.find("<", tag.end())
                yield Piece("hidden", text[tag.end() : end if end >= 0 else len(text)], tag.end())
    if "]:" in text:
        for found in _MARKDOWN_COMMENT.finditer(text):
            yield Piece("hidden", found[1], found.start())
    if "=" in text and "<" in text:
        for found in _ATTRIBUTE.finditer(text):
            if _ALTERNATIVE.search(text, max(0, found.start() - 16), found.start()):
                yield Piece("hidden", found[1], found.start())
    for found in _PICTURE.finditer(text):
        yield Piece("hidden", found[1], found.start())


def decoded(text: str) -> Iterator[Piece]:
    """What encodings hold, where that is text: base64, hexadecimal, binary, percent signs.

    Args:
        text: the text as it came.
    """
    end = 0
    for at, run in _long_runs(text):
        wrapped = _WRAPPED.match(text, at) if at >= end else None
        if wrapped:
            # Lines may also be read one by one: what stands above an encoding need not be a part of it.
            end = wrapped.end()
            written = re.sub(r"\s", "", wrapped[0])
            yield from _readable("base64", _from_base64(written), at)
            for found in _HEX.finditer(written):
                yield from _readable("hex", _from_hex(found[0]), at)
        for found in _BASE64.finditer(run):
            yield from _readable("base64", _from_base64(found[0]), at + found.start())
        for found in _HEX.finditer(run):
            yield from _readable("hex", _from_hex(found[0]), at + found.start())
        if "%" in run:
            for found in _PERCENT.finditer(run):
                head = _BEFORE_PERCENT.search(run, max(0, found.start() - 40), found.start())
                written = ((head[0] if head else "") + found[0]).replace("+", " ")
                yield from _readable(
                    "percent", unquote(written, errors="replace").encode(), at + found.start()
                )
    for found in _HEX_APART.finditer(text):
        yield from _readable("hex", _from_hex(found[0]), found.start())
    for found in _BINARY.finditer(text):
        bits = re.sub("[^01]", "", found[0])
        yield from _readable(
            "binary", bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)), found.start()
        )


def _long_runs(text: str) -> Iterator[tuple[int, str]]:
    """Runs without spaces that are long enough to be an encoding, with their offsets."""
    at = 0
    for run in text.split():
        if len(run) >= _LEAST:
            at = text.index(run, at)
            yield at, run
            at += len(run)


def _readable(how: str, data: bytes, at: int) -> Iterator[Piece]:
    """A piece, if what was decoded is text: nine of ten characters can be read."""
    text = data.decode("utf-8", "replace")
    if len(text) < 6 or data.count(0) * 10 > len(data):
        return
    unreadable = text.count("\ufffd") + sum(
        map(text.count, "\x00\x01\x02\x03\x04\x05\x06\x0e\x0f\x10\x11\x12\x7f")
    )
    if unreadable * 10 <= len(text):
        yield Piece(how, text, at)


def _from_base64(written: str) -> bytes:
    letters = written.rstrip("=").replace("-", "+").replace("_", "/")
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4))
    except binascii.Error:
        return b""


def _from_hex(written: str) -> bytes:
    digits = _NOT_HEX.sub("", written)
    return bytes.fromhex(digits[: len(digits) // 2 * 2])
