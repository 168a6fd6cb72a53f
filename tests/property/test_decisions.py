"""The order of decisions: no opinion loosens, order means nothing, an edit never ends up looser."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import assume, given, strategies as st

from guardkit.core.decisions import (
    Allow,
    Decision,
    Edit,
    Escalate,
    Reject,
    Stop,
    demanded_by,
    floor,
    rank,
    strictest,
)
from guardkit.core.no_result import NoResultReason
from guardkit.core.verdicts import Outcome, Verdict

names = st.sampled_from(["a", "b", "c", "d"])
several = st.lists(names, max_size=3).map(tuple)
arguments = st.dictionaries(names, st.integers(0, 2), max_size=2)
decisions = st.one_of(
    st.builds(Allow, rules=several),
    st.builds(Edit, args=arguments, rules=several, why=several),
    st.builds(
        Escalate, routes=st.lists(names, min_size=1, max_size=3).map(tuple), rules=several, why=several
    ),
    st.builds(Reject, rules=several, why=several, tell_model=names),
    st.builds(Stop, reason=st.sampled_from(NoResultReason), rules=several, why=several),
)
opinions = st.lists(decisions, max_size=6)


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    outcome = draw(st.sampled_from(get_args(Outcome)))
    return Verdict(
        check=draw(names),
        outcome=outcome,
        why=draw(st.none() | names),
        tell_model=draw(st.none() | names),
        edited_args={**draw(arguments)} if outcome == "edit" else None,
    )


def permits(decision: Decision) -> bool:
    """Whether the action, as proposed or edited, runs without people."""
    return isinstance(decision, Allow | Edit)


@pytest.mark.promise("P7")
def test_of_no_opinion_comes_a_no() -> None:
    assert isinstance(strictest([]), Reject)


@given(opinions, st.randoms(use_true_random=False))
def test_the_order_of_opinions_means_nothing(given_: list[Decision], random: Any) -> None:
    shuffled = list(given_)
    random.shuffle(shuffled)
    assert strictest(shuffled) == strictest(given_)


@given(opinions)
def test_nothing_is_looser_than_the_strictest_opinion(given_: list[Decision]) -> None:
    assert rank(strictest(given_)) >= max(map(rank, given_), default=0)


def contradict(given_: list[Decision]) -> bool:
    """Whether two edits demand different arguments."""
    edits = [one.args for one in given_ if isinstance(one, Edit)]
    return any(args != edits[0] for args in edits)


@given(opinions.filter(bool), decisions)
def test_one_more_opinion_never_loosens(given_: list[Decision], more: Decision) -> None:
    assume(not contradict(given_))
    before, after = strictest(given_), strictest([*given_, more])
    assert rank(after) >= rank(before)
    if isinstance(before, Escalate) and isinstance(after, Escalate):
        assert set(before.routes) <= set(after.routes)
    if isinstance(before, Edit) and isinstance(after, Edit):
        assert after.args == before.args


def test_one_more_opinion_never_loosens_contradicting_edits() -> None:
    edits = [Edit(args={}), Edit(args={"a": 1})]
    assert rank(strictest([*edits, Escalate(routes=("desk",))])) >= rank(strictest(edits))


@given(opinions, opinions)
def test_opinions_may_be_joined_in_parts(some: list[Decision], others: list[Decision]) -> None:
    """Joining what was joined before, as a gate does with frozen decisions, never loosens."""
    whole = strictest([*some, *others])
    parts = strictest([strictest(part) for part in (some, others) if part])
    assert rank(parts) >= rank(whole) or not (some or others)
    assert permits(parts) <= permits(whole)


@given(decisions)
def test_repeating_an_opinion_changes_nothing_that_is_enforced(one: Decision) -> None:
    assert strictest([one, one]) == strictest([one])
    assert rank(strictest([one])) == rank(one)


@given(decisions, decisions)
def test_contradicting_edits_are_a_no(one: Decision, other: Decision) -> None:
    if isinstance(one, Edit) and isinstance(other, Edit) and one.args != other.args:
        assert isinstance(strictest([one, other]), Reject)


@given(verdicts(), several)
def test_a_verdict_demands_at_least_what_it_says(verdict: Verdict, routes: tuple[str, ...]) -> None:
    demanded = demanded_by(verdict, routes=routes)
    least = {"pass": 0, "edit": 1, "review": 2, "block": 3, "stop": 4}[verdict.outcome]
    assert rank(demanded) >= least
    assert permits(demanded) == (verdict.outcome in ("pass", "edit"))


@pytest.mark.promise("P7")
@given(verdicts().filter(lambda verdict: verdict.outcome == "review"))
def test_a_review_without_a_route_is_a_no(verdict: Verdict) -> None:
    assert isinstance(demanded_by(verdict, routes=()), Reject)


@given(opinions, verdicts(), several)
def test_one_more_check_never_loosens(
    given_: list[Decision], verdict: Verdict, routes: tuple[str, ...]
) -> None:
    assume(given_ and not contradict(given_))
    after = strictest([*given_, demanded_by(verdict, routes=routes)])
    assert rank(after) >= rank(strictest(given_))


@given(opinions, opinions.filter(bool))
def test_an_edited_action_is_never_looser_than_the_original(
    original: list[Decision], again: list[Decision]
) -> None:
    """What the original's other opinions demanded still holds for the edited action."""
    demanded = [decision for decision in original if not isinstance(decision, Edit)]
    final = strictest([*again, floor(original)])
    assert rank(final) >= max(map(rank, demanded), default=0)
    routes = {route for one in demanded if isinstance(one, Escalate) for route in one.routes}
    if isinstance(final, Escalate) and rank(floor(original)) == rank(final):
        assert routes <= set(final.routes)
