"""The grammar of conditions: a bounded part of CEL, read into a small tree.

The CEL library gives no tree, so conditions are read here, and what is compiled is the fully parenthesised text of the
tree that was checked (`text_of`). Two readers of one grammar therefore cannot disagree on what a condition means.

Left out of CEL are unsigned and byte literals, map and message literals, triple-quoted strings, `map` and chained
comparisons. Grammar: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cel

from guardkit.core.values import Json


class ConditionError(Exception):
    """A condition that cannot be used. Caught where file and line are known, never seen by users.

    Attributes:
        message: what is wrong.
        remedy: what to do about it.
        at: 0-based offset in the condition, if known.
    """

    def __init__(self, message: str, *, remedy: str | None = None, at: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.at = at


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """`1`, `2.5`, `"text"`, `true`, `null`; `text` is its spelling."""

    text: str
    value: Json
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A variable."""

    name: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """`base.field`."""

    base: "Node"
    field: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Everything with an operator sign, `[]` and `?:` included; `&&` and `||` take two or more operands."""

    op: str
    operands: tuple["Node", ...]
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`function(args)`, or `target.function(args)`."""

    function: str
    target: "Node | None"
    args: tuple["Node", ...]
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """`[a, b]`."""

    items: tuple["Node", ...]
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """`over.all(variable, body)` and its like."""

    macro: str
    over: "Node"
    variable: str
    body: "Node"
    at: int


Node: TypeAlias = Literal | Name | Select | Operation | Call | Items | Macro

