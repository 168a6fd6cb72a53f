"""P6: what a person was shown is signed with what they said, and what is not there any more decides nothing."""

from __future__ import annotations

import json

import pytest

from guardkit.core.approvals import ApprovalDecision, ApprovalState
from guardkit.core.presentation import present, presentation_hash, shown_hash
from guardkit.errors import DecisionRefusedError
from tests.web.claims import DESK_STAGE, FIRST, SECOND, Claims

TWO = DESK_STAGE.model_copy(update={"required": 2, "groups": ("claims-desk", "finance-desk"), "role": None})


@pytest.mark.promise("P6")
def test_what_was_shown_is_signed_and_audited() -> None:
    claims = Claims()
    approval = claims.ask()
    shown = presentation_hash(present(approval))
    (said,) = claims.decide(approval, shown=shown, delivery="d-1").decisions
    assert said.shown == shown
    assert claims.verifier.decision(said)
    for other in (None, "0" * 64):
        assert not claims.verifier.decision(said.model_copy(update={"shown": other}))
    (audited,) = claims.audited("approval.decided")
    assert (audited["shown"], audited["delivery"]) == (shown, "d-1")


@pytest.mark.promise("P6")
def test_a_decision_from_before_there_were_any_keeps_its_signature() -> None:
    claims = Claims()
    approval = claims.ask()
    (said,) = claims.decide(approval).decisions
    assert "shown" not in said.signed_part(), "the bytes that were signed before"
    stored = said.model_dump(mode="json", exclude={"shown"})
    assert claims.verifier.decision(ApprovalDecision.model_validate_json(json.dumps(stored)))
    assert "shown" not in claims.audited("approval.decided")[0]


@pytest.mark.promise("P6")
@pytest.mark.parametrize("overtaken", [False, True])
def test_another_presentation_decides_nothing(overtaken: bool) -> None:
    claims = Claims()
    approval = claims.ask()
    for shown in ("", "0" * 64, "x"):
        with pytest.raises(DecisionRefusedError) as refused:
            claims.decide(approval, shown=shown, overtaken=overtaken)
        assert refused.value.reason == "shown_mismatch"
    assert claims.now(approval) == approval
    assert [one["why"] for one in claims.audited("approval.refused")] == ["shown_mismatch"] * 3


@pytest.mark.promise("P6")
def test_a_message_that_others_answers_have_overtaken_counts_and_names_what_it_showed() -> None:
    claims = Claims()
    approval = claims.ask(stages=(TWO,))
    before = shown_hash(approval, 0)
    assert before == presentation_hash(present(approval))
    then = claims.decide(approval, SECOND, reason="looks right")
    assert shown_hash(then, 0) == before != shown_hash(then, 1) == presentation_hash(present(then))
    assert shown_hash(then, 2) is None
    with pytest.raises(DecisionRefusedError, match="does not look as it did"):
        claims.decide(approval, FIRST, shown=before)
    after = claims.decide(approval, FIRST, shown=before, overtaken=True)
    assert (after.state, after.decisions[1].shown) == (ApprovalState.APPROVED, before)


@pytest.mark.promise("P1")
def test_a_message_from_before_an_edit_decides_nothing_on_what_came_of_it() -> None:
    claims = Claims()
    approval = claims.ask(stages=(TWO,))
    before = shown_hash(approval, 0)
    edited = claims.decide(approval, SECOND, kind="edit", args={**approval.args, "amount": "1.00"})
    assert shown_hash(edited, 0) == before
    with pytest.raises(DecisionRefusedError) as refused:
        claims.decide(edited, FIRST, shown=before, overtaken=True)
    assert refused.value.reason == "shown_mismatch"
    with pytest.raises(DecisionRefusedError) as refused:
        claims.decide(approval, FIRST, shown=before, overtaken=True)
    assert refused.value.reason == "digest_mismatch"
    assert claims.now(approval) == edited
