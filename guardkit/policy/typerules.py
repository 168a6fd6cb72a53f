"""Which types go together in a condition: the rules behind the type check, without its state."""

import cel

from guardkit.policy.sections import did_you_mean
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
    named,
    optional,
)
from guardkit.policy.syntax import ConditionError, Literal, Node, Operation, text_of

NOTHING: frozenset[str] = frozenset()


def literal_shape(node: Literal) -> Shape:
    """The shape of a literal."""
    match node.value:
        case None:
            return NullShape()
        case bool():
            return BoolShape()
        case int():
            return IntShape()
        case float():
            return NumberShape()
        case str():
            return TextShape(values=frozenset({node.value}))
        case _:
            return ANYTHING


def field_shape(node: Node, shape: Shape, field: str) -> Shape:
    """The shape of a field; `node` is where it is taken."""
    match shape:
        case RecordShape():
            if field not in shape.fields:
                raise ConditionError(
                    f"names the unknown field {field!r}", remedy=did_you_mean(field, shape.fields), at=node.at
                )
            return shape.fields[field].shape
        case MapShape(item=item):
            return item
        case AnyShape():
            return ANYTHING
        case _:
            raise ConditionError(
                f"takes the field {field!r} of {named(shape)}", remedy="only mappings have fields", at=node.at
            )


def comparable(left: Node, a: Shape, right: Node, b: Shape) -> None:
    """Refuse a comparison for equality that can have one outcome only."""
    match a, b:
        case (AnyShape(), _) | (_, AnyShape()):
            return
        case (NullShape(), other) | (other, NullShape()):
            if not other.nullable:
                asked = right if isinstance(a, NullShape) else left
                raise ConditionError(
                    f"compares {text_of(asked)} with null, and it never is",
                    remedy="remove the comparison",
                    at=asked.at,
                )
        case TextShape(values=some), TextShape(values=others) if some is not None and others is not None:
            if some.isdisjoint(others):
                unknown, known, at = (
                    (some, others, left) if isinstance(left, Literal) else (others, some, right)
                )
                raise ConditionError(
                    f"compares with {min(unknown)!r}, which never occurs",
                    remedy=did_you_mean(min(unknown), known),
                    at=at.at,
                )
        case ((IntShape() | NumberShape()), (IntShape() | NumberShape())):
            return
        case ListShape(item=inner), ListShape(item=other):
            comparable(left, inner, right, other)
        case ((MapShape() | RecordShape()), (MapShape() | RecordShape())):
            return
        case _ if type(a) is not type(b):
            raise ConditionError(
                f"compares {text_of(left)}, {named(a)}, with {text_of(right)}, {named(b)}",
                remedy="compare values of one type",
                at=left.at,
            )
        case _:
            return


def computed_shape(node: Operation, shapes: list[Shape]) -> Shape:
    """The result of an operation on operands that are not null."""
    numbers = all(isinstance(shape, IntShape | NumberShape) for shape in shapes)
    texts = all(isinstance(shape, TextShape) for shape in shapes)
    alike = all(type(shape) is type(shapes[0]) for shape in shapes)
    unknown = any(isinstance(shape, AnyShape) for shape in shapes)
    match node.op:
        case "<" | "<=" | ">" | ">=":
            if unknown or numbers or texts:
                return BoolShape()
        case "+" if texts:
            return TextShape()
        case "%" if alike and isinstance(shapes[0], IntShape):
            return IntShape()
        case "+" | "-" | "*" | "/" if numbers and alike:
            return IntShape() if isinstance(shapes[0], IntShape) else NumberShape()
        case _ if unknown:
            return ANYTHING
        case _:
            pass
    written = (
        f" {node.op} ".join(named(shape) for shape in shapes)
        if len(shapes) > 1
        else f"{node.op}{named(shapes[0])}"
    )
    remedy = "convert one with double()" if numbers and not alike else "both sides must have one type"
    raise ConditionError(f"computes {written} in {text_of(node)}", remedy=remedy, at=node.at)


def joined_shape(a: Shape, b: Shape, at: Node) -> Shape:
    """The shape of what is one or the other."""
    match a, b:
        case (AnyShape(), _) | (_, AnyShape()):
            return ANYTHING
        case NullShape(), other:
            return optional(other)
        case other, NullShape():
            return optional(other)
        case TextShape(values=some), TextShape(values=others):
            values = some | others if some is not None and others is not None else None
            return TextShape(values=values, nullable=a.nullable or b.nullable)
        case _ if type(a) is type(b):
            return optional(a) if b.nullable else a
        case _:
            raise ConditionError(
                f"mixes {named(a)} with {named(b)}", remedy="all alternatives must have one type", at=at.at
            )


def not_null(node: Node, *, holds: bool) -> frozenset[str]:
    """The paths that cannot be null when this node is true (`holds`), or when it is false."""
    match node:
        case Operation(op="!", operands=(inner,)):
            return not_null(inner, holds=not holds)
        case Operation(op="&&" | "||" as op, operands=operands):
            each = [not_null(operand, holds=holds) for operand in operands]
            return frozenset[str]().union(*each) if (op == "&&") == holds else each[0].intersection(*each[1:])
        case Operation(op="==" | "!=" as op, operands=(asked, Literal(value=None))) if (op == "!=") == holds:
            return frozenset({text_of(asked)})
        case Operation(op="==" | "!=" as op, operands=(Literal(value=None), asked)) if (op == "!=") == holds:
            return frozenset({text_of(asked)})
        case _:
            return NOTHING


def check_pattern(node: Node) -> None:
    """Refuse a regular expression that is computed or that does not compile."""
    if not (isinstance(node, Literal) and isinstance(node.value, str)):
        raise ConditionError(
            "matches() needs its pattern as written text", remedy="write it in quotes", at=node.at
        )
    try:
        cel.compile(f"''.matches({node.text})").execute()
    except (ValueError, RuntimeError) as error:
        raise ConditionError(
            f"holds {node.text[:60]}, which is not a regular expression",
            remedy="RE2 syntax counts",
            at=node.at,
        ) from error