MACROS = frozenset({"all", "exists", "exists_one", "filter"})
RELATIONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
RESERVED = frozenset(
    "as break const continue else false for function if import in let loop namespace null package return true var void while".split()
)
_BINDING = {"||": 1, "&&": 2, **dict.fromkeys(RELATIONS, 3), "+": 4, "-": 4, "*": 5, "/": 5, "%": 5}
_MAX_NESTING = 16
_MAX_DEPTH = 40
_TOKEN = re.compile(
    r"""(?P<space>(?:[ \t\r\n\f]|//[^\n]*)+)
    | (?P<number>0[xX][0-9a-fA-F]+ | (?:[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<string>[rR](?:"[^"\r\n]*"|'[^'\r\n]*') | "(?:[^"\\\r\n]|\\[^\r\n])*" | '(?:[^'\\\r\n]|\\[^\r\n])*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>&&|\|\||==|!=|<=|>=|[()\[\].,?:<>+\-*/%!])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(source: str) -> Node:
    """The tree of a condition.

    Raises:
        ConditionError: not a condition of this grammar, or nested too deeply.
    """
    parser = _Parser(list(_tokens(source)))
    node = parser.expression()
    parser.expect("end")
    if _depth(node) > _MAX_DEPTH:
        raise ConditionError(
            f"is nested deeper than {_MAX_DEPTH} levels", remedy="split it into several rules", at=0
        )
    return node


def children(node: Node) -> tuple[Node, ...]:
    """The direct parts of a node."""
    match node:
        case Literal() | Name():
            return ()
        case Select():
            return (node.base,)
        case Operation():
            return node.operands
        case Call():
            return node.args if node.target is None else (node.target, *node.args)
        case Items():
            return node.items
        case Macro():
            return (node.over, node.body)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    left = [node]
    while left:
        node = left.pop()
        yield node
        left.extend(reversed(children(node)))


def text_of(node: Node) -> str:
    """The node as CEL, fully parenthesised: it can be read in one way only."""
    match node:
        case Literal():
            return node.text
        case Name():
            return node.name
        case Select():
            return f"{_tight(node.base)}.{node.field}"
        case Operation(op="[]", operands=(base, key)):
            return f"{_tight(base)}[{text_of(key)}]"
        case Operation(op="?:", operands=(test, yes, no)):
            return f"({text_of(test)} ? {text_of(yes)} : {text_of(no)})"
        case Operation(op=op, operands=(operand,)):
            return f"({op}{text_of(operand)})"
        case Operation():
            return f"({f' {node.op} '.join(map(text_of, node.operands))})"
        case Call():
            arguments = ", ".join(map(text_of, node.args))
            return f"{'' if node.target is None else _tight(node.target) + '.'}{node.function}({arguments})"
        case Items():
            return f"[{', '.join(map(text_of, node.items))}]"
        case Macro():
            return f"{_tight(node.over)}.{node.macro}({node.variable}, {text_of(node.body)})"


def _tight(node: Node) -> str:
    """Text that a `.` or `[` may follow."""
    return f"({text_of(node)})" if isinstance(node, Literal) else text_of(node)


def _depth(node: Node) -> int:
    deepest = 0
    left = [(node, 1)]
    while left:
        node, depth = left.pop()
        deepest = max(deepest, depth)
        left.extend((child, depth + 1) for child in children(node))
    return deepest


def _tokens(source: str) -> Iterator[_Token]:
    at = 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        if found is None:
            raise ConditionError(
                f"has an unexpected {source[at]!r}",
                remedy="close the quote" if source[at] in "\"'" else "remove it",
                at=at,
            )
        kind = found.lastgroup or ""
        if kind != "space":
            yield _Token(kind, found[0], at)
        at = found.end()
    yield _Token("end", "", len(source))


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._nesting = 0

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, *signs: str) -> _Token | None:
        token = self._tokens[self._next]
        if token.kind in ("sign", "name") and token.text in signs:
            self._next += 1
            return token
        return None

    def expect(self, what: str) -> _Token:
        token = self._peek()
        if token.kind == what or (token.kind == "sign" and token.text == what):
            self._next += 1
            return token
        raise self._unexpected(token)

    def _unexpected(self, token: _Token) -> ConditionError:
        what = "end" if token.kind == "end" else repr(token.text)
        return ConditionError(
            f"has an unexpected {what}", remedy="conditions are CEL, see the policy reference", at=token.at
        )

    def expression(self) -> Node:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise ConditionError(
                f"nests more than {_MAX_NESTING} brackets",
                remedy="split it into several rules",
                at=self._peek().at,
            )
        test = self._binary(1)
        question = self._take("?")
        if question is not None:
            yes = self._binary(1)
            self.expect(":")
            test = Operation(op="?:", operands=(test, yes, self.expression()), at=question.at)
        self._nesting -= 1
        return test

    def _binary(self, least: int) -> Node:
        left = self._unary()
        compared = False
        while True:
            token = self._peek()
            binding = _BINDING.get(token.text, 0) if token.kind in ("sign", "name") else 0
            if binding < least or binding == 0:
                return left
            if compared and token.text in RELATIONS:
                raise ConditionError(
                    "chains comparisons", remedy="join them with &&, or put one in brackets", at=token.at
                )
            compared = token.text in RELATIONS
            self._next += 1
            right = self._binary(binding + 1)
            if token.text in ("&&", "||") and isinstance(left, Operation) and left.op == token.text:
                left = Operation(op=left.op, operands=(*left.operands, right), at=left.at)
            else:
                left = Operation(op=token.text, operands=(left, right), at=token.at)

    def _unary(self) -> Node:
        signs: list[_Token] = []
        while (sign := self._take("!", "-")) is not None:
            signs.append(sign)
        node = self._member()
        for sign in reversed(signs):
            node = Operation(op=sign.text, operands=(node,), at=sign.at)
        return node

    def _member(self) -> Node:
        node = self._primary()
        while True:
            if (dot := self._take(".")) is not None:
                name = self._name()
                node = (
                    self._called(node, name)
                    if self._take("(")
                    else Select(base=node, field=name.text, at=dot.at)
                )
            elif (bracket := self._take("[")) is not None:
                node = Operation(op="[]", operands=(node, self.expression()), at=bracket.at)
                self.expect("]")
            else:
                return node

    def _primary(self) -> Node:
        token = self._peek()
        self._next += 1
        match token.kind, token.text:
            case (("number" | "string"), text):
                return Literal(text=text, value=_value(token), at=token.at)
            case "name", "true" | "false" | "null":
                value = {"true": True, "false": False, "null": None}[token.text]
                return Literal(text=token.text, value=value, at=token.at)
            case "name", _:
                self._next -= 1
                name = self._name()
                if self._take("("):
                    return Call(function=name.text, target=None, args=self._listed(")"), at=name.at)
                return Name(name=name.text, at=name.at)
            case "sign", "(":
                inner = self.expression()
                self.expect(")")
                return inner
            case "sign", "[":
                return Items(items=self._listed("]"), at=token.at)
            case _:
                raise self._unexpected(token)

    def _called(self, target: Node, name: _Token) -> Node:
        if name.text not in MACROS:
            return Call(function=name.text, target=target, args=self._listed(")"), at=name.at)
        variable = self._name()
        self.expect(",")
        body = self.expression()
        self.expect(")")
        return Macro(macro=name.text, over=target, variable=variable.text, body=body, at=name.at)

    def _name(self) -> _Token:
        token = self.expect("name")
        if token.text in RESERVED:
            raise ConditionError(
                f"uses the reserved word {token.text!r} as a name",
                remedy='write x["name"] for such a field',
                at=token.at,
            )
        return token

    def _listed(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._take(closing):
            if items:
                self.expect(",")
            items.append(self.expression())
        return tuple(items)


def _value(token: _Token) -> Json:
    """What the CEL library takes a literal for, so that its spelling is never read differently here."""
    try:
        return cel.compile(token.text).execute()
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise ConditionError(
            f"holds {token.text[:40]!r}, which is not a literal",
            remedy="check its digits or escapes",
            at=token.at,
        ) from error
