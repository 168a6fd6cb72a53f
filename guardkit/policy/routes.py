"""Approval routes: how people are asked, and how several routes become one."""

from collections.abc import Sequence

from guardkit.core.approvals import DecisionKind, OnExpiry
from guardkit.core.glass import BreakGlass
from guardkit.core.stages import ApprovalStage, Escalation
from guardkit.core.values import Value
from guardkit.policy.document import Approver, EscalationEntry, RouteEntry, StageEntry
from guardkit.policy.emergencies import glass_of, narrowest

_STRICTNESS: dict[OnExpiry, int] = {"keep": 0, "reject": 1, "no_result": 2}


class ApprovalRoute(Value):
    """How one action is put to people."""

    names: tuple[str, ...]
    """The routes of the policy that it was made of."""

    stages: tuple[ApprovalStage, ...]
    """In order."""

    exclude_requester: bool
    """Whether whoever started or steered the turn may not decide."""

    expires_in: float
    """Seconds from the question to its expiry."""

    on_expiry: OnExpiry
    valid_for: float | None
    """Seconds from the last decision to the execution; `None` without limit."""

    allowed: tuple[DecisionKind, ...]
    break_glass: BreakGlass | None = None
    """Who may settle it alone in an emergency; nobody without it."""

    @classmethod
    def of(cls, name: str, entry: RouteEntry, *, delegation: bool = False) -> "ApprovalRoute":
        """The route that a policy file describes.

        Args:
            name: its name in the policy.
            entry: what the file says.
            delegation: what the policy says of delegation in all stages.
        """
        return cls(
            names=(name,),
            stages=tuple(stage_of(stage, entry, delegation=delegation) for stage in entry.stages),
            exclude_requester=entry.exclude_requester,
            expires_in=entry.expires_in,
            on_expiry=entry.on_expiry,
            valid_for=entry.valid_for,
            allowed=entry.allowed_decisions,
            break_glass=None if entry.break_glass is None else glass_of(entry.break_glass),
        )

    @classmethod
    def merged(cls, routes: Sequence["ApprovalRoute"]) -> "ApprovalRoute":
        """One route that satisfies them all; there must be at least one.

        All stages, one route after the other, a stage that several routes share once; the shortest times, the
        strictest expiry, the decisions and the broken glass that all of them allow.
        """
        if len(routes) == 1:
            return routes[0]
        limits = [route.valid_for for route in routes if route.valid_for is not None]
        return cls(
            names=tuple(dict.fromkeys(name for route in routes for name in route.names)),
            stages=tuple(dict.fromkeys(stage for route in routes for stage in route.stages)),
            exclude_requester=any(route.exclude_requester for route in routes),
            expires_in=min(route.expires_in for route in routes),
            on_expiry=max(routes, key=lambda route: _STRICTNESS[route.on_expiry]).on_expiry,
            valid_for=min(limits) if limits else None,
            allowed=tuple(
                kind for kind in routes[0].allowed if all(kind in route.allowed for route in routes)
            ),
            break_glass=narrowest([route.break_glass for route in routes]),
        )


def stage_of(entry: StageEntry, route: RouteEntry, *, delegation: bool = False) -> ApprovalStage:
    """The stage that a policy file describes, with what its route and policy say of all of its stages."""
    return ApprovalStage(
        role=entry.role,
        approvers=_people(entry.approvers),
        groups=_groups(entry.approvers),
        required=entry.required,
        channels=entry.channel,
        assurance=entry.assurance,
        reminders=tuple(sorted(set(route.remind))),
        escalations=tuple(map(step_of, sorted(route.escalate, key=lambda step: step.after))),
        delegation=delegation if entry.delegation is None else entry.delegation,
    )


def step_of(entry: EscalationEntry) -> Escalation:
    """The escalation that a policy file describes."""
    return Escalation(
        after=entry.after,
        role=entry.role,
        approvers=_people(entry.add),
        groups=_groups(entry.add),
        channels=entry.channel,
    )


def _people(listed: Sequence[Approver]) -> tuple[str, ...]:
    return tuple(who.identity for who in listed if who.identity is not None)


def _groups(listed: Sequence[Approver]) -> tuple[str, ...]:
    return tuple(who.group for who in listed if who.group is not None)
