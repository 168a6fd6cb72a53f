"""Where a guarded node, and the guarded tools in it, find their run."""

import asyncio
import threading
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from langchain_core.messages import AnyMessage

from guardkit.runtime.acting import Ended, Prepared
from guardkit.runtime.driver import Offload
from guardkit.runtime.session import Session

RUN: ContextVar["Session | None"] = ContextVar("guardkit_run", default=None)
"""The guarded run that this code is part of."""

NODE: ContextVar["Node | None"] = ContextVar("guardkit_node", default=None)
"""The guarded node that this code is part of."""

GUARDED_TOOL: ContextVar[bool] = ContextVar("guardkit_tool", default=False)
"""Whether the tool that starts now was let through by the gate."""


@dataclass(slots=True)
class Node:
    """One execution of a node."""

    session: Session
    name: str
    namespace: str
    """Checkpoint namespace without task ids: the same over resumes and turns."""

    task_id: str
    messages: Sequence[AnyMessage] | None
    """The messages in the node's input, or `None` when it has no such key."""

    state: object
    offload: Offload
    """Runs a transaction in the store's own threads."""

    prepared: dict[str, Prepared | Ended] = field(default_factory=dict[str, "Prepared | Ended"])
    """Batches by message id."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    """How often node code made the same call."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    alock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def nth(self, what: str) -> int:
        """A running number, from 0, per kind of call made in node code."""
        with self.lock:
            number = self.counts.get(what, 0)
            self.counts[what] = number + 1
            return number
