"""Finding threads, in memory."""

from collections import Counter
from collections.abc import Iterator, Sequence

from guardkit.core.threads import ThreadCount, ThreadPage, ThreadPlace, ThreadQuery, ThreadSummary, page_limit
from guardkit.testing.memory.runs import row_of
from guardkit.testing.memory.state import MemoryState, MemoryThread


class MemoryThreads(MemoryState):
    """The port `Threads`, in memory."""

    def find_threads(self, query: ThreadQuery, *, limit: int = 50, cursor: str | None = None) -> ThreadPage:
        """Threads, last active first; see `Threads.find_threads`."""
        page_limit(limit)
        place = None if cursor is None else ThreadPlace.read(cursor, query)
        with self._lock:
            found = sorted(self._chosen(query), key=_order, reverse=True)
        if place is not None:
            found = [one for one in found if _order(one) < (place.active_at, place.thread_id)]
        shown = tuple(found[:limit])
        if len(found) == len(shown):
            return ThreadPage(threads=shown)
        last = ThreadPlace(active_at=shown[-1].active_at, thread_id=shown[-1].thread_id)
        return ThreadPage(threads=shown, next=last.cursor(query))

    def count_threads(self, query: ThreadQuery) -> Sequence[ThreadCount]:
        """How many threads there are by agent and status, in that order; none with 0."""
        with self._lock:
            found = Counter((_plain(one.agent), one.status) for one in self._chosen(query))
        return [
            ThreadCount(agent=agent, status=status, threads=count)
            for (agent, status), count in sorted(found.items())
        ]

    def find_thread(self, tenant: str, thread_id: str) -> ThreadSummary | None:
        """A tenant's thread; `None` where it has none of that id."""
        with self._lock:
            thread = self._threads.get((tenant, thread_id))
            return None if thread is None else self._summary(thread)

    def _chosen(self, query: ThreadQuery) -> Iterator[ThreadSummary]:
        for thread in self._threads.values():
            one = self._summary(thread)
            if (
                one.tenant == query.tenant
                and query.status in (None, one.status)
                and (query.agent is None or _plain(query.agent) == _plain(one.agent))
                and query.principal in (None, one.principal.id)
                and query.pending in (None, one.pending_approvals > 0)
                and one.thread_id.startswith(query.prefix or "")
                and (query.since is None or one.active_at >= query.since)
                and (query.until is None or one.active_at < query.until)
            ):
                yield one

    def _summary(self, thread: MemoryThread) -> ThreadSummary:
        turn = thread.turns[-1]
        row = row_of(thread, self._is_waiting(turn))
        return ThreadSummary(**row.model_dump(), principal=turn.principal, active_at=thread.active_at)


def _order(one: ThreadSummary) -> tuple[float, str]:
    return one.active_at, one.thread_id


def _plain(agent: str) -> str:
    return agent.removesuffix("@embedded")
