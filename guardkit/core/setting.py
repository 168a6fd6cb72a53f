"""Arguments set one by one from text, `lines[0].amount=12.50`: read by the tool's schema, as the fields of a form are."""

import re
from collections.abc import Sequence
from typing import TypeAlias, cast

from guardkit.core.answers import Absent, read_text
from guardkit.core.digest import canonical, parse
from guardkit.core.fields import Field, field_of, forms_of, resolved
from guardkit.core.values import Json, JsonObject
from guardkit.core.visible import one_line
from guardkit.errors import CanonicalError, InputError

Path: TypeAlias = tuple[str | int, ...]
"""Names and places in lists, outermost first."""

_STEP = re.compile(
    r'(?P<name>[A-Za-z_]\w*)|\[(?P<index>[0-9]{1,6})\]|\[(?P<key>"(?:[^"\\]|\\.)*")\]', re.ASCII
)
_SHOWN = 200
_REMEDY = 'name=value, lines[0].amount=value or ["any name"]=value'


def assignment(text: str) -> tuple[Path, str]:
    """The path and the value of `path=value`, with the path as rows and changes show it.

    Raises:
        InputError: it is not of that form.
    """
    steps: list[str | int] = []
    at = 0
    while (found := _STEP.match(text, at)) is not None:
        steps.append(_step(found))
        at = found.end()
        if text.startswith("=", at):
            return tuple(steps), text[at + 1 :]
        if text.startswith(".", at):
            at += 1
        elif not text.startswith("[", at):
            break
    raise InputError("--set is not path=value", remedy=_REMEDY)


def _step(found: re.Match[str]) -> str | int:
    if found["index"] is not None:
        return int(found["index"])
    if found["name"] is not None:
        return found["name"]
    try:
        return str(parse(found["key"], path="--set"))
    except CanonicalError as error:
        raise InputError("--set names a key that is no JSON text", remedy=_REMEDY) from error


def with_text(schema: JsonObject, args: JsonObject, path: Path, text: str) -> JsonObject:
    """The arguments with one of them set to what somebody wrote. The whole is still to be judged by the schema.

    Args:
        schema: JSON schema of the tool's arguments.
        args: the arguments as they stand.
        path: where, e.g. from `assignment`.
        text: the value, in the form that its field has in the inbox; yes and no count as well, and choices by value.

    Raises:
        InputError: there is no such place, or the text is no such value; names the place, never the value.
    """
    return cast("JsonObject", _set(schema, schema, args, path, 0, text))


def _set(schema: JsonObject, node: JsonObject, holder: Json, path: Path, at: int, text: str) -> Json:
    """What `holder` becomes, with what is below it at `path[at:]` set."""
    step, last = path[at], at + 1 == len(path)
    node = resolved(schema, node)
    match holder, step:
        case dict(), str():
            if not last:
                if step not in holder:
                    raise _nowhere(path[: at + 1], "is not there")
                return {**holder, step: _set(schema, _below(node, step), holder[step], path, at + 1, text)}
            if at == 0 and step not in holder and step not in _properties(node) and "properties" in node:
                raise _nowhere(path, "is not an argument of this tool")
            value = _read(schema, node, path, step, holder, text)
            rest = {name: was for name, was in holder.items() if name != step}
            return rest if isinstance(value, Absent) else {**rest, step: value}
        case list(), int():
            if step >= len(holder):
                raise _nowhere(path[: at + 1], f"is not there: there are {len(holder)}")
            if last:
                value = _read(schema, node, path, step, {str(step): holder[step]}, text)
            else:
                value = _set(schema, _below(node, step), holder[step], path, at + 1, text)
            return [*holder[:step], None if isinstance(value, Absent) else value, *holder[step + 1 :]]
        case _:
            raise _nowhere(path[: at + 1], "is not there: what is around it holds no such thing")


def _read(
    schema: JsonObject, node: JsonObject, path: Path, step: str | int, holder: JsonObject, text: str
) -> Json | Absent:
    name = str(step)
    required = node.get("required")
    field = field_of(
        schema,
        _below(node, step),
        name,
        holder,
        required=isinstance(step, int) or (isinstance(required, list) and name in required),
    )
    sent = _sent(field, text)
    if sent is None:
        offered = one_line(", ".join(canonical(choice).decode() for choice in field.choices), _SHOWN)
        raise _nowhere(path, f"is not one of {offered}")
    value, problem = read_text(field, sent)
    if problem is not None:
        raise InputError(f"{shown_path(path)}: {problem}")
    return value


def _sent(field: Field, text: str) -> str | None:
    """The text as a form would send it; `None` when it is no choice that there is."""
    if field.kind == "boolean":
        return {"yes": "true", "no": "false"}.get(text, text)
    if field.kind != "choice" or (text == "" and field.optional):
        return text
    for index, choice in enumerate(field.choices):
        if text in (choice, canonical(choice).decode()):
            return str(index)
    return None


def _below(node: JsonObject, step: str | int) -> JsonObject:
    """The schema of what a container holds in one place; an empty one where nothing is said about it."""
    for form in forms_of(node):
        if isinstance(step, str):
            found = _properties(form).get(step, form.get("additionalProperties"))
        else:
            first = form.get("prefixItems")
            listed = first if isinstance(first, list) else []
            found = listed[step] if step < len(listed) else form.get("items")
        if isinstance(found, dict):
            return found
    return {}


def _properties(node: JsonObject) -> JsonObject:
    found = node.get("properties")
    return found if isinstance(found, dict) else {}


def shown_path(path: Sequence[str | int]) -> str:
    """A path as people read it, e.g. `args.lines[0].amount`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return one_line(f"args{''.join(steps)}", _SHOWN)


def _nowhere(path: Sequence[str | int], why: str) -> InputError:
    return InputError(f"{shown_path(path)} {why}")
