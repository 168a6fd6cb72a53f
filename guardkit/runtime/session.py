"""One run of one turn, in memory. The store is the truth; this is what the run has seen of it."""

import math
import threading
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from guardkit.checks import Assessor
from guardkit.core import telemetry_names as names
from guardkit.core.audit import AuditEvent
from guardkit.core.no_result import NoResult
from guardkit.core.people import Directory
from guardkit.core.ports import Store
from guardkit.core.runs import Marks, Opened, RunRef, StopOrder, Turn
from guardkit.core.signing import Verifier
from guardkit.core.steps import Observation, Trust
from guardkit.core.values import JsonObject
from guardkit.core.verdicts import ActionCheck, ObservationCheck, Verdict
from guardkit.policy import Policy
from guardkit.runtime.events import NO_SPAN, Attributes, Span, Telemetry
from guardkit.runtime.tools import ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all runs of one graph share."""

    agent: str
    store: Store
    policy: Policy
    tools: Mapping[str, ToolSpec]
    action_checks: Sequence[tuple[str, ActionCheck]]
    observation_checks: Sequence[tuple[str, ObservationCheck]]
    assessors: Sequence[tuple[str, Assessor]]
    directory: Directory
    verifier: Verifier
    telemetry: Telemetry
    check_timeout: float
    """Seconds that an async check may take."""

    decide_at: str | None = None
    """Where people decide, e.g. the inbox's URL; shown in the interrupt."""


@dataclass(slots=True)
class Session:
    """What one run knows."""

    services: Services
    run: RunRef
    turn: Turn
    continued: bool
    """Whether the turn was begun by an earlier run."""

    span: Span = NO_SPAN
    """What telemetry shows of the run."""

    stop: StopOrder | None = None
    """The stop that the last look at the store found in force."""

    lost: bool = False
    """Whether another run has taken the thread."""

    held_until: float = math.inf
    """Until when the lease is in force at least, by this process's clock: counted from before it was asked for."""

    ended: NoResult | None = None
    outcome: JsonObject | None = None
    """The verified answer, once there is one; JSON."""

    complete: str | None = None
    """Why no further action may run in this turn."""

    wary: str | None = None
    """Why every further effect of this turn goes to people."""

    flags: set[str] = field(default_factory=set[str])
    observed: dict[str, tuple[Observation, list[Verdict]]] = field(
        default_factory=dict[str, tuple[Observation, "list[Verdict]"]]
    )
    """Observations that this run checked, and what the checks said, by action id."""

    performing: Counter[str] = field(default_factory=Counter[str])
    """How many calls of this run are between asking for an effect key and recording its outcome."""

    loose: list[Observation] = field(default_factory=list[Observation])
    """What tools that node code called have returned: no message of the state holds it."""

    asked: set[str] = field(default_factory=set[str])
    """Ids of approvals that this run registered or waited for."""

    known: set[str] = field(default_factory=set[str])
    """Ids of approvals that earlier runs of the turn registered, as far as this one has looked."""

    steered: set[str] = field(default_factory=set[str])
    """`Person.id` of those who have steered the turn: the model has read their words instead of a tool's output."""

    unseen: bool = False
    """Whether an earlier run died holding observations that `loose` now lacks."""

    kept: Marks = field(default_factory=Marks)
    """The marks that the store holds."""

    tool_calls: int = 0
    steps: int = 0
    began: float = field(default_factory=time.monotonic)
    _events: list[AuditEvent] = field(default_factory=list[AuditEvent])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def opened(cls, services: Services, opened: Opened, *, continued: bool) -> "Session":
        """The session of a run that has just taken its lease."""
        turn = opened.turn
        return cls(
            services=services,
            run=opened.run,
            turn=turn,
            continued=continued,
            stop=opened.stop,
            ended=turn.no_result,
            tool_calls=turn.tool_calls,
            steps=turn.steps,
            complete=turn.marks.complete,
            wary=turn.marks.wary,
            flags=set(turn.marks.flags),
            loose=list(turn.marks.loose),
            unseen=turn.marks.unseen,
            kept=turn.marks,
        )

    def marks(self, *, closing: bool = False) -> Marks:
        """What outlives this run: at its end with the observations that no message holds, before with their absence."""
        loose = tuple(one for one in self.loose if one.trust is Trust.UNTRUSTED)
        return Marks(
            flags=tuple(sorted(self.flags)),
            wary=self.wary,
            complete=self.complete,
            loose=loose if closing else (),
            unseen=self.unseen or bool(loose and not closing),
        )

    @contextmanager
    def claiming(self, key: str) -> Generator[None]:
        """While a call asks for an effect key, performs the effect and records its outcome."""
        with self._lock:
            self.performing[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self.performing[key] -= 1

    def shares(self, key: str) -> bool:
        """Whether a call that is `claiming` a key is not the only one."""
        with self._lock:
            return self.performing[key] > 1

    @property
    def facts(self) -> Attributes:
        """What telemetry is told of the run wherever something happens in it."""
        run = self.run
        return {
            names.AGENT: self.services.agent,
            names.CONVERSATION: run.thread_id,
            names.SESSION: run.thread_id,
            names.RUN_ID: run.run_id,
            names.TURN: run.turn,
        }

    @property
    def elapsed(self) -> float:
        """Seconds that the turn has been running, pauses excluded."""
        return self.turn.active_seconds + self.active

    @property
    def active(self) -> float:
        """Seconds since this run began."""
        return time.monotonic() - self.began

    @property
    def holds(self) -> bool:
        """Whether the lease is in force for sure. A process that was stopped for longer than its lease finds out here."""
        return not self.lost and time.monotonic() < self.held_until

    def event(self, kind: str, **data: Any) -> AuditEvent:
        """An audit event of this run's turn."""
        return AuditEvent(kind=kind, thread_id=self.run.thread_id, turn=self.run.turn, data=data)

    def buffer(self, *events: AuditEvent) -> None:
        """Keep events for the next checkpoint, effect or the end of the run, whichever comes first."""
        with self._lock:
            self._events.extend(events)

    def take(self) -> list[AuditEvent]:
        """Hand out the buffered events, to be written in the caller's transaction."""
        with self._lock:
            events, self._events = self._events, []
            return events

    def put_back(self, events: Sequence[AuditEvent]) -> None:
        """Return events whose transaction failed."""
        with self._lock:
            self._events = [*events, *self._events]
