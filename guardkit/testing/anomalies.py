"""Anomalies without a database."""

from collections.abc import Sequence

from guardkit.core.anomalies import Anomaly, Measure, Watch
from guardkit.errors import StorageError
from guardkit.testing.clock import FakeClock


class MemoryAnomalies:
    """Holds what a test says is unusual; implements `guardkit.core.ports.Anomalies`.

    Args:
        clock: stands for the database's.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.reads = 0
        """How often it was asked what stands."""

        self.broken = False
        """Whether the database cannot be reached."""

        self._new: list[Anomaly] = []
        self._found: list[Anomaly] = []

    def occur(
        self,
        agent: str,
        *,
        tenant: str = "default",
        measure: Measure = Measure.BLOCKED,
        tool: str | None = None,
        seconds: int = 300,
    ) -> None:
        """Let an agent be unusual: 8 of 10, where nothing was usual. The next look finds it."""
        now = self.clock()
        self._new.append(
            Anomaly(
                id=f"anomaly-{len(self._new) + len(self._found) + 1}",
                tenant=tenant,
                agent=agent,
                measure=measure,
                tool=tool,
                seconds=seconds,
                began_at=float(now // seconds * seconds),
                count=8,
                of=10,
                usual=0.0,
                score=16.2,
                past=288,
                found_at=now,
                stands_until=now,
            )
        )

    def look(self, watch: Watch) -> Sequence[Anomaly]:
        """What has occurred since the last look.

        Raises:
            StorageError: it is `broken`.
        """
        self._reach()
        until = self.clock() + watch.hold
        found = [one.model_copy(update={"stands_until": until}) for one in self._new]
        self._new.clear()
        self._found += found
        return found

    def standing(self, tenant: str, agent: str) -> Sequence[Anomaly]:
        """The anomalies of an agent that stand now, oldest first.

        Raises:
            StorageError: it is `broken`.
        """
        self._reach()
        self.reads += 1
        now = self.clock()
        return [
            one
            for one in self._found
            if (one.tenant, one.agent) == (tenant, agent) and one.stands_until > now
        ]

    def _reach(self) -> None:
        if self.broken:
            raise StorageError("the database of the test is broken", remedy="mend it")
