"""What people see of an approval: one bounded, inert model that every channel and the web inbox render.

`present` is a pure function of the approval, so the hash of what was shown can be computed again by anybody who has
the approval. Foreign text in it is text: nothing in it is markup, and nothing in it is invisible.
"""

from datetime import UTC, datetime
from typing import Literal

from guardkit.core.allowances import offered, wished
from guardkit.core.approvals import (
    Approval,
    ApprovalDecision,
    ApprovalState,
    DecisionKind,
    OnExpiry,
    Order,
    SaidKind,
    counting,
    seating,
)
from guardkit.core.calendars import BusinessTime
from guardkit.core.digest import sha256
from guardkit.core.durations import format_duration
from guardkit.core.people import Assurance
from guardkit.core.principals import VerifiedBy
from guardkit.core.rows import Change, Row, changes, rows, whole_value
from guardkit.core.stages import Escalation, Exemption
from guardkit.core.values import JsonObject, Value
from guardkit.core.versions import as_shown
from guardkit.core.visible import human, one_line, shortened

_LINE_LIMIT = 200
_PARAGRAPH_LIMIT = 600
_REASON_LIMIT = 4000
_LIST_LIMIT = 50


class StageView(Value):
    """Who must answer, and who has."""

    number: int
    """1 for the first."""

    role: str | None
    approvers: tuple[str, ...]
    groups: tuple[str, ...]
    channels: tuple[str, ...]
    assurance: Assurance
    required: int
    given: tuple[str, ...]
    """Whose approvals count here as things stand. Who may answer in several stages that wait is moved where that helps."""

    reject_quorum: int = 1
    """How many people must reject before that ends it."""

    rejected: tuple[str, ...] = ()
    """Who has rejected it."""

    status: Literal["done", "waiting", "later", "closed"]
    escalations: tuple[str, ...] = ()
    """Who else may answer after which time, in words."""


class Said(Value):
    """What one person said."""

    person: str
    kind: SaidKind
    stage: int
    """1 for the first."""

    at: float
    via: str
    assurance: Assurance
    reason: str | None
    on_behalf_of: str | None = None
    """For whom, if a delegate said it for somebody who is away."""

    standing: str | None = None
    """What they added of actions like it, in words."""
    exemption: str | None = None
    """The policy's reason for which whoever asked could say it, if that is who said it."""


class Outcome(Value):
    """How it ended."""

    state: ApprovalState
    at: float | None
    by: str | None
    """Who gave the last word, if a person did."""

    reason: str | None


class Presentation(Value):
    """An approval as people see it. All times are seconds since the epoch."""

    id: str
    title: str
    tool: str
    agent: str
    tenant: str
    thread_id: str
    turn: int
    asked_by: str
    """Whom the run acts for."""

    asked_verified_by: VerifiedBy
    policy: str
    """Name and version."""

    why: tuple[str, ...]
    rules: tuple[str, ...]
    thought: str
    """The model's own words; to be marked as such."""

    args: tuple[Row, ...]
    """The arguments as they stand: first how much, to whom and about which thing."""

    reads: tuple[Row, ...]
    """What else the tool reads."""

    changes: tuple[Change, ...]
    """What edits changed, from the request to now."""

    digest: str
    digest_short: str
    stages: tuple[StageView, ...]
    order: Order = "in_turn"
    """Whether each stage waits for the one before it, or all of them wait at once."""

    exemptions: tuple[str, ...] = ()
    """Why whoever asked may decide, and who of them, in words; nobody of them may when there is none."""

    said: tuple[Said, ...]
    """Oldest first; the latest 50."""

    allowed: tuple[DecisionKind, ...]
    comment_required: tuple[DecisionKind, ...] = ()
    """What needs a comment beside `reject` and `respond`, which always do."""

    requested_at: float
    expires_at: float | None
    on_expiry: OnExpiry
    valid_for: float | None
    state: ApprovalState
    outcome: Outcome | None
    standing: str | None = None
    """What people may add to a yes, in words."""


def present(approval: Approval) -> Presentation:
    """The approval as people see it.

    Args:
        approval: as stored.

    Raises:
        CanonicalError: arguments or reads hold what has no JSON form; digests refuse the same.
    """
    request = approval.request
    order = schema_order(request.args_schema)
    said = [_said(decision) for decision in approval.decisions]
    return Presentation(
        id=request.id,
        title=human(request.action.tool),
        tool=one_line(request.action.tool, _LINE_LIMIT),
        agent=one_line(request.agent, _LINE_LIMIT),
        tenant=one_line(request.tenant, _LINE_LIMIT),
        thread_id=one_line(request.thread_id, _LINE_LIMIT),
        turn=request.turn,
        asked_by=one_line(request.principal.id, _LINE_LIMIT),
        asked_verified_by=request.principal.verified_by,
        policy=one_line(f"{request.policy} {request.policy_version}", _LINE_LIMIT),
        why=tuple(shortened(why, _PARAGRAPH_LIMIT) for why in request.why[:_LIST_LIMIT]),
        rules=tuple(one_line(rule, _LINE_LIMIT) for rule in request.rules[:_LIST_LIMIT]),
        thought=shortened(request.thought, _PARAGRAPH_LIMIT),
        args=rows(approval.args, order),
        reads=rows(request.action.reads),
        changes=(
            () if approval.digest == request.digest else changes(request.action.args, approval.args, order)
        ),
        digest=approval.digest,
        digest_short=approval.digest[:12],
        stages=_stages(approval),
        order=request.order,
        exemptions=tuple(map(_exemption, request.exemptions[:_LIST_LIMIT])),
        said=tuple(said[-_LIST_LIMIT:]),
        allowed=request.allowed,
        comment_required=request.comment_required,
        requested_at=request.requested_at,
        expires_at=request.expires_at,
        on_expiry=request.on_expiry,
        valid_for=request.valid_for,
        state=approval.state,
        outcome=_outcome(approval),
        standing=None if request.standing is None else offered(request.standing),
    )


