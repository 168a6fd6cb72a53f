"""Asking people: build the request, register it, wait behind the barrier, read what they said."""

from collections.abc import Sequence
from dataclasses import dataclass

from guardkit.core import telemetry_names as names
from guardkit.core.approvals import (
    Approval,
    ApprovalRequest,
    ApprovalState,
    close,
)
from guardkit.core.breaking import broken
from guardkit.core.consuming import consulted, still_holds
from guardkit.core.decisions import Escalate
from guardkit.core.digest import approval_id
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.places import Place
from guardkit.core.ports import Store
from guardkit.core.presentation import present
from guardkit.core.runs import RunRef
from guardkit.core.standing import StandingOffer
from guardkit.core.steps import Action
from guardkit.core.values import JsonObject
from guardkit.policy import still_stands
from guardkit.runtime.askers import identities, steerers
from guardkit.runtime.ending import end
from guardkit.runtime.events import Span, Telemetry
from guardkit.runtime.gate import Gated
from guardkit.runtime.needs import Flow, InStore, Pause
from guardkit.runtime.session import Session
from guardkit.runtime.telling import settled

_THOUGHT = 2000
_PAGE = 1000


def request_for(
    session: Session,
    gated: Gated,
    decision: Escalate,
    *,
    thought: str,
    namespace: str,
    standing: StandingOffer | None = None,
) -> ApprovalRequest:
    """The question about one gated action, as today's policy asks it; `standing` is what people may add to a yes."""
    services, policy = session.services, session.services.policy
    route = policy.route(decision.routes)
    route_hash = policy.route_hash(gated.action.tool, decision.routes)
    return ApprovalRequest(
        id=approval_id(gated.action.id, gated.digest, route_hash),
        tenant=session.run.tenant,
        thread_id=session.run.thread_id,
        namespace=namespace,
        turn=session.run.turn,
        agent=services.agent,
        action=gated.action,
        digest=gated.digest,
        salt=session.turn.salt,
        principal=session.turn.principal,
        excluded=identities(services.directory, session.turn.principal, session.steered),
        exemptions=route.exemptions,
        thought=thought[:_THOUGHT],
        why=decision.why,
        rules=decision.rules,
        policy=policy.name,
        policy_version=policy.version,
        routes=decision.routes,
        route_hash=route_hash,
        terms=policy.terms(gated.action.tool, decision.routes),
        stages=route.stages,
        order=route.order,
        allowed=route.allowed,
        comment_required=route.comment_required,
        args_schema=gated.spec.json_schema,
        requested_at=0.0,
        expires_at=route.expires_in,
        deadlines=route.deadlines,
        on_expiry=route.on_expiry,
        valid_for=route.valid_for,
        break_glass=route.break_glass,
        standing=standing,
        traceparent=services.telemetry.traceparent(),
    )


def earlier_in(session: Session) -> Flow[dict[str, Approval]]:
    """Questions of this turn that earlier runs asked, by action id; the newest of each."""
    if not session.continued:
        return {}
    asked: Sequence[Approval] = yield InStore(lambda: _of_turn(session.services.store, session.run))
    session.known.update(approval.request.id for approval in asked)
    session.steered.update(steerers(asked))
    return {approval.request.action.id: approval for approval in reversed(asked)}


def _of_turn(store: Store, run: RunRef) -> list[Approval]:
    """All questions of a turn, newest first."""
    found: list[Approval] = []
    after: Place | None = None
    while True:
        page = store.listed(tenant=run.tenant, thread_id=run.thread_id, limit=_PAGE, after=after)
        found += (approval for approval in page if approval.request.turn == run.turn)
        if len(page) < _PAGE or page[-1].request.turn < run.turn:
            return found
        after = Place.of(page[-1])


def payload(session: Session, approval: Approval) -> JsonObject:
    """What the interrupt carries: LangChain's HITLRequest with one action, so its UIs show it, and our ids.

    Whatever it is answered with proves nothing; the description says where to decide.
    """
    where = session.services.decide_at
    shown = present(approval)
    description = f"{shown.title}: waits for approval {approval.request.id}."
    description += (
        f" Decide at {where}/approvals/{approval.request.id}" if where else " Decide in guardkit's inbox."
    )
    return {
        "action_requests": [
            {"name": approval.request.action.tool, "args": approval.args, "description": description}
        ],
        "review_configs": [
            {"action_name": approval.request.action.tool, "allowed_decisions": list(approval.request.allowed)}
        ],
        "guardkit": {"kind": "approval", "approval_id": approval.request.id, "digest": approval.digest},
    }


def ask(session: Session, requests: Sequence[ApprovalRequest]) -> Flow[NoResult | None]:
    """Register questions. If nobody may ever answer one of them, the turn ends instead; that is what is returned."""
    for request in requests:
        if request.unanswerable:
            return (yield from end(session, _unverified(request)))
    yield from register(session, requests)
    return None


def _unverified(request: ApprovalRequest) -> NoResult:
    where = ", ".join(f"approvals.{name}" for name in request.routes)
    return NoResult.because(
        NoResultReason.POLICY_DENIED,
        f"{request.action.tool!r} needs approval, and nobody has verified whom the turn acts for: whoever approves it "
        "may have asked for it",
        "remedy: authenticate callers (on a LangGraph server by an `auth` handler), or name an exemption in the "
        f"policy's {where}",
    )


