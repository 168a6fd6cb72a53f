"""Questions without an answer, on the graph itself: every end has its reason, and tells it."""

from __future__ import annotations

import ast
import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.graph import START, MessagesState, StateGraph

from guardkit import (
    Answer,
    NoResultReason,
)
from guardkit.core.drafts import ClaimVerdict
from guardkit.errors import ConfigurationError, InputError
from guardkit.grounding import (
    ChatJudge,
    Failure,
    GroundingSettings,
    JudgeAnswer,
    SufficiencyAnswer,
)
from guardkit.grounding.outcome import Verified
from guardkit.grounding.prompts import read_prompt
from guardkit.testing import ExtractiveModel, ScriptedModel, calls
from tests.architecture.source import PACKAGE, syntax
from tests.promises.scene import KIM, Mode, Scene, ask, ended, entries, run
from tests.surface.answering import (
    EARTHQUAKE,
    FREE,
    GOOD,
    HOUSEHOLD,
    INVENTED,
    MET,
    ONCE,
    OTHER,
    QUESTION,
    SENTENCE,
    SUM,
    TRAINS,
    Critic,
    Judge,
    R,
    Sufficiency,
    Writer,
    document,
    open_desk,
)

# --- every end --------------------------------------------------------------------------------------------------


def enough(**fields: Any) -> Sufficiency:
    return Sufficiency(SufficiencyAnswer(**{"sufficient": True, "evidence_ids": ("E1",), **fields}))


