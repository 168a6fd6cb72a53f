"""What callers are told. Times are RFC 3339 in UTC; durations are seconds."""

from datetime import datetime

from guardkit.core.allowances import wished
from guardkit.core.approvals import Approval, ApprovalState, DecisionKind, OnExpiry, Order, SaidKind
from guardkit.core.audit import AuditEntry
from guardkit.core.deciding import state_after
from guardkit.core.digest import canonical
from guardkit.core.people import Assurance
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.principals import Principal
from guardkit.core.runs import StopOrder, StopScope
from guardkit.core.values import JsonObject, Value
from guardkit.core.versions import shown_digest
from guardkit.web.api.decided import Decided
from guardkit.web.api.moments import moment
from guardkit.web.api.standing_answers import StandingOffered
from guardkit.web.trail import Aftermath


def _moment(at: float | None) -> datetime | None:
    return None if at is None else moment(at)


class ApprovalItem(Value):
    """An approval in a list."""

    id: str
    state: ApprovalState
    version: int
    digest: str
    tool: str
    agent: str
    thread: str
    turn: int
    asked_by: str
    """Whom the run acts for."""

    why: tuple[str, ...]
    requested_at: datetime
    expires_at: datetime | None
    settled_at: datetime | None
    waiting_stage: int | None
    """The first that waits, 1 for the first; `null` when it waits for nobody."""

    waiting_stages: tuple[int, ...]
    """All that wait: several where stages are asked together."""

    may_decide: bool
    """Whether this token could decide now."""

    refusal: str | None
    """Why it could not, as the name of a problem; `null` for services, which never can."""


class ApprovalPage(Value):
    """A part of a list."""

    items: tuple[ApprovalItem, ...]
    next: str | None
    """`cursor` of what follows, also when this page holds few items or none; `null` at the end of the list."""


class Stage(Value):
    """Who must answer, and who has."""

    number: int
    role: str | None
    approvers: tuple[str, ...]
    groups: tuple[str, ...]
    channels: tuple[str, ...]
    assurance: Assurance
    required: int
    given: tuple[str, ...]
    """Whose approvals count here as things stand. Who may answer in several stages is moved where that helps."""

    reject_quorum: int
    """How many people must reject before that ends it."""

    rejected: tuple[str, ...]
    """Who has."""

    status: str
    """`done`, `waiting`, `later` or `closed`."""


class Execution(Value):
    """What will be executed, whole."""

    tool: str
    schema_version: str
    arguments: JsonObject
    reads: JsonObject
    """What else the tool reads, bound like the arguments."""

    principal: Principal
    canonical: str
    """RFC 8785 form of `{"arguments": …, "reads": …}`: equal texts are equal calls."""


class Aftermaths(Value):
    """How the run went on."""

    turn: str | None
    """Status of the turn."""

    effect: str | None
    """State of the execution that used this approval."""


class ApprovalDetail(ApprovalItem):
    """An approval, whole: nothing that will be executed is cut."""

    execution: Execution
    requested_arguments: JsonObject
    """The arguments before all edits."""

    arguments_schema: JsonObject
    presentation_hash: str
    """Hash of what people see of it in the inbox and the channels at this version."""

    thought: str
    """The model's own words."""

    rules: tuple[str, ...]
    policy: str
    policy_version: str
    stages: tuple[Stage, ...]
    order: Order
    """Whether each stage waits for the one before it, or all of them wait at once."""

    exemptions: tuple[str, ...]
    """Why whoever asked may decide, in words; empty where they may not."""

    decisions: tuple[Decided, ...]
    allowed: tuple[DecisionKind, ...]
    comment_required: tuple[DecisionKind, ...]
    """What needs a comment beside `reject` and `respond`, which always do."""
    standing: StandingOffered | None
    """What a yes may add; `null` where it can only say yes to this action."""

    on_expiry: OnExpiry
    valid_for: float | None
    """Seconds from the last decision to the execution; `null` without limit."""

    after: Aftermaths | None
    """`null` while it is pending."""


class DecisionTaken(Value):
    """A decision that counts, and where the approval stood with it."""

    approval: str
    decision: SaidKind
    person: str
    stage: int
    at: datetime
    state: ApprovalState
    version: int
    digest: str

    @classmethod
    def of(cls, approval: Approval, number: int) -> "DecisionTaken":
        """The decision with this number, from 1. The answer stays the same, whatever is decided later."""
        said = approval.decisions[number - 1]
        return cls(
            approval=approval.request.id,
            decision=said.kind,
            person=said.person,
            stage=said.stage + 1,
            at=moment(said.decided_at),
            state=state_after(approval, number),
            version=number,
            digest=shown_digest(approval, number) or approval.digest,
        )


class Withdrawn(Value):
    """A request that its requester has withdrawn."""

    approval: str
    state: ApprovalState
    version: int
    at: datetime


