"""Where a guarded node, and the guarded tools in it, find their run."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AnyMessage
from langchain_core.runnables import RunnableConfig

from guardkit.core.ambient import tells_of_runs
from guardkit.langgraph import compat
from guardkit.langgraph.messages import messages_of
from guardkit.runtime.acting import Ended, Prepared
from guardkit.runtime.driver import Offload
from guardkit.runtime.session import Session

RUN: ContextVar["Session | None"] = ContextVar("guardkit_run", default=None)
"""The guarded run that this code is part of."""


@tells_of_runs
def _told() -> Mapping[str, str]:
    session = RUN.get()
    if session is None:
        return {}
    run = session.run
    return {"agent": session.services.agent, "thread_id": run.thread_id, "run_id": run.run_id}


NODE: ContextVar["Node | None"] = ContextVar("guardkit_node", default=None)
"""The guarded node that this code is part of."""

GUARDED_TOOL: ContextVar[bool] = ContextVar("guardkit_tool", default=False)
"""Whether the tool that starts now was let through by the gate."""


@dataclass(slots=True)
class Node:
    """One execution of a node. What few nodes ask for is made when it is asked for: most have one check, or none."""

    session: Session
    name: str
    state: object
    config: RunnableConfig
    """The node's own."""

    held: object
    """What the node's input held under the key for messages when it came in."""

    offload: Offload
    """Runs a transaction in the store's own threads."""

    prepared: dict[str, Prepared | Ended] = field(default_factory=dict[str, "Prepared | Ended"])
    """Batches by message id."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    """How often node code made the same call."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    _alock: asyncio.Lock | None = None

    @property
    def messages(self) -> Sequence[AnyMessage] | None:
        """The messages in the node's input, or `None` when it has no such key."""
        return messages_of(self.held)

    @property
    def namespace(self) -> str:
        """Checkpoint namespace without task ids: the same over resumes and turns."""
        return compat.plain_namespace(str(self._configurable.get("checkpoint_ns", "")))

    @property
    def task_id(self) -> str:
        """LangGraph's id of this execution; another one over resumes."""
        return str(self._configurable.get(compat.TASK_ID, ""))

    @property
    def alock(self) -> asyncio.Lock:
        """As `lock`, for the tools that run in the event loop."""
        if self._alock is None:
            self._alock = asyncio.Lock()
        return self._alock

    @property
    def _configurable(self) -> Mapping[str, Any]:
        return self.config.get("configurable", {})

    def nth(self, what: str) -> int:
        """A running number, from 0, per kind of call made in node code."""
        with self.lock:
            number = self.counts.get(what, 0)
            self.counts[what] = number + 1
            return number