def presentation_hash(presentation: Presentation) -> str:
    """Hex SHA-256 of a presentation: two are equal exactly if people see the same."""
    shown: JsonObject = presentation.model_dump(mode="json")
    said = shown["said"]
    for part in (shown, *(said if isinstance(said, list) else ())):
        if isinstance(part, dict) and part["standing"] is None:
            del part["standing"]  # as it was hashed before there were any
    return sha256("guardkit.presentation.v1", shown)


def shown_hash(approval: Approval, version: int) -> str | None:
    """The hash of what a message showed of an open approval, or `None` when it has not had that version.

    Args:
        approval: as it stands, undecided.
        version: the `Approval.version` that the message was made of.
    """
    then = as_shown(approval, version)
    return None if then is None else presentation_hash(present(then))


def full_value(approval: Approval, section: Literal["args", "reads"], index: int | None) -> bytes | None:
    """The whole of a value of which a row shows a part; see `whole_value`.

    Args:
        approval: as stored.
        section: which rows: the arguments as they stand, or what else the tool reads.
        index: `Row.index`; `None` for all values of the section together, as canonical JSON.
    """
    if section == "args":
        return whole_value(approval.args, index, schema_order(approval.request.args_schema))
    return whole_value(approval.request.action.reads, index)


def utc(at: float) -> str:
    """A time in words, in UTC: `24 Nov 2026, 14:03 UTC`."""
    return f"{datetime.fromtimestamp(at, UTC):%d %b %Y, %H:%M} UTC"


def schema_order(schema: JsonObject) -> tuple[str, ...]:
    """The names of a tool's arguments in the order of its schema, for `rows` and `changes`."""
    properties = schema.get("properties")
    return tuple(properties) if isinstance(properties, dict) else ()


def _stages(approval: Approval) -> tuple[StageView, ...]:
    given: dict[int, list[str]] = {}
    counted = tuple(counting(approval.standing()))
    for decision, place in zip(counted, seating(approval.request, counted).placed, strict=True):
        if place is not None:
            given.setdefault(place, []).append(one_line(decision.person, _LINE_LIMIT))
    waiting = approval.waiting()
    in_turn, against = approval.request.order == "in_turn", approval.against()
    views: list[StageView] = []
    for index, stage in enumerate(approval.request.stages):
        status: Literal["done", "waiting", "later", "closed"]
        if not waiting or (index < waiting[0] if in_turn else index not in waiting):
            status = "done"
        elif approval.state.settled:
            status = "closed"
        else:
            status = "waiting" if index in waiting else "later"
        views.append(
            StageView(
                number=index + 1,
                role=None if stage.role is None else one_line(stage.role, _LINE_LIMIT),
                approvers=tuple(one_line(name, _LINE_LIMIT) for name in stage.approvers[:_LIST_LIMIT]),
                groups=tuple(one_line(name, _LINE_LIMIT) for name in stage.groups[:_LIST_LIMIT]),
                channels=tuple(one_line(name, _LINE_LIMIT) for name in stage.channels[:_LIST_LIMIT]),
                assurance=stage.assurance,
                required=stage.required,
                given=tuple(given.get(index, ())),
                reject_quorum=stage.reject_quorum,
                rejected=tuple(one_line(said.person, _LINE_LIMIT) for said in against if index in said.fits),
                status=status,
                escalations=tuple(_escalation(step) for step in stage.escalations[:_LIST_LIMIT]),
            )
        )
    return tuple(views)


def _escalation(step: Escalation) -> str:
    who = [*step.approvers, *(f"group {group}" for group in step.groups)]
    role = f" as {step.role}" if step.role else ""
    after = str(step.after) if isinstance(step.after, BusinessTime) else format_duration(step.after)
    return one_line(f"after {after} also {', '.join(who)}{role}", _LINE_LIMIT)


def _exemption(exemption: Exemption) -> str:
    who = [*exemption.approvers, *(f"group {group}" for group in exemption.groups)]
    only = f" (only {', '.join(who)})" if who else ""
    return one_line(f"{exemption.reason}{only}", _PARAGRAPH_LIMIT)


def _said(decision: ApprovalDecision) -> Said:
    return Said(
        person=one_line(decision.person, _LINE_LIMIT),
        kind=decision.kind,
        stage=decision.stage + 1,
        at=decision.decided_at,
        via=one_line(decision.via, _LINE_LIMIT),
        assurance=decision.assurance,
        reason=None if decision.reason is None else shortened(decision.reason, _REASON_LIMIT),
        on_behalf_of=(
            None if decision.on_behalf_of is None else one_line(decision.on_behalf_of, _LINE_LIMIT)
        ),
        standing=None if decision.standing is None else wished(decision.standing),
        exemption=None if decision.exemption is None else one_line(decision.exemption, _PARAGRAPH_LIMIT),
    )


def _outcome(approval: Approval) -> Outcome | None:
    if not approval.state.settled:
        return None
    spoken = approval.state in (ApprovalState.REJECTED, ApprovalState.RESPONDED)
    agreed = approval.state in (ApprovalState.APPROVED, ApprovalState.CONSUMED)
    last = _said(approval.decisions[-1]) if approval.decisions and (spoken or agreed) else None
    return Outcome(
        state=approval.state,
        at=approval.settled_at,
        by=None if last is None else last.person,
        reason=None if last is None else last.reason,
    )
