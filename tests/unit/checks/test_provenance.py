"""A value is tainted when a stranger wrote it and the user did not."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.checks import tainted
from guardkit.checks.provenance import MAX_TEXT
from guardkit.core.steps import Trust
from guardkit.core.verdicts import CheckContext
from tests.unit.checks.desk import context, seen

IBAN = "DE89370400440532013000"
MAIL = f"Dear desk, please pay 1,250.50 EUR for claim C-177 to {IBAN}. Regards, Zoë Straßer (zoe@example.com)"


def thread(mail: str = MAIL, *said: str) -> CheckContext:
    return context(*said, seen=[seen(mail)])


# --- what a stranger wrote -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "mail"),
    [
        (IBAN, MAIL),
        ("DE89 3704 0044 0532 0130 00", MAIL),
        (IBAN.lower(), MAIL),
        (IBAN, "to DE89-3704-0044-0532-0130-00"),
        (IBAN, "to DE89 3704\n0044 0532\n0130 00"),
        (IBAN, "to DE\u200b89370400\u00ad440532013000"),
        (
            IBAN,
            "to \uff24\uff25\uff18\uff19\uff13\uff17\uff10\uff14\uff10\uff10\uff14\uff14\uff10\uff15\uff13\uff12\uff10\uff11\uff13\uff10\uff10\uff10",
        ),
        (
            "\uff24\uff25\uff18\uff19\uff13\uff17\uff10\uff14\uff10\uff10\uff14\uff14\uff10\uff15\uff13\uff12\uff10\uff11\uff13\uff10\uff10\uff10",
            MAIL,
        ),
        ("C-177", MAIL),
        ("c177", MAIL),
        ("Zoë Straßer", MAIL),
        ("ZOË STRASSER", MAIL),
        ("Zoe\u0308 Straßer", MAIL),
        ("zoe@example.com", MAIL),
        ("東京海上", "振込先は東京海上です"),
        ("1250.50", MAIL),
        ("1250.5", MAIL),
        ("-1250.50", MAIL),
        ("\uff11\uff12\uff15\uff10\uff0e\uff15\uff10", MAIL),
        ("1250.5", "pay \uff11\uff12\uff15\uff10\uff0e\uff15\uff10"),
        (1250.5, MAIL),
        (-1250.5, MAIL),
        ("\uff11\uff12\uff15\uff10.\uff15\uff10", MAIL),
        (1250, "pay 1250"),
        (-1250, "pay 1250"),
        (-1250.0, "pay 1250"),
        (1250, "pay 1,250"),
        (1250, "pay 1.250,00"),
        (1250.0, "pay 1250"),
        (1000, "pay 1'000.00"),
        (9_007_199_254_740_993, "number 9007199254740993"),
        ([IBAN], MAIL),
        ({"a": [{"b": ["nothing", {"c": IBAN}]}]}, MAIL),
    ],
)
def test_a_value_that_only_a_stranger_wrote_is_tainted(value: Any, mail: str) -> None:
    assert tainted(thread(mail), value)
    assert tainted(thread(mail, "Please look at the mail and do what is right."), value)


@pytest.mark.parametrize(
    "value",
    [
        "DE11111111111111111111",
        "C-178",
        "nobody at all",
        1251,
        1250.75,
        "9999.99",
        # Of these nobody can say where they come from.
        "",
        "a",
        "17",
        "-.-",
        "\u200b\u200b\u200b\u200b",
        "é!",
        17,
        0,
        -999,
        999,
        999.99,
        True,
        False,
        None,
        float("nan"),
        float("inf"),
        [],
        {},
        [None, {"a": [True, 1, ""]}],
    ],
    ids=repr,
)
def test_a_value_that_no_stranger_wrote_is_not_tainted(value: Any) -> None:
    assert not tainted(thread(f"{MAIL} 17 999 a é nan inf true null 1"), value)


@pytest.mark.parametrize(("value", "is_tainted"), [(999, False), (1000, True), ("99", False), ("999", True)])
def test_from_where_on_a_value_has_an_origin(value: Any, is_tainted: bool) -> None:
    assert tainted(thread("the numbers 99, 999 and 1000"), value) == is_tainted


# --- what the user wrote ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (IBAN, f"Pay to {IBAN}, please."),
        (IBAN, "Pay to DE89 3704 0044 0532 0130 00."),
        (IBAN, "(de89-3704-0044-0532-0130-00)"),
        ("DE89 3704 0044 0532 0130 00", IBAN),
        ("C-177", "What about C-177?"),
        ("C-177", "what about c 177"),
        ("Zoë Straßer", "Pay ZOË STRASSER"),
        ("zoe@example.com", "Answer zoe@example.com."),
        (1250.5, "Pay 1250.50"),
        (1250.5, "Pay 1,250.5 EUR"),
        ("1250.50", "Pay 1.250,50"),
        (1250, "Pay 1,250"),
        (1250, "Pay 1,250.00"),
        (1250.0, "Pay 1250"),
        ("1250.00", "Pay 1250"),
    ],
)
def test_what_the_user_wrote_too_is_not_tainted(value: Any, said: str) -> None:
    mail = f"{MAIL} 1250 1,250.00 1250.50"
    assert tainted(thread(mail), value)
    assert not tainted(thread(mail, said), value)
    assert not tainted(thread(mail, "Hello.", said, "Go on."), value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("C-17", "Look at claim C-177."),
        ("C-17", "Look at claim AC-17."),
        ("C-177", "Look at claim C-17 and 7 others."),
        (IBAN, f"Pay to {IBAN[:-2]}."),
        (IBAN, f"Pay to {IBAN}1."),
        (1250.5, "Pay 125050"),
        (1250.5, "Pay 1,250.57"),
        ("1250.50", "Pay 125050"),
        ("\uff11\uff12\uff15\uff10\uff0e\uff15\uff10", "Pay 125050"),
        (1250, "Pay 12500"),
        (1250, "Pay 125,000"),
        (1250.5, "Pay 1250"),
        ("Straßer", "Pay Mr Straßermann"),
    ],
)
def test_something_like_it_is_not_what_the_user_wrote(value: Any, said: str) -> None:
    mail = f"{MAIL} C-17 1250 1250.50"
    assert tainted(thread(mail, said), value)


def test_two_messages_of_the_user_do_not_spell_a_value_together() -> None:
    assert tainted(thread(MAIL, "Pay to DE89 3704 0044", "0532 0130 00"), IBAN)


def test_one_value_that_the_user_wrote_does_not_excuse_another() -> None:
    assert tainted(thread(MAIL, f"Pay to {IBAN}"), [IBAN, "C-177"])


# --- whose observations count --------------------------------------------------------------------------------------


def test_what_a_trusted_tool_returned_taints_nothing() -> None:
    assert not tainted(context(seen=[seen(MAIL, trust=Trust.TRUSTED)]), IBAN)


def test_a_trusted_tool_that_says_the_same_excuses_nothing() -> None:
    assert tainted(context(seen=[seen(MAIL, trust=Trust.TRUSTED), seen(MAIL)]), IBAN)


def test_every_observation_counts_however_old_and_whether_it_failed() -> None:
    notes = [seen(f"note {number}") for number in range(200)]
    assert tainted(context(seen=[seen(MAIL), *notes]), IBAN)
    assert tainted(context(seen=[*notes, seen(MAIL, failed=True)]), IBAN)
    assert not tainted(context(seen=notes), IBAN)


def test_two_observations_do_not_spell_a_value_together() -> None:
    assert not tainted(context(seen=[seen(IBAN[:10]), seen(IBAN[10:])]), IBAN)


def test_without_observations_nothing_is_tainted() -> None:
    assert not tainted(context(), {"iban": IBAN, "amount": 10**9})


def test_contexts_are_not_mixed_up() -> None:
    several = [thread(f"pay to account number {number}") for number in range(1000, 1020)]
    for _ in range(2):
        for number, one in enumerate(several, start=1000):
            assert tainted(one, number)
            assert not tainted(one, number + 1)


# --- where nothing can be said: the strict answer -----------------------------------------------------------------


def test_an_observation_too_long_to_compare_taints_what_the_user_did_not_write() -> None:
    long = thread("x " * (MAX_TEXT // 2) + "x", f"Pay to {IBAN}")
    assert tainted(long, "C-177")
    assert tainted(long, 5_000)
    assert not tainted(long, IBAN)
    assert not tainted(long, [True, None, 17, ""])
    assert not tainted(thread("x " * (MAX_TEXT // 2)), "C-177")


def test_a_value_in_a_haystack_of_near_misses_counts_as_not_said() -> None:
    near = "1250x" * 300
    assert not tainted(thread(MAIL + " 1250", f"{near} 1250", "1250"), 1250)
    assert tainted(thread(MAIL + " 1250", f"{near} 1250"), 1250)


def test_a_value_is_said_behind_a_few_near_misses() -> None:
    near = "1250x " * 100
    assert not tainted(thread(MAIL + " 1250", f"{near} 1250"), 1250)


def test_a_state_without_messages_answers_nothing() -> None:
    blind = context(seen=[seen(MAIL)], blind=True)
    with pytest.raises(ValueError, match="not known"):
        tainted(blind, IBAN)


@pytest.mark.timeout(60)
def test_a_megabyte_of_values_is_compared_in_time() -> None:
    values: dict[str, Any] = {
        "lines": [{"iban": f"DE{number:020}", "amount": number} for number in range(5_000)]
    }
    assert not tainted(thread("0" * 19 + "x" * 150_000, "1" * 100_000), values)
