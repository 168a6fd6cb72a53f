"""Standing approvals: what people say yes to in advance, and for how much of it.

With a yes to one action people may add "and all like this", within what the policy permits. What they add is part of
their signed decision. A store keeps the standing approval in the transaction that settles the question, and counts it
down in the transaction that claims an effect. The rules over approvals are in `guardkit.core.granting`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

from pydantic import Field

from guardkit.core.amounts import StandingAmount, added, left_of, written
from guardkit.core.audit import AuditEvent
from guardkit.core.digest import canonical, sha256
from guardkit.core.people import Assurance
from guardkit.core.principals import Principal
from guardkit.core.steps import Action
from guardkit.core.values import Json, JsonObject, Value

StandingScope: TypeAlias = Literal["thread", "requester"]
"""`thread`: calls in the thread that was asked in. `requester`: calls in every thread of whom that turn acts for."""

StandingState: TypeAlias = Literal["active", "used_up", "over", "revoked"]

WHY_LIMIT = 500
"""Characters of the reason of a revocation."""


class StandingOffer(Value):
    """What a policy lets people add to a yes, as it was when they were asked."""

    scopes: tuple[StandingScope, ...] = Field(min_length=1)
    seconds: float = Field(gt=0)
    """How long it stands at most, from the yes."""

    uses: int = Field(ge=1)
    """How many actions it is good for at most, the one that is asked about not counted."""

    amount: StandingAmount | None = None
    same: tuple[str, ...] = ()
    """Arguments that must be those of the action that is asked about."""


class StandingWish(Value):
    """What one person adds to a yes."""

    scope: StandingScope
    seconds: float = Field(gt=0)
    """From the yes."""

    uses: int = Field(ge=1)
    at_most: str | None = Field(default=None, max_length=61)
    """The sum of the limited argument, as a decimal; `None`: as much as the policy permits."""


class StandingSubject(Value):
    """What "like this" means: everything here is the same, or the action is not like it."""

    tenant: str
    agent: str
    thread_id: str
    """The thread that was asked in; it need not be the same where the scope is `requester`."""

    principal: Principal
    tool: str
    schema_version: str
    """Hash of the tool's argument schema."""

    rules: tuple[str, ...]
    routes: tuple[str, ...]
    policy: str
    route_hash: str
    """Hash of the tool's rules, its routes and their stages: any change of these in the policy ends it."""

    same: JsonObject = Field(default_factory=dict)
    """Arguments that the policy wants to be equal, with their values."""

    reads: JsonObject = Field(default_factory=dict)
    """What else the tool reads."""

    @classmethod
    def of(
        cls,
        action: Action,
        same: Iterable[str],
        *,
        tenant: str,
        agent: str,
        thread_id: str,
        principal: Principal,
        rules: tuple[str, ...],
        routes: tuple[str, ...],
        policy: str,
        route_hash: str,
    ) -> "StandingSubject":
        """What an action is like.

        Args:
            action: the call.
            same: names of the arguments that must be equal.
            tenant: whose thread it is.
            agent: the agent's name.
            thread_id: the thread.
            principal: whom the turn acts for.
            rules: ids of the rules that put it to people.
            routes: names of the routes that they put it on.
            policy: the policy's name.
            route_hash: the policy's hash of how the tool is put to people on these routes.
        """
        return cls(
            tenant=tenant,
            agent=agent,
            thread_id=thread_id,
            principal=principal,
            tool=action.tool,
            schema_version=action.schema_version,
            rules=rules,
            routes=routes,
            policy=policy,
            route_hash=route_hash,
            same={name: action.args.get(name) for name in same},
            reads=action.reads,
        )

    def is_like(self, other: "StandingSubject", scope: StandingScope) -> bool:
        """Whether another action is like this one. Values are equal exactly if their RFC 8785 forms are."""
        if scope == "requester":
            other = other.model_copy(update={"thread_id": self.thread_id})
        return _form(self) == _form(other)


class StandingTerms(Value):
    """What one person has signed beside a yes: what it is about, and how much of it."""

    subject: StandingSubject
    scope: StandingScope
    seconds: float
    """How long, from the decision."""

    uses: int
    amount: StandingAmount | None

    def is_same(self, other: "StandingTerms") -> bool:
        """Whether they are equal to the last byte of their RFC 8785 form."""
        return _form(self) == _form(other)


class StandingGrant(Value):
    """A standing approval as it was given. Never changes; made of signed decisions, so anybody can make it again."""

    id: str
    approval_id: str
    """The question that people said yes to."""

    subject: StandingSubject
    scope: StandingScope
    uses: int
    amount: StandingAmount | None
    givers: tuple[str, ...]
    """`Person.id` of everybody who said it, those for whom a delegate did included."""

    given_at: float
    """Seconds since the epoch, by the database's clock, like the next one."""

    until: float
    """From then on it is over."""

    @property
    def key(self) -> str:
        """By which the standing approvals that an action may be like are found."""
        return standing_key(self.subject.agent, self.subject.tool, self.subject.principal.id)

    def is_same(self, other: "StandingGrant") -> bool:
        """Whether they are equal to the last byte of their RFC 8785 form."""
        return _form(self) == _form(other)

    def event(self, kind: str, **data: Json) -> AuditEvent:
        """An event of the audit log about it."""
        facts: JsonObject = {"standing": self.id, "tool": self.subject.tool}
        return AuditEvent(kind=kind, thread_id=self.subject.thread_id, data=facts | data)

    def giving(self) -> AuditEvent:
        """What the audit log has of its beginning."""
        limit: JsonObject = {} if self.amount is None else {**self.amount.model_dump(mode="json")}
        return self.event(
            "standing.given",
            approval=self.approval_id,
            agent=self.subject.agent,
            scope=self.scope,
            givers=[*self.givers],
            rules=[*self.subject.rules],
            uses=self.uses,
            until=self.until,
            **limit,
        )


