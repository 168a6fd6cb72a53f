"""Approval routes: how people are asked, and how several routes become one."""

from collections.abc import Mapping, Sequence

from guardkit.core.approvals import DecisionKind, OnExpiry, Order
from guardkit.core.calendars import BusinessTime, Calendar, Deadline
from guardkit.core.glass import BreakGlass
from guardkit.core.stages import ApprovalStage, Escalation, Exemption
from guardkit.core.standing import StandingOffer
from guardkit.core.values import JsonObject, Value
from guardkit.policy.document import Approver, EscalationEntry, ExemptionEntry, RouteEntry, StageEntry
from guardkit.policy.emergencies import glass_of, narrowest
from guardkit.policy.standing import least, offer_of

_STRICTNESS: dict[OnExpiry, int] = {"keep": 0, "reject": 1, "no_result": 2}


class ApprovalRoute(Value):
    """How one action is put to people."""

    names: tuple[str, ...]
    """The routes of the policy that it was made of."""

    stages: tuple[ApprovalStage, ...]
    """In order."""

    order: Order = "in_turn"
    """Whether each stage waits for the one before it, or all of them wait at once."""

    exclude_requester: bool
    """Whether whoever started or steered the turn may not decide."""

    exemptions: tuple[Exemption, ...] = ()
    """Why they may, where they are not excluded; all of it must admit them."""

    expires_in: float | None
    """Seconds from the question to its expiry; `None` when only working time counts."""

    deadlines: tuple[Deadline, ...] = ()
    """Working times from the question to its expiry. The earliest end of all counts."""

    on_expiry: OnExpiry
    valid_for: float | None
    """Seconds from the last decision to the execution; `None` without limit."""

    allowed: tuple[DecisionKind, ...]
    comment_required: tuple[DecisionKind, ...] = ()
    """What needs a comment beside `reject` and `respond`, which always do."""

    break_glass: BreakGlass | None = None
    """Who may settle it alone in an emergency; nobody without it."""

    standing: StandingOffer | None = None
    """What people may add to a yes; nothing without it."""

    @classmethod
    def of(
        cls, name: str, entry: RouteEntry, calendars: Mapping[str, Calendar], *, delegation: bool = False
    ) -> "ApprovalRoute":
        """The route that a policy file describes.

        Args:
            name: its name in the policy.
            entry: what the file says.
            calendars: those that it and its stages name, and maybe others.
            delegation: what the policy says of delegation in all stages.
        """
        deadlines: tuple[Deadline, ...] = ()
        if isinstance(entry.expires_in, BusinessTime) and entry.calendar is not None:
            deadlines = (Deadline(after=entry.expires_in, calendar=calendars[entry.calendar]),)
        return cls(
            names=(name,),
            stages=tuple(stage_of(stage, entry, calendars, delegation=delegation) for stage in entry.stages),
            order=entry.order,
            exclude_requester=entry.exclude_requester,
            exemptions=() if entry.exemption is None else (exemption_of(entry.exemption),),
            expires_in=entry.expires_in if isinstance(entry.expires_in, float) else None,
            deadlines=deadlines,
            on_expiry=entry.on_expiry,
            valid_for=entry.valid_for,
            allowed=entry.allowed_decisions,
            comment_required=entry.comment_required,
            break_glass=None if entry.break_glass is None else glass_of(entry.break_glass),
            standing=None if entry.standing is None else offer_of(entry.standing),
        )

    @classmethod
    def merged(cls, routes: Sequence["ApprovalRoute"]) -> "ApprovalRoute":
        """One route that satisfies them all; there must be at least one.

        All stages, one route after the other, a stage that several routes share once, asked together where each
        route asks its own so; the shortest times, the strictest expiry, every comment that one demands, the decisions,
        the exemption, the broken glass and the standing approvals that all of them allow.
        """
        if len(routes) == 1:
            return routes[0]
        ends = [route.expires_in for route in routes if route.expires_in is not None]
        limits = [route.valid_for for route in routes if route.valid_for is not None]
        return cls(
            names=tuple(dict.fromkeys(name for route in routes for name in route.names)),
            stages=tuple(dict.fromkeys(stage for route in routes for stage in route.stages)),
            order="together" if all(route.order == "together" for route in routes) else "in_turn",
            exclude_requester=any(route.exclude_requester for route in routes),
            exemptions=_common([route.exemptions for route in routes]),
            expires_in=min(ends, default=None),
            deadlines=tuple(dict.fromkeys(one for route in routes for one in route.deadlines)),
            on_expiry=max(routes, key=lambda route: _STRICTNESS[route.on_expiry]).on_expiry,
            valid_for=min(limits) if limits else None,
            allowed=tuple(
                kind for kind in routes[0].allowed if all(kind in route.allowed for route in routes)
            ),
            comment_required=tuple(
                dict.fromkeys(kind for route in routes for kind in route.comment_required)
            ),
            break_glass=narrowest([route.break_glass for route in routes]),
            standing=least([route.standing for route in routes]),
        )


