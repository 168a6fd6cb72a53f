"""What buttons and modals carry back: which question, as of which version, and nothing that anybody wrote."""

import re
from dataclasses import dataclass

_TICKET = re.compile(r"([\w-]{1,64}):([0-9]{1,9})(?::(.{0,255}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A question as of a version."""

    approval_id: str
    version: int
    """The `Approval.version` that was on the screen."""

    delivery: str | None = None
    """Id of the delivery that was answered; only in modals, buttons have their message's."""

    @property
    def value(self) -> str:
        """As text."""
        start = f"{self.approval_id}:{self.version}"
        return start if self.delivery is None else f"{start}:{self.delivery}"

    @classmethod
    def parse(cls, text: str) -> "Ticket | None":
        """A ticket from its text; `None` when it is not one."""
        found = _TICKET.fullmatch(text)
        if found is None:
            return None
        return cls(approval_id=found[1], version=int(found[2]), delivery=found[3] or None)
