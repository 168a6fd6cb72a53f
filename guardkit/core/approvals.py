"""Asking people: the request, what they said, and the state machine between the two.

    pending ──> approved ──> consumed       (by the quorum, or by a broken glass: `guardkit.core.breaking`)
       │            ├──────> expired     (not used within `valid_for`)
       │            └──────> cancelled   (stopped, superseded)
       ├──> rejected
       ├──> responded                    (words for the model instead of the action)
       ├──> expired
       └──> cancelled

Every settled state but `approved` is final. `decide` is the way in for people, and `break_glass` for emergencies; both are pure, so the process that
verified a person and the process that consumes the approval judge by the same rule.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Literal, TypeAlias

from pydantic import Field

from guardkit.core.calendars import Deadline
from guardkit.core.digest import action_digest
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance, Person, count_as_one
from guardkit.core.principals import Principal
from guardkit.core.stages import ApprovalStage, Wait
from guardkit.core.standing import StandingOffer, StandingTerms
from guardkit.core.steps import Action
from guardkit.core.values import JsonObject, Value
from guardkit.errors import DecisionRefusedError

DecisionKind: TypeAlias = Literal["approve", "edit", "reject", "respond"]
SaidKind: TypeAlias = Literal["approve", "edit", "reject", "respond", "break_glass"]
OnExpiry: TypeAlias = Literal["reject", "no_result", "keep"]


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
    """Identities that may not decide: whoever started or steered the turn."""

    thought: str = ""
    """What the model wrote beside the call, cut to 2,000 characters."""

    why: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    policy: str
    policy_version: str
    routes: tuple[str, ...]
    route_hash: str
    """Hash of rules, routes and stages: while it is unchanged in today's policy the approval stands."""

    stages: tuple[ApprovalStage, ...] = Field(min_length=1)
    allowed: tuple[DecisionKind, ...] = ("approve", "edit", "reject")
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

    delivery: str | None = None
    """Id of the delivery that was answered."""

    reason: str | None = Field(default=None, max_length=4000)
    args: JsonObject | None = None
    """The edited arguments; only with `edit`."""

    stage: int = Field(ge=0)
    """0-based index of the stage that it was given for."""

    standing: StandingTerms | None = None
    """What was said beside a yes of actions like this one; see `guardkit.core.granting`."""

    decided_at: float
    """Seconds since the epoch, by the database's clock."""

    key_id: str = ""
    signature: str = ""

    def signed_part(self) -> JsonObject:
        """All fields but the signature itself, and without those that are newer than signatures and say nothing."""
        silent = {name for name in ("on_behalf_of", "standing") if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude={"signature", *silent})

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
        since = max((i for i, said in enumerate(self.decisions) if said.kind == "edit"), default=0)
        return tuple(said for said in self.decisions[since:] if said.kind in ("approve", "edit"))

    def answered(self) -> frozenset[str]:
        """Ids of the people whose approval counts, themselves or by a delegate, and of these delegates."""
        return frozenset(voice for said in self.standing() for voice in said.voices)

    def stage(self) -> int | None:
        """0-based index of the stage that is waiting, or `None` when all are satisfied."""
        return waiting_stage(self.request.stages, self.standing())


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


def shown_digest(approval: Approval, version: int) -> str | None:
    """The digest of what an approval asked for in an earlier version, or `None` when it has not had that version.

    A button carries the version that was shown. Each decision makes a version, and only an edit changes the digest.
    """
    if not 0 <= version <= approval.version:
        return None
    edits = [said for said in approval.decisions[:version] if said.args is not None]
    if not edits or edits[-1].args is None:
        return approval.request.digest
    return edited_digest(approval.request, edits[-1].args)


def waiting_stage(stages: Iterable[ApprovalStage], standing: Iterable[ApprovalDecision]) -> int | None:
    """0-based index of the first stage that lacks approvals of distinct people; `None` when none does."""
    given = Counter(decision.stage for decision in counting(standing))
    for index, stage in enumerate(stages):
        if given[index] < stage.required:
            return index
    return None


def counting(standing: Iterable[ApprovalDecision]) -> Iterator[ApprovalDecision]:
    """Those of the approvals that count: each person has one voice, in all stages together."""
    counted: set[str] = set()
    for decision in standing:
        if counted.isdisjoint(decision.voices):
            counted |= decision.voices
            yield decision


def waiting_since(approval: Approval) -> float:
    """When the stage that is waiting began to wait, in seconds since the epoch: an edit opens all of them again."""
    since, place = approval.request.requested_at, (0, 0)
    edits = 0
    for number, said in enumerate(approval.decisions, start=1):
        edits += said.kind == "edit"
        now = after_decisions(approval, number).stage(), edits
        if now != place:
            since, place = said.decided_at, now
    return since


def after_decisions(approval: Approval, decisions: int) -> Approval:
    """The approval as it was after its first decisions."""
    return approval.model_copy(update={"decisions": approval.decisions[:decisions]})


