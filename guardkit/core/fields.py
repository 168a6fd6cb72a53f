"""The edit form: one field for each argument, from the tool's JSON schema, with the argument's type kept.

Forms know only text; `guardkit.core.answers` reads it back by the type that the argument had, or that the schema
gives it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

from guardkit.core.digest import canonical
from guardkit.core.values import Json, JsonObject
from guardkit.core.visible import human, one_line, visible

_KEPT_LENGTH = 20_000
"""Characters of the longest value that is put into a form; the form of a longer one would not be read back."""

_FORM_LENGTH = 100_000
_LONG_LINE = 60
_REFERENCES = 16

DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
"""An exact number, as text."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Kind: TypeAlias = Literal[
    "line", "text", "decimal", "date", "number", "integer", "boolean", "choice", "json", "kept"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One choice of a list."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One argument as a form shows it."""

    key: str
    """Name of the form's field; arguments may be called anything."""

    name: str
    label: str
    kind: Kind
    text: str
    """What is in the field."""

    current: Json
    present: bool
    """Whether the arguments have it now."""

    required: bool
    nullable: bool
    choices: tuple[Json, ...] = ()
    help: str = ""
    hidden: str = ""
    """The value with invisible characters marked, if it has any."""

    error: str | None = None

    @property
    def optional(self) -> bool:
        """Whether it may be left empty, which then means that there is no value."""
        return self.nullable or not self.required

    @property
    def rows(self) -> int:
        """Lines of a text area."""
        return min(16, max(3, self.text.count("\n") + 1 + len(self.text) // 90))

    def options(self) -> Iterator[Option]:
        """The choices of a list, the chosen one marked."""
        if self.optional:
            yield Option(value="", label="no value", chosen=self.text == "")
        for index, choice in enumerate(self.choices):
            label = choice if isinstance(choice, str) else json.dumps(choice, ensure_ascii=False)
            yield Option(value=str(index), label=one_line(label, 200), chosen=self.text == str(index))


def fields_of(schema: JsonObject, args: JsonObject) -> tuple[Field, ...]:
    """The fields of a form for these arguments.

    Args:
        schema: JSON schema of the tool's arguments.
        args: the arguments as they stand.
    """
    properties = schema.get("properties")
    described = cast("dict[str, Json]", properties) if isinstance(properties, dict) else {}
    required = schema.get("required")
    names = [*described, *(name for name in args if name not in described)]
    room = _FORM_LENGTH
    fields: list[Field] = []
    for index, name in enumerate(names):
        field = _field(
            f"f{index}",
            name,
            resolved(schema, described.get(name)),
            args,
            required=isinstance(required, list) and name in required,
        )
        if (
            len(field.text) > min(room, _KEPT_LENGTH)
            or "\0" in field.text
            or (described and name not in described)
        ):
            field = replace(field, kind="kept", text="", hidden="")
        room -= len(field.text)
        fields.append(field)
    return tuple(fields)


def field_of(
    schema: JsonObject, node: JsonObject, name: str, values: JsonObject, *, required: bool = False
) -> Field:
    """The field of one value, however long it is.

    Args:
        schema: JSON schema of the tool's arguments, in which references are followed.
        node: the part of it that describes the value.
        name: the value's name.
        values: what it is among.
        required: whether it may not be absent.
    """
    return _field("value", name, resolved(schema, node), values, required=required)


def _field(key: str, name: str, node: JsonObject, args: JsonObject, *, required: bool) -> Field:
    present, current = name in args, args.get(name)
    forms = forms_of(node)
    types = {kind for form in forms for kind in _types(form)}
    choices = _choices(node)
    kind = _kind(types, choices, current)
    if kind == "line":
        kind = _kind_of_text(forms, types, current)
    text = _shown(kind, choices, current)
    if kind == "line" and ("\n" in text or "\r" in text or len(text) > _LONG_LINE):
        kind = "text"
    description = node.get("description")
    marked = visible(text) if kind in ("line", "text", "json") else text
    return Field(
        key=key,
        name=name,
        label=human(name),
        kind=kind,
        text=text,
        current=current,
        present=present,
        required=required,
        nullable="null" in types,
        choices=tuple(choice for choice in choices if choice is not None),
        help=one_line(description, 300) if isinstance(description, str) else "",
        hidden=one_line(text, 600) if marked != text else "",
    )


def resolved(schema: JsonObject, node: Json) -> JsonObject:
    """A property's schema, with references inside the schema followed.

    Args:
        schema: the whole.
        node: a part of it.
    """
    for _ in range(_REFERENCES):
        if not isinstance(node, dict):
            return {}
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return _with_resolved_forms(schema, node)
        node = _at(schema, reference)
    return {}


def _with_resolved_forms(schema: JsonObject, node: JsonObject) -> JsonObject:
    resolved = dict(node)
    for keyword in ("anyOf", "oneOf"):
        forms = node.get(keyword)
        if isinstance(forms, list):
            resolved[keyword] = [
                _at(schema, form["$ref"])
                if isinstance(form, dict) and isinstance(form.get("$ref"), str)
                else form
                for form in forms
            ]
    return resolved


def _at(schema: JsonObject, reference: Json) -> Json:
    found: Json = schema
    for part in str(reference).removeprefix("#/").split("/"):
        if not isinstance(found, dict):
            return {}
        found = found.get(part.replace("~1", "/").replace("~0", "~"), {})
    return found


def forms_of(node: JsonObject) -> list[JsonObject]:
    """The alternatives of a schema; the schema itself if there are none."""
    for keyword in ("anyOf", "oneOf"):
        forms = node.get(keyword)
        if isinstance(forms, list):
            return [form for form in forms if isinstance(form, dict)]
    return [node]


def _types(form: JsonObject) -> list[str]:
    named = form.get("type")
    return [str(kind) for kind in named] if isinstance(named, list) else [str(named)] if named else []


def _choices(node: JsonObject) -> tuple[Json, ...]:
    """What a schema allows one by one; nothing where it also allows something else."""
    found: list[Json] = []
    for form in forms_of(node):
        listed = form.get("enum")
        if isinstance(listed, list):
            found += listed
        elif "const" in form:
            found.append(form["const"])
        elif _types(form) == ["null"]:
            continue
        else:
            return ()
    return tuple(found)


def _kind(types: set[str], choices: tuple[Json, ...], current: Json) -> Kind:
    if choices and (current is None or any(canonical(choice) == canonical(current) for choice in choices)):
        return "choice"
    match current:
        case bool():
            return "boolean"
        case int() | float():
            return "integer" if "integer" in types and "number" not in types else "number"
        case str():
            return "line"
        case dict() | list():
            return "json"
        case None:
            return _kind_of_type(types - {"null"})


def _kind_of_text(forms: list[JsonObject], types: set[str], current: Json) -> Kind:
    """The field for a string: numbers that are kept as text, and days, have their own."""
    text = current if isinstance(current, str) else None
    numeric = "number" in types and any("\\d" in str(form.get("pattern", "")) for form in forms)
    if numeric and (text is None or DECIMAL.fullmatch(text)):
        return "decimal"
    if any(form.get("format") == "date" for form in forms) and (text is None or _DAY.fullmatch(text)):
        return "date"
    return "line"


_KIND_OF_TYPE: dict[str, Kind] = {
    "string": "line",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
}


def _kind_of_type(types: set[str]) -> Kind:
    """The field for an argument that has no value yet."""
    for name, kind in _KIND_OF_TYPE.items():
        if name in types:
            return kind
    return "json"


def _shown(kind: Kind, choices: tuple[Json, ...], current: Json) -> str:
    if current is None:
        return ""
    if kind == "choice":
        offered = [canonical(choice) for choice in choices if choice is not None]
        return str(offered.index(canonical(current)))
    if isinstance(current, str):
        return current
    if isinstance(current, dict | list):
        return json.dumps(current, ensure_ascii=False, indent=2)
    return canonical(current).decode()