ALWAYS = GroundingSettings(max_revisions=0, auto_accept="never")
NEWER = document(HOUSEHOLD.replace("25,000", "20,000"), id="new", title="Newer cover")
ENDS: dict[str, tuple[Callable[[], dict[str, Any]], NoResultReason, str]] = {
    "no source": (lambda: {"sources": []}, R.NO_AUTHORIZED_SOURCE, "no_source"),
    "empty documents": (
        lambda: {"sources": [document("\n---\n")]},
        R.INSUFFICIENT_EVIDENCE,
        "empty_sources",
    ),
    "judged not to suffice": (
        lambda: {"sufficiency": enough(sufficient=False)},
        R.INSUFFICIENT_EVIDENCE,
        "judged",
    ),
    "sufficiency judge raises": (
        lambda: {"sufficiency": Sufficiency(RuntimeError("down"))},
        R.CHECK_FAILED,
        "sufficiency_judge",
    ),
    "sufficiency judge talks nonsense": (
        lambda: {"sufficiency": Sufficiency("plenty")},
        R.CHECK_FAILED,
        "sufficiency_judge",
    ),
    "model finds nothing": (
        lambda: {"draft": "The evidence does not answer the question."},
        R.INSUFFICIENT_EVIDENCE,
        "model_found_none",
    ),
    "model says nothing": (lambda: {"draft": ""}, R.UNSUPPORTED_CLAIM, "nothing_checkable"),
    "model says white space": (lambda: {"draft": " \n\t\n"}, R.UNSUPPORTED_CLAIM, "nothing_checkable"),
    "model claims nothing": (
        lambda: {"draft": "# Answer\n\nHere it is:\n\nI think it is generous. Anything else?"},
        R.UNSUPPORTED_CLAIM,
        "nothing_checkable",
    ),
    "model calls a tool instead": (
        lambda: {"draft": ScriptedModel(calls(("pay", {"amount": 5})))},
        R.UNSUPPORTED_CLAIM,
        "nothing_checkable",
    ),
    "model talks nonsense": (
        lambda: {"draft": ExtractiveModel(misbehave="malformed")},
        R.UNSUPPORTED_CLAIM,
        "none_supported",
    ),
    "too little is supported": (
        lambda: {"draft": f"{GOOD} {INVENTED} {INVENTED.replace('777', '778')}", "settings": ONCE},
        R.UNSUPPORTED_CLAIM,
        "too_few_supported",
    ),
    "what answers is not supported": (
        lambda: {"draft": f"{SENTENCE.replace('25,000', '26,000')} [E1] {OTHER} [E2]", "settings": ONCE},
        R.UNSUPPORTED_CLAIM,
        "answering_claim_gone",
    ),
    "documents differ": (
        lambda: {"sources": [document(), NEWER]},
        R.CONFLICTING_SOURCES,
        "numbers_differ",
    ),
    "documents are judged to differ": (
        lambda: {"sufficiency": enough(conflict=True)},
        R.CONFLICTING_SOURCES,
        "judged",
    ),
    "judges disagree": (
        lambda: {
            "settings": ALWAYS,
            "judges": [Judge(name="one"), Judge(ClaimVerdict.NOT_ENOUGH_INFO, name="two")],
        },
        R.NO_CONSENSUS,
        "judges_disagree",
    ),
    "judge says no": (
        lambda: {"settings": ALWAYS, "judges": [Judge(ClaimVerdict.CONTRADICTED)]},
        R.UNSUPPORTED_CLAIM,
        "none_supported",
    ),
    "judge raises": (
        lambda: {"judges": [Judge(RuntimeError("down"))]},
        R.CHECK_FAILED,
        "judge_failed",
    ),
    "second judge raises": (
        lambda: {"judges": [Judge(name="one"), Judge(RuntimeError("down"), name="two")]},
        R.CHECK_FAILED,
        "judge_failed",
    ),
    "judge gives up waiting": (
        lambda: {"judges": [Judge(TimeoutError("60 s"))]},
        R.CHECK_FAILED,
        "judge_failed",
    ),
    "judge talks nonsense": (
        lambda: {"judges": [Judge("supported")]},
        R.CHECK_FAILED,
        "judge_failed",
    ),
    "judge says nothing": (
        lambda: {"judges": [Judge(says=())]},
        R.CHECK_FAILED,
        "judge_failed",
    ),
    "judge tells that it failed": (
        lambda: {"judges": [Judge(Failure(kind="late"))]},
        R.CHECK_FAILED,
        "judge_failed",
    ),
    "chat judge writes no JSON": (
        lambda: {"judges": [ChatJudge(ScriptedModel("Sure.", "Supported!"), name="chat")]},
        R.CHECK_FAILED,
        "judge_failed",
    ),
    "chat judge raises": (
        lambda: {"judges": [ChatJudge(ExtractiveModel(misbehave="raise"), name="chat")]},
        R.CHECK_FAILED,
        "judge_failed",
    ),
    "critic raises": (
        lambda: {"critic": Critic([RuntimeError("down")]), "criteria": [SUM]},
        R.CHECK_FAILED,
        "critic",
    ),
    "critic raises over the answer": (
        lambda: {"critic": Critic([MET, RuntimeError("down")]), "criteria": [SUM]},
        R.CHECK_FAILED,
        "critic",
    ),
    "critic talks nonsense": (
        lambda: {"critic": Critic(["fine"]), "criteria": [SUM]},
        R.CHECK_FAILED,
        "critic",
    ),
    "critic answers nothing": (
        lambda: {"critic": Critic([[]]), "criteria": [SUM], "settings": ONCE},
        R.CHECK_FAILED,
        "criteria_not_met",
    ),
    "calls are spent": (
        lambda: {"draft": INVENTED, "settings": GroundingSettings(max_calls=1)},
        R.BUDGET_EXHAUSTED,
        "calls",
    ),
    "time is spent": (lambda: {"seconds": 0.0}, R.BUDGET_EXHAUSTED, "deadline"),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("options", "reason", "cause"), ENDS.values(), ids=ENDS)
def test_a_turn_without_an_answer_ends_with_its_reason(
    scene: Scene, mode: Mode, options: Callable[[], dict[str, Any]], reason: NoResultReason, cause: str
) -> None:
    desk = open_desk(scene, mode, **options())
    none = desk.no_result()
    assert none.reason is reason
    assert [why.partition(":")[0] for why in none.why] == [cause]
    assert (none.thread_id, none.turn) == ("t", 1)
    assert none.message
    assert none.next_steps
    assert [one.type for one in desk.output["messages"]] == ["human"]
    assert not desk.graph.get_state(desk.guard.config("t", KIM)).next
    kept = str((none, entries(desk.guard)))
    assert not any(word in kept for word in ("777 euros", "26,000", "generous", "down"))


