"""Who is written to, when, and what of it is remembered."""

from __future__ import annotations

import re
from email.message import EmailMessage
from typing import Any

import pytest

from guardkit.channels.email import Email, MailLinks
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.reviews import ReviewVerdict
from guardkit.core.runs import Delivery
from guardkit.errors import ChannelError
from tests.unit.email_channel.desk import (
    CHANNEL,
    CHAT_STAGE,
    FINANCE,
    MAIL_STAGE,
    SENDER,
    Mailing,
    attached,
    links,
    token_in,
)
from tests.unit.email_channel.mailserver import parts
from tests.web.claims import ARGS, FIRST, REQUESTER, SECOND, START, THIRD, Claims
from tests.web.visits import KEY, URL


def test_each_approver_of_the_stage_gets_a_mail_of_their_own(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(FINANCE,))
    assert mailing.deliver() == []
    assert mailing.server.recipients == [SECOND.email, THIRD.email]
    assert [mail["To"] for mail in mailing.server.mails] == [SECOND.email, THIRD.email]
    tokens = {token_in(mail) for mail in mailing.server.mails}
    assert len(tokens) == 2
    said = [MailLinks([KEY]).read(token) for token in tokens]
    assert {(one.person, one.approval, one.version, one.channel) for one in said if one} == {
        (SECOND.id, approval.request.id, 0, CHANNEL),
        (THIRD.id, approval.request.id, 0, CHANNEL),
    }
    posts = mailing.posts(approval)
    assert {post.recipient for post in posts} == {SECOND.id, THIRD.id}
    assert all(post.address == {"message_id": post.id} and post.open for post in posts)
    ids = [mail["Message-ID"] for mail in mailing.server.mails]
    assert sorted(ids) == sorted(f"<{post.id}.guardkit@corp.example>" for post in posts)


def test_a_mail_says_what_is_asked_until_when_and_what_is_not_verified(mailing: Mailing) -> None:
    zoned = attached(mailing.claims, mailing.server.port, timezone="Europe/Lisbon")
    mailing.channel = zoned
    approval = mailing.claims.ask(stages=(MAIL_STAGE,), reads={"balance": 12})
    assert mailing.deliver() == []
    mail = mailing.last()
    assert mail["Subject"] == "Approval needed: Pay claim"
    for part in parts(mail):
        for words in (
            "Pay claim: waits for approval",
            "Maria Okafor",
            "1250.00",
            "Balance",
            "not verified",
            "claims-desk",
        ):
            assert words in part, words
        assert "WEST" in part, "times are written in the channel's zone, and name it"
        assert approval.digest[:12] in part
    (delivery,) = mailing.claims.store.rendered
    assert mailing.claims.store.rendered[delivery] == presentation_hash(present(approval))


@pytest.mark.promise("P5")
def test_who_may_answer_in_two_stages_that_wait_at_once_gets_one_mail(mailing: Mailing) -> None:
    other = MAIL_STAGE.model_copy(update={"groups": (), "approvers": (FIRST.id, SECOND.id), "role": None})
    approval = mailing.claims.ask(stages=(MAIL_STAGE, other), order="together")
    assert mailing.deliver() == []
    assert sorted(mailing.server.recipients) == sorted(str(one.email) for one in (FIRST, SECOND))
    assert {(post.recipient, post.stage) for post in mailing.posts(approval)} == {
        (FIRST.id, 0),
        (SECOND.id, 1),
    }
    mailing.decide(approval, SECOND)
    assert mailing.deliver() == []
    assert len(mailing.server.mails) == 2, "the link that they have answers for the stage that is left"
    settled = mailing.decide(mailing.claims.now(approval), FIRST)
    assert settled.state is ApprovalState.APPROVED


def test_headers_keep_programs_from_answering(mailing: Mailing) -> None:
    mailing.claims.ask(stages=(MAIL_STAGE,))
    mailing.deliver()
    mail = mailing.last()
    assert mail["From"] == SENDER
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["Date"].datetime.timestamp() == pytest.approx(START + 1)
    assert mail["List-Unsubscribe"] is None
    assert mail["Reply-To"] is None
    assert mail["In-Reply-To"] is None
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert all(len(line) <= 998 and line.isascii() for line in mailing.server.raw[0].splitlines())


