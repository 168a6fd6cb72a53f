"""Edited arguments, judged by the tool's own JSON schema."""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from typing import Any, cast
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from guardkit.core.digest import canonical
from guardkit.core.values import Json, JsonObject, Value
from guardkit.core.visible import one_line
from guardkit.errors import CanonicalError

_PATH_LIMIT = 200
_EXPECTED_LIMIT = 120
_PROBLEM_LIMIT = 50

_OPEN_ENDED = frozenset(
    {"$ref", "additionalProperties", "allOf", "anyOf", "oneOf", "patternProperties", "unevaluatedProperties"}
)
"""Keywords by which a schema speaks of other names than its own `properties`."""

_BOUNDS = {
    "minimum": "be at least {}",
    "exclusiveMinimum": "be more than {}",
    "maximum": "be at most {}",
    "exclusiveMaximum": "be less than {}",
    "multipleOf": "be a multiple of {}",
    "minLength": "have at least {} characters",
    "maxLength": "have at most {} characters",
    "minItems": "have at least {} entries",
    "maxItems": "have at most {} entries",
}


class EditProblem(Value):
    """One thing wrong with edited arguments. Names the place and the type of the value, never the value."""

    field: str | None
    """The top-level argument, or `None` for the arguments as a whole."""

    path: str
    """E.g. `args.lines[0].amount`."""

    message: str


def edit_problems(schema: JsonObject, args: JsonObject) -> tuple[EditProblem, ...]:
    """What is wrong with edited arguments; empty when they may be used.

    Formats that the standard library can judge are checked. An argument that the schema does not name is refused
    unless the schema says that there may be others: a tool would ignore it, and people would approve what never
    happens. Schemas are not fetched from anywhere; what they refer to must be inside them.

    Args:
        schema: JSON schema of the tool's arguments; by default of draft 2020-12.
        args: the edited arguments.
    """
    unfit = [name for name in args if not _has_form(args[name], name)]
    if unfit:
        return tuple(_named(name, "has no JSON form") for name in unfit[:_PROBLEM_LIMIT])
    validator_type = cast("Any", validator_for(schema, default=Draft202012Validator))
    try:
        validator_type.check_schema(schema)
        validator = validator_type(schema, registry=_NOWHERE, format_checker=_FORMATS)
        errors = cast("Iterator[ValidationError]", validator.iter_errors(args))
        found = [*_unknown(schema, args), *(_problem(error) for error in errors)]
    except (SchemaError, Unresolvable, RecursionError, re.error):
        message = "cannot be judged: the tool's schema is not valid"
        return (EditProblem(field=None, path="args", message=message),)
    return tuple(found[:_PROBLEM_LIMIT])


def _has_form(value: Json, name: str) -> bool:
    try:
        canonical({name: value})
    except CanonicalError:
        return False
    return True


def _named(name: str, message: str) -> EditProblem:
    return EditProblem(field=name, path=_path([name]), message=message)


def _unknown(schema: JsonObject, args: JsonObject) -> Iterator[EditProblem]:
    known = schema.get("properties")
    if isinstance(known, dict) and _OPEN_ENDED.isdisjoint(schema):
        yield from (_named(name, "is not an argument of this tool") for name in args if name not in known)


def _problem(error: ValidationError) -> EditProblem:
    closest = _closest(error)
    place = list(closest.absolute_path)
    missing = _missing(closest)
    message = "is required" if missing else _expected(closest)
    place += missing
    first = place[0] if place else None
    return EditProblem(field=first if isinstance(first, str) else None, path=_path(place), message=message)


def _closest(error: ValidationError) -> ValidationError:
    """Of alternatives that all fail, the one whose type fits; the error itself when none or several do."""
    fitting = [cause for cause in error.context or () if cause.validator != "type" or cause.relative_path]
    return _closest(fitting[0]) if len(fitting) == 1 else error


def _missing(error: ValidationError) -> list[str]:
    """The name that a `required` error is about: one such error is raised for each missing name."""
    if error.validator != "required":
        return []
    names = cast("list[str]", error.validator_value)
    instance = cast("dict[str, Json]", error.instance)
    return [name for name in names if name not in instance and error.message.startswith(repr(name))][:1]


def _path(place: list[str | int]) -> str:
    parts = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in place]
    return one_line(f"args{''.join(parts)}", _PATH_LIMIT)


def _expected(error: ValidationError) -> str:
    """What the schema demands, in words. Quotes the schema, which the tool's author wrote, never the value."""
    keyword, demanded = str(error.validator), cast("Json", error.validator_value)
    shown = one_line(demanded if isinstance(demanded, str) else canonical(demanded).decode(), _EXPECTED_LIMIT)
    got = _type(error.instance)
    match keyword:
        case "type":
            return f"must be of type {shown}, not {got}"
        case "enum" | "const":
            return f"must be one of {shown}; this {got} is not"
        case "format":
            return f"must be a valid {shown}; this {got} is not"
        case "pattern":
            return f"must match the pattern {shown}; this {got} does not"
        case "anyOf" | "oneOf":
            return f"fits none of the forms that the tool accepts; it is {got}"
        case "additionalProperties" | "unevaluatedProperties":
            return "holds names that are not arguments of this tool"
        case _ if keyword in _BOUNDS:
            return f"must {_BOUNDS[keyword].format(shown)}"
        case _:
            return f"does not satisfy {one_line(keyword, 40)} of the tool's schema; it is {got}"


def _type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _format(parse: Callable[[str], object], shape: str = "") -> Callable[[object], bool]:
    """A judge of one format.

    The shape keeps out what Python reads and RFC 3339 does not, such as `20260131`: a tool may take that for a number.
    """
    begins = re.compile(shape)

    def judge(value: object) -> bool:
        if isinstance(value, str):
            if begins.match(value) is None:
                raise ValueError("another shape")
            parse(value)
        return True

    return judge


def _absolute(value: str) -> None:
    if not urlsplit(value).scheme:
        raise ValueError("no scheme")


_FORMATS = FormatChecker()
"""What `jsonschema` judges by itself, and the formats for which it would want a further package."""

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = "[0-9]{2}:[0-9]{2}"
_FORMATS.checks("date", raises=ValueError)(_format(date.fromisoformat, rf"{_DAY}\Z"))
_FORMATS.checks("date-time", raises=ValueError)(_format(datetime.fromisoformat, f"{_DAY}[Tt ]{_TIME}"))
_FORMATS.checks("time", raises=ValueError)(_format(time.fromisoformat, _TIME))
_FORMATS.checks("uri", raises=ValueError)(_format(_absolute))

_NOWHERE: Registry[Any] = cast("Any", Registry)()
"""Where schemas are looked up: nowhere. Without it `jsonschema` fetches remote references."""
