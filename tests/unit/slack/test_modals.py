"""Decisions that need more than a click: a reason, an answer, other values."""

from __future__ import annotations

from typing import Any

import pytest

from guardkit.core.approvals import ApprovalState
from guardkit.core.values import JsonObject
from guardkit.testing.slack import OpenView, Person
from tests.unit.slack.office import INBOX, PAIR, Office, actions, eventually, shown
from tests.web.claims import ARGS

ALL = ("approve", "edit", "reject", "respond")


def block(view: OpenView, label: str) -> Any:
    """The block of the field with this label."""
    blocks: Any = view.view["blocks"]
    for one in blocks:
        if one.get("type") == "input" and one["label"]["text"] == label:
            return one
    raise AssertionError(f"no field {label!r}")


def editing(office: Office, person: Person | None = None) -> OpenView:
    who = person or office.ana
    assert office.click(who, "gk_edit").acknowledged
    office.channel.close()
    return office.view(who)


def test_a_rejection_says_why(both: Office) -> None:
    approval = both.ask()
    assert both.click(both.ana, "gk_reject").acknowledged
    view = both.view(both.ana)
    assert view.private_metadata.startswith(f"{approval.request.id}:0:")
    sent = both.slack.submit(both.ana, view, {"reason": "  Too much.  "})
    assert sent.acknowledged
    assert sent.response == {"response_action": "clear"}
    after = both.claims.now(approval)
    assert after.state is ApprovalState.REJECTED
    assert after.decisions[0].reason == "Too much."
    assert after.decisions[0].delivery is not None
    assert both.slack.view(both.ana) is None


def test_an_empty_reason_is_asked_for_again(office: Office) -> None:
    approval = office.ask()
    office.click(office.ana, "gk_reject")
    sent = office.slack.submit(office.ana, office.view(office.ana), {"reason": "   "})
    assert sent.errors == {"reason": "Please say why. The reason is kept with the decision."}
    assert office.claims.now(approval).state is ApprovalState.PENDING
    sent = office.slack.submit(office.ana, office.view(office.ana), {"reason": "a\0b"})
    assert "characters that cannot be kept" in sent.errors["reason"]
    office.slack.submit(office.ana, office.view(office.ana), {"reason": "no"})
    assert office.claims.now(approval).state is ApprovalState.REJECTED


def test_an_answer_takes_the_place_of_the_action(both: Office) -> None:
    approval = both.ask(allowed=ALL)
    both.click(both.ben, "gk_respond")
    both.slack.submit(both.ben, both.view(both.ben), {"reason": "Ask the assessor first."})
    after = both.claims.now(approval)
    assert after.state is ApprovalState.RESPONDED
    assert after.decisions[0].reason == "Ask the assessor first."
    assert both.round() == []
    assert both.replies(both.message()) == ["Answered instead of done by Ben Roth. Ask the assessor first."]


def test_only_what_is_allowed_is_offered(office: Office) -> None:
    office.ask(allowed=("approve", "reject"))
    assert actions(office.message()) == ["gk_approve", "gk_reject", "gk_open"]


@pytest.mark.promise("P1", "P5")
def test_arguments_are_edited_by_their_types_and_confirmed(both: Office) -> None:
    approval = both.ask(stages=(PAIR,))
    both.click(both.ana)
    both.click(both.ben, "gk_edit")
    eventually(lambda: both.view(both.ben).view["callback_id"] == "gk_edit")
    view = both.view(both.ben)
    assert block(view, "Copies")["element"]["type"] == "number_input"
    assert block(view, "Currency")["element"]["type"] == "static_select"
    assert block(view, "Urgent")["element"]["type"] == "static_select"
    assert block(view, "Lines")["element"]["multiline"] is True

    def at(label: str) -> str:
        return str(block(view, label)["block_id"])

    wrong = both.slack.submit(both.ben, view, {at("Amount"): "much", at("Copies"): "12", at("Lines"): "[{]"})
    assert set(wrong.errors) == {at("Amount"), at("Copies"), at("Lines")}
    assert wrong.errors[at("Amount")].startswith("Write a number like 1250.50")
    assert wrong.errors[at("Copies")] == "It must be at most 9."
    same = both.slack.submit(both.ben, view, {})
    assert list(same.errors.values()) == [
        "Nothing is changed. Change a value, or go back and approve it as it is."
    ]
    right = both.slack.submit(
        both.ben,
        view,
        {at("Amount"): "900.00", at("Copies"): "3", at("Urgent"): "true", at("Currency"): "1"},
    )
    assert right.acknowledged
    assert both.claims.now(approval).version == 1  # nothing counts before it is confirmed
    confirm = both.view(both.ben)
    for part in ("Amount", "1250.00", "900.00", "Urgent", "false", "true", "EUR", "USD"):
        assert part in shown(confirm)
    assert both.slack.submit(both.ben, confirm).response == {"response_action": "clear"}
    after = both.claims.now(approval)
    assert after.args == {**ARGS, "amount": "900.00", "copies": 3, "urgent": True, "currency": "USD"}
    assert after.state is ApprovalState.PENDING
    assert [said.person for said in after.standing()] == ["p-ben"]


