from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from guardkit.core.approvals import Approval, ApprovalState, edited_digest, waiting_since
from guardkit.core.audit import AuditEvent, verify
from guardkit.core.consuming import still_holds
from guardkit.core.listings import ListName, ListQuery
from guardkit.core.people import Assurance, Person
from guardkit.core.stages import Escalation
from guardkit.errors import DecisionRefusedError, UnknownApprovalError
from guardkit.runtime.changing import ATTEMPTS
from guardkit.runtime.desk import Desk
from guardkit.testing import MemoryStore
from tests.web.claims import (
    ARGS,
    BYSTANDER,
    DESK_STAGE,
    FINANCE_STAGE,
    FIRST,
    OUTSIDER,
    REQUESTER,
    SECOND,
    THIRD,
    Claims,
)


def refused(claims: Claims, approval: Approval, *args: Any, **more: Any) -> str:
    """Why a decision does not count; checks that it changed nothing and left its trace."""
    before = claims.now(approval)
    traces = len(claims.audited("approval.refused"))
    with pytest.raises(DecisionRefusedError) as error:
        claims.decide(approval, *args, **more)
    assert claims.now(approval) == before
    assert len(claims.audited("approval.refused")) == traces + 1
    return error.value.reason


@pytest.mark.promise("P6")
def test_a_decision_is_signed_stored_and_audited(claims: Claims) -> None:
    approval = claims.ask()
    after = claims.decide(approval, reason="checked the report", via="web", delivery="d-1")
    assert after == claims.now(approval)
    assert after.state is ApprovalState.APPROVED
    (decision,) = after.decisions
    assert claims.verifier.decision(decision)
    assert (decision.person, decision.stage, decision.decided_at) == (FIRST.id, 0, claims.clock.now)
    (trace,) = claims.audited("approval.decided")
    assert trace["person"] == FIRST.id
    assert trace["signature"] == decision.signature
    assert trace["digest"] == approval.digest
    assert "checked the report" not in str(trace)
    assert verify("acme", claims.store.entries("acme")).intact


@pytest.mark.promise("P5")
def test_every_identity_of_a_person_is_that_person(claims: Claims) -> None:
    approval = claims.ask(stages=(DESK_STAGE.model_copy(update={"required": 2}),))
    claims.decide(approval, identity="slack:T1:U1")
    assert refused(claims, approval, identity="ana.silva@CORP.example") == "already_decided"


@pytest.mark.promise("P6")
def test_an_unknown_identity_changes_nothing(claims: Claims) -> None:
    approval = claims.ask()
    assert refused(claims, approval, identity="slack:T1:U99") == "not_an_approver"
    (trace,) = claims.audited("approval.refused")
    assert trace["why"] == "unknown_identity"
    assert "U99" not in str(trace)


def test_an_unknown_identity_cannot_tell_which_approvals_exist(claims: Claims) -> None:
    with pytest.raises(DecisionRefusedError) as error:
        claims.desk.decide(
            "0" * 32, identity="nobody", digest="", kind="approve", assurance=Assurance.OIDC, via="web"
        )
    assert error.value.reason == "not_an_approver"


@pytest.mark.promise("P14")
def test_another_tenants_approval_does_not_exist(claims: Claims) -> None:
    approval = claims.ask()
    with pytest.raises(UnknownApprovalError) as theirs:
        claims.decide(approval, OUTSIDER)
    with pytest.raises(UnknownApprovalError) as nowhere:
        claims.desk.decide(
            "0" * 32, identity=OUTSIDER.id, digest="", kind="approve", assurance=Assurance.OIDC, via="web"
        )
    assert str(theirs.value) == str(nowhere.value)
    assert claims.now(approval) == approval
    assert claims.audited("approval.refused")[0]["why"] == "other_tenant"
    assert claims.audited("approval.refused", "other") == []


@pytest.mark.promise("P5")
def test_whoever_started_the_turn_cannot_decide(claims: Claims) -> None:
    assert refused(claims, claims.ask(), REQUESTER) == "requester"


