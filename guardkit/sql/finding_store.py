"""The part of the store that finds threads and approvals for people: each method of `Finding`, one transaction."""

from collections.abc import Sequence

from sqlalchemy import Connection

from guardkit.core.approvals import Approval
from guardkit.core.listings import Listed, ListPlace, ListQuery
from guardkit.core.threads import ThreadCount, ThreadPage, ThreadQuery, ThreadSummary
from guardkit.sql import approval_rows, listing_rows, thread_rows
from guardkit.sql.database import Database


class FindingStore:
    """Finds threads and approvals in one SQL database."""

    database: Database

    def find_threads(self, query: ThreadQuery, *, limit: int = 50, cursor: str | None = None) -> ThreadPage:
        """Threads, last active first.

        Raises:
            InputError: `limit` or `cursor` cannot be used, or the cursor is of another list.
        """
        return self.database.look(
            lambda connection: thread_rows.page(connection, query, limit=limit, cursor=cursor)
        )

    def count_threads(self, query: ThreadQuery) -> Sequence[ThreadCount]:
        """How many threads there are by agent and status, in that order; none with 0."""
        return self.database.look(lambda connection: thread_rows.counts(connection, query))

    def find_thread(self, tenant: str, thread_id: str) -> ThreadSummary | None:
        """A tenant's thread; `None` where it has none of that id."""
        with self.database.reading() as connection:
            return thread_rows.find(connection, tenant, thread_id)

    def find_listed(
        self,
        tenant: str,
        keys: Sequence[str],
        query: ListQuery,
        *,
        limit: int = 50,
        place: ListPlace | None = None,
    ) -> Sequence[Listed]:
        """Approvals that stand in a list under one of the keys now, each once, from a place on.

        Raises:
            InputError: `limit` is out of range.
        """

        def found(connection: Connection) -> tuple[Sequence[ListPlace], Sequence[Approval]]:
            places = listing_rows.found(connection, tenant, keys, query, limit=limit, place=place)
            return places, approval_rows.of_tenant(connection, tenant, [one.id for one in places])

        places, approvals = self.database.look(found)
        known = {approval.request.id: approval for approval in approvals}
        return [Listed(at=place.at, approval=known[place.id]) for place in places if place.id in known]
