"""What the mail server refuses: for good, for now, for one, for all; and what is tried again."""

from __future__ import annotations

import pytest

from tests.unit.email_channel.desk import CHANNEL, FINANCE, MAIL_STAGE, Mailing
from tests.web.claims import FIRST, REQUESTER, SECOND, THIRD

BEN, CLEO = str(SECOND.email), str(THIRD.email)


def refused(mailing: Mailing) -> list[object]:
    return [data for data in mailing.claims.audited("channel.refused") if data["why"] == "recipient_refused"]


def test_one_who_is_refused_for_good_does_not_stop_the_others(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(FINANCE,))
    mailing.server.refuse[BEN] = f"550 5.1.1 <{BEN}>: no such user"
    assert mailing.deliver() == []
    assert mailing.server.recipients == [CLEO]
    (entry,) = refused(mailing)
    assert entry == {"channel": CHANNEL, "why": "recipient_refused", "approval": approval.request.id}
    ben = next(post for post in mailing.posts(approval) if post.recipient == SECOND.id)
    assert not ben.open
    mailing.server.refuse.clear()
    (ask,) = [name for name in mailing.claims.store.rendered if "-ask-" in name]
    mailing.claims.store._messages[ask].state = "waiting"
    assert mailing.later() == []
    assert mailing.server.recipients == [CLEO], "not tried again for that delivery"
    mailing.decide(approval, THIRD, kind="edit", args={"amount": "1", "claim_id": "C-1", "recipient": "x"})
    assert mailing.deliver() == []
    assert mailing.server.recipients == [CLEO, BEN], "another question is another try"


def test_one_who_is_refused_for_now_is_tried_again_alone(mailing: Mailing) -> None:
    mailing.claims.ask(stages=(FINANCE,))
    mailing.server.refuse[BEN] = f"451 4.3.0 <{BEN}>: try later"
    (error,) = mailing.deliver()
    assert error == f"channel {CHANNEL!r}: 1 mails went out, refused were 1 (451)"
    mailing.server.refuse.clear()
    assert mailing.later() == []
    assert mailing.server.recipients == [CLEO, BEN]
    assert refused(mailing) == []


def test_when_everybody_is_refused_for_good_the_delivery_fails_and_writes_to_nobody_again(
    mailing: Mailing,
) -> None:
    mailing.claims.ask(stages=(FINANCE,))
    mailing.server.refuse.update({BEN: "550 no", CLEO: "553 no"})
    (error,) = mailing.deliver()
    assert error == f"channel {CHANNEL!r}: 0 mails went out, refused were 1 (550 for good), 1 (553 for good)"
    mailing.server.refuse.clear()
    (error,) = mailing.later()
    assert error == f"channel {CHANNEL!r}: every recipient was refused for good"
    assert mailing.server.mails == []
    assert len(refused(mailing)) == 2, "audited once each"


@pytest.mark.parametrize(("reply", "again"), [("554 spam", []), ("452 disk full", [BEN])])
def test_a_refusal_after_the_mail_is_told_apart_too(mailing: Mailing, reply: str, again: list[str]) -> None:
    mailing.claims.ask(stages=(FINANCE,))
    mailing.server.refuse_data[BEN] = reply
    mailing.deliver()
    mailing.server.refuse_data.clear()
    mailing.later()
    assert mailing.server.recipients == [CLEO, *again]


def test_a_connection_that_is_cut_after_the_mail_leads_to_the_same_mail_again(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(FINANCE,))
    mailing.server.hang_up.add(BEN)
    (error,) = mailing.deliver()
    assert error == f"channel {CHANNEL!r}: 1 mails went out, refused were 1 (connection lost)"
    ben = next(post for post in mailing.posts(approval) if post.recipient == SECOND.id)
    assert ben.address is None, "it may be there"
    assert ben.open
    assert mailing.later() == []
    assert mailing.server.recipients == [BEN, CLEO, BEN]
    first, _, second = (mail["Message-ID"] for mail in mailing.server.mails)
    assert first == second, "programs show one Message-ID once"
    assert mailing.server.sessions == 3, "the next recipient gets a new connection"


def test_a_server_that_hangs_up_in_words_is_called_again(mailing: Mailing) -> None:
    mailing.claims.ask(stages=(FINANCE,))
    mailing.server.refuse[BEN] = "421 4.7.0 going away"
    (error,) = mailing.deliver()
    assert "1 mails went out, refused were 1 (421)" in error
    assert mailing.server.recipients == [CLEO]
    assert mailing.server.sessions == 2


def test_a_sender_who_is_refused_is_nobodys_fault_but_the_settings(mailing: Mailing) -> None:
    mailing.claims.ask(stages=(FINANCE,))
    mailing.server.refuse_sender = "550 5.7.1 <approvals@corp.example>: not yours"
    (error,) = mailing.deliver()
    assert error == f"channel {CHANNEL!r}: the mail server refuses the sender (550)"
    assert refused(mailing) == []
    mailing.server.refuse_sender = None
    assert mailing.later() == []
    assert mailing.server.recipients == [BEN, CLEO]


@pytest.mark.parametrize(
    "address",
    [
        "",
        " ",
        "ben",
        "a@b@c",
        "ben@corp.example\r\nBcc: eve@evil.example",
        "<ben@corp.example>",
        "b en@x.y",
        "ben@x.\u202ey",
        "bén@corp.example",
        "ben@corp\u3002example",
    ],
)
def test_an_address_that_is_none_is_refused_without_asking_the_server(mailing: Mailing, address: str) -> None:
    mailing.claims.people.change(SECOND, email=address)
    mailing.claims.ask(stages=(FINANCE,))
    assert mailing.deliver() == []
    assert mailing.server.recipients == [CLEO]
    assert len(refused(mailing)) == (1 if address else 0)


def test_the_outcome_goes_only_to_those_who_have_not_been_told(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(FINANCE,))
    mailing.deliver()
    mailing.decide(approval, SECOND, kind="reject", reason="no")
    mailing.server.refuse[CLEO] = "451 later"
    (error,) = mailing.deliver()
    assert "451" in error
    mailing.server.refuse.clear()
    assert mailing.later() == []
    assert mailing.server.recipients == [BEN, CLEO, BEN, str(REQUESTER.email), CLEO]


def test_no_message_of_an_error_holds_an_address_or_the_servers_words(mailing: Mailing) -> None:
    mailing.claims.ask(stages=(MAIL_STAGE,))
    mailing.server.refuse[str(FIRST.email)] = f"550 {FIRST.email} secret words"
    (error,) = mailing.deliver()
    assert "@" not in error
    assert "secret" not in error