def register(session: Session, requests: Sequence[ApprovalRequest]) -> Flow[list[Approval]]:
    """Write requests that are not there yet, each audited; returns all as they stand."""
    telemetry = session.services.telemetry
    spans: dict[str, Span] = {}
    asked: list[ApprovalRequest] = []
    asked_as: dict[str, str | None] = {}
    for request in requests:
        facts = {names.APPROVAL_ID: request.id, names.TOOL: request.action.tool}
        facts |= {names.POLICY_ID: request.policy, names.POLICY_RULE: ",".join(request.rules)}
        span = telemetry.start(
            f"{names.REQUEST_APPROVAL} {request.action.tool}", {**session.facts, **facts}, kind="producer"
        )
        spans[request.id] = span
        asked_as[request.id] = span.traceparent() or request.traceparent
        asked.append(request.model_copy(update={"traceparent": asked_as[request.id]}))
    events = [
        session.event(
            "approval.requested",
            approval=request.id,
            action=request.action.id,
            tool=request.action.tool,
            digest=request.digest,
            rules=list(request.rules),
            routes=list(request.routes),
            policy=request.policy,
            policy_version=request.policy_version,
            **({} if request.order == "in_turn" else {"order": request.order, "stages": len(request.stages)}),
            **({"exemptions": [one.reason for one in request.exemptions]} if request.exemptions else {}),
        )
        for request in requests
    ]
    store, run = session.services.store, session.run
    approvals: Sequence[Approval] = yield InStore(lambda: store.register(run, asked, events))
    told = session.known | session.asked
    for approval in approvals:
        session.asked.add(approval.request.id)
        span = spans[approval.request.id]
        # A run that comes here again finds the question asked; only the first one tells of it. The stored trace
        # context alone does not say which one that is: where nobody traces, there is none.
        if approval.request.id not in told and approval.request.traceparent == asked_as[approval.request.id]:
            span.end()
            _tell(telemetry, approval.request)
    return list(approvals)


def _tell(telemetry: Telemetry, request: ApprovalRequest) -> None:
    tool = {names.TOOL: request.action.tool}
    telemetry.measure(names.APPROVAL_REQUESTS, 1, {names.POLICY_ID: request.policy, **tool})
    telemetry.event(names.APPROVAL_REQUESTED, {names.APPROVAL_ID: request.id, **tool})


def supersede(session: Session, before: Approval, now_asked: ApprovalRequest | None) -> Flow[None]:
    """Cancel an open question that a changed action or a changed policy has replaced."""
    if now_asked is not None and now_asked.id == before.request.id:
        return
    store = session.services.store
    event = session.event(
        "approval.superseded", approval=before.request.id, by=now_asked.id if now_asked else None
    )

    def cancel() -> Approval | None:
        after = close(before, ApprovalState.CANCELLED, store.now())
        return after if store.settle(after, before.version, [event]) else None

    cancelled: Approval | None = yield InStore(cancel)
    if cancelled is not None:
        settled(session.services.telemetry, before, cancelled)


@dataclass(frozen=True, slots=True)
class Waited:
    """What the barrier let through: every approval of the batch, settled, and the database's time."""

    approvals: dict[str, Approval]
    now: float


def wait(session: Session, ids: Sequence[str], own: str) -> Flow[Waited]:
    """The barrier: pause until every approval of the batch is settled, whatever the graph is resumed with.

    Args:
        session: the run.
        ids: approvals of the batch.
        own: the approval of the call that waits; it is the one shown while it is undecided.
    """
    store, tenant = session.services.store, session.run.tenant
    while True:
        now, found = yield InStore(lambda: (store.now(), store.approvals(tenant, ids)))
        approvals: dict[str, Approval] = {approval.request.id: approval for approval in found}
        open_ones = [
            approval
            for approval in approvals.values()
            if approval.state is ApprovalState.PENDING and not overdue(approval, now)
        ]
        if not open_ones:
            return Waited(approvals, now)
        shown = next((approval for approval in open_ones if approval.request.id == own), open_ones[0])
        session.services.telemetry.event(
            names.RUN_PAUSED, {**session.facts, names.APPROVAL_ID: shown.request.id}
        )
        yield Pause(payload(session, shown))


def overdue(approval: Approval, now: float) -> bool:
    """Whether the time to decide is over, even if no worker has noted it yet."""
    request = approval.request
    return request.expires_at is not None and request.on_expiry != "keep" and now >= request.expires_at


def objection(session: Session, approval: Approval, now: float) -> str | None:
    """Why an approved approval may not be used after all, or `None`.

    Checked here, in the agent's process: every signature, every person's membership today, quorum, exclusion,
    assurance, digest, the time since the last decision, and that today's policy still sends the tool the same way.
    """
    services = session.services
    request = approval.request
    for decision in approval.decisions:
        if not services.verifier.decision(decision):
            return "a decision is not signed by a process that may verify people"
    people = {identity: services.directory.find(identity) for identity in consulted(approval)}
    why = still_holds(approval, people, now)
    if why is None and not still_stands(request, services.policy):
        why = "the policy for this tool changed after people were asked"
    if why is None and broken(approval) is not None:
        today = services.policy.route(request.routes).break_glass
        if today is None or today != request.break_glass:
            why = "today's policy does not let the glass be broken so"
    return why


def edited(approval: Approval, action: Action) -> Action:
    """The action with the arguments that people left it with."""
    return action.model_copy(update={"args": approval.args})
