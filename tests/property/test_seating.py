"""Who is seated where, against trying every way to seat them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from hypothesis import given, strategies as st

from guardkit.core.seating import seated


def most(required: Sequence[int], fits: Sequence[Sequence[int]]) -> int:
    """How many people can be seated at most, by trying every way."""
    if not fits:
        return 0
    first, *rest = fits
    best = most(required, rest)
    for stage in first:
        if 0 <= stage < len(required) and required[stage] > 0:
            left = [needed - (index == stage) for index, needed in enumerate(required)]
            best = max(best, 1 + most(left, rest))
    return best


required = st.lists(st.integers(1, 2), min_size=1, max_size=3)
fits = st.lists(st.lists(st.integers(0, 3), max_size=3, unique=True).map(tuple), max_size=6)


@given(required, fits)
def test_as_many_are_seated_as_can_be(required: list[int], fits: list[tuple[int, ...]]) -> None:
    seating = seated(required, fits)
    taken = [place for place in seating.placed if place is not None]
    assert len(taken) == most(required, fits)
    for place, fit in zip(seating.placed, fits, strict=True):
        assert place is None or (place in fit and place < len(required))
    for stage, needed in enumerate(required):
        assert taken.count(stage) <= needed


@given(required, fits)
def test_a_stage_is_open_exactly_if_one_more_can_sit_in_it(
    required: list[int], fits: list[tuple[int, ...]]
) -> None:
    seating = seated(required, fits)
    for stage in range(len(required)):
        could = most(required, [*fits, (stage,)]) > most(required, fits)
        assert (stage in seating.open) == could


@given(required, fits, st.lists(st.integers(0, 3), max_size=3, unique=True).map(tuple))
def test_who_has_a_seat_keeps_one_and_a_closed_stage_stays_closed(
    required: list[int], fits: list[tuple[int, ...]], later: tuple[int, ...]
) -> None:
    before, after = seated(required, fits), seated(required, [*fits, later])
    for was, now in zip(before.placed, after.placed, strict=False):
        assert (was is None) == (now is None)
    assert set(after.open) <= set(before.open)


@given(required, st.lists(st.lists(st.integers(0, 2), max_size=3, unique=True).map(tuple), max_size=4))
def test_in_whichever_order_people_answer_whoever_fits_is_seated(
    required: list[int], fits: list[tuple[int, ...]]
) -> None:
    for order in permutations(fits):
        seating = seated(required, order)
        assert sum(place is not None for place in seating.placed) == most(required, fits)


def test_whoever_fits_two_stages_makes_room_for_who_fits_one() -> None:
    dana, ben, ann = (0, 1), (1,), (0,)
    assert seated([1, 1], [dana]).open == (0, 1), "either is still open to somebody who has only that one"
    assert seated([1, 1], [dana, ben]).placed == (0, 1)
    assert seated([1, 1], [dana, ann]).placed == (1, 0)
    assert seated([1, 1], [dana, ann]).open == ()
