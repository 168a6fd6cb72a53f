"""Conditions: checked when a policy is loaded, evaluated by the CEL library.

What is compiled is the text of the tree that was checked. Evaluation is pure and bounded: no loop runs over more than
10,000 values, loops do not multiply, regular expressions are linear, and text is capped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cel

from guardkit.core.values import Json
from guardkit.policy.shapes import RecordShape, Shape
from guardkit.policy.syntax import (
    Call,
    ConditionError,
    Literal,
    Name,
    Node,
    Operation,
    Select,
    children,
    parse,
    text_of,
    walk,
)
from guardkit.policy.typecheck import TypeCheck
from guardkit.policy.wire import UnfitError, Wire, any_leaf

_MAX_SOURCE = 2000


class UnevaluableError(Exception):
    """A condition has no answer for these values. Its text names no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a condition may look at."""

    variables: Mapping[str, Shape]
    taint: bool
    """Whether `tainted` may be asked."""


class Condition:
    """One condition, checked and compiled.

    Args:
        source: CEL, at most 2,000 characters.
        scope: what it may look at.

    Raises:
        ConditionError: syntax, unknown names, types; with a remedy and the place.
    """

    __slots__ = ("_program", "_uses", "asks_taint", "tree", "unguarded")

    def __init__(self, source: str, scope: Scope) -> None:
        if len(source) > _MAX_SOURCE:
            raise ConditionError(
                f"is longer than {_MAX_SOURCE} characters", remedy="split it into several rules"
            )
        self.tree = parse(source)
        check = TypeCheck(scope.variables, taint=scope.taint)
        check.condition(self.tree)
        self.unguarded = tuple(dict.fromkeys(check.unguarded))
        self.asks_taint = any(
            isinstance(node, Call) and node.function == "tainted" for node in walk(self.tree)
        )
        self._uses = _uses(self.tree, scope)
        try:
            self._program = cel.compile(text_of(self.tree))
        except (ValueError, RuntimeError) as error:
            raise ConditionError("is not accepted by the CEL library", remedy="simplify it", at=0) from error

    def __str__(self) -> str:
        return text_of(self.tree)

    def holds(self, values: Mapping[str, Json], tainted: Callable[[Json], bool] | None = None) -> bool:
        """Whether the condition is true.

        Args:
            values: JSON values of the variables.
            tainted: answers `tainted`.

        Raises:
            UnevaluableError: it has no answer: a value does not fit, an operation failed, `tainted` raised.
        """
        wire = Wire()
        try:
            seen = {use.name: use.of(values[use.name], wire) for use in self._uses}
        except UnfitError as error:
            raise UnevaluableError(f"a value it looks at is {error}") from None
        if not self.asks_taint:
            return self._answer(seen)
        asked = _Asked(tainted, wire)
        try:
            answer = self._answer(cel.Context(seen, {"tainted": asked}))
        except UnevaluableError as error:
            raise asked.problem or error from None
        if asked.problem is not None:  # the library may have swallowed it beside an `||`
            raise asked.problem
        return answer

    def _answer(self, context: Any) -> bool:
        try:
            answer = self._program.execute(context)
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise UnevaluableError(f"it failed: {type(error).__name__}") from None
        if answer is not True and answer is not False:
            raise UnevaluableError("it gave no truth value")
        return answer


@dataclass(frozen=True, slots=True)
class _Use:
    """What a condition looks at of one variable: only that is converted."""

    name: str
    fields: tuple[str, ...] | None
    """Its fields, or `None` for the whole."""

    shape: Shape

    def of(self, value: Json, wire: Wire) -> Json:
        if self.fields is None:
            return wire.value(value, self.shape)
        if not isinstance(value, dict):
            raise UnfitError("of another type")
        return wire.value({field: value[field] for field in self.fields if field in value}, self.shape)


def _uses(tree: Node, scope: Scope) -> tuple[_Use, ...]:
    """Every variable of the scope that a tree names, with the fields that it takes of it."""
    found: dict[str, set[str] | None] = {}
    left = [tree]
    while left:
        match left.pop():
            case Select(base=Name(name=name), field=field) if name in scope.variables:
                fields = found.setdefault(name, set())
                if fields is not None:
                    fields.add(field)
            case Operation(op="[]", operands=(Name(name=name), Literal(value=str() as field))) if (
                name in scope.variables
            ):
                fields = found.setdefault(name, set())
                if fields is not None:
                    fields.add(field)
            case Name(name=name) if name in scope.variables:
                found[name] = None
            case node:
                left.extend(children(node))
    return tuple(_use(name, fields, scope.variables[name]) for name, fields in found.items())


def _use(name: str, fields: set[str] | None, shape: Shape) -> _Use:
    if fields is None:
        return _Use(name, None, shape)
    if isinstance(shape, RecordShape):
        shape = RecordShape(fields={field: shape.fields[field] for field in fields})
    return _Use(name, tuple(fields), shape)


class _Asked:
    """`tainted` as the library calls it. Nothing that it raises reaches the library, which would print it."""

    __slots__ = ("_tainted", "_wire", "problem")

    def __init__(self, tainted: Callable[[Json], bool] | None, wire: Wire) -> None:
        self.problem: BaseException | None = None
        self._tainted = tainted
        self._wire = wire

    def __call__(self, value: Json) -> bool:
        try:
            return any_leaf(value, self._ask, self._wire.spellings)
        except Exception as error:  # noqa: BLE001 - whatever the caller's function raises, the rule has no answer
            self.problem = UnevaluableError(f"tainted() failed: {type(error).__name__}")
        except BaseException as error:  # noqa: BLE001 - raised again once the library has returned
            self.problem = error
        return True

    def _ask(self, value: Json) -> bool:
        answer: object = self._tainted(value) if self._tainted is not None else None
        if not isinstance(answer, bool):
            raise UnevaluableError("tainted() gave no truth value")
        return answer
