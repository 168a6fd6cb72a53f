"""The part of the store that finds threads: each method of `Threads`, one transaction."""

from collections.abc import Sequence

from guardkit.core.threads import ThreadCount, ThreadPage, ThreadQuery, ThreadSummary
from guardkit.sql import thread_rows
from guardkit.sql.database import Database


class ThreadStore:
    """Finds threads in one SQL database."""

    database: Database

    def find_threads(self, query: ThreadQuery, *, limit: int = 50, cursor: str | None = None) -> ThreadPage:
        """Threads, last active first.

        Raises:
            InputError: `limit` or `cursor` cannot be used, or the cursor is of another list.
        """
        with self.database.reading() as connection:
            return thread_rows.page(connection, query, limit=limit, cursor=cursor)

    def count_threads(self, query: ThreadQuery) -> Sequence[ThreadCount]:
        """How many threads there are by agent and status, in that order; none with 0."""
        with self.database.reading() as connection:
            return thread_rows.counts(connection, query)

    def find_thread(self, tenant: str, thread_id: str) -> ThreadSummary | None:
        """A tenant's thread; `None` where it has none of that id."""
        with self.database.reading() as connection:
            return thread_rows.find(connection, tenant, thread_id)
