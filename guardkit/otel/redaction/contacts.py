"""Where people can be reached: e-mail addresses and telephone numbers.

Telephone numbers have no checksum. What is found has the form of ITU-T E.164 and E.123 (international, with `+` or
`00`), of the North American plan, or of a national number with a trunk 0; or a word such as `phone` stands before it.
"""

import re
from collections.abc import Iterator

from guardkit.otel.redaction.redactor import Redactor

_AT = re.compile(
    r"[ \t\r\n]{0,3}+(?:@|%40|&#64;|&#x40;|&commat;|[(\[{][ ]{0,2}+(?:at|AT|At|@)[ ]{0,2}+[)\]}])[ \t\r\n]{0,3}+"
)
_LOCAL = frozenset(".!#$%&'*+/=?^_`{|}~-")
_DOT = r"(?:\.|[ ]{0,2}+[(\[{][ ]{0,2}+(?:dot|DOT|Dot|\.)[ ]{0,2}+[)\]}][ ]{0,2}+)"
_DOMAIN = re.compile(
    rf"(?:[^\W_][\w-]{{0,62}}+{_DOT}){{1,12}}+[^\W\d_][\w-]{{1,62}}+|\[[0-9A-Fa-f:.IPv]{{3,60}}+\]"
)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    done = 0
    for at in _AT.finditer(text):
        domain = _DOMAIN.match(text, at.end())
        if domain is None:
            continue
        start = at.start()
        if start > done and text[start - 1] == '"':
            quote = text.rfind('"', max(done, start - 66), start - 1)
            start = quote if quote >= 0 else start
        while start > done and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
            start -= 1
        if start < at.start():
            yield start, domain.end()
        done = at.end()


_BETWEEN = r"[ \t\r\n.()/-]"
_NUMBERS = (
    re.compile(rf"(?<![0-9+])\+[ (]{{0,2}}+[0-9](?:{_BETWEEN}{{0,3}}+[0-9]){{6,14}}+"),
    re.compile(rf"(?<![0-9.,])00[ ]{{0,2}}+[1-9](?:{_BETWEEN}{{0,3}}+[0-9]){{7,13}}+(?![0-9])"),
    re.compile(
        r"(?<![0-9])(?:1[ .-]{1,2}+)?+(?:\([2-9][0-9]{2}\)[ ]{0,2}+|[2-9][0-9]{2}[ .-]{1,2}+)"
        r"[2-9][0-9]{2}[ .-]{1,2}+[0-9]{4}(?![0-9])"
    ),
    re.compile(r"(?<![0-9.])0[1-9][0-9]{8,10}+(?![0-9])"),
)
_TRUNK = re.compile(r"(?<![0-9.,:/-])\(?+0[1-9][0-9]{0,4}+\)?+(?:[ ./()-]{1,3}+[0-9]{2,8}+){1,5}+")
_DATE = re.compile(r"0[1-9][./-][0-9]{1,2}+[./-][0-9]{2,4}+(?![0-9])")
_LABELLED = re.compile(
    r"(?:phone|tel|telefon|mobile|cell|fax|whatsapp|sms)(?:[ ]?+(?:number|no|nr|num))?+[ .:=#\"'\\(]{1,6}+"
    rf"(\+?+[0-9](?:{_BETWEEN}{{0,3}}+[0-9]){{5,14}}+)"
)
"""In lower case."""

_LOWER = {ord(upper): ord(upper.lower()) for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_NAMED = re.compile(r"(?i)(?<![a-z])(?:phone|telephone|mobile|fax|tel|msisdn)(?:[_ -]?+(?:number|no))?+\Z")


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _NUMBERS:
        for match in pattern.finditer(text):
            yield match.span()
    for match in _TRUNK.finditer(text):
        if 9 <= sum(map(str.isdigit, match[0])) <= 12 and not _DATE.match(match[0].lstrip("(")):
            yield match.span()
    for match in _LABELLED.finditer(text.translate(_LOWER)):
        yield match.span(1)


def _is_phone(name: str) -> bool:
    return _NAMED.search(name) is not None


EMAIL = Redactor("email", _emails)
PHONE = Redactor("phone", _phones, under=_is_phone)
