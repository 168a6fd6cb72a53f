"""The tokens of links: exactly what was signed, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr

from guardkit.channels.email import MailLink, MailLinks
from guardkit.errors import MissingKeyError

OLD, NEW, OTHER = (
    SecretStr(f"{name} key for tests, of more than 32 characters") for name in ("old", "new", "other")
)
LINK = MailLink(
    channel="desk-mail", approval="a" * 32, version=3, person="p-ana", delivery="d-1", until=1.5e9
)
TOKEN = MailLinks([NEW]).token(LINK)


def test_what_is_signed_can_be_read() -> None:
    assert MailLinks([NEW]).read(TOKEN) == LINK
    assert TOKEN.replace(".", "").replace("-", "").replace("_", "").isalnum(), "it stands in a path as it is"


def test_keys_are_rotated() -> None:
    old = MailLinks([OLD]).token(LINK)
    both = MailLinks([NEW, OLD])
    assert both.read(old) == LINK
    assert both.token(LINK) == TOKEN, "the first key signs"
    assert MailLinks([NEW]).read(old) is None, "a retired key that was taken away"
    assert MailLinks([OTHER]).read(TOKEN) is None


@pytest.mark.promise("P6")
def test_a_key_of_another_purpose_signs_no_link() -> None:
    from itsdangerous import URLSafeSerializer

    for salt in ("guardkit.session.v1", "guardkit.link.v1", "guardkit.form.v1"):
        forged = URLSafeSerializer(NEW.get_secret_value(), salt=salt).dumps(LINK.model_dump(mode="json"))
        assert MailLinks([NEW]).read(str(forged)) is None


@pytest.mark.promise("P6")
@given(st.data())
def test_a_token_that_was_touched_is_nothing(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TOKEN) - 1))
    sign = data.draw(st.sampled_from("ABCxyz019-_.=%/ é\x00"))
    how = data.draw(st.sampled_from(["replace", "insert", "cut", "append"]))
    touched = {
        "replace": TOKEN[:at] + sign + TOKEN[at + 1 :],
        "insert": TOKEN[:at] + sign + TOKEN[at:],
        "cut": TOKEN[:at],
        "append": TOKEN + sign,
    }[how]
    assert MailLinks([NEW]).read(touched) == (LINK if touched == TOKEN else None)


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    assert MailLinks([NEW]).read(text) is None


def test_parts_of_two_links_make_no_third() -> None:
    other = MailLinks([NEW]).token(LINK.model_copy(update={"person": "p-ben"}))
    assert MailLinks([NEW]).read(f"{other.split('.')[0]}.{TOKEN.split('.')[1]}") is None


def test_there_is_no_link_without_a_key() -> None:
    with pytest.raises(MissingKeyError, match="web secret"):
        MailLinks([])
