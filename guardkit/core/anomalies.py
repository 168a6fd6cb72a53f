"""Whether an agent behaves unusually: its own past says what is usual.

Counted are shares, not numbers: of the actions that an agent proposed in a window, how many were blocked. More traffic
alone is nothing unusual. A share of the present is compared with the shares of the past windows by the modified z-score
of Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (ASQC, 1993): 0.6745 (x - median) / MAD, an outlier above
3.5. Where the MAD is 0, as it is for what seldom happens, 1.253314 times the mean absolute deviation takes the place
of MAD / 0.6745. Small numbers do not alarm: x is the lower bound of Wilson's score interval (JASA 22, 1927) around the
present share, one-sided at 99.9 %.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, median
from typing import Literal, Protocol, TypeAlias

from pydantic import Field, model_validator

from guardkit.core.values import Value

MAD_OF_NORMAL = 0.6745
"""The MAD of a normal distribution in standard deviations."""

SD_BY_MEAN_DEVIATION = 1.253314
"""The standard deviation of a normal distribution in mean absolute deviations: the root of pi / 2."""

SURE = 3.0902
"""The standard score of a one-sided confidence of 99.9 %."""


CHECK = "unusual-behaviour"
"""The check's name: in verdicts, in `flags` of the policy's rules, and in the audit log."""


class Measure(StrEnum):
    """What can be unusual."""

    BLOCKED = "blocked"
    """Proposed actions that were rejected, or ended the turn, by policy or checks."""

    REJECTED = "rejected"
    """Answered approvals in which people said no."""

    NO_RESULT = "no_result"
    """Turns that ended without a result, those that an operator stopped left out."""

    TOOL_ERROR = "tool_error"
    """Proposed actions whose tool reported or raised an error, or whose effect was not done or is in doubt."""

    UNUSUAL_TOOL = "unusual_tool"
    """Proposed actions that call one tool which the agent has never or seldom called."""


Demand: TypeAlias = Literal["note", "review", "block", "stop"]
"""What follows while an anomaly stands. `note`: nothing but the flag that the policy's rules see."""


class Watch(Value):
    """What is watched, and what follows. The defaults are the ones whose rate of false alarms is documented."""

    windows: tuple[int, ...] = (300, 3600)
    """Lengths of the windows that are compared, in seconds. A window is looked at while it is still filling."""

    history: int = Field(default=288, ge=2, le=10_000)
    """How many windows back the past goes: with the defaults a day of 5 minutes, and 12 days of hours."""

    enough: int = Field(default=24, ge=2)
    """Windows that the past must have at least. With fewer nothing is said."""

    support: int = Field(default=3, ge=1)
    """Actions, approvals or turns that a window of the past needs to count as one."""

    least: int = Field(default=5, ge=1)
    """Blocks, rejections and so on that the present window needs at least to be unusual."""

    threshold: float = Field(default=3.5, gt=0, allow_inf_nan=False)
    """Robust standard deviations above the median that are unusual."""

    floor: float = Field(default=0.02, gt=0, le=1)
    """The smallest standard deviation that a share is taken to have: a past without any variation has none."""

    rare: float = Field(default=0.02, gt=0, le=1)
    """The largest share of the past actions that a seldom called tool may have."""

    hold: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    """Seconds that an anomaly stands, unless an operator settles it."""

    every: float = Field(default=15.0, ge=0, allow_inf_nan=False)
    """Seconds between two looks of one worker."""

    stale: float = Field(default=5.0, ge=0, allow_inf_nan=False)
    """Seconds for which an agent's process relies on what it has read of standing anomalies."""

    demand: Demand = "review"
    """What follows while an anomaly stands, for every action of the agent."""

    demands: Mapping[Measure, Demand] = Field(default_factory=dict[Measure, Demand])
    """What follows instead, by what is unusual."""

    @model_validator(mode="after")
    def _windows_are_windows(self) -> "Watch":
        if not self.windows or sorted(set(self.windows)) != list(self.windows) or self.windows[0] < 1:
            raise ValueError("windows are lengths in seconds, at least one, each longer than the one before")
        if self.windows[-1] > 7 * 86_400:
            raise ValueError("a window is at most a week long")
        if self.enough > self.history:
            raise ValueError("enough asks for more windows than history looks back")
        return self

    def demanded(self, measure: Measure) -> Demand:
        """What follows while an anomaly of this kind stands."""
        return self.demands.get(measure, self.demand)


