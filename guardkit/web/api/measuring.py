"""Measures a tenant's desk for callers of the HTTP API."""

from guardkit.core.values import Value
from guardkit.runtime.desk import Desk
from guardkit.web.api.operations import SHOW_STATS, Call, Served
from guardkit.web.api.problems import ApiError
from guardkit.web.api.requests import Nothing
from guardkit.web.api.stats import StatsAnswer, StatsQuery

_DAY = 86400.0


class Measuring:
    """What callers are told of what people answered.

    Args:
        desk: counts it.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def served(self) -> tuple[Served[StatsQuery, Nothing], ...]:
        """The operation."""
        return (Served(SHOW_STATS, self._show),)

    def _show(self, call: Call[StatsQuery, Nothing]) -> Value:
        if call.caller.person is not None:
            raise ApiError("services_only", "It says who answered what in the whole tenant.")
        counted = self._desk.measuring.stats(call.caller.token.tenant, call.query.days * _DAY)
        return StatsAnswer.of(counted)
