"""YAML with the line of every entry.

Only what JSON can say is accepted: mappings with text keys, lists, text, numbers, booleans and null. Anchors and
aliases work and are expanded, so their number is capped; tags, merge keys and documents after the first are refused.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import yaml

from guardkit.core.values import Json, JsonObject
from guardkit.errors import ConstitutionError, PolicyError, RetentionError

FileError: TypeAlias = type[PolicyError] | type[ConstitutionError] | type[RetentionError]
Where: TypeAlias = tuple[str | int, ...]
"""The way to an entry: keys and list indices from the top."""

MAX_BYTES = 4 * 1024 * 1024
_MAX_NODES = 200_000
_MAX_DEPTH = 32
_PLAIN_INT = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = yaml.SafeLoader("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A document as it was written, and where its entries stand."""

    data: JsonObject
    file: str | None = None
    lines: Mapping[Where, int] = field(default_factory=dict[Where, int])
    """1-based lines by the way to the entry; those of mapping entries are the lines of their keys."""

    def line(self, where: Where) -> int | None:
        """The line of an entry, or of the closest one around it that is known."""
        for end in range(len(where), -1, -1):
            if where[:end] in self.lines:
                return self.lines[where[:end]]
        return None

    def problem(
        self, error: FileError, where: Where, message: str, *, remedy: str | None = None
    ) -> Exception:
        """An error about an entry, with its file, line and field."""
        return error(
            message, file=self.file, line=self.line(where), field=dotted(where) or None, remedy=remedy
        )


def dotted(where: Where) -> str:
    """The way to an entry as text, e.g. `tools.pay_claim.rules[0].when`."""
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_file(path: Path, error: FileError) -> Located:
    """Read a YAML file whose top is a mapping.

    Args:
        path: the file; UTF-8, at most 4 MiB.
        error: what to raise.

    Raises:
        error: the file cannot be read or is not such a document; with file and line.
    """
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as problem:
        raise error(
            f"cannot be read: {problem.strerror or type(problem).__name__}",
            file=str(path),
            remedy="name an existing, readable file",
        ) from problem
    if len(raw) > MAX_BYTES:
        raise error(f"is larger than {MAX_BYTES} bytes", file=str(path), remedy="split it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise error("is not UTF-8", file=str(path), line=line, remedy="save it as UTF-8") from problem
    return read_text(text, error, file=str(path))


def read_text(text: str, error: FileError, *, file: str | None = None) -> Located:
    """Read a YAML document whose top is a mapping.

    Raises:
        error: not such a document; with line.
    """
    reader = _Reader(error, file)
    try:
        data = reader.read(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        what = getattr(problem, "problem", None) or type(problem).__name__
        line = mark.line + 1 if mark is not None else None
        raise error(f"is not YAML: {what}", file=file, line=line) from problem
    except (UnicodeError, RecursionError) as problem:
        raise error(f"is not YAML: {type(problem).__name__}", file=file) from problem
    if not isinstance(data, dict):
        raise error("is not a mapping at its top", file=file, line=1, remedy="start with `key: value` lines")
    return Located(data=data, file=file, lines=reader.lines)


class _Reader:
    """Builds values from parser events, so that depth and size are checked while reading."""

    def __init__(self, error: FileError, file: str | None) -> None:
        self.lines: dict[Where, int] = {}
        self._error = error
        self._file = file
        self._anchors: dict[str, tuple[Json, int]] = {}
        self._nodes = 0

    def read(self, text: str) -> Json:
        events = cast("Iterator[Any]", yaml.parse(text, Loader=_LOADER))  # pyright: ignore[reportUnknownMemberType]
        data: Json = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._problem(
                        "a second document begins here", event, (), "keep one document in a file"
                    )
                data = self._value(next(events), events, ())
        return data

    def _problem(self, message: str, event: Any, where: Where, remedy: str | None = None) -> Exception:
        line = event.start_mark.line + 1
        return self._error(message, file=self._file, line=line, field=dotted(where) or None, remedy=remedy)

    def _count(self, nodes: int, event: Any, where: Where) -> None:
        self._nodes += nodes
        if self._nodes > _MAX_NODES:
            raise self._problem(f"more than {_MAX_NODES} entries, aliases expanded", event, where, "split it")
        if len(where) > _MAX_DEPTH:
            raise self._problem(f"nested deeper than {_MAX_DEPTH} levels", event, where, "flatten it")

    def _value(self, event: Any, events: Iterator[Any], where: Where) -> Json:
        self.lines.setdefault(where, event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, where)
        self._count(1, event, where)
        before = self._nodes
        if event.tag is not None:
            raise self._problem(f"tag {event.tag!r} is not allowed", event, where, "write the plain value")
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, where)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(events, where)
        else:
            value = self._mapping(events, where)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before + 1)
        return value

    def _alias(self, event: Any, where: Where) -> Json:
        known = self._anchors.get(event.anchor)
        if known is None:
            raise self._problem(
                f"alias {event.anchor!r} names no finished anchor above it", event, where, "define it first"
            )
        value, nodes = known
        self._count(nodes, event, where)
        return value

    def _sequence(self, events: Iterator[Any], where: Where) -> Json:
        items: list[Json] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, events, (*where, len(items))))
        return items

    def _mapping(self, events: Iterator[Any], where: Where) -> Json:
        entries: JsonObject = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, where)
            if key in entries:
                first = self.lines.get((*where, key))
                raise self._problem(
                    f"key {key!r} stands here twice, first in line {first}", event, (*where, key), "keep one"
                )
            self.lines[(*where, key)] = event.start_mark.line + 1
            entries[key] = self._value(next(events), events, (*where, key))
        return entries

    def _key(self, event: Any, where: Where) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            raise self._problem("a key is not plain text", event, where, "use text as keys")
        key = self._scalar(event, where)
        if event.implicit[0] and _tag(event.value) == "merge":
            raise self._problem("merge keys are not supported", event, where, "write the entries out")
        if not isinstance(key, str):
            raise self._problem(
                f"key {event.value!r} is read as a {_tag(event.value)}", event, where, "quote it"
            )
        return key

    def _scalar(self, event: Any, where: Where) -> Json:
        text: str = event.value
        if not event.implicit[0]:
            return text
        match _tag(text):
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false"):
                return text.lower() == "true"
            case "int" if _PLAIN_INT.fullmatch(text) and len(text) <= 20:
                return int(text)
            case "float" if "_" not in text and ":" not in text and math.isfinite(_float(text)):
                return float(text)
            case "bool" | "int" | "float" as tag:
                raise self._problem(
                    f"{text[:40]!r} is an unusual spelling of a value of type {tag}",
                    event,
                    where,
                    "quote it if it is text; else write true, false or a plain decimal number",
                )
            case _:
                return text


def _tag(text: str) -> str:
    """What YAML takes an unquoted scalar for: `null`, `bool`, `int`, `float`, `str`, `timestamp`, `merge`."""
    resolved: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))
    return resolved.rpartition(":")[2]


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
