"""Digests: equal exactly if the actions are, and refused where JSON has no single form."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from guardkit.core.digest import action_digest, action_id, canonical, parse, sha256
from guardkit.core.principals import Principal
from guardkit.errors import CanonicalError

SAFE = 2**53 - 1
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


def written_as_an_unsafe_integer(number: float) -> bool:
    return number.is_integer() and SAFE < abs(number) < 1e21


floats = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not written_as_an_unsafe_integer(number)
)
scalars = st.none() | st.booleans() | st.integers(-SAFE, SAFE) | floats | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, values, max_size=3)
# Few different values, so that equal pairs occur.
few = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 0.0, -0.0, 1.0, 1.5, "", "1", "a", "true", "null"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=3,
)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, written without the code under test."""
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None:
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return float(one) == float(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def digest(args: Any, **changed: Any) -> str:
    fields: dict[str, Any] = {
        "tool": "pay",
        "schema_version": "1",
        "args": args,
        "reads": {},
        "principal": Principal(id="uma"),
        "salt": "00",
    }
    return action_digest(**{**fields, **changed})


@pytest.mark.promise("P1")
@given(one=few | values, other=few | values)
def test_two_digests_are_equal_exactly_if_the_values_are(one: Any, other: Any) -> None:
    assert (digest({"x": one}) == digest({"x": other})) == same(one, other)
    assert (canonical(one) == canonical(other)) == same(one, other)


@pytest.mark.promise("P1")
@given(value=values)
def test_what_is_parsed_back_is_the_value_that_was_digested(value: Any) -> None:
    data = canonical(value)
    back = parse(data)
    assert same(back, value)
    assert canonical(back) == data
    assert same(json.loads(data), value)


@pytest.mark.promise("P1")
@given(args=objects, data=st.data())
def test_the_order_of_keys_means_nothing(args: dict[str, Any], data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(args.items()))))
    assert digest(shuffled) == digest(args)


@pytest.mark.promise("P1")
@given(args=objects, other=texts)
def test_every_field_of_an_action_is_part_of_its_digest(args: dict[str, Any], other: str) -> None:
    plain = digest(args)
    assert plain == digest(args)
    for field, before in (("tool", "pay"), ("schema_version", "1"), ("salt", "00")):
        assert (digest(args, **{field: other}) == plain) == (other == before)
    assert digest(args, reads={"account": other}) != plain
    for principal in (
        Principal(id="ben"),
        Principal(id="uma", tenant="other"),
        Principal(id="uma", verified_by="nobody"),
    ):
        assert digest(args, principal=principal) != plain
    # The same words in other fields are another action.
    assert digest({"a": other}, reads={"b": 1}) != digest({"b": 1}, reads={"a": other})


@given(texts, texts, values)
def test_one_domains_hashes_never_equal_anothers(one: str, other: str, value: Any) -> None:
    assert (sha256(one, value) == sha256(other, value)) == (one == other)


@given(st.lists(texts, min_size=6, max_size=6), st.integers(0, 5), texts)
def test_an_actions_id_is_its_own(parts: list[str], index: int, other: str) -> None:
    def made(parts: list[str]) -> str:
        tenant, thread, namespace, message, call, turn = parts
        return action_id(
            tenant=tenant,
            thread_id=thread,
            namespace=namespace,
            turn=len(turn),
            message_id=message,
            call=call,
        )

    changed = [*parts[:index], other, *parts[index + 1 :]]
    alike = len(other) == len(parts[5]) if index == 5 else other == parts[index]
    assert (made(changed) == made(parts)) == alike


# --- what has no single form ---

bad_scalars = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.floats(float(SAFE + 1), 1e21, exclude_max=True).map(lambda number: -number if number % 4 else number),
    st.integers(min_value=SAFE + 1) | st.integers(max_value=-SAFE - 1),
    st.tuples(texts, st.characters(categories=["Cs"]), texts).map("".join),
    st.sampled_from([b"bytes", (1, 2), {1}, object(), 1j]),
)


@st.composite
def poisoned(draw: st.DrawFn) -> tuple[Any, str]:
    """A value with one culprit somewhere, and the path of it."""
    value, path = draw(bad_scalars), ""
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            before = draw(st.lists(scalars, max_size=2))
            value, path = [*before, value, *draw(st.lists(scalars, max_size=2))], f"[{len(before)}]{path}"
        else:
            key = draw(st.sampled_from(["amount", "to", "x y"]))
            value, path = (
                {**draw(st.dictionaries(st.sampled_from("pq"), scalars)), key: value},
                f".{key}{path}",
            )
    return value, path


@pytest.mark.promise("P1", "P15")
@given(poisoned())
def test_a_value_without_one_form_is_refused_and_its_place_named(given: tuple[Any, str]) -> None:
    value, path = given
    with pytest.raises(CanonicalError) as refused:
        digest({"x": value})
    assert refused.value.path == f"args.x{path}"
    assert str(refused.value).startswith(f"args.x{path}: ")
    with pytest.raises(CanonicalError) as refused:
        digest({}, reads={"x": value})
    assert refused.value.path == f"reads.x{path}"


@pytest.mark.promise("P1", "P15")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "a": 1}', "duplicate key 'a'"),
        ('{"x": [{"a": 1, "\\u0061": 2}]}', "duplicate key 'a'"),
        ('{"amount": NaN}', "args.amount: nan is not a JSON number"),
        ('{"amount": [Infinity]}', r"args.amount\[0\]: inf"),
        ('{"amount": 1e999}', "args.amount: inf"),
        ('{"amount": 9007199254740992}', "args.amount: integer 9007199254740992 is outside"),
        ('{"to": "\\ud800"}', "args.to: the text holds a lone surrogate"),
        ('{"\\udc00": 1}', "lone surrogate"),
        ("{'a': 1}", "not JSON"),
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 5000, "not JSON"),
    ],
)
def test_text_without_one_form_is_refused(text: str, says: str) -> None:
    with pytest.raises(CanonicalError, match=says) as refused:
        parse(text, path="args")
    assert refused.value.path.startswith("args")


@pytest.mark.promise("P1")
@given(objects, texts, values, values)
def test_a_duplicate_key_is_refused_wherever_it_stands(
    rest: dict[str, Any], key: str, one: Any, other: Any
) -> None:
    assume(key not in rest)
    pairs = [*rest.items(), (key, one), (key, other)]
    text = "{" + ",".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs) + "}"
    with pytest.raises(CanonicalError, match="duplicate key"):
        parse(text)


def test_bytes_that_are_not_text_are_refused() -> None:
    with pytest.raises(CanonicalError, match="not JSON"):
        parse(b'{"a": "\xff"}')


def test_nesting_has_a_limit_that_says_so() -> None:
    value: Any = 1
    for _ in range(70):
        value = [value]
    with pytest.raises(CanonicalError, match="nested deeper than 64 levels"):
        canonical(value)


@given(floats)
def test_two_different_doubles_have_two_different_forms(number: float) -> None:
    bits = struct.unpack("<q", struct.pack("<d", number))[0]
    neighbour = struct.unpack("<d", struct.pack("<q", bits + 1))[0]
    assume(math.isfinite(neighbour) and not written_as_an_unsafe_integer(neighbour))
    assert (canonical(number) == canonical(neighbour)) == (number == neighbour)
    assert parse(canonical(number)) == number
