"""Agents on a LangGraph server: whoever goes on with their threads asks the server to.

The guarded graph runs in the server, over the same database. All that it is told is to go on; what its thread needs it
finds out itself, by its own code and under its own lease.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from collections.abc import Callable
from typing import Any, cast

import httpx
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph.types import Command

from guardkit.core.runs import DueThread
from guardkit.errors import (
    AgentServerError,
    BusyError,
    FingerprintError,
    GuardkitError,
    MissingDataError,
    StaleRunError,
)
from guardkit.langgraph.resuming import GO_ON

_TOLD: dict[str, type[GuardkitError]] = {
    one.__name__: one for one in (BusyError, FingerprintError, MissingDataError, StaleRunError)
}
"""What the server's run may have ended in that a worker has an answer for. A server tells the name and no more."""

_BUSY = 409
_NOT_FOUND = 404
_AWAY = frozenset({401, 403, 408, 425, 429})


class RemoteAgent:
    """An agent whose guarded graph runs on a LangGraph server: `guard.worker(remote={"desk": RemoteAgent(...)})`.

    Args:
        graph: LangGraph's client of the graph, with the credentials of the worker; or a function that gives the one
            of a tenant, where the server keeps tenants apart by who calls.
    """

    def __init__(self, graph: RemoteGraph | Callable[[str], RemoteGraph]) -> None:
        self._graph: Callable[[str], RemoteGraph] = (
            (lambda _tenant: graph) if isinstance(graph, RemoteGraph) else graph
        )

    async def resume(self, thread: DueThread) -> None:
        """Ask the server to bring a thread as far as it can go without people. Safe to repeat.

        Raises:
            AgentServerError: the server cannot be reached, does not let the worker in, or is in trouble.
            BusyError: a run of the server holds the thread.
            FingerprintError: the graph's code changed while the thread was paused.
            MissingDataError: the server does not know the thread, or has lost what it needs.
            StaleRunError: another run took the thread.
            RemoteException: whatever else the graph raised; the server tells its kind.
        """
        config: Any = {"configurable": {"thread_id": thread.thread_id}}
        try:
            await self._graph(thread.tenant).ainvoke(
                Command(resume=GO_ON), config, multitask_strategy="reject"
            )
        except RemoteException as error:
            kind = _TOLD.get(_name(error))
            if kind is None:
                raise
            raise kind(f"the agent's server says {kind.code} of thread {thread.thread_id!r}") from error
        except httpx.HTTPStatusError as error:
            raise _of_status(error.response.status_code, thread) from error
        except httpx.TransportError as error:
            raise AgentServerError(
                f"the server of agent {thread.agent!r} cannot be reached: {type(error).__name__}"
            ) from error


def _name(error: RemoteException) -> str:
    told: object = error.args[0] if error.args else None
    return str(cast("dict[str, Any]", told).get("error")) if isinstance(told, dict) else ""


def _of_status(status: int, thread: DueThread) -> GuardkitError:
    if status == _BUSY:
        return BusyError(f"thread {thread.thread_id!r} is held by a run of the agent's server")
    if status == _NOT_FOUND:
        return MissingDataError(
            f"the server of agent {thread.agent!r} does not know thread {thread.thread_id!r}",
            remedy="look whether the server has lost its checkpoints",
        )
    if status in _AWAY or status >= 500:  # the server's own troubles
        return AgentServerError(
            f"the server of agent {thread.agent!r} answers {status}",
            remedy="look at the server, and at the credentials of the worker",
        )
    return MissingDataError(
        f"the server of agent {thread.agent!r} refuses thread {thread.thread_id!r} with {status}"
    )
