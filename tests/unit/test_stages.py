"""Stages that wait at once, rejections that need company, comments that are demanded, and exemptions."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit import Keys
from guardkit.channels.card import compose
from guardkit.core.approvals import (
    Approval,
    ApprovalDecision,
    ApprovalRequest,
    ApprovalState as State,
    waiting_since,
)
from guardkit.core.consuming import still_holds
from guardkit.core.deciding import decide, stages_for, state_after, sure_enough
from guardkit.core.people import Assurance, Delegation, Person
from guardkit.core.presentation import present
from guardkit.core.runs import RunRef
from guardkit.core.signing import Verifier
from guardkit.core.stages import ApprovalStage, Escalation, Exemption
from guardkit.core.wording import in_words
from guardkit.errors import DecisionRefusedError
from guardkit.testing.contracts import samples

pytestmark = pytest.mark.promise("P5")

RUN = RunRef(tenant="default", thread_id="t", turn=1, run_id="r", token=1)
DANA, BEN, ANN, CLEO, UMA = (Person(id=name) for name in ("dana", "ben", "ann", "cleo", "uma"))
PEOPLE: dict[str, Person | None] = {one.id: one for one in (DANA, BEN, ANN, CLEO, UMA)}


def stage(*people: str, **more: Any) -> ApprovalStage:
    return ApprovalStage(
        approvers=people, channels=("desk",), **{"assurance": Assurance.LOCAL_OPERATOR, **more}
    )


def asked(*stages: ApprovalStage, order: Any = "together", **more: Any) -> Approval:
    request = samples.request(RUN, stages=stages, order=order, expires_in=None)
    return Approval.opened(request.model_copy(update={"excluded": ("uma",), **more}))


def said(
    approval: Approval,
    person: Person,
    kind: Any = "approve",
    *,
    at: float = 1.0,
    absent: Person | None = None,
    assurance: Assurance = Assurance.OIDC,
    **more: Any,
) -> Approval:
    stages = sure_enough(approval.request, stages_for(approval, person, at, absent=absent), assurance)
    decision = ApprovalDecision(
        approval_id=approval.request.id,
        digest=approval.digest,
        kind=kind,
        person=person.id,
        on_behalf_of=None if absent is None else absent.id,
        assurance=assurance,
        via="web",
        reason=more.pop("reason", "because"),
        stage=stages[0],
        seats=stages if len(stages) > 1 else (),
        exemption=None if absent is not None else approval.request.exemption(person),
        decided_at=at,
    )
    return decide(approval, decision.model_copy(update=more), person, absent=absent)


def why(approval: Approval, person: Person, kind: Any = "approve", **more: Any) -> str:
    with pytest.raises(DecisionRefusedError) as refused:
        said(approval, person, kind, **more)
    return refused.value.reason


def given(approval: Approval) -> list[tuple[str, ...]]:
    return [one.given for one in present(approval).stages]


def statuses(approval: Approval) -> list[str]:
    return [one.status for one in present(approval).stages]


def test_stages_in_turn_wait_one_after_the_other() -> None:
    approval = asked(stage("dana"), stage("ben"), order="in_turn")
    assert (approval.waiting(), statuses(approval)) == ((0,), ["waiting", "later"])
    assert why(approval, BEN) == "not_an_approver"


@pytest.mark.parametrize("people", [(DANA, BEN), (BEN, DANA)])
def test_stages_together_are_answered_in_any_order(people: tuple[Person, Person]) -> None:
    approval = asked(stage("dana"), stage("ben"))
    assert (approval.waiting(), statuses(approval)) == ((0, 1), ["waiting", "waiting"])
    once = said(approval, people[0])
    assert once.state is State.PENDING
    assert sorted(statuses(once)) == ["done", "waiting"]
    twice = said(once, people[1])
    assert (twice.state, statuses(twice)) == (State.APPROVED, ["done", "done"])
    assert still_holds(twice, PEOPLE, 2.0) is None


@pytest.mark.parametrize(("other", "seats"), [(BEN, [("dana",), ("ben",)]), (ANN, [("ann",), ("dana",)])])
def test_whoever_fits_two_stages_is_seated_so_that_the_next_one_fits_too(
    other: Person, seats: list[tuple[str, ...]]
) -> None:
    approval = said(asked(stage("dana", "ann"), stage("dana", "ben")), DANA)
    assert approval.decisions[0].fits == (0, 1)
    assert statuses(approval) == ["waiting", "waiting"]
    settled = said(approval, other)
    assert (settled.state, given(settled)) == (State.APPROVED, seats)


def test_one_person_is_one_voice_in_all_stages_together() -> None:
    approval = said(asked(stage("dana"), stage("dana", "ben")), DANA)
    assert why(approval, DANA) == "already_decided"


def test_a_decision_names_every_stage_that_its_author_fits_and_no_other() -> None:
    approval = asked(stage("dana"), stage("dana"), stage("ben"))
    assert why(approval, DANA, stage=1, seats=()) == "not_an_approver"
    assert why(approval, DANA, stage=0, seats=()) == "not_an_approver"
    assert why(approval, DANA, seats=(0, 1, 2)) == "not_an_approver"
    assert why(approval, DANA, stage=1) == "not_an_approver"


def test_a_weak_sign_in_counts_where_it_is_enough() -> None:
    approval = asked(stage("dana", assurance=Assurance.OIDC), stage("dana", assurance=Assurance.CHAT))
    chat = said(approval, DANA, assurance=Assurance.CHAT)
    assert chat.decisions[0].fits == (1,)
    assert why(approval, DANA, assurance=Assurance.LOCAL_OPERATOR) == "assurance_too_low"


def test_stages_together_have_their_own_times() -> None:
    late = Escalation(after=10.0, approvers=("cleo",), channels=("desk",))
    approval = asked(stage("dana"), stage("ben", escalations=(late,)))
    assert why(approval, CLEO, at=9.0) == "not_an_approver"
    once = said(approval, DANA, at=5.0)
    assert [waiting_since(once, index) for index in (0, 1)] == [5.0, 0.0]
    assert said(once, CLEO, at=10.0).state is State.APPROVED, "the other stage went on waiting from the start"


def test_an_edit_opens_every_stage_again_from_its_time() -> None:
    approval = said(asked(stage("dana"), stage("ben"), stage("ann")), DANA)
    edited = said(approval, BEN, "edit", at=7.0, args={"claim_id": "C-0", "amount": "2"})
    assert edited.waiting() == (0, 2)
    assert [waiting_since(edited, index) for index in (0, 2)] == [7.0, 7.0]
    assert said(said(edited, ANN), DANA).state is State.APPROVED


def test_who_fits_one_of_two_stages_only_any_more_still_counts_there() -> None:
    groups = (
        ApprovalStage(groups=("a",), channels=("desk",)),
        ApprovalStage(groups=("b",), channels=("desk",)),
    )
    both, one = Person(id="dana", groups=("a", "b")), Person(id="ben", groups=("b",))
    settled = said(said(asked(*groups), both), one)
    people: dict[str, Person | None] = {"dana": both, "ben": one}
    assert still_holds(settled, people, 2.0) is None
    assert still_holds(settled, {**people, "dana": both.model_copy(update={"groups": ("a",)})}, 2.0) is None
    assert (
        still_holds(settled, {**people, "dana": both.model_copy(update={"groups": ("b",)})}, 2.0) is not None
    )
    assert still_holds(settled, {**people, "ben": one.model_copy(update={"groups": ("a",)})}, 2.0) is not None


def test_who_changes_places_still_counts() -> None:
    groups = (
        ApprovalStage(groups=("a",), channels=("desk",)),
        ApprovalStage(groups=("b",), channels=("desk",)),
    )
    both = [Person(id=name, groups=("a", "b")) for name in ("dana", "ben")]
    settled = said(said(asked(*groups), both[0]), both[1])
    assert given(settled) == [("dana",), ("ben",)]
    assert still_holds(settled, {one.id: one for one in both}, 2.0) is None, "both fit both"
    swapped: dict[str, Person | None] = {
        "dana": both[0].model_copy(update={"groups": ("b",)}),
        "ben": both[1].model_copy(update={"groups": ("a",)}),
    }
    assert still_holds(settled, swapped, 2.0) is None, "each of them may sit in one of the two"


def test_a_rejection_below_the_quorum_is_shown_and_ends_nothing() -> None:
    approval = asked(stage("dana", "ben", "ann", required=2, reject_quorum=2), order="in_turn")
    once = said(approval, DANA, "reject", reason="too much")
    assert (once.state, once.waiting()) == (State.PENDING, (0,))
    shown = present(once)
    assert (shown.stages[0].rejected, shown.stages[0].reject_quorum) == (("dana",), 2)
    assert [(one.kind, one.reason) for one in shown.said] == [("reject", "too much")]
    assert said(once, BEN, "reject").state is State.REJECTED
    assert said(said(once, BEN), ANN).state is State.APPROVED


def test_the_last_word_of_whoever_rejected_is_said() -> None:
    approval = said(asked(stage("dana", "ben", reject_quorum=2)), DANA, "reject")
    for kind in ("approve", "reject"):
        assert why(approval, DANA, kind) == "already_decided"
    assert why(approval, DANA, "edit", args={"claim_id": "C-0", "amount": "2"}) == "already_decided"


def test_whoever_approved_cannot_reject() -> None:
    approval = said(asked(stage("dana", "ben", required=2, reject_quorum=2)), DANA)
    assert why(approval, DANA, "reject") == "already_decided"


def test_an_edit_takes_back_what_was_rejected() -> None:
    approval = said(asked(stage("dana", "ben", "ann", required=2, reject_quorum=2)), DANA, "reject")
    edited = said(approval, BEN, "edit", args={"claim_id": "C-0", "amount": "2"})
    assert edited.against() == ()
    assert said(edited, DANA).state is State.APPROVED
    once = said(edited, ANN, "reject")
    assert once.state is State.PENDING, "one rejection of what it is now, and one of what it was"


def test_a_no_counts_in_each_stage_of_its_author() -> None:
    approval = asked(
        stage("dana", "ann", reject_quorum=2), stage("dana", "ben", reject_quorum=2), stage("cleo")
    )
    once = said(approval, DANA, "reject")
    assert [one.rejected for one in present(once).stages] == [("dana",), ("dana",), ()]
    assert said(once, BEN, "reject").state is State.REJECTED
    assert said(once, CLEO, "reject").state is State.REJECTED, "one is enough in the last stage"


def test_what_a_delegate_rejected_uses_up_both_voices() -> None:
    away = Person(id="ann", delegations=(Delegation(to="dana", since=0.0, until=100.0),))
    approval = asked(stage("ann", "ben", "dana", required=2, reject_quorum=2, delegation=True))
    once = said(approval, DANA, "reject", absent=away)
    assert once.answered() == {"dana", "ann"}
    for person in (DANA, away):
        with pytest.raises(DecisionRefusedError) as refused:
            stages_for(once, person, 2.0, others=(DANA, away))
        assert refused.value.reason == "already_decided"


def test_where_an_approval_stood_with_its_first_decisions() -> None:
    approval = said(asked(stage("dana", "ben", "ann", required=2, reject_quorum=2)), DANA, "reject")
    settled = said(said(approval, BEN), ANN)
    states = [state_after(settled, number) for number in (1, 2, 3)]
    assert states == [State.PENDING, State.PENDING, State.APPROVED]


@pytest.mark.parametrize("reason", [None, "", " \n\t"])
@pytest.mark.parametrize("kind", ["approve", "edit"])
def test_a_demanded_comment_is_needed(kind: str, reason: str | None) -> None:
    args: dict[str, Any] = {"args": {"claim_id": "C-0", "amount": "2"}} if kind == "edit" else {}
    approval = asked(stage("dana"), comment_required=(kind,))
    assert why(approval, DANA, kind, reason=reason, **args) == "reason_required"
    assert said(approval, DANA, kind, **args).state is State.APPROVED
    free = asked(stage("dana"))
    assert said(free, DANA, kind, reason=reason, **args).state is State.APPROVED


NIGHT = Exemption(reason="the only one at night")


def test_whoever_asked_decides_only_under_an_exemption() -> None:
    assert why(asked(stage("uma")), UMA) == "requester"
    approval = said(asked(stage("uma"), exemptions=(NIGHT,)), UMA)
    assert approval.decisions[0].exemption == "the only one at night"
    shown = present(approval)
    assert (shown.exemptions, shown.said[0].exemption) == ((NIGHT.reason,), NIGHT.reason)
    assert still_holds(approval, PEOPLE, 2.0) is None


def test_an_exemption_for_some_is_not_for_others() -> None:
    for_ann = NIGHT.model_copy(update={"approvers": ("ann",)})
    assert why(asked(stage("uma"), exemptions=(for_ann,)), UMA) == "requester"
    for_uma = NIGHT.model_copy(update={"groups": ("night",)})
    night = UMA.model_copy(update={"groups": ("night",)})
    assert said(asked(stage("uma"), exemptions=(for_uma,)), night).state is State.APPROVED
    assert why(asked(stage("uma"), exemptions=(for_uma, for_ann)), night) == "requester", "all must agree"
    assert present(asked(stage("uma"), exemptions=(for_uma,))).exemptions == (
        "the only one at night (only group night)",
    )


def test_a_decision_must_say_under_which_exemption_it_was_given() -> None:
    approval = asked(stage("uma", "dana"), exemptions=(NIGHT,))
    assert why(approval, UMA, exemption=None) == "requester"
    assert why(approval, UMA, exemption="because I say so") == "requester"
    assert why(approval, DANA, exemption=NIGHT.reason) == "requester"


def test_an_exemption_is_for_nobody_who_speaks_for_another() -> None:
    away = Person(id="ann", delegations=(Delegation(to="uma", since=0.0, until=100.0),))
    gone = UMA.model_copy(update={"delegations": (Delegation(to="dana", since=0.0, until=100.0),)})
    approval = asked(stage("ann", "uma", delegation=True), exemptions=(NIGHT,))
    assert why(approval, UMA, absent=away) == "requester"
    assert why(approval, DANA, absent=gone) == "requester"


def test_an_exemption_that_does_not_cover_somebody_any_more_does_not_hold() -> None:
    night = UMA.model_copy(update={"groups": ("night",)})
    some = NIGHT.model_copy(update={"groups": ("night",)})
    approval = said(asked(stage("uma"), exemptions=(some,)), night)
    assert still_holds(approval, {"uma": night}, 2.0) is None
    assert still_holds(approval, {"uma": UMA}, 2.0) is not None
    plain = said(asked(stage("dana"), exemptions=(some,)), DANA)
    turned_out = DANA.model_copy(update={"identities": ("uma",), "groups": ("night",)})
    assert still_holds(plain, {"dana": turned_out}, 2.0) is not None, "it was not given under the exemption"


DECIDED: dict[str, Any] = {
    "decision": "approve", "person": "dana", "stage": 0, "assurance": "oidc", "via": "web", "state": "pending",
}  # fmt: skip
TOLD: dict[str, tuple[str, dict[str, Any], str]] = {
    "one of several": (
        "approval.decided",
        {**DECIDED, "seats": [0, 1], "waiting": [0, 1], "rejections": 0},
        "approved by dana (stage 1 or 2, oidc, via web), others have to agree: stages 1, 2",
    ),
    "one left": (
        "approval.decided",
        {**DECIDED, "waiting": [1], "rejections": 0},
        "approved by dana (stage 1, oidc, via web), others have to agree: stage 2",
    ),
    "older": ("approval.decided", DECIDED, "approved by dana (stage 1, oidc, via web), others have to agree"),
    "rejection": (
        "approval.decided",
        {**DECIDED, "decision": "reject", "waiting": [0], "rejections": 1},
        "rejected by dana (stage 1, oidc, via web), which ends it only when more people reject: stage 1",
    ),
    "exempt": (
        "approval.decided",
        {**DECIDED, "state": "approved", "exemption": "nights"},
        "approved by dana (stage 1, oidc, via web), who asked and is exempt: nights",
    ),
    "together": (
        "approval.requested",
        {"routes": ["desk"], "order": "together", "stages": 3, "exemptions": ["nights"]},
        "asked desk, all 3 stages at once, whoever asked may answer (nights)",
    ),
}


@pytest.mark.parametrize(("kind", "data", "says"), TOLD.values(), ids=TOLD)
def test_the_story_tells_of_stages_and_exemptions(kind: str, data: dict[str, Any], says: str) -> None:
    assert in_words(kind, data)[0] == says


def test_the_card_says_who_is_waited_for_and_why() -> None:
    approval = said(
        asked(
            stage("dana", "ann", reject_quorum=2),
            stage("uma"),
            exemptions=(NIGHT,),
            comment_required=("edit",),
        ),
        DANA,
        "reject",
    )
    card = compose(said(approval, UMA))
    facts = {fact.label: fact.text for fact in card.facts}
    assert facts["Order"] == "all stages are asked at once, in any order"
    assert facts["Whoever asked may decide"] == NIGHT.reason
    assert "rejected by 1 of 2 who end it (dana) [waiting]" in card.stages[0].text
    assert "1 of 1" in card.stages[1].text
    assert "[done]" in card.stages[1].text
    assert f"although they asked ({NIGHT.reason})" in card.said[1].text
    assert {one.kind: one.comment for one in card.choices} == {"approve": False, "edit": True, "reject": True}


FIELDS = ("order", "comment_required", "exemptions")


def test_a_question_of_an_older_release_means_what_it_meant() -> None:
    stored = asked(stage("dana"), stage("ben"), order="in_turn").request.model_dump(mode="json")
    for name in FIELDS:
        del stored[name]
    for one in stored["stages"]:
        del one["reject_quorum"]
    approval = Approval.opened(ApprovalRequest.model_validate(stored))
    assert why(approval, BEN) == "not_an_approver", "in turn"
    assert said(approval, DANA, reason=None).state is State.PENDING, "without a comment"
    assert said(approval, DANA, "reject").state is State.REJECTED, "one no is enough"
    assert why(approval, UMA) == "requester"


def test_a_question_of_an_older_release_that_excluded_nobody_stays_so() -> None:
    approval = asked(stage("uma"), excluded=())
    assert said(approval, UMA).state is State.APPROVED


def test_a_decision_of_an_older_release_still_verifies() -> None:
    signer = Keys.generate().decision_signer()
    verifier = Verifier((signer.public_key,))
    one = said(asked(stage("dana"), stage("dana"), stage("ben")), DANA).decisions[0]
    plain = signer.decision(one.model_copy(update={"seats": ()}))
    assert set(plain.signed_part()).isdisjoint({"seats", "exemption", "on_behalf_of"})
    stored = {
        name: value
        for name, value in plain.model_dump(mode="json").items()
        if name not in ("seats", "exemption")
    }
    assert verifier.decision(ApprovalDecision.model_validate(stored))


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    "change", [{"seats": ()}, {"seats": (0, 2)}, {"exemption": "mine"}, {"stage": 1}], ids=str
)
def test_stages_and_exemption_are_signed(change: dict[str, Any]) -> None:
    signer = Keys.generate().decision_signer()
    verifier = Verifier((signer.public_key,))
    signed = signer.decision(said(asked(stage("dana"), stage("dana"), stage("ben")), DANA).decisions[0])
    assert verifier.decision(signed)
    assert not verifier.decision(signed.model_copy(update=change))