_LATER: JsonObject = {
    "calendar": None, "remind_at": [], "break_glass": None, "order": "in_turn", "comment_required": [],
    "exemption": None, "standing": None,
}  # fmt: skip
"""What routes and stages could not say before there was such a thing, and what stands for not saying it."""


def hashed(entry: RouteEntry) -> JsonObject:
    """What a route's hash is made of: without what it does not say, so that it is the hash of before one could say it."""
    fields: JsonObject = entry.model_dump(mode="json")
    stages = fields["stages"]
    for one in (fields, *(stages if isinstance(stages, list) else ())):
        if isinstance(one, dict):
            unsaid = {**_LATER, "reject_quorum": 1 if one is fields else None}
            for key, value in unsaid.items():
                if key in one and one[key] == value:
                    del one[key]
    return fields


def _common(found: Sequence[tuple[Exemption, ...]]) -> tuple[Exemption, ...]:
    """What exempts whoever asked where several routes must agree: each of them must."""
    return tuple(dict.fromkeys(one for exemptions in found for one in exemptions)) if all(found) else ()


def stage_of(
    entry: StageEntry, route: RouteEntry, calendars: Mapping[str, Calendar], *, delegation: bool = False
) -> ApprovalStage:
    """The stage that a policy file describes, with what its route and policy say of all of its stages."""
    calendar = entry.calendar or route.calendar
    return ApprovalStage(
        role=entry.role,
        approvers=_people(entry.approvers),
        groups=_groups(entry.approvers),
        required=entry.required,
        reject_quorum=route.reject_quorum if entry.reject_quorum is None else entry.reject_quorum,
        channels=entry.channel,
        assurance=entry.assurance,
        reminders=tuple(sorted(set(route.remind), key=_about)),
        escalations=tuple(map(step_of, sorted(route.escalate, key=lambda step: _about(step.after)))),
        calendar=None if calendar is None else calendars[calendar],
        remind_at=tuple(sorted(set(route.remind_at))),
        delegation=delegation if entry.delegation is None else entry.delegation,
    )


def exemption_of(entry: ExemptionEntry) -> Exemption:
    """The exemption that a policy file describes."""
    people = entry.people or ()
    return Exemption(reason=entry.reason, approvers=_people(people), groups=_groups(people))


def step_of(entry: EscalationEntry) -> Escalation:
    """The escalation that a policy file describes."""
    return Escalation(
        after=entry.after,
        role=entry.role,
        approvers=_people(entry.add),
        groups=_groups(entry.add),
        channels=entry.channel,
    )


def _about(after: float | BusinessTime) -> float:
    """The seconds that it takes at least, for an order to tell them in."""
    return after.days * 86400.0 + after.seconds if isinstance(after, BusinessTime) else after


def _people(listed: Sequence[Approver]) -> tuple[str, ...]:
    return tuple(who.identity for who in listed if who.identity is not None)


def _groups(listed: Sequence[Approver]) -> tuple[str, ...]:
    return tuple(who.group for who in listed if who.group is not None)
