"""Asking the people of a stage once more because somebody has joined them."""

from typing import Protocol

from guardkit.core.approvals import Approval


class Notices(Protocol):
    """Messages that are due because of something that no answer and no clock of the policy brings about."""

    def ask_again(self, approval: Approval, stage: int, cause: str) -> bool:
        """Let the channels of a stage that waits ask whoever may answer and has not been asked; once for each cause.

        Args:
            approval: as it was read; if it has changed since, nobody is asked.
            stage: 0-based index of the stage.
            cause: names why, e.g. a delegation and when it began.

        Returns:
            Whether messages were made due.
        """
        ...
