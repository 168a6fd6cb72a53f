"""Standing approvals at the gate: what people may be offered, and whether an action is covered by what they gave.

A standing approval turns one decision into another: an `Escalate` by the very rules that it was given on into an
`Allow`. Whatever else holds for the action holds as before, and where anything is in doubt people are asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from guardkit.checks.provenance import tainted
from guardkit.core.amounts import amount_of
from guardkit.core.approvals import Approval
from guardkit.core.decisions import Allow, Escalate
from guardkit.core.effects import EffectRecord, EffectState
from guardkit.core.granting import givers_of, still_given
from guardkit.core.standing import (
    StandingApproval,
    StandingOffer,
    StandingSubject,
    StandingUse,
    standing_key,
)
from guardkit.core.verdicts import CheckContext
from guardkit.runtime.gate import Gated
from guardkit.runtime.needs import Flow, InStore
from guardkit.runtime.session import Session

_STARTED = (EffectState.DONE, EffectState.CLAIMED, EffectState.IN_DOUBT)


def offer(session: Session, gated: Gated, context: CheckContext) -> StandingOffer | None:
    """What people may add to their yes to an action; `None` where they can only say yes to this one.

    Nothing where anything but the policy's own rules sends the action to people, where an observation of the turn was
    flagged, where a check changed the action, or where an argument comes from an untrusted observation.
    """
    decision = gated.decision
    if not isinstance(decision, Escalate):
        return None
    found = session.services.policy.route(decision.routes).standing
    if found is None or not _is_plain(session, gated, context):
        return None
    return None if amount_of(gated.action.args, found.amount) is None else found


def _is_plain(session: Session, gated: Gated, context: CheckContext) -> bool:
    if session.turn.principal.verified_by == "nobody" or session.wary is not None:
        return False
    if gated.digest != gated.original or context.flags or session.flags:
        return False
    if any(check.get("verdict") != "pass" or check.get("remark") for check in gated.checks):
        return False
    if any(rule.startswith(("check:", "guardkit.")) for rule in gated.decision.rules):
        return False
    try:
        return not tainted(context, gated.action.args)
    except ValueError:
        return False  # observations of an earlier run may be missing


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the store has for an action."""

    now: float
    started: EffectRecord | None
    used: StandingApproval | None
    """The standing approval that the action was started with."""

    found: Sequence[StandingApproval]
    """Those that it may be like."""

    questions: Mapping[str, Approval]
    """The questions that these were given with."""


def covering(session: Session, gated: Gated, context: CheckContext) -> Flow[Gated | None]:
    """The action as a standing approval allows it, or `None` when people have to be asked.

    Nothing is used up yet: that happens in the transaction that claims the effect, which judges once more.
    """
    permitted = offer(session, gated, context)
    decision = gated.decision
    if permitted is None or not isinstance(decision, Escalate):
        return None
    amount = amount_of(gated.action.args, permitted.amount)
    try:
        key = gated.spec.effect_key(gated.action.args, gated.action.id)
    except ValueError:
        return None
    if amount is None:
        return None
    looked: _Looked = yield InStore(lambda: _look(session, gated, key))
    started = looked.started
    if (
        started is not None
        and looked.used is not None
        and started.state in _STARTED
        and (started.digest, started.action_id) == (gated.digest, gated.action.id)
    ):
        return _allowed(gated, decision, StandingUse(standing=looked.used, amount=amount, replay=True))
    wanted = _subject(session, gated, decision, permitted)
    for standing in looked.found:
        grant = standing.grant
        if not grant.subject.is_like(wanted, grant.scope):
            continue
        if standing.lapsed(amount, looked.now) is not None:
            continue
        why = _objection(session, standing, looked.questions.get(grant.approval_id), decision, looked.now)
        if why is None:
            return _allowed(gated, decision, StandingUse(standing=standing, amount=amount))
        session.buffer(
            session.event(
                "standing.refused",
                standing=grant.id,
                action=gated.action.id,
                tool=gated.action.tool,
                why=why,
            )
        )
    return None


def _allowed(gated: Gated, decision: Escalate, use: StandingUse) -> Gated:
    return replace(gated, decision=Allow(rules=decision.rules), standing=use, without=decision)


def _look(session: Session, gated: Gated, key: str) -> _Looked:
    store, tenant = session.services.store, session.run.tenant
    started = store.effect(tenant, key)
    used = None
    if started is not None and started.standing_id is not None:
        used = store.standing_approval(tenant, started.standing_id)
    who = standing_key(session.services.agent, gated.action.tool, session.turn.principal.id)
    found = store.standing_for(tenant, who)
    questions = store.approvals(tenant, [one.grant.approval_id for one in found]) if found else ()
    return _Looked(
        now=store.now(),
        started=started,
        used=used,
        found=found,
        questions={one.request.id: one for one in questions},
    )


def _subject(session: Session, gated: Gated, decision: Escalate, permitted: StandingOffer) -> StandingSubject:
    services = session.services
    return StandingSubject.of(
        gated.action,
        permitted.same,
        tenant=session.run.tenant,
        agent=services.agent,
        thread_id=session.run.thread_id,
        principal=session.turn.principal,
        rules=decision.rules,
        routes=decision.routes,
        policy=services.policy.name,
        route_hash=services.policy.route_hash(gated.action.tool, decision.routes),
    )


def _objection(
    session: Session, standing: StandingApproval, question: Approval | None, decision: Escalate, now: float
) -> str | None:
    """Why a standing approval that fits may not be used: checked here, in the agent's process."""
    services = session.services
    if question is None:
        return "the question that it was given with is gone"
    if not all(services.verifier.decision(said) for said in question.decisions):
        return "a decision is not signed by a process that may verify people"
    if not session.steered.isdisjoint(standing.grant.givers):
        return "somebody who gave it has steered the turn"
    people = {identity: services.directory.find(identity) for identity in givers_of(question)}
    route = services.policy.route(decision.routes)
    return still_given(standing.grant, question, people, now, stages=route.stages, offer=route.standing)
