"""Questions go out, answers come back, every copy shows how it stands: by either transport."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance, Person as Somebody
from guardkit.core.presentation import present, presentation_hash, shown_hash
from guardkit.core.reviews import ReviewVerdict
from guardkit.core.stages import Escalation
from tests.unit.slack.office import FINANCE, INBOX, PAIR, STAGE, Office, actions, eventually, shown


def test_a_question_is_asked_and_approved(both: Office) -> None:
    approval = both.ask()
    message = both.message()
    for part in ("Pay claim", "waits for approval", "Maria Okafor", "1250.00", "not verified"):
        assert part in shown(message)
    assert actions(message) == ["gk_approve", "gk_edit", "gk_reject", "gk_open"]
    assert message.metadata == {
        "event_type": "guardkit_approval",
        "event_payload": {"approval": approval.request.id},
    }
    clicked = both.click(both.ana)
    assert clicked.acknowledged
    after = both.claims.now(approval)
    assert after.state is ApprovalState.APPROVED
    assert after.decisions[0].person == "p-ana"
    assert after.decisions[0].via == "slack"
    delivery = after.decisions[0].delivery
    assert delivery is not None
    assert after.decisions[0].shown == shown_hash(approval, 0)
    assert f"{INBOX}/approvals/{approval.request.id}?delivery={delivery}" in str(message.blocks)
    assert both.round() == []
    ended = both.message()
    assert ended.ts == message.ts
    assert actions(ended) == []
    assert "approved" in shown(ended)
    assert "Ana Silva" in shown(ended)
    assert not ended.edited
    assert both.replies(ended) == ["Approved by Ana Silva."]


def test_who_is_listed_by_e_mail_is_looked_up(both: Office) -> None:
    approval = both.ask()
    assert both.click(both.ben).acknowledged
    assert both.claims.now(approval).decisions[0].person == "p-ben"
    assert "users.info" in {call.method for call in both.slack.calls}


def test_who_is_listed_by_their_account_is_not_looked_up(office: Office) -> None:
    office.ask()
    office.click(office.ana)
    assert "users.info" not in {call.method for call in office.slack.calls}


def test_what_was_shown_is_returned(office: Office) -> None:
    approval = office.ask()
    assert set(office.store.rendered.values()) == {presentation_hash(present(approval))}


def test_the_time_to_decide_is_shown_in_the_readers_zone(office: Office) -> None:
    approval = office.ask()
    blocks: Any = office.message().blocks
    dates = [
        piece
        for block in blocks
        for part in block.get("elements", ())
        for piece in part.get("elements", ())
        if piece.get("type") == "date"
    ]
    assert [piece["timestamp"] for piece in dates] == [int(approval.request.expires_at or 0)]
    assert "UTC" in dates[0]["fallback"]


@pytest.mark.promise("P5")
def test_a_quorum_counts_people(both: Office) -> None:
    approval = both.ask(stages=(PAIR,))
    both.click(both.ana)
    assert both.round() == []
    assert "1 of 2" in shown(both.message())
    assert "gk_approve" in actions(both.message())
    both.click(both.ana)
    assert len(both.claims.now(approval).decisions) == 1
    both.click(both.ben)
    assert both.claims.now(approval).state is ApprovalState.APPROVED
    assert both.round() == []
    assert actions(both.message()) == []


@pytest.mark.promise("P5")
def test_two_accounts_of_one_person_count_once(office: Office) -> None:
    second = office.slack.person("Ana too", "ana.too@corp.example")
    office.slack.conversation("claims", office.ana, second, id=office.room.id)
    ana = office.directory.people["p-ana"]
    office.directory.change(ana, identities=(*ana.identities, f"slack:{office.slack.team_id}:{second.id}"))
    approval = office.ask(stages=(PAIR,))
    office.click(office.ana)
    office.click(second)
    assert [said.person for said in office.claims.now(approval).decisions] == ["p-ana"]
    assert office.told(second) == ["You have already answered this. It now waits for others."]


def test_a_stage_that_is_done_loses_its_buttons_and_the_next_is_asked(office: Office) -> None:
    approval = office.ask(stages=(STAGE, FINANCE))
    office.click(office.ana)
    assert office.round() == []
    first, second = office.messages()
    assert actions(first) == []
    assert "Open in the inbox" in shown(first)
    assert "gk_approve" in actions(second)
    office.click(office.ben)
    assert office.claims.now(approval).state is ApprovalState.APPROVED
    assert office.round() == []
    assert [actions(one) for one in office.messages()] == [[], []]
    assert [office.replies(one) for one in office.messages()] == [["Approved by Ben Roth."]] * 2


def test_an_edit_asks_again_in_the_same_message(office: Office) -> None:
    approval = office.ask(stages=(PAIR,))
    office.click(office.ana)
    assert office.round() == []
    office.edits(approval, "900.00")
    assert office.round() == []
    assert office.round() == []
    (message,) = office.messages()
    assert "gk_approve" in actions(message)
    assert "1250.00" in shown(message)
    assert "900.00" in shown(message)
    assert office.replies(message) == ["Edited by Ben Roth. It is asked again: look at it as it is now."]
    office.click(office.ana)
    after = office.claims.now(approval)
    assert after.state is ApprovalState.APPROVED
    (post,) = [
        one for one in office.store.posts("acme", approval.request.id) if one.recipient == office.room.id
    ]
    assert after.decisions[-1].delivery == post.delivery
    assert post.delivery != after.decisions[0].delivery


def test_only_who_has_to_answer_again_gets_a_new_message(personal: Office) -> None:
    approval = personal.ask(stages=(PAIR,))
    asked, editor = (
        personal.messages(personal.slack.direct(person).id)[0] for person in (personal.ana, personal.ben)
    )
    personal.click(personal.ana, on=asked)
    assert personal.round() == []
    personal.edits(approval, "900.00")
    assert personal.round() == []
    assert personal.round() == []
    assert personal.replies(asked) == ["Edited by Ben Roth. It is asked again: look at it as it is now."]
    assert personal.replies(editor) == []


@pytest.mark.parametrize("way", ["expired", "cancelled", "rejected", "consumed"])
def test_every_end_is_told(office: Office, way: str) -> None:
    approval = office.ask()
    desk = office.claims.desk
    match way:
        case "expired":
            office.claims.clock.now += 9 * 3600
            assert desk.expire() == 1
        case "cancelled":
            desk.cancel(approval.request.id, "op", "no longer wanted")
        case "rejected":
            office.claims.decide(
                approval,
                office.directory.people["p-ana"],
                kind="reject",
                reason="*too* much",
                assurance=STAGE.assurance,
            )
        case _:
            office.click(office.ana)
    assert office.round() == []
    (message,) = office.messages()
    assert actions(message) == []
    told = {
        "expired": "Expired.",
        "cancelled": "Withdrawn.",
        "rejected": "Rejected by Ana Silva. *too* much",
        "consumed": "Approved by Ana Silva.",
    }
    assert office.replies(message) == [told[way]]


def test_without_a_conversation_each_approver_is_written_to(personal: Office) -> None:
    approval = personal.ask(stages=(PAIR,))
    slack = personal.slack
    homes = {person.id: slack.direct(person).id for person in (personal.ana, personal.ben, personal.guest)}
    assert {one.channel for one in personal.slack.messages()} == set(homes.values())
    (mine,) = personal.messages(homes[personal.ana.id])
    (yours,) = personal.messages(homes[personal.ben.id])
    personal.click(personal.ana, on=mine)
    personal.click(personal.ben, on=yours)
    assert personal.claims.now(approval).state is ApprovalState.APPROVED
    assert personal.round() == []
    assert {tuple(actions(one)) for one in personal.messages() if one.thread_ts is None} == set()
    for home in homes.values():
        (message,) = personal.messages(home)
        assert actions(message) == []
        assert personal.replies(message) == ["Approved by Ben Roth."]
    found = [call for call in slack.calls if call.method == "users.lookupByEmail"]
    assert len(found) == 2  # Ana's account is in the directory


def test_somebody_who_cannot_be_reached_keeps_nobody_from_the_question(personal: Office) -> None:
    personal.directory.people["p-new"] = Somebody(
        id="p-new", email="new@corp.example", tenant="acme", groups=("claims-desk",)
    )
    approval = personal.ask(deliver=False)
    (failure,) = personal.round()
    assert "users_not_found" in failure
    assert "slack:<team>:<user>" in failure
    assert len(personal.slack.messages()) == 3
    arrived = personal.slack.person("New", "new@corp.example")
    personal.later()
    assert personal.round() == []
    assert len(personal.slack.messages()) == 4
    (mine,) = personal.messages(personal.slack.direct(arrived).id)
    assert personal.slack.click(arrived, mine, "gk_approve").acknowledged
    assert personal.claims.now(approval).state is ApprovalState.APPROVED


def test_a_conversation_that_is_gone_is_looked_for_anew(personal: Office) -> None:
    personal.ask()
    personal.slack.fail("chat.postMessage", "channel_not_found", times=3)
    personal.ask(deliver=False)
    assert len(personal.round()) == 1
    opened = sum(call.method == "conversations.open" for call in personal.slack.calls)
    personal.later()
    assert personal.round() == []
    assert sum(call.method == "conversations.open" for call in personal.slack.calls) == opened + 3
    assert len(personal.slack.messages()) == 6


def test_one_s_own_pending_approvals_are_listed(both: Office) -> None:
    approval = both.ask()
    for person in (both.ana, both.ben):
        asked = both.slack.command(person, "/guardkit")
        assert asked.acknowledged
        listed = shown(both.slack.ephemerals(person)[-1])
        assert "1 wait for you" in listed
        assert "1250.00" in listed
        assert f"{INBOX}/approvals/{approval.request.id}" in str(both.slack.ephemerals(person)[-1].blocks)
    for person, words in (
        (both.bo, "Nothing waits for you."),
        (both.nobody, "The directory does not know you, so nothing waits for you here."),
        (both.guest, "Guests of this workspace cannot decide."),
    ):
        assert both.slack.command(person, "/guardkit").acknowledged
        assert shown(both.slack.ephemerals(person)[-1]) == words


def test_the_worker_s_own_round_asks_and_tells(wired: Office) -> None:
    """See `test_worker.py` for the worker itself; here: several approvals at once stay apart."""
    first, second = wired.ask(), wired.ask({"claim_id": "C-2", "recipient": "Ada", "amount": "5"})
    one, two = wired.messages()
    wired.click(wired.ana, on=two)
    assert wired.claims.now(first).state is ApprovalState.PENDING
    assert wired.claims.now(second).state is ApprovalState.APPROVED
    assert wired.round() == []
    eventually(lambda: actions(wired.messages()[1]) == [])
    assert "gk_approve" in actions(wired.messages()[0])
    assert one.ts == wired.messages()[0].ts


def test_who_has_not_answered_is_reminded(personal: Office) -> None:
    stage = PAIR.model_copy(update={"reminders": (3600.0,)})
    personal.ask(stages=(stage,))
    home = {one: personal.slack.direct(one).id for one in (personal.ana, personal.ben)}
    (mine,) = personal.messages(home[personal.ana])
    personal.click(personal.ana, on=mine)
    assert personal.round() == []
    personal.claims.clock.now += 3601
    assert personal.round() == []
    assert personal.replies(mine) == []
    (yours,) = personal.messages(home[personal.ben])
    assert personal.replies(yours) == ["It still waits for an answer."]


def test_a_reminder_in_a_conversation_is_shown_there_too(office: Office) -> None:
    office.ask(stages=(STAGE.model_copy(update={"reminders": (60.0,)}),))
    office.claims.clock.now += 61
    assert office.round() == []
    assert office.replies(office.message()) == ["It still waits for an answer."]
    assert [
        call.body.get("reply_broadcast") for call in office.slack.calls if call.method == "chat.postMessage"
    ] == [
        None,
        True,
    ]


def test_whoever_may_answer_later_is_asked_then(personal: Office) -> None:
    later = Escalation(after=3600.0, approvers=("p-bo",), channels=("slack",))
    approval = personal.ask(stages=(STAGE.model_copy(update={"escalations": (later,)}),))
    home = personal.slack.direct(personal.bo).id
    assert personal.messages(home) == []
    personal.claims.clock.now += 3601
    assert personal.round() == []
    (asked,) = personal.messages(home)
    assert len([one for one in personal.slack.messages() if one.thread_ts]) == 0
    personal.click(personal.bo, on=asked)
    assert personal.claims.now(approval).decisions[0].person == "p-bo"


def test_a_conversation_is_told_who_may_answer_later(office: Office) -> None:
    later = Escalation(after=3600.0, approvers=("p-bo",), channels=("slack",))
    approval = office.ask(stages=(STAGE.model_copy(update={"escalations": (later,)}),))
    office.claims.clock.now += 3601
    for _ in range(2):
        assert office.round() == []
        office.claims.clock.now += 61
    assert len(office.messages()) == 1
    assert office.replies(office.message()) == ["Nobody has answered yet. From now on others may answer too."]
    office.click(office.bo)
    assert office.claims.now(approval).state is ApprovalState.APPROVED


GLASS = BreakGlass(
    people=("p-bo",),
    valid_for=600.0,
    reason_length=5,
    reviewers=("p-ben", "p-bo"),
    review_within=3600.0,
    review_channels=("slack",),
)


def broken(office: Office) -> str:
    """An approval that Bo has approved alone, in an emergency."""
    approval = office.ask(break_glass=GLASS)
    office.claims.desk.emergencies.break_glass(
        approval.request.id,
        identity="p-bo",
        digest=approval.digest,
        reason="fire <!channel>",
        assurance=Assurance.OIDC,
        via="web",
    )
    assert office.round() == []
    return approval.request.id


@pytest.mark.promise("P5")
def test_reviewers_are_asked_in_the_conversation_and_reminded(office: Office) -> None:
    approval_id = broken(office)
    question, review = office.messages()
    assert actions(question) == []
    assert "You are among those who review it" in shown(review)
    assert "You are among those who review it" not in shown(question)
    assert "fire <!channel>" in shown(review)
    assert actions(review) == []
    assert f"{INBOX}/reviews/{approval_id}" in str(review.blocks)
    office.claims.clock.now += 3700
    assert office.round() == []
    assert len(office.messages()) == 3
    office.claims.desk.emergencies.close_review(
        approval_id, identity="p-ben", verdict=ReviewVerdict.JUSTIFIED, comment="yes", via="web"
    )
    office.claims.clock.now += 7200
    assert office.round() == []
    assert len(office.messages()) == 3


@pytest.mark.promise("P5")
def test_each_reviewer_is_written_to_where_there_is_no_conversation(slack: Any) -> None:
    office = Office(slack, conversation=None)
    broken(office)
    rooms = {one.channel for one in slack.messages() if "among those who review it" in shown(one)}
    assert len(rooms) == 1, "Ben, and not Bo who broke it"
