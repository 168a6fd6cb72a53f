"""From question to answer, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from guardkit.core.drafts import ClaimVerdict, Criterion, Flag
from guardkit.core.no_result import NoResultReason
from guardkit.core.sources import Authority, SourceStatus
from guardkit.grounding import (
    AskModel,
    Failure,
    GroundingSettings,
    Outcome,
    SufficiencyAnswer,
    Ungrounded,
    ground,
)
from guardkit.grounding.outcome import Drafted, Removed, Revised, Verified
from guardkit.testing import ExtractiveModel
from tests.unit.grounding.library import (
    CRITERION,
    HOUSEHOLD,
    MET,
    QUESTION,
    SENTENCE,
    UNMET,
    FixedCritic,
    FixedJudge,
    FixedSufficiency,
    Writer,
    answer,
    chatting,
    document,
    drive,
    grounded,
    task,
    ungrounded,
)

GOOD = f"{SENTENCE} [E1]"
INVENTED = "Theft of gold is covered up to 777 euros. [E1]"
ONCE = GroundingSettings(max_revisions=0)

R = NoResultReason


def enough(**fields: Any) -> FixedSufficiency:
    return FixedSufficiency(SufficiencyAnswer(**{"sufficient": True, "evidence_ids": ("E1",), **fields}))


ENDS: dict[str, tuple[Callable[[], Outcome], NoResultReason, str]] = {
    "no source": (lambda: answer(task(sources=[])), R.NO_AUTHORIZED_SOURCE, "no_source"),
    "none admitted": (
        lambda: answer(task(sources=[document(authority=Authority.USER)])),
        R.NO_AUTHORIZED_SOURCE,
        "none_admitted",
    ),
    "only a draft speaks to it": (
        lambda: answer(
            task(sources=[document(status=SourceStatus.DRAFT), document("Pets are insured.", id="p")])
        ),
        R.NO_AUTHORIZED_SOURCE,
        "only_unauthorised",
    ),
    "nothing in it": (
        lambda: answer(task(sources=[document("\n---\n")])),
        R.INSUFFICIENT_EVIDENCE,
        "empty_sources",
    ),
    "no question": (lambda: answer(task(question=" \n")), R.INSUFFICIENT_EVIDENCE, "no_question"),
    "off topic": (
        lambda: answer(task(question="Which trains run from Lyon to Marseille on Sundays?")),
        R.INSUFFICIENT_EVIDENCE,
        "off_topic",
    ),
    "hardly covered": (
        lambda: answer(task(question="Is water damage from a flood of the river Elbe covered?")),
        R.INSUFFICIENT_EVIDENCE,
        "doubtful",
    ),
    "judged not enough": (
        lambda: answer(task(sufficiency=enough(sufficient=False))),
        R.INSUFFICIENT_EVIDENCE,
        "judged",
    ),
    "enough, by evidence that was not shown": (
        lambda: answer(task(sufficiency=enough(evidence_ids=("E1", "E99")))),
        R.INSUFFICIENT_EVIDENCE,
        "judged",
    ),
    "enough, by nothing": (
        lambda: answer(task(sufficiency=enough(evidence_ids=()))),
        R.INSUFFICIENT_EVIDENCE,
        "judged",
    ),
    "model finds none": (
        lambda: answer(task(), "The evidence does not answer the question."),
        R.INSUFFICIENT_EVIDENCE,
        "model_found_none",
    ),
    "judged to conflict": (
        lambda: answer(task(sufficiency=enough(conflict=True))),
        R.CONFLICTING_SOURCES,
        "judged",
    ),
    "numbers differ": (
        lambda: answer(
            task(
                sources=[document(), document(HOUSEHOLD.replace("25,000", "20,000"), id="new", title="New")]
            ),
            GOOD,
        ),
        R.CONFLICTING_SOURCES,
        "numbers_differ",
    ),
    "nothing to check": (lambda: answer(task(), "So it is."), R.UNSUPPORTED_CLAIM, "nothing_checkable"),
    "nothing supported": (
        lambda: answer(task(settings=ONCE), INVENTED),
        R.UNSUPPORTED_CLAIM,
        "none_supported",
    ),
    "too little supported": (
        lambda: answer(task(settings=ONCE), f"{GOOD} {INVENTED} {INVENTED.replace('777', '778')}"),
        R.UNSUPPORTED_CLAIM,
        "too_few_supported",
    ),
    "the answering claim falls": (
        lambda: answer(
            task(settings=ONCE),
            f"{SENTENCE.replace('25,000', '26,000')} [E1] The reporting of theft goes to the police. [E2]",
        ),
        R.UNSUPPORTED_CLAIM,
        "answering_claim_gone",
    ),
    "judges disagree": (
        lambda: answer(
            task(
                settings=GroundingSettings(max_revisions=0, auto_accept="never"),
                judges=(FixedJudge(), FixedJudge(ClaimVerdict.NOT_ENOUGH_INFO, name="second")),
            ),
            GOOD,
        ),
        R.NO_CONSENSUS,
        "judges_disagree",
    ),
    "judge down": (
        lambda: answer(
            task(
                settings=GroundingSettings(max_revisions=0, auto_accept="never"),
                judges=(FixedJudge(RuntimeError("down")),),
            ),
            GOOD,
        ),
        R.CHECK_FAILED,
        "judge_failed",
    ),
    "sufficiency judge down": (
        lambda: answer(task(sufficiency=FixedSufficiency(RuntimeError("down")))),
        R.CHECK_FAILED,
        "sufficiency_judge",
    ),
    "sufficiency judge mumbles": (
        lambda: answer(task(sufficiency=FixedSufficiency("yes"))),
        R.CHECK_FAILED,
        "sufficiency_judge",
    ),
    "sufficiency judge fails": (
        lambda: answer(task(sufficiency=FixedSufficiency(Failure(kind="malformed")))),
        R.CHECK_FAILED,
        "sufficiency_judge",
    ),
    "critic down": (
        lambda: answer(task(criteria=(CRITERION,), critic=FixedCritic([RuntimeError("down")])), GOOD),
        R.CHECK_FAILED,
        "critic",
    ),
    "critic mumbles": (
        lambda: answer(task(criteria=(CRITERION,), critic=FixedCritic(["all fine"])), GOOD),
        R.CHECK_FAILED,
        "critic",
    ),
    "critic answers beside it": (
        lambda: answer(task(criteria=(CRITERION,), critic=FixedCritic([[*MET, "and more"]])), GOOD),
        R.CHECK_FAILED,
        "critic",
    ),
    "criterion not met": (
        lambda: answer(task(criteria=(CRITERION,), critic=FixedCritic([UNMET]), settings=ONCE), GOOD),
        R.CHECK_FAILED,
        "criteria_not_met",
    ),
    "criterion not answered": (
        lambda: answer(task(criteria=(CRITERION,), critic=FixedCritic([[]]), settings=ONCE), GOOD),
        R.CHECK_FAILED,
        "criteria_not_met",
    ),
    "calls spent": (
        lambda: answer(task(settings=GroundingSettings(max_calls=1)), INVENTED),
        R.BUDGET_EXHAUSTED,
        "calls",
    ),
    "time spent": (
        lambda: answer(task(clock=lambda: 10.0, deadline=10.0), GOOD),
        R.BUDGET_EXHAUSTED,
        "deadline",
    ),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("run", "reason", "cause"), ENDS.values(), ids=ENDS)
def test_every_end_without_an_answer_has_its_reason(
    run: Callable[[], Outcome], reason: NoResultReason, cause: str
) -> None:
    outcome = ungrounded(run())
    assert (outcome.reason, outcome.cause) == (reason, cause)
    assert outcome.detail


def test_every_reason_of_grounding_is_tested_here() -> None:
    assert {reason for _, reason, _ in ENDS.values()} == {
        R.NO_AUTHORIZED_SOURCE,
        R.INSUFFICIENT_EVIDENCE,
        R.CONFLICTING_SOURCES,
        R.UNSUPPORTED_CLAIM,
        R.NO_CONSENSUS,
        R.CHECK_FAILED,
        R.BUDGET_EXHAUSTED,
    }


@pytest.mark.promise("P8")
@pytest.mark.parametrize(("run", "reason", "cause"), ENDS.values(), ids=ENDS)
def test_no_end_quotes_a_draft(run: Callable[[], Outcome], reason: NoResultReason, cause: str) -> None:
    told = ungrounded(run()).model_dump(exclude={"trail"})
    assert "777" not in str(told)
    assert "26,000" not in str(told)


def test_an_answer_cites_the_span_that_supports_it() -> None:
    source = document()
    outcome = grounded(answer(task(sources=[source]), GOOD))
    assert outcome.answer.text == f"{SENTENCE} [1]"
    (citation,) = outcome.answer.citations
    assert source.text[citation.start : citation.end] == citation.quote == SENTENCE
    assert (citation.document, citation.section) == ("Household cover", "Water damage")


@pytest.mark.promise("P8")
def test_what_could_not_be_supported_is_left_out_and_the_reader_is_told() -> None:
    outcome = grounded(answer(task(settings=ONCE), f"{GOOD} {INVENTED}"))
    assert outcome.answer.text == f"{SENTENCE} [1]"
    assert "1 statement of the draft could not be supported and left out." in outcome.answer.assurance
    assert [one.text for one in outcome.trail if isinstance(one, Removed)] == [INVENTED]


@pytest.mark.promise("P8")
@pytest.mark.parametrize(
    "extra",
    [
        "I think it is generous.",
        "# Good news",
        "Is it not great?",
        "Here it is:",
        "The documents do not mention gold.",
    ],
)
def test_what_cannot_be_checked_never_reaches_an_answer(extra: str) -> None:
    outcome = grounded(answer(task(), f"{GOOD}\n\n{extra}"))
    assert outcome.answer.text == f"{SENTENCE} [1]"


CITED = {
    "nothing": (SENTENCE, Flag.CITATION_MISSING),
    "what was not given": (f"{SENTENCE} [E9]", Flag.CITATION_UNKNOWN),
    "one that exists and one that does not": (f"{SENTENCE} [E1, E9]", Flag.CITATION_UNKNOWN),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("draft", "flag"), CITED.values(), ids=CITED)
def test_a_true_sentence_that_cites_wrongly_fails(draft: str, flag: Flag) -> None:
    outcome = ungrounded(answer(task(settings=ONCE), draft))
    (verified,) = [one for one in outcome.trail if isinstance(one, Verified)]
    assert flag in verified.verification.checks[0].flags


def test_citations_need_not_be_required() -> None:
    settings = GroundingSettings(require_citations=False)
    assert grounded(answer(task(settings=settings), SENTENCE)).answer.citations[0].quote == SENTENCE


def test_a_citation_of_the_wrong_passage_is_corrected() -> None:
    outcome = grounded(answer(task(), f"{SENTENCE} [E2]"))
    assert outcome.answer.citations[0].quote == SENTENCE
    assert any("corrected" in note for note in outcome.answer.assurance)


def quoting(quote: str) -> Outcome:
    return answer(task(settings=ONCE), f'It is written that "{quote}". [E1]')


def test_a_quotation_that_is_not_verbatim_fails_its_claim() -> None:
    for quote in (
        "covered up to 25,000 euros per year",
        "Covered up to 25,000 euros",
        "pipes is covered up 25,000",
    ):
        (verified,) = [one for one in quoting(quote).trail if isinstance(one, Verified)]
        assert Flag.QUOTE_ABSENT in verified.verification.checks[0].flags
    (verified,) = [
        one for one in quoting("covered up to 25,000  euros per event").trail if isinstance(one, Verified)
    ]
    assert Flag.QUOTE_ABSENT not in verified.verification.checks[0].flags


# --- revision ---------------------------------------------------------------------------------------------------


def test_only_the_failed_statement_goes_back_and_its_replacement_is_verified() -> None:
    writer = Writer([f"{GOOD} {INVENTED}", f"1: {INVENTED.replace('777', '778')}", "1: REMOVE"])
    outcome = grounded(drive(task(), writer))
    assert outcome.answer.text == f"{SENTENCE} [1]"
    assert len(writer.asked) == 3
    assert "777" in writer.asked[1]
    assert f'"sentence": "{GOOD}"' not in writer.asked[1]
    assert [one.revision for one in outcome.trail if isinstance(one, Verified)] == [0, 1, 2]


def test_a_repair_that_changes_nothing_ends_the_revisions() -> None:
    writer = Writer([INVENTED, f"1: {INVENTED}"])
    assert ungrounded(drive(task(), writer)).cause == "none_supported"
    assert len(writer.asked) == 2


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_revisions_are_bounded(limit: int) -> None:
    lines = [INVENTED, *(f"1: {INVENTED.replace('777', str(780 + number))}" for number in range(9))]
    writer = Writer(lines)
    ungrounded(drive(task(settings=GroundingSettings(max_revisions=limit)), writer))
    assert len(writer.asked) == 1 + limit


@pytest.mark.parametrize("reply", ["", "no idea", "7: Something.", "1:", "1: \n2: x"], ids=repr)
def test_a_repair_that_cannot_be_read_repairs_nothing(reply: str) -> None:
    assert ungrounded(answer(task(), INVENTED, reply)).cause == "none_supported"


def test_a_missed_criterion_has_the_whole_answer_written_again() -> None:
    critic = FixedCritic([UNMET, MET])
    first = "Water damage must be reported within 30 days. [E1]"
    outcome = grounded(answer(task(criteria=(CRITERION,), critic=critic), first, GOOD))
    assert outcome.answer.text == f"{SENTENCE} [1]"
    assert [type(one) for one in outcome.trail if isinstance(one, Drafted | Revised)] == [Drafted, Revised]
    assert critic.drafts[-1] == outcome.answer.text


@pytest.mark.promise("P7")
def test_the_answer_that_is_left_must_satisfy_the_criteria_too() -> None:
    critic = FixedCritic([MET, UNMET])
    outcome = ungrounded(
        answer(task(criteria=(CRITERION,), critic=critic, settings=ONCE), f"{GOOD} {INVENTED}")
    )
    assert outcome.cause == "criteria_not_met"
    assert outcome.missing == ("no sum",)


# --- conflicts --------------------------------------------------------------------------------------------------


def test_a_source_of_lower_authority_contradicts_nothing() -> None:
    lower = document(HOUSEHOLD.replace("25,000", "20,000"), id="faq", authority=Authority.APPROVED)
    assert grounded(answer(task(sources=[document(), lower]), GOOD)).answer.text == f"{SENTENCE} [1]"


def test_conflicting_spans_are_shown() -> None:
    newer = document(HOUSEHOLD.replace("25,000", "20,000"), id="new", title="New")
    outcome = ungrounded(answer(task(sources=[document(), newer]), GOOD))
    assert {span.source_id for span in outcome.conflict} == {"household", "new"}
    assert all(
        span.is_span_of({"household": document(), "new": newer}[span.source_id]) for span in outcome.conflict
    )


@pytest.mark.promise("P14")
def test_another_tenants_source_neither_contradicts_nor_shows() -> None:
    foreign = document(HOUSEHOLD.replace("25,000", "20,000"), id="f-id", title="Foreign", tenant="inland")
    writer = Writer([GOOD])
    outcome = grounded(drive(task(sources=[foreign, document()]), writer))
    assert "20,000" not in writer.asked[0] + str(outcome)
    assert "Foreign" not in str(outcome)


# --- the limits of the flow itself ------------------------------------------------------------------------------


@pytest.mark.promise("P7")
def test_high_assurance_accepts_nothing_without_a_judge() -> None:
    settings = GroundingSettings(auto_accept="never", max_revisions=0)
    assert ungrounded(answer(task(settings=settings), GOOD)).reason is R.UNSUPPORTED_CLAIM


def test_near_verbatim_claims_spare_the_judges_where_that_is_chosen() -> None:
    judge = FixedJudge()
    grounded(answer(task(settings=GroundingSettings(auto_accept="always"), judges=(judge,)), GOOD))
    assert judge.seen == []
    grounded(answer(task(judges=(judge,)), GOOD))
    assert judge.seen == [SENTENCE]


def test_what_the_model_raises_is_raised() -> None:
    with pytest.raises(RuntimeError, match="down"):
        answer(task(), RuntimeError("down"))


def test_a_timeout_of_the_whole_is_a_spent_budget() -> None:
    flow = ground(task())
    assert isinstance(next(flow), AskModel)
    with pytest.raises(StopIteration) as done:
        flow.throw(TimeoutError())
    assert isinstance(done.value.value, Ungrounded)
    assert done.value.value.reason is R.BUDGET_EXHAUSTED


def test_other_exceptions_pass_through_the_flow() -> None:
    flow = ground(task())
    next(flow)
    with pytest.raises(KeyboardInterrupt):
        flow.throw(KeyboardInterrupt())


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "naive time": ({"at": datetime(2026, 6, 1)}, "aware"),  # noqa: DTZ001  # the point of the test
    "criteria without a critic": ({"criteria": (CRITERION,)}, "critic"),
    "deadline without a clock": ({"deadline": 1.0}, "clock"),
}


@pytest.mark.promise("P15")
@pytest.mark.parametrize(("fields", "named"), REFUSED.values(), ids=REFUSED)
def test_a_task_that_makes_no_sense_is_refused(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ground(task(**fields))


@pytest.mark.parametrize("misbehave", ["invent", "wrong_quote"])
def test_a_model_that_invents_is_corrected(misbehave: Any) -> None:
    outcome = grounded(drive(task(), chatting(ExtractiveModel(misbehave=misbehave))))
    assert SENTENCE in outcome.answer.text
    assert any(isinstance(one, Removed) for one in outcome.trail)


@pytest.mark.parametrize("misbehave", ["malformed", "no_citation"])
def test_a_model_that_cannot_be_corrected_gets_no_answer_out(misbehave: Any) -> None:
    outcome = drive(task(), chatting(ExtractiveModel(misbehave=misbehave, repairs=False)))
    assert isinstance(outcome, Ungrounded)


def test_criteria_need_words() -> None:
    with pytest.raises(ValueError, match="text"):
        Criterion(id="a", text="")


def test_the_question_is_what_is_answered() -> None:
    writer = Writer([GOOD])
    drive(task(), writer)
    assert QUESTION in writer.asked[0]
