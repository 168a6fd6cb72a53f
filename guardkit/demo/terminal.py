"""The demo's approval channel: what the worker sends is shown by the process that has the terminal."""

from pathlib import Path

from guardkit.core.approvals import Approval
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.runs import Delivery


class Terminal:
    """Writes one line per message into a file; the demo shows the approval itself.

    Args:
        path: the file.
    """

    name = "terminal"

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Note that this approval waits, or how it ended."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{delivery.kind} {approval.request.id} {approval.state.value}\n")
        return presentation_hash(present(approval))
