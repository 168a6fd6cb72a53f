"""What is read from the JSON schemas that pydantic and people write."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from guardkit.core.values import JsonObject
from guardkit.policy.json_schema import shape_of
from guardkit.policy.shapes import (
    ANYTHING,
    AnyShape,
    BoolShape,
    IntShape,
    ListShape,
    MapShape,
    NullShape,
    NumberShape,
    RecordShape,
    Shape,
    TextShape,
)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    iban: str


class Tree(BaseModel):
    children: list[Tree] = []


class Arguments(BaseModel):
    text: str
    whole: int
    number: float
    truth: bool
    amount: Decimal
    bounded: Annotated[Decimal, Field(max_digits=10, decimal_places=2, gt=0)]
    maybe_amount: Decimal | None
    maybe: str | None = None
    defaulted: int = 5
    colour: Colour
    word: Literal["a", "b"]
    word_or_none: Literal["a"] | None
    single: Literal["z"] = "z"
    numbers: Literal[1, 2]
    several: list[Inner]
    unique: set[str] = set()
    labels: dict[str, int]
    inner: Inner
    inner_or_none: Inner | None = None
    anything: Any
    either: int | bool
    pair: tuple[int, str]
    free: dict[str, Any]


def fields(
    model: type[BaseModel], mode: Literal["validation", "serialization"] = "validation"
) -> dict[str, Shape]:
    shape = shape_of(model.model_json_schema(mode=mode))
    assert isinstance(shape, RecordShape)
    return {name: field.shape for name, field in shape.fields.items()}


def test_the_types_of_pydantic() -> None:
    found = fields(Arguments)
    assert {name: found[name] for name in ("text", "whole", "number", "truth")} == {
        "text": TextShape(),
        "whole": IntShape(),
        "number": NumberShape(),
        "truth": BoolShape(),
    }
    assert found["amount"] == found["bounded"] == NumberShape(decimal=True)
    assert found["maybe_amount"] == NumberShape(decimal=True, nullable=True)
    assert found["maybe"] == TextShape(nullable=True)
    assert found["defaulted"] == IntShape()
    assert found["colour"] == TextShape(values=frozenset({"red", "blue"}))
    assert found["word"] == TextShape(values=frozenset({"a", "b"}))
    assert found["word_or_none"] == TextShape(values=frozenset({"a"}), nullable=True)
    assert found["single"] == TextShape(values=frozenset({"z"}))
    assert found["numbers"] == IntShape()
    assert found["several"] == ListShape(item=found["inner"])
    assert found["unique"] == ListShape(item=TextShape())
    assert found["labels"] == MapShape(item=IntShape())
    assert isinstance(found["inner"], RecordShape)
    assert found["inner"].fields["iban"].shape == TextShape()
    assert found["inner_or_none"].nullable
    assert found["anything"] == found["either"] == AnyShape()
    assert found["pair"] == ListShape(item=ANYTHING)
    assert found["free"] == MapShape(item=ANYTHING)


def test_a_schema_that_refers_to_itself_ends() -> None:
    assert isinstance(shape_of(Tree.model_json_schema()), RecordShape)


@pytest.mark.parametrize(
    ("schema", "shape"),
    [
        ({"type": ["string", "null"]}, TextShape(nullable=True)),
        ({"type": "string", "format": "decimal"}, NumberShape(decimal=True)),
        ({"type": "number", "format": "decimal"}, NumberShape(decimal=True)),
        ({"anyOf": [{"type": "string"}, {"type": "number"}]}, NumberShape(decimal=True)),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, NumberShape()),
        ({"anyOf": [{"const": "a"}, {"const": "b"}]}, TextShape(values=frozenset({"a", "b"}))),
        ({"anyOf": [{"const": "a"}, {"type": "string"}]}, TextShape()),
        ({"allOf": [{"type": "boolean"}]}, BoolShape()),
        ({"enum": ["a", None]}, TextShape(values=frozenset({"a"}), nullable=True)),
        ({"enum": ["a", 1]}, ANYTHING),
        ({"enum": [True]}, ANYTHING),
        ({"const": None}, NullShape()),
        ({"type": "object"}, MapShape(item=ANYTHING)),
        ({"type": "object", "properties": {}}, RecordShape()),
        ({"type": "object", "properties": {}, "additionalProperties": True}, MapShape(item=ANYTHING)),
        ({"$ref": "#/$defs/gone"}, ANYTHING),
        ({"$ref": "https://schemas.example/x"}, ANYTHING),
        ({"$ref": "#"}, ANYTHING),
        ({"not": {}}, ANYTHING),
        ({"type": "file"}, ANYTHING),
        ({"type": "array"}, ListShape(item=ANYTHING)),
        ({}, ANYTHING),
    ],
)
def test_other_schemas(schema: JsonObject, shape: Shape) -> None:
    assert shape_of(schema) == shape


def test_what_is_not_required_has_a_default_or_may_be_null() -> None:
    shape = shape_of(
        {
            "type": "object",
            "properties": {
                "a": {"type": "string"},
                "b": {"type": "string", "default": "x"},
                "c": {"type": "string"},
            },
            "required": ["c"],
        }
    )
    assert isinstance(shape, RecordShape)
    assert shape.fields["a"].shape == TextShape(nullable=True)
    assert shape.fields["b"].shape == TextShape()
    assert shape.fields["b"].default == "x"
    assert shape.fields["c"].required
