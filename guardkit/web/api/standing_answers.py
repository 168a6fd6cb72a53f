"""What callers are told of standing approvals."""

from datetime import datetime

from guardkit.core.standing import StandingApproval, StandingOffer, StandingScope, StandingState
from guardkit.core.values import JsonObject, Value
from guardkit.web.api.moments import moment


class StandingOffered(Value):
    """What a yes may add, of actions like the one that is asked about."""

    scopes: tuple[StandingScope, ...]
    seconds: float
    """How long it stands at most, from the yes."""

    uses: int
    argument: str | None
    """The argument whose sum is limited, if one is."""

    at_most: str | None
    same: tuple[str, ...]
    """Arguments that must be those of the action that is asked about."""

    @classmethod
    def of(cls, offer: StandingOffer) -> "StandingOffered":
        """What a question permits."""
        limit = offer.amount
        return cls(
            scopes=offer.scopes,
            seconds=offer.seconds,
            uses=offer.uses,
            argument=None if limit is None else limit.argument,
            at_most=None if limit is None else limit.at_most,
            same=offer.same,
        )


class StandingEnded(Value):
    """Who revoked it."""

    by: str
    operator: bool
    why: str
    via: str
    at: datetime


class StandingItem(Value):
    """A standing approval, and what is left of it."""

    id: str
    state: StandingState
    approval: str
    """The question that it was given with."""

    tool: str
    agent: str
    scope: StandingScope
    thread: str
    """Where it was given; with scope `thread` the only one in which it is good for something."""

    requester: str
    """Whom the turns act for."""

    same: JsonObject
    """Arguments that must be so."""

    rules: tuple[str, ...]
    givers: tuple[str, ...]
    given_at: datetime
    until: datetime
    uses: int
    uses_left: int
    argument: str | None
    at_most: str | None
    amount_left: str | None
    revoked: StandingEnded | None

    @classmethod
    def of(cls, standing: StandingApproval, now: float) -> "StandingItem":
        """A standing approval as callers see it.

        Args:
            standing: as it stands.
            now: seconds since the epoch, by the database's clock.
        """
        grant, ended = standing.grant, standing.revocation
        limit = grant.amount
        return cls(
            id=grant.id,
            state=standing.state(now),
            approval=grant.approval_id,
            tool=grant.subject.tool,
            agent=grant.subject.agent,
            scope=grant.scope,
            thread=grant.subject.thread_id,
            requester=grant.subject.principal.id,
            same=grant.subject.same,
            rules=grant.subject.rules,
            givers=grant.givers,
            given_at=moment(grant.given_at),
            until=moment(grant.until),
            uses=grant.uses,
            uses_left=standing.uses_left,
            argument=None if limit is None else limit.argument,
            at_most=None if limit is None else limit.at_most,
            amount_left=standing.amount_left,
            revoked=None
            if ended is None
            else StandingEnded(
                by=ended.by, operator=ended.operator, why=ended.why, via=ended.via, at=moment(ended.at)
            ),
        )


class StandingList(Value):
    """Standing approvals, newest first."""

    items: tuple[StandingItem, ...]