def test_every_reason_that_grounding_gives_is_seen_here() -> None:
    """A reason that the room names and no test above ends with is missing in `ENDS`."""
    named = {
        node.attr
        for path in (PACKAGE / "grounding").glob("*.py")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "NoResultReason"
    }
    assert named == {reason.name for _, reason, _ in ENDS.values()}
    assert {reason.name for reason in NoResultReason} - named == {
        "POLICY_DENIED",
        "APPROVAL_REJECTED",
        "APPROVAL_EXPIRED",
        "NO_PROGRESS",
        "EFFECT_IN_DOUBT",
        "STOPPED_BY_OPERATOR",
    }


@pytest.mark.promise("P7")
def test_after_a_judge_that_was_too_slow_nobody_else_is_asked(scene: Scene, mode: Mode) -> None:
    next_one = Judge(name="next")
    desk = open_desk(scene, mode, judges=[Judge(sleeps=0.4, name="slow"), next_one], seconds=0.3)
    none = desk.no_result()
    assert (none.reason, none.why) == (
        R.BUDGET_EXHAUSTED,
        ("deadline: the time for the answer is spent",),
    )
    assert next_one.asked == []


class Slow(Writer):
    """A model that is late with its draft, the last thing that is asked."""

    def __call__(self, messages: Sequence[BaseMessage]) -> AIMessage:
        time.sleep(0.4)
        return super().__call__(messages)


@pytest.mark.promise("P7")
@pytest.mark.parametrize("late", ["model", "judge"])
def test_a_last_reply_that_is_late_does_not_count(scene: Scene, mode: Mode, late: str) -> None:
    options: dict[str, Any] = (
        {"draft": Slow(GOOD)} if late == "model" else {"draft": FREE, "judges": [Judge(sleeps=0.4)]}
    )
    none = open_desk(scene, mode, seconds=0.3, **options).no_result()
    assert (none.reason, none.why) == (R.BUDGET_EXHAUSTED, ("deadline: the time for the answer is spent",))


@pytest.mark.promise("P7")
def test_a_judge_that_hangs_is_cut_off_in_an_async_graph(scene: Scene) -> None:
    cut: list[bool] = []

    class Hanging(Judge):
        async def judge(self, claim: str, exhibits: Sequence[Any], /) -> Any:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cut.append(True)
                raise

    none = open_desk(scene, "async", draft=FREE, judges=[Hanging()], seconds=3.0).no_result()
    assert none.reason == R.BUDGET_EXHAUSTED
    assert cut == [True]


@pytest.mark.promise("P7")
def test_a_retriever_that_hangs_is_cut_off_in_an_async_graph(scene: Scene) -> None:
    guard = scene.guard({})

    @guard.retriever
    async def library(state: Any) -> Sequence[Any]:
        await asyncio.Event().wait()
        return []

    node = guard.draft_critique_verify(model=Writer(GOOD).model, retriever=library, seconds=0.2)
    builder = StateGraph(MessagesState).add_node("answer", node).add_edge(START, "answer")
    config = guard.config("t", KIM)
    run(guard.compile(builder), ask(QUESTION), config, "async")
    none = ended(guard, config)
    assert (none.reason, none.why) == (R.BUDGET_EXHAUSTED, ("deadline: the time for the answer is spent",))


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    ("says", "error"),
    [
        (RuntimeError("down"), "raised"),
        (TimeoutError(), "late"),
        ("supported", "malformed"),
        (
            JudgeAnswer(verdict=ClaimVerdict.SUPPORTED, evidence_ids=("E9",), quote=SENTENCE),
            "unknown_evidence",
        ),
        (
            JudgeAnswer(
                verdict=ClaimVerdict.SUPPORTED,
                evidence_ids=("E1",),
                quote=SENTENCE.replace("per event", "per year"),
            ),
            "quote_absent",
        ),
        (
            JudgeAnswer(
                verdict=ClaimVerdict.SUPPORTED,
                evidence_ids=("E1",),
                quote="must be reported within 30 days",
            ),
            "quote_absent",
        ),
    ],
    ids=[
        "raises",
        "late",
        "nonsense",
        "unknown evidence",
        "invented quotation",
        "quotation of something else",
    ],
)
def test_a_vote_that_does_not_count_tells_why(scene: Scene, mode: Mode, says: Any, error: str) -> None:
    desk = open_desk(scene, mode, judges=[Judge(says)], settings=ONCE)
    desk.no_result()
    (verified,) = desk.saw(Verified)
    assert [vote.error for check in verified.verification.checks for vote in check.votes] == [error]


