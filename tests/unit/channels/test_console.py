from __future__ import annotations

import io

import pytest

from guardkit.channels import Console
from guardkit.core.ports import ApprovalChannel
from guardkit.core.presentation import present, presentation_hash
from guardkit.errors import ChannelError
from guardkit.testing.channels import FakeChannel
from tests.web.claims import ARGS, DESK_STAGE, FINANCE_STAGE, Claims


def printed(claims: Claims, approval, **options) -> str:
    file = io.StringIO()
    channel: ApprovalChannel = Console(file=file, width=100, **options)
    for delivery in claims.store.deliveries():
        if delivery.approval_id == approval.request.id:
            channel.send(delivery, claims.now(approval))
    return file.getvalue()


def test_it_prints_what_is_asked(claims: Claims) -> None:
    approval = claims.ask(stages=(DESK_STAGE, FINANCE_STAGE), reads={"balance": 12})
    text = printed(claims, approval, inbox="http://127.0.0.1:8321/")
    for part in (
        "Pay claim",
        "Maria Okafor",
        "1250.00",
        "claims-manager",
        "finance-desk",
        "balance",
        "not verified",
    ):
        assert part in text
    where = f"/approvals/{approval.request.id}?delivery="
    assert where in "".join(char for char in text if char not in "\n│ "), "its link names the message"


def test_it_prints_how_it_ended(claims: Claims) -> None:
    approval = claims.ask()
    claims.store.deliveries()
    claims.decide(approval, kind="edit", args={**ARGS, "amount": "900.00"}, reason="less")
    text = printed(claims, approval)
    for part in ("approved", "p-ana", "less", "1250.00", "900.00"):
        assert part in text


def test_markup_and_escape_sequences_are_shown_not_obeyed(claims: Claims) -> None:
    bad = "[bold red]x[/] [link=https://evil.example]y[/link] :skull: \x1b[2J\x1b]0;t\x07 \u202e"
    approval = claims.ask({"note": bad, "amount": "1"}, thought=bad, why=(bad,))
    text = printed(claims, approval)
    assert "[bold red]x[/]" in text
    assert ":skull:" in text
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "⟨U+001B⟩" in text


def test_it_returns_the_hash_of_what_was_shown(claims: Claims) -> None:
    approval = claims.ask()
    (delivery,) = claims.store.deliveries()
    shown = Console(file=io.StringIO()).send(delivery, approval)
    assert shown == presentation_hash(present(approval))


def test_a_closed_terminal_is_a_channel_error(claims: Claims) -> None:
    approval = claims.ask()
    (delivery,) = claims.store.deliveries()
    file = io.StringIO()
    file.close()
    with pytest.raises(ChannelError, match="cannot be written to"):
        Console(file=file).send(delivery, approval)


def test_the_fake_remembers_and_fails_on_demand(claims: Claims) -> None:
    approval = claims.ask()
    (delivery,) = claims.store.deliveries()
    channel = FakeChannel(failures=1)
    with pytest.raises(ChannelError):
        channel.send(delivery, approval)
    assert channel.send(delivery, approval) == presentation_hash(present(approval))
    assert [sent.presentation.title for sent in channel.sent] == ["Pay claim"]
