from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, strategies as st

from guardkit.core.visible import human, one_line, shortened, visible

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)
SHOWN_ANYWAY = {"\n", "\t", " "}


@pytest.mark.parametrize(
    "char",
    [
        "\u202e",  # right-to-left override
        "\u2066",  # left-to-right isolate
        "\u200b",  # zero-width space
        "\u200d",  # zero-width joiner
        "\ufeff",  # byte order mark
        "\U000e0041",  # tag letter
        "\ufe0f",  # variation selector
        "\u00a0",  # no-break space
        "\u00ad",  # soft hyphen
        "\u3164",  # Hangul filler
        "\x00",
        "\x1b",
        "\r",
        "\x7f",
        "\x85",
        "\u2028",
        "\ue000",  # private use
        "\ud800",  # lone surrogate
    ],
    ids=lambda char: f"U+{ord(char):04X}",
)
def test_what_cannot_be_seen_is_named(char: str) -> None:
    assert visible(f"a{char}b") == f"a⟨U+{ord(char):04X}⟩b"


@given(ANY_TEXT)
def test_nothing_invisible_is_left(text: str) -> None:
    left = {
        char for char in visible(text) if unicodedata.category(char) in ("Cc", "Cs", "Co", "Zl", "Zp", "Zs")
    }
    assert left <= SHOWN_ANYWAY


@given(ANY_TEXT)
def test_marks_cannot_be_forged(text: str) -> None:
    """Every bracket in visible text opens or closes a mark of guardkit's own."""
    marks = re.findall(r"⟨U\+[0-9A-F]{4,6}⟩|⟨\d+ empty lines⟩|⟨\d+ blanks⟩", visible(text))
    assert visible(text).count("⟨") == visible(text).count("⟩") == len(marks)


@given(st.text(st.characters(exclude_characters=" \t\n", exclude_categories=()), max_size=60))
def test_different_texts_look_different(text: str) -> None:
    def back(found: re.Match[str]) -> str:
        return chr(int(found[1], 16))

    assert re.sub(r"⟨U\+([0-9A-F]{4,6})⟩", back, visible(text)) == text


def test_ordinary_text_stays_as_it_is() -> None:
    text = "Grüße, Inês! 12,50 € — 漢字, עברית, हिन्दी\n\tsecond line (\u0065\u0301)"
    assert visible(text) == text


def test_long_runs_of_nothing_become_their_number() -> None:
    assert visible("a" + "\n" * 40 + "pay") == "a\n⟨39 empty lines⟩\npay"
    assert visible("a" + " \n" * 40 + "b").count("\n") == 2
    assert visible("a" + " " * 500 + "b") == "a ⟨500 blanks⟩ b"


def test_stacked_marks_do_not_climb_over_their_neighbours() -> None:
    assert visible("e" + "\u0301" * 50).count("\u0301") == 3


def test_a_long_text_loses_its_middle_and_says_so() -> None:
    text = "begin" + "x" * 5000 + "the real recipient"
    shown = shortened(text, 100)
    assert shown.startswith("begin")
    assert shown.endswith("the real recipient")
    assert f"{len(text) - 100:,} of {len(text):,} characters left out" in shown


def test_one_line_is_one_line() -> None:
    assert one_line("a\nAmount: 1\tEUR", 100) == "a⟨U+000A⟩Amount: 1⟨U+0009⟩EUR"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pay_claim", "Pay claim"),
        ("payClaim", "Pay claim"),
        ("bank.transfer-v2", "Bank transfer v2"),
        ("claim_id", "Claim ID"),
        ("lookupIBAN", "Lookup IBAN"),
        ("x\u202ey", "X⟨U+202E⟩y"),
    ],
    ids=["snake", "camel", "dotted", "initials", "upper", "hostile"],
)
def test_names_become_words(name: str, words: str) -> None:
    assert human(name) == words


@pytest.mark.parametrize("piece", ["\n \n", "\u202e", "\u0301", " \t", "⟨", "\n\t"], ids=ascii)
@pytest.mark.timeout(60)
def test_long_texts_are_shown_to_their_end(piece: str) -> None:
    assert visible(f"{piece * 200_000}end").endswith("end")
