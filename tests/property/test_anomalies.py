"""The arithmetic of the watch: what more of something does, what order means, how often it is wrong."""

from __future__ import annotations

import random
import statistics
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from guardkit.core.anomalies import Measure, Share, Watch, deviation, score, seldom, unusual

WATCH = Watch(enough=3)
shares = st.integers(1, 60).flatmap(lambda of: st.builds(Share, count=st.integers(0, of), of=st.just(of)))
pasts = st.lists(shares, min_size=3, max_size=40)


def by_fractions(watch: Watch, past: list[Share], present: Share) -> float:
    """The modified z-score as the book writes it, in exact numbers but for the bound and the fallback's constant."""
    usable = [Fraction(one.count, one.of) for one in past if one.of >= watch.support]
    centre = statistics.median(usable)
    apart = [abs(one - centre) for one in usable]
    mad = statistics.median(apart)
    away = Fraction(present.bound()) - centre
    spread = mad / Fraction("0.6745") if mad else Fraction("1.253314") * statistics.mean(apart)
    return float(away / max(spread, Fraction(watch.floor)))


@given(pasts, shares)
def test_the_score_is_the_one_of_the_book(past: list[Share], present: Share) -> None:
    found = score(WATCH, past, present)
    usable = [one for one in past if one.of >= WATCH.support]
    assert (found is None) == (len(usable) < WATCH.enough)
    if found is not None:
        assert found.score == pytest.approx(by_fractions(WATCH, past, present), rel=1e-9, abs=1e-9)
        assert found.past == len(usable)


@given(pasts, st.randoms(use_true_random=False), shares)
def test_the_order_of_the_past_means_nothing(past: list[Share], dice: random.Random, present: Share) -> None:
    shuffled = list(past)
    dice.shuffle(shuffled)
    assert score(WATCH, shuffled, present) == score(WATCH, past, present)


@given(pasts, shares, st.integers(1, 20))
def test_more_blocks_never_lower_the_score(past: list[Share], present: Share, more: int) -> None:
    """Neither when actions that would have passed are blocked, nor when blocked ones are added."""
    before = score(WATCH, past, present)
    instead = score(WATCH, past, Share(min(present.count + more, present.of), present.of))
    besides = score(WATCH, past, Share(present.count + more, present.of + more))
    if before is not None:
        assert instead is not None
        assert besides is not None
        assert instead.score >= before.score
        assert besides.score >= before.score - 1e-9


@given(pasts, shares, st.integers(1, 200))
def test_harmless_actions_never_raise_the_score(past: list[Share], present: Share, more: int) -> None:
    before = score(WATCH, past, present)
    after = score(WATCH, past, Share(present.count, present.of + more))
    if before is not None:
        assert after is not None
        assert after.score <= before.score + 1e-9


@given(shares)
def test_the_bounds_hold_the_share(share: Share) -> None:
    assert 0 <= share.bound() <= share.value + 1e-12
    assert share.value - 1e-12 <= share.bound(upper=True) <= 1


def test_the_bound_is_wilsons() -> None:
    """Where it is, the share is as many standard errors of the true share away as the confidence says."""
    share = Share(12, 80)
    for true in (share.bound(), share.bound(upper=True)):
        errors = abs(share.value - true) / (true * (1 - true) / share.of) ** 0.5
        assert errors == pytest.approx(statistics.NormalDist().inv_cdf(0.999), abs=1e-4)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.001, 0.5))
def test_a_deviation_is_never_below_its_floor(past: list[float], floor: float) -> None:
    assert deviation(past, floor) >= floor


@given(pasts, st.integers(0, 4), st.integers(0, 4))
def test_few_are_never_unusual(past: list[Share], count: int, more: int) -> None:
    assert unusual(WATCH, past, Share(count, count + more)) is None


@given(pasts, shares)
def test_as_much_as_always_is_never_unusual(past: list[Share], present: Share) -> None:
    usable = [one.value for one in past if one.of >= WATCH.support]
    if usable and present.value <= statistics.median(usable):
        assert unusual(WATCH, past, present) is None


@given(st.integers(0, 50), st.integers(0, 5000))
def test_what_is_called_more_is_never_more_seldom(calls: int, others: int) -> None:
    watch = Watch()
    if seldom(watch, calls + 1, calls + 1 + others):
        assert seldom(watch, calls, calls + others)
    assert not seldom(watch, 0, 100)
    assert seldom(watch, 0, 1000)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("actions", [5, 20, 100])
def test_a_normal_agent_alarms_no_more_often_than_is_documented(share: float, actions: int) -> None:
    """A thousand windows, each looked at after every block. At most 2 of them alarm; the page says so."""
    dice = random.Random(20261129)

    def window() -> list[bool]:
        return [dice.random() < share for _ in range(dice.randint(actions // 2, actions * 3 // 2))]

    watch, alarms = Watch(), 0
    past = [Share(sum(one), len(one)) for one in (window() for _ in range(watch.history))]
    for _ in range(1000):
        seen, blocked = window(), 0
        for number, bad in enumerate(seen, start=1):
            blocked += bad
            if bad and unusual(watch, past, Share(blocked, number)) is not None:
                alarms += 1
                break
        past = [*past[1:], Share(sum(seen), len(seen))]
    assert alarms <= 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"windows": ()},
        {"windows": (3600, 300)},
        {"windows": (0,)},
        {"windows": (8 * 86_400,)},
        {"enough": 300},
        {"threshold": 0},
        {"hold": float("inf")},
        {"demand": "shout"},
        {"demands": {"mood": "stop"}},
    ],
    ids=str,
)
def test_settings_that_say_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Watch.model_validate(wrong)


def test_what_is_demanded_can_differ_by_measure() -> None:
    watch = Watch(demand="note", demands={Measure.BLOCKED: "stop"})
    assert [watch.demanded(one) for one in (Measure.BLOCKED, Measure.REJECTED)] == ["stop", "note"]
