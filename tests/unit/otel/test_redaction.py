"""What redaction finds at any place of any JSON value, and what it leaves as it is."""

from __future__ import annotations

import base64
import json
import math
import re
import string
from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from guardkit.core.values import Json
from guardkit.otel import default_redactors
from guardkit.otel.redaction import redact

BEGIN = "-----BEGIN"
"""Apart from the rest, so that nobody takes this file for one with keys."""

REDACTORS = default_redactors()


def redacted(value: Json) -> Any:
    return redact(value, REDACTORS)


# --- what is planted: made here, by the standards' own rules ---------------------------------------------------------


NETWORKS = (
    ("4", 16), ("4", 13), ("51", 16), ("2221", 16), ("34", 15), ("37", 15), ("36", 14), ("3528", 16), ("6011", 16),
    ("62", 19),
)  # fmt: skip


@st.composite
def cards(draw: st.DrawFn) -> str:
    """Digits with a check digit by Luhn (ISO/IEC 7812-1), of the usual networks and lengths."""
    prefix, length = draw(st.sampled_from(NETWORKS))
    rest = length - len(prefix) - 1
    body = prefix + draw(st.text("0123456789", min_size=rest, max_size=rest))
    total = sum(
        int(digit) if place % 2 else sum(map(int, str(2 * int(digit))))
        for place, digit in enumerate(reversed(body))
    )
    return body + str(-total % 10)


@st.composite
def ibans(draw: st.DrawFn) -> str:
    """Letters and digits with check digits by MOD 97-10 (ISO 13616)."""
    country, length = draw(
        st.sampled_from([("DE", 22), ("GB", 22), ("NO", 15), ("FR", 27), ("MT", 31), ("CH", 21)])
    )
    account = draw(st.text(string.digits + string.ascii_uppercase, min_size=length - 4, max_size=length - 4))
    number = int("".join(str(int(char, 36)) for char in f"{account}{country}00"))
    return f"{country}{98 - number % 97:02}{account}"


LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)


@st.composite
def emails(draw: st.DrawFn) -> str:
    local = ".".join(draw(st.lists(LABEL, min_size=1, max_size=3)))
    domain = ".".join(draw(st.lists(LABEL, min_size=1, max_size=3)))
    return f"{local}@{domain}.{draw(st.sampled_from(['com', 'de', 'example', 'co.uk']))}"


WORD = string.ascii_letters + string.digits


def words(least: int, most: int, alphabet: str = WORD) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


@st.composite
def random_tokens(draw: st.DrawFn) -> str:
    """What `secrets.token_urlsafe` gives; the few in which hardly any two characters differ are left out."""
    token = base64.urlsafe_b64encode(draw(st.binary(min_size=24, max_size=48))).rstrip(b"=").decode()
    bits = -sum(n / len(token) * math.log2(n / len(token)) for n in Counter(token).values())
    assume(bits > 0.85 * math.log2(min(len(token), 64)))
    assume(re.search("[0-9]", token) and not re.search("[A-Za-z][a-z]{3}", token))
    return token


