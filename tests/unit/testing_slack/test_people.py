"""What people do: buttons, modals, commands, shortcuts, and what they see afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from guardkit.testing.clock import FakeClock
from guardkit.testing.slack import CannotActError, Conversation, OpenView, Person, SlackServer
from tests.unit.testing_slack.pieces import (
    Piece,
    Reply,
    actions,
    button,
    listening,
    modal,
    plain,
    posted,
    question,
    section,
    web_client,
)


def _opened(slack: SlackServer, person: Person, view: Piece) -> OpenView:
    conversation = slack.direct(person)
    trigger = slack.click(person, posted(slack, conversation.id), "approve").trigger_id
    web_client(slack).views_open(trigger_id=trigger, view=view)
    opened = slack.view(person)
    assert opened is not None
    return opened


def test_a_click_is_described_as_slack_does(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    blocks = [actions(button(style="primary", value="r1:1"), block_id="b1")]
    message = posted(slack, ops.id, blocks=blocks)
    payload = slack.click(ada, message, "approve").payload
    assert payload["type"] == "block_actions"
    assert payload["user"] == {
        "id": ada.id,
        "username": "ada.lovelace",
        "name": "ada.lovelace",
        "team_id": slack.team_id,
    }
    assert payload["api_app_id"] == slack.app_id
    assert payload["team"] == {"id": slack.team_id, "domain": "guardkit-test"}
    assert payload["container"] == {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": ops.id,
        "is_ephemeral": False,
    }
    assert payload["channel"] == {"id": ops.id, "name": "ops"}
    described: Any = payload["message"]
    assert (described["ts"], described["bot_id"], described["blocks"]) == (
        message.ts,
        "B0GUARDKIT",
        blocks,
    )
    (action,) = list[Any](payload["actions"] or [])  # pyright: ignore[reportArgumentType]
    assert action.pop("action_ts")
    assert action == {
        "type": "button",
        "action_id": "approve",
        "block_id": "b1",
        "text": plain("Approve"),
        "value": "r1:1",
        "style": "primary",
    }
    assert payload["state"] == {"values": {}}
    assert str(payload["response_url"]).startswith("http://127.0.0.1:")


def test_a_click_in_a_thread_says_so(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    root = posted(slack, ops.id)
    container: Any = slack.click(ada, posted(slack, ops.id, thread_ts=root.ts), "approve").payload[
        "container"
    ]
    assert container["thread_ts"] == root.ts


def test_a_stranger_has_another_team(slack: SlackServer) -> None:
    stranger = slack.person("Stranger", is_stranger=True)
    shared = slack.conversation("shared", stranger, shared=True)
    payload = slack.click(stranger, posted(slack, shared.id), "approve").payload
    user: Any = payload["user"]
    team: Any = payload["team"]
    assert (user["team_id"], team["id"]) == ("T0STRANGER", slack.team_id)


def test_only_buttons_that_are_there_can_be_pressed(
    slack: SlackServer, client: WebClient, ops: Conversation, ada: Person
) -> None:
    message = posted(slack, ops.id)
    with pytest.raises(CannotActError, match="no button 'reject'"):
        slack.click(ada, message, "reject")
    with pytest.raises(CannotActError, match="no button 'approve'"):
        slack.click(ada, message, "approve", block_id="elsewhere")
    client.chat_update(channel=ops.id, ts=message.ts, text="decided")
    with pytest.raises(CannotActError, match="no button 'approve'"):
        slack.click(ada, message, "approve")
    assert slack.click(ada, message, "approve", as_seen=True).payload["type"] == "block_actions"


def test_only_people_who_see_a_message_can_act_on_it(slack: SlackServer, ada: Person) -> None:
    bob = slack.person("Bob")
    secret = posted(slack, slack.conversation("secret", ada, private=True).id)
    with pytest.raises(CannotActError, match="Bob does not see"):
        slack.click(bob, secret, "approve")
    direct = posted(slack, slack.direct(ada).id)
    with pytest.raises(CannotActError, match="Bob does not see"):
        slack.shortcut(bob, direct, "why")
    public = posted(slack, slack.conversation("public", ada).id)
    assert slack.click(bob, public, "approve").payload["type"] == "block_actions"
    guest = slack.person("Guest", is_restricted=True)
    with pytest.raises(CannotActError, match="Guest does not see"):
        slack.click(guest, public, "approve")
    slack.deactivate(bob)
    with pytest.raises(CannotActError, match="Bob can no longer sign in"):
        slack.click(bob, public, "approve")


def test_what_was_chosen_beside_a_button_is_in_the_state(
    slack: SlackServer, ops: Conversation, ada: Person
) -> None:
    options = [{"text": plain("One"), "value": "1"}, {"text": plain("Two"), "value": "2"}]
    menu = {"type": "static_select", "action_id": "menu", "options": options}
    message = posted(slack, ops.id, blocks=[actions(button(), menu, block_id="b")])
    state: Any = slack.click(ada, message, "approve", values={"menu": "2"}).payload["state"]
    assert state["values"] == {"b": {"menu": {"type": "static_select", "selected_option": options[1]}}}


OPTIONS = [{"text": plain("One"), "value": "1"}, {"text": plain("Two"), "value": "2"}]

INPUTS: list[tuple[Piece, Any, Piece]] = [
    ({"type": "plain_text_input"}, "why", {"value": "why"}),
    ({"type": "plain_text_input", "initial_value": "old"}, None, {"value": "old"}),
    ({"type": "number_input", "is_decimal_allowed": True, "max_value": "9"}, 8.5, {"value": "8.5"}),
    ({"type": "static_select", "options": OPTIONS}, "2", {"selected_option": OPTIONS[1]}),
    (
        {"type": "static_select", "option_groups": [{"label": plain("All"), "options": OPTIONS}]},
        "1",
        {"selected_option": OPTIONS[0]},
    ),
    (
        {"type": "radio_buttons", "options": OPTIONS, "initial_option": OPTIONS[0]},
        None,
        {"selected_option": OPTIONS[0]},
    ),
    ({"type": "checkboxes", "options": OPTIONS}, ["1", "2"], {"selected_options": OPTIONS}),
    ({"type": "multi_static_select", "options": OPTIONS}, "2", {"selected_options": [OPTIONS[1]]}),
    ({"type": "datepicker"}, "2026-12-24", {"selected_date": "2026-12-24"}),
    ({"type": "timepicker", "initial_time": "08:00"}, None, {"selected_time": "08:00"}),
    ({"type": "users_select"}, "U1", {"selected_user": "U1"}),
]


@pytest.mark.parametrize(
    ("element", "given", "expected"),
    [pytest.param(*case, id=f"{number}-{case[0]['type']}") for number, case in enumerate(INPUTS)],
)
@pytest.mark.parametrize("name", ["by_action", "by_block"])
def test_what_was_entered_is_in_the_state(
    element: Piece, given: Any, expected: Piece, name: str, slack: SlackServer, ada: Person
) -> None:
    view = _opened(slack, ada, modal(question({**element, "action_id": "by_action"}, block_id="by_block")))
    values = {} if given is None else {name: given}
    described: Any = slack.submit(ada, view, values).payload["view"]
    assert described["state"]["values"] == {"by_block": {"by_action": {"type": element["type"], **expected}}}


@pytest.mark.parametrize(
    ("element", "given", "message"),
    [
        pytest.param({"type": "plain_text_input"}, None, "must be filled in", id="missing"),
        pytest.param({"type": "plain_text_input"}, "", "must be filled in", id="empty"),
        pytest.param({"type": "plain_text_input"}, ["x"], "takes text", id="list"),
        pytest.param({"type": "plain_text_input", "min_length": 3}, "xx", "at least 3", id="short"),
        pytest.param({"type": "plain_text_input", "max_length": 3}, "xxxx", "at most 3", id="long"),
        pytest.param({"type": "plain_text_input"}, "x" * 3001, "at most 3000", id="longest"),
        pytest.param({"type": "number_input", "is_decimal_allowed": False}, "1.5", "not take", id="decimal"),
        pytest.param(
            {"type": "number_input", "is_decimal_allowed": False, "min_value": "2"},
            1,
            "not take",
            id="small",
        ),
        pytest.param({"type": "static_select", "options": OPTIONS}, "3", "offers no '3'", id="option"),
        pytest.param({"type": "datepicker"}, 5, "takes text", id="date"),
    ],
)
def test_what_slack_does_not_let_people_enter(
    element: Piece, given: Any, message: str, slack: SlackServer, ada: Person
) -> None:
    view = _opened(slack, ada, modal(question({**element, "action_id": "a"})))
    with pytest.raises(CannotActError, match=message):
        slack.submit(ada, view, {} if given is None else {"a": given})
    assert slack.view(ada) == view


def test_only_a_view_in_front_with_a_button_can_be_submitted(slack: SlackServer, ada: Person) -> None:
    view = _opened(slack, ada, {"type": "modal", "title": plain("T"), "blocks": [section()]})
    with pytest.raises(CannotActError, match="no button to submit"):
        slack.submit(ada, view)
    with pytest.raises(CannotActError, match="no input is called x"):
        slack.submit(ada, _opened(slack, ada, modal()), {"text": "y", "x": "y"})
    with pytest.raises(CannotActError, match="in front"):
        slack.submit(ada, view)
    with pytest.raises(CannotActError, match="in front"):
        slack.submit(slack.person("Bob"), view)


def test_buttons_in_views(slack: SlackServer, ada: Person) -> None:
    view = _opened(slack, ada, modal(question(), actions(button("more"))))
    payload = slack.click(ada, view, "more", values={"text": "so far"}).payload
    assert payload["container"] == {"type": "view", "view_id": view.id}
    state: Any = payload["state"]
    assert state["values"]["reason"]["text"]["value"] == "so far"
    web_client(slack).views_push(trigger_id=str(payload["trigger_id"]), view=modal())
    assert len(slack.views) == 2


def _reply_to_submission(answer: Piece | None) -> Reply:
    return lambda payload: answer if payload["type"] == "view_submission" else None


def test_an_empty_answer_closes_the_view(slack: SlackServer, ada: Person) -> None:
    with listening(slack):
        interaction = slack.submit(ada, _opened(slack, ada, modal()), {"text": "x"})
    assert (interaction.acknowledged, interaction.warning) == (True, None)
    assert slack.view(ada) is None


def test_errors_keep_the_view_open(slack: SlackServer, ada: Person) -> None:
    reply = _reply_to_submission({"response_action": "errors", "errors": {"reason": "too short"}})
    with listening(slack, reply):
        view = _opened(slack, ada, modal())
        interaction = slack.submit(ada, view, {"text": "x"})
    assert interaction.errors == {"reason": "too short"}
    assert interaction.acknowledged
    assert slack.view(ada) == view


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param({"response_action": "errors", "errors": {"nowhere": "x"}}, "name no input", id="block"),
        pytest.param({"response_action": "errors", "errors": {}}, "missing", id="none"),
        pytest.param({"response_action": "dance"}, "dance", id="action"),
        pytest.param({"response_action": "update"}, "update", id="no_view"),
        pytest.param({"response_action": "push", "view": {"type": "modal"}}, "invalid_arguments", id="view"),
        pytest.param(
            {"response_action": "update", "view": {"type": "modal"}}, "invalid_arguments", id="update"
        ),
    ],
)
def test_an_answer_that_slack_does_not_take(answer: Piece, why: str, slack: SlackServer, ada: Person) -> None:
    with listening(slack, _reply_to_submission(answer)):
        view = _opened(slack, ada, modal())
        interaction = slack.submit(ada, view, {"text": "x"})
    assert interaction.acknowledged is False
    assert interaction.warning is not None
    assert "trouble connecting" in interaction.warning
    assert why in interaction.warning
    assert slack.view(ada) == view


@pytest.mark.parametrize(
    ("answer", "title", "count"),
    [
        pytest.param({"response_action": "update", "view": modal(title=plain("New"))}, "New", 1, id="update"),
        pytest.param({"response_action": "push", "view": modal(title=plain("Top"))}, "Top", 2, id="push"),
        pytest.param({"response_action": "clear"}, None, 1, id="clear"),
    ],
)
def test_answers_that_change_the_view(
    answer: Piece, title: str | None, count: int, slack: SlackServer, ada: Person
) -> None:
    with listening(slack, _reply_to_submission(answer)):
        slack.submit(ada, _opened(slack, ada, modal()), {"text": "x"})
    top: Any = slack.view(ada)
    assert (top and top.view["title"]["text"]) == title
    assert len(slack.views) == count


def test_a_submission_without_answer_keeps_the_view_open(slack: SlackServer, ada: Person) -> None:
    view = _opened(slack, ada, modal())
    interaction = slack.submit(ada, view, {"text": "x"})
    assert interaction.warning == "We had some trouble connecting. Try again?"
    assert slack.view(ada) == view


def test_an_app_is_told_of_a_closed_view_if_it_asks(slack: SlackServer, ada: Person) -> None:
    with listening(slack) as app:
        view = _opened(slack, ada, modal(notify_on_close=True, clear_on_close=True))
        interaction = slack.dismiss(ada, view)
        assert interaction is not None
        assert interaction.acknowledged
        kinds = [app.next()["type"] for _ in range(2)]
    assert kinds == ["block_actions", "view_closed"]
    assert interaction.payload["is_cleared"] is True


def test_a_command_is_answered_to_its_person(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    with listening(slack, lambda payload: {"text": f"you said {payload['text']}"}) as app:
        interaction = slack.command(ada, "/guardkit", "status", ops)
        payload = app.next()
    assert (payload["command"], payload["text"], payload["user_id"]) == ("/guardkit", "status", ada.id)
    assert (payload["channel_id"], payload["channel_name"]) == (ops.id, "ops")
    assert interaction.acknowledged
    assert [one.text for one in slack.ephemerals(ada)] == ["you said status"]


def test_a_command_without_app_fails(slack: SlackServer, ada: Person) -> None:
    interaction = slack.command(ada, "/guardkit")
    assert interaction.warning == '/guardkit failed with the error "dispatch_failed"'


def test_a_command_is_not_there_for_strangers(slack: SlackServer) -> None:
    stranger = slack.person("Stranger", is_stranger=True)
    with pytest.raises(CannotActError, match="another workspace"):
        slack.command(stranger, "/guardkit")


def test_an_answer_to_a_command_must_be_a_message(slack: SlackServer, ada: Person) -> None:
    with listening(slack, lambda _: {"blocks": [{"type": "nonsense"}]}):
        interaction = slack.command(ada, "/guardkit")
    assert interaction.warning == "/guardkit failed: invalid_blocks"
    assert interaction.acknowledged is False


def test_a_shortcut_carries_its_message(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    message = slack.say(ada, ops, "look at this")
    with listening(slack) as app:
        assert slack.shortcut(ada, message, "why").acknowledged
        payload = app.next()
    assert (payload["type"], payload["callback_id"]) == ("message_action", "why")
    assert payload["message"]["text"] == "look at this"


def test_a_response_url_works_five_times(slack: SlackServer, ops: Conversation, ada: Person) -> None:
    url = slack.click(ada, posted(slack, ops.id), "approve").response_url
    webhook = WebhookClient(url, retry_handlers=[])
    for number in range(5):
        assert webhook.send(text=str(number)).status_code == 200
    sixth = webhook.send(text="5")
    assert (sixth.status_code, "used_url" in sixth.body) == (404, True)
    assert [one.text for one in slack.ephemerals(ada)] == ["0", "1", "2", "3", "4"]


def test_a_response_url_works_for_half_an_hour(
    slack: SlackServer, ops: Conversation, ada: Person, clock: FakeClock
) -> None:
    url = slack.click(ada, posted(slack, ops.id), "approve").response_url
    webhook = WebhookClient(url, retry_handlers=[])
    clock.advance(1799.0)
    assert webhook.send(text="t").status_code == 200
    clock.advance(1.0)
    assert "expired_url" in webhook.send(text="t").body
    assert "invalid_url" in WebhookClient(url + "0", retry_handlers=[]).send(text="t").body


def test_a_response_url_writes_replaces_and_deletes(
    slack: SlackServer, ops: Conversation, ada: Person
) -> None:
    message = posted(slack, ops.id)
    webhook = WebhookClient(slack.click(ada, message, "approve").response_url, retry_handlers=[])
    webhook.send(text="for all", response_type="in_channel")
    webhook.send(text="replaced", replace_original=True)
    assert [one.text for one in slack.messages(ops)] == ["replaced", "for all"]
    assert slack.messages(ops)[0].blocks == ()
    assert webhook.send(text="", blocks=[]).status_code == 400
    webhook.send(delete_original=True)
    assert [one.text for one in slack.messages(ops)] == ["for all"]
    with pytest.raises(CannotActError, match="is gone"):
        slack.click(ada, message, "approve")
