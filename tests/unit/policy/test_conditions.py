"""Conditions are checked when they are loaded, and have an answer or none when they are evaluated."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.core.values import Json
from guardkit.policy.conditions import Condition, Scope, UnevaluableError
from guardkit.policy.json_schema import shape_of
from guardkit.policy.rules import action_scope, action_values
from guardkit.policy.syntax import ConditionError
from tests.unit.policy.desk import PayClaim, action, called, facts

ARGS = shape_of(PayClaim.model_json_schema())
SCOPE = action_scope(ARGS)


def answer(source: str, *, tainted: Any = lambda value: False, **args: Json) -> bool:
    told = facts(tainted=tainted, flags=frozenset({"instruction"}), calls=3, elapsed=1.5)
    call = called("pay_claim", {"claim_id": "c-17", "amount": "250.00", **args})
    return Condition(source, SCOPE).holds(action_values(call, told), told.tainted)


HOLDS = [
    "true",
    "args.amount == 250.0",
    "args.amount > 249 && args.amount < 251",
    "args.claim_id.startsWith('c-') && args.claim_id.endsWith('17') && args.claim_id.contains('-')",
    "args.claim_id.matches('^[a-z]-[0-9]+$')",
    "args['claim_id'] == 'c-17'",
    "args.claim_id in ['c-16', 'c-17']",
    "args.kind == 'claim'",
    "args.note == null",
    "args.note == null || args.note.size() > 3",
    "!(args.note != null && args.note.size() > 3)",
    "args.note != null ? args.note == 'x' : args.count == 1",
    "args.count == 1 && !args.urgent",
    "args.items.all(i, i.price < 10.0)",
    "!args.items.exists(i, i.name == 'x')",
    "size(args.items) == 0 && args.items.size() == 0",
    "!('a' in args.labels) && !has(args.labels.a)",
    "args.items.filter(i, i.price > 1.0).size() == 0",
    "principal.id == 'ada' && principal.tenant == 'acme' && principal.verified_by == 'host'",
    "turn == 1 && calls == 3 && elapsed == 1.5 && tool == 'pay_claim'",
    "'instruction' in flags && flags.exists(f, f == 'instruction')",
    "!has(reads.balance) && reads.size() == 0",
    "double(args.count) * 2.0 == 2.0 && int('7') % 2 == 1 && string(args.count) == '1'",
    "-args.count == -1 && - -1 == 1 && !!true",
    "(args.count < 2) == true",
    "args.extra == null || args.extra.level > 3",
    "tainted(args.claim_id) ? false : true",
    "args.count > 0 // the rest of the line is a comment",
    'args.claim_id == "c\\x2d17" && args.claim_id.matches(r"c-\\d")',
]


@pytest.mark.parametrize("source", HOLDS)
def test_a_condition_that_holds(source: str) -> None:
    assert answer(source) is True
    assert answer(f"!({source.split(' //', maxsplit=1)[0]})") is False


@pytest.mark.parametrize(
    ("args", "source"),
    [
        ({"amount": 250}, "args.amount == 250.0"),
        ({"amount": 1e2}, "args.amount == 100.0"),
        ({"amount": "1E+2"}, "args.amount == 100.0"),
        ({"note": "abcd"}, "args.note != null && args.note.size() == 4"),
        ({"items": [{"name": "a", "price": 3}]}, "args.items[0].price == 3.0 && args.items.exists_one(i, i.name == 'a')"),
        ({"labels": {"a": "b"}}, "args.labels.a == 'b' && args.labels['a'] == 'b' && has(args.labels.a)"),
        ({"extra": {"level": 9}}, "args.extra.level > 3"),
        ({"kind": "refund"}, "args.kind in ['refund']"),
    ],
)  # fmt: skip
def test_arguments_in_json_form(args: dict[str, Json], source: str) -> None:
    assert answer(source, **args) is True


REFUSED = {
    "syntax": ("args.amount >", "has an unexpected end", None),
    "empty": ("  ", "has an unexpected end", None),
    "unknown variable": ("amount > 1.0", "unknown variable 'amount'", None),
    "unknown field": ("args.amunt > 1.0", "unknown field 'amunt'", "did you mean 'amount'?"),
    "unknown field by index": ("args['amunt'] > 1.0", "unknown field 'amunt'", "did you mean 'amount'?"),
    "unknown field in a list": ("args.items.all(i, i.prize > 1.0)", "unknown field 'prize'", "did you mean 'price'?"),
    "text with number": ("args.claim_id > 1.0", "computes text > a number", None),
    "text equals number": ("args.claim_id == 17", "compares args.claim_id, text, with 17, a whole number", None),
    "number equals text": ("args.amount == '250.00'", "compares args.amount, a number, with '250.00', text", None),
    "never null": ("args.amount == null", "compares args.amount with null, and it never is", None),
    "not one of the values": ("args.kind == 'clam'", "'clam', which never occurs", "did you mean 'claim'?"),
    "not one of the values, in a list": ("args.kind in ['claim', 'refnd']", "'refnd', which never occurs", "did you mean 'refund'?"),
    "two texts": ("'a' == 'b'", "which never occurs", None),
    "no truth value": ("args.amount", "gives a number, not a truth value", "compare it with something"),
    "unknown truth value": ("args.extra", "gives a value of unknown type", None),
    "number as truth value": ("args.count && true", "uses args.count, a whole number, as a truth value", None),
    "negated text": ("!args.claim_id", "as a truth value", None),
    "mixed numbers": ("args.count + args.amount > 1.0", r"computes a whole number \+ a number", "convert one with double()"),
    "remainder of fractions": ("args.amount % 2.0 == 0.0", "computes", None),
    "sum of truth values": ("true + true == 2", "computes", None),
    "in text": ("'a' in args.claim_id", "looks for something in text", None),
    "in a record": ("'amount' in args", "looks for something in a mapping", None),
    "wrong item": ("1 in flags", "compares 1, a whole number, with flags, text", None),
    "field of text": ("args.claim_id.size > 1", "takes the field 'size' of text", None),
    "index of text": ("args.claim_id[0] == 'c'", "takes", None),
    "computed field": ("args[args.claim_id] == 'c'", "takes", None),
    "method of a number": ("args.amount.contains('1')", "calls contains", None),
    "method with a number": ("args.claim_id.contains(1)", "calls contains", None),
    "computed pattern": ("args.claim_id.matches(args.note)", "needs its pattern as written text", None),
    "broken pattern": ("args.claim_id.matches('(')", "not a regular expression", None),
    "endless pattern": ("args.claim_id.matches('(a{1000}){1000}')", "not a regular expression", None),
    "size of a number": ("size(args.count) > 1", "asks for the size of a whole number", None),
    "conversion of a list": ("int(args.items) > 1", "converts a list", None),
    "has of a known field": ("has(args.note)", "are always there", "an absent one is null: write args.note != null"),
    "has of a variable": ("has(args)", r"calls has\(\) in a way it does not have", None),
    "unknown function": ("lower(args.claim_id) == 'x'", "unknown function 'lower'", None),
    "tainted as a method": ("args.claim_id.tainted()", "in a way it does not have", None),
    "timestamps": ("timestamp('2020-01-01T00:00:00Z') < now()", "unknown function", None),
    "map": ("args.items.map(i, i.price) == []", "unknown function 'map'", None),
    "loop over a number": ("args.count.all(i, i > 1)", "runs all", None),
    "loop inside a loop": ("args.items.all(i, args.items.all(j, i.price == j.price))", "inside another such loop", None),
    "loop variable taken": ("args.items.all(args, true)", "uses the variable 'args' for something else", None),
    "loop variable outside": ("args.items.all(i, true) && i.price > 1.0", "unknown variable 'i'", None),
    "mixed alternatives": ("(args.urgent ? 1 : 'a') == 1", "mixes", None),
    "mixed list": ("args.count in [1, 'a']", "compares", None),
    "chained comparison": ("1 < args.count < 3", "chains comparisons", "join them with &&, or put one in brackets"),
    "reserved word": ("args.in == 1", "reserved word 'in'", 'write x["name"] for such a field'),
    "unsigned": ("1u == 1u", "unexpected 'u'", None),
    "bytes": ("b'a' == b'a'", "unexpected", None),
    "message": ("args{} == args", r"unexpected '\{'", None),
    "triple quotes": ("'''a''' == 'a'", "unexpected", None),
    "unclosed text": ("args.claim_id == 'c", "unexpected \"'\"", "close the quote"),
    "number too large": ("args.count == 99999999999999999999", "which is not a literal", None),
    "bad escape": (r"args.claim_id == '\q'", "which is not a literal", None),
    "deep brackets": ("(" * 20 + "true" + ")" * 20, "nests more than 16 brackets", None),
    "deep negation": ("!" * 1000 + "true", "nested deeper than 40 levels", None),
    "long sum": ("+".join(["1"] * 200) + " == 1", "nested deeper than 40 levels", None),
    "long": ("true && " * 400 + "true", "longer than 2000 characters", None),
}  # fmt: skip


@pytest.mark.promise("P15")
@pytest.mark.parametrize(("source", "message", "remedy"), REFUSED.values(), ids=REFUSED)
def test_a_condition_that_is_refused(source: str, message: str, remedy: str | None) -> None:
    with pytest.raises(ConditionError, match=message) as caught:
        Condition(source, SCOPE)
    assert caught.value.remedy
    assert remedy is None or caught.value.remedy == remedy


def test_the_place_of_a_mistake_is_told() -> None:
    with pytest.raises(ConditionError) as caught:
        Condition("args.count == 1 && args.amunt > 1.0", SCOPE)
    assert caught.value.at == len("args.count == 1 && args")


NO_ANSWER: dict[str, tuple[str, dict[str, Any]]] = {
    "null compared": ("args.note > 'a'", {}),
    "null on one side": ("args.extra.level > 3", {}),
    "optional truth value": ("args.extra == true || args.extra", {"extra": 3}),
    "missing key": ("args.labels.a == 'b'", {}),
    "outside the list": ("args.items[0].price > 1.0", {}),
    "division by zero": ("1 / (args.count - 1) > 0", {}),
    "too large a number": ("args.count * 4611686018427387904 > 0", {"count": 4}),
    "text that is no number": ("int(args.claim_id) > 0", {}),
    "no decimal": ("args.amount > 1.0", {"amount": "ten"}),
    "not a number": ("args.amount > 1.0", {"amount": "NaN"}),
    "endless decimal": ("args.amount > 1.0", {"amount": "1e999"}),
    "truth value as a decimal": ("args.amount > 1.0", {"amount": True}),
    "another type": ("args.claim_id == 'x'", {"claim_id": 1}),
    "number beyond 64 bits": ("args.count > 1", {"count": 2**70}),
    "another type inside": ("args.items.all(i, i.price > 1.0)", {"items": [{"name": "a", "price": "b"}]}),
    "missing field inside": ("args.items.all(i, i.price > 1.0)", {"items": [{"name": "a"}]}),
    "unknown type that does not fit": ("args.extra > 3", {"extra": "text"}),
    "text too long": ("args.claim_id.contains('x')", {"claim_id": "y" * 200_001}),
    "list too long": ("args.items.all(i, i.price > 1.0)", {"items": [{"name": "a", "price": 1.0}] * 5000}),
    "lone surrogate": ("args.claim_id == 'x'", {"claim_id": "\ud800"}),
}  # fmt: skip


@pytest.mark.parametrize(("source", "args"), NO_ANSWER.values(), ids=NO_ANSWER)
def test_a_condition_without_an_answer(source: str, args: dict[str, Any]) -> None:
    with pytest.raises(UnevaluableError):
        answer(source, **args)


def test_deep_values_do_not_reach_the_library() -> None:
    """It converts values recursively, and a deep one would end the process."""
    deep: Json = []
    for _ in range(5000):
        deep = [deep]
    values = {**action_values(action(), facts()), "args": {"claim_id": "c", "amount": "1", "extra": deep}}
    with pytest.raises(UnevaluableError, match="too large"):
        Condition("args.extra == null", SCOPE).holds(values)


def test_values_that_a_condition_does_not_look_at_do_not_matter() -> None:
    assert answer("args.claim_id == 'c-17'", amount="ten", extra="y" * 300_000)


def test_what_fails_beside_a_decisive_answer_does_not_matter() -> None:
    assert answer("args.note > 'a' || args.claim_id == 'c-17'")
    assert not answer("args.note > 'a' && args.claim_id == 'other'")


def test_nothing_of_a_value_is_in_the_error() -> None:
    for source, args in NO_ANSWER.values():
        with pytest.raises(UnevaluableError) as caught:
            answer(source, **args)
        assert "ten" not in str(caught.value).split()
        assert "c-17" not in str(caught.value)


class TestTainted:
    def test_it_is_asked_about_every_value_inside(self) -> None:
        asked: list[Json] = []

        def note(value: Json) -> bool:
            asked.append(value)
            return False

        assert not answer(
            "tainted(args.items)",
            tainted=note,
            items=[{"name": "a", "price": 1.5}, {"name": "b", "price": 2.5}],
        )
        assert sorted(asked, key=str) == [1.5, 2.5, "a", "b"]

    def test_it_is_asked_about_numbers_in_every_spelling(self) -> None:
        asked: list[Json] = []

        def note(value: Json) -> bool:
            asked.append(value)
            return value == "250.00"

        assert answer("tainted(args.amount)", tainted=note)
        assert asked == [250.0, "250.00"]

    def test_in_a_loop(self) -> None:
        assert answer(
            "args.items.exists(i, tainted(i.name))",
            tainted=lambda value: value == "b",
            items=[{"name": "a", "price": 1}, {"name": "b", "price": 2}],
        )

    @pytest.mark.parametrize("source", ["tainted(args.claim_id)", "tainted(args.claim_id) || true"])
    def test_raising_leaves_no_answer(self, source: str, capfd: pytest.CaptureFixture[str]) -> None:
        def fail(value: Json) -> bool:
            raise ValueError(f"secret {value}")

        with pytest.raises(UnevaluableError, match="ValueError"):
            answer(source, tainted=fail)
        assert "secret" not in "".join(capfd.readouterr())

    @pytest.mark.parametrize("wrong", [None, 1, "yes"])
    def test_anything_but_a_truth_value_leaves_no_answer(self, wrong: Any) -> None:
        with pytest.raises(UnevaluableError):
            answer("tainted(args.claim_id) || true", tainted=lambda value: wrong)

    def test_an_interrupt_goes_through(self) -> None:
        def interrupted(value: Json) -> bool:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            answer("tainted(args.claim_id) || true", tainted=interrupted)


class TestUnguarded:
    @pytest.mark.parametrize(
        "source",
        [
            "args.note != null && args.note.size() > 3",
            "null != args.note && args.note.size() > 3",
            "args.note == null || args.note.size() > 3",
            "args.note != null ? args.note.size() > 3 : false",
            "args.note == null ? false : args.note.size() > 3",
            "!(args.note == null) && args.note.size() > 3",
            "(args.note != null && args.count > 1) && args.note.size() > 3",
            "args.note == 'x'",
            "args.claim_id.size() > 3",
        ],
    )
    def test_what_is_guarded(self, source: str) -> None:
        assert Condition(source, SCOPE).unguarded == ()

    @pytest.mark.parametrize(
        "source",
        [
            "args.note.size() > 3",
            "args.note != null || args.note.size() > 3",
            "args.note == null && args.note.size() > 3",
            "args.count > 1 && args.note > 'a'",
            "(args.note != null || args.count > 1) && args.note.size() > 3",
        ],
    )
    def test_what_is_not(self, source: str) -> None:
        assert Condition(source, SCOPE).unguarded == ("args.note",)


def test_a_condition_reads_as_it_is_understood() -> None:
    condition = Condition("args.count > 1 && !args.urgent || args.claim_id in ['a', 'b']", SCOPE)
    assert str(condition) == "(((args.count > 1) && (!args.urgent)) || (args.claim_id in ['a', 'b']))"


def test_constants_need_no_variables() -> None:
    assert Condition("1 < 2", Scope(variables={}, taint=False)).holds({})
