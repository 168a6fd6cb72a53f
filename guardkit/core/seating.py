"""In which stage people count who may answer in several.

Approvals are seated by a maximum matching of people and places (H. W. Kuhn, "The Hungarian method for the assignment
problem", 1955, restricted to whether, not how well): whoever sits in one stage is moved to another that they may answer
in when somebody comes who has only the first. So nobody is turned away while there is a way to seat them.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Seating:
    """Where approvals count."""

    placed: tuple[int | None, ...]
    """For each approval the 0-based index of its stage; `None` for one that finds no place."""

    open: tuple[int, ...]
    """0-based indexes of the stages in which one more person can be seated, in order."""


def seated(required: Sequence[int], fits: Sequence[Sequence[int]]) -> Seating:
    """Seat people so that as many places are taken as can be. Who has a place keeps one, whoever comes later.

    Args:
        required: how many people each stage needs.
        fits: for each person, in the order in which they answered, the 0-based indexes of the stages that they may
            answer in. One that does not exist is no place.
    """
    placed: list[int | None] = []
    for number in range(len(fits)):
        placed.append(None)
        _seat(number, required, fits, placed, set())
    places = [stage for stage in range(len(required)) if _has_room(stage, required, fits, placed)]
    return Seating(placed=tuple(placed), open=tuple(places))


def _seat(
    number: int,
    required: Sequence[int],
    fits: Sequence[Sequence[int]],
    placed: list[int | None],
    tried: set[int],
) -> bool:
    known = [stage for stage in fits[number] if 0 <= stage < len(required)]
    # Nobody is moved while there is a free place.
    for stage in sorted(known, key=lambda stage: placed.count(stage) >= required[stage]):
        if stage in tried:
            continue
        tried.add(stage)
        sitting = [other for other, taken in enumerate(placed) if taken == stage]
        if len(sitting) < required[stage] or any(
            _seat(other, required, fits, placed, tried) for other in sitting
        ):
            placed[number] = stage
            return True
    return False


def _has_room(
    stage: int, required: Sequence[int], fits: Sequence[Sequence[int]], placed: Sequence[int | None]
) -> bool:
    return _seat(len(placed), required, [*fits, (stage,)], [*placed, None], set())