class StandingRevocation(Value):
    """Who ended a standing approval, signed by the process that verified the person."""

    standing_id: str
    tenant: str
    by: str
    """`Person.id`, or the operator's name."""

    operator: bool
    """Whether it was an operator, at the machine itself, and nobody whom the directory knows."""

    via: str
    assurance: Assurance
    why: str = Field(min_length=1, max_length=WHY_LIMIT)
    at: float
    """Seconds since the epoch, by the database's clock."""

    key_id: str = ""
    signature: str = ""

    def signed_part(self) -> JsonObject:
        """All fields but the signature itself."""
        return self.model_dump(mode="json", exclude={"signature"})


class StandingApproval(Value):
    """A standing approval, and what is left of it."""

    grant: StandingGrant
    used: int = Field(default=0, ge=0)
    spent: str = "0"
    """The sum of the limited argument so far, as a decimal; 0 where none is limited."""

    revocation: StandingRevocation | None = None

    @property
    def id(self) -> str:
        """The grant's id."""
        return self.grant.id

    @property
    def uses_left(self) -> int:
        """How many more actions it is good for."""
        return max(self.grant.uses - self.used, 0)

    @property
    def amount_left(self) -> str | None:
        """How much of the sum is left, as a decimal; `None` where no argument is limited."""
        limit = self.grant.amount
        if limit is None:
            return None
        return left_of(limit.at_most, self.spent)

    def state(self, now: float) -> StandingState:
        """How it stands at a time, by the database's clock."""
        if self.revocation is not None:
            return "revoked"
        if self.uses_left == 0 or self.amount_left == "0":
            return "used_up"
        return "over" if now >= self.grant.until else "active"

    def lapsed(self, amount: str, now: float) -> str | None:
        """Why it is not good for one more action, or `None` when it is.

        Args:
            amount: the action's part of the sum, as a decimal; "0" where no argument is limited.
            now: seconds since the epoch, by the database's clock.
        """
        if self.revocation is not None:
            return "it is revoked"
        if now >= self.grant.until:
            return "its time is over"
        if self.uses_left == 0:
            return "it is used up"
        limit = self.grant.amount
        if limit is not None and added(self.spent, amount) > Decimal(limit.at_most):
            return f"{limit.argument} is more than what is left of it"
        return None

    def counted(self, amount: str) -> "StandingApproval":
        """It after one more use."""
        return self.model_copy(update={"used": self.used + 1, "spent": written(added(self.spent, amount))})


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingUse:
    """One action that a standing approval is to be used for."""

    standing: StandingApproval
    """As it was checked."""

    amount: str
    """The action's part of the sum, as a decimal; "0" where no argument is limited."""

    replay: bool = False
    """Whether the action was started before, so that only the ledger has something to say about it."""

    def event(self, after: StandingApproval, *, turn: int, thread_id: str, action_id: str) -> AuditEvent:
        """What the audit log has of the use.

        Args:
            after: what is left.
            turn: number of the turn that uses it.
            thread_id: its thread.
            action_id: the action that it is used for.
        """
        grant = self.standing.grant
        left: JsonObject = {} if after.amount_left is None else {"amount_left": after.amount_left}
        facts: JsonObject = {
            "standing": grant.id,
            "given_with": grant.approval_id,
            "action": action_id,
            "tool": grant.subject.tool,
            "givers": [*grant.givers],
            "uses_left": after.uses_left,
        }
        return AuditEvent(kind="standing.used", thread_id=thread_id, turn=turn, data=facts | left)


class StandingApprovals(Protocol):
    """Standing approvals. `Approvals.settle` keeps them, `Effects.claim` counts them down."""

    def standing_approval(self, tenant: str, standing_id: str) -> StandingApproval | None:
        """One of a tenant's; `None` where there is none, or in another tenant."""
        ...

    def standing_approvals(
        self,
        tenant: str | None = None,
        *,
        thread_id: str | None = None,
        active: bool | None = None,
        limit: int = 100,
    ) -> Sequence[StandingApproval]:
        """Standing approvals, newest first; of every tenant when `tenant` is `None`.

        Args:
            tenant: whose.
            thread_id: only those that were given in this thread.
            active: only those that are good for something now, or only those that are not; all of them when `None`.
            limit: how many at most.
        """
        ...

    def standing_for(self, tenant: str, key: str, limit: int = 100) -> Sequence[StandingApproval]:
        """Those with a `StandingGrant.key` that are neither revoked, used up nor over; what ends first comes first."""
        ...

    def revoke_standing(
        self, revocation: StandingRevocation, events: Sequence[AuditEvent]
    ) -> StandingApproval | None:
        """End one, at once: what is claimed from then on cannot use it. `None` when it is revoked already.

        Raises:
            UnknownApprovalError: the tenant has none with this id.
        """
        ...


def standing_key(agent: str, tool: str, principal: str) -> str:
    """A short hash by which a store finds what may fit an action."""
    return sha256("guardkit.standing-key.v1", [agent, tool, principal])[:32]


def standing_id(approval_id: str) -> str:
    """The id of the standing approval that is given with a question."""
    return sha256("guardkit.standing-id.v1", [approval_id])[:32]


def _form(value: Value) -> bytes:
    return canonical(value.model_dump(mode="json"))
