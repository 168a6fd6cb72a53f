"""The world outside of guardkit: a bank that keeps its own journal, in a file. What it says is what happened."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guardkit import Effect, Reconciled
from guardkit.core.values import Json
from tests.chaos.faults import Points


class Journal:
    """Lines of JSON that outlive a process which is killed after it wrote them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, what: str, **fields: Any) -> None:
        """Append one line, whole or not at all."""
        line = json.dumps({"what": what, "at": time.time(), **fields}, sort_keys=True)
        with self._open() as file:
            os.write(file, f"{line}\n".encode())

    def lines(self, what: str | None = None) -> list[dict[str, Any]]:
        """All lines, or those of one kind, oldest first."""
        if not self._path.exists():
            return []
        found = [json.loads(line) for line in self._path.read_text().splitlines()]
        return [line for line in found if what in (None, line["what"])]

    @contextmanager
    def _open(self) -> Generator[int]:
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            yield file
        finally:
            os.close(file)


class Bank:
    """Does what tools ask for, and can be asked later whether it did."""

    def __init__(self, folder: Path, points: Points) -> None:
        self.journal = Journal(folder / "bank.jsonl")
        self.points = points
        self._under_way: Counter[str] = Counter()
        self.breaks = False
        """Whether whoever asks for an effect is interrupted before it hears that it happened."""
        self.found: Json = "found at the bank"

    def look(self, tool: str, args: dict[str, Any]) -> str:
        """Read something."""
        self.points.reach("read", "before")
        self.journal.write("read", tool=tool, args=args)
        return f"{tool}: found"

    def do(self, tool: str, args: dict[str, Any], effect: Effect) -> str:
        """Have an effect."""
        self._under_way[effect.key] += 1
        try:
            return self._do(tool, args, effect)
        finally:
            self._under_way[effect.key] -= 1

    def _do(self, tool: str, args: dict[str, Any], effect: Effect) -> str:
        self.journal.write("asked for", tool=tool, key=effect.key, process=os.getpid())
        self.points.reach("effect", "before")
        self.journal.write(
            "effect",
            tool=tool,
            args=args,
            key=effect.key,
            attempt=effect.attempt,
            approval=effect.approval_id,
            process=os.getpid(),
        )
        self.points.reach("effect", "after")
        if self.breaks:
            raise KeyboardInterrupt
        return f"{tool}: done"

    def ask(self, key: str) -> Reconciled:
        """What became of a key. While somebody alive is still at it, that is not known."""
        asked = {line["process"] for line in self.journal.lines("asked for") if line["key"] == key}
        busy = self._under_way[key] > 0 or any(one != os.getpid() and _alive(one) for one in asked)
        # Looked for after it is known who is still at it: they may have come to it since.
        if any(line["key"] == key for line in self.journal.lines("effect")):
            return Reconciled(state="done", result=self.found)
        return Reconciled(state="unknown" if busy else "not_done")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