def inbox_of(mailing: Mailing, approval: Approval) -> str:
    """Where a mail leads to in the inbox: the approval, by the mail's own delivery."""
    (post,) = mailing.posts(approval)
    return f"{URL}/approvals/{approval.request.id}?delivery={post.delivery}"


@pytest.mark.promise("P6")
def test_a_stage_that_needs_more_than_a_link_gets_none(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(CHAT_STAGE,))
    assert mailing.deliver() == []
    (where,) = links(mailing.last())
    assert where == inbox_of(mailing, approval)
    text, page = parts(mailing.last())
    assert "/mail/" not in text + page
    assert (
        "Sign in to the inbox to decide. This stage needs a sign-in to the company's chat or better." in text
    )


def test_only_what_a_link_can_do_is_offered_by_it(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(MAIL_STAGE,), allowed=("approve", "edit", "reject", "respond"))
    mailing.deliver()
    text = parts(mailing.last())[0]
    assert "Approve or reject on the page of this link." in text
    assert "Edit or answer instead in the inbox, after signing in." in text
    assert links(mailing.last())[1] == inbox_of(mailing, approval)
    mailing.claims.ask(stages=(MAIL_STAGE,), allowed=("respond",))
    mailing.deliver()
    assert "/mail/" not in parts(mailing.last())[0]


@pytest.mark.promise("P5")
def test_when_one_link_voice_counts_the_next_mails_say_that_it_is_the_only_one(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(MAIL_STAGE, FINANCE))
    mailing.deliver()
    mailing.decide(approval, assurance=Assurance.EMAIL_LINK, via=CHANNEL)
    assert mailing.deliver() == []
    assert mailing.server.recipients == [FIRST.email, SECOND.email, THIRD.email]
    text = parts(mailing.last())[0]
    assert "One approval by a link in a mail already counts, so by this link you can only reject." in text
    assert "Approve or edit in the inbox, after signing in." in text


def test_an_edit_asks_again_in_the_same_conversation(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(FINANCE,))
    mailing.deliver()
    mailing.decide(approval, SECOND)
    assert mailing.deliver() == []
    assert len(mailing.server.mails) == 2, "that one of two is given is no reason for another mail"
    edited = mailing.decide(approval, THIRD, kind="edit", args={**ARGS, "amount": "900.00"})
    assert mailing.deliver() == []
    assert mailing.server.recipients == [SECOND.email, THIRD.email, SECOND.email], "the editor has spoken"
    first, again = mailing.server.mails[0], mailing.last()
    assert again["In-Reply-To"] == again["References"] == first["Message-ID"]
    assert again["Message-ID"] != first["Message-ID"], "programs show one Message-ID once"
    for part in parts(again):
        assert "1250.00" in part
        assert "900.00" in part
    said = MailLinks([KEY]).read(token_in(again))
    assert said is not None
    assert said.version == edited.version


def test_everybody_who_was_asked_is_told_once_how_it_ended(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(MAIL_STAGE, FINANCE))
    mailing.deliver()
    mailing.decide(approval)
    mailing.deliver()
    mailing.decide(approval, SECOND, kind="reject", reason="The account is not hers.")
    assert mailing.deliver() == []
    news = [mail for mail in mailing.server.mails[3:] if mail["To"] != REQUESTER.email]
    assert [mail["To"] for mail in news] == [FIRST.email, SECOND.email, THIRD.email]
    for mail, question in zip(news, mailing.server.mails, strict=False):
        assert mail["Subject"] == "Pay claim: rejected"
        assert mail["In-Reply-To"] == question["Message-ID"]
        for part in parts(mail):
            assert "Ben Roth" in part
            assert "The account is not hers" in part
            assert "/mail/" not in part
            assert "Plumber" not in part, "a short mail"
    assert not any(post.open for post in mailing.posts(approval))
    assert mailing.later() == []
    assert len(mailing.server.mails) == 7


def results(mailing: Mailing) -> list[EmailMessage]:
    """The mails to whoever asked."""
    return [mail for mail in mailing.server.mails if mail["To"] == REQUESTER.email]


