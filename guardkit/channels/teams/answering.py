"""A click on a card: who it was, what they say, and what they see then.

Source of the answers: https://learn.microsoft.com/adaptive-cards/authoring-cards/universal-action-model, "Response
format". Teams sends an invoke again whose answer it cannot read, so every answer has a body, and the same answer of
the same person is told as a success however often it comes.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from guardkit.channels.host import ChannelHost
from guardkit.channels.http import HttpReply
from guardkit.channels.teams.activity import Activity
from guardkit.channels.teams.card import CARD_TYPE, REASON, Sheet, draw
from guardkit.channels.teams.faults import text_of
from guardkit.channels.teams.form import read_form
from guardkit.channels.teams.identity import Identities, Known
from guardkit.channels.teams.outbox import Drawing
from guardkit.channels.words import refusal
from guardkit.core.answers import Reading
from guardkit.core.approvals import Approval, DecisionKind
from guardkit.core.people import Assurance
from guardkit.core.presentation import shown_hash
from guardkit.core.runs import Post
from guardkit.core.values import Json, JsonObject
from guardkit.core.versions import shown_digest
from guardkit.errors import ChannelError, DecisionRefusedError, StorageError, UnknownApprovalError

log = logging.getLogger("guardkit.teams")

ACTION = "adaptiveCard/action"

_KINDS: dict[str, DecisionKind] = {
    "approve": "approve",
    "edit": "edit",
    "reject": "reject",
    "respond": "respond",
}
_SEEN_AGAIN = frozenset({"already_settled", "already_decided", "digest_mismatch", "expired", "conflict"})
"""Refusals that a look at the card as it stands explains best."""

_OPEN_AGAIN = frozenset({"digest_mismatch", "conflict"})
"""Those of them after which the person may decide."""

_ID_LENGTH = 64
_MOST_COPIES = 50
_THANKS = "Your answer is kept. It now waits for others."


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """What a button says. Anybody can write what is in it, so it only proposes."""

    approval_id: str
    version: int
    kind: DecisionKind
    reason: str | None
    data: JsonObject


class Answering:
    """Takes clicks.

    Args:
        host: the process.
        identities: finds who clicked.
    """

    def __init__(self, host: ChannelHost, identities: Identities) -> None:
        self._host = host
        self._identities = identities
        self._drawing = Drawing(host)

    def answer(self, activity: Activity) -> HttpReply:
        """What to answer to an authentic invoke.

        Args:
            activity: as it came in.
        """
        click = read_click(activity.value)
        if click is None or not activity.object_id:
            self._host.refusals.note("malformed_action")
            return _error("BadRequest", "This button cannot be read. Nothing was changed.")
        try:
            return self._take(activity, click)
        except (StorageError, ChannelError) as error:
            log.warning("channel %s: an answer could not be taken: %s", self._host.name, error.code)
            return _toast(refusal(error))

    def _take(self, activity: Activity, click: Click) -> HttpReply:
        known = self._identities.find(activity)
        approval = self._host.store.find(click.approval_id)
        digest = None if approval is None else shown_digest(approval, click.version)
        if approval is not None and digest is None:
            self._host.refusals.note("unknown_version", approval=approval)
            return _error(
                "BadRequest", "This button belongs to no version of the action. Nothing was changed."
            )
        if approval is None or digest is None or not self._concerns(approval, known):
            return self._refused(click, known)
        post = self._copy(activity, click, approval, known)
        delivery = None if post is None else post.delivery
        reading = self._edited(approval, click)
        args = None if reading is None else reading.args
        if _said_before(approval, known, click, digest, args):
            return self._shown(approval, delivery, notice="")
        if reading is not None and not reading.ok and self._may_correct(approval, known, digest):
            return self._again(approval, reading, delivery)
        try:
            after = self._host.desk.decide(
                approval.request.id,
                identity=known.identity,
                digest=digest,
                kind=click.kind,
                assurance=Assurance.CHAT,
                via=self._host.name if post is None else post.channel,
                reason=click.reason,
                args=args,
                delivery=delivery,
                shown=shown_hash(approval, click.version),
                overtaken=True,
            )
        except DecisionRefusedError as error:
            return self._explained(error, approval, known, click, digest, args, delivery)
        return self._shown(after, delivery, notice="" if after.state.settled else _THANKS)

    def _concerns(self, approval: Approval, known: Known) -> bool:
        if known.person is None:
            return False
        try:
            self._host.desk.see(approval.request.id, known.person)
        except UnknownApprovalError:
            return False
        return True

    def _refused(self, click: Click, known: Known) -> HttpReply:
        """Let the desk refuse, so that it is audited, and tell no more than it says."""
        try:
            self._host.desk.decide(
                click.approval_id,
                identity=known.identity,
                digest="",
                kind=click.kind,
                assurance=Assurance.CHAT,
                via=self._host.name,
            )
        except (DecisionRefusedError, UnknownApprovalError) as error:
            return _toast(refusal(error))
        raise ChannelError("an answer without a digest was taken")

    def _edited(self, approval: Approval, click: Click) -> Reading | None:
        """What an edit form says, read against the arguments that it was made from."""
        if click.kind != "edit":
            return None
        edits = [said.args for said in approval.decisions[: click.version] if said.args is not None]
        args = edits[-1] if edits else approval.request.action.args
        return read_form(approval.request.args_schema, args, click.data)

    def _may_correct(self, approval: Approval, known: Known, digest: str) -> bool:
        allowed = digest == approval.digest and "edit" in approval.request.allowed
        person = known.person
        return (
            allowed
            and person is not None
            and self._host.desk.refusal(approval, person, Assurance.CHAT) is None
        )

    def _explained(
        self,
        error: DecisionRefusedError,
        before: Approval,
        known: Known,
        click: Click,
        digest: str,
        args: JsonObject | None,
        delivery: str | None,
    ) -> HttpReply:
        now = self._host.store.find(before.request.id) or before
        if _said_before(now, known, click, digest, args):
            return self._shown(now, delivery, notice="")  # the same click came twice at the same moment
        if error.reason not in _SEEN_AGAIN:
            return _toast(refusal(error))
        return self._shown(now, delivery, notice=refusal(error), decides=error.reason in _OPEN_AGAIN)

    def _again(self, approval: Approval, reading: Reading, delivery: str | None) -> HttpReply:
        """The card once more, with what is wrong in words, and in the form what was written."""
        wrong = [f"{field.label}: {field.error}" for field in reading.fields if field.error is not None]
        told = ("Nothing was decided. Please correct the values.", *wrong, *reading.problems)
        sheet = self._drawing.sheet(approval, delivery=delivery)
        return _card(replace(sheet, fields=reading.fields, notices=(*told[:12], *sheet.notices)))

    def _shown(
        self, approval: Approval, delivery: str | None, *, notice: str, decides: bool = False
    ) -> HttpReply:
        sheet = self._drawing.sheet(approval, delivery=delivery)
        if not decides:
            sheet = replace(sheet, card=sheet.card.model_copy(update={"choices": ()}))
        return _card(replace(sheet, notices=(notice, *sheet.notices) if notice else sheet.notices))

    def _copy(self, activity: Activity, click: Click, approval: Approval, known: Known) -> Post | None:
        """The copy that was clicked. One that is not written down is from now on, so that it is updated too."""
        posts = self._host.store.posts(approval.request.tenant, approval.request.id)
        if not activity.reply_to or not activity.root:
            return None
        for post in posts:
            there = (text_of(post.address, "conversation") or "").partition(";")[0]
            if (there, text_of(post.address, "activity")) == (activity.root, activity.reply_to):
                return post
        if not posts or len(posts) >= _MOST_COPIES:
            return None
        whose = known.person.id if activity.personal and known.person is not None else activity.root
        kept = _found(posts, activity, click, whose)
        self._host.store.keep_post(kept)
        return kept


def read_click(value: Json) -> Click | None:
    """What an invoke says; `None` when no button of guardkit's says that.

    Args:
        value: `value` of the invoke: `{"action": {"type": "Action.Execute", "verb": …, "data": {…}}}`.
    """
    match value:
        case {"action": {"type": "Action.Execute", "verb": str() as verb, "data": dict() as data}}:
            pass
        case _:
            return None
    given = cast("JsonObject", data)
    approval_id, version = text_of(given, "id"), _version(given.get("version"))
    kind = _KINDS.get(verb)
    reason = given.get(REASON)
    if approval_id is None or len(approval_id) > _ID_LENGTH or version is None or kind is None:
        return None
    if reason is not None and not isinstance(reason, str):
        return None
    return Click(
        approval_id=approval_id,
        version=version,
        kind=kind,
        reason=(reason or "").strip() or None,
        data=given,
    )


def _version(value: Json) -> int | None:
    """The version that was shown; some clients send numbers as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _said_before(
    approval: Approval, known: Known, click: Click, digest: str, args: JsonObject | None
) -> bool:
    """Whether this is the same answer once more, and it counts or has settled the question."""
    if known.person is None:
        return False
    counted = (*approval.standing(), *approval.against())
    return any(
        (said.person, said.kind, said.digest) == (known.person.id, click.kind, digest) and said.args == args
        for said in (approval.decisions if approval.state.settled else counted)
    )


def _found(posts: Sequence[Post], activity: Activity, click: Click, whose: str) -> Post:
    """A copy that turned up: the one whose address was lost, else another one."""
    lost = (post for post in posts if post.address is None and post.open and post.recipient == whose)
    begun = next(lost, None)
    address: JsonObject = {
        "service_url": activity.service_url,
        "conversation": activity.root,
        "activity": activity.reply_to,
        "since": click.version,
    }
    if begun is not None:
        return begun.model_copy(update={"address": address, "version": click.version})
    last = posts[-1]
    return last.model_copy(
        update={
            "id": uuid.uuid4().hex,
            "delivery": None,
            "recipient": whose,
            "address": address,
            "version": click.version,
            "open": True,
        }
    )


def _card(sheet: Sheet) -> HttpReply:
    return HttpReply.of(200, {"statusCode": 200, "type": CARD_TYPE, "value": draw(sheet)})


def _toast(text: str) -> HttpReply:
    return HttpReply.of(
        200, {"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": text}
    )


def _error(code: str, message: str) -> HttpReply:
    value: JsonObject = {"code": code, "message": message}
    return HttpReply.of(200, {"statusCode": 400, "type": "application/vnd.microsoft.error", "value": value})
