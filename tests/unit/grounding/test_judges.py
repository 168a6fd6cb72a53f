"""What a judge's answer is worth: support counts only with proof, and no answer is no agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from guardkit.core.drafts import ClaimVerdict, Criterion, CriterionAnswer, Critique, Flag, Vote
from guardkit.core.no_result import NoResultReason
from guardkit.grounding import (
    ChatJudge,
    Exhibit,
    Failure,
    GroundingSettings,
    JudgeAnswer,
    Outcome,
    SufficiencyAnswer,
)
from guardkit.grounding.outcome import Verified
from guardkit.testing import ScriptedModel
from tests.unit.grounding.library import SENTENCE, FixedJudge, answer, document, grounded, task, ungrounded

SUPPORTED, REFUTED, UNKNOWN = ClaimVerdict.SUPPORTED, ClaimVerdict.CONTRADICTED, ClaimVerdict.NOT_ENOUGH_INFO
REWORDED = "Burst pipes that damage with water are insured to 25,000 euros for each event. [E1]"
"""Says it in other words, so that only judges can accept it."""

ONCE = GroundingSettings(max_revisions=0)


def judged(*judges: Any, draft: str = REWORDED, **fields: Any) -> Outcome:
    return answer(task(judges=judges, settings=ONCE, **fields), draft)


def votes(outcome: Outcome) -> tuple[Vote, ...]:
    (verified,) = [one for one in outcome.trail if isinstance(one, Verified)]
    return verified.verification.checks[0].votes


def test_a_judge_accepts_what_the_verifier_leaves_open() -> None:
    outcome = grounded(judged(FixedJudge()))
    assert outcome.answer.text == REWORDED.replace("[E1]", "[1]")
    assert SENTENCE in outcome.answer.citations[0].quote


@pytest.mark.promise("P7")
def test_without_a_judge_it_does_not_pass() -> None:
    assert ungrounded(judged()).reason is NoResultReason.UNSUPPORTED_CLAIM


@pytest.mark.promise("P7")
@pytest.mark.parametrize("verdict", [UNKNOWN, REFUTED])
def test_a_judge_that_says_no_is_believed(verdict: ClaimVerdict) -> None:
    assert ungrounded(judged(FixedJudge(verdict))).reason is NoResultReason.UNSUPPORTED_CLAIM


NO_VOTE: dict[str, tuple[Any, str]] = {
    "raises": (RuntimeError("down"), "raised"),
    "is late": (TimeoutError(), "late"),
    "reports a failure": (Failure(kind="malformed"), "malformed"),
    "says nothing": (None, "malformed"),
    "says yes": (True, "malformed"),
    "says it in words": ("supported", "malformed"),
    "says it in a dict": ({"verdict": "supported"}, "malformed"),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("said", "error"), NO_VOTE.values(), ids=NO_VOTE)
def test_a_judge_that_gives_no_valid_vote_agrees_to_nothing(said: Any, error: str) -> None:
    outcome = ungrounded(judged(FixedJudge(said)))
    assert (outcome.reason, outcome.cause) == (NoResultReason.CHECK_FAILED, "judge_failed")
    assert votes(outcome) == (Vote(judge="judge", verdict=None, error=error),)


@pytest.mark.promise("P7")
def test_one_failing_judge_of_a_panel_is_enough() -> None:
    outcome = ungrounded(judged(FixedJudge(), FixedJudge(RuntimeError("down"), name="second")))
    assert outcome.reason is NoResultReason.CHECK_FAILED


@pytest.mark.promise("P7")
def test_judges_that_disagree_are_no_consensus() -> None:
    outcome = ungrounded(judged(FixedJudge(), FixedJudge(UNKNOWN, name="second")))
    assert (outcome.reason, outcome.cause) == (NoResultReason.NO_CONSENSUS, "judges_disagree")


def test_a_dissent_spares_the_judges_that_follow() -> None:
    second = FixedJudge(name="second")
    judged(FixedJudge(UNKNOWN), second)
    assert second.seen == []


UNPROVEN: dict[str, tuple[dict[str, Any], str]] = {
    "names nothing": ({"ids": ()}, "unknown_evidence"),
    "names what was not shown": ({"ids": ("E1", "E99")}, "unknown_evidence"),
    "quotes nothing": ({"quote": "   "}, "quote_absent"),
    "quotes what is not there": ({"quote": "Water damage is covered without limit."}, "quote_absent"),
    "changes a letter": ({"quote": SENTENCE.replace("covered", "coveted")}, "quote_absent"),
    "quotes something else": ({"quote": "must be reported within 30 days"}, "quote_absent"),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("fields", "error"), UNPROVEN.values(), ids=UNPROVEN)
def test_support_without_a_true_quotation_falls(fields: dict[str, Any], error: str) -> None:
    outcome = ungrounded(judged(FixedJudge(**fields)))
    assert votes(outcome)[0].error == error
    assert votes(outcome)[0].verdict is UNKNOWN


@pytest.mark.promise("P7")
def test_no_judge_gets_a_number_past_the_veto() -> None:
    judge = FixedJudge()
    outcome = ungrounded(judged(judge, draft=REWORDED.replace("25,000", "26,000")))
    assert outcome.reason is NoResultReason.UNSUPPORTED_CLAIM
    assert judge.seen == []


WITHHELD = {
    "another unit": (REWORDED.replace("euros", "dollars"), Flag.UNIT_MISMATCH),
    "a name from nowhere": (REWORDED.replace("event", "Zurich event"), Flag.NAME_ABSENT),
    "a negation": (REWORDED.replace("are insured", "are not insured"), Flag.NEGATION_ADDED),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("draft", "flag"), WITHHELD.values(), ids=WITHHELD)
def test_the_verifier_withholds_what_a_judge_would_let_pass(draft: str, flag: Flag) -> None:
    outcome = ungrounded(judged(FixedJudge(), draft=draft))
    assert outcome.reason is NoResultReason.NO_CONSENSUS
    (verified,) = [one for one in outcome.trail if isinstance(one, Verified)]
    assert flag in verified.verification.checks[0].flags


def test_a_judge_sees_one_claim_and_evidence_and_nothing_else_of_the_draft() -> None:
    class Curious(FixedJudge):
        def judge(self, claim: str, exhibits: Sequence[Exhibit]) -> Any:
            assert "zebra" not in claim + "".join(exhibit.evidence.text for exhibit in exhibits)
            return super().judge(claim, exhibits)

    judge = Curious()
    judged(judge, draft=f"{REWORDED} A zebra [E1].")
    assert judge.seen[0] == REWORDED.removesuffix(" [E1]")


def test_what_judges_see_are_spans_of_admitted_sources() -> None:
    source = document()

    class Looking(FixedJudge):
        def judge(self, claim: str, exhibits: Sequence[Exhibit]) -> Any:
            assert all(exhibit.evidence.is_span_of(source) for exhibit in exhibits)
            return super().judge(claim, exhibits)

    grounded(judged(Looking(), sources=[source, document("Secret.", id="x", tenant="inland")]))


def test_an_unchanged_claim_is_not_judged_twice() -> None:
    judge = FixedJudge(UNKNOWN)
    answer(task(judges=[judge]), REWORDED, f"1: {REWORDED}")
    assert len(judge.seen) == 1


# --- chat models as judges --------------------------------------------------------------------------------------

GOOD = '{"verdict": "supported", "evidence_ids": ["E1"], "quote": "' + SENTENCE + '", "missing": null}'
SHOWN = [Exhibit("E1", document().evidence(16, 30))]


def speaking(*lines: Any) -> ScriptedModel:
    """Says the lines in turn: the prompts of a repair hold what was said before."""
    return ScriptedModel(*lines)


def test_a_chat_model_is_a_judge() -> None:
    found = ChatJudge(speaking(GOOD), name="m").judge("claim", SHOWN)
    assert isinstance(found, JudgeAnswer)
    assert found.verdict is SUPPORTED
    grounded(judged(ChatJudge(speaking(GOOD), name="m")))


def test_a_chat_model_that_answers_badly_is_asked_once_more() -> None:
    assert isinstance(ChatJudge(speaking("Sure!", GOOD), name="m").judge("claim", SHOWN), JudgeAnswer)


BAD = {
    "prose": "The claim is supported.",
    "fenced": f"```json\n{GOOD}\n```",
    "trailing words": f"{GOOD} That is all.",
    "a list": f"[{GOOD}]",
    "no verdict": '{"evidence_ids": ["E1"]}',
    "other verdict": GOOD.replace("supported", "likely"),
    "more fields": GOOD.replace('"missing"', '"confidence": 1, "missing"'),
    "cut off": GOOD[:-2],
    "too long": GOOD + " " * 30_000,
    "empty": "",
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize("reply", BAD.values(), ids=BAD)
def test_a_chat_model_that_answers_badly_twice_has_failed(reply: str) -> None:
    assert ChatJudge(speaking(reply, reply), name="m").judge("claim", SHOWN) == Failure(kind="malformed")


def test_what_a_chat_model_raises_is_no_agreement() -> None:
    outcome = ungrounded(judged(ChatJudge(speaking(RuntimeError("down")), name="m")))
    assert (outcome.reason, votes(outcome)[0].error) == (NoResultReason.CHECK_FAILED, "raised")


async def test_the_async_form_says_the_same() -> None:
    judge = ChatJudge(speaking("no", GOOD), name="m")
    assert await judge.ajudge("claim", SHOWN) == ChatJudge(speaking(GOOD), name="m").judge("claim", SHOWN)
    enough = '{"sufficient": true, "evidence_ids": ["E1"], "missing": [], "conflict": false}'
    found = await ChatJudge(speaking(enough), name="m").asuffices("question", SHOWN)
    assert found == SufficiencyAnswer(sufficient=True, evidence_ids=("E1",))
    met = '{"answers": [{"criterion_id": "a", "met": true, "gap": null}]}'
    criteria = [Criterion(id="a", text="A.")]
    assert await ChatJudge(speaking(met), name="m").acriticise("q", "draft", criteria) == (
        CriterionAnswer(criterion_id="a", met=True),
    )
    assert ChatJudge(speaking("?", "?"), name="m").suffices("q", SHOWN) == Failure(kind="malformed")
    assert ChatJudge(speaking("?", "?"), name="m").criticise("q", "d", criteria) == Failure(kind="malformed")


# --- critiques --------------------------------------------------------------------------------------------------

A, B = Criterion(id="a", text="A."), Criterion(id="b", text="B.")


def said(id: str, *, met: bool) -> CriterionAnswer:
    return CriterionAnswer(criterion_id=id, met=met, gap=None if met else "gap")


ANSWERS: dict[str, tuple[Callable[[], list[CriterionAnswer]], list[str]]] = {
    "all met": (lambda: [said("a", met=True), said("b", met=True)], []),
    "one not": (lambda: [said("a", met=True), said("b", met=False)], ["b"]),
    "one left out": (lambda: [said("a", met=True)], ["b"]),
    "none": (list, ["a", "b"]),
    "yes and no": (lambda: [said("a", met=True), said("a", met=False), said("b", met=True)], ["a"]),
    "not asked": (lambda: [said("a", met=True), said("b", met=True), said("c", met=False)], []),
    "name in other case": (lambda: [said("a", met=True), said("B", met=True)], ["b"]),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("given", "unmet"), ANSWERS.values(), ids=ANSWERS)
def test_a_criterion_is_met_only_if_the_critic_says_so(
    given: Callable[[], list[CriterionAnswer]], unmet: list[str]
) -> None:
    critique = Critique.complete([A, B], given())
    assert [answer.criterion_id for answer in critique.answers] == ["a", "b"]
    assert [answer.criterion_id for answer in critique.unmet] == unmet


@pytest.mark.parametrize(("met", "gap"), [(True, "gap"), (False, None), (False, "")])
def test_a_gap_goes_with_what_is_not_met(met: bool, gap: str | None) -> None:
    with pytest.raises(ValueError, match="gap"):
        CriterionAnswer(criterion_id="a", met=met, gap=gap)
