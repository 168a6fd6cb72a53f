"""One call, from the gate's decision to what the model reads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, assert_never

from guardkit.core import telemetry_names as names
from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState
from guardkit.core.decisions import Allow, Edit, Escalate, Reject, Stop
from guardkit.core.no_result import NoResult, NoResultReason
from guardkit.core.steps import Action, ToolKind
from guardkit.core.verdicts import CheckContext
from guardkit.policy import asks_the_same, while_paused
from guardkit.runtime.askers import steerers
from guardkit.runtime.asking import (
    ask,
    earlier_in,
    edited,
    objection,
    overdue,
    register,
    request_for,
    supersede,
    wait,
)
from guardkit.runtime.covering import covering, offer
from guardkit.runtime.effects import CHANGED, Outcome, perform
from guardkit.runtime.ending import end
from guardkit.runtime.gate import Gated, allowed, digest_of, gate, satisfied
from guardkit.runtime.needs import Flow, RunTool
from guardkit.runtime.session import Session
from guardkit.runtime.tools import OutputCodec, ToolSpec

_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Ran:
    """The tool ran, now or before."""

    output: Any
    fresh: bool = True
    """Whether it ran now; otherwise this is the recorded output."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The tool did not run; this is what the model may know."""

    tell_model: str
    why: tuple[str, ...]
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over."""

    outcome: NoResult


Acted: TypeAlias = Ran | Refused | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a batch: all gated calls of one AIMessage, or a single call made in node code."""

    spec: ToolSpec
    action: Action
    context: CheckContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A batch whose questions are registered."""

    gated: dict[str, Gated]
    """By action id."""

    approvals: dict[str, str]
    """Approval ids by action id, for the calls that wait for people."""

    contexts: dict[str, CheckContext]
    thought: str = ""
    """What the model wrote beside the calls."""


def prepare(
    session: Session, calls: Sequence[Call], *, thought: str, namespace: str
) -> Flow[Prepared | Ended]:
    """Gate every call of a batch and register all its questions up front, in one transaction.

    Safe to run again: the same calls give the same ids, and what is registered stays as it is.
    """
    if session.ended is not None:
        return Ended(session.ended)
    earlier = yield from earlier_in(session)
    gated: dict[str, Gated] = {}
    requests: dict[str, ApprovalRequest] = {}
    for call in calls:
        result = yield from gate(session, call.spec, call.action, call.context)
        frozen = earlier.get(call.action.id)
        if frozen is None:  # what people were asked already, they answer
            result = (yield from covering(session, result, call.context)) or result
        gated[call.action.id] = result
        _audit(session, result)
        if isinstance(result.decision, Stop):
            break
        if isinstance(result.decision, Escalate):
            if frozen is not None and _was_asked(session, frozen.request, result, result.decision):
                requests[call.action.id] = frozen.request
                continue
            requests[call.action.id] = request_for(
                session,
                result,
                result.decision,
                thought=thought,
                namespace=namespace,
                standing=offer(session, result, call.context),
            )
        elif isinstance(result.decision, Allow) and frozen is not None:
            # People were asked under an earlier policy; what is asked once is not loosened while they think.
            asked = Escalate(routes=frozen.request.routes, rules=frozen.request.rules, why=frozen.request.why)
            gated[call.action.id] = Gated(
                action=frozen.request.action,
                spec=call.spec,
                decision=while_paused(asked, result.decision),
                digest=frozen.request.digest,
                original=result.original,
            )
            requests[call.action.id] = frozen.request
    stops = [one.decision for one in gated.values() if isinstance(one.decision, Stop)]
    if stops:
        outcome = yield from end(session, NoResult.because(stops[0].reason, *stops[0].why))
        return Ended(outcome)
    if requests:
        barred = yield from ask(session, list(requests.values()))
        if barred is not None:
            return Ended(barred)
    for action_id, before in earlier.items():
        if action_id in gated and before.state is ApprovalState.PENDING:
            yield from supersede(session, before, requests.get(action_id))
    return Prepared(
        gated=gated,
        approvals={action: request.id for action, request in requests.items()},
        contexts={call.action.id: call.context for call in calls},
        thought=thought,
    )


def _was_asked(session: Session, request: ApprovalRequest, gated: Gated, decision: Escalate) -> bool:
    """Whether people have been asked about this action, and for what today's policy demands."""
    return request.digest == gated.digest and asks_the_same(request, decision, session.services.policy)


