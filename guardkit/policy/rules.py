"""A tool's rules as they are enforced: conditions compiled, decisions made in advance."""

from dataclasses import dataclass

from guardkit.core.decisions import Allow, Decision, Escalate, Reject, Stop, strictest
from guardkit.core.no_result import NoResultReason
from guardkit.core.steps import Action
from guardkit.core.values import Json, JsonObject
from guardkit.policy.conditions import Condition, Scope, UnevaluableError
from guardkit.policy.document import ToolEntry, ToolRule
from guardkit.policy.facts import Facts
from guardkit.policy.shapes import (
    ANYTHING,
    IntShape,
    ListShape,
    MapShape,
    NumberShape,
    Shape,
    TextShape,
    record,
)

_PRINCIPAL = record(
    id=TextShape(),
    tenant=TextShape(),
    verified_by=TextShape(values=frozenset({"host", "server", "local_operator", "nobody"})),
)


def action_scope(args: Shape) -> Scope:
    """What a rule may look at, given the shape of the tool's arguments."""
    return Scope(
        variables={
            "args": args,
            "calls": IntShape(),
            "elapsed": NumberShape(),
            "flags": ListShape(item=TextShape()),
            "principal": _PRINCIPAL,
            "reads": MapShape(item=ANYTHING),
            "tool": TextShape(),
            "turn": IntShape(),
        },
        taint=True,
    )


def action_values(action: Action, facts: Facts) -> dict[str, Json]:
    """What the variables of a rule stand for."""
    flags: list[Json] = [*sorted(facts.flags)]
    principal: JsonObject = {
        "id": facts.principal.id,
        "tenant": facts.principal.tenant,
        "verified_by": facts.principal.verified_by,
    }
    return {
        "args": action.args,
        "calls": facts.calls,
        "elapsed": facts.elapsed,
        "flags": flags,
        "principal": principal,
        "reads": action.reads,
        "tool": action.tool,
        "turn": facts.turn,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRule:
    """A rule with its condition compiled."""

    id: str
    condition: Condition
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRules:
    """What holds for the calls of one tool."""

    otherwise: Decision
    rules: tuple[CheckedRule, ...]
    schema_version: str | None
    """The version of the schema that the rules were checked against; `None` if there was none yet."""

    def decide(self, action: Action, facts: Facts) -> Decision:
        """The strictest of what all matching rules demand; `otherwise` when none matches.

        A rule that cannot be evaluated demands a `Reject`.
        """
        if not self.rules:
            return self.otherwise
        if self.schema_version is None or action.schema_version != self.schema_version:
            return Reject(
                rules=("policy.unchecked",),
                why=("the policy's rules were not checked against this version of the tool's arguments",),
            )
        try:
            values = action_values(action, facts)
        except Exception as error:  # noqa: BLE001 - deciding is total: whatever is wrong with the facts, the answer is no
            return Reject(
                rules=("policy.unchecked",), why=(f"the facts cannot be read: {type(error).__name__}",)
            )
        matched = [found for rule in self.rules if (found := _opinion(rule, values, facts)) is not None]
        return strictest(matched) if matched else self.otherwise


def _opinion(rule: CheckedRule, values: JsonObject, facts: Facts) -> Decision | None:
    try:
        return rule.decision if rule.condition.holds(values, facts.tainted) else None
    except UnevaluableError as error:
        why = f"rule {rule.id!r} cannot be evaluated: {error}"
    except Exception as error:  # noqa: BLE001 - deciding is total: a rule without an answer is a no
        why = f"rule {rule.id!r} cannot be evaluated: {type(error).__name__}"
    return Reject(rules=(rule.id,), why=(why,))


def rule_decision(rule: ToolRule, route: str | None) -> Decision:
    """What a rule demands where it matches.

    Args:
        rule: the rule.
        route: the route of an escalation; without one it is a rejection.
    """
    ids, why = (rule.id,), (rule.why,) if rule.why else ()
    match rule.decide:
        case "allow":
            return Allow(rules=ids)
        case "escalate" if route is not None:
            return Escalate(routes=(route,), rules=ids, why=why)
        case "stop":
            return Stop(reason=rule.reason or NoResultReason.POLICY_DENIED, rules=ids, why=why)
        case "reject" | "escalate":
            if rule.tell_model is None:
                return Reject(rules=ids, why=why)
            return Reject(rules=ids, why=why, tell_model=rule.tell_model)


def otherwise_decision(tool: str, entry: ToolEntry, route: str | None) -> Decision:
    """What holds for a tool's calls when no rule matches."""
    ids = (f"{tool}.otherwise",)
    match entry.otherwise:
        case "allow":
            return Allow(rules=ids)
        case "escalate" if route is not None:
            return Escalate(routes=(route,), rules=ids, why=("the policy puts such calls to people",))
        case "reject" | "escalate":
            return Reject(rules=ids, why=("the policy rejects such calls",))


def default_decision(default: str, route: str | None) -> Decision:
    """What holds for tools without an entry."""
    ids, why = ("policy.default",), ("the policy has no entry for this tool",)
    if default == "escalate" and route is not None:
        return Escalate(routes=(route,), rules=ids, why=why)
    return Reject(rules=ids, why=why)
