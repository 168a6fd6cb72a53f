"""Opening and closing runs: who it is for, which thread it holds, how it ended."""

import os
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, merge_configs
from langgraph.types import Command

from guardkit.core import telemetry_names as names
from guardkit.core.audit import AuditEvent
from guardkit.core.principals import UNKNOWN, Principal
from guardkit.core.runs import Closing, Opened, Opening, Turn, TurnStatus
from guardkit.core.values import JsonObject
from guardkit.errors import BusyError, FingerprintError, GuardkitError, InputError
from guardkit.langgraph import compat
from guardkit.langgraph.inputs import dump_input
from guardkit.langgraph.node import RUN
from guardkit.runtime.heartbeat import Heartbeat
from guardkit.runtime.session import Services, Session

CALLER = "__guardkit_caller"
RUN_KEY = "__guardkit_run"
TENANT = "__guardkit_tenant"
EMBEDDED = "@embedded"
"""What an agent's name ends in while an unguarded graph is around it."""

_HOST = socket.gethostname()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the host program has verified. An object, so that no HTTP client can send one."""

    principal: Principal | None
    tenant: str
    restart: bool = False
    """Whether the input is the stored one of a turn that died before its first checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a call to the graph asks for."""

    config: RunnableConfig
    """As the caller gave it, with what the graph is bound to."""

    configurable: Mapping[str, Any]
    """These two also as the code around the call has set them."""

    tenant: str
    thread_id: str
    """The thread that the run holds. For a guarded graph inside an unguarded one: the thread and the node's path, so
    that the parent, which holds no lease, can still write its own checkpoints."""

    principal: Principal | None
    new_turn: bool
    embedded: bool = False
    """Whether an unguarded graph is around it. Nobody but that graph's caller can resume it, no worker tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Opens and closes the runs of one graph."""

    services: Services
    heartbeat: Heartbeat
    fingerprint: str

    def entry(
        self, given: object, config: RunnableConfig | None, bound: RunnableConfig | None
    ) -> Entry | None:
        """What a call asks for; `None` when it is part of a run that is already guarded.

        Args:
            given: the graph's input.
            config: the caller's config.
            bound: what the graph was bound to by `with_config`.

        Raises:
            BusyError: a nested call addresses the thread of the run that it is part of.
            InputError: no thread id, new input without a principal, or a command that says nothing.
        """
        own = merge_configs(bound, config)
        full = ensure_config(own)
        configurable: Mapping[str, Any] = full.get("configurable", {})
        session = RUN.get()
        thread_id = configurable.get("thread_id")
        if session is not None:
            if compat.TASK_ID in configurable:
                return None
            if thread_id == session.run.thread_id:
                raise BusyError(f"thread {thread_id!r} is held by the run that this call is part of")
        if not isinstance(thread_id, str | int) or thread_id == "":
            raise InputError(
                "the config has no configurable.thread_id",
                remedy="use guard.config(thread_id=…, principal=…)",
            )
        resumes = isinstance(given, Command) and given.resume is not None
        if isinstance(given, Command) and _is_empty(cast("Command[str]", given)):
            raise InputError(
                "the input is a Command with neither resume, update nor goto",
                remedy="send None to go on, Command(resume={id: value}) to answer an interrupt, or new input",
            )
        caller = caller_of(configurable)
        again = resumes or caller.restart or bool(configurable.get(compat.RESUMING))
        new_turn = given is not None and not again
        if new_turn and caller.principal is None:
            raise InputError(
                "new input needs a principal, so that it is known whom the turn acts for",
                remedy="use guard.config(thread_id=…, principal=…)",
            )
        embedded = compat.TASK_ID in configurable
        path = compat.plain_namespace(str(configurable.get("checkpoint_ns", "")))
        return Entry(
            config=own,
            configurable=configurable,
            tenant=caller.tenant,
            thread_id=f"{thread_id}|{path}" if embedded else str(thread_id),
            principal=caller.principal,
            new_turn=new_turn,
            embedded=embedded,
        )

    def open(self, entry: Entry, given: object) -> Session:
        """Take the lease and open or continue the turn. One transaction.

        Raises:
            BusyError: another run holds the thread.
            FingerprintError: the graph's code changed since the turn was begun.
            InputError: there is nothing to continue, or it belongs to another principal.
        """
        services = self.services
        opening = Opening(
            tenant=entry.tenant,
            thread_id=entry.thread_id,
            agent=f"{services.agent}{EMBEDDED}" if entry.embedded else services.agent,
            owner=f"{_HOST}:{os.getpid()}",  # a forked process is not the one that imported this
            lease_seconds=self.heartbeat.lease_seconds,
            new_turn=entry.new_turn,
            principal=entry.principal,
            input=dump_input(given) if entry.new_turn else None,
            fingerprint=self.fingerprint,
            policy_version=services.policy.version,
            run_id=uuid.uuid4().hex,
        )
        asked_at = time.monotonic()
        opened = services.store.open_run(opening, [_started(opening)])
        session = Session.opened(services, opened, continued=not entry.new_turn)
        session.held_until = asked_at + opening.lease_seconds
        facts = {**session.facts, names.TURN_CONTINUED: session.continued}
        session.span = services.telemetry.start(f"{names.RUN_TURN} {services.agent}", facts)
        if not entry.new_turn:
            self._fits(entry, opened, session)
            with session.span.active():
                services.telemetry.event(names.RUN_RESUMED, session.facts)
        self.heartbeat.watch(session)
        return session

    def _fits(self, entry: Entry, opened: Opened, session: Session) -> None:
        turn = opened.turn
        problem: GuardkitError | None = self.changed_since(turn)
        if problem is None and entry.principal is not None and entry.principal != turn.principal:
            problem = InputError(
                f"turn {turn.number} of thread {turn.thread_id!r} belongs to another principal",
                remedy="continue it as the principal who began it, or without one",
            )
        if problem is not None:
            status: Literal["paused", "done", "failed", "ended"] = (
                turn.status.value if turn.status is not TurnStatus.RUNNING else "failed"
            )
            self._close(session, status)
            raise problem

    def changed_since(self, turn: Turn) -> FingerprintError | None:
        """What is wrong with going on with a turn by this graph's code, if it is not the code that began it."""
        if turn.fingerprint == self.fingerprint or turn.status is TurnStatus.ENDED:
            return None
        return FingerprintError(
            f"the graph {self.services.agent!r} changed since turn {turn.number} was begun",
            remedy="run the old code to finish it, or send new input to begin another turn",
        )

    def configured(self, entry: Entry, session: Session) -> RunnableConfig:
        """The config that the run's graph sees: with the lease."""
        # Built on the caller's own config: LangChain's defaults (a recursion limit of 25) are not LangGraph's.
        config = entry.config
        configurable = {
            key: value for key, value in entry.configurable.items() if key not in (CALLER, TENANT)
        }
        configurable |= {"thread_id": str(configurable["thread_id"]), RUN_KEY: session.run}
        return cast("RunnableConfig", {**config, "configurable": configurable})

    def close(
        self, session: Session, status: Literal["paused", "done", "failed"], *, steered: bool = False
    ) -> None:
        """Give the lease back. A run that has lost it has nothing to give.

        Args:
            session: the run.
            status: how it ended.
            steered: whether it only changed the state and entered no node, so that it cannot know what is waited for.
        """
        self.heartbeat.forget(session)
        if session.lost:
            session.span.set({names.RUN_STATUS: "lost"})
            session.span.end()
        else:
            known = not steered and status != "failed"
            waits_for = tuple(sorted(session.asked)) if status == "paused" else ()
            self._close(
                session,
                "ended" if session.ended is not None else status,
                waits_for=waits_for if known else None,
            )

    def _close(
        self,
        session: Session,
        status: Literal["paused", "done", "failed", "ended"],
        *,
        waits_for: tuple[str, ...] | None = None,
    ) -> None:
        closing = Closing(
            status=status,
            active_seconds=session.active,
            tool_calls=session.tool_calls,
            steps=session.steps,
            marks=session.marks(closing=True),
            waits_for=waits_for,
        )
        session.span.set({names.RUN_STATUS: status})
        ended = session.event("run.ended", run=session.run.run_id, status=status)
        try:
            self.services.store.close_run(session.run, closing, [*session.take(), ended])
        finally:
            session.span.end()


def _started(opening: Opening) -> AuditEvent:
    data: JsonObject = {
        "run": opening.run_id,
        "agent": opening.agent,
        "process": opening.owner,
        "continued": not opening.new_turn,
    }
    return AuditEvent(kind="run.started", thread_id=opening.thread_id, data=data)


def _is_empty(command: Command[str]) -> bool:
    return command.resume is None and not command.update and not command.goto


def caller_of(configurable: Mapping[str, Any]) -> Caller:
    """Who calls: as the host program said, on a LangGraph server as its authentication said, else nobody known."""
    caller = configurable.get(CALLER)
    if isinstance(caller, Caller):
        return caller
    if "langgraph_api" not in sys.modules:
        return Caller(None, "default")
    # The server removes forged copies of these from what clients send. Nobody does so elsewhere.
    user = configurable.get("langgraph_auth_user")
    identity = getattr(user, "identity", None) or configurable.get("langgraph_auth_user_id")
    if user is None or not identity:
        return Caller(UNKNOWN, UNKNOWN.tenant)
    tenant = getattr(user, "tenant", None) or "default"
    principal = Principal(id=str(identity), tenant=str(tenant), verified_by="server")
    return Caller(principal, principal.tenant)