def _audit(session: Session, gated: Gated) -> None:
    policy = session.services.policy
    session.buffer(
        session.event(
            "action.decided",
            action=gated.action.id,
            tool=gated.action.tool,
            tool_kind=gated.action.kind.value,
            call=gated.action.call_id,
            digest=gated.digest,
            original=gated.original,
            checks=list(gated.checks),
            decision=gated.decision.kind,
            rules=list(gated.decision.rules),
            policy=policy.name,
            policy_version=policy.version,
            policy_hash=policy.hash,
            **_standing(gated),
        )
    )
    telemetry = session.services.telemetry
    about = {
        names.TOOL: gated.action.tool,
        names.DECISION: gated.decision.kind,
        names.POLICY_ID: policy.name,
    }
    more = {
        names.TOOL_CALL: gated.action.call_id,
        names.POLICY_VERSION: policy.version,
        names.POLICY_RULE: ",".join(gated.decision.rules),
    }
    telemetry.measure(names.DECISIONS, 1, about)
    telemetry.event(names.TOOL_DECISION, {**about, **more})


def _standing(gated: Gated) -> dict[str, str]:
    """What the audit log is told of an action that a standing approval allows."""
    if gated.standing is None or gated.without is None:
        return {}
    return {"standing": gated.standing.standing.id, "without": gated.without.kind}


def act(
    session: Session, prepared: Prepared, action_id: str, codec: OutputCodec, *, namespace: str
) -> Flow[Acted]:
    """Carry one call of a prepared batch to its end.

    Waits behind the batch's barrier first, so nothing of a batch runs while people still decide on any of it.
    """
    gated = prepared.gated[action_id]
    approval: Approval | None = None
    ids = list(prepared.approvals.values())
    own = prepared.approvals.get(action_id)
    for _ in range(_ROUNDS):
        if session.ended is not None:
            return Ended(session.ended)
        if ids:
            waited = yield from wait(session, ids, own or ids[0])
            if own is not None:
                answered = yield from _answered(
                    session, gated, waited.approvals.get(own), waited.now, prepared, namespace
                )
                match answered:
                    case Refused() | Ended():
                        return answered
                    case str():
                        own, ids = answered, [answered]
                        continue
                    case (gated, approval):
                        pass
        refused = yield from _barred(session, gated)
        if refused is not None:
            return refused
        if gated.spec.kind is not ToolKind.EFFECT and approval is None and gated.standing is None:
            if digest_of(session, gated.action) != gated.digest:
                return Refused("This action is not permitted.", (CHANGED,))
            session.tool_calls += 1
            output = yield RunTool(gated.action.args, None, gated.spec.timeout)
            return Ran(output)
        done: Outcome = yield from perform(session, gated, approval, codec)
        if not done.again:
            return (yield from _reported(session, done))
        if gated.without is not None:
            decision = gated.without
            gated = replace(gated, decision=decision, standing=None, without=None)
            own = yield from _asked_after_all(session, gated, decision, prepared, namespace)
            ids = [own]
    return Refused("This action is not permitted.", ("the approval kept changing while it was consumed",))


def _asked_after_all(
    session: Session, gated: Gated, decision: Escalate, prepared: Prepared, namespace: str
) -> Flow[str]:
    """Ask people about a call that a standing approval reached no more when it was to be used. The question's id."""
    _audit(session, gated)
    request = request_for(
        session,
        gated,
        decision,
        thought=prepared.thought,
        namespace=namespace,
        standing=offer(session, gated, prepared.contexts[gated.action.id]),
    )
    yield from register(session, [request])
    return request.id


def _answered(
    session: Session,
    gated: Gated,
    approval: Approval | None,
    now: float,
    prepared: Prepared,
    namespace: str,
) -> Flow[tuple[Gated, Approval] | Refused | Ended | str]:
    """What may run after people answered; a string is the id of one more question."""
    asked = yield from _asked(session, approval, now)
    if isinstance(asked, Refused | Ended):
        return asked
    if asked.digest == gated.digest:
        return allowed(gated), asked
    change = yield from _changed(session, gated, asked, prepared, namespace)
    return (change, asked) if isinstance(change, Gated) else change