# --- what is raised ---------------------------------------------------------------------------------------------


@pytest.mark.promise("P8")
def test_what_the_model_raises_reaches_the_caller_and_a_model_that_is_back_answers(
    scene: Scene, mode: Mode
) -> None:
    broken = [RuntimeError("the model is down")]

    def reply(messages: Sequence[BaseMessage]) -> AIMessage:
        prompt = read_prompt(messages[-1].text)
        assert prompt is not None
        if prompt.task == "draft":
            return AIMessage(f"{GOOD} {INVENTED}")
        if broken:
            raise broken.pop()
        return AIMessage("1: REMOVE")

    desk = open_desk(scene, mode, draft=ScriptedModel(reply))
    config = desk.guard.config("t", KIM)
    with pytest.raises(RuntimeError, match="the model is down"):
        run(desk.graph, ask(QUESTION), config, mode)
    assert desk.trails == []
    assert [one.event.kind for one in entries(desk.guard)] == ["run.started", "run.ended"]
    state = desk.graph.get_state(config)
    assert ([one.type for one in state.values["messages"]], state.next) == (["human"], ("answer",))
    with scene.sqlite() as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = [repr(row) for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
    assert kept
    assert not any("777 euros" in row for row in kept)
    out = run(desk.graph, None, config, mode)
    assert out["messages"][-1].text == f"{SENTENCE} [1]"
    assert isinstance(desk.guard.outcome(None, config), Answer)


@pytest.mark.promise("P15")
def test_criteria_without_a_critic_are_refused_at_once(scene: Scene) -> None:
    guard = scene.guard({})
    with pytest.raises(ConfigurationError, match="critic"):
        guard.draft_critique_verify(
            model=ExtractiveModel(), retriever=guard.retriever(lambda state: []), criteria=[SUM]
        )


@pytest.mark.promise("P15")
def test_a_retriever_that_returns_something_else_is_told(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode, sources=["Water damage is covered."])
    with pytest.raises(InputError, match="returned str"):
        desk.ask()


@pytest.mark.promise("P15")
def test_messages_without_a_question_are_told(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode)
    with pytest.raises(InputError, match="no human message"):
        run(desk.graph, {"messages": [("ai", "Hello.")]}, desk.guard.config("t", KIM), mode)


def test_a_question_of_white_space_has_no_answer(scene: Scene, mode: Mode) -> None:
    desk = open_desk(scene, mode)
    assert desk.no_result(" \n").why == ("no_question: the question is empty",)


@pytest.mark.parametrize("question", [EARTHQUAKE, TRAINS])
def test_a_question_about_something_else_is_not_put_to_the_model(
    scene: Scene, mode: Mode, question: str
) -> None:
    writer = Writer(GOOD)
    desk = open_desk(scene, mode, draft=writer)
    none = desk.no_result(question)
    assert none.reason is R.INSUFFICIENT_EVIDENCE
    assert none.message == "The authorised documents do not answer this."
    assert none.missing
    assert writer.asked == []
    assert ended(desk.guard, desk.guard.config("t", KIM)) == none
