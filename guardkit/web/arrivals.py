"""How people came to a page of the inbox: by which message, if one has led them there."""

from guardkit.core.approvals import Approval
from guardkit.core.people import Person
from guardkit.core.ports import Store
from guardkit.runtime.desk import Desk

INBOX = "inbox"
"""What a decision names in place of a delivery when no message has led the person to it."""

_ASKING = ("ask", "remind", "update")


class Arrivals:
    """Knows the deliveries that links name. Anybody can write any name into an address, so it only proposes.

    Args:
        desk: knows where somebody's answer counts.
        store: where deliveries are.
    """

    def __init__(self, desk: Desk, store: Store) -> None:
        self._desk = desk
        self._store = store

    def delivery(self, approval: Approval, person: Person, named: str) -> str:
        """The id of the delivery that a link or form names; empty unless it was one of this person's questions.

        That is a message about this approval that went out to a stage in which this person's answer counts now.

        Args:
            approval: as it stands.
            person: who looks or decides.
            named: what the link or form says.

        Raises:
            StorageError: the database cannot be reached.
        """
        if not named:
            return ""
        seats = self._desk.seats(approval, person)
        messages = self._store.messages_about(approval) if seats else ()
        found = (one for one in messages if one.id == named)
        return named if any(one.kind in _ASKING and one.stage in seats for one in found) else ""
