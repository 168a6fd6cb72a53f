"""The part of the store that keeps standing approvals: each method of `StandingApprovals`, one transaction."""

from collections.abc import Sequence

from guardkit.core.audit import AuditEvent
from guardkit.core.standing import StandingApproval, StandingRevocation
from guardkit.sql import standing_rows
from guardkit.sql.database import Database
from guardkit.sql.deadlocks import redone


class StandingStore:
    """Standing approvals in one SQL database."""

    database: Database

    def standing_approval(self, tenant: str, standing_id: str) -> StandingApproval | None:
        """One of a tenant's; `None` where there is none, or in another tenant."""
        with self.database.reading() as connection:
            return standing_rows.find(connection, tenant, standing_id)

    def standing_approvals(
        self,
        tenant: str | None = None,
        *,
        thread_id: str | None = None,
        active: bool | None = None,
        limit: int = 100,
    ) -> Sequence[StandingApproval]:
        """Standing approvals, newest first; of every tenant when `tenant` is `None`."""
        with self.database.reading() as connection:
            return standing_rows.listed(connection, tenant, thread_id=thread_id, only=active, limit=limit)

    def standing_for(self, tenant: str, key: str, limit: int = 100) -> Sequence[StandingApproval]:
        """Those with a key that are neither revoked, used up nor over; what ends first comes first."""
        with self.database.reading() as connection:
            return standing_rows.fitting(connection, tenant, key, limit)

    @redone
    def revoke_standing(
        self, revocation: StandingRevocation, events: Sequence[AuditEvent]
    ) -> StandingApproval | None:
        """End one, at once. `None` when it is revoked already.

        Raises:
            UnknownApprovalError: the tenant has none with this id.
        """
        with self.database.writing() as connection:
            return standing_rows.revoke(connection, revocation, events)
