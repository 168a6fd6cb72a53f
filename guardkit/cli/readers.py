"""Whoever reads what a command prints as it happens, and how the command ends with them."""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Generator
from types import FrameType


def wait(seconds: float) -> None:
    """Sleep, if only for 0 s; a reader who is gone is noticed at once, as nothing may ever be written again.

    Raises:
        BrokenPipeError: nobody reads standard output any more.
    """
    try:
        number = sys.stdout.fileno()
        poll = select.poll()
    except (AttributeError, OSError):  # no such call on Windows, or no real file
        time.sleep(seconds)
        return
    poll.register(number, 0)  # errors and hang-ups are always told
    until = time.monotonic() + seconds
    left = seconds
    while True:
        if any(told & (select.POLLERR | select.POLLHUP) for _, told in poll.poll(left * 1000)):
            raise BrokenPipeError
        left = until - time.monotonic()
        if left <= 0:
            return


@contextlib.contextmanager
def until_nobody_reads() -> Generator[None]:
    """Ctrl-C and a closed pipe are how this ends, not errors."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # What is left in the buffer goes nowhere, without a complaint at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Asked:
    """Whether somebody has asked for the end, with SIGINT or SIGTERM: what is under way is finished first.

    The second signal ends the process at once. A signal that was ignored when the process began stays so.
    """

    def __init__(self) -> None:
        self.to_end = False
        """Whether somebody has."""

    @contextlib.contextmanager
    def heard(self) -> Generator[None]:
        """Listen meanwhile."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._hear)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.to_end = True
        signal.signal(number, signal.SIG_DFL)
