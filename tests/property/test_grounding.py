"""Grounding: what a document says word for word is supported, whatever is changed in it is not, and nothing else goes out.

Texts are English sentences of a claims desk: that is what the deterministic verifier is made for.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from guardkit.core.drafts import Answer, Flag
from guardkit.core.sources import Authority, Source, SourceStatus
from guardkit.grounding import (
    Assessment,
    Grounded,
    GroundingSettings,
    Index,
    Outcome,
    RelevanceSettings,
    Ungrounded,
    admit,
    assess,
)
from guardkit.grounding.claims import read_draft
from guardkit.grounding.outcome import Removed, Verified
from tests.unit.grounding.library import NOW, Writer, document, drive, task

SUBJECTS = (
    "theft of bicycles",
    "water damage from burst pipes",
    "damage by hail",
    "lost luggage",
    "breakage of windows",
    "treatment of dogs",
    "a rental car",
    "legal advice",
    "roof repair after a storm",
)
HEADINGS = ("Cover", "Benefits", "Reporting", "Household")


@dataclass(frozen=True)
class Fact:
    """One sentence of a document, with holes for its numbers."""

    pattern: str
    subject: str
    numbers: tuple[str, ...]

    def __str__(self) -> str:
        text = self.pattern.replace("@", self.subject)
        for number in self.numbers:
            text = HOLE.sub(number, text, count=1)
        return text[0].upper() + text[1:]


HOLE = re.compile(r"\{(\w+)\}")
PATTERNS = (
    "@ is covered up to {any} euros per year.",
    "@ must be reported to the desk within {any} days.",
    "the deductible for @ is {any} euros.",
    "claims for @ are paid within {few} days.",
    "invoices of more than {any} euros for @ are checked by the claims manager within {few} days.",
    "the claims manager can approve {any} euros for @ at once.",
    "@ is covered from the first day of the contract.",
    "@ was added to the terms on 3 May {year}.",
)
NUMBERS = {
    "any": st.integers(13, 90_000).map(lambda number: f"{number:,}"),
    "few": st.sampled_from("two three four five six seven eight nine ten eleven twelve 14 20 30".split()),
    "year": st.integers(1990, 2030).map(str),
}


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    pattern = draw(st.sampled_from(PATTERNS))
    found = [draw(NUMBERS[kind]) for kind in HOLE.findall(pattern)]
    assume(len(set(found)) == len(found))
    return Fact(pattern, draw(st.sampled_from(SUBJECTS)), tuple(found))


@st.composite
def paper(draw: st.DrawFn, told: Sequence[Fact], **fields: Any) -> Source:
    """A document that says these facts, in sections and paragraphs."""
    text = ""
    for place, fact in enumerate(told):
        if draw(st.booleans()):
            text += f"\n\n# {draw(st.sampled_from(HEADINGS))}\n\n"
        elif place:
            text += draw(st.sampled_from([" ", "\n\n", "\n"]))
        text += str(fact)
    return document(text, **fields)


several_facts = st.lists(facts(), min_size=1, max_size=6, unique_by=lambda fact: (fact.pattern, fact.subject))


@st.composite
def libraries(draw: st.DrawFn) -> tuple[list[Fact], list[Source]]:
    """Facts, and one to three documents that hold them."""
    told = draw(several_facts)
    size = draw(st.integers(1, min(3, len(told))))
    parts = [told[place::size] for place in range(size)]
    return told, [
        draw(paper(part, id=f"d{place}", title=f"Terms {place}")) for place, part in enumerate(parts)
    ]


@st.composite
def questioned(draw: st.DrawFn) -> tuple[Fact, list[Fact], list[Source]]:
    """One fact of a library."""
    told, sources = draw(libraries())
    return draw(st.sampled_from(told)), told, sources


@st.composite
def renumbered(draw: st.DrawFn, fact: Fact, told: Sequence[Fact]) -> Fact:
    """The fact with another value for one of its numbers: any, or one that stands elsewhere in the documents."""
    assume(fact.numbers)
    place = draw(st.integers(0, len(fact.numbers) - 1))
    held = st.sampled_from([number for one in told for number in one.numbers])
    other = draw(
        (NUMBERS[HOLE.findall(fact.pattern)[place]] | held).filter(lambda new: new not in fact.numbers)
    )
    return replace(fact, numbers=(*fact.numbers[:place], other, *fact.numbers[place + 1 :]))


def plain(number: str) -> str:
    return number.replace(",", "")


def negated(fact: Fact, word: str = "not") -> str:
    """The fact with a negation at its verb."""
    made = re.sub(r"\b(is|are|was|must|can)\b", rf"\1 {word}", str(fact), count=1)
    assert made != str(fact)
    return made


# --- claims -----------------------------------------------------------------------------------------------------

marks = st.sampled_from(["", " [E1]", " [E1, E2]", "[E3]", " [E99]", "\n[E1]"])
fillers = st.sampled_from(
    [
        "# Cover",
        "- item",
        "Here it is:",
        "I think so.",
        "Is it so?",
        "1. first",
        "> quoted",
        "---",
        "",
        "Dr. Berg",
    ]
)
gaps = st.sampled_from([" ", "\n", "\n\n", "\r\n", "\t", "  \n "])


@st.composite
def drafts(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.one_of(facts().map(str), fillers), max_size=6))
    return "".join(part + draw(marks) + draw(gaps) for part in parts)


@given(drafts() | st.text(st.characters(codec="utf-8"), max_size=80))
def test_a_claims_offsets_cut_its_text_out_of_the_draft(text: str) -> None:
    claims = read_draft(text).claims
    assert all(text[claim.start : claim.end] == claim.text for claim in claims)
    assert all(one.end <= other.start for one, other in itertools.pairwise(claims))
    assert all(claim.text == claim.text.strip() != "" for claim in claims)


@given(st.lists(facts(), min_size=1, max_size=6), marks, gaps)
def test_each_sentence_of_a_draft_is_one_claim(told: list[Fact], mark: str, gap: str) -> None:
    text = gap.join(f"{fact}{mark}" for fact in told)
    assert [claim.statement for claim in read_draft(text).claims] == [str(fact) for fact in told]


# --- one claim --------------------------------------------------------------------------------------------------


@given(questioned())
def test_what_a_document_says_word_for_word_is_supported(
    drawn: tuple[Fact, list[Fact], list[Source]],
) -> None:
    fact, _, sources = drawn
    found = assess(str(fact), Index(sources))
    assert (found.band, found.flags) == ("accept", frozenset())
    source = next(source for source in sources if source.id == found.evidence[0].source_id)
    assert found.evidence[0].is_span_of(source)
    assert found.evidence[0].text == str(fact)


@pytest.mark.promise("P7")
@given(st.data())
def test_another_number_is_never_supported(data: st.DataObject) -> None:
    fact, told, sources = data.draw(questioned())
    changed = data.draw(renumbered(fact, told))
    found = assess(str(changed), Index(sources))
    assert found.band != "accept"
    held = {plain(number) for one in told for number in one.numbers}
    for number in set(map(plain, changed.numbers)) - held:
        if number.isdigit():
            assert (found.band, Flag.NUMBER_ABSENT in found.flags) == ("reject", True)
        else:
            assert found.flags & {Flag.NUMBER_ELSEWHERE, Flag.UNIT_MISMATCH}  # `three` is the 3 of a date


@pytest.mark.promise("P7")
@given(st.data())
def test_two_numbers_that_change_places_are_never_supported(data: st.DataObject) -> None:
    fact = data.draw(facts().filter(lambda fact: len(fact.numbers) == 2))
    source = data.draw(paper([fact]))
    swapped = replace(fact, numbers=fact.numbers[::-1])
    found = assess(str(swapped), Index([source]))
    assert found.band != "accept"
    assert found.flags & {Flag.ORDER_CHANGED, Flag.UNIT_MISMATCH}


@pytest.mark.promise("P7")
@given(questioned(), st.sampled_from(["not", "never", "hardly"]))
def test_a_negation_is_never_supported(drawn: tuple[Fact, list[Fact], list[Source]], word: str) -> None:
    fact, _, sources = drawn
    found = assess(negated(fact, word), Index(sources))
    assert found.band != "accept"
    assert Flag.NEGATION_ADDED in found.flags


@pytest.mark.promise("P7")
@given(st.data())
def test_a_negation_that_is_left_out_is_never_supported(data: st.DataObject) -> None:
    fact = data.draw(facts())
    others = data.draw(st.lists(facts().filter(lambda other: other.subject != fact.subject), max_size=3))
    text = " ".join([negated(fact), *map(str, others)])
    found = assess(str(fact), Index([document(text)]))
    assert found.band != "accept"
    assert Flag.NEGATION_DROPPED in found.flags


@pytest.mark.promise("P7")
@given(st.data())
def test_another_subject_is_never_supported(data: st.DataObject) -> None:
    fact, told, sources = data.draw(questioned())
    other = data.draw(st.sampled_from(SUBJECTS).filter(lambda subject: subject != fact.subject))
    changed = replace(fact, subject=other)
    assume(str(changed) not in {str(one) for one in told})
    found = assess(str(changed), Index(sources))
    assert found.band != "accept"
    if other not in {one.subject for one in told}:
        assert Flag.WORDS_ADDED in found.flags


def seen(found: Assessment) -> tuple[Any, ...]:
    return found.score, found.band, found.flags, found.evidence[:1]


@given(st.data())
def test_the_order_of_the_documents_changes_nothing(data: st.DataObject) -> None:
    fact, told, sources = data.draw(questioned())
    claims = [str(fact), negated(fact)]
    if fact.numbers:
        claims.append(str(data.draw(renumbered(fact, told))))
    shuffled = data.draw(st.permutations(sources))
    for claim in claims:
        first = assess(claim, Index(sources))
        assert seen(assess(claim, Index(sources))) == seen(first)
        assert seen(assess(claim, Index(shuffled))) == seen(first)


# --- whole answers ----------------------------------------------------------------------------------------------

OPEN = GroundingSettings(
    relevance=RelevanceSettings(off_topic=0.0, covered=0.0, covered_but_for=0.0),
    require_citations=False,
    min_supported_share=0.0,
    max_revisions=0,
)
"""Everything goes that is supported."""

REFUSALS: tuple[dict[str, Any], ...] = (
    {"status": SourceStatus.DRAFT},
    {"status": SourceStatus.WITHDRAWN},
    {"status": SourceStatus.SUPERSEDED},
    {"tenant": "inland"},
    {"authority": Authority.USER},
    {"authority": Authority.UNTRUSTED},
    {"valid_until": NOW},
    {"valid_from": NOW + timedelta(seconds=1)},
)


def said(question: Fact, sources: Sequence[Source], draft: str) -> tuple[Outcome, Writer]:
    writer = Writer([draft])
    asked = f"Is it right that {question}"
    return drive(task(question=asked, sources=sources, settings=OPEN), writer), writer


def sentences_of(answer: Answer) -> list[tuple[str, list[int]]]:
    """The statements of an answer with the numbers that they cite."""
    parts = re.findall(r"\s*(.+?) ((?:\[\d+\])+)(?=\s|\Z)", answer.text)
    assert "".join(re.split(r"\s+", answer.text)) == "".join("".join(part).replace(" ", "") for part in parts)
    return [(text, [int(number) for number in re.findall(r"\d+", marked)]) for text, marked in parts]


@pytest.mark.promise("P8")
@given(st.data())
def test_an_answer_holds_verified_sentences_alone(data: st.DataObject) -> None:
    told = data.draw(several_facts)
    source = data.draw(paper(told))
    good = data.draw(st.sampled_from(told))
    bad = [negated(fact) for fact in told]
    bad += [str(data.draw(renumbered(fact, told))) for fact in told if fact.numbers]
    bad += ["I think it is generous.", "# Cover", "Is it so?"]
    rest = data.draw(st.lists(st.sampled_from([*map(str, told), *bad]), max_size=6))
    order = data.draw(st.permutations([str(good), *rest]))
    draft = "\n\n".join(order)

    outcome, _ = said(good, [source], draft)

    assert isinstance(outcome, Grounded), outcome
    (verified,) = [record for record in outcome.trail if isinstance(record, Verified)]
    supported = [check.claim.statement for check in verified.verification.supported]
    found = sentences_of(outcome.answer)
    assert [text for text, _ in found] == supported == [text for text in order if text in map(str, told)]
    removed = [record.text for record in outcome.trail if isinstance(record, Removed)]
    assert sorted(removed) == sorted(text for text in order if text not in supported)
    citations = {citation.number: citation for citation in outcome.answer.citations}
    for text, cited in found:
        assert [citations[number].quote for number in cited] == [text]
    for citation in citations.values():
        assert source.text[citation.start : citation.end] == citation.quote


@pytest.mark.promise("P7", "P8", "P14")
@given(st.data())
def test_nothing_of_a_document_that_does_not_count_is_said_or_shown(data: st.DataObject) -> None:
    told = data.draw(st.lists(facts(), min_size=2, max_size=6, unique_by=lambda fact: fact.subject))
    good, secret = told[: len(told) // 2], told[len(told) // 2 :]
    sources = [data.draw(paper(good, id="good"))]
    for place, fact in enumerate(secret):
        fields = data.draw(st.sampled_from(REFUSALS))
        sources.append(data.draw(paper([fact], id=f"secret{place}", title=f"Secret {place}", **fields)))
    shuffled = data.draw(st.permutations(sources))
    draft = " ".join(data.draw(st.permutations([str(fact) for fact in told])))

    outcome, writer = said(good[0], shuffled, draft)

    assert [source.id for source in admit(shuffled, tenant="harbour", now=NOW).admitted] == ["good"]
    assert isinstance(outcome, Grounded), outcome
    assert {citation.source_id for citation in outcome.answer.citations} == {"good"}
    assert sorted(text for text, _ in sentences_of(outcome.answer)) == sorted(map(str, good))
    (prompt,) = writer.asked
    assert not any(str(fact) in prompt for fact in secret)


@pytest.mark.promise("P7", "P14")
@given(st.data())
def test_documents_that_do_not_count_alone_answer_nothing(data: st.DataObject) -> None:
    told = data.draw(several_facts)
    sources = [
        data.draw(paper([fact], id=f"secret{place}", **data.draw(st.sampled_from(REFUSALS))))
        for place, fact in enumerate(told)
    ]
    outcome, writer = said(told[0], sources, str(told[0]))
    assert isinstance(outcome, Ungrounded)
    assert outcome.cause == "none_admitted"
    assert writer.asked == []


@pytest.mark.promise("P7")
@given(st.data())
def test_a_draft_of_changed_sentences_is_no_answer(data: st.DataObject) -> None:
    told = data.draw(several_facts)
    source = data.draw(paper(told))
    changed = [negated(fact, data.draw(st.sampled_from(["not", "never"]))) for fact in told]
    changed += [str(data.draw(renumbered(fact, told))) for fact in told if fact.numbers]
    outcome, _ = said(told[0], [source], " ".join(data.draw(st.permutations(changed))))
    assert isinstance(outcome, Ungrounded)
    assert outcome.cause == "none_supported"
    assert not any(text in str(outcome.model_dump(exclude={"trail"})) for text in changed)
