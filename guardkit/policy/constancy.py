"""Conditions that have one answer only, as far as a quick look can tell.

Incomplete on purpose: what is reported is certain, what is not reported may still be constant.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from guardkit.policy.conditions import Condition, Scope, UnevaluableError
from guardkit.policy.syntax import ConditionError, Literal, Name as Variable, Node, Operation, text_of, walk

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


def constant(node: Node) -> bool | None:
    """The one answer of a condition, or `None` when it seems to depend on something."""
    match node:
        case Operation(op="!", operands=(inner,)):
            answer = constant(inner)
            return None if answer is None else not answer
        case Operation(op="&&" | "||" as op, operands=operands):
            answers = [constant(operand) for operand in operands]
            decisive = op == "||"
            if decisive in answers:
                return decisive
            if all(answer is not None for answer in answers):
                return not decisive
            return False if op == "&&" and _contradict(operands) else None
        case _ if any(isinstance(part, Variable) for part in walk(node)):
            return None
        case _:
            return _evaluated(node)


def _evaluated(node: Node) -> bool | None:
    try:
        return Condition(text_of(node), Scope(variables={}, taint=False)).holds({})
    except (ConditionError, UnevaluableError):
        return None


@dataclass(slots=True)
class _Bounds:
    """What comparisons joined by `&&` leave of one value."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    texts: set[str] = field(default_factory=set[str])
    null: bool = False

    def empty(self) -> bool:
        bounded = self.low > -math.inf or self.high < math.inf
        if self.low > self.high or (self.low == self.high and (self.open_low or self.open_high)):
            return True
        return len(self.texts) > 1 or (self.null and (bounded or bool(self.texts)))


def _contradict(operands: Iterable[Node]) -> bool:
    found: dict[str, _Bounds] = {}
    for operand in operands:
        match operand:
            case Operation(op=op, operands=(Literal() as literal, asked)) if op in _MIRRORED:
                _narrow(found.setdefault(text_of(asked), _Bounds()), _MIRRORED[op], literal)
            case Operation(op=op, operands=(asked, Literal() as literal)) if op in _MIRRORED:
                _narrow(found.setdefault(text_of(asked), _Bounds()), op, literal)
            case _:
                pass
    return any(bounds.empty() for bounds in found.values())


def _narrow(bounds: _Bounds, op: str, literal: Literal) -> None:
    match literal.value:
        case bool():
            return
        case int() | float() as number:
            if op in (">", ">=", "==") and (number, op == ">") >= (bounds.low, bounds.open_low):
                bounds.low, bounds.open_low = number, op == ">"
            if op in ("<", "<=", "==") and (number, op != "<") <= (bounds.high, not bounds.open_high):
                bounds.high, bounds.open_high = number, op == "<"
        case str() as text if op == "==":
            bounds.texts.add(text)
        case None:
            bounds.null = True
        case _:
            return
