"""Whether a route can be answered at all: every seat of every stage needs a person of its own."""

from collections.abc import Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seats:
    """A stage: who may answer, and how many of them must."""

    eligible: Set[str]
    required: int


def seats_filled(stages: Sequence[Seats]) -> int:
    """How many seats can be filled when each person takes one seat at most.

    A maximum matching of people and seats, found by augmenting paths (Kuhn's algorithm).
    """
    seats = [stage.eligible for stage in stages for _ in range(min(stage.required, len(stage.eligible)))]
    holder: dict[str, int] = {}

    def settle(seat: int, tried: set[str]) -> bool:
        for person in sorted(seats[seat]):
            if person in tried:
                continue
            tried.add(person)
            if person not in holder or settle(holder[person], tried):
                holder[person] = seat
                return True
        return False

    return sum(settle(seat, set()) for seat in range(len(seats)))
