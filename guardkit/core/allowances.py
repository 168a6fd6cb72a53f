"""Standing approvals in words: what may be added to a yes, what somebody added, what is left."""

from guardkit.core.durations import format_duration
from guardkit.core.standing import StandingApproval, StandingOffer, StandingScope, StandingTerms
from guardkit.core.values import Json
from guardkit.core.visible import one_line

_LIMIT = 200

SCOPES: dict[StandingScope, str] = {
    "thread": "in this thread",
    "requester": "in all threads of whoever asked",
}
"""Each scope in words."""


def offered(offer: StandingOffer) -> str:
    """What people may add to a yes."""
    scopes = " or ".join(SCOPES[scope] for scope in offer.scopes)
    limit = offer.amount
    most = "" if limit is None else f", {_name(limit.argument)} at most {limit.at_most} in all"
    same = f", with the same {' and '.join(map(_name, offer.same))}" if offer.same else ""
    return (
        f"up to {_actions(offer.uses)} like it {scopes}, within {format_duration(offer.seconds)}{most}{same}"
    )


def wished(terms: StandingTerms) -> str:
    """What somebody added to a yes."""
    limit = terms.amount
    most = "" if limit is None else f", {_name(limit.argument)} at most {limit.at_most} in all"
    return (
        f"and {_actions(terms.uses)} like it {SCOPES[terms.scope]}, "
        f"within {format_duration(terms.seconds)}{most}{_same(terms.subject.same)}"
    )


def remaining(standing: StandingApproval) -> str:
    """What is left of a standing approval."""
    grant = standing.grant
    limit = grant.amount
    most = "" if limit is None else f", {standing.amount_left} of {limit.at_most} {_name(limit.argument)}"
    return f"{standing.uses_left} of {_actions(grant.uses)}{most}"


def bound(standing: StandingApproval) -> tuple[str, ...]:
    """Which arguments must be the same, each with its value."""
    return tuple(_pair(name, value) for name, value in sorted(standing.grant.subject.same.items()))


def _same(same: dict[str, Json]) -> str:
    pairs = [_pair(name, value) for name, value in sorted(same.items())]
    return f", with {', '.join(pairs)}" if pairs else ""


def _pair(name: str, value: Json) -> str:
    return f"{_name(name)} {one_line(str(value), _LIMIT)}"


def _name(text: str) -> str:
    return one_line(text, _LIMIT)


def _actions(count: int) -> str:
    return "1 action" if count == 1 else f"{count} actions"
