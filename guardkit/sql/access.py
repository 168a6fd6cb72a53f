"""Who reads and writes checkpoints, and where; in LangGraph's configs and out of them."""

from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from sqlalchemy import Connection

from guardkit.core.runs import RunRef
from guardkit.sql import lease
from guardkit.sql.checkpoints import Place
from guardkit.sql.reading import Loaded

RUN_KEY = "__guardkit_run"
"""Where a guarded run's `RunRef` is in `configurable`."""

TENANT_KEY = "__guardkit_tenant"
"""Where the tenant is in `configurable` outside a guarded run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who wants to do something, and where."""

    place: Place
    run: RunRef | None


def configurable(config: RunnableConfig) -> dict[str, Any]:
    """What a config says for checkpoints."""
    return config.get("configurable", {})


def is_own(access: Access) -> bool:
    """Whether a caller writes on the thread of its run, or has no run."""
    return access.run is None or access.run.thread_id == access.place.thread_id


def permit(connection: Connection, access: Access) -> float | None:
    """Let the holder of a thread's lease write, and everybody where nobody holds it.

    Returns:
        Seconds since the epoch by the database's clock; `None` outside a run.
    """
    place, run = access.place, access.run
    if run is not None:
        now = lease.held(connection, run).now
        if run.thread_id != place.thread_id:
            lease.require_free(connection, place.tenant, place.thread_id)
        return now
    lease.require_free(connection, place.tenant, place.thread_id)
    return None


def config_of(place: Place, checkpoint_id: str) -> RunnableConfig:
    """The config of a checkpoint."""
    return {
        "configurable": {
            "thread_id": place.thread_id,
            "checkpoint_ns": place.ns,
            "checkpoint_id": checkpoint_id,
        }
    }


def tuple_of(loaded: Loaded) -> CheckpointTuple:
    """A checkpoint as LangGraph wants it."""
    return CheckpointTuple(
        config=config_of(loaded.place, loaded.checkpoint_id),
        checkpoint=loaded.checkpoint,
        metadata=loaded.metadata,
        parent_config=None if loaded.parent_id is None else config_of(loaded.place, loaded.parent_id),
        pending_writes=loaded.pending_writes,
    )
