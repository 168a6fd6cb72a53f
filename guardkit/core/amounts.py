"""Amounts that are summed exactly: decimals as text, without a sign."""

import re
from decimal import Context, Decimal

from guardkit.core.values import JsonObject, Value

_EXACT = Context(prec=100)
_AMOUNT = re.compile(r"\d{1,30}(\.\d{1,30})?", re.ASCII)
_LONGEST = 61


class StandingAmount(Value):
    """A limit on the sum of one argument over all uses."""

    argument: str
    """The tool's argument that is summed: a number, or a decimal as text."""

    at_most: str
    """The limit, as a decimal."""


def amount_of(args: JsonObject, limit: StandingAmount | None) -> str | None:
    """An action's part of the sum, as a decimal; "0" where no argument is limited.

    `None` when the argument is no number that can be summed exactly, or negative: people are asked then.
    """
    if limit is None:
        return "0"
    value = args.get(limit.argument)
    match value:
        case bool() | None:
            return None
        case int():
            text = str(value)
        case float():
            text = format(Decimal(repr(value)), "f")
        case str():
            text = value
        case _:
            return None
    return is_amount(text)


def is_amount(text: str) -> str | None:
    """A decimal without a sign, as it is kept; `None` for any other text."""
    if len(text) > _LONGEST or not _AMOUNT.fullmatch(text):
        return None
    return written(Decimal(text))


def added(one: str, other: str) -> Decimal:
    """The exact sum of two amounts."""
    return _EXACT.add(Decimal(one), Decimal(other))


def written(amount: Decimal) -> str:
    """A decimal as text, without an exponent and without zeros that say nothing."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def left_of(limit: str, spent: str) -> str:
    """What is left of a limit, as a decimal."""
    return written(_EXACT.subtract(Decimal(limit), Decimal(spent)))
