"""A draft cut into claims: nothing of it is lost, every offset indexes the text as it was written."""

from __future__ import annotations

import pytest

from guardkit.core.drafts import Claim, ClaimKind
from guardkit.grounding.citations import markers, readable, without_markers
from guardkit.grounding.claims import MAX_CLAIMS, MAX_DRAFT, read_draft
from guardkit.grounding.sentences import sections, sentences


def statements(text: str) -> list[str]:
    return [claim.statement for claim in read_draft(text).claims]


CUT = {
    "two sentences": ("Theft is covered. [E1] Fire is not. [E2]", ["Theft is covered.", "Fire is not."]),
    "mark inside": ("Theft [E1] is covered. Fire is not. [E2]", ["Theft is covered.", "Fire is not."]),
    "marks after a break": (
        "Theft is covered.\n[E1] [E2]\nFire is not.",
        ["Theft is covered.", "Fire is not."],
    ),
    "no space": ("Theft is covered.[E1]Fire is not.[E2]", ["Theft is covered.", "Fire is not."]),
    "abbreviation": ("Dr. Berg pays e.g. the fee. She signs.", ["Dr. Berg pays e.g. the fee.", "She signs."]),
    "decimal": ("It costs 1.50 euros. It is new.", ["It costs 1.50 euros.", "It is new."]),
    "wrapped": (
        "Theft of a locked bicycle from a cellar or a flat of a house\nis covered. Fire is not.",
        ["Theft of a locked bicycle from a cellar or a flat of a house is covered.", "Fire is not."],
    ),
    "bullets": ("- Theft is covered. [E1]\n- Fire is not. [E2]", ["Theft is covered.", "Fire is not."]),
    "lead-in and list": ("Not covered:\n- theft\n- fire", ["Not covered: - theft - fire"]),
    "closing quotation": ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
    "ideographic": ("盗难被覆盖。火灾不被覆盖。", ["盗难被覆盖。", "火灾不被覆盖。"]),
    "exclamation": ("Really?! Yes. No…", ["Really?!", "Yes.", "No…"]),
}


@pytest.mark.parametrize(("text", "expected"), CUT.values(), ids=CUT)
def test_a_draft_is_cut_into_sentences(text: str, expected: list[str]) -> None:
    assert statements(text) == expected
    for claim in read_draft(text).claims:
        assert text[claim.start : claim.end] == claim.text