def stage_for(
    approval: Approval,
    person: Person,
    now: float,
    *,
    absent: Person | None = None,
    others: Iterable[Person] = (),
) -> int:
    """The stage for which this person may answer now.

    Args:
        approval: as it stands.
        person: the directory's record.
        now: seconds since the epoch, by the database's clock: some may answer only after a time.
        absent: the record of whoever is away and is answered for; `None` when people speak for themselves.
        others: the records of those whose approvals count, where the request is `delegable`.

    Raises:
        DecisionRefusedError: `already_settled`, `inactive`, `requester`, `already_decided` or `not_an_approver`.
    """
    request = approval.request
    if approval.state is not ApprovalState.PENDING:
        raise DecisionRefusedError("already_settled", f"this approval is already {approval.state.value}")
    speaking = (person,) if absent is None else (person, absent)
    if any(not one.active or one.tenant != request.tenant for one in speaking):
        raise DecisionRefusedError("inactive", "this person is not active in the approval's tenant")
    if any(one.answers_to(identity) for one in speaking for identity in request.excluded):
        raise DecisionRefusedError("requester", "whoever started or steered the turn cannot decide on it")
    counted = approval.answered()
    if any(one.id in counted for one in speaking):
        raise DecisionRefusedError("already_decided", "this person's approval already counts")
    if request.delegable and any(count_as_one(one, other, now) for one in speaking for other in others):
        raise DecisionRefusedError("already_decided", "a delegate and whoever is away are one person")
    waiting = approval.stage()
    if waiting is None or not request.stages[waiting].seats(
        person, absent, now, Wait(since=waiting_since(approval), at=now)
    ):
        raise DecisionRefusedError(
            "not_an_approver", "this person is not among the approvers of the stage that is waiting"
        )
    return waiting


def decide(
    approval: Approval,
    decision: ApprovalDecision,
    person: Person,
    *,
    absent: Person | None = None,
    others: Iterable[Person] = (),
) -> Approval:
    """The approval after one more decision.

    A rejection ends it at once. An edit changes the arguments and so re-opens what others approved; it counts as the
    editor's own approval of the new arguments. `decision.stage` must be the stage that is waiting.

    Args:
        approval: as it stands.
        decision: what was said; its signature is the caller's to check.
        person: the directory's record of `decision.person`.
        absent: the directory's record of `decision.on_behalf_of`.
        others: the records of those whose approvals count, where the request is `delegable`.

    Raises:
        DecisionRefusedError: the decision does not count; nothing changes.
    """
    request = approval.request
    if decision.approval_id != request.id:
        raise DecisionRefusedError("digest_mismatch", "the decision names another approval")
    if (decision.person, decision.on_behalf_of) != (person.id, None if absent is None else absent.id):
        raise DecisionRefusedError("not_an_approver", "the decision names another person")
    waiting = stage_for(approval, person, decision.decided_at, absent=absent, others=others)
    if decision.stage != waiting:
        raise DecisionRefusedError("not_an_approver", "the decision was given for another stage")
    if not decision.assurance.reaches(request.stages[waiting].assurance):
        raise DecisionRefusedError(
            "assurance_too_low",
            f"this stage needs {request.stages[waiting].assurance.value}, the answer came at {decision.assurance.value}",
        )
    if decision.assurance is Assurance.EMAIL_LINK:
        _check_link(approval, decision)
    if (
        request.expires_at is not None
        and request.on_expiry != "keep"
        and decision.decided_at >= request.expires_at
    ):
        raise DecisionRefusedError("expired", "the time to decide is over")
    if decision.digest != approval.digest:
        raise DecisionRefusedError(
            "digest_mismatch", "the action has changed since it was shown", remedy="look at it again"
        )
    if decision.kind not in request.allowed:
        raise DecisionRefusedError("not_allowed", f"{decision.kind!r} is not among the allowed decisions")
    if decision.kind in ("reject", "respond") and not (decision.reason or "").strip():
        raise DecisionRefusedError("reason_required", f"{decision.kind!r} needs a reason")
    if (decision.kind == "edit") != (decision.args is not None):
        raise DecisionRefusedError("edit_invalid", "edited arguments go with 'edit', and only with it")
    said = {"decisions": (*approval.decisions, decision), "version": approval.version + 1}
    if decision.kind in ("reject", "respond"):
        state = ApprovalState.REJECTED if decision.kind == "reject" else ApprovalState.RESPONDED
        return approval.model_copy(update={**said, "state": state, "settled_at": decision.decided_at})
    if decision.args is not None:
        digest = edited_digest(request, decision.args)
        if digest == approval.digest:
            raise DecisionRefusedError("edit_invalid", "the edit changes nothing", remedy="approve instead")
        said |= {"args": decision.args, "digest": digest}
    changed = approval.model_copy(update=said)
    if changed.stage() is None:
        return changed.model_copy(update={"state": ApprovalState.APPROVED, "settled_at": decision.decided_at})
    return changed


def _check_link(approval: Approval, decision: ApprovalDecision) -> None:
    """Whoever reads somebody's mail holds the link: that is enough for one voice, and never to write to the agent."""
    if decision.kind in ("edit", "respond"):
        raise DecisionRefusedError("assurance_too_low", f"{decision.kind!r} needs more than a link in a mail")
    if decision.kind == "approve" and any(
        said.assurance is Assurance.EMAIL_LINK for said in approval.standing()
    ):
        raise DecisionRefusedError(
            "assurance_too_low",
            "one approval by a link in a mail already counts; a second needs a surer sign-in",
        )


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
