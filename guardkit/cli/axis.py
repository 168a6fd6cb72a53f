"""Where an instant lies on the line of a turn's timeline.

A turn works for seconds and waits for hours. On a line in proportion to time all work would be one dot, so each stretch,
a run or a pause, gets a width that grows with the logarithm of its length; within a stretch time is in proportion.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from guardkit.core.story import RunStory

_SHORTEST = 0.01
"""Seconds: what is shorter looks as if it were that long."""

_MANY = 60
"""Stretches; more of them would be too narrow to see, and the line is in proportion to time instead."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the line: a run, or the time until the next."""

    begin: float
    """Seconds since the epoch."""

    end: float
    runs: bool
    left: float
    """Percent of the line."""

    width: float


class Axis:
    """A line from the first instant to the last.

    Args:
        begin: seconds since the epoch.
        end: likewise; not before `begin`.
        runs: the runs within, in order.
    """

    def __init__(self, begin: float, end: float, runs: Sequence[RunStory]) -> None:
        parts = _parts(begin, max(end, begin + _SHORTEST), runs)
        weights = [1 + math.log10(1 + (last - first) / _SHORTEST) for first, last, _ in parts]
        left = 0.0
        found: list[Stretch] = []
        for (first, last, running), weight in zip(parts, weights, strict=True):
            width = 100 * weight / sum(weights)
            found.append(Stretch(first, last, running, left, width))
            left += width
        self.stretches = tuple(found)
        """In order, without gaps."""

    def at(self, instant: float) -> float:
        """Percent of the line at which an instant lies."""
        first, last = self.stretches[0], self.stretches[-1]
        if instant <= first.begin:
            return 0.0
        for part in self.stretches:
            if instant <= part.end:
                share = (instant - part.begin) / max(part.end - part.begin, 1e-9)
                return round(part.left + part.width * min(max(share, 0.0), 1.0), 2)
        return round(last.left + last.width, 2)


def _parts(begin: float, end: float, runs: Sequence[RunStory]) -> list[tuple[float, float, bool]]:
    """Runs and what is between them, as begin, end and whether it runs."""
    if len(runs) * 2 > _MANY:
        return [(begin, end, True)]
    parts: list[tuple[float, float, bool]] = []
    place = begin
    for number, run in enumerate(runs):
        following = runs[number + 1].started_at if number + 1 < len(runs) else end
        started = max(run.started_at, place)
        ended = min(max(started, following if run.ended_at is None else run.ended_at), end)
        if started > place:
            parts.append((place, started, False))
        if ended > started:
            parts.append((started, ended, True))
        place = max(place, ended)
    if place < end or not parts:
        parts.append((place, end, not runs))
    return parts