def _barred(session: Session, gated: Gated) -> Flow[Refused | Ended | None]:
    """Why an action does not run; `None` only for one that is allowed."""
    match gated.decision:
        case Allow():
            return None
        case Reject():
            return Refused(gated.decision.tell_model, gated.decision.why)
        case Stop():
            outcome = NoResult.because(gated.decision.reason, *gated.decision.why)
            return Ended((yield from end(session, outcome)))
        case Edit() | Escalate():
            return Refused("This action is not permitted.", ("no approval was found for it",))
        case _:
            assert_never(gated.decision)


def _reported(session: Session, done: Outcome) -> Flow[Acted]:
    """What became of an effect."""
    if done.in_doubt:
        outcome = NoResult.because(NoResultReason.EFFECT_IN_DOUBT, *done.why)
        return Ended((yield from end(session, outcome)))
    if done.ended is not None:
        return Ended(done.ended)
    if done.refusal is not None:
        return Refused(done.refusal, done.why)
    return Ran(done.output, fresh=done.fresh)


def _asked(session: Session, approval: Approval | None, now: float) -> Flow[Approval | Refused | Ended]:
    """What people's answer means for the call. Only an approval that still holds lets it through."""
    if approval is None:
        return Refused("This action is not permitted.", ("the approval is gone from the store",))
    if overdue(approval, now) and approval.state is ApprovalState.PENDING:
        return (yield from _expired(session, approval))
    match approval.state:
        case ApprovalState.APPROVED:
            why = objection(session, approval, now)
            if why is None:
                return approval
            session.buffer(session.event("approval.void", approval=approval.request.id, why=why))
            return Refused("The approval no longer holds, so the action did not run.", (why,))
        case ApprovalState.REJECTED:
            return Refused("A reviewer declined this action. Do not try it again.", ("a reviewer declined",))
        case ApprovalState.RESPONDED:
            session.steered.update(steerers([approval]))
            words = approval.decisions[-1].reason or ""
            return Refused(f"The action did not run. A reviewer says: {words}", ("a reviewer responded",))
        case ApprovalState.EXPIRED:
            return (yield from _expired(session, approval))
        case ApprovalState.CANCELLED:
            return Refused("This action was cancelled.", ("the approval was cancelled",))
        case ApprovalState.CONSUMED:
            return approval
        case ApprovalState.PENDING:
            return Refused("This action is not permitted.", ("it is not decided",))
        case _:
            assert_never(approval.state)


def _expired(session: Session, approval: Approval) -> Flow[Refused | Ended]:
    if approval.request.on_expiry == "no_result":
        outcome = NoResult.because(NoResultReason.APPROVAL_EXPIRED, f"approval {approval.request.id} expired")
        return Ended((yield from end(session, outcome)))
    return Refused("Nobody approved this action in time, so it did not run.", ("the approval expired",))


def _changed(
    session: Session, gated: Gated, approval: Approval, prepared: Prepared, namespace: str
) -> Flow[Gated | Refused | Ended | str]:
    """People edited the arguments: the edited action is gated from the start, and asked again where it needs more."""
    action = edited(approval, gated.action)
    try:
        valid = gated.spec.validate(action.args)
    except ValueError:
        return Refused(
            "The edited action does not fit the tool.", ("the edited arguments do not fit the schema",)
        )
    action = action.model_copy(update={"args": valid})
    digest = digest_of(session, action)
    if digest != approval.digest:
        return Refused(
            "The edited action does not fit the tool.", ("validation changes the edited arguments",)
        )
    again = yield from gate(session, gated.spec, action, prepared.contexts[gated.action.id])
    _audit(session, again)
    if isinstance(again.decision, Stop):
        return Ended((yield from end(session, NoResult.because(again.decision.reason, *again.decision.why))))
    if isinstance(again.decision, Reject):
        return Refused("The edited action is not permitted.", again.decision.why)
    if again.digest != digest:
        return Refused(
            "The edited action is not permitted.", ("an edited action would have to be edited again",)
        )
    if satisfied(again.decision, approval.request.routes):
        return allowed(again)
    if isinstance(again.decision, Escalate):
        request = request_for(
            session, again, again.decision, thought=approval.request.thought, namespace=namespace
        )
        barred = yield from ask(session, [request])
        return request.id if barred is None else Ended(barred)
    return Refused("The edited action is not permitted.", ("an edited action cannot be edited again",))
