"""Asking people: the request, what they said, and the state machine between the two.

    pending ──> approved ──> consumed       (by the quorum, or by a broken glass: `guardkit.core.breaking`)
       │            ├──────> expired     (not used within `valid_for`)
       │            └──────> cancelled   (stopped, superseded)
       ├──> rejected
       ├──> responded                    (words for the model instead of the action)
       ├──> expired
       └──> cancelled

Every settled state but `approved` is final. `guardkit.core.deciding` is the way in for people, and `break_glass` for emergencies; both are pure, so
the process that verified a person and the process that consumes the approval judge by the same rule.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Literal, TypeAlias

from pydantic import Field

from guardkit.core.askers import NOT_LOOKED_UP, Askers
from guardkit.core.calendars import Deadline
from guardkit.core.digest import action_digest
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance, Person
from guardkit.core.principals import Principal
from guardkit.core.seating import Seating, seated
from guardkit.core.stages import ApprovalStage, Exemption
from guardkit.core.standing import StandingOffer, StandingTerms
from guardkit.core.steps import Action
from guardkit.core.terms import Terms
from guardkit.core.values import JsonObject, Value
from guardkit.errors import DecisionRefusedError

DecisionKind: TypeAlias = Literal["approve", "edit", "reject", "respond"]
SaidKind: TypeAlias = Literal["approve", "edit", "reject", "respond", "break_glass"]
IN_PLACE = frozenset({"inbox", "cli"})
"""What a decision names in place of a delivery where its person came by no message: they looked for it there."""

OnExpiry: TypeAlias = Literal["reject", "no_result", "keep"]
Order: TypeAlias = Literal["in_turn", "together"]


class ApprovalState(StrEnum):
    """Where an approval stands; see the module's diagram."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    RESPONDED = "responded"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CONSUMED = "consumed"

    @property
    def settled(self) -> bool:
        """Whether people have nothing left to say."""
        return self is not ApprovalState.PENDING


class ApprovalRequest(Value):
    """The question to people. Never changes once it is registered."""

    id: str
    tenant: str
    thread_id: str
    namespace: str
    turn: int
    agent: str
    action: Action
    digest: str
    salt: str
    principal: Principal
    excluded: tuple[str, ...] = ()
    """Identities that may not decide: whoever started the turn, and who has steered it before the question was asked."""

    exemptions: tuple[Exemption, ...] = ()
    """What lets them decide all the same, for themselves: all of it must. Nothing does when there is none."""

    thought: str = ""
    """What the model wrote beside the call, cut to 2,000 characters."""

    why: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    policy: str
    policy_version: str
    routes: tuple[str, ...]
    route_hash: str
    """Hash of rules, routes and stages: while it is unchanged in today's policy the approval stands."""

    terms: Terms | None = None
    """What it is made of; while that is unchanged, so far as it applied, the approval stands too."""

    stages: tuple[ApprovalStage, ...] = Field(min_length=1)
    order: Order = "in_turn"
    """Whether each stage waits for the one before it, or all of them wait at once."""

    allowed: tuple[DecisionKind, ...] = ("approve", "edit", "reject")
    comment_required: tuple[DecisionKind, ...] = ()
    """What needs a comment beside `reject` and `respond`, which always do."""

    args_schema: JsonObject = Field(default_factory=dict)
    """JSON schema of the tool's arguments, to validate edits with."""

    requested_at: float
    """Seconds since the epoch, by the database's clock."""

    expires_at: float | None = None
    """Seconds since the epoch; `None` never."""

    deadlines: tuple[Deadline, ...] = ()
    """Working times from the question to its expiry. The store makes `expires_at` of them; the earliest counts."""

    on_expiry: OnExpiry
    valid_for: float | None = None
    """Seconds from the last decision to the execution; `None` without limit."""

    break_glass: BreakGlass | None = None
    standing: StandingOffer | None = None
    """What people may add to a yes; nothing without it."""

    traceparent: str | None = None

    @property
    def delegable(self) -> bool:
        """Whether a delegate may answer in any of the stages."""
        return any(stage.delegation for stage in self.stages)

    def needs_comment(self, kind: DecisionKind) -> bool:
        """Whether a decision counts only with the person's words."""
        return kind in ("reject", "respond") or kind in self.comment_required

    @property
    def unanswerable(self) -> bool:
        """Whether nobody may ever answer: nobody has verified who asked, so anybody may have, and nobody is exempt."""
        return bool(self.excluded) and self.principal.verified_by == "nobody" and not self.exemptions

    def is_asker(self, person: Person, askers: Askers = NOT_LOOKED_UP) -> bool:
        """Whether somebody started or steered the turn, in any of their identities.

        Where nobody has verified whom the turn acts for, everybody counts as the one who did. Where delegates may
        answer, whoever is a delegate of an asker, or has an asker for a delegate, is one person with them.

        Args:
            person: the directory's record.
            askers: the directory's records behind `excluded`.
        """
        if not self.excluded:
            return False
        if self.principal.verified_by == "nobody":
            return True
        named = any(person.answers_to(identity) for identity in self.excluded)
        return named or askers.have(person, delegable=self.delegable)

    def exemption(self, person: Person, askers: Askers = NOT_LOOKED_UP) -> str | None:
        """The reason for which whoever asked may decide, or `None`: they may not, or have not asked."""
        if not self.exemptions or not self.is_asker(person, askers):
            return None
        if not all(one.admits(person) for one in self.exemptions):
            return None
        return "; ".join(dict.fromkeys(one.reason for one in self.exemptions))

    def excludes(self, person: Person, absent: Person | None, askers: Askers) -> bool:
        """Whether somebody may not decide because they asked. Who is exempt may do so in person only.

        Args:
            person: the directory's record.
            absent: the record of whoever is away and answered for, if anybody.
            askers: the directory's records behind `excluded`.
        """
        if absent is not None:
            return self.is_asker(person, askers) or self.is_asker(absent, askers)
        return self.is_asker(person, askers) and self.exemption(person, askers) is None


