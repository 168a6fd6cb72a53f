"""Redactors, and how a JSON value goes through them."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from guardkit.core.values import Json
from guardkit.errors import InputError
from guardkit.otel.redaction.unfolding import unfold

Find: TypeAlias = Callable[[str], Iterable[tuple[int, int]]]
"""Where something is in a text: the index of its first character, and the index after its last."""

_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}+")
_PASSES = 4
_UNSTABLE = "[redacted]"


def _nowhere(name: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Redactor:
    """Finds one kind of thing, which is then replaced by its kind in brackets: `[iban]`.

    Args:
        kind: what stands in its place; lower-case letters, digits and dashes.
        find: a regular expression, or a function that is given a text and says where in it the thing is, as pairs of
            the index of the first character and the index after the last. The text is in compatibility form, without
            invisible characters. It must find nothing in `[kind]`; content in which it does not come to an end
            after four passes is dropped whole.
        under: whether everything below a key of this name goes, whatever it looks like.

    Raises:
        InputError: the kind has other characters.
    """

    kind: str
    find: re.Pattern[str] | Find
    under: Callable[[str], bool] = field(default=_nowhere)

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise InputError(
                "a redactor's kind holds other characters than it may",
                remedy="use at most 32 lower-case letters, digits and dashes, beginning with a letter",
            )

    def found_in(self, text: str) -> Iterable[tuple[int, int]]:
        """Where in the text it is.

        Raises:
            ValueError: the function names a place outside the text.
        """
        if isinstance(self.find, re.Pattern):
            return (match.span() for match in self.find.finditer(text))
        places = list(self.find(text))
        if not all(0 <= start <= end <= len(text) for start, end in places):
            raise ValueError(f"the redactor {self.kind!r} found something outside the text")
        return places


def redact(value: Json, redactors: Sequence[Redactor]) -> Json:
    """The value with everything replaced that is found in it: texts, keys, and numbers in the form of texts.

    Twice is as once. The work grows linearly with the value, as far as that of the redactors does.
    """
    match value:
        case str():
            return _text(value, redactors)
        case None | bool():
            return value
        case int() | float():
            return _number(value, redactors)
        case list():
            return [redact(item, redactors) for item in value]
        case dict():
            return _object(value, redactors)


def _object(value: dict[str, Json], redactors: Sequence[Redactor]) -> Json:
    found: dict[str, Json] = {}
    for name, item in value.items():
        shown = key = _text(name, redactors)
        count = 1
        while key in found:
            count += 1
            key = f"{shown} {count}"
        kind = next((one.kind for one in redactors if one.under(name) or one.under(key)), None)
        found[key] = redact(item, redactors) if kind is None else _hidden(redact(item, redactors), kind)
    return found


def _hidden(value: Json, kind: str) -> Json:
    match value:
        case None | bool() | "":
            return value
        case str() | int() | float():
            return f"[{kind}]"
        case list():
            return [_hidden(item, kind) for item in value]
        case dict():
            return {name: _hidden(item, kind) for name, item in value.items()}


def _number(value: float, redactors: Sequence[Redactor]) -> Json:
    if isinstance(value, float) and not value.is_integer():
        return value
    text = f"{value:.0f}" if isinstance(value, float) else str(value)
    redacted = _text(text, redactors)
    return value if redacted == text else redacted


def _text(text: str, redactors: Sequence[Redactor]) -> str:
    for _ in range(_PASSES):
        redacted = _pass(text, redactors)
        if redacted == text:
            return text
        text = redacted
    return text if _pass(text, redactors) == text else _UNSTABLE


def _pass(text: str, redactors: Sequence[Redactor]) -> str:
    read, at = unfold(text)
    places = sorted(
        (at[start], rank, at[end - 1] + 1)
        for rank, redactor in enumerate(redactors)
        for start, end in redactor.found_in(read)
        if start < end
    )
    if not places:
        return text
    parts: list[str] = []
    done, index = 0, 0
    while index < len(places):
        start, rank, end = places[index]
        index += 1
        while index < len(places) and places[index][0] < end:
            _, other, further = places[index]
            rank, end = min(rank, other), max(end, further)
            index += 1
        parts.extend((text[done:start], f"[{redactors[rank].kind}]"))
        done = end
    return "".join([*parts, text[done:]])
