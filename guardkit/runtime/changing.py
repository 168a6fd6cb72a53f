"""Changing an approval as the desk does it: read, judge, store; audited in the same transaction, refusals too."""

from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol, TypeAlias

from guardkit.core.approvals import Approval, ApprovalDecision
from guardkit.core.audit import AuditEvent
from guardkit.core.listings import Listings
from guardkit.core.people import Assurance, Person
from guardkit.core.ports import Approvals, Audit, Stops
from guardkit.core.presentation import present, presentation_hash, shown_hash
from guardkit.core.reviews import Reviews
from guardkit.core.standing import StandingApprovals
from guardkit.core.stats import Stats
from guardkit.core.values import Json, JsonObject
from guardkit.core.versions import shown_digest
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.events import Telemetry
from guardkit.runtime.telling import settled

ATTEMPTS = 8
"""How often a decision is tried again because somebody else's came between reading and storing."""

_REASON_LIMIT = 4000

Change: TypeAlias = Callable[[Approval, float], tuple[Approval, Sequence[AuditEvent]]]


class DeskStore(Approvals, StandingApprovals, Listings, Audit, Stops, Reviews, Stats, Protocol):
    """What the desk needs of a store."""

    def now(self) -> float:
        """Seconds since the epoch, by the database's clock."""
        ...


class Changes:
    """Changes approvals.

    Args:
        store: where approvals and the audit chain are.
        telemetry: sees them settled.
    """

    def __init__(self, store: DeskStore, telemetry: Telemetry) -> None:
        self._store = store
        self._telemetry = telemetry

    def make(self, approval_id: str, change: Change) -> Approval:
        """Read, change and store, again as long as somebody else's change comes between.

        Raises:
            UnknownApprovalError: there is none with this id.
            DecisionRefusedError: `conflict`; and whatever `change` raises.
        """
        for _ in range(ATTEMPTS):
            approval = self._store.find(approval_id)
            if approval is None:
                raise UnknownApprovalError("there is no such approval")
            after, events = change(approval, self._store.now())
            if self._store.settle(after, approval.version, events):
                settled(self._telemetry, approval, after)
                return after
        raise DecisionRefusedError(
            "conflict", "others are deciding on this approval at the same moment", remedy="try again"
        )

    def said(self, approval_id: str, person: Person, change: Change, **about: Json) -> Approval:
        """As `make`, for what a person says. What is refused is audited, without anything that the person wrote.

        Args:
            approval_id: which one.
            person: the directory's record.
            change: what they say comes to.
            about: what the audit of a refusal says as well.

        Raises:
            UnknownApprovalError: there is none with this id in the person's tenant.
            DecisionRefusedError: `conflict`; and whatever `change` raises.
        """
        seen: Approval | None = None

        def judged(approval: Approval, at: float) -> tuple[Approval, Sequence[AuditEvent]]:
            nonlocal seen
            seen = approval
            if approval.request.tenant != person.tenant:
                raise UnknownApprovalError("there is no such approval")
            return change(approval, at)

        try:
            return self.make(approval_id, judged)
        except (DecisionRefusedError, UnknownApprovalError) as error:
            if seen is not None:
                why = error.reason if isinstance(error, DecisionRefusedError) else "other_tenant"
                self.audit_refusal(seen, why, person=person.id, **about)
            raise

    def refuse_stranger(self, approval_id: str, assurance: Assurance, via: str) -> NoReturn:
        """Refuse somebody whom the directory does not know, audited."""
        approval = self._store.find(approval_id)
        if approval is not None:
            self.audit_refusal(approval, "unknown_identity", assurance=assurance.value, via=via)
        raise DecisionRefusedError("not_an_approver", "nobody is known by this identity")

    def audit_refusal(self, approval: Approval, why: str, **data: Json) -> None:
        """Write down that an answer did not count."""
        event = event_of("approval.refused", approval, why=why, **data)
        self._store.append(approval.request.tenant, [event])


def event_of(kind: str, approval: Approval, **data: Json) -> AuditEvent:
    """An event of the audit log about an approval."""
    request = approval.request
    facts: JsonObject = {
        "approval": request.id,
        "action": request.action.id,
        "tool": request.action.tool,
        "state": approval.state.value,
        "digest": approval.digest,
        "policy_version": request.policy_version,
    }
    return AuditEvent(kind=kind, thread_id=request.thread_id, turn=request.turn, data=facts | data)


def facts_of(decision: ApprovalDecision) -> JsonObject:
    """What the audit log keeps of a decision. The signature covers the rest, reason and arguments included."""
    return {
        "decision": decision.kind,
        "person": decision.person,
        **({} if decision.on_behalf_of is None else {"for": decision.on_behalf_of}),
        "assurance": decision.assurance.value,
        "via": decision.via,
        **({} if decision.shown is None else {"shown": decision.shown}),
        "delivery": decision.delivery,
        "stage": decision.stage,
        **({"seats": list(decision.seats)} if decision.seats else {}),
        **({} if decision.exemption is None else {"exemption": decision.exemption}),
        **_said_of_others(decision),
        "decided_digest": decision.digest,
        "key_id": decision.key_id,
        "signature": decision.signature,
    }


def _said_of_others(decision: ApprovalDecision) -> JsonObject:
    terms = decision.standing
    if terms is None:
        return {}
    return {"standing": {"scope": terms.scope, "seconds": terms.seconds, "uses": terms.uses}}


def place_of(approval: Approval) -> JsonObject:
    """What the audit log keeps of the stages that are left, where several can wait or a rejection may not end it."""
    request = approval.request
    if request.order == "in_turn" and all(stage.reject_quorum == 1 for stage in request.stages):
        return {}
    left: list[Json] = [] if approval.state.settled else [*approval.waiting()]
    return {"waiting": left, "rejections": len(approval.against())}


def check_version(approval: Approval, version: int | None) -> None:
    """See that nobody has answered since an approval was shown; `None` where a digest says enough.

    Raises:
        DecisionRefusedError: `version_mismatch`.
    """
    if version not in (None, approval.version):
        raise DecisionRefusedError(
            "version_mismatch", "others have answered since it was shown", remedy="look at it again"
        )


def check_shown(approval: Approval, shown: str | None, *, overtaken: bool = False) -> None:
    """See that an approval looks as it did to whoever decides; `None` where a digest says enough.

    Args:
        approval: as it stands.
        shown: the `presentation_hash` of what was on the person's screen.
        overtaken: whether it may be that of an earlier version in which the same was asked: others answer while a
            message is on its way.

    Raises:
        DecisionRefusedError: `shown_mismatch`.
    """
    if shown is None or shown == presentation_hash(present(approval)):
        return
    if overtaken and any(
        shown_digest(approval, version) == approval.digest and shown_hash(approval, version) == shown
        for version in range(approval.version)
    ):
        return
    raise DecisionRefusedError(
        "shown_mismatch", "it does not look as it did when it was shown", remedy="look at it again"
    )


def check_words(reason: str | None) -> None:
    """See that somebody's words can be kept.

    Raises:
        DecisionRefusedError: `reason_invalid`.
    """
    if reason is None:
        return
    if len(reason) > _REASON_LIMIT:
        raise DecisionRefusedError(
            "reason_invalid", f"the reason has {len(reason)} characters, {_REASON_LIMIT} are allowed"
        )
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in reason):
        raise DecisionRefusedError("reason_invalid", "the reason holds NUL or a lone surrogate")
