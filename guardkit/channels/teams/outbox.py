"""Questions and outcomes on their way to Teams: which copies there are, and what each of them shows."""

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from guardkit.channels.again import OTHERS_TOO, WAITS, asked_again, edited_by, last_edit, review_card, since
from guardkit.channels.card import Card, compose
from guardkit.channels.host import ChannelHost
from guardkit.channels.teams.card import CARD_TYPE, SIZE, Sheet, draw
from guardkit.channels.teams.connector import Connector, Place
from guardkit.channels.teams.contacts import Contacts, Reference, place_of
from guardkit.channels.teams.faults import BlockedError, GoneError, LostReplyError, TooLargeError, text_of
from guardkit.channels.teams.form import fields_for, leaves_out
from guardkit.channels.teams.text import plain_words
from guardkit.core.approvals import Approval
from guardkit.core.people import Assurance, Person
from guardkit.core.runs import Delivery, Post
from guardkit.core.values import JsonObject
from guardkit.errors import ChannelError

log = logging.getLogger("guardkit.teams")

_BUDGET = 40.0
"""Seconds that one delivery takes at most; after a minute the store hands it out again."""

_TWICE = 2
"""How often a message is posted whose answer was lost, before the worker is left to come back."""

_TOO_WEAK = "The policy asks for a surer way to know who you are than Teams. Please decide in the inbox."


@dataclass(frozen=True, slots=True)
class _Recipient:
    key: str
    place: Callable[[], Place]


@dataclass(slots=True)
class _Bringing:
    """One delivery on its way, and what came of it."""

    delivery: Delivery
    approval: Approval
    sheet: Sheet
    until: float
    asked: set[str] = field(default_factory=set[str])
    """Who was posted to, successfully or not."""

    shown: set[str] = field(default_factory=set[str])
    """Who has a message that shows it."""

    faults: list[ChannelError] = field(default_factory=list[ChannelError])


class Drawing:
    """Draws approvals with what a process knows: names, and where the inbox is.

    Args:
        host: the process.
    """

    def __init__(self, host: ChannelHost) -> None:
        self._host = host

    def card(self, approval: Approval, delivery: str | None = None) -> Card:
        """The approval, as every channel draws it; `delivery` is the id of the one that has brought the message."""
        return compose(approval, link=self._host.link(approval, delivery), who=self._host.who)

    def sheet(self, approval: Approval, *, stage: int | None = None, delivery: str | None = None) -> Sheet:
        """What Teams shows of it.

        Args:
            approval: as it stands.
            stage: whose message it is; one whose stage is not waiting offers nothing to decide. By default all that wait.
            delivery: id of the delivery that has brought the message.
        """
        card = self.card(approval, delivery)
        waiting = [place for place in approval.waiting() if stage in (None, place)]
        if not waiting or approval.state.settled:
            return Sheet(card=card.model_copy(update={"choices": ()}))
        if not any(Assurance.CHAT.reaches(approval.request.stages[place].assurance) for place in waiting):
            return Sheet(card=card.model_copy(update={"choices": ()}), notices=(_TOO_WEAK,))
        schema = approval.request.args_schema
        fields = fields_for(schema, approval.args) if "edit" in approval.request.allowed else ()
        return Sheet(card=card, fields=fields, part_of_fields=leaves_out(fields, schema, approval.args))