ODD = {
    "decomposed": "Cafe\u0301 costs are covered. [E1] Next.",
    "emoji": "👩‍👩‍👧 are covered. [E1] 👍🏽 Next.",
    "zero width": "The\u200b fee is 5\u200b0 euros. [E1]\u200b Next.",
    "right to left": "המחיר הוא 50 שקל. [E1] הבא.",
    "ligature": "The ﬁne is 50 euros. [E1] Next.",
    "line breaks": "One.\r\n\r\nTwo.\u2028Three.\u0085Four.\x0b[E1]",
    "combining run": "Z" + "\u0301" * 500 + " is covered. Next.",
    "dotted capital": "İstanbul pays İ. [E1] Next.",
    "lone surrogate": "A \ud800 is covered. [E1] Next.",
    "nul": "A\x00b is covered. [E1] Next.",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_offsets_index_the_text_as_written_whatever_its_characters(text: str) -> None:
    claims = read_draft(text).claims
    assert claims
    for claim in claims:
        assert text[claim.start : claim.end] == claim.text
    covered = set().union(*(range(claim.start, claim.end) for claim in claims))
    assert not {place for place, sign in enumerate(text) if sign.isalnum()} - covered


KINDS = {
    "factual": ("Theft is covered.", ClaimKind.FACTUAL),
    "numeric": ("Theft is covered up to 900 euros.", ClaimKind.NUMERIC),
    "quote": ('It says "theft of bicycles is covered".', ClaimKind.QUOTE),
    "heading": ("# Theft", ClaimKind.META),
    "question": ("Is theft covered?", ClaimKind.META),
    "lead-in": ("These are covered:", ClaimKind.META),
    "filler": ("So it is.", ClaimKind.META),
    "opinion": ("I think theft is covered.", ClaimKind.OPINION),
    "refusal": ("The evidence does not answer the question.", ClaimKind.REFUSAL),
    "refusal in own words": ("The documents do not mention theft.", ClaimKind.REFUSAL),
}


@pytest.mark.parametrize(("text", "kind"), KINDS.values(), ids=KINDS)
def test_a_sentence_is_sorted_by_what_it_is(text: str, kind: ClaimKind) -> None:
    (claim,) = read_draft(text).claims
    assert claim.kind is kind


def test_only_what_evidence_can_support_is_checkable() -> None:
    assert {kind for kind in ClaimKind if kind.checkable} == {
        ClaimKind.FACTUAL,
        ClaimKind.NUMERIC,
        ClaimKind.QUOTE,
    }


MARKS = {
    "one": ("Fee. [E1]", ("E1",)),
    "several": ("Fee. [E1, E3; E2]", ("E1", "E3", "E2")),
    "in a row": ("Fee. [E1][E3] [E1]", ("E1", "E3")),
    "unknown": ("Fee. [E9999]", ("E9999",)),
    "footnote": ("Fee. [1]", ()),
    "other letters": ("Fee. [A1] [e1] [E] [E12345]", ()),
    "not closed": ("Fee. [E1", ()),
}


@pytest.mark.parametrize(("text", "ids"), MARKS.values(), ids=MARKS)
def test_citations_are_read_as_written(text: str, ids: tuple[str, ...]) -> None:
    assert markers(text) == ids


def test_marks_and_footnotes_do_not_reach_an_answer() -> None:
    assert readable("The fee  is 50\neuros [3]. [E1, E2]") == "The fee is 50 euros."
    assert without_markers("Fee [E1] due. [E2]") == "Fee due."


def test_a_list_keeps_its_lines_in_an_answer() -> None:
    assert readable("Covered:\n- theft\n  - of cars [E1]") == "Covered:\n- theft\n- of cars"


def test_what_is_beyond_the_limits_is_cut_off_and_marked() -> None:
    long = read_draft("x" * (MAX_DRAFT + 1))
    many = read_draft("Fire is covered. " * (MAX_CLAIMS + 1))
    assert (long.truncated, len(long.text)) == (True, MAX_DRAFT)
    assert (many.truncated, len(many.claims)) == (True, MAX_CLAIMS)
    assert not read_draft("Fire is covered.").truncated


@pytest.mark.parametrize("text", ["", " \n\t", "---\n***"], ids=["empty", "white", "rules"])
def test_nothing_written_is_no_claim(text: str) -> None:
    assert read_draft(text).claims == ()


def test_a_claim_whose_span_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Claim(id="c1", text="abc", statement="abc", start=0, end=2, kind=ClaimKind.FACTUAL)


def test_sections_carry_the_headings_above_them() -> None:
    text = "Intro.\n# A\nOne.\n## B #\nTwo.\n```\n# no heading\n```\n# C\nThree."
    found = sections(text)
    assert [section.path for section in found] == ["", "A", "A > B", "C"]
    assert "# no heading" in text[found[2].start : found[2].end]


def test_a_list_below_a_line_that_does_not_end_knows_it() -> None:
    text = "We do not pay for\n\n- theft\n- fire"
    assert [(text[span.start : span.end], span.lead) for span in sentences(text)] == [
        ("We do not pay for", ""),
        ("theft", "We do not pay for"),
        ("fire", "We do not pay for"),
    ]


def test_a_list_below_a_whole_sentence_stands_for_itself() -> None:
    text = "Nothing else is covered.\n\n- theft\n- fire"
    assert [span.lead for span in sentences(text)] == ["", "", ""]
