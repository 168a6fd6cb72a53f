"""The contract of the port `ApprovalChannel`."""

import re

from guardkit.core.approvals import Approval, ApprovalRequest, ApprovalState, close
from guardkit.core.ports import ApprovalChannel
from guardkit.core.runs import Delivery, RunRef
from guardkit.core.values import JsonObject
from guardkit.testing.contracts import samples
from guardkit.testing.contracts.expectations import expect, holds
from guardkit.testing.contracts.samples import TENANT

_AT = 1_700_000_000.0


def _approval(channel: ApprovalChannel, number: int = 0, args: JsonObject | None = None) -> Approval:
    stages = (samples.STAGE.model_copy(update={"channels": (channel.name,)}),)
    run = RunRef(tenant=TENANT, thread_id="t", turn=1, run_id="r", token=1)
    request: ApprovalRequest = samples.request(run, number, args=args, stages=stages)
    shifted = {"requested_at": _AT, "expires_at": _AT + 3600.0}
    return Approval.opened(request.model_copy(update=shifted))


def _delivery(approval: Approval, channel: ApprovalChannel, **changes: object) -> Delivery:
    delivery = Delivery(
        id=f"{approval.request.id}-0",
        approval_id=approval.request.id,
        tenant=TENANT,
        channel=channel.name,
        kind="ask",
        stage=0,
        attempts=1,
    )
    return delivery.model_copy(update=changes)


class ApprovalChannelContract:
    """A way to reach people. Needs a fixture `channel` that can send without anybody outside."""

    def test_it_has_a_name(self, channel: ApprovalChannel) -> None:
        holds(bool(channel.name.strip()), "policies call a channel by its name")

    def test_it_tells_what_it_rendered(self, channel: ApprovalChannel) -> None:
        approval = _approval(channel)
        rendered = channel.send(_delivery(approval, channel), approval)
        holds(re.fullmatch(r"[0-9a-f]{64}", rendered) is not None, f"a SHA-256 in hexadecimal: {rendered!r}")

    def test_sending_again_shows_the_same(self, channel: ApprovalChannel) -> None:
        approval = _approval(channel)
        sent = [channel.send(_delivery(approval, channel, attempts=n), approval) for n in (1, 2)]
        expect(sent[0], sent[1], "the hash of the same question")

    def test_another_action_shows_something_else(self, channel: ApprovalChannel) -> None:
        one, two = _approval(channel, 1), _approval(channel, 2)
        sent = {channel.send(_delivery(approval, channel), approval) for approval in (one, two)}
        expect(len(sent), 2, "the hashes of two questions")

    def test_it_shows_how_it_stands_meanwhile(self, channel: ApprovalChannel) -> None:
        approval = _approval(channel)
        asked = channel.send(_delivery(approval, channel), approval)
        shown = channel.send(
            _delivery(approval, channel, id=f"{approval.request.id}-1", kind="update"), approval
        )
        expect(shown, asked, "the hash of an approval that nobody has changed")

    def test_it_tells_the_outcome(self, channel: ApprovalChannel) -> None:
        approval = close(_approval(channel), ApprovalState.CANCELLED, _AT + 60)
        rendered = channel.send(_delivery(approval, channel, kind="outcome"), approval)
        holds(len(rendered) == 64, f"a SHA-256 in hexadecimal: {rendered!r}")

    def test_hostile_text_is_only_text(self, channel: ApprovalChannel) -> None:
        hostile = "<!channel> <script>alert(1)</script> \u202e{{7*7}} ```\n*pay* [x](http://127.0.0.1)"
        approval = _approval(channel, args={"claim_id": hostile, "amount": "1" * 5000})
        rendered = channel.send(_delivery(approval, channel), approval)
        holds(len(rendered) == 64, "text that looks like markup is sent like any other")
