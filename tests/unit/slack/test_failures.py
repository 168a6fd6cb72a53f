"""What goes wrong between the database and Slack: nothing is lost, nothing counts twice, every copy is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.errors import StorageError
from tests.unit.slack.office import PAIR, Office, actions, shown

pytestmark = pytest.mark.promise("P2", "P12")


def test_a_lost_response_leads_to_a_second_copy_and_both_are_updated(office: Office) -> None:
    approval = office.ask(deliver=False)
    office.slack.lose_response("chat.postMessage")
    (failure,) = office.round()
    assert "did not answer chat.postMessage" in failure
    assert len(office.messages()) == 1
    assert [post.address for post in office.store.posts("acme", approval.request.id)] == [None]
    office.later()
    assert office.round() == []
    lost, known = office.messages()
    assert len(office.store.posts("acme", approval.request.id)) == 2
    # Nobody knows where the first is until somebody clicks on it.
    assert office.click(office.ana, on=lost).acknowledged
    assert office.claims.now(approval).state is ApprovalState.APPROVED
    posts = office.store.posts("acme", approval.request.id)
    assert {str((post.address or {}).get("ts")) for post in posts} == {lost.ts, known.ts}
    assert office.claims.now(approval).decisions[0].delivery == posts[0].delivery
    assert office.round() == []
    assert [actions(one) for one in office.messages()] == [[], []]
    assert [office.replies(one) for one in office.messages()] == [["Approved by Ana Silva."]] * 2


def test_a_click_on_a_lost_copy_after_the_end_brings_it_up_to_date(office: Office) -> None:
    approval = office.ask(deliver=False)
    office.slack.lose_response("chat.postMessage")
    office.round()
    office.later()
    office.round()
    lost, known = office.messages()
    office.click(office.ana, on=known)
    office.round()
    assert "gk_approve" in actions(office.messages()[0])
    office.click(office.ben, on=lost)
    assert "already approved by Ana Silva" in office.told(office.ben)[0]
    assert [actions(one) for one in office.messages()] == [[], []]
    assert len(office.claims.now(approval).decisions) == 1


@pytest.mark.promise("P6")
def test_strangers_add_no_copies(office: Office) -> None:
    office.slack.lose_response("chat.postMessage")
    approval = office.ask(deliver=False)
    office.round()
    office.later()
    assert office.round() == []
    lost, _ = office.messages()
    before = office.store.posts("acme", approval.request.id)
    assert office.click(office.bo, on=lost).acknowledged
    assert office.told(office.bo) == ["You are not among the approvers of a stage that is waiting."]
    assert office.store.posts("acme", approval.request.id) == before
    office.click(office.ana, on=lost)
    assert [one.address is not None for one in office.store.posts("acme", approval.request.id)] == [
        True,
        True,
    ]


def test_a_personal_copy_that_was_lost_is_known_again_by_a_click(personal: Office) -> None:
    approval = personal.ask(deliver=False, stages=(PAIR,))
    personal.slack.lose_response("chat.postMessage", times=3)
    assert len(personal.round()) == 1
    home = personal.slack.direct(personal.ana).id
    (lost,) = personal.messages(home)
    personal.click(personal.ana, on=lost)
    mine = [post for post in personal.store.posts("acme", approval.request.id) if post.recipient == "p-ana"]
    assert [post.address for post in mine] == [{"channel": home, "ts": lost.ts, "since": 0}]
    personal.later()
    assert personal.round() == []
    assert len(personal.messages(home)) == 1  # it is known now, so it is not written again
    assert "1 of 2" in shown(personal.messages(home)[0])


def test_a_crash_between_writing_and_remembering_leaves_a_copy_that_works(office: Office) -> None:
    approval = office.ask(deliver=False)
    (delivery,) = office.store.deliveries()
    office.store.keeps_addresses = False
    with pytest.raises(StorageError):
        office.channel.send(delivery, approval)
    office.store.keeps_addresses = True
    office.channel.send(delivery, office.claims.now(approval))
    first, second = office.messages()
    office.click(office.ana, on=first)
    office.store.delivered(delivery, error=None)
    assert office.round() == []
    assert actions(office.messages()[0]) == []
    assert actions(office.messages()[1]) == []
    assert second.ts != first.ts


def test_a_crash_between_commit_and_answer_is_told_by_the_second_click(office: Office) -> None:
    approval = office.ask()
    asked = office.message()
    payload: Any = office.click(office.bo).payload
    payload["user"]["id"] = office.ana.id
    other_process = office.new_channel()
    other_process.take(payload)  # killed here: Slack gets no answer, and shows a warning
    assert office.claims.now(approval).state is ApprovalState.APPROVED
    office.click(office.ana, on=asked)
    assert office.told(office.ana) == ["This is already approved by Ana Silva. Your answer changed nothing."]
    assert len(office.claims.now(approval).decisions) == 1


def test_a_crash_between_answer_and_update_is_made_good_by_the_next_round(office: Office) -> None:
    office.ask()
    office.click(office.ana)
    assert "gk_approve" in actions(office.message())
    assert office.round(office.new_channel()) == []  # another worker
    assert actions(office.message()) == []


def test_a_crash_between_update_and_reply_replies_once(office: Office) -> None:
    office.ask()
    office.click(office.ana)
    office.slack.fail("chat.postMessage", "internal_error")
    assert len(office.round()) == 1
    assert actions(office.message()) == []
    assert office.replies(office.message()) == []
    for _ in range(3):
        office.later()
        office.round()
    assert office.replies(office.message()) == ["Approved by Ana Silva."]


def test_sending_again_writes_nothing_again(office: Office) -> None:
    approval = office.ask(deliver=False)
    (delivery,) = office.store.deliveries()
    for _ in range(3):
        office.channel.send(delivery, approval)
    assert len(office.slack.messages()) == 1
    office.click(office.ana)
    (outcome,) = office.store.deliveries()
    for _ in range(3):
        office.channel.send(outcome, office.claims.now(approval))
    assert len(office.slack.messages()) == 2  # the question and one reply
    assert sum(call.method == "chat.update" for call in office.slack.calls) == 1


def test_older_knowledge_never_replaces_newer(office: Office) -> None:
    """A delivery that was taken before a decision and is sent after it leaves the message as it stands."""
    approval = office.ask(deliver=False, stages=(PAIR,))
    (delivery,) = office.store.deliveries()
    office.channel.send(delivery, approval)
    office.click(office.ana)
    assert office.round() == []
    assert "1 of 2" in shown(office.message())
    office.channel.send(delivery, approval)
    assert "1 of 2" in shown(office.message())


def test_a_decision_while_a_question_goes_out_is_shown(office: Office) -> None:
    approval = office.ask(deliver=False, stages=(PAIR,))
    (delivery,) = office.store.deliveries()
    office.claims.decide(approval, office.directory.people["p-ana"], assurance=PAIR.assurance)
    office.channel.send(delivery, approval)
    assert "1 of 2" in shown(office.message())


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("channel_not_found", "use the conversation's id"),
        ("not_in_channel", "/invite @guardkit"),
        ("is_archived", "unarchive"),
        ("token_revoked", "install the app"),
        ("invalid_auth", "copy the token"),
        ("restricted_action", "allow the app"),
        ("something_new", "something_new"),
    ],
)
def test_what_somebody_has_to_mend_is_named(office: Office, error: str, remedy: str) -> None:
    approval = office.ask(deliver=False)
    office.slack.fail("chat.postMessage", error)
    (failure,) = office.round()
    assert error in failure
    assert remedy in failure
    assert office.messages() == []
    office.later()
    assert office.round() == []
    assert len(office.store.posts("acme", approval.request.id)) == 1


def test_a_scope_that_is_missing_is_named(office: Office) -> None:
    office.ask(deliver=False)
    office.slack.grant("users:read")
    (failure,) = office.round()
    assert "missing_scope, it needs chat:write" in failure


def test_a_short_rate_limit_is_waited_for(office: Office) -> None:
    office.slack.limit(50.0, burst=1)
    office.ask()
    office.ask()
    assert len(office.messages()) == 2


def test_a_copy_that_was_deleted_stops_nothing(office: Office) -> None:
    approval = office.ask(stages=(PAIR,))
    office.slack.workspace.delete(office.message())
    office.claims.decide(approval, office.directory.people["p-ana"], assurance=PAIR.assurance)
    assert office.round() == []
    assert office.messages() == []
    # When it is asked again, people get a new message.
    office.claims.decide(
        office.claims.now(approval),
        office.directory.people["p-ben"],
        kind="edit",
        args={**approval.args, "amount": "2.00"},
        assurance=PAIR.assurance,
    )
    assert office.round() == []
    assert "2.00" in shown(office.message())
    office.click(office.ana)
    assert office.claims.now(approval).state is ApprovalState.APPROVED
    assert office.round() == []
    assert actions(office.message()) == []


def test_one_copy_that_cannot_be_changed_keeps_no_other_from_it(personal: Office) -> None:
    approval = personal.ask(stages=(PAIR,))
    personal.slack.fail("chat.update", "internal_error")
    personal.claims.decide(approval, personal.directory.people["p-ana"], assurance=PAIR.assurance)
    assert len(personal.round()) == 1
    shows = ["1 of 2" in shown(one) for one in personal.slack.messages()]
    assert sorted(shows) == [False, True, True]
    personal.later()
    assert personal.round() == []
    assert all("1 of 2" in shown(one) for one in personal.slack.messages())


def test_a_click_that_another_channel_of_the_same_app_takes_counts_as_it_is(office: Office) -> None:
    """Slack has one address for an app, and hands envelopes to any connection, whichever channel has asked."""
    approval = office.ask()
    finance = office.new_channel(name="finance", conversation=None)
    finance.attach(replace(office.host(), name="finance"))
    payload: Any = office.click(office.bo).payload
    payload["user"]["id"] = office.ana.id
    assert finance.take(payload).after is None
    after = office.claims.now(approval)
    assert (after.state, after.decisions[0].via) == (ApprovalState.APPROVED, "slack")
    assert {post.channel for post in office.store.posts("acme", approval.request.id)} == {"slack"}
    assert office.round() == []
    assert office.replies(office.message()) == ["Approved by Ana Silva."]


def test_a_lost_copy_is_known_again_by_another_channel_of_the_same_app(office: Office) -> None:
    approval = office.ask(deliver=False)
    office.slack.lose_response("chat.postMessage")
    office.round()
    finance = office.new_channel(name="finance", conversation=None)
    finance.attach(replace(office.host(), name="finance"))
    office.slack.request_url = None
    payload: Any = office.click(office.ana).payload
    finance.take(payload)
    (post,) = office.store.posts("acme", approval.request.id)
    assert (post.channel, post.address) != ("slack", None)
    assert post.channel == "slack"
    assert office.claims.now(approval).decisions[0].delivery == post.delivery
    office.later()
    assert office.round() == []
    assert actions(office.messages()[0]) == []
