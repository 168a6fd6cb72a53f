"""Leases and turns, in memory."""

import secrets
from collections.abc import Sequence

from guardkit.core.audit import AuditEvent
from guardkit.core.no_result import NoResult
from guardkit.core.runs import Closing, Marks, Opened, Opening, RunRef, StopOrder, ThreadRow, Turn, TurnStatus
from guardkit.errors import BusyError, InputError
from guardkit.testing.memory.state import MemoryState, MemoryThread


class MemoryRuns(MemoryState):
    """The port `Runs`, in memory."""

    def open_run(self, opening: Opening, events: Sequence[AuditEvent]) -> Opened:
        """Take the thread's lease and open or continue a turn; see `Runs.open_run`."""
        with self._lock:
            now = self.now()
            listed = self._checked(events)
            key = (opening.tenant, opening.thread_id)
            thread = self._threads.get(key) or MemoryThread(*key)
            if thread.run_id is not None and thread.lease_until > now:
                raise BusyError(f"another run holds thread {opening.thread_id!r}")
            if opening.new_turn:
                self._begin_turn(thread, opening, now)
            else:
                self._continue_turn(thread)
            self._threads[key] = thread
            thread.agent = opening.agent
            thread.active_at = round(now, 6)
            thread.token += 1
            thread.run_id = opening.run_id or secrets.token_hex(8)
            thread.lease_until = now + opening.lease_seconds
            turn = thread.turns[-1]
            run = RunRef(
                tenant=opening.tenant,
                thread_id=opening.thread_id,
                turn=turn.number,
                run_id=thread.run_id,
                token=thread.token,
            )
            self._add_events(opening.tenant, listed)
            return Opened(run=run, turn=turn, stop=self._stop_on(thread))

    def _begin_turn(self, thread: MemoryThread, opening: Opening, now: float) -> None:
        if opening.principal is None:
            raise InputError(
                "a new turn has no principal", remedy="say who the run acts for: guard.config(principal=...)"
            )
        if thread.turns:
            self._void(thread.turns[-1], "the user sent new input")
            thread.due, thread.dead, thread.attempts = None, None, 0
        number = len(thread.turns) + 1
        thread.turns.append(
            Turn(
                tenant=opening.tenant,
                thread_id=opening.thread_id,
                number=number,
                agent=opening.agent,
                principal=opening.principal,
                fingerprint=opening.fingerprint,
                policy_version=opening.policy_version,
                salt=secrets.token_hex(16),
                status=TurnStatus.RUNNING,
                opened_at=now,
            )
        )
        if opening.input is not None:
            thread.inputs[number] = opening.input

    def _continue_turn(self, thread: MemoryThread) -> None:
        if not thread.turns:
            raise InputError(
                f"thread {thread.thread_id!r} has nothing to continue", remedy="start it with input"
            )
        if thread.turns[-1].status is not TurnStatus.ENDED:
            thread.turns[-1] = thread.turns[-1].model_copy(update={"status": TurnStatus.RUNNING})

    def renew(self, run: RunRef, lease_seconds: float) -> StopOrder | None:
        """Extend the lease; returns the stop in force, if any."""
        with self._lock:
            thread = self._held(run)
            thread.lease_until = self.now() + lease_seconds
            return self._stop_on(thread)

    def close_run(self, run: RunRef, closing: Closing, events: Sequence[AuditEvent]) -> None:
        """Give the lease back and say how the run ended. A turn that has ended stays ended."""
        with self._lock:
            thread = self._held(run)
            listed = self._checked(events)
            turn = thread.turns[run.turn - 1]
            ended = turn.status is TurnStatus.ENDED
            thread.turns[run.turn - 1] = turn.model_copy(
                update={
                    "status": turn.status if ended else TurnStatus(closing.status),
                    "active_seconds": turn.active_seconds + closing.active_seconds,
                    "tool_calls": closing.tool_calls,
                    "steps": closing.steps,
                    "marks": closing.marks,
                }
            )
            stop = self._stop_on(thread)
            thread.run_id = None
            thread.active_at = round(self.now(), 6)
            if ended or closing.status in ("done", "ended"):
                thread.due, thread.dead, thread.attempts = None, None, 0
            elif closing.status == "paused" and stop is not None:
                thread.wake("stopped", self.now())
            self._add_events(run.tenant, listed)
            if closing.waits_for is not None and (ended or closing.status == "done"):
                self._void(turn, "the turn is over")
            elif closing.waits_for is not None:
                withdrawn = self._void(turn, "the graph no longer waits for it", but=closing.waits_for)
                if withdrawn and closing.status == "paused" and not self._is_waiting(turn):
                    thread.wake("decided", self.now())

    def flush(self, run: RunRef, events: Sequence[AuditEvent], marks: Marks | None = None) -> None:
        """Append to the audit chain under the run's lease, and keep the turn's marks if there are new ones."""
        with self._lock:
            thread = self._held(run)
            listed = self._checked(events)
            if marks is not None:
                turn = thread.turns[run.turn - 1]
                thread.turns[run.turn - 1] = turn.model_copy(update={"marks": marks})
            self._add_events(run.tenant, listed)

    def end_turn(self, run: RunRef, outcome: NoResult, events: Sequence[AuditEvent]) -> NoResult:
        """End the turn: durable, approvals cancelled. Returns the outcome that holds: the first one wins."""
        with self._lock:
            thread = self._held(run)
            turn = thread.turns[run.turn - 1]
            if turn.no_result is not None:
                return turn.no_result
            listed = self._checked(events)
            ended = {"no_result": outcome, "status": TurnStatus.ENDED}
            thread.turns[run.turn - 1] = turn.model_copy(update=ended)
            self._add_events(run.tenant, listed)
            self._void(turn, "the turn has ended")
            return outcome

    def turn(self, tenant: str, thread_id: str, number: int | None = None) -> Turn | None:
        """A turn, by default the latest."""
        with self._lock:
            thread = self._threads.get((tenant, thread_id))
            turns = [] if thread is None else thread.turns
            return next((turn for turn in reversed(turns) if number in (None, turn.number)), None)

    def turn_input(self, tenant: str, thread_id: str, number: int) -> bytes | None:
        """The input that a turn was opened with."""
        with self._lock:
            thread = self._threads.get((tenant, thread_id))
            return None if thread is None else thread.inputs.get(number)

    def threads(
        self, tenant: str | None, *, status: str | None = None, limit: int = 100
    ) -> Sequence[ThreadRow]:
        """Threads, most recently opened turn first; of every tenant when `tenant` is `None`."""
        with self._lock:
            rows = [
                row_of(thread, self._is_waiting(thread.turns[-1]))
                for thread in self._threads.values()
                if tenant in (None, thread.tenant)
            ]
            rows = [row for row in rows if status in (None, row.status.value)]
            return sorted(rows, key=lambda row: -row.opened_at)[:limit]


def row_of(thread: MemoryThread, waiting: int) -> ThreadRow:
    """A thread as operators see it."""
    turn = thread.turns[-1]
    return ThreadRow(
        tenant=thread.tenant,
        thread_id=thread.thread_id,
        agent=thread.agent,
        turn=turn.number,
        status=turn.status,
        opened_at=turn.opened_at,
        pending_approvals=waiting,
        dead_letter=thread.dead,
    )
