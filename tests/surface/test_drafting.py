"""Answers through the public door, on the graph itself: what goes out, what is removed, and who sees what led to it."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from guardkit import (
    Answer,
    Criterion,
    NoResult,
    Policy,
    Source,
    SourceStatus,
)
from guardkit.core.drafts import ClaimVerdict, CriterionAnswer, Flag
from guardkit.grounding import (
    GroundingSettings,
    SufficiencyAnswer,
)
from guardkit.grounding.outcome import Admitted, Criticised, Drafted, Removed, Revised, Verified
from guardkit.testing import ExtractiveModel, ScriptedModel
from tests.promises.scene import KIM, Mode, Scene, entries, run
from tests.surface.answering import (
    EARTHQUAKE,
    FREE,
    GOOD,
    INVENTED,
    MET,
    ONCE,
    OTHER,
    QUESTION,
    SENTENCE,
    SUM,
    TRAINS,
    UNMET,
    AsyncJudge,
    Critic,
    Judge,
    R,
    Sufficiency,
    Writer,
    document,
    open_desk,
    pets,
)

# --- answers ----------------------------------------------------------------------------------------------------


@pytest.mark.promise("P8")
def test_an_answer_cites_document_section_and_the_very_span(scene: Scene, mode: Mode) -> None:
    source = document(uri="https://corp.example/household")
    desk = open_desk(scene, mode, sources=[pets(), source], draft=ExtractiveModel(most=1))
    answer = desk.answer()
    assert answer.text == f"{SENTENCE} [1]"
    (citation,) = answer.citations
    assert (citation.number, citation.source_id) == (1, "household")
    assert (citation.document, citation.section) == ("Household cover", "Water damage")
    assert citation.uri == source.uri
    assert source.text[citation.start : citation.end] == citation.quote == SENTENCE


def test_every_statement_has_its_own_numbers(scene: Scene, mode: Mode) -> None:
    source = document()
    desk = open_desk(scene, mode, draft=f"{GOOD} {OTHER} [E2]\n\n{SENTENCE} [E1]")
    answer = desk.answer()
    assert answer.text == f"{SENTENCE} [1] {OTHER} [2]\n\n{SENTENCE} [1]"
    assert [one.section for one in answer.citations] == ["Water damage", "Theft"]
    assert [source.text[one.start : one.end] for one in answer.citations] == [SENTENCE, OTHER]


def test_a_section_that_is_a_source_of_its_own_is_cited_as_it_is_named(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode, sources=[document(SENTENCE, section="§ 4 Water")])
    assert [one.section for one in desk.answer().citations] == ["§ 4 Water"]


def test_the_answer_is_the_one_message_that_is_added(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode)
    answer = desk.answer()
    assert [(one.type, one.text) for one in desk.output["messages"]] == [
        ("human", QUESTION),
        ("ai", answer.text),
    ]
    state = desk.graph.get_state(desk.guard.config("t", KIM))
    assert [one.text for one in state.values["messages"]] == [QUESTION, answer.text]
    assert not state.next


def test_an_answer_says_what_was_not_judged(scene: Scene, mode: Mode) -> None:
    told = " ".join(open_desk(scene, mode).answer().assurance)
    assert "No judge" in told
    assert "No sufficiency judge" in told
    judged = open_desk(
        scene,
        mode,
        judges=[Judge()],
        sufficiency=Sufficiency(SufficiencyAnswer(sufficient=True, evidence_ids=("E1",))),
    )
    assert judged.answer().assurance == ()


def test_each_question_of_a_thread_is_answered_by_itself(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode, draft=ExtractiveModel(most=1))
    assert isinstance(desk.ask(), Answer)
    assert isinstance(desk.ask(EARTHQUAKE), NoResult)
    again = desk.ask("To whom does the reporting of theft go?")
    assert isinstance(again, Answer)
    assert again.text == f"{OTHER} [1]"
    assert [one.type for one in desk.output["messages"]] == ["human", "ai", "human", "human", "ai"]


def test_the_question_and_the_messages_may_be_elsewhere_in_the_state(scene: Scene, mode: Mode) -> None:
    class State(TypedDict):
        talk: Annotated[list[AnyMessage], add_messages]
        topic: str

    guard = scene.guard({})

    @guard.retriever
    def library(state: State) -> list[Source]:
        return [document()]

    node = guard.draft_critique_verify(
        model=ExtractiveModel(most=1),
        retriever=library,
        messages_key="talk",
        question=lambda state: f"Up to what amount is {state['talk'][0].text} covered?",
    )
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    builder.add_node("answer", node)
    builder.add_edge(START, "answer")
    graph = guard.compile(builder, messages_key="talk")
    given = {"talk": [("user", "water damage from burst pipes")], "topic": "water"}
    out = run(graph, given, guard.config("t", KIM), mode)
    assert out["talk"][-1].text == f"{SENTENCE} [1]"
    assert out["topic"] == "water"


def test_a_model_that_speaks_in_blocks_is_read(scene: Scene, mode: Mode) -> None:
    blocks: list[str | dict[Any, Any]] = [{"type": "text", "text": GOOD}]
    desk = open_desk(scene, mode, draft=ScriptedModel(AIMessage(content=blocks)))
    assert desk.answer().text == f"{SENTENCE} [1]"


# --- what cannot be supported -----------------------------------------------------------------------------------


@pytest.mark.promise("P8")
def test_a_statement_without_support_is_removed_and_the_reader_is_told(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode, draft=f"{GOOD} {INVENTED}", settings=ONCE)
    answer = desk.answer()
    assert answer.text == f"{SENTENCE} [1]"
    assert "1 statement of the draft could not be supported and left out." in answer.assurance
    (removed,) = desk.saw(Removed)
    assert removed.text == INVENTED
    assert "number" in removed.why
    (verified,) = desk.saw(Verified)
    assert [check.verdict for check in verified.verification.checks] == [
        ClaimVerdict.SUPPORTED,
        ClaimVerdict.NOT_ENOUGH_INFO,
    ]
    assert Flag.NUMBER_ABSENT in verified.verification.failed[0].flags
    assert "777" not in str(desk.output)


@pytest.mark.promise("P8")
def test_a_statement_that_is_taken_back_is_removed(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode, draft=Writer(f"{GOOD} {INVENTED}", ["1: REMOVE"]))
    assert desk.answer().text == f"{SENTENCE} [1]"
    (removed,) = desk.saw(Removed)
    assert removed.text == INVENTED
    assert removed.why.endswith("taken back by the model")


@pytest.mark.promise("P8")
@pytest.mark.parametrize("misbehave", ["invent", "wrong_quote"])
def test_a_model_that_invents_is_found_out(scene: Scene, mode: Mode, misbehave: Any) -> None:
    desk = open_desk(scene, mode, draft=ExtractiveModel(misbehave=misbehave, most=1))
    assert desk.answer().text == f"{SENTENCE} [1]"
    assert len(desk.saw(Removed)) == 1


CHANGED = {
    "number": SENTENCE.replace("25,000", "26,000"),
    "negation": SENTENCE.replace("is covered", "is not covered"),
    "quotation": 'It says that "water damage is always covered in full". [E1]',
    "another document's number": SENTENCE.replace("25,000", "30"),
    "citation of nothing": f"{SENTENCE} [E77]",
    "no citation": SENTENCE,
}


@pytest.mark.promise("P7", "P8")
@pytest.mark.parametrize("sentence", CHANGED.values(), ids=CHANGED)
def test_a_draft_that_says_something_else_is_no_answer(scene: Scene, mode: Mode, sentence: str) -> None:
    cited = sentence if "[" in sentence or sentence == SENTENCE else f"{sentence} [E1]"
    desk = open_desk(scene, mode, draft=cited, settings=ONCE)
    assert desk.no_result().reason is R.UNSUPPORTED_CLAIM
    assert [one.type for one in desk.output["messages"]] == ["human"]


def test_what_only_a_judge_can_tell_takes_a_judge(scene: Scene, mode: Mode) -> None:
    alone = open_desk(scene, mode, draft=FREE, settings=ONCE)
    assert alone.no_result().reason is R.UNSUPPORTED_CLAIM
    judge = Judge()
    judged = open_desk(scene, mode, draft=FREE, settings=ONCE, judges=[judge])
    assert judged.answer().text == f"{FREE.removesuffix(' [E1]')} [1]"
    assert judge.asked == [FREE.removesuffix(" [E1]")]


@pytest.mark.promise("P8")
def test_a_judge_that_agrees_to_an_invented_number_is_overruled(scene: Scene, mode: Mode) -> None:
    judge = Judge()
    desk = open_desk(scene, mode, draft=INVENTED, settings=ONCE, judges=[judge])
    assert desk.no_result().reason is R.UNSUPPORTED_CLAIM
    assert judge.asked == []


def test_an_async_judge_answers_in_an_async_graph_and_fails_in_a_sync_one(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode, draft=FREE, settings=ONCE, judges=[AsyncJudge()])
    if mode == "async":
        assert desk.answer().citations
    else:
        assert desk.no_result().reason is R.CHECK_FAILED


# --- who sees what ----------------------------------------------------------------------------------------------


def test_draft_critique_verification_and_revision_are_seen_by_on_outcome(scene: Scene, mode: Mode) -> None:
    first = "Water damage must be reported within 30 days. [E1]"
    critic = Critic([UNMET, MET])
    desk = open_desk(scene, mode, draft=Writer(first, [GOOD]), critic=critic, criteria=[SUM])
    answer = desk.answer()
    assert answer.text == f"{SENTENCE} [1]"
    kinds = ["admitted", "compared", "drafted", "criticised", "verified", "revised", "criticised", "verified"]
    (trail,) = desk.trails
    assert [record.kind for record in trail.trail] == [*kinds, "criticised"]
    assert [record.text for record in desk.saw(Drafted, Revised)] == [first, GOOD]
    assert [[one.met for one in record.critique.answers] for record in desk.saw(Criticised)] == [
        [False],
        [True],
        [True],
    ]
    assert critic.drafts == [first, GOOD, answer.text]
    assert [
        (check.claim.text, check.verdict)
        for record in desk.saw(Verified)
        for check in record.verification.checks
    ] == [(first, ClaimVerdict.SUPPORTED), (GOOD, ClaimVerdict.SUPPORTED)]


def test_on_outcome_sees_which_sources_counted(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode, sources=[pets(status=SourceStatus.DRAFT), document()])
    desk.answer()
    (admitted,) = desk.saw(Admitted)
    assert admitted.titles == ("Household cover",)
    assert [(one.title, one.reason.value) for one in admitted.rejected] == [("Pet cover", "draft")]


def test_the_audit_tells_what_was_cited_or_why_nothing_was_said(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode, draft=f"{GOOD} {INVENTED}", settings=ONCE)
    desk.ask()
    (verified,) = entries(desk.guard, "answer.verified")
    assert (verified.event.data["sources"], verified.event.data["citations"]) == (["household"], 1)
    desk.ask(TRAINS, "other")
    (withheld,) = entries(desk.guard, "answer.withheld")
    assert (withheld.event.data["reason"], withheld.event.data["cause"]) == (
        "insufficient_evidence",
        "off_topic",
    )
    assert not any("777 euros" in str(entry) or "burst" in str(entry) for entry in entries(desk.guard))


def test_principles_of_the_constitution_are_put_to_the_critic(
    scene: Scene, mode: Mode, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("policy")
    (folder / "principles.yaml").write_text(
        """constitution: answers
