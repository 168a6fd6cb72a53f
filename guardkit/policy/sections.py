"""The base of everything that a policy file holds, and how a mistake in one becomes an error with a line."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from guardkit.core.digest import canonical
from guardkit.core.values import Value
from guardkit.errors import CanonicalError
from guardkit.policy.loading import FileError, Located, Where, dotted

_EXPECTED = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
}
"""pydantic's types of mistakes in the words of this package; other types are this package's own messages."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the closest known one, or a list of all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "none are known here"
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return f"known: {listed}"


def mistake(message: str, *, key: str | None = None, remedy: str | None = None) -> PydanticCustomError:
    """What a validator raises.

    Args:
        message: what is wrong.
        key: the key inside the validated mapping that is wrong, if it is one.
        remedy: what to do about it.
    """
    context = {"message": message, "key": key, "remedy": remedy}
    return PydanticCustomError("mistake", "{message}", context)


class Section(Value):
    """A mapping of a file whose unknown keys are told with a remedy."""

    not_built: ClassVar[Mapping[str, str]] = {}
    """Keys that the design knows and this version does not enforce, with what to do about each. They are refused,
    because a file that is read and not enforced protects nobody.
    """

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in cast("Mapping[object, object]", data):
                if key in cls.not_built:
                    raise mistake(
                        "is not enforced by this version of guardkit, so it is refused",
                        key=str(key),
                        remedy=cls.not_built[str(key)],
                    )
                if key not in known:
                    remedy = did_you_mean(str(key), known)
                    raise mistake("is not a known key", key=str(key), remedy=remedy)
        return cast("Any", data)


SectionT = TypeVar("SectionT", bound=Section)


def parse_section(model: type[SectionT], located: Located, error: FileError) -> SectionT:
    """The section that a document describes, nothing converted that could be a slip.

    Raises:
        error: naming file, line, field, value and remedy of the first mistake in the file.
    """
    try:
        canonical(located.data, path="document")
    except CanonicalError as problem:
        field = problem.path.removeprefix("document").lstrip(".")
        lines = {dotted(where): line for where, line in located.lines.items()}
        what = problem.message.removeprefix(f"{problem.path}: ")
        raise error(what, file=located.file, line=lines.get(field), field=field or None) from problem
    try:
        return model.model_validate(located.data)
    except ValidationError as problem:
        found = _causes(problem.errors(include_url=False))
        first = min(found, key=lambda details: located.line(_where(details)) or 0)
        raise _told(first, len(found) - 1, located, error) from problem


def _causes(found: list[ErrorDetails]) -> list[ErrorDetails]:
    """The mistakes without those that follow from others: a list is not too short because an item of it is wrong."""
    places = [details["loc"] for details in found]
    return [
        details
        for details in found
        if details["type"] != "too_short"
        or not any(place[: len(details["loc"])] == details["loc"] != place for place in places)
    ]


def _where(details: ErrorDetails) -> Where:
    key = details.get("ctx", {}).get("key")
    return details["loc"] if key is None else (*details["loc"], key)


def _told(details: ErrorDetails, others: int, located: Located, error: FileError) -> Exception:
    where = _where(details)
    context = details.get("ctx", {})
    remedy: str | None = context.get("remedy")
    given = details["input"]
    match details["type"]:
        case "missing":
            message = "is missing"
        case "literal_error" | "enum":
            message = f"{given!r} is not one of {context['expected']}"
            if isinstance(given, str):
                remedy = did_you_mean(given, re.findall(r"'([^']*)'", context["expected"]))
        case "string_pattern_mismatch":
            message = f"{_short(given)} is not a name"
            remedy = "use up to 64 letters, digits, '-' and '_', beginning with a letter or digit"
        case kind if kind in _EXPECTED:
            message = f"{_EXPECTED[kind].format(**context)}, not {_short(given)}"
            if kind == "string_type" and isinstance(given, int | float):
                remedy = "quote it"
        case _:
            message = details["msg"]
    if others:
        message += f"; {others} more mistake{'s' if others > 1 else ''} in this file"
    return error(
        message, file=located.file, line=located.line(where), field=dotted(where) or None, remedy=remedy
    )


def _short(given: object) -> str:
    match given:
        case dict():
            return "a mapping"
        case list():
            return "a list" if given else "an empty one"
        case None:
            return "empty"
        case _:
            text = repr(given)
            return text if len(text) <= 80 else f"{text[:77]}..."
