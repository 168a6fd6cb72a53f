"""Where an approval stands in a list."""

from guardkit.core.approvals import Approval
from guardkit.core.values import Value


class Place(Value):
    """Where an approval stands in a list, newest first. It stays there, whatever becomes of it."""

    requested_at: float
    id: str

    @classmethod
    def of(cls, approval: Approval) -> "Place":
        """The place of an approval."""
        return cls(requested_at=approval.request.requested_at, id=approval.request.id)

    def precedes(self, approval: Approval) -> bool:
        """Whether an approval comes after this place."""
        request = approval.request
        return (-self.requested_at, self.id) < (-request.requested_at, request.id)
