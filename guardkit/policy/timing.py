"""What the times of a policy must be to one another: calendars that exist, reminders that can be heard."""

from collections.abc import Iterator

from guardkit.core.calendars import BusinessTime
from guardkit.errors import PolicyError
from guardkit.policy.calendars import CalendarEntry, format_time
from guardkit.policy.document import PolicyDocument, RouteEntry
from guardkit.policy.loading import Located, Where
from guardkit.policy.sections import did_you_mean

_WEEKS = 520
"""How many working weeks a business time takes at most; ten years are the most that any duration may take."""


def check_times(document: PolicyDocument, located: Located) -> None:
    """Refuse calendars that do not exist, business times without one, and reminders in quiet hours.

    Raises:
        PolicyError: with file, line and remedy.
    """
    for name, route in document.approvals.items():
        place: Where = ("approvals", name)
        _check_names(route, place, document, located)
        if isinstance(route.expires_in, BusinessTime):
            at: Where = (*place, "expires_in")
            if route.calendar is None:
                raise _lacking(at, "the route names no calendar", located)
            _check_length(route.expires_in, document.calendars[route.calendar], at, located)
        for at, after in _per_stage(route, place):
            for number, stage in enumerate(route.stages, start=1):
                calendar = stage.calendar or route.calendar
                if calendar is None:
                    raise _lacking(at, f"neither stage {number} nor the route names a calendar", located)
                entry = document.calendars[calendar]
                if isinstance(after, BusinessTime):
                    _check_length(after, entry, at, located)
                elif entry.quiet_hours is not None and entry.quiet_hours.cover(after):
                    raise located.problem(
                        PolicyError,
                        at,
                        f"{format_time(after)} is in the quiet hours of calendar {calendar!r}",
                        remedy="nobody is reminded then: choose another time",
                    )


def _check_names(route: RouteEntry, place: Where, document: PolicyDocument, located: Located) -> None:
    stages = (((*place, "stages", number), stage.calendar) for number, stage in enumerate(route.stages))
    for where, name in ((place, route.calendar), *stages):
        if name is not None and name not in document.calendars:
            raise located.problem(
                PolicyError,
                (*where, "calendar"),
                f"calendar {name!r} is not among the calendars",
                remedy=did_you_mean(name, document.calendars),
            )


def _per_stage(route: RouteEntry, place: Where) -> Iterator[tuple[Where, BusinessTime | int]]:
    """What every stage of a route needs a calendar for."""
    for number, after in enumerate(route.remind):
        if isinstance(after, BusinessTime):
            yield (*place, "remind", number), after
    for number, step in enumerate(route.escalate):
        if isinstance(step.after, BusinessTime):
            yield (*place, "escalate", number, "after"), step.after
    for number, minute in enumerate(route.remind_at):
        yield (*place, "remind_at", number), minute


def _lacking(where: Where, lack: str, located: Located) -> Exception:
    return located.problem(
        PolicyError,
        where,
        f"counts working time, and {lack}",
        remedy="name one of `calendars` with `calendar`, or write a plain duration",
    )


def _check_length(after: BusinessTime, entry: CalendarEntry, where: Where, located: Located) -> None:
    calendar = entry.calendar("")
    days = sum(bool(spans) for spans in calendar.week)
    if max(after.days / days, after.seconds / calendar.weekly) > _WEEKS:
        raise located.problem(
            PolicyError,
            where,
            f"{after} take more than ten years by these working hours",
            remedy="choose a shorter time",
        )
