"""Values that the contracts hand to a store: valid, small, and different where they must be."""

from typing import Literal

from guardkit.core.approvals import (
    Approval,
    ApprovalDecision,
    ApprovalRequest,
    DecisionKind,
    OnExpiry,
    Order,
    edited_digest,
)
from guardkit.core.audit import AuditEvent
from guardkit.core.deciding import decide, stages_for, sure_enough
from guardkit.core.digest import action_digest, approval_id, sha256
from guardkit.core.glass import BreakGlass
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.people import Assurance, Person
from guardkit.core.ports import Store
from guardkit.core.principals import Principal
from guardkit.core.runs import Closing, Opened, Opening, RunRef, StopOrder, StopScope
from guardkit.core.stages import ApprovalStage
from guardkit.core.standing import StandingOffer
from guardkit.core.steps import Action, ToolKind
from guardkit.core.values import JsonObject

TENANT = "default"
ADA, BEN, CLEO = (
    Person(id=name, email=f"{name}@corp.example", roles=("manager",), groups=("desk",))
    for name in ("ada", "ben", "cleo")
)
STAGE = ApprovalStage(role="manager", groups=("desk",), channels=("desk",))
GLASS = BreakGlass(people=("ben",), valid_for=60.0, reason_length=10, reviewers=("cleo",), review_within=0.05)
NO_RESULT = NoResult.because(NoResultReason.CHECK_FAILED, "a check said so")
EVENT = AuditEvent(kind="test.happened", thread_id="t", turn=1, data={"n": 1, "of": [1.5, None, "ü"]})


def opening(
    thread_id: str = "t",
    *,
    tenant: str = TENANT,
    new_turn: bool = True,
    lease_seconds: float = 30.0,
    agent: str = "agent",
    principal: Principal | None = None,
) -> Opening:
    """What a run says when it starts; a new turn is for somebody called `uma`."""
    somebody = principal or Principal(id="uma", tenant=tenant)
    return Opening(
        tenant=tenant,
        thread_id=thread_id,
        agent=agent,
        owner="contract:1",
        lease_seconds=lease_seconds,
        new_turn=new_turn,
        principal=somebody if new_turn else None,
        input=b"\x00input\xff" if new_turn else None,
        fingerprint="f" * 64,
        policy_version="3.2",
    )


def opened(
    store: Store, thread_id: str = "t", *, tenant: str = TENANT, lease_seconds: float = 30.0
) -> Opened:
    """A new turn, and the lease on it."""
    return store.open_run(opening(thread_id, tenant=tenant, lease_seconds=lease_seconds), [])


def closing(status: Literal["paused", "done", "failed", "ended"] = "paused") -> Closing:
    """What a run says when it ends."""
    return Closing(status=status, active_seconds=1.5, tool_calls=2, steps=3)


def paused(store: Store, thread_id: str = "t", *, tenant: str = TENANT, approvals: int = 1) -> list[Approval]:
    """A paused thread that waits for people; returns what it waits for."""
    run = opened(store, thread_id, tenant=tenant).run
    waiting = store.register(run, [request(run, number) for number in range(approvals)], [])
    store.close_run(run, closing("paused"), [])
    return sorted(waiting, key=lambda approval: approval.request.action.call_id)


def request(
    run: RunRef,
    number: int = 0,
    *,
    stages: tuple[ApprovalStage, ...] = (STAGE,),
    expires_in: float | None = 3600.0,
    on_expiry: OnExpiry = "reject",
    valid_for: float | None = None,
    args: JsonObject | None = None,
    break_glass: BreakGlass | None = None,
    order: Order = "in_turn",
    standing: StandingOffer | None = None,
) -> ApprovalRequest:
    """A question about one payment."""
    args = {"claim_id": f"C-{number}", "amount": "100.10"} if args is None else args
    principal = Principal(id="uma", tenant=run.tenant)
    salt = f"{number:032x}"
    action_id = sha256("contract", [run.tenant, run.thread_id, run.turn, number])[:32]
    action = Action(
        id=action_id,
        tool="pay_claim",
        kind=ToolKind.EFFECT,
        schema_version="s1",
        args=args,
        call_id=f"call-{number}",
        message_id="m1",
    )
    digest = action_digest(
        tool=action.tool, schema_version="s1", args=args, reads={}, principal=principal, salt=salt
    )
    return ApprovalRequest(
        id=approval_id(action_id, digest, "route"),
        tenant=run.tenant,
        thread_id=run.thread_id,
        namespace="",
        turn=run.turn,
        agent="agent",
        action=action,
        digest=digest,
        salt=salt,
        principal=principal,
        excluded=("uma",),
        policy="claims",
        policy_version="3.2",
        routes=("desk",),
        route_hash="route",
        stages=stages,
        order=order,
        requested_at=0.0,
        expires_at=expires_in,
        on_expiry=on_expiry,
        valid_for=valid_for,
        break_glass=break_glass,
        standing=standing,
    )


def decision(store: Store, approval: Approval, person: Person = ADA) -> ApprovalDecision:
    """A yes of this person's, not signed."""
    return ApprovalDecision(
        approval_id=approval.request.id,
        digest=approval.digest,
        kind="approve",
        person=person.id,
        assurance=Assurance.OIDC,
        via="web",
        stage=approval.stage() or 0,
        decided_at=store.now(),
    )


def said(
    store: Store,
    approval: Approval,
    person: Person = ADA,
    kind: DecisionKind = "approve",
    *,
    args: JsonObject | None = None,
) -> Approval:
    """The approval after this person has spoken; not stored."""
    at = store.now()
    stages = sure_enough(approval.request, stages_for(approval, person, at), Assurance.OIDC)
    decision = ApprovalDecision(
        approval_id=approval.request.id,
        digest=approval.digest,
        kind=kind,
        person=person.id,
        assurance=Assurance.OIDC,
        via="web",
        reason="because" if kind in ("reject", "respond") else None,
        args=args,
        stage=stages[0],
        seats=stages if len(stages) > 1 else (),
        decided_at=at,
    )
    return decide(approval, decision, person)


def approved(store: Store, approval: Approval) -> Approval:
    """The approval after everybody who is asked has approved, stored."""
    people = iter((ADA, BEN, CLEO))
    while not approval.state.settled:
        changed = said(store, approval, next(people))
        if not store.settle(changed, approval.version, [EVENT]):
            raise AssertionError("settle refused the version that was just read")
        approval = changed
    return approval


def stop(
    scope: StopScope, target: str | None = None, *, tenant: str | None = TENANT, id: str = "stop-1"
) -> StopOrder:
    """An operator's stop."""
    return StopOrder(id=id, scope=scope, tenant=tenant, target=target, by="ops", why="fire", at=0.0)


def edited(approval: Approval, args: JsonObject) -> str:
    """The digest that an edit leads to."""
    return edited_digest(approval.request, args)
