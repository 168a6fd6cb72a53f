"""The life of an approval: whatever people and clocks do, in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guardkit.core.approvals import Approval, ApprovalDecision, ApprovalState, close, edited_digest
from guardkit.core.breaking import break_glass, broken
from guardkit.core.consuming import still_holds
from guardkit.core.deciding import decide, stage_for, stages_for, sure_enough
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance, Person
from guardkit.core.runs import RunRef
from guardkit.core.stages import ApprovalStage, Escalation, Exemption
from guardkit.core.versions import shown_digest
from guardkit.errors import DecisionRefusedError
from guardkit.testing.contracts import samples
from tests.property.test_seating import most

EXPIRES = 1000.0
VALID_FOR = 50.0

STAFF = [
    Person(id=name, email=f"{name}@corp.example", identities=(f"slack:{name}",), roles=("manager",), groups=("desk", "top"))
    for name in ("ann", "bob", "cay", "dan")
]  # fmt: skip
HEAD = Person(id="hal", groups=("heads",))
WAITS = 15.0
"""Seconds after which the head may answer, where a stage says so."""

REQUESTER = Person(
    id="uma-at-the-idp", email="Uma@corp.example", identities=("slack:uma",), roles=("manager",), groups=("desk", "top")
)  # fmt: skip
STRANGERS = [
    Person(id="no-role", groups=("desk", "top")),
    Person(id="no-group", roles=("manager",)),
    Person(id="gone", roles=("manager",), groups=("desk", "top"), active=False),
    Person(id="elsewhere", tenant="other", roles=("manager",), groups=("desk", "top")),
]
GLASS = BreakGlass(
    people=("NIA@corp.example", "gone", "elsewhere", "slack:uma", "ann"),
    valid_for=30.0,
    reason_length=12,
    reviewers=("cay",),
    review_within=86_400.0,
)
NIA = Person(id="nia", email="nia@corp.example")
EMERGENCY = "nobody else answers"
ARGS = [{"claim_id": "C-0", "amount": amount} for amount in ("1.00", "2.00", "100.10")]

stages = st.lists(
    st.builds(
        ApprovalStage,
        role=st.just("manager"),
        approvers=st.sampled_from([("slack:uma", "ANN@corp.example"), ("slack:bob", "cay", "slack:uma")]),
        groups=st.sampled_from([("desk",), ("top", "desk"), (), ()]),
        required=st.sampled_from([1, 1, 2]),
        reject_quorum=st.sampled_from([1, 2, 2]),
        channels=st.just(("desk",)),
        assurance=st.sampled_from([Assurance.EMAIL_LINK, Assurance.CHAT]),
        escalations=st.sampled_from([(), (Escalation(after=WAITS, groups=("heads",), channels=("heads",)),)]),
    ),
    min_size=1,
    max_size=3,
)
EXEMPT = Exemption(reason="the only one at night", approvers=("slack:uma", "ann"))


class ApprovalMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.approval: Approval | None = None
        self.clock = 0.0
        self.since: dict[int, float] = {}
        """When the stages that wait began to wait."""

        self.states: list[ApprovalState] = [ApprovalState.PENDING]
        self.digests: list[str] = []
        self.shown: dict[int, str] = {}
        self.consumed = 0

    @property
    def now(self) -> Approval:
        assert self.approval is not None
        return self.approval

    @initialize(
        stages=stages,
        expires=st.sampled_from([None, EXPIRES]),
        on_expiry=st.sampled_from(["reject", "no_result", "keep"]),
        respond=st.booleans(),
        glass=st.sampled_from([None, GLASS]),
        order=st.sampled_from(["in_turn", "together", "together"]),
        comment=st.sampled_from([(), (), ("approve",), ("approve", "edit")]),
        exemptions=st.sampled_from([(), (EXEMPT,), (EXEMPT, Exemption(reason="approved by risk"))]),
    )
    def ask(
        self,
        stages: Sequence[ApprovalStage],
        expires: float | None,
        on_expiry: Any,
        respond: bool,
        glass: BreakGlass | None,
        order: Any,
        comment: tuple[Any, ...],
        exemptions: tuple[Exemption, ...],
    ) -> None:
        run = RunRef(tenant="default", thread_id="t", turn=1, run_id="r", token=1)
        asked = samples.request(
            run,
            stages=tuple(stages),
            expires_in=expires,
            on_expiry=on_expiry,
            valid_for=VALID_FOR,
            args=dict(ARGS[-1]),
            break_glass=glass,
            order=order,
        )
        allowed = ("approve", "edit", "reject", *(("respond",) if respond else ()))
        self.approval = Approval.opened(
            asked.model_copy(
                update={
                    "allowed": allowed,
                    "excluded": ("slack:uma", "uma@corp.example"),
                    "comment_required": comment,
                    "exemptions": exemptions,
                }
            )
        )
        self.since = dict.fromkeys(self.approval.waiting(), 0.0)
        self.digests = [asked.digest]

    @rule(seconds=st.sampled_from([0.5, 20.0, EXPIRES]))
    def time_passes(self, seconds: float) -> None:
        self.clock += seconds

    @precondition(lambda self: self.approval is not None and self.approval.state is ApprovalState.PENDING)
    @rule(person=st.sampled_from([*STAFF, HEAD]), edit=st.sampled_from([None, None, *ARGS]), data=st.data())
    def somebody_who_may_agrees(
        self, person: Person, edit: dict[str, Any] | None, data: st.DataObject
    ) -> None:
        kind = "approve" if edit is None else "edit"
        args = ARGS[0] if edit is None else edit
        self.somebody_says(person, kind, args, Assurance.OIDC, "because", None, data)

    def _fits(self, person: Person, assurance: Assurance) -> tuple[int, ...]:
        try:
            return sure_enough(self.now.request, stages_for(self.now, person, self.clock), assurance)
        except DecisionRefusedError:
            return (self.now.stage() or 0,)

    @rule(
        person=st.sampled_from([*STAFF, *STAFF, HEAD, REQUESTER, *STRANGERS]),
        kind=st.sampled_from(["approve"] * 4 + ["edit"] * 2 + ["reject", "respond"]),
        args=st.sampled_from(ARGS),
        assurance=st.sampled_from(
            [Assurance.CHAT, Assurance.OIDC, Assurance.EMAIL_LINK, Assurance.LOCAL_OPERATOR]
        ),
        reason=st.sampled_from(["because", "because", "", None]),
        off=st.sampled_from(
            [None] * 7 + ["digest", "stage", "seats", "approval", "person", "args", "exemption"]
        ),
        data=st.data(),
    )
    def somebody_says(
        self,
        person: Person,
        kind: Any,
        args: dict[str, Any],
        assurance: Assurance,
        reason: str | None,
        off: str | None,
        data: st.DataObject,
    ) -> None:
        before = self.now
        fits = self._fits(person, assurance)
        exemption = before.request.exemption(person)
        said = ApprovalDecision(
            approval_id="another" if off == "approval" else before.request.id,
            digest=data.draw(st.sampled_from([*self.digests, "0" * 64]))
            if off == "digest"
            else before.digest,
            kind=kind,
            person="somebody-else" if off == "person" else person.id,
            assurance=assurance,
            via="web",
            reason=reason,
            args=args if (kind == "edit") != (off == "args") else None,
            stage=fits[0] + (off == "stage"),
            seats={"stage": (), "seats": (*fits, 7)}.get(off or "", fits if len(fits) > 1 else ()),
            exemption="none of theirs" if off == "exemption" else exemption,
            decided_at=self.clock,
        )
        try:
            after = decide(before, said, person)
        except DecisionRefusedError:
            return
        self._counts(before, said, person)
        assert off in (None, "digest")
        assert after.decisions == (*before.decisions, said)
        others = {decision.person for decision in before.standing()}
        match kind:
            case "reject":
                against = [one.fits for one in (*before.against(), said)]
                ends = any(
                    sum(index in fits for fits in against) >= stage.reject_quorum
                    for index, stage in enumerate(before.request.stages)
                )
                assert after.state is (ApprovalState.REJECTED if ends else ApprovalState.PENDING)
                assert after.standing() == before.standing(), "a no takes no yes away"
                assert after.waiting() == before.waiting()
            case "respond":
                assert after.state is ApprovalState.RESPONDED
            case "edit":
                assert after.args == args
                assert after.digest != before.digest
                assert after.standing() == (said,), "an edit re-opens what others approved"
                assert after.against() == (), "and what others rejected"
            case _:
                assert (after.args, after.digest) == (before.args, before.digest)
                assert {decision.person for decision in after.standing()} == others | {person.id}
        self._become(after)

    @precondition(
        lambda self: (
            self.approval is not None
            and self.approval.state is ApprovalState.PENDING
            and len(set(self.digests)) > 1
        )
    )
    @rule(person=st.sampled_from(STAFF), data=st.data())
    def somebody_answers_what_was_shown_before_an_edit(self, person: Person, data: st.DataObject) -> None:
        before = self.now
        shown = data.draw(st.sampled_from([digest for digest in self.digests if digest != before.digest]))
        said = ApprovalDecision(
            approval_id=before.request.id,
            digest=shown,
            kind="approve",
            person=person.id,
            assurance=Assurance.OIDC,
            via="web",
            stage=before.stage() or 0,
            decided_at=self.clock,
        )
        with pytest.raises(DecisionRefusedError):
            decide(before, said, person)

    def _counts(self, before: Approval, said: ApprovalDecision, person: Person) -> None:
        """What must be true of a decision that counted, said in other words than the state machine's."""
        request = before.request
        assert before.state is ApprovalState.PENDING
        assert person.id not in before.answered(), "nobody is heard twice"
        if person is HEAD:
            for index in said.fits:
                assert request.stages[index].escalations, "the head answers only where the stage says so"
                assert self.clock - self.since[index] >= WAITS, "and only after its time"
        elif person is REQUESTER:
            assert request.exemptions, "whoever asked answers only where the policy exempts them"
            assert said.exemption == "; ".join(one.reason for one in request.exemptions)
        else:
            assert person in STAFF, (
                "only people who hold the role, are in the group, active and of the tenant"
            )
        assert person.id not in {decision.person for decision in before.standing()}
        assert said.person == person.id
        assert said.digest == before.digest, "nobody decides on what was on the screen before an edit"
        assert said.assurance in (Assurance.EMAIL_LINK, Assurance.CHAT, Assurance.OIDC)
        assert said.kind in request.allowed
        assert said.reason or said.kind not in ("reject", "respond", *request.comment_required)
        assert (said.exemption is not None) == (person is REQUESTER)
        if request.expires_at is not None and request.on_expiry != "keep":
            assert self.clock < request.expires_at, "late answers do not count"

    @precondition(lambda self: self.approval is not None)
    @rule(
        person=st.sampled_from([NIA, NIA, STAFF[0], STAFF[1], REQUESTER, *STRANGERS]),
        assurance=st.sampled_from([Assurance.OIDC, Assurance.OIDC, Assurance.CHAT, Assurance.EMAIL_LINK]),
        reason=st.sampled_from([EMERGENCY, EMERGENCY, "because", " " * 20, None]),
        shown=st.sampled_from(["now", "now", "now", "another"]),
    )
    def somebody_breaks_the_glass(
        self, person: Person, assurance: Assurance, reason: str | None, shown: str
    ) -> None:
        before = self.now
        said = ApprovalDecision(
            approval_id=before.request.id,
            digest=before.digest if shown == "now" else "0" * 64,
            kind="break_glass",
            person=person.id,
            assurance=assurance,
            via="web",
            reason=reason,
            stage=0,
            decided_at=self.clock,
        )
        expires = before.request.expires_at
        over = expires is not None and before.request.on_expiry != "keep" and self.clock >= expires
        weak = assurance is Assurance.EMAIL_LINK or (
            assurance is Assurance.CHAT
            and any(stage.assurance is Assurance.OIDC for stage in before.request.stages)
        )
        may = (
            before.state is ApprovalState.PENDING
            and before.request.break_glass is not None
            and person in (NIA, STAFF[0])
            and not weak
            and not over
            and reason == EMERGENCY
            and shown == "now"
        )
        if not may:
            with pytest.raises(DecisionRefusedError):
                break_glass(before, said, person, [])
            return
        with pytest.raises(DecisionRefusedError):
            decide(before, said, person)
        with pytest.raises(DecisionRefusedError) as refused:
            break_glass(before, said, person, [person])
        assert refused.value.reason == "requester", "nobody stands in for themselves"
        after = break_glass(before, said, person, [])
        assert after.state is ApprovalState.APPROVED
        assert (after.args, after.digest) == (before.args, before.digest)
        assert after.decisions == (*before.decisions, said)
        self._become(after)

    @rule(state=st.sampled_from([ApprovalState.CONSUMED] * 6 + list(ApprovalState)))
    def it_is_closed(self, state: ApprovalState) -> None:
        before = self.now
        possible = {
            ApprovalState.PENDING: {ApprovalState.EXPIRED, ApprovalState.CANCELLED},
            ApprovalState.APPROVED: {ApprovalState.EXPIRED, ApprovalState.CANCELLED, ApprovalState.CONSUMED},
        }.get(before.state, set())
        if state not in possible:
            with pytest.raises(DecisionRefusedError) as refused:
                close(before, state, self.clock)
            assert refused.value.reason == "already_settled"
            return
        after = close(before, state, self.clock)
        assert (after.decisions, after.args, after.digest) == (before.decisions, before.args, before.digest)
        self.consumed += state is ApprovalState.CONSUMED
        self._become(after)

    @precondition(lambda self: self.approval is not None and self.approval.state is ApprovalState.APPROVED)
    @rule(seconds=st.sampled_from([0.0, VALID_FOR, VALID_FOR + 1]), leaver=st.sampled_from(STAFF))
    def its_use_is_checked(self, seconds: float, leaver: Person) -> None:
        approval = self.now
        people: dict[str, Person | None] = {person.id: person for person in (*STAFF, HEAD, NIA, REQUESTER)}
        said = broken(approval)
        if said is not None:
            self._its_broken_glass_is_checked(approval, said, people, seconds)
            return
        last = max(decision.decided_at for decision in approval.standing())
        assert (still_holds(approval, people, last + seconds) is None) == (seconds <= VALID_FOR)
        changed = approval.model_copy(update={"args": {"claim_id": "C-9"}})
        assert still_holds(changed, people, last) is not None
        needed = leaver.id in {decision.person for decision in approval.standing()}
        for lost in (
            None,
            leaver.model_copy(update={"active": False}),
            leaver.model_copy(update={"roles": ()}),
            leaver.model_copy(update={"tenant": "other"}),
            leaver.model_copy(update={"identities": ("slack:uma",)}),
        ):
            assert (still_holds(approval, {**people, leaver.id: lost}, last) is None) == (not needed)

    def _its_broken_glass_is_checked(
        self,
        approval: Approval,
        said: ApprovalDecision,
        people: dict[str, Person | None],
        seconds: float,
    ) -> None:
        assert (still_holds(approval, people, said.decided_at + seconds) is None) == (seconds <= 30.0)
        breaker = people[said.person]
        assert breaker is not None
        for lost in (
            None,
            breaker.model_copy(update={"active": False}),
            breaker.model_copy(update={"tenant": "other"}),
            breaker.model_copy(update={"identities": ("slack:uma",)}),
            Person(id="mallory"),
        ):
            assert still_holds(approval, {**people, said.person: lost}, said.decided_at) is not None
        changed = approval.model_copy(update={"args": {"claim_id": "C-9"}})
        assert still_holds(changed, people, said.decided_at) is not None
        withdrawn = approval.request.model_copy(update={"break_glass": None})
        without = approval.model_copy(update={"request": withdrawn})
        assert still_holds(without, people, said.decided_at) is not None

    def _become(self, after: Approval) -> None:
        assert after.version == self.now.version + 1
        edited = after.digest != self.now.digest
        for index in after.waiting():
            if edited or index not in self.now.waiting():
                self.since[index] = self.clock
        self.approval = after
        self.states.append(after.state)
        self.digests.append(after.digest)

    @invariant()
    def it_is_settled_once_and_used_once(self) -> None:
        assert self.consumed <= 1
        final = [
            state for state in self.states if state not in (ApprovalState.PENDING, ApprovalState.APPROVED)
        ]
        assert len(final) <= 1
        if final:
            assert self.states[-1] is final[0]
        approved = self.states.count(ApprovalState.APPROVED)
        assert approved <= 1
        if self.consumed:
            assert self.states[-2:] == [ApprovalState.APPROVED, ApprovalState.CONSUMED]
        if self.approval is not None:
            assert (self.approval.settled_at is not None) == self.approval.state.settled

    @invariant()
    def the_arguments_are_those_of_the_digest(self) -> None:
        if self.approval is not None:
            assert self.approval.digest == edited_digest(self.approval.request, self.approval.args)

    @invariant()
    def what_is_approved_was_approved_by_enough_different_people(self) -> None:
        approval = self.approval
        if approval is None or ApprovalState.APPROVED not in self.states or broken(approval) is not None:
            return
        standing = approval.standing()
        assert len({decision.person for decision in standing}) == len(standing)
        assert len(standing) >= sum(stage.required for stage in approval.request.stages)
        required = [stage.required for stage in approval.request.stages]
        assert most(required, [decision.fits for decision in standing]) == sum(required)
        assert not {decision.person for decision in standing} & {said.person for said in approval.against()}
        exempt = (REQUESTER,) if approval.request.exemptions else ()
        assert {said.person for said in standing} <= {person.id for person in (*STAFF, HEAD, *exempt)}
        # All saw these arguments: the editor wrote them, the others were shown them.
        assert {decision.digest for decision in standing if decision.kind == "approve"} <= {approval.digest}

    @invariant()
    def nobody_is_turned_away_who_could_be_seated(self) -> None:
        approval = self.approval
        if approval is None or approval.state is not ApprovalState.PENDING:
            return
        request, taken = approval.request, [said.fits for said in approval.standing()]
        required = [stage.required for stage in request.stages]
        if request.order == "in_turn":
            place = next(i for i, needed in enumerate(required) if taken.count((i,)) < needed)
            required = [needed if i <= place else 0 for i, needed in enumerate(required)]
        for person in STAFF:
            if person.id in approval.answered():
                continue
            fits = tuple(i for i, stage in enumerate(request.stages) if stage.admits(person))
            could = most(required, [*taken, fits]) > most(required, taken)
            try:
                stages_for(approval, person, self.clock)
            except DecisionRefusedError:
                assert not could, f"{person.id} could sit in one of {fits}"
            else:
                assert could

    @invariant()
    def a_link_in_a_mail_is_one_voice_and_no_edit(self) -> None:
        if self.approval is not None:
            by_link = [said for said in self.approval.standing() if said.assurance is Assurance.EMAIL_LINK]
            assert [said.kind for said in by_link] in ([], ["approve"])

    @invariant()
    def every_version_that_was_shown_is_known_by_its_digest(self) -> None:
        if self.approval is not None:
            self.shown.setdefault(self.approval.version, self.approval.digest)
            for version, digest in self.shown.items():
                assert shown_digest(self.approval, version) == digest
            assert shown_digest(self.approval, self.approval.version + 1) is None
            assert shown_digest(self.approval, -1) is None

    @invariant()
    def the_requester_is_never_asked(self) -> None:
        pending = self.approval is not None and self.approval.state is ApprovalState.PENDING
        if self.approval is not None and pending and not self.approval.request.exemptions:
            with pytest.raises(DecisionRefusedError) as refused:
                stage_for(self.approval, REQUESTER, self.clock)
            assert refused.value.reason == "requester"


ApprovalMachine.TestCase.settings = settings(
    stateful_step_count=25, max_examples=max(200, settings().max_examples), report_multiple_bugs=False
)
# Making a failing case small takes minutes.
TestApproval = pytest.mark.timeout(600)(pytest.mark.promise("P2", "P5")(ApprovalMachine.TestCase))


@pytest.mark.promise("P5")
def test_one_human_being_counts_once_over_all_stages() -> None:
    run = RunRef(tenant="default", thread_id="t", turn=1, run_id="r", token=1)
    stage = ApprovalStage(groups=("desk",), channels=("desk",), assurance=Assurance.CHAT)
    approval = Approval.opened(samples.request(run, stages=(stage, stage)))

    def approve(approval: Approval) -> Approval:
        said = ApprovalDecision(
            approval_id=approval.request.id,
            digest=approval.digest,
            kind="approve",
            person="ann",
            assurance=Assurance.OIDC,
            via="web",
            stage=approval.stage() or 0,
            decided_at=1.0,
        )
        return decide(approval, said, STAFF[0])

    once = approve(approval)
    assert once.state is ApprovalState.PENDING
    with pytest.raises(DecisionRefusedError) as refused:
        approve(once)
    assert refused.value.reason == "already_decided"
