"""The gate: what may an action do. Stop switch, session, checks and policy, the strictest of which wins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from guardkit.checks.budgets import exhausted
from guardkit.checks.provenance import tainted
from guardkit.checks.repetition import same_call
from guardkit.core import telemetry_names as names
from guardkit.core.decisions import (
    Allow,
    Decision,
    Edit,
    Escalate,
    Reject,
    Stop,
    demanded_by,
    floor,
    strictest,
)
from guardkit.core.digest import action_digest
from guardkit.core.no_result import NoResultReason
from guardkit.core.standing import StandingUse
from guardkit.core.steps import Action, ToolKind
from guardkit.core.values import JsonObject
from guardkit.core.verdicts import CheckContext, Verdict
from guardkit.policy import Facts
from guardkit.runtime.events import spanned, watched
from guardkit.runtime.needs import Ask, Flow
from guardkit.runtime.session import Session
from guardkit.runtime.tools import ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """An action and what holds for it."""

    action: Action
    """As it may run: after an edit, the edited one."""

    spec: ToolSpec
    decision: Decision
    digest: str
    original: str
    """The digest of the action as the model proposed it."""

    checks: tuple[JsonObject, ...] = ()
    """What each check said, for the audit log: its name, its verdict, and the type of the error if it failed."""

    standing: StandingUse | None = None
    """The standing approval that allows it, if one does; see `guardkit.runtime.covering`."""

    without: Escalate | None = None
    """What would hold without that."""


def digest_of(session: Session, action: Action) -> str:
    """The action's digest in this turn."""
    return action_digest(
        tool=action.tool,
        schema_version=action.schema_version,
        args=action.args,
        reads=action.reads,
        principal=session.turn.principal,
        salt=session.turn.salt,
    )


def verdict_of(name: str, result: Any) -> Verdict:
    """What a check's result means. Raising, being late or answering something else is a block."""
    if result is None:
        return Verdict(check=name)
    if isinstance(result, Verdict):
        return result.model_copy(update={"check": name})
    if isinstance(result, Exception):
        return Verdict(check=name, outcome="block", why=f"the check failed: {type(result).__name__}")
    return Verdict(
        check=name, outcome="block", why=f"the check returned {type(result).__name__}, not a Verdict"
    )


def gate(session: Session, spec: ToolSpec, action: Action, context: CheckContext) -> Flow[Gated]:
    """Decide on one action. Nothing is written; the caller audits the decision with what follows from it.

    An edit makes a new action, which is gated from the start, once, and falls no lower than the original.
    """
    policy = session.services.policy
    facts = {**session.facts, names.POLICY_ID: policy.name, names.POLICY_VERSION: policy.version}
    facts |= {names.TOOL: action.tool, names.TOOL_CALL: action.call_id}
    with spanned(session.services.telemetry, f"{names.APPLY_POLICY} {policy.name}", facts) as span:
        gated = yield from _gated(session, spec, action, context)
        rules = ",".join(gated.decision.rules)
        span.set({names.DECISION: gated.decision.kind, names.POLICY_RULE: rules})
    return gated


def _gated(session: Session, spec: ToolSpec, action: Action, context: CheckContext) -> Flow[Gated]:
    original = digest_of(session, action)
    opinions, said = yield from _opinions(session, spec, action, context)
    decision = strictest(opinions)
    proposed = Gated(
        action=action, spec=spec, decision=decision, digest=original, original=original, checks=said
    )
    if not isinstance(decision, Edit):
        return proposed
    try:
        edited = action.model_copy(update={"args": spec.validate(decision.args)})
    except ValueError:
        refused = Reject(rules=decision.rules, why=("the edited arguments do not fit the tool's schema",))
        return replace(proposed, decision=refused)
    again, more = yield from _opinions(session, spec, edited, context)
    decision = strictest([*again, floor(opinions)])
    if isinstance(decision, Edit):
        decision = Reject(rules=decision.rules, why=("an edited action would have to be edited again",))
    return replace(
        proposed, action=edited, decision=decision, digest=digest_of(session, edited), checks=said + more
    )


