"""Standing approvals, in memory."""

from collections.abc import Sequence

from guardkit.core.audit import AuditEvent
from guardkit.core.standing import StandingApproval, StandingRevocation
from guardkit.errors import UnknownApprovalError
from guardkit.testing.memory.state import MemoryState


class MemoryStanding(MemoryState):
    """The port `StandingApprovals`, in memory."""

    def standing_approval(self, tenant: str, standing_id: str) -> StandingApproval | None:
        """One of a tenant's."""
        with self._lock:
            found = self._standing.get(standing_id)
            return None if found is None or found.grant.subject.tenant != tenant else found

    def standing_approvals(
        self,
        tenant: str | None = None,
        *,
        thread_id: str | None = None,
        active: bool | None = None,
        limit: int = 100,
    ) -> Sequence[StandingApproval]:
        """Standing approvals, newest first."""
        with self._lock:
            found = [
                one
                for one in self._standing.values()
                if tenant in (None, one.grant.subject.tenant)
                and thread_id in (None, one.grant.subject.thread_id)
                and active in (None, self._is_active(one))
            ]
            return sorted(found, key=lambda one: (-one.grant.given_at, one.id))[:limit]

    def standing_for(self, tenant: str, key: str, limit: int = 100) -> Sequence[StandingApproval]:
        """Those with a key that are good for something; what ends first comes first."""
        with self._lock:
            found = [
                one
                for one in self._standing.values()
                if (one.grant.subject.tenant, one.grant.key) == (tenant, key) and self._is_active(one)
            ]
            return sorted(found, key=lambda one: (one.grant.until, one.id))[:limit]

    def revoke_standing(
        self, revocation: StandingRevocation, events: Sequence[AuditEvent]
    ) -> StandingApproval | None:
        """End one, at once; see `StandingApprovals.revoke_standing`."""
        with self._lock:
            found = self.standing_approval(revocation.tenant, revocation.standing_id)
            if found is None:
                raise UnknownApprovalError(
                    f"there is no standing approval {revocation.standing_id!r} of tenant {revocation.tenant!r}"
                )
            if found.revocation is not None:
                return None
            listed = self._checked(events)
            after = found.model_copy(update={"revocation": revocation})
            self._standing[after.id] = after
            self._add_events(revocation.tenant, listed)
            return after

    def _is_active(self, standing: StandingApproval) -> bool:
        return standing.revocation is None and standing.uses_left > 0 and self.now() < standing.grant.until
