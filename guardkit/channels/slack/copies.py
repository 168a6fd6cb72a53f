"""The copies of a question that are in Slack, and the replies in their threads."""

import hashlib
from collections.abc import Sequence

from guardkit.channels.host import REVIEWER, ChannelHost
from guardkit.channels.slack.api import SlackError, call
from guardkit.channels.slack.blocks import Drawing
from guardkit.channels.slack.checks import check_message
from guardkit.channels.slack.workspace import Workspace
from guardkit.core.approvals import Approval
from guardkit.core.runs import Delivery, Post
from guardkit.core.values import Json, JsonObject

_THREAD = "thread:"
_OURS = "slack."
"""How the ids of posts in Slack begin."""

_EVENT = "guardkit_approval"
_GONE = frozenset({"cant_update_message", "edit_window_closed", "message_not_found"})
"""Answers to an update by which the copy is not there any more, or not ours to change."""


class Copies:
    """Writes, changes and remembers copies.

    A copy without an address that is open may be there: its answer got lost. One without an address that is closed is
    not there.

    Args:
        host: the process.
        workspace: where they are.
    """

    def __init__(self, host: ChannelHost, workspace: Workspace) -> None:
        self._host = host
        self._workspace = workspace

    def of(self, approval: Approval) -> Sequence[Post]:
        """The copies of a question, oldest first."""
        return [post for post in self._posts(approval) if not post.recipient.startswith((_THREAD, REVIEWER))]

    def is_there(self, approval: Approval, delivery: Delivery, recipient: str) -> bool:
        """Whether a delivery has reached a recipient."""
        return any(
            (post.delivery, post.recipient) == (delivery.id, recipient) and post.address is not None
            for post in self._posts(approval)
        )

    def at(self, approval: Approval, channel: str, ts: str) -> Post | None:
        """The copy that is there. It may be another channel's of the same app: Slack hands clicks to any of them."""
        there = (post for post in self._everywhere(approval) if post.address is not None)
        return next((post for post in there if where(post) == (channel, ts)), None)

    def write(
        self, approval: Approval, delivery: Delivery, drawing: Drawing, *, recipient: str, channel: str
    ) -> None:
        """Write a copy and remember where it is.

        Args:
            approval: the question.
            delivery: why it is written.
            drawing: the message.
            recipient: whom it is for, as `Post.recipient`.
            channel: the conversation's id.

        Raises:
            SlackError: it was not written, or may not have been; then it is remembered as one that may be there.
        """
        post = self._fresh(approval, delivery, recipient)
        self._host.store.keep_post(post)
        try:
            address = self._send(approval, drawing, channel)
        except SlackError as error:
            if not error.unsure:
                self._host.store.keep_post(post.model_copy(update={"open": False}))
            raise
        address |= {"since": approval.version}
        self._host.store.keep_post(post.model_copy(update={"address": address}))

    def change(self, approval: Approval, post: Post, drawing: Drawing, *, is_open: bool) -> None:
        """Let a copy show something else. One that is not there any more is remembered as such.

        Raises:
            SlackError: it was not changed.
        """
        channel, ts = where(post)
        check_message(drawing.blocks)
        changed: dict[str, object] = {"version": approval.version, "open": is_open}
        shown: JsonObject = {
            "channel": channel,
            "ts": ts,
            "text": drawing.text,
            "blocks": list[Json](drawing.blocks),
            "metadata": _metadata(approval),
            "parse": "none",
            "link_names": False,
        }
        try:
            call(self._workspace.clients.updating, "chat.update", shown)
        except SlackError as error:
            if error.said not in _GONE:
                raise
            changed |= {"address": None, "open": False}
        self._host.store.keep_post(post.model_copy(update=changed))

    def reply(
        self, approval: Approval, post: Post, drawing: Drawing, *, about: str, loud: bool = False
    ) -> None:
        """Write below a copy, once for each thing that is said: an update alone notifies nobody.

        Args:
            approval: the question.
            post: the copy.
            drawing: the reply.
            about: names what is said; the same is not said twice, unless the answer to the first got lost.
            loud: whether the conversation shows it too, for those who do not follow the thread.

        Raises:
            SlackError: it was not written.
        """
        channel, ts = where(post)
        if self.told(approval, post, about):
            return
        name = _id("reply", post.id, about)
        reply = post.model_copy(
            update={
                "id": name,
                "recipient": f"{_THREAD}{ts}",
                "address": None,
                "open": False,
                "version": approval.version,
            }
        )
        self._host.store.keep_post(reply)
        address = self._send(approval, drawing, channel, thread=ts, loud=loud)
        self._host.store.keep_post(reply.model_copy(update={"address": address}))

    def told(self, approval: Approval, post: Post, about: str) -> bool:
        """Whether something has been said below a copy."""
        name = _id("reply", post.id, about)
        return any(said.id == name and said.address is not None for said in self._posts(approval))

    def renew(self, post: Post, delivery: Delivery) -> None:
        """Remember that a copy answers for a later delivery: it was asked again."""
        self._host.store.keep_post(post.model_copy(update={"delivery": delivery.id}))

    def adopt(
        self, approval: Approval, *, channel: str, ts: str, version: int, recipients: Sequence[str]
    ) -> Post:
        """Remember a copy whose answer got lost, now that somebody has clicked on it.

        Args:
            approval: the question.
            channel: where it is.
            ts: its timestamp, which is its id there.
            version: the version that it shows.
            recipients: whom it can have been written for, as `Post.recipient`.
        """
        address: JsonObject = {"channel": channel, "ts": ts, "since": version}
        lost = [post for post in self._everywhere(approval) if post.address is None and post.open]
        found = next((post for post in lost if post.recipient in recipients), None)
        if found is None:
            waiting = approval.stage()
            found = Post(
                id=_id("found", channel, ts),
                approval_id=approval.request.id,
                tenant=approval.request.tenant,
                channel=self._host.name,
                delivery=None,
                stage=len(approval.request.stages) - 1 if waiting is None else waiting,
                recipient=channel,
                version=version,
            )
        adopted = found.model_copy(update={"address": address, "version": version})
        self._host.store.keep_post(adopted)
        return adopted

    def _posts(self, approval: Approval) -> Sequence[Post]:
        return [post for post in self._in_slack(approval) if post.channel == self._host.name]

    def _everywhere(self, approval: Approval) -> Sequence[Post]:
        return [
            post for post in self._in_slack(approval) if not post.recipient.startswith((_THREAD, REVIEWER))
        ]

    def _in_slack(self, approval: Approval) -> Sequence[Post]:
        request = approval.request
        found = self._host.store.posts(request.tenant, request.id)
        return [post for post in found if post.id.startswith(_OURS)]

    def _fresh(self, approval: Approval, delivery: Delivery, recipient: str) -> Post:
        before = [
            post for post in self.of(approval) if (post.stage, post.recipient) == (delivery.stage, recipient)
        ]
        absent = next((post.id for post in before if post.address is None and not post.open), None)
        return Post(
            id=absent or _id("copy", delivery.id, recipient, str(len(before))),
            approval_id=approval.request.id,
            tenant=approval.request.tenant,
            channel=self._host.name,
            delivery=delivery.id,
            stage=delivery.stage,
            recipient=recipient,
            version=approval.version,
        )

    def _send(
        self,
        approval: Approval,
        drawing: Drawing,
        channel: str,
        *,
        thread: str | None = None,
        loud: bool = False,
    ) -> JsonObject:
        check_message(drawing.blocks)
        message: JsonObject = {
            "channel": channel,
            "thread_ts": thread,
            "reply_broadcast": True if loud else None,
            "text": drawing.text,
            "blocks": list[Json](drawing.blocks),
            "metadata": _metadata(approval) if thread is None else None,
            "mrkdwn": False,
            "parse": "none",
            "link_names": False,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        sent = call(self._workspace.clients.posting, "chat.postMessage", message)
        there, ts = sent.text("channel"), sent.text("ts")
        if there is None or ts is None:
            raise SlackError("chat.postMessage", None, unsure=True)
        return {"channel": there, "ts": ts}


def where(post: Post) -> tuple[str, str]:
    """The conversation and the timestamp of a copy that has an address."""
    address = post.address or {}
    return str(address.get("channel")), str(address.get("ts"))


def _metadata(approval: Approval) -> JsonObject:
    """Any app in the workspace can read it, so it holds the approval's id alone."""
    return {"event_type": _EVENT, "event_payload": {"approval": approval.request.id}}


def _id(*parts: str) -> str:
    return f"{_OURS}{hashlib.sha256(chr(31).join(parts).encode()).hexdigest()[:40]}"
