"""From a tool's JSON schema to the shapes that conditions are checked against.

What a schema says beyond the types handled here makes a value of unknown type, never a wrong one. A number that may
also be text is a decimal: that is how pydantic describes `Decimal`, and decimals travel as text.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import cast

from guardkit.core.values import Json, JsonObject
from guardkit.policy.shapes import (
    ANYTHING,
    AnyShape,
    BoolShape,
    Field,
    IntShape,
    ListShape,
    MapShape,
    NullShape,
    NumberShape,
    RecordShape,
    Shape,
    TextShape,
    optional,
)

_MAX_DEPTH = 12


def shape_of(schema: JsonObject) -> Shape:
    """The shape of the values that a JSON schema describes."""
    return _Reader(schema).shape(schema, 0)


class _Reader:
    def __init__(self, root: JsonObject) -> None:
        self._root = root

    def shape(self, schema: Json, depth: int) -> Shape:
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return ANYTHING
        match schema:
            case {"$ref": str() as ref}:
                return self.shape(self._target(ref), depth + 1)
            case {"allOf": [only]}:
                return self.shape(only, depth + 1)
            case {"anyOf": list() as choices} | {"oneOf": list() as choices}:
                return self._one_of(choices, depth)
            case {"type": list() as kinds}:
                return self._one_of([{**schema, "type": kind} for kind in kinds], depth)
            case {"const": value}:
                return _of_values([value])
            case {"enum": list() as values}:
                return _of_values(values)
            case {"type": str() as kind}:
                return self._typed(kind, schema, depth)
            case _:
                return ANYTHING

    def _target(self, ref: str) -> Json:
        if not ref.startswith("#/"):
            return None
        found: Json = self._root
        for part in ref[2:].split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found

    def _one_of(self, choices: list[Json], depth: int) -> Shape:
        shapes = [self.shape(choice, depth + 1) for choice in choices]
        nullable = any(isinstance(shape, NullShape) or shape.nullable for shape in shapes)
        rest = [shape for shape in shapes if not isinstance(shape, NullShape)]
        merged = _merged(rest)
        return optional(merged) if nullable else merged

    def _typed(self, kind: str, schema: JsonObject, depth: int) -> Shape:
        match kind:
            case "null":
                return NullShape()
            case "boolean":
                return BoolShape()
            case "integer":
                return IntShape()
            case "number":
                return NumberShape(decimal=schema.get("format") == "decimal")
            case "string":
                return NumberShape(decimal=True) if schema.get("format") == "decimal" else TextShape()
            case "array":
                items = ANYTHING if "prefixItems" in schema else self.shape(schema.get("items"), depth + 1)
                return ListShape(item=items)
            case "object":
                return self._object(schema, depth)
            case _:
                return ANYTHING

    def _object(self, schema: JsonObject, depth: int) -> Shape:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or (not properties and schema.get("additionalProperties")):
            return MapShape(item=self.shape(schema.get("additionalProperties"), depth + 1))
        required = (
            cast("list[Json]", schema.get("required")) if isinstance(schema.get("required"), list) else []
        )
        fields: dict[str, Field] = {}
        for name, described in properties.items():
            shape = self.shape(described, depth + 1)
            default = described.get("default") if isinstance(described, dict) else None
            needed = name in required
            if not needed and default is None:
                shape = optional(shape)
            fields[name] = Field(shape=shape, required=needed, default=default)
        return RecordShape(fields=MappingProxyType(fields))


def _of_values(values: list[Json]) -> Shape:
    texts = [value for value in values if isinstance(value, str)]
    nullable = None in values
    others = [value for value in values if value is not None and not isinstance(value, str)]
    if texts and not others:
        return TextShape(values=frozenset(texts), nullable=nullable)
    if (
        not texts
        and others
        and all(isinstance(value, int) and not isinstance(value, bool) for value in others)
    ):
        return IntShape(nullable=nullable)
    return NullShape() if values == [None] else ANYTHING


def _merged(shapes: Sequence[Shape]) -> Shape:
    """One shape for a choice of several."""
    match shapes:
        case []:
            return NullShape()
        case [only]:
            return only
        case [NumberShape() | IntShape(), TextShape(values=None)] | [
            TextShape(values=None),
            NumberShape() | IntShape(),
        ]:
            return NumberShape(decimal=True)
        case _ if all(isinstance(shape, TextShape) for shape in shapes):
            return _texts([shape for shape in shapes if isinstance(shape, TextShape)])
        case _ if all(isinstance(shape, NumberShape | IntShape) for shape in shapes):
            return NumberShape(
                decimal=any(isinstance(shape, NumberShape) and shape.decimal for shape in shapes)
            )
        case _:
            return AnyShape()


def _texts(shapes: list[TextShape]) -> TextShape:
    values: set[str] = set()
    for shape in shapes:
        if shape.values is None:
            return TextShape()
        values |= shape.values
    return TextShape(values=frozenset(values))