@pytest.mark.promise("P5")
def test_bystanders_and_later_stages_cannot_decide(claims: Claims) -> None:
    approval = claims.ask(stages=(DESK_STAGE, FINANCE_STAGE))
    assert refused(claims, approval, BYSTANDER) == "not_an_approver"
    assert refused(claims, approval, SECOND) == "not_an_approver"


@pytest.mark.promise("P5")
def test_those_who_are_asked_later_see_and_decide_only_then(claims: Claims) -> None:
    step = Escalation(after=7200.0, groups=("finance-desk",), channels=("finance",))
    approval = claims.ask(stages=(DESK_STAGE.model_copy(update={"escalations": (step,)}),))
    claims.clock.now = approval.request.requested_at + 7199
    assert refused(claims, approval, identity=SECOND.id) == "not_an_approver"
    with pytest.raises(UnknownApprovalError):
        claims.desk.see(approval.request.id, SECOND)
    assert claims.desk.waiting(SECOND) == []
    claims.clock.now += 1
    assert claims.desk.see(approval.request.id, SECOND) == approval
    assert claims.desk.waiting(SECOND) == [approval]
    after = claims.decide(approval, identity=SECOND.id)
    assert after.state is ApprovalState.APPROVED
    people = {SECOND.id: SECOND}
    assert still_holds(after, people, claims.clock.now) is None
    demoted = {SECOND.id: SECOND.model_copy(update={"groups": ()})}
    assert still_holds(after, demoted, claims.clock.now) == "somebody who approved is no longer entitled to"


@pytest.mark.promise("P5")
def test_an_edit_lets_the_waiting_begin_again(claims: Claims) -> None:
    step = Escalation(after=60.0, groups=("finance-desk",), channels=("finance",))
    stage = DESK_STAGE.model_copy(update={"escalations": (step,), "required": 2, "groups": ("claims-desk",)})
    approval = claims.ask(stages=(stage,))
    claims.clock.now += 50
    edited = claims.decide(approval, kind="edit", args={**ARGS, "amount": "900.00"})
    claims.clock.now += 50
    assert waiting_since(edited) == claims.clock.now - 50
    assert refused(claims, edited, identity=SECOND.id) == "not_an_approver"
    claims.clock.now += 10
    assert claims.decide(edited, identity=SECOND.id).state is ApprovalState.APPROVED


@pytest.mark.promise("P5")
def test_somebody_who_left_cannot_decide(claims: Claims) -> None:
    approval = claims.ask()
    claims.people.change(FIRST, active=False)
    assert refused(claims, approval) == "inactive"


@pytest.mark.promise("P6")
def test_a_weak_sign_in_does_not_count(claims: Claims) -> None:
    stage = DESK_STAGE.model_copy(update={"assurance": Assurance.CHAT})
    approval = claims.ask(stages=(stage,))
    for weak in (Assurance.LOCAL_OPERATOR, Assurance.EMAIL_LINK):
        assert refused(claims, approval, assurance=weak) == "assurance_too_low"
    assert claims.decide(approval, assurance=Assurance.OIDC).state is ApprovalState.APPROVED


@pytest.mark.promise("P1")
def test_what_is_not_on_the_screen_is_not_approved(claims: Claims) -> None:
    approval = claims.ask()
    assert refused(claims, approval, digest="0" * 64) == "digest_mismatch"


@pytest.mark.promise("P2")
@pytest.mark.parametrize("kind", ["approve", "reject"])
def test_a_second_answer_is_refused(claims: Claims, kind: str) -> None:
    approval = claims.ask()
    claims.decide(approval)
    assert refused(claims, approval, kind=kind, reason="no") == "already_settled"


@pytest.mark.promise("P7")
def test_after_the_time_is_over_nobody_decides(claims: Claims) -> None:
    approval = claims.ask(expires_in=60)
    claims.clock.now += 60
    assert refused(claims, approval) == "expired"
    assert list(claims.desk.waiting(FIRST)) == []