SECRETS = st.one_of(
    words(36, 36).map(lambda rest: f"ghp_{rest}"),
    words(22, 60, WORD + "_").map(lambda rest: f"github_pat_{rest}"),
    words(16, 16, string.ascii_uppercase + string.digits).map(lambda rest: f"AKIA{rest}"),
    words(20, 50, WORD + "-").map(lambda rest: f"xoxb-{rest}"),
    st.tuples(*[words(10, 40, WORD + "-_")] * 3).map(lambda parts: f"eyJ{'.'.join(parts)}"),
    words(24, 24).map(lambda rest: f"sk_live_{rest}"),
    random_tokens(),
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@st.composite
def places(draw: st.DrawFn, planted: str) -> Json:
    """A JSON value that holds the planted text somewhere: in a text, as a key, deep inside."""
    before, behind = draw(TEXT), draw(TEXT)
    # A letter or digit that touches it makes it another one, and so does a mark that joins it to one.
    value: Json = f"{before} {planted} {behind}"
    for _ in range(draw(st.integers(0, 3))):
        other: Json = draw(TEXT | st.integers() | st.none() | st.booleans())
        match draw(st.sampled_from(["list", "value", "key"])):
            case "list":
                value = [other, value]
            case "key" if isinstance(value, str):
                value = {value: other}
            case _:
                value = {draw(TEXT): value, "other": other}
    return value


def squeezed(value: Json) -> str:
    """All letters and digits of it, in their order, upper case."""
    return "".join(char for char in json.dumps(value, ensure_ascii=False) if char.isalnum()).upper()


# --- never survives ---------------------------------------------------------------------------------------------------


@pytest.mark.promise("P13")
@given(st.data())
@pytest.mark.parametrize(
    "planted", [cards(), ibans(), emails(), SECRETS], ids=["card", "iban", "email", "secret"]
)
def test_what_is_planted_at_any_place_does_not_survive(
    planted: st.SearchStrategy[str], data: st.DataObject
) -> None:
    found = data.draw(planted)
    left = redacted(data.draw(places(found)))
    assert found not in json.dumps(left, ensure_ascii=False)
    assert squeezed(found) not in squeezed(left)


BETWEEN = st.sampled_from(["", " ", "-", "\u00a0", "\u2011", "\u200b", "\n", " - ", ".", "\r\n", "\u2060 "])
DIGITS = [
    string.digits,
    "".join(map(chr, range(0xFF10, 0xFF1A))),  # fullwidth
    "".join(map(chr, range(0x660, 0x66A))),  # Arabic-Indic
    "".join(map(chr, range(0x1D7D8, 0x1D7E2))),  # mathematical double-struck
]


@pytest.mark.promise("P13")
@given(st.data())
@pytest.mark.parametrize("planted", [cards(), ibans()], ids=["card", "iban"])
def test_neither_disguises_nor_what_stands_between_digits_hide_a_number(
    planted: st.SearchStrategy[str], data: st.DataObject
) -> None:
    plain = data.draw(planted)
    table = str.maketrans(string.digits, data.draw(st.sampled_from(DIGITS)))
    size = data.draw(st.integers(1, 6))
    groups = [plain[at : at + size].translate(table) for at in range(0, len(plain), size)]
    text = data.draw(BETWEEN).join(groups)
    left = redacted(f"pay {text}, please")
    assert re.fullmatch(r"pay \[(card|iban)\], please", left), left


@pytest.mark.promise("P13")
@given(cards(), st.sampled_from([int, float]))
def test_a_card_as_a_number(card: str, number: type[int] | type[float]) -> None:
    value = number(card)
    assume(int(value) == int(card))
    assert redacted({"paid with": [value]}) == {"paid with": ["[card]"]}


@pytest.mark.promise("P13")
@given(
    words(36, 36), st.integers(5, 39), st.sampled_from(["\n", "\r\n", "\n    ", "\n> ", "\u200b", "\u00ad"])
)
def test_a_token_that_is_wrapped(rest: str, at: int, gap: str) -> None:
    token = f"ghp_{rest}"
    left = redacted(f"use {token[:at]}{gap}{token[at:]} and no other")
    assert left == "use [secret] and no other"


NAMES = st.sampled_from(
    [
        "password",
        "clientSecret",
        "API_KEY",
        "x-auth-token",
        "accessToken",
        "PIN",
        "private key",
        "Authorization",
    ]
)


@pytest.mark.promise("P13")
@given(NAMES, st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_whatever_has_the_name_of_a_secret_goes(name: str, value: str) -> None:
    assert redacted({"a": [{name: value}]}) == {"a": [{name: "[secret]"}]}
    assert redacted({name: {"kept in": [value, 7]}}) == {name: {"kept in": ["[secret]", "[secret]"]}}


@pytest.mark.promise("P13")
@given(
    st.sampled_from(["password", "client_secret", "api-key", "TOKEN", "pwd"]),
    st.sampled_from(["=", ": ", " = ", " := ", " is ", "=>", '": "', '\\": \\"', "': '"]),
    words(4, 20),
)
def test_so_does_what_is_assigned_to_it_in_a_text(name: str, gives: str, value: str) -> None:
    left = redacted(f"set {name}{gives}{value} now")
    assert value not in left.removeprefix(f"set {name}{gives}")
    assert left.startswith(f"set {name}{gives}[secret]")


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("postgresql://me:hunter2@db/x", "postgresql://me:[secret]db/x"),
        ("https://me:p@ss@host/", "https://me:[secret]host/"),
        ("Authorization: Basic dXNlcjpodW50ZXIy", "Authorization: Basic [secret]"),
        ("curl -H 'authorization: bearer abc123.def-456'", "curl -H 'authorization: bearer [secret]'"),
        ("Cookie: a=b; session=c", "Cookie: [secret]"),
        (
            f"{BEGIN} EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\nthe end",
            "[secret]\nthe end",
        ),
        (f"{BEGIN} PRIVATE KEY-----\\nMHcCAQEE, cut off", "[secret]"),
        ("123456789:AAF0123456789012345678901234567890ab", "123456789[secret]"),
        ("https://hooks.slack.com/services/T000/B000/XXXX", "https://[secret]"),
        ('kim.secret(at)example [dot] com, or "kim secret"@example.com', "[email], or [email]"),
        ("mailto:kim%40example.com, kim&#64;example.com", "mailto:[email], [email]"),
        ("kim @ example.com, kim@\nexample.com", "[email], [email]"),
        ("kim@exa\u200bmple.com", "[email]"),
        ("jürgen@bücher.example", "[email]"),
        ("call +49 (0)171 1234567", "call [phone]"),
        ("call 0049 171 1234567 or 0171/123 45 67", "call [phone] or [phone]"),
        ("call (212) 555-0199 or 212.555.0199", "call [phone] or [phone]"),
        ("phone: 5550199", "phone: [phone]"),
        ("tel\uff1a\uff10\uff11\uff17\uff11 \uff11\uff12\uff13\uff14\uff15\uff16\uff17", "tel\uff1a[phone]"),
        ("4111 1111 1111 1111 12/28 123", "[card] 12/28 123"),
        ("on 28 11 2026 4111-1111-1111-1111", "on 28 11 2026 [card]"),
        ("de89 3704 0044 0532 0130 00", "[iban]"),
    ],
)
def test_examples(text: str, left: str) -> None:
    assert redacted(text) == left


