"""Forms, as they come in."""

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from guardkit.web.problems import bad_request, too_large

_FIELDS = 1000
_DIGITS = 15
"""Digits of the longest length that is read as a number."""


class Form(Mapping[str, str]):
    """The fields of a form, each once, line ends as line feeds."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = dict(fields)

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def text(self, name: str) -> str:
        """A field without blanks at its ends; empty when it is not there."""
        return self._fields.get(name, "").strip()


async def read_form(request: Request, limit: int) -> Form:
    """The form that a request carries.

    Args:
        request: a POST.
        limit: the most bytes that are read.

    Raises:
        PageError: it is too large, broken off, not a form, not UTF-8, or names a field twice.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise bad_request("Only forms of the inbox's own pages are read here.")
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and (len(declared) > _DIGITS or int(declared) > limit):
        raise too_large(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_large(limit)
    except ClientDisconnect as error:
        raise bad_request("The form did not come whole.") from error
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS
        )
    except ValueError as error:
        raise bad_request("The form is not encoded as forms are.") from error
    fields = {name: value.replace("\r\n", "\n") for name, value in pairs}
    if len(fields) != len(pairs):
        raise bad_request("The form names a field twice.")
    return Form(fields)
