"""A policy decides about anything, whatever the order of its rules, and no further rule loosens what it decides."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from guardkit.core.decisions import Decision, rank
from guardkit.core.values import Json
from tests.unit.policy.desk import called, facts, policy_of, rule

CONDITIONS = [
    "true",
    "args.amount > 100.0",
    "args.amount <= 0.0",
    "args.claim_id.startsWith('c')",
    "args.note > 'm'",
    "args.note != null && args.note.size() > 3",
    "args.items.exists(i, i.price > 10.0)",
    "args.labels.a == 'b'",
    "args.extra.level > 3",
    "tainted(args.claim_id)",
    "'instruction' in flags",
    "calls > 3 || elapsed > 10.0",
    "args.kind == 'refund'",
    "1 / (args.count - 1) > 0",
]

decide = st.sampled_from(["allow", "escalate", "reject", "stop"])
rules = st.lists(st.tuples(st.sampled_from(CONDITIONS), decide), max_size=4).map(
    lambda chosen: [rule(when, what, f"r{number}") for number, (when, what) in enumerate(chosen)]
)
otherwise = st.sampled_from(["allow", "escalate", "reject"])
json: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
plausible = st.fixed_dictionaries(
    {
        "claim_id": st.sampled_from(["c-1", "x-1"]),
        "amount": st.sampled_from(["-1", "5", "250.00", 5, 1e3, "NaN"]),
    },
    optional={
        "note": st.sampled_from([None, "a", "zzzz"]),
        "kind": st.sampled_from(["claim", "refund"]),
        "count": st.integers(0, 3),
        "items": st.just([{"name": "a", "price": 11.0}]),
        "labels": st.sampled_from([{}, {"a": "b"}]),
        "extra": st.sampled_from([None, {"level": 9}, "text"]),
    },
)
odd = st.dictionaries(
    st.sampled_from(["claim_id", "amount", "note", "items", "labels", "extra", "zzz"]), json
)
arguments = plausible | odd
circumstances = st.builds(
    facts,
    flags=st.sampled_from([frozenset(), frozenset({"instruction"})]),
    calls=st.integers(1, 5),
    elapsed=st.sampled_from([0.0, 11.0]),
    tainted=st.sampled_from([lambda value: False, lambda value: True, lambda value: 1 / 0]),
)


def decided(chosen: list[dict[str, Any]], fallback: str, args: dict[str, Json], told: Any) -> Decision:
    return policy_of(*chosen, otherwise=fallback).decide(called("pay_claim", args), told)


@pytest.mark.promise("P7")
@given(rules, otherwise, arguments, circumstances)
def test_a_policy_decides_about_any_arguments(
    chosen: list[dict[str, Any]], fallback: str, args: dict[str, Json], told: Any
) -> None:
    assert rank(decided(chosen, fallback, args, told)) in range(5)


@given(rules, otherwise, arguments, circumstances, st.randoms(use_true_random=False))
def test_the_order_of_rules_means_nothing(
    chosen: list[dict[str, Any]], fallback: str, args: dict[str, Json], told: Any, random: Any
) -> None:
    shuffled = list(chosen)
    random.shuffle(shuffled)
    assert decided(shuffled, fallback, args, told) == decided(chosen, fallback, args, told)


@given(
    rules,
    otherwise,
    arguments,
    circumstances,
    st.sampled_from(CONDITIONS),
    st.sampled_from(["reject", "stop"]),
)
def test_one_more_rejecting_rule_never_loosens(
    chosen: list[dict[str, Any]], fallback: str, args: dict[str, Json], told: Any, when: str, what: str
) -> None:
    more = [*chosen, rule(when, what, "more")]
    assert rank(decided(more, fallback, args, told)) >= rank(decided(chosen, fallback, args, told))


@given(rules, otherwise, arguments, circumstances, st.sampled_from(CONDITIONS))
def test_one_more_escalating_rule_lets_nothing_run_unasked(
    chosen: list[dict[str, Any]], fallback: str, args: dict[str, Json], told: Any, when: str
) -> None:
    """It loosens nothing but `otherwise: reject`, of which it is an exception; even there people decide."""
    before = decided(chosen, fallback, args, told)
    after = decided([*chosen, rule(when, "escalate", "more")], fallback, args, told)
    assert rank(after) >= min(rank(before), 2)
    if fallback != "reject":
        assert rank(after) >= rank(before)


@given(rules.filter(bool), otherwise, arguments, circumstances, st.sampled_from(CONDITIONS), decide)
def test_no_rule_loosens_what_another_rule_demands(
    chosen: list[dict[str, Any]], fallback: str, args: dict[str, Json], told: Any, when: str, what: str
) -> None:
    before = decided(chosen, fallback, args, told)
    after = decided([*chosen, rule(when, what, "more")], fallback, args, told)
    if "pay_claim.otherwise" not in before.rules:
        assert rank(after) >= rank(before)


@settings(max_examples=25)
@given(arguments, circumstances)
def test_deciding_twice_gives_the_same(args: dict[str, Json], told: Any) -> None:
    policy = policy_of(*(rule(when, "escalate", f"r{number}") for number, when in enumerate(CONDITIONS)))
    call = called("pay_claim", args)
    assert policy.decide(call, told) == policy.decide(call, told)
