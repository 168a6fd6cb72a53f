"""What conditions know about values before there are any: the types of the checker."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from guardkit.core.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyShape:
    """Nothing is known; mistakes show when the condition is evaluated, and reject."""

    nullable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NullShape:
    """`null` itself."""

    nullable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BoolShape:
    """`true` or `false`."""

    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IntShape:
    """A whole number: CEL's `int`."""

    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberShape:
    """A number with a fraction: CEL's `double`."""

    nullable: bool = False
    decimal: bool = False
    """Whether it may travel as text, the way decimals do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextShape:
    """CEL's `string`."""

    nullable: bool = False
    values: frozenset[str] | None = None
    """All values there are, if the schema lists them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListShape:
    """CEL's `list`."""

    item: "Shape"
    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MapShape:
    """A mapping with any keys."""

    item: "Shape"
    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordShape:
    """A mapping whose keys are known."""

    fields: Mapping[str, "Field"] = field(default_factory=dict[str, "Field"])
    nullable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a record."""

    shape: "Shape"
    required: bool = True
    default: Json = None
    """What stands in for a missing field that is not required."""


Shape: TypeAlias = (
    AnyShape | NullShape | BoolShape | IntShape | NumberShape | TextShape | ListShape | MapShape | RecordShape
)

ANYTHING = AnyShape()


def record(**fields: "Shape") -> RecordShape:
    """A record whose fields are all there."""
    return RecordShape(fields=MappingProxyType({name: Field(shape=shape) for name, shape in fields.items()}))


def optional(shape: Shape) -> Shape:
    """The same shape, or null."""
    return shape if shape.nullable else replace(shape, nullable=True)


def present(shape: Shape) -> Shape:
    """The same shape, known not to be null."""
    return replace(shape, nullable=False) if shape.nullable else shape


def named(shape: Shape) -> str:
    """The shape in words."""
    match shape:
        case AnyShape():
            return "a value of unknown type"
        case NullShape():
            return "null"
        case BoolShape():
            return "a truth value"
        case IntShape():
            return "a whole number"
        case NumberShape():
            return "a number"
        case TextShape():
            return "text"
        case ListShape():
            return "a list"
        case MapShape() | RecordShape():
            return "a mapping"
