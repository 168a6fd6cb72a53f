"""The ledger, in memory."""

from collections.abc import Sequence

from guardkit.core.approvals import Approval, ApprovalState, close
from guardkit.core.audit import AuditEvent
from guardkit.core.breaking import lapsed
from guardkit.core.effects import (
    AlreadyDone,
    Asked,
    Claimed,
    ClaimResult,
    EffectRecord,
    EffectState,
    Halted,
    InDoubt,
    KeyTaken,
    Lapsed,
    UnderWay,
)
from guardkit.core.runs import RunRef, TurnStatus
from guardkit.core.standing import StandingApproval, StandingUse
from guardkit.core.values import Json
from guardkit.testing.memory.state import MemoryClaim, MemoryState, MemoryThread


class MemoryEffects(MemoryState):
    """The port `Effects`, in memory."""

    def effect(self, tenant: str, key: str) -> EffectRecord | None:
        """The ledger row of a key."""
        with self._lock:
            claim = self._claims.get((tenant, key))
            return None if claim is None else self._record_of(claim)

    def effects(
        self,
        *,
        tenant: str | None = None,
        thread_id: str | None = None,
        state: EffectState | None = None,
        limit: int = 100,
    ) -> Sequence[EffectRecord]:
        """Ledger rows, latest first."""
        with self._lock:
            rows = [self._record_of(claim) for claim in reversed(self._claims.values())]
            found = [
                record
                for record in rows
                if tenant in (None, record.tenant)
                and thread_id in (None, record.thread_id)
                and state in (None, record.state)
            ]
            return sorted(found, key=lambda record: -record.claimed_at)[:limit]

    def claim(
        self,
        run: RunRef,
        *,
        key: str,
        tool: str,
        digest: str,
        action_id: str,
        approval: Approval | None,
        events: Sequence[AuditEvent],
        standing: StandingUse | None = None,
        within: float | None = None,
    ) -> ClaimResult:
        """Consume the approval and claim the key; see `Effects.claim`."""
        with self._lock:
            thread = self._held(run)
            halted = self._halted(thread, run)
            if halted is not None:
                return halted
            before = self._claims.get((run.tenant, key))
            own = before is not None and (before.record.thread_id, before.token) == (run.thread_id, run.token)
            taken = None if before is None else _objection(self._record_of(before), digest, own=own)
            if taken is not None:
                return taken
            lapsed = self._lapsed(run, approval, digest, action_id)
            if lapsed is not None:
                return lapsed
            used = None if standing is None else self._reached(run, standing, tool)
            if isinstance(used, Lapsed):
                return used
            own = AuditEvent(
                kind="effect.claimed",
                thread_id=run.thread_id,
                turn=run.turn,
                data={"action": action_id, "digest": digest},
            )
            said = _unless_said(events, own)
            if standing is not None and used is not None:
                said.append(standing.event(used, turn=run.turn, thread_id=run.thread_id, action_id=action_id))
            listed = self._checked(said)
            if used is not None:
                self._standing[used.id] = used
            if approval is not None:
                self._put(approval, close(approval, ApprovalState.CONSUMED, self.now()))
            attempt = 1 if before is None else before.record.attempt + 1
            now = self.now()
            record = EffectRecord(
                tenant=run.tenant,
                key=key,
                tool=tool,
                digest=digest,
                action_id=action_id,
                thread_id=run.thread_id,
                turn=run.turn,
                state=EffectState.CLAIMED,
                attempt=attempt,
                approval_id=None if approval is None else approval.request.id,
                standing_id=None if standing is None else standing.standing.id,
                claimed_at=now,
                deadline=None if within is None else now + within,
            )
            self._claims[run.tenant, key] = MemoryClaim(record, run.token)
            self._add_events(run.tenant, listed)
            return Claimed(attempt, record.deadline)

    def record(
        self, run: RunRef, *, key: str, state: EffectState, result: Json, events: Sequence[AuditEvent]
    ) -> bool:
        """Record the outcome of a claimed effect; see `Effects.record`."""
        with self._lock:
            claim = self._claims.get((run.tenant, key))
            if claim is None or not self._is_held(run) or claim.token != run.token:
                return False
            if claim.record.state is not EffectState.CLAIMED or claim.record.thread_id != run.thread_id:
                return False
            listed = self._checked(_unless_said(events, _settled("effect.recorded", claim, state)))
            self._settle_claim(claim, state, result)
            self._add_events(run.tenant, listed)
            return True

    def reconcile(
        self,
        tenant: str,
        key: str,
        *,
        state: EffectState,
        result: Json,
        by: str,
        events: Sequence[AuditEvent],
        asked: Asked | None = None,
    ) -> bool:
        """Settle a key in doubt; see `Effects.reconcile`."""
        with self._lock:
            if asked is not None:
                self._held(asked.run)
            claim = self._claims.get((tenant, key))
            if claim is None or self._record_of(claim).state is not EffectState.IN_DOUBT:
                return False
            if asked is not None and claim.record.attempt != asked.attempt:
                return False
            if state is EffectState.NOT_DONE and claim.record.may_arrive(self.now()):
                return False
            own = _settled("effect.reconciled", claim, state)
            listed = self._checked(_unless_said(events, own))
            self._settle_claim(claim, state, result)
            self._add_events(tenant, listed)
            return True

    def _halted(self, thread: MemoryThread, run: RunRef) -> Halted | None:
        stop = self._stop_on(thread)
        if stop is not None:
            return Halted(f"stop {stop.id} on {stop.scope} is in force")
        if thread.turns[run.turn - 1].status is TurnStatus.ENDED:
            return Halted("the turn has ended")
        return None

    def _lapsed(self, run: RunRef, approval: Approval | None, digest: str, action_id: str) -> Lapsed | None:
        """Why an approval cannot be consumed; `None` when it can, or when there is none to consume."""
        if approval is None:
            return None
        request = approval.request
        stored = self._approvals.get(request.id)
        if stored is None or (request.tenant, request.thread_id, request.turn) != (
            run.tenant,
            run.thread_id,
            run.turn,
        ):
            return Lapsed("unknown", "there is no such approval in this turn")
        state = stored.state.value
        if stored.state is not ApprovalState.APPROVED:
            return Lapsed(state, f"the approval is {state}")
        if stored != approval:
            return Lapsed(state, "the approval has changed since it was checked")
        if (stored.digest, request.action.id) != (digest, action_id):
            return Lapsed(state, "the approval is for another action")
        why = lapsed(stored, self.now())
        return None if why is None else Lapsed(state, why)

    def _reached(self, run: RunRef, use: StandingUse, tool: str) -> StandingApproval | Lapsed:
        """A standing approval after one more use, or why it reaches no more."""
        grant = use.standing.grant
        stored = self._standing.get(grant.id)
        if use.replay:
            return Lapsed("standing", "the action was started before")
        if stored is None or stored.grant.subject.tenant != run.tenant:
            return Lapsed("standing", "there is no such standing approval")
        if not stored.grant.is_same(grant):
            return Lapsed("standing", "the standing approval has changed since it was checked")
        elsewhere = grant.scope == "thread" and grant.subject.thread_id != run.thread_id
        if grant.subject.tool != tool or elsewhere:
            return Lapsed("standing", "the standing approval is for other actions")
        why = stored.lapsed(use.amount, self.now())
        return stored.counted(use.amount) if why is None else Lapsed("standing", why)


def _unless_said(events: Sequence[AuditEvent], own: AuditEvent) -> list[AuditEvent]:
    """Events, with the store's own unless the caller's say the same kind of thing."""
    return [*events] if any(event.kind == own.kind for event in events) else [*events, own]


def _settled(kind: str, claim: MemoryClaim, state: EffectState) -> AuditEvent:
    record = claim.record
    return AuditEvent(
        kind=kind,
        thread_id=record.thread_id,
        turn=record.turn,
        data={"action": record.action_id, "digest": record.digest, "state": state.value},
    )


def _objection(record: EffectRecord, digest: str, *, own: bool) -> ClaimResult | None:
    """What stands against claiming a key; `None` when it is free."""
    match record.state:
        case EffectState.WAITING | EffectState.NOT_DONE:
            return None
        case EffectState.IN_DOUBT:
            return InDoubt(record.attempt)
        case EffectState.CLAIMED if record.digest != digest:
            return KeyTaken(record.digest)
        case EffectState.CLAIMED:
            return UnderWay() if own else InDoubt(record.attempt)
        case EffectState.DONE:
            return AlreadyDone(record.result) if record.digest == digest else KeyTaken(record.digest)