def _opinions(
    session: Session, spec: ToolSpec, action: Action, context: CheckContext
) -> Flow[tuple[list[Decision], tuple[JsonObject, ...]]]:
    """What everybody demands, and what each check said. Policy sees in `flags` which of them had something to say."""
    halted = _halted(session, spec, context)
    if halted is not None:
        return [halted], ()
    services = session.services
    verdicts = yield from _verdicts(session, action, context)
    flags = {verdict.check for verdict, _ in verdicts if verdict.outcome != "pass" or verdict.why}
    facts = Facts(
        principal=session.turn.principal,
        thread_id=session.run.thread_id,
        turn=session.run.turn,
        calls=context.calls,
        elapsed=context.elapsed,
        flags=context.flags.union(flags),
        tainted=partial(tainted, context),
    )
    opinions: list[Decision] = [services.policy.decide(action, facts)]
    if session.wary is not None and spec.kind is ToolKind.EFFECT:
        opinions.append(
            demanded_by(
                Verdict(check="next-step", outcome="review", why=session.wary),
                routes=services.policy.review_routes(action),
            )
        )
    stuck = same_call(context, action, services.policy.budgets.same_call)
    if stuck is not None:
        opinions.append(stuck)
    if verdicts:
        routes = services.policy.review_routes(action)
        opinions += [demanded_by(verdict, routes=routes) for verdict, _ in verdicts]
    return opinions, tuple(_said(verdict, result) for verdict, result in verdicts)


def _verdicts(session: Session, action: Action, context: CheckContext) -> Flow[list[tuple[Verdict, object]]]:
    """What each check says, and what it returned or raised."""
    services = session.services
    if not services.action_checks:
        return []
    about = {**session.facts, names.TOOL: action.tool, names.GUARD_STAGE: "action"}
    calls: list[Callable[[], Any]] = [
        watched(services.telemetry, name, about, partial(check, action, context))
        for name, check in services.action_checks
    ]
    results: Sequence[Any] = yield Ask(calls, services.check_timeout)
    return [
        (verdict_of(name, result), result)
        for (name, _), result in zip(services.action_checks, results, strict=True)
    ]


def _said(verdict: Verdict, result: object) -> JsonObject:
    """A verdict for the audit log, without its words."""
    remark: JsonObject = {"remark": True} if verdict.outcome == "pass" and verdict.why else {}
    failure: JsonObject = {"error": type(result).__name__} if isinstance(result, Exception) else {}
    return {"check": verdict.check, "verdict": verdict.outcome, **remark, **failure}


def _halted(session: Session, spec: ToolSpec, context: CheckContext) -> Decision | None:
    if session.stop is not None:
        return Stop(
            reason=NoResultReason.STOPPED_BY_OPERATOR,
            rules=("guardkit.stop",),
            why=(f"stop {session.stop.id}",),
        )
    spent = exhausted(
        session.services.policy.budgets,
        tool_calls=context.calls,
        steps=session.steps,
        seconds=context.elapsed,
    )
    if spent is not None:
        return spent
    if session.complete is not None and spec.kind is ToolKind.EFFECT:
        return Reject(
            rules=("guardkit.complete",),
            why=(session.complete,),
            tell_model="The task is complete. Write the answer.",
        )
    return None


def allowed(gated: Gated) -> Gated:
    """The same action after people said yes."""
    return replace(gated, decision=Allow(rules=gated.decision.rules))


def satisfied(decision: Decision, routes: Sequence[str]) -> bool:
    """Whether approvals on these routes are all that a decision still asks for."""
    return isinstance(decision, Allow) or (
        isinstance(decision, Escalate) and set(decision.routes) <= set(routes)
    )