@pytest.mark.parametrize(
    ("kind", "more", "reason"),
    [
        ("reject", {}, "reason_required"),
        ("reject", {"reason": "   "}, "reason_required"),
        ("respond", {"reason": "x"}, "not_allowed"),
        ("approve", {"reason": "x" * 4001}, "reason_invalid"),
        ("approve", {"reason": "\ud800"}, "reason_invalid"),
        ("approve", {"reason": "\0"}, "reason_invalid"),
        ("approve", {"args": dict(ARGS)}, "edit_invalid"),
        ("edit", {}, "edit_invalid"),
        ("edit", {"args": dict(ARGS)}, "edit_invalid"),
    ],
    ids=[
        "no-reason",
        "blank",
        "not-offered",
        "long",
        "surrogate",
        "nul",
        "args-on-yes",
        "no-args",
        "no-change",
    ],
)
def test_an_incomplete_answer_is_refused(
    claims: Claims, kind: str, more: dict[str, Any], reason: str
) -> None:
    assert refused(claims, claims.ask(), kind=kind, **more) == reason


@pytest.mark.promise("P15")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"amount": True}, "args.amount fits none of the forms that the tool accepts; it is boolean"),
        ({"amount": "1,5"}, "args.amount must match the pattern"),
        ({"claim_id": 7}, "args.claim_id must be of type string, not number"),
        ({"copies": 12}, "args.copies must be at most 9"),
        ({"currency": "XYZ"}, 'args.currency must be one of ["EUR","USD","GBP"]'),
        ({"lines": [{"text": "a"}]}, "args.lines[0].cents is required"),
        ({"recipient2": "x"}, "args.recipient2 is not an argument of this tool"),
        ({"rate": float("nan")}, "args.rate has no JSON form"),
        ({"copies": 2**60}, "args.copies has no JSON form"),
    ],
    ids=["bool", "pattern", "type", "maximum", "enum", "nested", "unknown", "nan", "unsafe"],
)
def test_an_edit_that_does_not_fit_names_field_and_type(
    claims: Claims, change: dict[str, Any], said: str
) -> None:
    approval = claims.ask()
    with pytest.raises(DecisionRefusedError) as error:
        claims.decide(approval, kind="edit", args={**ARGS, **change})
    assert error.value.reason == "edit_invalid"
    assert said in error.value.message
    assert claims.now(approval) == approval


def test_the_error_of_an_edit_quotes_no_value(claims: Claims) -> None:
    secret = "4111-1111-1111-1111"
    with pytest.raises(DecisionRefusedError) as error:
        claims.decide(claims.ask(), kind="edit", args={**ARGS, "amount": secret, "currency": secret})
    assert secret not in str(error.value)


def test_an_edit_keeps_types_and_asks_the_others_again(claims: Claims) -> None:
    stages = (
        DESK_STAGE.model_copy(
            update={"required": 2, "groups": ("claims-desk", "finance-desk"), "role": None}
        ),
    )
    approval = claims.ask(stages=stages)
    claims.decide(approval, SECOND)
    args = {**ARGS, "amount": "900.50", "rate": 1.0, "copies": 3, "cost_centre": "K7"}
    after = claims.decide(claims.now(approval), kind="edit", args=args)
    assert after.args == args
    assert [type(after.args[name]) for name in ("amount", "rate", "copies")] == [str, float, int]
    assert after.digest == edited_digest(approval.request, args)
    assert after.state is ApprovalState.PENDING
    assert [said.person for said in after.standing()] == [FIRST.id]
    (_, trace) = claims.audited("approval.decided")
    assert (trace["decided_digest"], trace["digest"]) == (approval.digest, after.digest)
    assert "900.50" not in str(trace)


def test_an_edit_without_a_schema_may_be_anything_that_is_json(claims: Claims) -> None:
    approval = claims.ask({"x": 1}, schema={})
    assert claims.decide(approval, kind="edit", args={"x": [1]}).args == {"x": [1]}


