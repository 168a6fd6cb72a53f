"""What goes out: one message a place, kept up to date, whatever Teams answers."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.channels.http import HttpRequest
from guardkit.channels.teams import Teams
from guardkit.channels.teams.card import SIZE, size
from guardkit.core.approvals import ApprovalStage, ApprovalState
from guardkit.core.glass import BreakGlass
from guardkit.core.people import Assurance, Person
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.runs import Post
from guardkit.core.stages import Escalation
from guardkit.errors import ChannelError
from tests.unit.teams.desk import ANA, BEN, PAIR, ROOM, STAGE, TeamsDesk, texts, verbs
from tests.unit.teams.microsoft import BOT, TENANT, Microsoft
from tests.web.claims import ARGS


def shown(desk: TeamsDesk, name: str = "m1") -> Any:
    return desk.microsoft.activities[name]["attachments"][0]["content"]


def posts(desk: TeamsDesk, approval: Any) -> list[Post]:
    return list(desk.store.posts("acme", approval.request.id))


def test_a_question_is_posted_once_into_the_conversation(desk: TeamsDesk) -> None:
    approval = desk.ask()
    assert desk.deliver() == []
    (call,) = desk.microsoft.posted()
    assert call.path == f"/v3/conversations/{ROOM}/activities"
    assert call.authorization == "Bearer token-1"
    assert (call.body["type"], call.body["from"]) == ("message", {"id": BOT})
    assert call.body["summary"] == "Pay claim: waits for approval"
    assert verbs(shown(desk)) == ["approve", "edit", "reject"]
    (post,) = posts(desk, approval)
    assert post.address == {
        "service_url": desk.microsoft.service_url,
        "conversation": ROOM,
        "activity": "m1",
        "since": 0,
    }
    assert (post.version, post.open, post.recipient) == (0, True, ROOM)


def test_sending_again_posts_nothing_new(desk: TeamsDesk) -> None:
    approval = desk.ask()
    delivery = desk.delivery(approval)
    hashes = {desk.channel.send(delivery, approval) for _ in range(3)}
    assert hashes == {presentation_hash(present(approval))}
    assert len(desk.microsoft.calls) == 1


def test_the_outcome_replaces_the_question(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    desk.claims.decide(
        approval, ANA, kind="edit", args={**ARGS, "amount": "900.00"}, reason="less", assurance=Assurance.CHAT
    )
    desk.deliver()
    (call,) = desk.microsoft.posted("PUT")
    assert (call.path, call.body["id"]) == (f"/v3/conversations/{ROOM}/activities/m1", "m1")
    said = texts(shown(desk))
    for part in ("approved", "Ana Silva", "less", "Amount, before: 1250.00", "Amount, now: 900.00"):
        assert part in said
    assert verbs(shown(desk)) == []
    assert [action["type"] for action in shown(desk)["actions"]] == ["Action.OpenUrl"]
    (post,) = posts(desk, approval)
    assert (post.open, post.version) == (False, 1)


def test_one_of_two_is_shown_on_every_copy(personal: TeamsDesk) -> None:
    personal.installs(BEN)
    approval = personal.ask(stages=(PAIR,))
    personal.deliver()
    personal.says(personal.click(approval, person=BEN))
    personal.deliver()
    assert "1 of 2" in texts(shown(personal))
    assert verbs(shown(personal)) == ["approve", "edit", "reject"]


def test_the_next_stage_gets_its_own_message_and_the_first_loses_its_buttons(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(STAGE, PAIR))
    desk.deliver()
    desk.says(desk.click(approval))
    desk.deliver()
    assert verbs(shown(desk, "m1")) == []
    assert verbs(shown(desk, "m2")) == ["approve", "edit", "reject"]
    assert {post.stage for post in posts(desk, approval)} == {0, 1}


ANEW = "Edited by Ben Roth. It is asked again: look at it as it is now."
REPLACED = "Edited by Ben Roth. A newer message has replaced this one: please answer there."
BOTH = ApprovalStage(approvers=(ANA.id, BEN.id), required=2, channels=("finance",), assurance=Assurance.CHAT)


def edit(desk: TeamsDesk, approval: Any, person: Person = BEN, amount: str = "900.00") -> None:
    args = {**ARGS, "amount": amount}
    desk.claims.decide(desk.claims.now(approval), person, kind="edit", args=args, assurance=Assurance.CHAT)


def test_an_edit_asks_again_in_a_new_message_and_the_old_one_names_what_replaced_it(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(BOTH,))
    desk.deliver()
    edit(desk, approval)
    assert desk.deliver() == []
    assert desk.deliver() == []
    assert set(desk.microsoft.activities) == {"m1", "m2"}
    assert REPLACED in texts(shown(desk, "m1"))
    assert verbs(shown(desk, "m1")) == []
    assert ANEW in texts(shown(desk, "m2"))
    assert "Amount: 900.00" in texts(shown(desk, "m2"))
    assert shown(desk, "m2")["actions"][0]["data"] == {"id": approval.request.id, "version": 1}
    first, second = posts(desk, approval)
    assert [(post.version, post.open) for post in (first, second)] == [(1, False), (1, True)]
    assert first.delivery != second.delivery
    desk.says(desk.click(approval, person=ANA, replyToId="m1"))  # its buttons are still on somebody's screen
    assert desk.claims.now(approval).version == 1
    desk.says(desk.click(desk.claims.now(approval), person=ANA, replyToId="m2"))
    assert desk.claims.now(approval).state is ApprovalState.APPROVED
    assert desk.deliver() == []
    for name in ("m1", "m2"):
        assert verbs(shown(desk, name)) == []
        assert "approved" in texts(shown(desk, name))
        assert "newer message" not in texts(shown(desk, name))


def test_only_who_has_to_answer_again_gets_a_new_message(personal: TeamsDesk) -> None:
    personal.installs(ANA, BEN)
    approval = personal.ask(stages=(BOTH,))
    personal.deliver()
    there = {"id": f"a:{ANA.id}", "conversationType": "personal", "tenantId": TENANT}
    personal.says(personal.click(approval, person=ANA, conversation=there))
    personal.deliver()
    edit(personal, approval)
    assert personal.deliver() == []
    assert [call.path.split("/")[3] for call in personal.microsoft.posted()] == [
        "a:p-ana",
        "a:p-ben",
        "a:p-ana",
    ]
    assert REPLACED in texts(shown(personal, "m1"))
    assert "1 of 2" in texts(shown(personal, "m2"))
    assert ANEW in texts(shown(personal, "m3"))


def test_each_edit_replaces_what_was_there_before(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(BOTH,))
    desk.deliver()
    for person, amount in ((BEN, "900.00"), (ANA, "800.00")):
        edit(desk, approval, person, amount)
        assert desk.deliver() == []
    assert [verbs(shown(desk, name)) for name in ("m1", "m2")] == [[], []]
    assert "approve" in verbs(shown(desk, "m3"))
    assert len(desk.microsoft.activities) == 3


def test_where_the_new_message_fails_the_old_one_can_still_be_answered(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(PAIR,))
    desk.deliver()
    edit(desk, approval)
    desk.microsoft.faults = [(400, "BadSyntax")]
    (error,) = desk.deliver()
    assert "400 BadSyntax" in error
    assert shown(desk, "m1")["actions"][0]["data"]["version"] == 1
    assert "newer message" not in texts(shown(desk, "m1"))
    desk.claims.clock.now += 3600
    assert desk.deliver() == []
    assert verbs(shown(desk, "m1")) == []
    assert ANEW in texts(shown(desk, "m2"))


def test_an_edit_that_comes_before_the_question_went_out_is_one_message(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(PAIR,))
    edit(desk, approval)
    assert desk.deliver() == []
    assert set(desk.microsoft.activities) == {"m1"}
    assert "approve" in verbs(shown(desk))


def test_a_conversation_is_told_that_others_may_answer_too(desk: TeamsDesk) -> None:
    later = Escalation(after=3600.0, approvers=(BEN.id,), channels=("finance",))
    stage = ApprovalStage(
        approvers=(ANA.id,), channels=("finance",), assurance=Assurance.CHAT, escalations=(later,)
    )
    approval = desk.ask(stages=(stage,))
    desk.deliver()
    desk.claims.clock.now += 3700
    assert desk.deliver() == []
    assert desk.deliver() == []
    assert set(desk.microsoft.activities) == {"m1", "m2"}
    assert "From now on others may answer too" in texts(shown(desk, "m2"))
    desk.says(desk.click(approval, person=BEN, replyToId="m2"))
    desk.deliver()
    assert [verbs(shown(desk, name)) for name in ("m1", "m2")] == [[], []]


def test_what_is_over_before_it_went_out_is_not_asked(desk: TeamsDesk) -> None:
    approval = desk.ask()
    delivery = desk.delivery(approval)
    desk.claims.decide(approval, ANA, assurance=Assurance.CHAT)
    desk.channel.send(delivery, desk.claims.now(approval))
    assert desk.microsoft.calls == []


@pytest.mark.parametrize("status", [412, 429])
def test_asked_to_slow_down_it_waits_and_posts_once(desk: TeamsDesk, status: int) -> None:
    approval = desk.ask()
    desk.microsoft.faults = [status, status]
    assert desk.deliver() == []
    assert len(desk.microsoft.activities) == 1
    assert len(posts(desk, approval)) == 1


def test_slowed_down_for_too_long_it_leaves_the_rest_to_the_worker(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.microsoft.faults = [429] * 10
    (error,) = desk.deliver()
    assert "slow down" in error
    assert desk.microsoft.activities == {}
    (post,) = posts(desk, approval)
    assert (post.address, post.open) == (None, False)
    desk.microsoft.faults = []
    desk.claims.clock.now += 3600
    assert desk.deliver() == []
    (after,) = posts(desk, approval)
    assert (after.id, after.open) == (post.id, True)


@pytest.mark.parametrize("status", [502, 504])
def test_a_broken_gateway_is_asked_again_where_twice_is_once(desk: TeamsDesk, status: int) -> None:
    approval = desk.ask()
    desk.deliver()
    desk.claims.decide(approval, ANA, assurance=Assurance.CHAT)
    desk.microsoft.faults = [status, "drop"]
    assert desk.deliver() == []
    assert len(desk.microsoft.posted("PUT")) == 3
    assert verbs(shown(desk)) == []


@pytest.mark.promise("P12")
@pytest.mark.parametrize("fault", ["drop", 502, 504])
def test_a_lost_answer_leads_to_another_copy_and_both_are_known(desk: TeamsDesk, fault: Any) -> None:
    approval = desk.ask()
    desk.microsoft.faults = [fault]
    assert desk.deliver() == []
    first, second = posts(desk, approval)
    assert (first.address, first.open) == (None, True)
    assert second.address is not None
    assert first.id != second.id


@pytest.mark.promise("P12")
def test_a_copy_whose_address_was_lost_is_found_by_its_click_and_updated(desk: TeamsDesk) -> None:
    """The process died between the post and writing down its id; then somebody clicks that copy."""
    approval = desk.ask()
    desk.microsoft.faults = ["drop"]
    desk.deliver()
    assert set(desk.microsoft.activities) == {"m1", "m2"}
    desk.says(desk.click(approval, replyToId="m1"))
    desk.deliver()
    for name in ("m1", "m2"):
        assert verbs(shown(desk, name)) == []
        assert "approved" in texts(shown(desk, name))
    assert {str((post.address or {}).get("activity")) for post in posts(desk, approval)} == {"m1", "m2"}


@pytest.mark.promise("P12")
def test_a_copy_that_nobody_wrote_down_is_updated_once_it_is_clicked(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    desk.microsoft.activities["m9"] = desk.microsoft.activities["m1"]
    desk.says(desk.click(approval, replyToId="m9"))
    desk.deliver()
    assert verbs(shown(desk, "m9")) == []
    assert [post.delivery is None for post in posts(desk, approval)] == [False, True]


@pytest.mark.promise("P6")
def test_strangers_add_no_copies(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    before = posts(desk, approval)
    desk.says(desk.click(approval, person=BEN, replyToId="m9"))
    assert posts(desk, approval) == before


@pytest.mark.promise("P12")
def test_committed_and_the_answer_lost_the_next_click_is_a_success(desk: TeamsDesk) -> None:
    """The decision is stored, the process dies before it answers, Teams sends the invoke again."""
    approval = desk.ask()
    desk.deliver()
    desk.claims.decide(approval, ANA, assurance=Assurance.CHAT, via="finance")
    answer = desk.says(desk.click(approval))
    assert answer["statusCode"] == 200
    assert "approved" in texts(answer["value"])
    assert len(desk.claims.now(approval).decisions) == 1
    desk.deliver()
    assert verbs(shown(desk)) == []


@pytest.mark.promise("P12")
def test_a_worker_that_died_between_update_and_note_updates_again(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    (post,) = posts(desk, approval)
    desk.claims.decide(approval, ANA, assurance=Assurance.CHAT)
    (delivery,) = desk.store.deliveries()
    desk.channel.send(delivery, desk.claims.now(approval))
    desk.store.keep_post(post)
    desk.channel.send(delivery, desk.claims.now(approval))
    assert len(desk.microsoft.posted("PUT")) == 2
    assert len(desk.microsoft.activities) == 1


def test_an_older_state_is_never_shown_over_a_newer(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    desk.claims.decide(approval, ANA, assurance=Assurance.CHAT)
    rendered = desk.channel.send(desk.delivery(approval), approval)
    assert rendered == presentation_hash(present(desk.claims.now(approval)))
    assert verbs(shown(desk)) == []


def test_a_message_that_somebody_deleted_is_posted_again_while_it_asks(desk: TeamsDesk) -> None:
    approval = desk.ask(stages=(PAIR,))
    desk.deliver()
    del desk.microsoft.activities["m1"]
    desk.claims.decide(approval, BEN, kind="edit", args={**ARGS, "amount": "9"}, assurance=Assurance.CHAT)
    assert desk.deliver() == []
    assert set(desk.microsoft.activities) == {"m2"}
    assert "approve" in verbs(shown(desk, "m2"))
    assert [post.open for post in posts(desk, approval)] == [False, True]


def test_a_message_that_somebody_deleted_is_posted_again_by_what_asks_others(personal: TeamsDesk) -> None:
    personal.installs(ANA, BEN)
    approval = personal.ask(stages=(BOTH,))
    personal.deliver()
    personal.claims.decide(approval, ANA, assurance=Assurance.CHAT)
    del personal.microsoft.activities["m2"]
    personal.channel.send(personal.delivery(approval), personal.claims.now(approval))
    assert set(personal.microsoft.activities) == {"m1", "m3"}
    assert [call.path.split("/")[3] for call in personal.microsoft.posted()] == [
        "a:p-ana",
        "a:p-ben",
        "a:p-ben",
    ]
    assert [(post.recipient, post.open) for post in posts(personal, approval)] == [
        (ANA.id, True),
        (BEN.id, True),
    ]


def test_a_deleted_message_does_not_keep_the_outcome_back(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    desk.microsoft.activities.clear()
    desk.claims.decide(approval, ANA, assurance=Assurance.CHAT)
    assert desk.deliver() == []
    assert desk.microsoft.activities == {}


def test_a_404_that_is_not_the_connectors_says_nothing_about_the_message(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    desk.claims.decide(approval, ANA, assurance=Assurance.CHAT)
    desk.microsoft.faults = [(404, "")]
    (error,) = desk.deliver()
    assert "check service_url" in error
    desk.claims.clock.now += 3600
    assert desk.deliver() == []
    assert verbs(shown(desk)) == []


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ((403, "MessageWritesBlocked"), "install or unblock"),
        ((403, "BotNotInConversationRoster"), "add the app to that team"),
        ((404, "ConversationNotFound"), "check the conversation's id"),
        ((400, "BadSyntax"), "400 BadSyntax"),
    ],
)
def test_refusals_name_the_remedy_and_nothing_that_was_sent(
    desk: TeamsDesk, fault: tuple[int, str], says: str
) -> None:
    approval = desk.ask()
    desk.microsoft.faults = [fault]
    (error,) = desk.deliver()
    assert says in error
    assert "evil.example" not in error
    assert posts(desk, approval)[0].open is False


def test_too_large_it_is_posted_smaller(desk: TeamsDesk) -> None:
    desk.ask()
    desk.microsoft.faults = [(413, "MessageSizeTooBig"), (413, "MessageSizeTooBig")]
    assert desk.deliver() == []
    assert size(shown(desk)) < SIZE // 4


def test_too_large_however_small_it_is_told(desk: TeamsDesk) -> None:
    desk.ask()
    desk.microsoft.faults = [(413, "MessageSizeTooBig")] * 9
    (error,) = desk.deliver()
    assert "decide in the inbox" in error


def test_a_token_that_is_refused_is_renewed_once(desk: TeamsDesk) -> None:
    desk.ask()
    desk.microsoft.faults = [401]
    assert desk.deliver() == []
    assert [call.authorization for call in desk.microsoft.calls] == ["Bearer token-1", "Bearer token-2"]
    desk.ask()
    desk.microsoft.faults = [401, 401]
    (error,) = desk.deliver()
    assert "check app id, tenant id and secret" in error


def test_a_token_is_asked_for_once(desk: TeamsDesk) -> None:
    for _ in range(3):
        desk.ask()
    assert desk.deliver() == []
    assert desk.microsoft.tokens == 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"secret": "another-test-secret"}, "invalid_client AADSTS7000215"),
        ({"tenant_id": "99999999-bbbb-4ccc-8ddd-eeeeeeeeeeee", "authority": None}, "no token"),
    ],
)
def test_no_token_names_the_setting_and_never_the_secret(
    microsoft: Microsoft, settings: dict[str, Any], says: str
) -> None:
    if settings.get("authority", "") is None:
        settings = {**settings, "authority": f"{microsoft.origin}/{settings['tenant_id']}"}
    desk = TeamsDesk(microsoft, settings=settings)
    desk.ask()
    (error,) = desk.deliver()
    desk.close()
    assert says in error
    assert "another-test-secret" not in error


def test_nobody_there_is_a_channel_error(microsoft: Microsoft) -> None:
    desk = TeamsDesk(microsoft, settings={"service_url": "http://127.0.0.1:9/teams"})
    approval = desk.ask()
    (error,) = desk.deliver()
    desk.close()
    assert "cannot be reached to post a message: ConnectError" in error
    assert posts(desk, approval)[0].open is False


@pytest.mark.promise("P5")
def test_everybody_of_the_stage_is_written_to_personally(personal: TeamsDesk) -> None:
    personal.installs(ANA, BEN)
    approval = personal.ask(stages=(PAIR,))
    assert personal.deliver() == []
    assert [call.path for call in personal.microsoft.posted()] == ["/v3/conversations/a:p-ben/activities"]
    assert [post.recipient for post in posts(personal, approval)] == [BEN.id]


def test_nobody_has_the_app(personal: TeamsDesk) -> None:
    personal.ask()
    (error,) = personal.deliver()
    assert "none of the approvers of stage 1 has the app" in error
    assert "setup policy" in error
    assert personal.microsoft.calls == []


def test_somebody_who_blocked_the_app_is_left_out(personal: TeamsDesk) -> None:
    stage = ApprovalStage(approvers=(ANA.id, BEN.id), channels=("finance",), assurance=Assurance.CHAT)
    personal.installs(ANA, BEN)
    approval = personal.ask(stages=(stage,))
    personal.microsoft.faults = [(403, "MessageWritesBlocked")]
    assert personal.deliver() == []
    assert [post.recipient for post in posts(personal, approval) if post.open] == [BEN.id]


def test_one_that_fails_does_not_keep_the_others_waiting(personal: TeamsDesk) -> None:
    stage = ApprovalStage(approvers=(ANA.id, BEN.id), channels=("finance",), assurance=Assurance.CHAT)
    personal.installs(ANA, BEN)
    approval = personal.ask(stages=(stage,))
    personal.microsoft.faults = [400]
    assert len(personal.deliver()) == 1
    assert len(personal.microsoft.activities) == 1
    personal.claims.clock.now += 3600
    assert personal.deliver() == []
    assert len(personal.microsoft.activities) == 2
    personal.says(personal.click(approval, person=BEN))
    assert personal.claims.now(approval).state is ApprovalState.APPROVED
    personal.deliver()
    assert [verbs(shown(personal, name)) for name in ("m1", "m2")] == [[], []]


def test_an_unattached_channel_says_so() -> None:
    with pytest.raises(ChannelError, match="not attached"):
        Teams().receive(HttpRequest(headers={}, body=b""))


def test_many_approvals_with_huge_arguments_fit(desk: TeamsDesk) -> None:
    desk.ask({f"a{n}": '"\\' * 1500 for n in range(150)}, schema={})
    assert desk.deliver() == []
    assert size(shown(desk)) <= SIZE
    assert "does not show everything" in texts(shown(desk))


def test_a_delivery_error_is_a_channel_error(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.microsoft.faults = [400]
    with pytest.raises(ChannelError):
        desk.channel.send(desk.delivery(approval), approval)


def test_a_reminder_is_another_message_and_comes_once(desk: TeamsDesk) -> None:
    approval = desk.ask()
    desk.deliver()
    reminder = desk.delivery(approval, "remind")
    for _ in range(2):
        desk.channel.send(reminder, approval)
    assert set(desk.microsoft.activities) == {"m1", "m2"}
    assert "Reminder" in texts(shown(desk, "m2"))
    assert "Reminder" not in texts(shown(desk, "m1"))
    desk.says(desk.click(approval, replyToId="m2"))
    desk.deliver()
    assert [verbs(shown(desk, name)) for name in ("m1", "m2")] == [[], []]
    desk.channel.send(desk.delivery(approval, "remind"), desk.claims.now(approval))
    assert len(desk.microsoft.activities) == 2


def test_only_who_has_not_answered_is_reminded(personal: TeamsDesk) -> None:
    stage = ApprovalStage(
        approvers=(ANA.id, BEN.id), required=2, channels=("finance",), assurance=Assurance.CHAT
    )
    personal.installs(ANA, BEN)
    approval = personal.ask(stages=(stage,))
    personal.deliver()
    personal.says(personal.click(approval, person=BEN))
    personal.deliver()
    personal.channel.send(personal.delivery(approval, "remind"), personal.claims.now(approval))
    assert [call.path for call in personal.microsoft.posted()[2:]] == ["/v3/conversations/a:p-ana/activities"]


@pytest.mark.promise("P5")
def test_who_may_answer_later_is_asked_later(personal: TeamsDesk) -> None:
    later = Escalation(after=3600.0, approvers=(BEN.id,), channels=("finance",))
    stage = ApprovalStage(
        approvers=(ANA.id,), channels=("finance",), assurance=Assurance.CHAT, escalations=(later,)
    )
    personal.installs(ANA, BEN)
    approval = personal.ask(stages=(stage,))
    personal.deliver()
    refused = personal.says(personal.click(approval, person=BEN))
    assert "not among the approvers" in refused["value"]
    personal.claims.clock.now += 3700
    personal.channel.send(personal.delivery(approval), approval)
    assert [call.path.split("/")[3] for call in personal.microsoft.posted()] == ["a:p-ana", "a:p-ben"]
    personal.says(personal.click(approval, person=BEN))
    assert personal.claims.now(approval).state is ApprovalState.APPROVED


def test_asked_to_wait_longer_than_it_can_it_leaves_at_once(desk: TeamsDesk) -> None:
    desk.ask()
    desk.microsoft.faults = [(429, "TooManyRequests", "3600")]
    (error,) = desk.deliver()
    assert "slow down" in error
    assert len(desk.microsoft.calls) == 1


GLASS = BreakGlass(
    people=("p-ana",),
    valid_for=600.0,
    reason_length=5,
    reviewers=("p-ben", "p-ana"),
    review_within=3600.0,
    review_channels=("finance",),
)


def broken(desk: TeamsDesk) -> Any:
    """An approval that Ana has approved alone, in an emergency."""
    approval = desk.ask(stages=(PAIR,), break_glass=GLASS)
    return desk.claims.desk.emergencies.break_glass(
        approval.request.id, identity="p-ana", digest=approval.digest, reason="fire!", assurance=Assurance.OIDC, via="web"
    )  # fmt: skip


@pytest.mark.promise("P5")
def test_reviewers_are_asked_in_the_conversation_and_reminded(desk: TeamsDesk) -> None:
    approval = broken(desk)
    assert desk.deliver() == []
    (call,) = desk.microsoft.posted()
    said = texts(call.body["attachments"][0]["content"])
    assert "You are among those who review it" in said
    assert verbs(call.body["attachments"][0]["content"]) == []
    assert f"/reviews/{approval.request.id}" in str(call.body)
    desk.claims.clock.now += 3700
    assert desk.deliver() == []
    assert len(desk.microsoft.posted()) == 2
    delivery = desk.delivery(approval, "review", stage=1)
    for _ in range(2):
        desk.channel.send(delivery, approval)
    assert len(desk.microsoft.posted()) == 3, "a delivery that is sent again posts nothing new"


@pytest.mark.promise("P5")
def test_each_reviewer_who_has_the_app_is_written_to(personal: TeamsDesk) -> None:
    personal.installs(ANA)
    broken(personal)
    assert any("none of those who review has the app" in error for error in personal.deliver())
    personal.installs(BEN)
    personal.claims.clock.now += 600
    assert personal.deliver() == []
    assert [call.path for call in personal.microsoft.posted()] == [f"/v3/conversations/a:{BEN.id}/activities"]
