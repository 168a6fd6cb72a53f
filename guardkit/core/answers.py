"""What an edit form said, read back by the types that the arguments have.

A field that nobody touched keeps its value exactly, whatever a browser does to line ends.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import cast

from guardkit.core.digest import canonical, parse
from guardkit.core.edits import edit_problems
from guardkit.core.fields import DECIMAL, Field, fields_of
from guardkit.core.values import Json, JsonObject
from guardkit.core.visible import one_line
from guardkit.errors import CanonicalError

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NOT_A_NUMBER = "Write a number like 1250.50, with a point and without separators or a currency."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a form said."""

    args: JsonObject
    fields: tuple[Field, ...]
    """As they were sent, each with what is wrong with it."""

    problems: tuple[str, ...]
    """What is wrong with the whole."""

    @property
    def ok(self) -> bool:
        """Whether the arguments can be used."""
        return not self.problems and all(field.error is None for field in self.fields)


def read_fields(schema: JsonObject, args: JsonObject, form: Mapping[str, str]) -> Reading:
    """The arguments that a form asks for.

    Args:
        schema: JSON schema of the tool's arguments.
        args: the arguments as they stand.
        form: the form's fields, line ends as line feeds.
    """
    edited = dict(args)
    fields: list[Field] = []
    for field in fields_of(schema, args):
        sent = form.get(field.key)
        if (
            sent is None
            or field.kind == "kept"
            or sent == field.text.replace("\r\n", "\n").replace("\r", "\n")
        ):
            fields.append(field)
            continue
        read, problem = read_text(field, sent)
        fields.append(replace(field, text=sent, error=problem))
        if problem is None:
            edited.pop(field.name, None)
            if not isinstance(read, Absent):
                edited[field.name] = read
    problems: list[str] = []
    for found in edit_problems(schema, edited):
        at = next((i for i, field in enumerate(fields) if field.name == found.field), None)
        if at is None:
            problems.append(f"{found.path} {found.message}")
        elif fields[at].error is None:
            fields[at] = replace(fields[at], error=_sentence(found.path, found.message))
    fine = not problems and all(field.error is None for field in fields)
    if fine and canonical(edited) == canonical(args):
        problems.append("Nothing is changed. Change a value, or go back and approve it as it is.")
    return Reading(args=edited, fields=tuple(fields), problems=tuple(problems))


def changes_between(args: JsonObject, edited: JsonObject) -> JsonObject:
    """What a confirmation has to carry: values that were set, and names that were removed."""
    was = {name: canonical(value) for name, value in args.items()}
    changed: JsonObject = {name: value for name, value in edited.items() if was.get(name) != canonical(value)}
    removed: list[Json] = [name for name in args if name not in edited]
    return {"set": changed, "removed": removed}


def with_changes(args: JsonObject, text: str) -> JsonObject:
    """The arguments with what a confirmation carries.

    Args:
        args: the arguments as they stand.
        text: JSON of `changes_between`.

    Raises:
        CanonicalError: it is not that.
    """
    changes = parse(text, path="changes")
    match changes:
        case {"set": dict() as changed, "removed": list() as removed}:
            kept = {name: value for name, value in args.items() if name not in removed}
            return {**kept, **cast("JsonObject", changed)}
        case _:
            raise CanonicalError("not what the form carries", path="changes")


class Absent:
    """No value at all, which is not `null`."""


def read_text(field: Field, sent: str) -> tuple[Json | Absent, str | None]:
    """A value, and what is wrong with it.

    Args:
        field: what is asked for.
        sent: what somebody wrote.
    """
    text = sent if field.kind in ("line", "text") else sent.strip()
    if text == "" and field.optional:
        return (None if field.nullable and (field.present or field.required) else Absent()), None
    match field.kind:
        case "line" | "text" | "date":
            return text, None
        case "decimal":
            return (text, None) if DECIMAL.fullmatch(text) else (None, _NOT_A_NUMBER)
        case "integer":
            return _integer(text)
        case "number":
            return _number(text)
        case "boolean":
            return (text == "true", None) if text in ("true", "false") else (None, "Choose yes or no.")
        case "choice":
            if text.isascii() and text.isdecimal() and int(text) < len(field.choices):
                return field.choices[int(text)], None
            return None, "Choose one of the list."
        case "json":
            return _json(text)
        case "kept":
            return field.current, None


def _integer(text: str) -> tuple[Json, str | None]:
    if not _INTEGER.fullmatch(text):
        return None, "Write a whole number, like 12, without spaces or separators."
    if len(text) > 17 or abs(int(text)) > 2**53 - 1:
        return None, "This number is too large to be kept exactly."
    return int(text), None


def _number(text: str) -> tuple[Json, str | None]:
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if len(text) > 40 or not _NUMBER.fullmatch(text):
        return None, _NOT_A_NUMBER
    value = float(text)
    if value in (float("inf"), float("-inf")) or Decimal(repr(value)) != Decimal(text):
        return None, "This number has more digits than can be kept exactly."
    return value, None


def _json(text: str) -> tuple[Json, str | None]:
    try:
        return parse(text, path="here"), None
    except CanonicalError as error:
        cause = error.__cause__
        if isinstance(cause, json.JSONDecodeError):
            return None, f"This is not JSON: look at line {cause.lineno}, column {cause.colno}."
        return None, f"This JSON cannot be used: {one_line(str(error), 200)}."


def _sentence(path: str, message: str) -> str:
    nested = path.removeprefix("args.")
    prefix = f"{nested} " if "." in nested or "[" in nested else "It "
    return f"{prefix}{message}."