def test_a_schema_is_never_fetched(claims: Claims) -> None:
    approval = claims.ask({"x": 1}, schema={"$ref": "https://schema.example/tool.json"})
    assert refused(claims, approval, kind="edit", args={"x": 2}) == "edit_invalid"


class Contested(MemoryStore):
    """A store in which somebody else is faster, so many times."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.faster = 0
        self.change: Any = None

    def settle(self, approval: Approval, expected_version: int, events: Any) -> bool:
        if self.faster > 0 and self.change is not None:
            self.faster -= 1
            stored = self.find(approval.request.id)
            assert stored is not None
            changed = self.change(stored)
            super().settle(changed, stored.version, [])
        return super().settle(approval, expected_version, events)


def contested(claims: Claims) -> Contested:
    store = Contested(claims.clock)
    claims.store = store
    claims.desk = Desk(store, claims.people, claims.signer)
    return store


def bumped(approval: Approval) -> Approval:
    return approval.model_copy(update={"version": approval.version + 1})


@pytest.mark.promise("P2")
def test_a_conflict_is_looked_at_again(claims: Claims) -> None:
    store = contested(claims)
    approval = claims.ask()
    store.change, store.faster = bumped, 3
    assert claims.decide(approval).state is ApprovalState.APPROVED
    assert len(claims.audited("approval.decided")) == 1


@pytest.mark.promise("P2")
def test_endless_conflict_ends_in_an_error(claims: Claims) -> None:
    store = contested(claims)
    approval = claims.ask()
    store.change, store.faster = bumped, ATTEMPTS
    with pytest.raises(DecisionRefusedError) as error:
        claims.decide(approval)
    assert error.value.reason == "conflict"
    assert claims.now(approval).state is ApprovalState.PENDING


@pytest.mark.promise("P2")
def test_a_conflict_that_settled_it_says_so(claims: Claims) -> None:
    store = contested(claims)
    approval = claims.ask()

    def rejected(stored: Approval) -> Approval:
        return stored.model_copy(update={"state": ApprovalState.REJECTED, "version": stored.version + 1})

    store.change, store.faster = rejected, 1
    with pytest.raises(DecisionRefusedError) as error:
        claims.decide(approval)
    assert error.value.reason == "already_settled"


@pytest.mark.promise("P2")
def test_of_many_answers_at_once_each_person_counts_once(claims: Claims) -> None:
    approval = claims.ask(stages=(FINANCE_STAGE,))
    outcomes: list[str] = []
    gate = threading.Barrier(8)

    def answer(person: Any) -> None:
        gate.wait()
        try:
            claims.decide(approval, person)
            outcomes.append("counted")
        except DecisionRefusedError as error:
            outcomes.append(error.reason)

    threads = [threading.Thread(target=answer, args=(person,)) for person in [SECOND, THIRD] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("counted") == 2
    assert set(outcomes) <= {"counted", "already_decided", "already_settled", "conflict"}
    after = claims.now(approval)
    assert after.state is ApprovalState.APPROVED
    assert sorted(said.person for said in after.decisions) == [SECOND.id, THIRD.id]
    assert len(claims.audited("approval.decided")) == 2


def test_nothing_is_decided_when_the_audit_cannot_be_written(claims: Claims) -> None:
    class Unwritable(MemoryStore):
        def _checked(self, events: Any) -> list[AuditEvent]:
            listed = list(events)
            if any(event.kind == "approval.decided" for event in listed):
                raise OSError("disk full")
            return super()._checked(listed)

    claims.store = Unwritable(claims.clock)
    claims.desk = Desk(claims.store, claims.people, claims.signer)
    approval = claims.ask()
    with pytest.raises(OSError, match="disk full"):
        claims.decide(approval)
    assert claims.now(approval) == approval


def test_the_lists_hold_what_concerns_somebody(claims: Claims) -> None:
    both = claims.ask(stages=(DESK_STAGE, FINANCE_STAGE))
    money = claims.ask(stages=(FINANCE_STAGE,))
    done = claims.ask()
    claims.decide(done, kind="reject", reason="no")
    claims.ask(tenant="other")

    def ids(approvals: Any) -> list[str]:
        return [approval.request.id for approval in approvals]

    def seen(person: Person, of: ListName, **asked: Any) -> list[str]:
        return ids(desk.page(person, ListQuery(list=of, **asked)).approvals)

    desk = claims.desk
    assert ids(desk.waiting(FIRST)) == [both.request.id]
    assert ids(desk.waiting(SECOND)) == [money.request.id]
    assert ids(desk.waiting(REQUESTER)) == []
    assert ids(desk.waiting(BYSTANDER)) == []
    assert seen(FIRST, ListName.OPEN) == [both.request.id]
    assert seen(FIRST, ListName.HISTORY) == [done.request.id]
    assert seen(FIRST, ListName.HISTORY, state="consumed") == []
    assert seen(SECOND, ListName.OPEN) == [both.request.id, money.request.id], "first due first"
    assert seen(BYSTANDER, ListName.OPEN) == seen(BYSTANDER, ListName.HISTORY) == []
    assert len(seen(OUTSIDER, ListName.OPEN)) == 1


def test_what_somebody_decided_stays_visible_to_them(claims: Claims) -> None:
    approval = claims.ask()
    claims.decide(approval)
    claims.people.change(FIRST, groups=(), roles=())
    ana = claims.people.people[FIRST.id]
    assert claims.desk.see(approval.request.id, ana) == claims.now(approval)


@pytest.mark.promise("P14")
@pytest.mark.parametrize(
    "person",
    [BYSTANDER, OUTSIDER, FIRST.model_copy(update={"active": False})],
    ids=["role", "tenant", "left"],
)
def test_what_does_not_concern_somebody_does_not_exist(claims: Claims, person: Any) -> None:
    approval = claims.ask()
    with pytest.raises(UnknownApprovalError):
        claims.desk.see(approval.request.id, person)


def test_refusal_says_beforehand_what_decide_would_say(claims: Claims) -> None:
    stage = DESK_STAGE.model_copy(update={"assurance": Assurance.CHAT})
    approval = claims.ask(stages=(stage,), expires_in=60)
    for person, assurance in itertools.product((FIRST, REQUESTER, SECOND), Assurance):
        before = claims.desk.refusal(approval, person, assurance)
        if before is not None:
            assert refused(claims, approval, person, assurance=assurance) == before.reason
    assert claims.desk.refusal(approval, FIRST, Assurance.CHAT) is None
    claims.clock.now += 60
    late = claims.desk.refusal(approval, FIRST, Assurance.CHAT)
    assert late is not None
    assert late.reason == "expired"


@pytest.mark.promise("P7")
def test_expiring_closes_what_is_over_and_nothing_else(claims: Claims) -> None:
    over = claims.ask(expires_in=60)
    kept = claims.ask(expires_in=60, on_expiry="keep")
    later = claims.ask(expires_in=3600)
    claims.clock.now += 60
    assert claims.desk.expire() == 1
    assert claims.desk.expire() == 0
    assert [claims.now(a).state.value for a in (over, kept, later)] == ["expired", "pending", "pending"]
    assert [trace["approval"] for trace in claims.audited("approval.expired")] == [over.request.id]
    assert [due.why for due in claims.store.due()] == ["expired"]


def test_an_operator_can_withdraw_what_is_not_used_yet(claims: Claims) -> None:
    approval = claims.ask()
    claims.decide(approval)
    assert claims.desk.cancel(approval.request.id, "ops", "wrong claim").state is ApprovalState.CANCELLED
    (trace,) = claims.audited("approval.cancelled")
    assert (trace["by"], trace["why"]) == ("ops", "wrong claim")
    with pytest.raises(DecisionRefusedError):
        claims.desk.cancel(approval.request.id, "ops", "again")
    with pytest.raises(UnknownApprovalError):
        claims.desk.cancel("0" * 32, "ops", "nowhere")
