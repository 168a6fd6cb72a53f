"""What people answered, counted in memory."""

from collections.abc import Sequence

from guardkit.core.listings import ListName, listings
from guardkit.core.stats import Measured, given_answers, measured
from guardkit.testing.memory.state import MemoryState


class MemoryStats(MemoryState):
    """The port `Stats`, in memory."""

    def measure(self, tenant: str, since: float, until: float) -> Measured:
        """What a tenant's people answered in a window; see `Stats.measure`."""
        with self._lock:
            own = [one for one in self._approvals.values() if one.request.tenant == tenant]
            return measured(
                answer for one in own for answer in given_answers(one) if since <= answer.at < until
            )

    def count_waiting(self, tenant: str, keys: Sequence[str]) -> int:
        """How many approvals wait now under one of the keys."""
        with self._lock:
            now = self.now()
            return sum(
                any(
                    place.list is ListName.WAITING and place.key in keys and place.since <= now < place.until
                    for place in listings(one)
                )
                for one in self._approvals.values()
                if one.request.tenant == tenant
            )
