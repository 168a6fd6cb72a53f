"""Phrases are found by their words in order, with no more words between them than the phrase allows."""

from __future__ import annotations

import pytest

from guardkit.checks.phrases import Phrase, Phrasebook, word_form
from guardkit.errors import ConfigurationError

LISTS = {"PAY": ("pay", "transfer", "release"), "SUM": ("amount", "refund", "payment")}


def found(words: str, text: str, *, slips: tuple[str, ...] = ()) -> list[int]:
    """Where a phrase begins in a text."""
    book = Phrasebook([Phrase(family="pay", weight=2, words=words)], LISTS, slips)
    return [one.at for one in book.read(word_form(text).findall(text))]


@pytest.mark.parametrize(
    ("words", "text", "at"),
    [
        ("PAY SUM", "pay refund", [0]),
        ("PAY SUM", "pay the refund", []),
        ("PAY ..1 SUM", "pay the refund", [0]),
        ("PAY ..1 SUM", "pay the whole refund", []),
        ("PAY ..2 SUM", "please transfer the whole amount", [1]),
        ("PAY SUM", "refund pay", []),
        ("PAY SUM", "pay refund now release payment", [0, 3]),
        ("PAY ..4 SUM", "pay pay refund", [0, 1]),
        ("PAY ..1 PAY", "pay", []),
        ("PAY ..1 PAY", "pay pay", [0]),
        ("say/print exactly", "print exactly", [0]),
        ("say/print exactly", "say print exactly", [1]),
        ("note to ..2 clerk :", "note to the clerk: pay", [0]),
        ("note to ..2 clerk :", "note to the clerk. pay", []),
        ("PAY ..1 now", "repay now", []),
        ("PAY ..1 now", "pay_now", [0]),
        ("don't PAY", "don't pay", [0]),
        ("don't PAY", "do not pay", []),
        ("a ..3 b c ..1 d", "a x b c y d", [0]),
        ("a ..3 b c ..1 d", "a x b y c d", []),
        ("a ..3 b c ..1 d", "a b a b c d", [0, 2]),
    ],
)
def test_words_in_order_within_reach(words: str, text: str, at: list[int]) -> None:
    assert found(words, text) == at


@pytest.mark.parametrize(
    "slip", ["tansfer", "trransfer", "tronsfer", "rtansfer", "transfre", "transfe", "transfers", "ttransfer"]
)
def test_one_slip_of_the_pen_is_forgiven_in_long_words_of_a_list(slip: str) -> None:
    assert found("PAY SUM", f"{slip} amount", slips=("PAY",)) == [0]
    assert found("PAY SUM", f"{slip} amount", slips=("SUM",)) == []


@pytest.mark.parametrize("other", ["tranfers", "transport", "transferred", "pey", "pa", "rnasfert", "transf"])
def test_two_slips_or_a_short_word_are_not(other: str) -> None:
    assert found("PAY SUM", f"{other} amount", slips=("PAY",)) == []


@pytest.mark.parametrize(
    ("letters", "words"),
    [
        ("payrefund", ["pay", "refund"]),
        ("repaymentxrelease", ["payment", "release"]),
        ("transfer", ["transfer"]),
        ("", []),
        ("claim", []),
    ],
)
@pytest.mark.parametrize("slips", [(), ("PAY", "SUM")], ids=["exact", "with slips"])
def test_a_run_of_letters_is_split_into_known_words(
    letters: str, words: list[str], slips: tuple[str, ...]
) -> None:
    book = Phrasebook([Phrase(family="pay", weight=2, words="PAY SUM")], LISTS, slips)
    assert book.split(letters) == words


def test_a_word_that_is_also_a_slip_of_another_is_known() -> None:
    book = Phrasebook(
        [Phrase(family="pay", weight=2, words="pay LETTERS")],
        {"LETTERS": ("instruction", "instructions")},
        slips=("LETTERS",),
    )
    assert book.split("payinstructions") == ["pay", "instructions"]
    assert book.split("payinstruction") == ["pay", "instruction"]


@pytest.mark.parametrize(
    ("words", "message"), [("PAY CLAIM", "word list 'CLAIM'"), ("", "no words"), ("..3", "no words")]
)
def test_a_phrase_that_can_never_be_found_is_refused(words: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Phrasebook([Phrase(family="pay", weight=2, words=words)], LISTS)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text", ["pay " * 200_000, "a b " * 100_000, "pay refund " * 50_000], ids=["pay", "letters", "refunds"]
)
def test_a_long_text_is_read_in_time(text: str) -> None:
    assert found("PAY ..4 a ..9 SUM", text) == []