@pytest.mark.parametrize("kind", ["approve", "reject"])
def test_whoever_asked_is_told_once_how_it_ended_and_nothing_that_was_written_beside_it(
    mailing: Mailing, kind: str
) -> None:
    approval = mailing.claims.ask(stages=(FINANCE.model_copy(update={"required": 1}),))
    mailing.deliver()
    assert results(mailing) == []
    mailing.decide(approval, SECOND, kind=kind, reason="The account is not hers.")
    assert mailing.deliver() == []
    (told,) = results(mailing)
    assert told["Subject"] == ("Pay claim: approved" if kind == "approve" else "Pay claim: rejected")
    for part in parts(told):
        assert "Ben Roth" in part
        assert "The account is not hers" not in part
        assert "/mail/" not in part
    assert links(told) == [f"{URL}/approvals/{approval.request.id}"]
    assert mailing.later() == []
    assert results(mailing) == [told]


def test_whoever_asked_is_told_that_it_was_withdrawn_or_has_expired(mailing: Mailing) -> None:
    claims = mailing.claims
    withdrawn, expired = claims.ask(stages=(MAIL_STAGE,)), claims.ask(stages=(MAIL_STAGE,), expires_in=60.0)
    mailing.deliver()
    claims.desk.cancel(withdrawn.request.id, "ops", "wrong claim")
    claims.clock.now += 120
    assert claims.desk.expire() == 1
    assert mailing.deliver() == []
    told = sorted(mail["Subject"] for mail in results(mailing))
    assert told == ["Pay claim: expired", "Pay claim: withdrawn"]
    assert expired.request.id in "".join(parts(results(mailing)[1])[0] + parts(results(mailing)[0])[0])


@pytest.mark.promise("P14")
@pytest.mark.parametrize("change", [{"active": False}, {"tenant": "other"}, {"email": None}])
def test_only_an_active_person_of_the_tenant_is_told(mailing: Mailing, change: dict[str, Any]) -> None:
    approval = mailing.claims.ask(stages=(MAIL_STAGE,))
    mailing.deliver()
    mailing.claims.people.change(REQUESTER, **change)
    mailing.decide(approval)
    assert mailing.deliver() == []
    assert [mail["To"] for mail in mailing.server.mails] == [FIRST.email, FIRST.email]


def test_an_address_that_is_refused_for_good_stops_nobody(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(MAIL_STAGE,))
    mailing.deliver()
    mailing.claims.people.change(REQUESTER, email="no address", identities=("req@corp.example",))
    mailing.decide(approval)
    assert mailing.deliver() == []
    assert mailing.later() == []
    assert [mail["To"] for mail in mailing.server.mails] == [FIRST.email, FIRST.email]
    (refused,) = mailing.claims.audited("channel.refused")
    assert refused["why"] == "recipient_refused"


def test_that_an_approved_action_was_carried_out_is_no_news(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(MAIL_STAGE,))
    mailing.deliver()
    after = mailing.decide(approval)
    mailing.deliver()
    assert mailing.last()["Subject"] == "Pay claim: approved"
    outcome = Delivery(
        id="d-outcome-2",
        approval_id=approval.request.id,
        tenant="acme",
        channel=CHANNEL,
        kind="outcome",
        stage=0,
        attempts=1,
    )
    mailing.channel.send(outcome, after.model_copy(update={"state": ApprovalState.CONSUMED}))
    assert len(mailing.server.mails) == 3
    mailing.channel.send(outcome, after.model_copy(update={"state": ApprovalState.EXPIRED}))
    assert [mail["Subject"] for mail in mailing.server.mails[3:]] == ["Pay claim: expired"] * 2


def test_a_question_that_went_on_is_not_asked_late(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(MAIL_STAGE,))
    (ask,) = mailing.claims.store.deliveries()
    decided = mailing.decide(approval)
    assert re.fullmatch(r"[0-9a-f]{64}", mailing.channel.send(ask, decided))
    assert mailing.server.mails == []


