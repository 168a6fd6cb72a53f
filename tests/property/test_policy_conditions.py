"""The reader and the checker of conditions agree with the CEL library that evaluates them."""

from __future__ import annotations

import contextlib

import cel
from hypothesis import given, settings, strategies as st

from guardkit.policy.conditions import Condition, UnevaluableError
from guardkit.policy.json_schema import shape_of
from guardkit.policy.rules import action_scope, action_values
from guardkit.policy.syntax import ConditionError, parse, text_of
from tests.unit.policy.desk import PayClaim, action, facts

SCOPE = action_scope(shape_of(PayClaim.model_json_schema()))
VALUES = action_values(
    action(
        amount=250.5,
        claim_id="c-17",
        kind="claim",
        note=None,
        count=2,
        urgent=True,
        items=[{"name": "a", "price": 1.5}, {"name": "b", "price": 20.0}],
        labels={"a": "b"},
        extra={"level": 9},
    ),
    facts(flags=frozenset({"instruction"}), calls=3),
)

LEAVES = [
    "1", "2", "0", "1.5", "'a'", "'c-17'", "true", "false", "null", "args.amount", "args.claim_id", "args.note", "args.count",
    "args.urgent", "args.items", "args.labels", "args.extra", "args.extra.level", "args.labels.a", "args.items[0].price", "flags",
    "calls", "principal.id", "args.kind", "'claim'", "['a', 'b']", "[1, 2]", "args.items[5]", "args['count']",
]  # fmt: skip
BINARY = ["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "in", "&&", "||"]


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions of smaller ones, with and without brackets, well typed or not."""
    pair = st.tuples(inner, st.sampled_from(BINARY), inner)
    return st.one_of(
        pair.map(" ".join),
        pair.map(lambda parts: f"({' '.join(parts)})"),
        pair.map(lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
        st.tuples(inner, inner, inner).map(lambda parts: f"{parts[0]} ? {parts[1]} : {parts[2]}"),
        inner.map(lambda part: f"!{part}"),
        inner.map(lambda part: f"-{part}"),
        inner.map(lambda part: f"size({part})"),
        inner.map(lambda part: f"string({part}) + 'x'"),
        inner.map(lambda part: f"args.items.exists(i, i.price > 2.0 && {part})"),
        inner.map(lambda part: f"flags.all(f, f == 'a' || {part})"),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}.startsWith({parts[1]})"),
    )


anything = st.recursive(st.sampled_from(LEAVES), grown, max_leaves=6)
"""Mostly of wrong types."""


def joined(one: st.SearchStrategy[str], signs: str, other: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Two expressions and a sign between them, bracketed or left to precedence."""
    whole = st.tuples(one, st.sampled_from(signs.split()), other).map(" ".join)
    return whole | whole.map(lambda text: f"({text})")


whole: st.SearchStrategy[str] = st.deferred(
    lambda: (
        st.sampled_from(["0", "1", "2", "3", "args.count", "calls", "turn", "args['count']"])
        | joined(whole, "+ - * / %", whole)
        | whole.map(lambda text: f"-{text}")
        | (text | st.sampled_from(["args.items", "flags", "args.labels"])).map(lambda value: f"size({value})")
        | st.tuples(truth, whole, whole).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})")
    )
)
number: st.SearchStrategy[str] = st.deferred(
    lambda: (
        st.sampled_from(["0.0", "1.5", "args.amount", "elapsed", "args.items[0].price", "1e2", ".5"])
        | joined(number, "+ - * /", number)
        | whole.map(lambda value: f"double({value})")
    )
)
text: st.SearchStrategy[str] = st.deferred(
    lambda: (
        st.sampled_from(
            [
                "'a'",
                '"c-17"',
                "args.claim_id",
                "args.labels.a",
                "principal.id",
                "args.items[1].name",
                r"'\x61'",
            ]
        )
        | joined(text, "+", text)
        | whole.map(lambda value: f"string({value})")
    )
)
truth: st.SearchStrategy[str] = st.deferred(
    lambda: (
        st.sampled_from(
            ["true", "false", "args.urgent", "args.note == null", "'a' in args.labels", "has(args.labels.z)"]
        )
        | joined(whole | number, "< <= > >= == !=", whole | number)
        | joined(text, "< <= > >= == !=", text)
        | joined(text, "in", st.sampled_from(["flags", "['a', 'ada']", "args.labels"]))
        | joined(truth, "&& || == !=", truth)
        | truth.map(lambda value: f"!{value}")
        | st.tuples(text, st.sampled_from(["startsWith", "endsWith", "contains"]), text).map(
            lambda parts: f"({parts[0]}).{parts[1]}({parts[2]})"
        )
        | st.tuples(st.sampled_from(["all", "exists", "exists_one"]), truth).map(
            lambda parts: f"args.items.{parts[0]}(i, i.price > 2.0 || {parts[1]})"
        )
        | st.tuples(truth, truth, truth).map(lambda parts: f"{parts[0]} ? {parts[1]} : {parts[2]}")
    )
)
conditions = truth | joined(anything, "== < && || in", anything) | anything


def native(source: str) -> object:
    """What the library makes of the text as it stands; the name of the error if it fails."""
    try:
        return cel.compile(source).execute({name: VALUES[name] for name in VALUES})
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError, ArithmeticError) as error:
        return type(error).__name__


@settings(max_examples=400)
@given(conditions)
def test_a_condition_means_what_the_library_takes_its_text_for(source: str) -> None:
    try:
        condition = Condition(source, SCOPE)
    except ConditionError:
        return
    try:
        answer: object = condition.holds(VALUES)
    except UnevaluableError:
        assert not isinstance(native(source), bool)
        return
    assert answer is native(source)


@settings(max_examples=400)
@given(conditions)
def test_what_passes_the_check_never_fails_over_types(source: str) -> None:
    """But for what the check cannot know: the null `note`, the value `extra` of unknown type."""
    if "note" in source or "extra" in source:
        return
    try:
        condition = Condition(source, SCOPE)
    except ConditionError:
        return
    try:
        condition.holds(VALUES)
    except UnevaluableError as error:
        problem = str(error)
    else:
        return
    assert "TypeError" not in problem
    assert "no truth value" not in problem


@settings(max_examples=200)
@given(conditions)
def test_the_text_of_a_tree_is_read_back_as_the_same_tree(source: str) -> None:
    try:
        written = text_of(parse(source))
    except ConditionError:
        return
    if written.count("(") < 16:  # brackets beyond that are refused
        assert text_of(parse(written)) == written


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from([*LEAVES, *BINARY, "(", ")", "?", ":", ".", ","]), max_size=12).map(" ".join)
)
def test_any_text_is_a_condition_or_an_error(source: str) -> None:
    with contextlib.suppress(ConditionError):
        Condition(source, SCOPE)
