"""Documents that do not count, on the graph itself: nothing is answered from them, and it is said why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from langchain_core.documents import Document

from guardkit import (
    Answer,
    Authority,
    Principal,
    Source,
    SourceStatus,
)
from guardkit.testing import ExtractiveModel
from tests.promises.scene import KIM, Mode, Scene, ask, entries, policy_of, run
from tests.surface.answering import (
    GOOD,
    HOUSEHOLD,
    INVENTED,
    QUESTION,
    SENTENCE,
    R,
    Writer,
    document,
    open_desk,
    pets,
)

PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
UNAUTHORISED: dict[str, tuple[Callable[[], Source], str]] = {
    "draft": (lambda: document(status=SourceStatus.DRAFT), "Household cover (not admitted: draft)"),
    "withdrawn": (
        lambda: document(status=SourceStatus.WITHDRAWN),
        "Household cover (not admitted: withdrawn)",
    ),
    "superseded": (
        lambda: document(status=SourceStatus.SUPERSEDED),
        "Household cover (not admitted: superseded)",
    ),
    "expired": (lambda: document(valid_until=PAST), "Household cover (not admitted: expired)"),
    "not yet valid": (lambda: document(valid_from=FUTURE), "Household cover (not admitted: not yet valid)"),
    "a user's": (lambda: document(authority=Authority.USER), "Household cover (not admitted: unauthorised)"),
    "anybody's": (
        lambda: document(authority=Authority.UNTRUSTED),
        "Household cover (not admitted: unauthorised)",
    ),
    "changed": (
        lambda: document().model_copy(update={"text": HOUSEHOLD.replace("25,000", "90,000")}),
        "Household cover (not admitted: hash mismatch)",
    ),
    "other tenant": (
        lambda: document(tenant="other"),
        "a document of another tenant (not admitted: other tenant)",
    ),
}


@pytest.mark.promise("P7")
@pytest.mark.parametrize(("source", "told"), UNAUTHORISED.values(), ids=UNAUTHORISED)
def test_a_document_that_does_not_count_answers_nothing(
    scene: Scene, mode: Mode, source: Callable[[], Source], told: str
) -> None:
    writer = Writer(GOOD)
    desk = open_desk(scene, mode, sources=[source()], draft=writer)
    none = desk.no_result()
    assert none.reason is R.NO_AUTHORIZED_SOURCE
    assert none.message == "I have no authorised document that could answer this."
    assert none.looked_at == (told,)
    assert none.missing == ("an authorised document",)
    assert writer.asked == []


@pytest.mark.promise("P7")
@pytest.mark.parametrize("name", [name for name in UNAUTHORISED if name != "other tenant"])
def test_of_a_document_that_alone_would_answer_it_is_said_why_it_does_not_count(
    scene: Scene, mode: Mode, name: str
) -> None:
    make, told = UNAUTHORISED[name]
    desk = open_desk(scene, mode, sources=[make(), pets()])
    none = desk.no_result()
    reason = told.partition(": ")[2].removesuffix(")")
    assert none.reason is R.NO_AUTHORIZED_SOURCE
    assert none.why == (
        f"only_unauthorised: only documents that are not authorised speak to the question: Household cover ({reason})",
    )
    assert none.looked_at == ("Pet cover", told)


@pytest.mark.promise("P14")
def test_of_another_tenants_document_nothing_is_said(scene: Scene, mode: Mode) -> None:
    writer = Writer(GOOD)
    foreign = document(tenant="other", id="secret-id", title="Secret title")
    desk = open_desk(scene, mode, sources=[foreign, pets()], draft=writer)
    none = desk.no_result()
    assert none.reason is R.INSUFFICIENT_EVIDENCE
    seen = str((none, desk.output, desk.trails, entries(desk.guard)))
    assert not any(word in seen for word in ("secret-id", "Secret title", "25,000"))


@pytest.mark.promise("P14")
def test_each_tenant_is_answered_from_its_own_documents(scene: Scene, mode: Mode) -> None:
    inland = document(HOUSEHOLD.replace("25,000", "9,000"), id="inland", tenant="inland")
    desk = open_desk(scene, mode, sources=[document(), inland], draft=ExtractiveModel(most=1))
    amounts: list[str] = []
    for thread, principal in (("a", KIM), ("b", Principal(id="ina", tenant="inland"))):
        config = desk.guard.config(thread, principal)
        run(desk.graph, ask(QUESTION), config, mode)
        outcome = desk.guard.outcome(None, config)
        assert isinstance(outcome, Answer)
        amounts.append(outcome.citations[0].quote)
    assert amounts == [SENTENCE, SENTENCE.replace("25,000", "9,000")]


@pytest.mark.promise("P8")
def test_what_does_not_count_reaches_no_prompt(scene: Scene, mode: Mode) -> None:
    writer = Writer(f"{GOOD} {INVENTED}", ["1: REMOVE"])
    refused = [
        document("The canary sings in the mine.", id=f"d{place}", **fields)
        for place, fields in enumerate(
            [{"status": SourceStatus.DRAFT}, {"valid_until": PAST}, {"tenant": "other"}]
        )
    ]
    open_desk(scene, mode, sources=[*refused, document()], draft=writer).answer()
    assert writer.asked == ["draft", "repair"]
    assert all(SENTENCE in prompt and "canary" not in prompt for prompt in writer.told)


def test_the_policy_can_narrow_what_counts(scene: Scene, mode: Mode) -> None:
    guard = scene.guard({}, given=policy_of({}, sources={"admit": "source.owner == 'legal'"}))
    none = open_desk(scene, mode, guard=guard).no_result()
    assert (none.reason, none.looked_at) == (
        R.NO_AUTHORIZED_SOURCE,
        ("Household cover (not admitted: policy)",),
    )


def test_a_langchain_document_counts_by_its_metadata(scene: Scene, mode: Mode) -> None:
    source = document()
    vouched = source.model_dump(mode="json", exclude={"text", "provenance"})
    answer = open_desk(
        scene,
        mode,
        sources=[Document(page_content=HOUSEHOLD, metadata=vouched)],
        draft=ExtractiveModel(most=1),
    ).answer()
    assert answer.citations[0].source_id == source.id
    bare = open_desk(scene, mode, sources=[Document(page_content=HOUSEHOLD)]).no_result()
    assert bare.reason is R.NO_AUTHORIZED_SOURCE


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("tenant", "a document of another tenant (not admitted: other tenant)"),
        ("authority", "Household cover (not admitted: unauthorised)"),
        ("status", "Household cover (not admitted: draft)"),
    ],
)
def test_a_langchain_document_that_does_not_say_so_does_not_count(
    scene: Scene, mode: Mode, missing: str, told: str
) -> None:
    metadata = document().model_dump(mode="json", exclude={"text", "provenance", missing})
    desk = open_desk(scene, mode, sources=[Document(page_content=HOUSEHOLD, metadata=metadata)])
    none = desk.no_result()
    assert (none.reason, none.looked_at) == (R.NO_AUTHORIZED_SOURCE, (told,))
