"""A store that forgets everything when the process ends, for tests: all of `guardkit.core.ports.Store`."""

from guardkit.testing.memory.api import MemoryApi
from guardkit.testing.memory.approvals import MemoryApprovals
from guardkit.testing.memory.effects import MemoryEffects
from guardkit.testing.memory.listings import MemoryListings
from guardkit.testing.memory.queue import MemoryAudit, MemoryQueue, MemoryStops
from guardkit.testing.memory.records import MemoryRecords
from guardkit.testing.memory.reviews import MemoryReviews
from guardkit.testing.memory.runs import MemoryRuns
from guardkit.testing.memory.standing import MemoryStanding
from guardkit.testing.memory.stats import MemoryStats
from guardkit.testing.memory.threads import MemoryThreads

__all__ = ["MemoryStore"]


class MemoryStore(
    MemoryRuns,
    MemoryThreads,
    MemoryApprovals,
    MemoryListings,
    MemoryEffects,
    MemoryAudit,
    MemoryStops,
    MemoryQueue,
    MemoryRecords,
    MemoryApi,
    MemoryReviews,
    MemoryStanding,
    MemoryStats,
):
    """Everything durable, in this process's memory, with one lock.

    It keeps to the ports to the letter, so what passes over it passes over a database too; what only a database can
    do, surviving the process, it does not.

    Args:
        clock: returns seconds since the epoch; stands for the database's clock.

    Attributes:
        rendered: by delivery id, the hash of what was shown.
    """
