"""From JSON arguments to the values that conditions see: decimals become numbers, missing optional fields null.

Conversion fails rather than guesses; whatever asked for it is then a rule that cannot be evaluated. Size and depth are
bounded, so that evaluation is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from guardkit.core.values import Json
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
)

MAX_VALUES = 10_000
"""Values that one condition may look at, inner ones included."""

MAX_CHARACTERS = 200_000
"""Characters of text that one condition may look at."""

_MAX_DEPTH = 32


class UnfitError(Exception):
    """A value does not have the shape that the condition was checked against, or is too large. Holds no value."""


@dataclass(slots=True)
class Wire:
    """Converts the values that one condition looks at."""

    spellings: dict[float, list[Json]] = field(default_factory=dict[float, list[Json]])
    """How numbers were written where that differs from what the condition sees."""

    _values: int = 0
    _characters: int = 0

    def value(self, value: Json, shape: Shape, depth: int = 0) -> Json:
        """The value as the condition sees it.

        Raises:
            UnfitError: another shape, too deep, or more than one condition may look at.
        """
        self._values += 1
        if self._values > MAX_VALUES or depth > _MAX_DEPTH:
            raise UnfitError("too large")
        if value is None:
            if shape.nullable:
                return None
            raise UnfitError("null")
        match shape:
            case AnyShape():
                return self._anything(value, depth)
            case BoolShape() if isinstance(value, bool):
                return value
            case IntShape() if (
                isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
            ):
                return value
            case NumberShape():
                return self._number(value, shape)
            case TextShape() if isinstance(value, str):
                return self._text(value)
            case ListShape(item=item) if isinstance(value, list):
                return [self.value(inner, item, depth + 1) for inner in value]
            case MapShape(item=item) if isinstance(value, dict):
                return {self._text(key): self.value(inner, item, depth + 1) for key, inner in value.items()}
            case RecordShape() if isinstance(value, dict):
                return self._record(value, shape, depth)
            case _:
                raise UnfitError("of another type")

    def _record(self, value: dict[str, Json], shape: RecordShape, depth: int) -> Json:
        seen: dict[str, Json] = {}
        for name, known in shape.fields.items():
            if name in value:
                seen[name] = self.value(value[name], known.shape, depth + 1)
            elif known.required:
                raise UnfitError("missing")
            else:
                seen[name] = self.value(known.default, known.shape, depth + 1)
        for name, inner in value.items():
            if name not in seen:
                seen[self._text(name)] = self.value(inner, ANYTHING, depth + 1)
        return seen

    def _anything(self, value: Json, depth: int) -> Json:
        match value:
            case str():
                return self._text(value)
            case bool() | None:
                return value
            case int():
                return self.value(value, IntShape())
            case float():
                return self._number(value, NumberShape())
            case list():
                return [self.value(inner, ANYTHING, depth + 1) for inner in value]
            case dict():
                return {
                    self._text(key): self.value(inner, ANYTHING, depth + 1) for key, inner in value.items()
                }

    def _text(self, value: str) -> str:
        self._characters += len(value)
        if self._characters > MAX_CHARACTERS:
            raise UnfitError("too large")
        return value

    def _number(self, value: Json, shape: NumberShape) -> float:
        match value:
            case bool():
                raise UnfitError("of another type")
            case int() | float():
                number = _finite(value)
            case str() if shape.decimal and len(value) <= 400:
                try:
                    number = _finite(Decimal(value))
                except InvalidOperation as error:
                    raise UnfitError("not a number") from error
            case _:
                raise UnfitError("of another type")
        if not isinstance(value, float):
            self.spellings.setdefault(number, []).append(value)
        return number


def _finite(value: int | float | Decimal) -> float:
    try:
        number = float(value)
    except (OverflowError, ValueError) as error:
        raise UnfitError("not a number") from error
    if not math.isfinite(number):
        raise UnfitError("not a number")
    return number


def any_leaf(value: Json, asked: Callable[[Json], bool], spellings: dict[float, list[Json]]) -> bool:
    """Whether the question holds for any value inside `value`, in any spelling that it was written in."""
    match value:
        case list():
            return any(any_leaf(inner, asked, spellings) for inner in value)
        case dict():
            return any(any_leaf(inner, asked, spellings) for inner in value.values())
        case float() if value in spellings:
            return asked(value) or any(asked(spelling) for spelling in spellings[value])
        case _:
            return asked(value)
