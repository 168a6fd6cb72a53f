"""Looking for unusual agents, and telling of them."""

import logging
import time
from collections.abc import Callable, Sequence

from guardkit.core import telemetry_names as names
from guardkit.core.anomalies import Anomalies, Anomaly, Watch
from guardkit.runtime.events import Attributes, Telemetry, spanned

log = logging.getLogger("guardkit")


class Watching:
    """Looks at the agents of one database now and then. Any number of processes may: each anomaly is told of once.

    Args:
        anomalies: counts, judges and keeps.
        watch: the settings.
        telemetry: is told of what was found.
        clock: seconds that only go on, for the time between two looks.
    """

    def __init__(
        self,
        anomalies: Anomalies,
        watch: Watch,
        telemetry: Telemetry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._anomalies = anomalies
        self._watch = watch
        self._telemetry = telemetry
        self._clock = clock
        self._next = clock()

    def due(self) -> bool:
        """Whether it is time for the next look."""
        return self._clock() >= self._next

    def look(self) -> Sequence[Anomaly]:
        """Look at every agent about which something is new; returns what was found for the first time.

        Raises:
            StorageError: the database cannot be reached; the next look goes on where this one was.
        """
        self._next = self._clock() + self._watch.every
        found = self._anomalies.look(self._watch)
        for one in found:
            self._tell(one)
        return found

    def _tell(self, found: Anomaly) -> None:
        log.warning("agent %s: %s", found.agent, found.says())
        facts: Attributes = {
            names.AGENT: found.agent,
            names.TOOL: found.tool or "",
            names.ANOMALY_ID: found.id,
            names.ANOMALY_MEASURE: found.measure.value,
            names.ANOMALY_WINDOW: found.seconds,
            names.ANOMALY_COUNT: found.count,
            names.ANOMALY_OF: found.of,
            names.ANOMALY_SCORE: found.score,
        }
        with spanned(self._telemetry, f"{names.NOTICE_ANOMALY} {found.agent}", facts):
            self._telemetry.event(names.ANOMALY_FOUND, facts)
        about = {names.AGENT: found.agent, names.ANOMALY_MEASURE: found.measure.value}
        self._telemetry.measure(names.ANOMALIES, 1, about)