class Anomaly(Value):
    """Something unusual, found once per agent, measure, tool and window."""

    id: str
    tenant: str
    agent: str
    measure: Measure
    tool: str | None = None
    """The tool that is unusual; only with `unusual_tool`."""

    seconds: int
    """Length of the window."""

    began_at: float
    """When the window began: seconds since the epoch, by the database's clock."""

    count: int
    """Blocks, rejections and so on in the window, when the anomaly was found."""

    of: int
    """Actions, approvals or turns in the window then."""

    usual: float
    """The median share of the past."""

    score: float
    """The modified z-score."""

    past: int
    """Windows of the past that it was compared with."""

    found_at: float
    stands_until: float
    settled_by: str | None = None
    """The operator who settled it, if one did; it stands no more."""

    anew: bool = False
    """Whether the operator said that this is usual from now on: the agent's past begins anew with this window."""

    def says(self) -> str:
        """One sentence for people."""
        tool = f" {self.tool!r}" if self.tool else ""
        shares = f"{self.count} of {self.of}, usually {100 * self.usual:.1f} %"
        return f"unusual: {_WORDS[self.measure]}{tool} ({shares}; anomaly {self.id})"


_WORDS: Mapping[Measure, str] = {
    Measure.BLOCKED: "blocked actions",
    Measure.REJECTED: "rejections by people",
    Measure.NO_RESULT: "turns without a result",
    Measure.TOOL_ERROR: "failing tools",
    Measure.UNUSUAL_TOOL: "calls of tool",
}


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share, 0 to 1. What was begun in an earlier window may end in this one, so more than all count as all."""
        return min(self.count / self.of, 1.0) if self.of else float(self.count > 0)

    def bound(self, *, upper: bool = False) -> float:
        """Where the true share is at least (or at most) with a confidence of 99.9 %: Wilson's score interval."""
        n = max(self.of, self.count)
        if n == 0:
            return 1.0 if upper else 0.0
        p, z = self.count / n, SURE
        centre = p + z * z / (2 * n)
        reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        found = (centre + (reach if upper else -reach)) / (1 + z * z / n)
        return min(max(found, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Score:
    """How unusual a share is."""

    score: float
    usual: float
    """The median of the past."""

    past: int


def deviation(shares: Sequence[float], floor: float) -> float:
    """A robust standard deviation.

    Args:
        shares: at least one.
        floor: what it is at least.
    """
    centre = median(shares)
    apart = [abs(share - centre) for share in shares]
    mad = median(apart)
    spread = mad / MAD_OF_NORMAL if mad > 0 else SD_BY_MEAN_DEVIATION * fmean(apart)
    return max(spread, floor)


def score(watch: Watch, past: Sequence[Share], present: Share) -> Score | None:
    """How unusual the present share is, or `None` while the past is too short to say.

    One-sided: less than usual is never unusual. The order of the past does not matter.

    Args:
        watch: the settings.
        past: earlier windows, those left out that must not count.
        present: the window that is looked at, as far as it is filled.
    """
    shares = [share.value for share in past if share.of >= watch.support]
    if len(shares) < watch.enough:
        return None
    centre = median(shares)
    return Score((present.bound() - centre) / deviation(shares, watch.floor), centre, len(shares))


def unusual(watch: Watch, past: Sequence[Share], present: Share) -> Score | None:
    """The score of a share that is unusual, or `None` for one that is not."""
    if present.count < watch.least:
        return None
    found = score(watch, past, present)
    return found if found is not None and found.score > watch.threshold else None


def seldom(watch: Watch, calls: int, actions: int) -> bool:
    """Whether a tool was called never or seldom: surely no more often than `watch.rare`.

    Args:
        watch: the settings.
        calls: calls of the tool in the past.
        actions: all calls in the past.
    """
    return Share(calls, actions).bound(upper=True) <= watch.rare


class StandingAnomalies(Protocol):
    """What a check asks about an agent."""

    def standing(self, tenant: str, agent: str) -> Sequence[Anomaly]:
        """The anomalies of an agent that stand now, oldest first."""
        ...


class Anomalies(StandingAnomalies, Protocol):
    """The watch over agents."""

    def look(self, watch: Watch) -> Sequence[Anomaly]:
        """Count what is new, judge the windows that it is in, and return what was found for the first time.

        Each anomaly is audited in the transaction that keeps it, and returned to one caller only.
        """
        ...