class Entry(Value):
    """An entry of the audit log."""

    seq: int
    at: datetime
    kind: str
    thread: str | None
    turn: int | None
    data: JsonObject

    @classmethod
    def of(cls, entry: AuditEntry) -> "Entry":
        """An entry as callers see it."""
        event = entry.event
        return cls(
            seq=entry.seq,
            at=moment(entry.at),
            kind=event.kind,
            thread=event.thread_id,
            turn=event.turn,
            data=event.data,
        )


class TrailAnswer(Value):
    """The audit log's entries on one approval, oldest first."""

    entries: tuple[Entry, ...]
    complete: bool
    """Whether the log was read to its end."""


class HistoryPage(Value):
    """A part of a thread's audit trail."""

    entries: tuple[Entry, ...]
    next: int | None
    """`after` of what follows; `null` at the end."""


class Stop(Value):
    """An emergency stop."""

    id: str
    scope: StopScope
    target: str | None
    by: str | None
    """Who set it; `null` for a stop of everything, which is set outside the tenant."""

    why: str | None
    at: datetime

    @classmethod
    def of(cls, order: StopOrder) -> "Stop":
        """A stop as the tenant's callers see it."""
        own = order.tenant is not None
        return cls(
            id=order.id,
            scope=order.scope,
            target=order.target,
            by=order.by if own else None,
            why=order.why if own else None,
            at=moment(order.at),
        )


class StopList(Value):
    """The stops in force, oldest first."""

    items: tuple[Stop, ...]


class Lifted(Value):
    """A stop that is not in force any more."""

    id: str


def item(approval: Approval, *, may_decide: bool, refusal: str | None) -> ApprovalItem:
    """An approval in a list."""
    request = approval.request
    waiting = () if approval.state.settled else tuple(stage + 1 for stage in approval.waiting())
    return ApprovalItem(
        id=request.id,
        state=approval.state,
        version=approval.version,
        digest=approval.digest,
        tool=request.action.tool,
        agent=request.agent,
        thread=request.thread_id,
        turn=request.turn,
        asked_by=request.principal.id,
        why=request.why,
        requested_at=moment(request.requested_at),
        expires_at=_moment(request.expires_at),
        settled_at=_moment(approval.settled_at),
        waiting_stage=waiting[0] if waiting else None,
        waiting_stages=waiting,
        may_decide=may_decide,
        refusal=refusal,
    )


def detail(approval: Approval, shown: ApprovalItem, after: Aftermath | None) -> ApprovalDetail:
    """An approval, whole.

    Args:
        approval: as it stands.
        shown: the same in a list.
        after: how the run went on.
    """
    request = approval.request
    seen = present(approval)
    reads = request.action.reads
    return ApprovalDetail(
        **{name: getattr(shown, name) for name in ApprovalItem.model_fields},
        execution=Execution(
            tool=request.action.tool,
            schema_version=request.action.schema_version,
            arguments=approval.args,
            reads=reads,
            principal=request.principal,
            canonical=canonical({"arguments": approval.args, "reads": reads}).decode(),
        ),
        requested_arguments=request.action.args,
        arguments_schema=request.args_schema,
        presentation_hash=presentation_hash(seen),
        thought=request.thought,
        rules=request.rules,
        policy=request.policy,
        policy_version=request.policy_version,
        stages=tuple(
            Stage(
                number=view.number,
                role=stage.role,
                approvers=stage.approvers,
                groups=stage.groups,
                channels=stage.channels,
                assurance=stage.assurance,
                required=stage.required,
                given=view.given,
                reject_quorum=view.reject_quorum,
                rejected=view.rejected,
                status=view.status,
            )
            for stage, view in zip(request.stages, seen.stages, strict=True)
        ),
        order=request.order,
        exemptions=seen.exemptions,
        decisions=tuple(
            Decided(
                decision=said.kind,
                person=said.person,
                on_behalf_of=said.on_behalf_of,
                stage=said.stage + 1,
                at=moment(said.decided_at),
                via=said.via,
                assurance=said.assurance,
                comment=said.reason,
                exemption=said.exemption,
                digest=said.digest,
                presentation_hash=said.shown,
                delivery=said.delivery,
                arguments=said.args,
                standing=None if said.standing is None else wished(said.standing),
            )
            for said in approval.decisions
        ),
        allowed=request.allowed,
        comment_required=request.comment_required,
        standing=None if request.standing is None else StandingOffered.of(request.standing),
        on_expiry=request.on_expiry,
        valid_for=request.valid_for,
        after=None if after is None else _after(after),
    )


def _after(after: Aftermath) -> Aftermaths:
    return Aftermaths(
        turn=None if after.turn is None else after.turn.status.value,
        effect=None if after.effect is None else after.effect.state.value,
    )
