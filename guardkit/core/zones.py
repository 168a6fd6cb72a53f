"""Time zones: instants from local clocks, and what is shown by a clock that was put forward or back.

The rules come from the package `tzdata`, never from the machine, so that every process that has the same pins counts
the same. A local time that a clock skips stands for the instant at which it skips it; one that a clock shows twice
stands for the first time, unless the last is asked for.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from guardkit.errors import ConfigurationError

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # a wall clock's zero, compared with other wall clocks only
_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA name that `tzdata` has rules for."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The rules of a time zone.

    Raises:
        ConfigurationError: `tzdata` does not know it.
    """
    if name not in zone_names():
        raise ConfigurationError(f"tzdata knows no time zone {name!r}", remedy="install a newer tzdata")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=name)


def instant(rules: ZoneInfo, day: date, second: int, *, last: bool = False) -> int:
    """When a local clock shows a time, in seconds since the epoch.

    Args:
        rules: the zone.
        day: the local date.
        second: seconds that the clock shows since midnight; 86,400 is the next midnight.
        last: of a time that is shown twice, the second time.
    """
    wall = datetime(day.year, day.month, day.day) + timedelta(seconds=second)  # noqa: DTZ001  # a wall clock's
    shown = (wall - _EPOCH) // _SECOND
    first, second_time = (shown - _shift(wall.replace(tzinfo=rules, fold=fold)) for fold in (0, 1))
    if first > second_time:
        return _change(rules, second_time, first)
    return second_time if last else first


def shown(rules: ZoneInfo, at: float) -> tuple[date, int]:
    """The local date and the seconds since midnight that a clock has shown, begun ones counted.

    While the clock shows an hour for the second time, it is taken to stand at the end of that hour, so that it never
    goes back.
    """
    second = -int(-at // 1)
    wall = datetime.fromtimestamp(second, rules)
    if wall.fold:
        before = _shift(wall.replace(fold=0))
        changed = _change(rules, second - before + _shift(wall), second)
        wall = datetime.fromtimestamp(changed + before, UTC)
    return wall.date(), wall.hour * 3600 + wall.minute * 60 + wall.second


def _shift(wall: datetime) -> int:
    offset = wall.utcoffset()
    return 0 if offset is None else offset // _SECOND


def _change(rules: ZoneInfo, before: int, after: int) -> int:
    """The instant between two at which the clock was changed."""
    shift = _shift(datetime.fromtimestamp(after, rules))
    while after - before > 1:
        middle = (before + after) // 2
        if _shift(datetime.fromtimestamp(middle, rules)) == shift:
            after = middle
        else:
            before = middle
    return after