@pytest.mark.promise("P5")
def test_only_active_approvers_of_the_tenant_are_written_to(mailing: Mailing) -> None:
    mailing.claims.people.change(SECOND, active=False)
    mailing.claims.people.change(THIRD, tenant="other")
    mailing.claims.ask(stages=(FINANCE,))
    assert mailing.deliver() == [f"channel {CHANNEL!r}: nobody may answer in stage 1"]
    assert mailing.server.mails == []


def test_somebody_without_an_address_does_not_stop_the_others(mailing: Mailing) -> None:
    mailing.claims.people.change(SECOND, email=None)
    mailing.claims.ask(stages=(FINANCE,))
    assert mailing.deliver() == []
    assert mailing.server.recipients == [THIRD.email]
    mailing.claims.people.change(THIRD, email=None)
    mailing.claims.ask(stages=(FINANCE,))
    (error,) = mailing.deliver()
    assert error == f"channel {CHANNEL!r}: nobody of stage 1 has an e-mail address"


def test_before_it_is_attached_nothing_is_sent(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(MAIL_STAGE,))
    (ask,) = mailing.claims.store.deliveries()
    with pytest.raises(ChannelError, match="sends only in a worker"):
        Email(SENDER, host="mail.corp.example").send(ask, approval)


def test_a_reminder_is_a_mail_of_its_own_to_whoever_has_not_answered(mailing: Mailing) -> None:
    approval = mailing.claims.ask(stages=(FINANCE,))
    mailing.deliver()
    given = mailing.decide(approval, SECOND)
    reminder = Delivery(
        id="d-remind-1",
        approval_id=approval.request.id,
        tenant="acme",
        channel=CHANNEL,
        kind="remind",
        stage=0,
        attempts=1,
    )
    for _ in range(2):
        mailing.channel.send(reminder, given)
    assert mailing.server.recipients == [SECOND.email, THIRD.email, THIRD.email]
    question, again = mailing.server.mails[1:]
    assert again["Subject"] == "Reminder, approval needed: Pay claim"
    assert again["In-Reply-To"] == question["Message-ID"]
    said = MailLinks([KEY]).read(token_in(again))
    assert said is not None
    assert said.delivery == "d-remind-1"


GLASS = BreakGlass(
    people=("by@corp.example",),
    valid_for=600.0,
    reason_length=5,
    reviewers=("cleo@corp.example", "by@corp.example"),
    review_within=3600.0,
    review_channels=(CHANNEL,),
)


def broken(claims: Claims, **more: Any) -> Approval:
    """An approval that Bo has approved alone, in an emergency."""
    approval = claims.ask(break_glass=GLASS, **more)
    return claims.desk.emergencies.break_glass(
        approval.request.id,
        identity="p-by",
        digest=approval.digest,
        reason="fire <b>everywhere</b>",
        assurance=Assurance.OIDC,
        via="web",
    )


@pytest.mark.promise("P5")
def test_reviewers_are_written_to_until_one_of_them_has_closed_it(mailing: Mailing) -> None:
    approval = broken(mailing.claims, stages=(MAIL_STAGE,))
    assert mailing.deliver() == []
    (mail,) = [one for one in mailing.server.mails if one["Subject"].startswith("Review needed")]
    assert mail["To"] == THIRD.email, "not whoever broke it"
    plain, page = parts(mail)
    assert f"{URL}/reviews/{approval.request.id}" in plain
    assert "You are among those who review it" in plain
    assert "fire <b>everywhere</b>" in plain
    assert "<b>everywhere" not in page
    mailing.claims.clock.now += 3700
    assert mailing.deliver() == []
    written = [one for one in mailing.server.mails if one["Subject"].startswith("Review needed")]
    assert len(written) == 2
    mailing.claims.desk.emergencies.close_review(
        approval.request.id,
        identity="p-cleo",
        verdict=ReviewVerdict.JUSTIFIED,
        comment="yes",
        via="web",
    )
    mailing.claims.clock.now += 7200
    assert mailing.deliver() == []
    assert len(mailing.server.mails) == len(set(mailing.server.mails)) >= 2
    assert [one for one in mailing.server.mails if one["Subject"].startswith("Review needed")] == written
