"""The type check of conditions, against the shapes of what they may look at.

Sound in this sense: what passes fails at evaluation only over a null or missing value, a value of unknown type, a
number out of range, text that is no number, an index outside its list, or `tainted`. Such a rule is a reject.
"""

from collections.abc import Mapping

from guardkit.policy.sections import did_you_mean
from guardkit.policy.shapes import (
    ANYTHING,
    AnyShape,
    BoolShape,
    IntShape,
    ListShape,
    MapShape,
    NumberShape,
    RecordShape,
    Shape,
    TextShape,
    named,
    present,
)
from guardkit.policy.syntax import (
    Call,
    ConditionError,
    Items,
    Literal,
    Macro,
    Name,
    Node,
    Operation,
    Select,
    text_of,
    walk,
)
from guardkit.policy.typerules import (
    NOTHING,
    check_pattern,
    comparable,
    computed_shape,
    field_shape,
    joined_shape,
    literal_shape,
    not_null,
)

FUNCTIONS = (
    "contains",
    "double",
    "endsWith",
    "has",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "tainted",
)
_CONVERSIONS: dict[str, Shape] = {"int": IntShape(), "double": NumberShape(), "string": TextShape()}
_TEXT_METHODS = ("contains", "startsWith", "endsWith", "matches")


class TypeCheck:
    """One pass over one condition.

    Args:
        scope: the variables and their shapes.
        taint: whether `tainted` may be asked.
    """

    def __init__(self, scope: Mapping[str, Shape], *, taint: bool) -> None:
        self.unguarded: list[str] = []
        """What may be null where the condition uses it without asking first."""

        self._scope = dict(scope)
        self._taint = taint
        self._bound: set[str] = set()

    def condition(self, node: Node) -> None:
        """Check a whole condition.

        Raises:
            ConditionError: an unknown name, types that do not go together, or a result that is no truth value.
        """
        shape = self._shape(node, NOTHING)
        if not isinstance(shape, BoolShape):
            raise ConditionError(
                f"gives {named(shape)}, not a truth value", remedy="compare it with something", at=node.at
            )
        self._used(node, shape)

    def _shape(self, node: Node, safe: frozenset[str]) -> Shape:
        """The shape of a node, given the paths that are known not to be null where it is evaluated."""
        match node:
            case Literal():
                return literal_shape(node)
            case Name() | Select():
                found = self._name(node) if isinstance(node, Name) else self._select(node, safe)
                return present(found) if text_of(node) in safe else found
            case Operation():
                return self._operation(node, safe)
            case Items():
                shapes = [self._shape(item, safe) for item in node.items]
                item = shapes[0] if shapes else ANYTHING
                for other, at in zip(shapes[1:], node.items[1:], strict=True):
                    item = joined_shape(item, other, at)
                return ListShape(item=item)
            case Call():
                return self._call(node, safe)
            case Macro():
                return self._macro(node, safe)

    def _used(self, node: Node, shape: Shape) -> Shape:
        if shape.nullable and not isinstance(shape, AnyShape):
            self.unguarded.append(text_of(node))
        return present(shape)

    def _operand(self, node: Node, safe: frozenset[str]) -> Shape:
        """The shape of an operand that an operation cannot do with as null."""
        return self._used(node, self._shape(node, safe))

    def _name(self, node: Name) -> Shape:
        if node.name not in self._scope:
            raise ConditionError(
                f"names the unknown variable {node.name!r}",
                remedy=did_you_mean(node.name, self._scope),
                at=node.at,
            )
        return self._scope[node.name]

    def _select(self, node: Select, safe: frozenset[str]) -> Shape:
        return field_shape(node, self._operand(node.base, safe), node.field)

    def _operation(self, node: Operation, safe: frozenset[str]) -> Shape:
        match node.op:
            case "&&" | "||":
                for operand in node.operands:
                    self._truth(operand, safe)
                    safe |= not_null(operand, holds=node.op == "&&")
                return BoolShape()
            case "!":
                self._truth(node.operands[0], safe)
                return BoolShape()
            case "?:":
                test, yes, no = node.operands
                self._truth(test, safe)
                left = self._shape(yes, safe | not_null(test, holds=True))
                return joined_shape(left, self._shape(no, safe | not_null(test, holds=False)), no)
            case "==" | "!=":
                return self._equality(node, safe)
            case "in":
                return self._membership(node, safe)
            case "[]":
                return self._index(node, safe)
            case _:
                return computed_shape(node, [self._operand(operand, safe) for operand in node.operands])

    def _truth(self, node: Node, safe: frozenset[str]) -> None:
        shape = self._operand(node, safe)
        if not isinstance(shape, BoolShape | AnyShape):
            raise ConditionError(
                f"uses {text_of(node)}, {named(shape)}, as a truth value", remedy="compare it", at=node.at
            )

    def _equality(self, node: Operation, safe: frozenset[str]) -> Shape:
        shapes = [self._shape(operand, safe - {text_of(operand)}) for operand in node.operands]
        comparable(node.operands[0], shapes[0], node.operands[1], shapes[1])
        return BoolShape()

    def _membership(self, node: Operation, safe: frozenset[str]) -> Shape:
        item, container = node.operands
        wanted = self._shape(item, safe)
        if isinstance(container, Items):
            for other in container.items:
                comparable(item, wanted, other, self._shape(other, safe))
            return BoolShape()
        match self._operand(container, safe):
            case ListShape(item=inner):
                comparable(item, wanted, container, inner)
            case MapShape():
                comparable(item, wanted, container, TextShape())
            case AnyShape():
                pass
            case shape:
                raise ConditionError(
                    f"looks for something in {named(shape)}", remedy="'in' needs a list", at=node.at
                )
        return BoolShape()

    def _index(self, node: Operation, safe: frozenset[str]) -> Shape:
        base, key = node.operands
        shape, index = self._operand(base, safe), self._operand(key, safe)
        match shape, index:
            case (ListShape(item=item), IntShape() | AnyShape()) | (
                MapShape(item=item),
                TextShape() | AnyShape(),
            ):
                return item
            case RecordShape(), _ if isinstance(key, Literal) and isinstance(key.value, str):
                found = field_shape(node, shape, key.value)
                return present(found) if text_of(node) in safe else found
            case AnyShape(), _:
                return ANYTHING
            case _:
                raise ConditionError(
                    f"takes [{text_of(key)}] of {named(shape)}",
                    remedy="use a position of a list or a field",
                    at=node.at,
                )

    def _call(self, node: Call, safe: frozenset[str]) -> Shape:
        match node:
            case Call(function="has", target=None, args=(Select() as chosen,)):
                return self._has(chosen, safe)
            case Call(function="tainted", target=None, args=(asked,)) if self._taint:
                self._shape(asked, safe)
                return BoolShape()
            case Call(function="size", target=None, args=(value,)):
                return self._size(node, value, safe)
            case Call(function="size", target=value, args=()) if value is not None:
                return self._size(node, value, safe)
            case Call(function=name, target=None, args=(value,)) if name in _CONVERSIONS:
                shape = self._operand(value, safe)
                if not isinstance(shape, TextShape | IntShape | NumberShape | AnyShape):
                    raise ConditionError(
                        f"converts {named(shape)} with {name}()", remedy="convert numbers or text", at=node.at
                    )
                return _CONVERSIONS[name]
            case Call(function=name, target=target, args=(value,)) if (
                name in _TEXT_METHODS and target is not None
            ):
                self._text_method(node, target, value, safe)
                return BoolShape()
            case _:
                raise self._no_such_call(node)

    def _no_such_call(self, node: Call) -> ConditionError:
        known = [name for name in FUNCTIONS if self._taint or name != "tainted"]
        if node.function in known:
            return ConditionError(
                f"calls {node.function}() in a way it does not have",
                remedy="see the policy reference",
                at=node.at,
            )
        return ConditionError(
            f"calls the unknown function {node.function!r}",
            remedy=did_you_mean(node.function, known),
            at=node.at,
        )

    def _has(self, node: Select, safe: frozenset[str]) -> Shape:
        shape = self._operand(node.base, safe)
        if not isinstance(shape, MapShape | AnyShape):
            raise ConditionError(
                f"asks has({text_of(node)}), and fields of {named(shape)} with a schema are always there",
                remedy=f"an absent one is null: write {text_of(node)} != null",
                at=node.at,
            )
        return BoolShape()

    def _size(self, node: Call, value: Node, safe: frozenset[str]) -> Shape:
        shape = self._operand(value, safe)
        if not isinstance(shape, TextShape | ListShape | MapShape | RecordShape | AnyShape):
            raise ConditionError(
                f"asks for the size of {named(shape)}", remedy="text and lists have one", at=node.at
            )
        return IntShape()

    def _text_method(self, node: Call, target: Node, value: Node, safe: frozenset[str]) -> None:
        for part in (target, value):
            shape = self._operand(part, safe)
            if not isinstance(shape, TextShape | AnyShape):
                raise ConditionError(
                    f"calls {node.function}() with {text_of(part)}, {named(shape)}",
                    remedy="it works on text only; use 'in' for lists",
                    at=node.at,
                )
        if node.function == "matches":
            check_pattern(value)

    def _macro(self, node: Macro, safe: frozenset[str]) -> Shape:
        shape = self._operand(node.over, safe)
        match shape:
            case ListShape(item=item):
                pass
            case MapShape() | RecordShape():
                item = TextShape()
            case AnyShape():
                item = ANYTHING
            case _:
                raise ConditionError(
                    f"runs {node.macro}() over {named(shape)}", remedy="it needs a list", at=node.at
                )
        if self._bound and not any(
            isinstance(part, Name) and part.name in self._bound for part in walk(node.over)
        ):
            raise ConditionError(
                f"runs {node.macro}() over {text_of(node.over)} inside another such loop",
                remedy="an inner loop may only run over parts of the outer loop's element",
                at=node.at,
            )
        if node.variable in self._scope:
            raise ConditionError(
                f"uses the variable {node.variable!r} for something else",
                remedy="choose another name",
                at=node.at,
            )
        self._scope[node.variable] = item
        self._bound.add(node.variable)
        self._truth(node.body, safe)
        self._bound.discard(node.variable)
        del self._scope[node.variable]
        if node.macro != "filter":
            return BoolShape()
        return ListShape(item=item)
