"""The edit form in a card: typed inputs for simple arguments, and what came back from them.

Long values, lists and objects are edited in the inbox; a card's inputs would not carry them faithfully. Teams leaves
out what is empty, so that an emptied field looks like one that was never shown: emptying a value needs the inbox too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from guardkit.channels.teams.text import paragraph, plain_words, runs
from guardkit.core.answers import Reading, read_fields
from guardkit.core.digest import canonical
from guardkit.core.fields import Field, fields_of
from guardkit.core.values import Json, JsonObject

_LONGEST = 1000
"""Characters of a value that can be edited in a card."""

_MOST = 20
"""Fields of one form."""

_EMPTIED = "This cannot be emptied here. Write a value, or empty it in the inbox."


def fields_for(schema: JsonObject, args: JsonObject) -> tuple[Field, ...]:
    """The arguments that can be edited in a card, with what is in them.

    Args:
        schema: JSON schema of the tool's arguments.
        args: the arguments as they stand.
    """
    fields = [field for field in fields_of(schema, args) if _is_simple(field)]
    return tuple(fields[:_MOST])


def leaves_out(fields: Sequence[Field], schema: JsonObject, args: JsonObject) -> bool:
    """Whether a card's form lacks some of the arguments.

    Args:
        fields: as `fields_for` gives them.
        schema: JSON schema of the tool's arguments.
        args: the arguments as they stand.
    """
    properties = schema.get("properties")
    return len(fields) < len({*(properties if isinstance(properties, dict) else ()), *args})


def _is_simple(field: Field) -> bool:
    # `hidden` marks characters that nobody would see in an input, and so could not leave alone on purpose.
    return field.kind not in ("json", "kept") and not field.hidden and len(field.text) <= _LONGEST


def inputs(fields: Sequence[Field]) -> list[Json]:
    """The elements of the form, each field under its name.

    Args:
        fields: as `fields_for` gives them, or as they came back.
    """
    return [element for field in fields for element in _elements(field)]


def _elements(field: Field) -> list[Json]:
    # An input's own label is a plain string, which its reader may take for Markdown. A name that is more than words
    # stands above it.
    label = plain_words(field.label, "Value")
    elements: list[Json] = [paragraph(runs(field.label, "label"))] if label != field.label else []
    if field.error is not None:
        elements.append(paragraph(runs(field.error, "label"), close=True))
    return [*elements, {**_input(field), "id": field.key, "label": label, **_required(field, label)}]


def _required(field: Field, label: str) -> JsonObject:
    if not field.text:
        return {}
    return {"isRequired": True, "errorMessage": f"{label} cannot be emptied here"}


def _input(field: Field) -> JsonObject:
    match field.kind:
        case "boolean":
            choices: list[Json] = [{"title": "Yes", "value": "true"}, {"title": "No", "value": "false"}]
            return {"type": "Input.ChoiceSet", "choices": choices, **_value(field)}
        case "choice":
            offered: list[Json] = [
                {"title": plain_words(option.label, option.value), "value": option.value}
                for option in field.options()
                if option.value
            ]
            return {"type": "Input.ChoiceSet", "choices": offered, **_value(field)}
        case "date":
            return {"type": "Input.Date", **_value(field)}
        case "text":
            return {"type": "Input.Text", "isMultiline": True, **_value(field)}
        case _:
            # Numbers too: an Input.Number gives them back as floating point numbers, in the client's own way.
            return {"type": "Input.Text", **_value(field)}


def _value(field: Field) -> JsonObject:
    return {"value": field.text} if field.text else {}


def read_form(schema: JsonObject, args: JsonObject, data: Mapping[str, Json]) -> Reading:
    """The arguments that a form asks for.

    Args:
        schema: JSON schema of the tool's arguments.
        args: the arguments that the form was made from.
        data: the action's data, which anybody could have written.
    """
    offered = fields_for(schema, args)
    form: dict[str, str] = {}
    emptied: set[str] = set()
    for field in offered:
        sent = _sent(data.get(field.key))
        if sent is None and field.text:
            emptied.add(field.key)
        elif sent is not None and _words(sent) != _words(field.text):
            form[field.key] = sent
    reading = read_fields(schema, args, form)
    shown = {field.key for field in offered}
    back = (replace(one, error=_EMPTIED) if one.key in emptied else one for one in reading.fields)
    return replace(
        reading,
        fields=tuple(one for one in back if one.key in shown or one.error is not None),
        problems=() if emptied else reading.problems,
    )


def _sent(value: Json) -> str | None:
    """An input's value as text, which is how clients send most of them; `None` for nothing."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n") or None
    return None if value is None or isinstance(value, dict | list) else canonical(value).decode()


def _words(text: str) -> str:
    """A text without its spacing, which clients change in a field that nobody touched."""
    return " ".join(text.split())