class ApprovalDecision(Value):
    """What one person said, signed by the process that verified the person."""

    approval_id: str
    digest: str
    """The digest that was on the person's screen."""

    kind: SaidKind
    person: str
    """`Person.id` as the directory resolved it."""

    on_behalf_of: str | None = None
    """`Person.id` of whoever is away and whose delegate said it."""

    assurance: Assurance
    via: str
    """Name of the approval channel, or `web`, `cli`."""

    shown: str | None = None
    """Hash of the presentation that the person was shown; `None` where whoever brought the decision did not say."""

    delivery: str | None = None
    """Id of the delivery that was answered, or of the request that brought it; `IN_PLACE` where no message did."""

    reason: str | None = Field(default=None, max_length=4000)
    args: JsonObject | None = None
    """The edited arguments; only with `edit`."""

    stage: int = Field(ge=0)
    """0-based index of the stage that it was given for; the first of them where it may count in several."""

    seats: tuple[int, ...] = ()
    """0-based indexes of the stages in one of which it counts, where there are several; see `guardkit.core.seating`."""

    exemption: str | None = None
    """The policy's reason for which whoever asked may decide, where that is who said it."""

    standing: StandingTerms | None = None
    """What was said beside a yes of actions like this one; see `guardkit.core.granting`."""

    decided_at: float
    """Seconds since the epoch, by the database's clock."""

    key_id: str = ""
    signature: str = ""

    def signed_part(self) -> JsonObject:
        """All fields but the signature itself, and but those that older releases did not know where they say nothing."""
        newer = {"on_behalf_of": self.on_behalf_of, "seats": self.seats or None, "exemption": self.exemption}
        newer |= {"standing": self.standing, "shown": self.shown}
        left_out = {name for name, value in newer.items() if value is None}
        return self.model_dump(mode="json", exclude={"signature", *left_out})

    @property
    def fits(self) -> tuple[int, ...]:
        """0-based indexes of the stages that it may count in."""
        return self.seats or (self.stage,)

    @property
    def voices(self) -> frozenset[str]:
        """Ids of the people whose voice it uses up: a delegate and whoever is away count as one person."""
        return frozenset({self.person} if self.on_behalf_of is None else {self.person, self.on_behalf_of})


