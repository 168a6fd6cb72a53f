"""What is enforced on an action, and how several opinions become one.

`strictest` is a symmetric function of all opinions, so the order in which checks and rules are evaluated cannot
matter, and one more opinion never loosens the result.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias, assert_never

from pydantic import Field

from guardkit.core.digest import canonical
from guardkit.core.no_result import NoResultReason
from guardkit.core.values import JsonObject, Value
from guardkit.core.verdicts import Verdict


class Allow(Value):
    """The action runs."""

    kind: Literal["allow"] = "allow"
    rules: tuple[str, ...] = ()


class Edit(Value):
    """The action runs with other arguments, once these have been gated from the start."""

    kind: Literal["edit"] = "edit"
    args: JsonObject
    rules: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


class Escalate(Value):
    """People decide. All named routes must agree."""

    kind: Literal["escalate"] = "escalate"
    routes: tuple[str, ...]
    """Names of the policy's approval routes, sorted."""

    rules: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


class Reject(Value):
    """The action does not run; the model is told what it may know."""

    kind: Literal["reject"] = "reject"
    rules: tuple[str, ...] = ()
    why: tuple[str, ...] = ()
    tell_model: str = "This action is not permitted."


class Stop(Value):
    """The turn ends with a `NoResult`."""

    kind: Literal["stop"] = "stop"
    reason: NoResultReason = NoResultReason.POLICY_DENIED
    rules: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


Decision: TypeAlias = Annotated[Allow | Edit | Escalate | Reject | Stop, Field(discriminator="kind")]

NOTHING_DECIDED = Reject(rules=("guardkit.nothing-decided",), why=("neither a rule nor a default applies",))
"""Silence is no: what holds when nobody decided."""

_RANK: dict[str, int] = {"allow": 0, "edit": 1, "escalate": 2, "reject": 3, "stop": 4}


def rank(decision: Decision) -> int:
    """Strictness as a number: `Allow` 0, `Edit` 1, `Escalate` 2, `Reject` 3, `Stop` 4."""
    return _RANK[decision.kind]


def _union(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({item for part in parts for item in part}))


def strictest(decisions: Iterable[Decision]) -> Decision:
    """The strictest of all decisions; of equally strict ones, all together; of none, a `Reject`.

    Two edits with different arguments cannot both be made, so they are a `Reject`.
    """
    opinions = list(decisions)
    if not opinions:
        return NOTHING_DECIDED
    edits = [opinion for opinion in opinions if isinstance(opinion, Edit)]
    if any(canonical(edit.args) != canonical(edits[0].args) for edit in edits[1:]):
        rules = _union(edit.rules for edit in edits)
        why = _union(edit.why for edit in edits)
        opinions.append(Reject(rules=rules, why=(*why, "edits of one action contradict each other")))
    top = max(map(rank, opinions))
    equals = [opinion for opinion in opinions if rank(opinion) == top]
    rules = _union(opinion.rules for opinion in equals)
    why = _union(opinion.why for opinion in equals if not isinstance(opinion, Allow))
    match equals[0]:
        case Allow():
            return Allow(rules=rules)
        case Edit(args=args):
            return Edit(args=args, rules=rules, why=why)
        case Escalate():
            routes = _union(opinion.routes for opinion in equals if isinstance(opinion, Escalate))
            return Escalate(routes=routes, rules=rules, why=why)
        case Reject():
            tell = min(opinion.tell_model for opinion in equals if isinstance(opinion, Reject))
            return Reject(rules=rules, why=why, tell_model=tell)
        case Stop():
            reason = min(opinion.reason for opinion in equals if isinstance(opinion, Stop))
            return Stop(reason=reason, rules=rules, why=why)


def demanded_by(verdict: Verdict, *, routes: tuple[str, ...]) -> Decision:
    """The least strict decision that respects a verdict.

    Args:
        verdict: what a check said.
        routes: the approval routes to take for `review`; without any, a review is a `Reject`.
    """
    rules = (f"check:{verdict.check}",)
    why = (verdict.why,) if verdict.why else ()
    match verdict.outcome:
        case "pass":
            return Allow(rules=())
        case "edit":
            return Edit(args=verdict.edited_args or {}, rules=rules, why=why)
        case "review":
            if not routes:
                return Reject(
                    rules=rules, why=(*why, "a check asks for review and the policy names no route")
                )
            return Escalate(routes=tuple(sorted(set(routes))), rules=rules, why=why)
        case "block":
            if verdict.tell_model:
                return Reject(rules=rules, why=why, tell_model=verdict.tell_model)
            return Reject(rules=rules, why=why)
        case "stop":
            return Stop(reason=NoResultReason.CHECK_FAILED, rules=rules, why=why)
        case _:
            assert_never(verdict.outcome)


def floor(decisions: Iterable[Decision]) -> Decision:
    """What an edited action may not fall below: the strictest of the original's decisions that is no edit."""
    return strictest([Allow(), *(decision for decision in decisions if not isinstance(decision, Edit))])