def test_an_untouched_value_keeps_its_form(office: Office) -> None:
    approval = office.ask()
    view = editing(office)
    office.slack.submit(office.ana, view, {str(block(view, "Note")["block_id"]): "short"})
    office.slack.submit(office.ana, office.view(office.ana))
    assert office.claims.now(approval).args == {**ARGS, "note": "short"}


def test_a_value_may_be_taken_away(office: Office) -> None:
    approval = office.ask({**ARGS, "cost_centre": "K-1"})
    view = editing(office)
    office.slack.submit(
        office.ana,
        view,
        {str(block(view, "Cost centre")["block_id"]): None, str(block(view, "Currency")["block_id"]): "none"},
    )
    office.slack.submit(office.ana, office.view(office.ana))
    after = office.claims.now(approval).args
    assert after["cost_centre"] is None
    assert "currency" not in after


@pytest.mark.parametrize(
    "args",
    [
        {**ARGS, "note": "n" * 3001},
        {**ARGS, "note": "😀" * 1600 + "n" * 1500},
        {"claim_id": "C-1", "recipient": "r", "amount": "1", **{f"x{n}": n for n in range(60)}},
    ],
    ids=["long", "longer in UTF-16", "many"],
)
def test_what_is_too_large_for_a_form_is_edited_in_the_inbox(office: Office, args: JsonObject) -> None:
    more: dict[str, Any] = {"schema": {"type": "object"}} if "x1" in args else {}
    approval = office.ask(args, **more)
    view = editing(office)
    assert "too large for a form in Slack" in shown(view)
    assert actions(view) == ["gk_open"]
    assert f"{INBOX}/approvals/{approval.request.id}" in str(view.view["blocks"])


def test_a_change_that_is_too_large_to_confirm_is_made_in_the_inbox(office: Office) -> None:
    approval = office.ask()
    view = editing(office)
    sent = office.slack.submit(office.ana, view, {str(block(view, "Note")["block_id"]): "m" * 3000})
    assert sent.acknowledged
    assert "too large for a form in Slack" in shown(office.view(office.ana))
    assert office.claims.now(approval).version == 0


@pytest.mark.promise("P5", "P6")
def test_who_may_not_decide_gets_no_form_with_arguments(office: Office) -> None:
    approval = office.ask()
    for person in (office.bo, office.req, office.guest, office.nobody):
        view = editing(office, person)
        assert view.view["callback_id"] == "gk_notice"
        assert "1250.00" not in str(view.view)
        assert "Maria" not in str(view.view)
    assert sorted(office.refused()) == ["guest", "not_an_approver", "not_an_approver", "requester"]
    office.directory.change(office.directory.people["p-ana"], active=False)
    office.click(office.ana, "gk_edit")
    assert office.slack.view(office.ana) is None
    assert office.told(office.ana) == ["The directory does not list you as active. Nothing was decided."]
    assert office.claims.now(approval).version == 0


