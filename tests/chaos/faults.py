"""Points of a process at which a campaign kills or freezes it, reached from outside: by the engine's events and the tools."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine, event

When = Literal["before", "after"]

ARRIVED, FROZEN = "arrived", "frozen"
"""The file that a process makes when it is where it is to be frozen, and the one that tells that it has been."""

_TABLES = {
    ("INSERT", "gk_turns"): "opened",
    ("UPDATE", "gk_turns"): "lease",
    ("INSERT", "gk_approvals"): "registered",
    ("UPDATE", "gk_approvals"): "decided",
    ("INSERT", "gk_effects"): "claimed",
    ("UPDATE", "gk_effects"): "recorded",
    ("INSERT", "gk_checkpoints"): "checkpoint",
    ("INSERT", "gk_writes"): "writes",
    ("UPDATE", "gk_deliveries"): "delivery",
}
"""What a transaction is about, by the statements in it. `before` is before its commit, `after` after it."""

_WRITES = re.compile(r"\b(INSERT|UPDATE)\s+(?:IGNORE\s+)?(?:INTO\s+)?[`\"]?(gk_\w+)")

POINTS = (*dict.fromkeys(_TABLES.values()), "commit", "node", "read", "effect", "sent")
"""Named points. `commit` is every commit, `node` a call of the model, `read` and `effect` what tools do outside, `sent`
a message to people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a process, and where.

    Attributes:
        where: one of `POINTS`, or `instant`.
        when: on which side of it.
        nth: the first, second, ... time that it is reached; for `instant`: milliseconds after the start.
        freeze: whether the process stops there instead of being killed, until it is told to go on.
    """

    where: str
    when: When = "before"
    nth: int = 1
    freeze: bool = False

    def __str__(self) -> str:
        return "instant" if self.where == "instant" else f"{self.when} {self.where}"


class Points:
    """Counts the points that this process reaches, and acts at one of them.

    Args:
        folder: of the scene; a process that is about to act leaves its process id in a file of it.
        fault: where to act; nowhere by default.
    """

    def __init__(self, folder: Path, fault: Fault | None = None) -> None:
        self._folder = folder
        self._fault = fault
        self._reached: Counter[tuple[str, When]] = Counter()
        self._lock = threading.Lock()

    def reach(self, where: str, when: When) -> None:
        """Say that the process is there, outside of any transaction."""
        if self._acts(where, when):
            self._stands_still()

    def _acts(self, where: str, when: When) -> bool:
        """Count a point. Returns whether the process is to freeze there; where it is to die, it does."""
        fault = self._fault
        if fault is None or (where, when) != (fault.where, fault.when):
            return False
        with self._lock:
            self._reached[where, when] += 1
            if self._reached[where, when] != fault.nth:
                return False
        if not fault.freeze:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def _stands_still(self) -> None:
        (self._folder / ARRIVED).touch()
        while not (self._folder / FROZEN).exists():
            time.sleep(0.01)

    def listen(self, engine: Engine) -> None:
        """Watch the transactions of an engine."""
        if self._fault is None:
            return
        event.listen(engine, "after_cursor_execute", self._executed)
        event.listen(engine, "commit", self._commits)
        event.listen(engine, "rollback", self._rolls_back)
        event.listen(engine, "checkin", self._checked_in)

    def _executed(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        for written in _WRITES.findall(statement):  # several where one statement is a whole put
            about = _TABLES.get(written)
            if about is not None:
                connection.info.setdefault("chaos_about", {})[about] = None

    def _commits(self, connection: Any) -> None:
        about = _points(connection.info.pop("chaos_about", {}))
        for where in about:
            self._acts(where, "before")
        connection.info["chaos_committed"] = about

    def _rolls_back(self, connection: Any) -> None:
        connection.info.pop("chaos_about", None)

    def _checked_in(self, _connection: Any, record: Any) -> None:
        committed = record.info.pop("chaos_committed", ())
        reached = [self._acts(where, "after") for where in committed]
        if any(reached):
            self._stands_still()


def _points(about: dict[str, None]) -> list[str]:
    found = list(about)
    if "claimed" in found and "decided" in found:
        found.remove("decided")  # the claim consumes the approval
    return [*found, "commit"]
