"""An approval channel that reaches nobody and remembers everything."""

import threading
from dataclasses import dataclass

from guardkit.core.approvals import Approval
from guardkit.core.presentation import Presentation, present, presentation_hash
from guardkit.core.runs import Delivery
from guardkit.errors import ChannelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message that a `FakeChannel` was asked to send."""

    delivery: Delivery
    approval: Approval
    presentation: Presentation
    """What people would have been shown."""


class FakeChannel:
    """An approval channel for tests.

    Args:
        name: the name by which policies call it.
        failures: how many of the next messages do not go out.

    Attributes:
        sent: the messages that went out, oldest first.
    """

    def __init__(self, name: str = "fake", *, failures: int = 0) -> None:
        self.name = name
        self.sent: list[Sent] = []
        self._failures = failures
        self._lock = threading.Lock()

    def fail(self, times: int = 1) -> None:
        """Let the next messages not go out."""
        with self._lock:
            self._failures = times

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Remember the message; returns the hash of what people would have been shown.

        Raises:
            ChannelError: it was told to fail.
        """
        presentation = present(approval)
        with self._lock:
            if self._failures > 0:
                self._failures -= 1
                raise ChannelError(f"channel {self.name!r} was told to fail")
            self.sent.append(Sent(delivery=delivery, approval=approval, presentation=presentation))
        return presentation_hash(presentation)