@pytest.mark.promise("P5", "P6")
def test_a_form_gives_nobody_a_voice(office: Office) -> None:
    """Whoever got a form while they might decide, and may not any more, is refused when they send it."""
    approval = office.ask()
    view = editing(office)
    office.slack.submit(office.ana, view, {str(block(view, "Amount")["block_id"]): "1.00"})
    office.directory.change(office.directory.people["p-ana"], groups=())
    sent = office.slack.submit(office.ana, office.view(office.ana))
    assert sent.acknowledged
    assert "not among the approvers" in shown(office.view(office.ana))
    assert office.desk_refused() == ["not_an_approver"]
    assert office.claims.now(approval).version == 0
    for person in (office.bo, office.guest):
        office.click(person, "gk_reject")
        office.slack.submit(person, office.view(person), {"reason": "no"})
        assert office.view(person).view["callback_id"] == "gk_notice"
    assert office.claims.now(approval).version == 0


@pytest.mark.promise("P1")
def test_a_form_of_an_earlier_version_does_not_count(office: Office) -> None:
    approval = office.ask(stages=(PAIR,))
    view = editing(office)
    amount = str(block(view, "Amount")["block_id"])
    office.slack.submit(office.ana, view, {amount: "2.00"})
    confirm = office.view(office.ana)
    office.edits(approval, "5.00")
    office.slack.submit(office.ana, confirm)
    assert "was edited since" in shown(office.view(office.ana))
    assert office.claims.now(approval).args["amount"] == "5.00"


@pytest.mark.promise("P1")
def test_a_form_that_was_opened_before_an_edit_is_not_read(office: Office) -> None:
    approval = office.ask(stages=(PAIR,))
    view = editing(office)
    office.edits(approval, "5.00")
    office.slack.submit(office.ana, view, {str(block(view, "Amount")["block_id"]): "2.00"})
    assert "was edited since" in shown(office.view(office.ana))
    assert office.refused() == ["digest_mismatch"]
    office.channel.close()
    assert "5.00" in shown(office.message())  # the message shows the edit before a worker has come
    office.claims.desk.cancel(approval.request.id, "op", "over")
    sent = office.slack.submit(office.ben, editing_anew(office), {})
    assert sent.acknowledged
    assert "decided or withdrawn" in shown(office.view(office.ben))


def editing_anew(office: Office) -> OpenView:
    """A form that Ben had open before the approval ended."""
    asked = office.ask(stages=(PAIR,))
    view = editing(office, office.ben)
    office.claims.desk.cancel(asked.request.id, "op", "over")
    return view


def test_a_trigger_that_is_too_old_opens_nothing(office: Office) -> None:
    office.ask()
    office.slack.fail("views.open", "expired_trigger_id", times=3)
    for action in ("gk_reject", "gk_edit"):
        assert office.click(office.ana, action).acknowledged
    assert office.click(office.ben, "gk_edit").acknowledged
    assert len(office.told(office.ana)) == 2
    assert "please click again" in office.told(office.ben)[0]
    assert office.slack.views == ()


def test_somebody_unlisted_sees_a_form_once_slack_has_said_who_it_is(office: Office) -> None:
    """A trigger lives three seconds, so the modal is opened before Slack is asked."""
    office.ask()
    view = editing(office, office.ben)
    assert view.view["callback_id"] == "gk_edit"
    methods = [call.method for call in office.slack.calls]
    assert methods.index("views.open") < methods.index("users.info") < methods.index("views.update")


def test_arguments_that_look_like_markup_are_only_text_in_forms(office: Office) -> None:
    hostile = "<!channel> *pay* <https://evil.example|click> :skull: \u202e"
    office.ask({**ARGS, "note": hostile})
    view = editing(office)
    note: Any = block(view, "Note")
    assert note["element"]["initial_value"] == hostile
    assert "⟨U+202E⟩" in note["hint"]["text"]
    assert "mrkdwn" not in str(view.view)


def test_a_closed_modal_changes_nothing(office: Office) -> None:
    approval = office.ask()
    office.click(office.ana, "gk_reject")
    office.slack.dismiss(office.ana, office.view(office.ana))
    assert office.channel.take({"type": "view_closed", "view": {}}).body is None
    assert office.claims.now(approval).version == 0
    assert office.refused() == []