class Approval(Value):
    """A request together with all that was said so far."""

    request: ApprovalRequest
    state: ApprovalState = ApprovalState.PENDING
    args: JsonObject
    """The arguments as they stand: the request's, or those of the last edit."""

    digest: str
    """The digest of these arguments."""

    decisions: tuple[ApprovalDecision, ...] = ()
    version: int = 0
    """Counts changes; a store updates only the version that it read."""

    settled_at: float | None = None

    @classmethod
    def opened(cls, request: ApprovalRequest) -> "Approval":
        """A request nobody has answered yet."""
        return cls(request=request, args=request.action.args, digest=request.digest)

    def standing(self) -> tuple[ApprovalDecision, ...]:
        """The approvals that count: those given since the last edit, the edit itself included."""
        return tuple(said for said in self._since_edit() if said.kind in ("approve", "edit"))

    def against(self) -> tuple[ApprovalDecision, ...]:
        """The rejections that count: those given since the last edit."""
        return tuple(said for said in self._since_edit() if said.kind == "reject")

    def _since_edit(self) -> tuple[ApprovalDecision, ...]:
        since = max((i for i, said in enumerate(self.decisions) if said.kind == "edit"), default=0)
        return self.decisions[since:]

    def answered(self) -> frozenset[str]:
        """Ids of the people whose answer counts, themselves or by a delegate, and of these delegates."""
        return frozenset(voice for said in (*self.standing(), *self.against()) for voice in said.voices)

    def waiting(self) -> tuple[int, ...]:
        """0-based indexes of the stages that wait, in order; none when all are satisfied."""
        return waiting_stages(self.request, self.standing())

    def stage(self) -> int | None:
        """0-based index of the first stage that waits, or `None` when all are satisfied."""
        return next(iter(self.waiting()), None)

    def rejected(self) -> tuple[int, ...]:
        """0-based indexes of the stages in which as many people have rejected it as end it."""
        against = [said.fits for said in self.against()]
        counts = [sum(index in fits for fits in against) for index in range(len(self.request.stages))]
        return tuple(
            index for index, stage in enumerate(self.request.stages) if counts[index] >= stage.reject_quorum
        )


def edited_digest(request: ApprovalRequest, args: JsonObject) -> str:
    """The digest of the request's action with other arguments."""
    return action_digest(
        tool=request.action.tool,
        schema_version=request.action.schema_version,
        args=args,
        reads=request.action.reads,
        principal=request.principal,
        salt=request.salt,
    )


def waiting_stages(request: ApprovalRequest, standing: Iterable[ApprovalDecision]) -> tuple[int, ...]:
    """0-based indexes of the stages in which somebody else could be seated; in turn, the first of them alone."""
    free = seating(request, tuple(counting(standing))).open
    return free if request.order == "together" else free[:1]


def seating(request: ApprovalRequest, counted: Iterable[ApprovalDecision]) -> Seating:
    """In which stage each of the approvals counts.

    Args:
        request: the question.
        counted: approvals that count, as `counting` yields them.
    """
    return seated([stage.required for stage in request.stages], [said.fits for said in counted])


def counting(standing: Iterable[ApprovalDecision]) -> Iterator[ApprovalDecision]:
    """Those of the approvals that count: each person has one voice, in all stages together."""
    counted: set[str] = set()
    for decision in standing:
        if counted.isdisjoint(decision.voices):
            counted |= decision.voices
            yield decision


def waiting_since(approval: Approval, stage: int | None = None) -> float:
    """When a stage that waits began to wait, in seconds since the epoch: an edit opens all of them again.

    Args:
        approval: as it stands.
        stage: 0-based index; by default the first that waits.
    """
    place = approval.stage() if stage is None else stage
    since = approval.request.requested_at
    waited = place in after_decisions(approval, 0).waiting()
    for number, said in enumerate(approval.decisions, start=1):
        waits = place in after_decisions(approval, number).waiting()
        if waits != waited or (waits and said.kind == "edit"):
            since = said.decided_at
        waited = waits
    return since


def after_decisions(approval: Approval, decisions: int) -> Approval:
    """The approval as it was after its first decisions."""
    return approval.model_copy(update={"decisions": approval.decisions[:decisions]})


_ENDS: Mapping[ApprovalState, frozenset[ApprovalState]] = {
    ApprovalState.PENDING: frozenset({ApprovalState.EXPIRED, ApprovalState.CANCELLED}),
    ApprovalState.APPROVED: frozenset(
        {ApprovalState.EXPIRED, ApprovalState.CANCELLED, ApprovalState.CONSUMED}
    ),
}


def close(approval: Approval, state: ApprovalState, at: float) -> Approval:
    """The approval after it expired, was cancelled or was consumed.

    Raises:
        DecisionRefusedError: `already_settled`, when that step does not exist from where it stands.
    """
    if state not in _ENDS.get(approval.state, frozenset()):
        raise DecisionRefusedError(
            "already_settled", f"an approval that is {approval.state.value} cannot become {state.value}"
        )
    return approval.model_copy(update={"state": state, "version": approval.version + 1, "settled_at": at})