class Outbox:
    """Sends one channel's deliveries. Every copy is written down before it is posted, and again with its address.

    Args:
        host: the process.
        connector: posts and updates.
        contacts: how people are reached.
        bot_id: how Teams names the bot.
        conversation: where everything is posted; `None` writes to each approver.
        service_url: of that conversation.
    """

    def __init__(
        self,
        host: ChannelHost,
        connector: Connector,
        contacts: Contacts,
        *,
        bot_id: str,
        conversation: str | None,
        service_url: str,
    ) -> None:
        self._host = host
        self._connector = connector
        self._contacts = contacts
        self._bot_id = bot_id
        self._room = (
            None if conversation is None else Place(service_url=service_url, conversation=conversation)
        )
        self._drawing = Drawing(host)

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Let every copy of a stage show the approval, and post those that are missing.

        Args:
            delivery: what has to go out.
            approval: as the worker has read it.

        Returns:
            The hash of what was shown last.

        Raises:
            ChannelError: some of it did not go out.
        """
        until = time.monotonic() + _BUDGET
        if delivery.kind == "review":
            return self._ask_reviewers(delivery, approval, until)
        while True:
            self._bring(delivery, approval, until)
            newer = self._host.store.find(approval.request.id)
            # Whoever wrote last must have written the newest: another worker may have been faster in between.
            if newer is None or newer.version <= approval.version:
                return self._drawing.card(approval).hash
            approval = newer

    def _bring(self, delivery: Delivery, approval: Approval, until: float) -> None:
        waits = delivery.stage in approval.waiting() and not approval.state.settled
        asks = waits and delivery.kind in ("ask", "remind")
        recipients = list(self._recipients(approval, delivery.stage)) if asks else []
        sheet = self._drawing.sheet(approval, stage=delivery.stage, delivery=delivery.id)
        bringing = _Bringing(delivery, approval, sheet, until)
        # What is new is posted before what it replaces loses its buttons.
        known = self._copies(delivery)
        for recipient in recipients:
            notice = self._notice(delivery, approval, [post for post in known if _is_for(post, recipient)])
            if notice is not None:
                self._ask(bringing, recipient, notice)
        asked = frozenset(bringing.asked)
        known = self._copies(delivery)
        for post in known:
            if post.address is not None:
                self._show(bringing, post, self._replaced_by(post, known, approval) if waits else None)
        for recipient in recipients:
            if recipient.key not in asked | bringing.shown:  # somebody has deleted it
                self._ask(bringing, recipient, "")
        if bringing.faults:
            raise bringing.faults[0]
        if asks and delivery.kind == "ask" and not bringing.shown:
            raise ChannelError(
                f"channel {self._host.name!r}: none of the approvers of stage {delivery.stage + 1} has the app in Teams",
                remedy="let them install it, or install it for them by an app setup policy; or name a conversation",
            )

    def _ask_reviewers(self, delivery: Delivery, approval: Approval, until: float) -> str:
        """Post to those who review a broken glass, each once a delivery."""
        sheet = Sheet(card=review_card(self._host, approval))
        bringing = _Bringing(delivery, approval, sheet, until)
        there = {
            post.recipient
            for post in self._copies(delivery)
            if post.delivery == delivery.id and post.address is not None
        }
        for recipient in self._reached(self._host.reviewers(approval)):
            if recipient.key not in there:
                self._ask(bringing, recipient, "")
        if bringing.faults:
            raise bringing.faults[0]
        if not bringing.shown and not there:
            raise ChannelError(
                f"channel {self._host.name!r}: none of those who review has the app in Teams",
                remedy="let them install it, or name a conversation",
            )
        return sheet.card.hash

    def _notice(self, delivery: Delivery, approval: Approval, there: Sequence[Post]) -> str | None:
        """What a message to somebody says first; `None` where those that they have are enough.

        Args:
            delivery: what has to go out.
            approval: as it stands.
            there: the messages that they have.
        """
        if any(post.delivery == delivery.id for post in there):
            return None
        if delivery.kind == "remind":
            return f"Reminder: {WAITS[0].lower()}{WAITS[1:]}"
        if not there:
            return ""
        edit = last_edit(approval)
        if edit is not None and all(since(post) < edit for post in there):
            return asked_again(self._host, approval, edit)
        return None if self._room is None else OTHERS_TOO

    def _replaced_by(self, post: Post, known: Sequence[Post], approval: Approval) -> str | None:
        """What a message says that was followed by a newer one after an edit; `None` for others."""
        edit = last_edit(approval)
        if edit is None or since(post) >= edit:
            return None
        newer = (
            one
            for one in known
            if one.recipient == post.recipient and one.address is not None and since(one) >= edit
        )
        if next(newer, None) is None:
            return None
        return f"{edited_by(self._host, approval, edit)} A newer message has replaced this one: please answer there."

    def _ask(self, bringing: _Bringing, recipient: _Recipient, notice: str) -> None:
        """Post to somebody, and remember what came of it."""
        bringing.asked.add(recipient.key)
        sheet = bringing.sheet
        if notice:
            sheet = replace(sheet, notices=(notice, *sheet.notices))
        try:
            self._in_time(bringing.until)
            self._post(bringing.delivery, recipient, bringing.approval, sheet)
        except ChannelError as error:
            if self._room is not None or not isinstance(error, BlockedError | GoneError):
                bringing.faults.append(error)
        else:
            bringing.shown.add(recipient.key)

    def _show(self, bringing: _Bringing, post: Post, replaced: str | None) -> None:
        """Bring a copy up to date, and remember what came of it."""
        # A copy leads to the inbox as the answer to the message that it is.
        own = {"link": self._host.link(bringing.approval, post.delivery)}
        sheet = replace(bringing.sheet, card=bringing.sheet.card.model_copy(update=own))
        if replaced is not None:
            sheet = replace(sheet, card=sheet.card.model_copy(update={"choices": ()}), notices=(replaced,))
        try:
            self._in_time(bringing.until)
            is_there = self._update(post, bringing.approval, sheet)
        except ChannelError as error:
            is_there = True  # as far as is known, so nothing is posted beside it
            if self._room is not None or not isinstance(error, BlockedError):
                bringing.faults.append(error)
        if is_there:
            bringing.shown.add(post.recipient)

    def _in_time(self, until: float) -> None:
        if time.monotonic() > until:
            raise ChannelError(f"channel {self._host.name!r}: Teams is slow; the rest is sent later")

    def _copies(self, delivery: Delivery) -> list[Post]:
        posts = self._host.store.posts(delivery.tenant, delivery.approval_id)
        return [post for post in posts if (post.channel, post.stage) == (self._host.name, delivery.stage)]

    def _recipients(self, approval: Approval, stage: int) -> Iterator[_Recipient]:
        answered = approval.answered()
        people: Iterable[Person] = ()
        if self._room is None:
            people = (one for one in self._host.approvers(approval, stage) if one.id not in answered)
        yield from self._reached(people)

    def _reached(self, people: Iterable[Person]) -> Iterator[_Recipient]:
        """The conversation, or those of some people who have one with the bot."""
        room = self._room
        if room is not None:
            yield _Recipient(room.conversation, lambda: room)
            return
        missing = 0
        for person in people:
            reference = self._contacts.of(person)
            if reference is None:
                missing += 1
                continue

            def place(person: Person = person, known: Reference = reference) -> Place:
                there = place_of(known, self._connector)
                self._contacts.opened(person, known, there)
                return there

            yield _Recipient(person.id, place)
        if missing:
            log.warning("channel %s: %d people have not installed the app", self._host.name, missing)

    def _update(self, post: Post, approval: Approval, sheet: Sheet) -> bool:
        """Let a copy show the approval. Returns whether it is still there."""
        opens = bool(sheet.card.choices)
        place, activity = _address(post)
        if post.version > approval.version or (post.version, post.open) == (approval.version, opens):
            return True
        try:
            self._fitting(
                sheet, lambda card: self._connector.update(place, activity, self._message(sheet, card))
            )
        except GoneError:
            # Somebody has deleted it. It cannot show anything wrong, and nobody can click it.
            self._host.store.keep_post(post.model_copy(update={"address": None, "open": False}))
            return False
        self._host.store.keep_post(post.model_copy(update={"version": approval.version, "open": opens}))
        return True

    def _post(self, delivery: Delivery, recipient: _Recipient, approval: Approval, sheet: Sheet) -> None:
        place = recipient.place()
        lost: LostReplyError | None = None
        for _ in range(_TWICE):
            post = self._beginning(delivery, recipient, approval)
            self._host.store.keep_post(post)
            try:
                activity = self._fitting(
                    sheet, lambda card: self._connector.post(place, self._message(sheet, card))
                )
            except LostReplyError as error:
                lost = error  # it stays written down as one that may be there; the next one is another copy
                continue
            except ChannelError:
                self._host.store.keep_post(post.model_copy(update={"open": False}))
                raise
            address: JsonObject = {
                "service_url": place.service_url,
                "conversation": place.conversation,
                "activity": activity,
                "since": approval.version,
            }
            opens = bool(sheet.card.choices)
            self._host.store.keep_post(post.model_copy(update={"address": address, "open": opens}))
            return
        if lost is not None:
            raise lost

    def _beginning(self, delivery: Delivery, recipient: _Recipient, approval: Approval) -> Post:
        """A copy that may be there from now on. One that certainly is not there is begun again."""
        again = (
            post
            for post in self._copies(delivery)
            if post.recipient == recipient.key and post.address is None and not post.open
        )
        unsent = next(again, None)
        return Post(
            id=uuid.uuid4().hex if unsent is None else unsent.id,
            approval_id=approval.request.id,
            tenant=delivery.tenant,
            channel=self._host.name,
            delivery=delivery.id,
            stage=delivery.stage,
            recipient=recipient.key,
            version=approval.version,
        )

    def _fitting(self, sheet: Sheet, put: Callable[[JsonObject], str | None]) -> str:
        """Send a card; a smaller one when Teams finds it too large."""
        limit = SIZE
        while True:
            try:
                return put(draw(sheet, limit=limit)) or ""
            except TooLargeError:
                limit //= 2
                if limit < SIZE // 8:
                    raise

    def _message(self, sheet: Sheet, card: JsonObject) -> JsonObject:
        return {
            "type": "message",
            "from": {"id": self._bot_id},
            "summary": f"{plain_words(sheet.card.title, 'An action')}: {sheet.card.status}",
            "attachments": [{"contentType": CARD_TYPE, "content": card}],
        }


def _is_for(post: Post, recipient: _Recipient) -> bool:
    return post.recipient == recipient.key and post.address is not None


def _address(post: Post) -> tuple[Place, str]:
    kept = post.address
    place = Place(
        service_url=text_of(kept, "service_url") or "", conversation=text_of(kept, "conversation") or ""
    )
    return place, text_of(kept, "activity") or ""