def test_a_telephone_number_by_its_name() -> None:
    assert redacted({"phone_number": "5550199", "phone_verified": True}) == {
        "phone_number": "[phone]",
        "phone_verified": True,
    }


# --- and nothing else changes -----------------------------------------------------------------------------------------

HARMLESS = st.text(st.sampled_from(string.ascii_letters + "äöü .,;!?()\n—"), max_size=60).filter(
    lambda text: (
        not re.search(r"(?i)passw|secret|credential|token|key|pwd|pin|auth|cook|bearer|basic| at ", text)
    )
)


@given(
    st.recursive(
        HARMLESS | st.integers(-(10**6), 10**6) | st.none() | st.booleans() | st.floats(-1e6, 1e6),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(HARMLESS, inner, max_size=4),
        max_leaves=12,
    )
)
def test_what_holds_nothing_is_left_as_it_is(value: Json) -> None:
    sure = re.compile(r"(?i)pass|otp|cv[vc]|sig|sid|jwt|phone|tel|mobile|fax|[A-Z0-9]{20}")
    assume(not sure.search(json.dumps(value)))
    assert redacted(value) == value


@pytest.mark.parametrize(
    "text",
    [
        "Paid EUR 1,234.50 on 28.11.2026 at 10:30:15, order 2026-000123, policy 3.2.",
        "run 0b9e1c52-4c1f-4e0a-9a44-2f5f2a7c1d3e of thread claims-2026-11-28",
        "from 192.168.100.200 to 10.0.0.1, 4711 rows, 1700000000 s, 99.99 %",
        "the basic understanding of bearer bonds, a pinned token-free passport",
        "guardkit/otel/redaction/numbers.py line 1234, test_a_very_long_name_of_a_test_that_says_it",
        "input_tokens 1200, output_tokens 340, total 1540",
        "react@18.2.0 and @mentions",
        "4111 1111 1111 1112",  # the check digit is wrong
        "GB28 WEST 1234 5698 7654 32",  # the check digits are
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
    ],
)
def test_what_looks_alike_is_left_as_it_is(text: str) -> None:
    assert redacted(text) == text


ANY = st.recursive(
    st.one_of(TEXT, cards(), ibans(), emails(), SECRETS, st.integers(), st.none()).flatmap(
        lambda one: st.just(one) if not isinstance(one, str) else TEXT.map(lambda text: text + one)
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | emails() | NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(ANY)
def test_twice_is_as_once(value: Json) -> None:
    once = redacted(value)
    assert redacted(once) == once


def test_keys_that_become_the_same_are_kept_apart() -> None:
    assert redacted({"kim@example.com": 1, "dana@example.com": 2}) == {"[email]": 1, "[email] 2": 2}