version: "1"
owner: risk@corp.example
principles:
  - id: no-promise
    text: The answer promises nothing.
    author: risk@corp.example
    rationale: Only people promise.
    jurisdiction: any
    test:
      violates: We will pay.
      complies: Cash is covered.
"""
    )
    (folder / "policy.yaml").write_text(
        'policy: answers\nversion: "1"\nowner: risk@corp.example\ndefault: reject\nconstitution: principles.yaml\n'
    )
    guard = scene.guard({}, given=Policy.from_file(folder / "policy.yaml"))
    critic = Critic([[*MET, CriterionAnswer(criterion_id="no-promise", met=False, gap="it promises")]])
    desk = open_desk(scene, mode, guard=guard, critic=critic, criteria=[SUM], settings=ONCE)
    none = desk.no_result()
    assert critic.criteria == ["no-promise", "sum"]
    assert (none.reason, none.missing) == (R.CHECK_FAILED, ("it promises",))


# --- revision ---------------------------------------------------------------------------------------------------


@pytest.mark.promise("P7")
@pytest.mark.parametrize("limit", [0, 1, 3])
def test_revision_ends(scene: Scene, mode: Mode, limit: int) -> None:
    writer = Writer(INVENTED, [f"1: {INVENTED.replace('777', str(780 + number))}" for number in range(9)])
    desk = open_desk(scene, mode, draft=writer, settings=GroundingSettings(max_revisions=limit))
    assert desk.no_result().reason is R.UNSUPPORTED_CLAIM
    assert writer.asked == ["draft", *["repair"] * limit]
    assert [record.revision for record in desk.saw(Verified)] == list(range(limit + 1))


def test_a_model_that_repeats_itself_is_not_asked_again(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode, draft=ExtractiveModel(misbehave="no_citation", repairs=False))
    assert desk.no_result().reason is R.UNSUPPORTED_CLAIM
    assert [record.revision for record in desk.saw(Verified)] == [0, 1]


def test_a_critic_that_is_never_content_ends_the_turn(scene: Scene, mode: Mode) -> None:
    critic = Critic([UNMET])
    writer = Writer(GOOD, [GOOD, f"{OTHER} [E2]", GOOD])
    desk = open_desk(scene, mode, draft=writer, critic=critic, criteria=[SUM])
    none = desk.no_result()
    assert (none.reason, none.missing) == (R.CHECK_FAILED, ("it names no sum",))
    assert writer.asked == ["draft", "rewrite"]


@pytest.mark.promise("P7", "P8")
def test_a_critic_that_finds_something_else_each_time_ends_the_turn_when_revisions_are_spent(
    scene: Scene, mode: Mode
) -> None:
    """What it misses changes, so it is the budget that ends it; and then the last draft does not go out."""
    place = Criterion(id="place", text="The answer names the place.")
    no_sum = [
        CriterionAnswer(criterion_id="sum", met=False, gap="no sum"),
        CriterionAnswer(criterion_id="place", met=True),
    ]
    no_place = [
        CriterionAnswer(criterion_id="sum", met=True),
        CriterionAnswer(criterion_id="place", met=False, gap="no place"),
    ]
    critic = Critic([no_sum, no_place, no_sum])
    writer = Writer(GOOD, [f"{OTHER} [E2]", GOOD, f"{OTHER} [E2]"])
    settings = GroundingSettings(max_revisions=2)
    desk = open_desk(scene, mode, draft=writer, critic=critic, criteria=[SUM, place], settings=settings)
    none = desk.no_result()
    assert (none.reason, none.missing) == (R.CHECK_FAILED, ("no sum",))
    assert writer.asked == ["draft", "rewrite", "rewrite"]
    assert [len(desk.saw(kind)) for kind in (Drafted, Revised)] == [1, 2]
    config = desk.guard.config("t", KIM)
    for state in (desk.output, *(one.values for one in desk.graph.get_state_history(config))):
        assert SENTENCE not in repr(state)
        assert OTHER not in repr(state)
    assert desk.graph.get_state(config).next == ()
