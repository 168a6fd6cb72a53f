"""Sending: who is asked, what every copy shows, what is said in threads."""

from collections.abc import Iterator
from dataclasses import dataclass

from guardkit.channels.again import OTHERS_TOO, WAITS, asked_again, last_edit, review_card, since
from guardkit.channels.card import Card, compose, shortened_again
from guardkit.channels.host import REVIEWER, ChannelHost
from guardkit.channels.slack.api import SlackError
from guardkit.channels.slack.blocks import Drawing, draw, fallback
from guardkit.channels.slack.copies import Copies
from guardkit.channels.slack.people import People
from guardkit.channels.slack.rich import inert, line, numbered, rich, words
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.people import Person
from guardkit.core.presentation import present
from guardkit.core.runs import Delivery, Post
from guardkit.errors import ChannelError

_LOST = frozenset({"channel_not_found", "user_not_found"})
"""Answers by which a conversation that was opened earlier is not there any more."""

_BY_PEOPLE = (ApprovalState.APPROVED, ApprovalState.REJECTED, ApprovalState.RESPONDED)
_ROUNDS = 4
"""How often copies are brought up to date again because somebody decided meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How messages are drawn."""

    conversation: str | None
    """Where questions go; `None` when each approver is written to."""

    confirm: bool
    values: int


@dataclass(frozen=True, slots=True)
class _News:
    """Something that is said in a thread once."""

    about: str
    drawing: Drawing
    loud: bool = True


class Sender:
    """Brings messages in Slack to where an approval stands.

    Args:
        host: the process.
        copies: what is in Slack.
        people: where people are written to.
        look: how messages are drawn.
    """

    def __init__(self, host: ChannelHost, copies: Copies, people: People, look: Look) -> None:
        self._host = host
        self._copies = copies
        self._people = people
        self._look = look

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Do what a delivery asks for; returns the hash of what was shown.

        Every copy is tried before the first failure is raised.

        Raises:
            ChannelError: some of it did not go out.
        """
        failures = list(self._update(approval))
        if delivery.kind == "ask" and _waits(approval, delivery.stage):
            failures += self._ask(delivery, approval)
        if delivery.kind == "review":
            failures += self._ask_reviewers(delivery, approval)
        failures += self._reply(delivery, approval)
        failures += self._catch_up(approval)
        if failures:
            raise failures[0]
        return self.card(approval).hash

    def refresh(self, approval_id: str) -> None:
        """Let every copy show how it stands now.

        Raises:
            ChannelError: one could not be changed.
        """
        approval = self._host.store.find(approval_id)
        if approval is None:
            return
        failures = [*self._update(approval), *self._catch_up(approval)]
        if failures:
            raise failures[0]

    def card(self, approval: Approval, delivery: str | None = None) -> Card:
        """An approval as messages show it; `delivery` is the id of the one that has brought the message."""
        return compose(approval, link=self._host.link(approval, delivery), who=self._host.who)

    def _update(self, approval: Approval) -> Iterator[ChannelError]:
        """Change every copy that shows less than is known; yields what went wrong."""
        for post in self._copies.of(approval):
            is_open = _waits(approval, post.stage)
            shows = (post.version, post.open) == (approval.version, is_open)
            if post.address is None or post.version > approval.version or shows:
                continue
            try:
                drawing = self._draw(approval, post.delivery, offer=is_open)
                self._copies.change(approval, post, drawing, is_open=is_open)
            except ChannelError as error:
                yield error

    def _catch_up(self, approval: Approval) -> Iterator[ChannelError]:
        """Two workers may change a copy at once, the one with older knowledge last: it looks again."""
        for _ in range(_ROUNDS):
            now = self._host.store.find(approval.request.id)
            if now is None or now.version <= approval.version:
                return
            yield from self._update(now)
            approval = now

    def _ask(self, delivery: Delivery, approval: Approval) -> Iterator[ChannelError]:
        reached = {
            post.recipient
            for post in self._copies.of(approval)
            if post.stage == delivery.stage and post.address is not None
        }
        drawing = self._draw(approval, delivery.id, offer=True)
        if self._look.conversation is not None:
            if self._look.conversation not in reached:
                yield from self._write(delivery, approval, drawing, self._look.conversation, None)
            return
        try:
            people = self._host.approvers(approval, delivery.stage)
        except ChannelError as error:
            yield error
            return
        answered = approval.answered()
        for person in people:
            if person.id not in reached and person.id not in answered:
                yield from self._write(delivery, approval, drawing, person.id, person)

    def _ask_reviewers(self, delivery: Delivery, approval: Approval) -> Iterator[ChannelError]:
        drawing = draw(
            review_card(self._host, approval), offer=False, confirm=False, values=self._look.values
        )
        try:
            people = self._host.reviewers(approval)
        except ChannelError as error:
            yield error
            return
        everybody: list[tuple[str, Person | None]] = [(person.id, person) for person in people]
        if self._look.conversation is not None:
            everybody = [(self._look.conversation, None)]
        for name, person in everybody:
            if not self._copies.is_there(approval, delivery, f"{REVIEWER}{name}"):
                yield from self._write(delivery, approval, drawing, name, person, begins=REVIEWER)

    def _write(
        self,
        delivery: Delivery,
        approval: Approval,
        drawing: Drawing,
        recipient: str,
        person: Person | None,
        *,
        begins: str = "",
    ) -> Iterator[ChannelError]:
        try:
            channel = recipient if person is None else self._people.conversation(person)
            self._copies.write(approval, delivery, drawing, recipient=f"{begins}{recipient}", channel=channel)
        except ChannelError as error:
            if person is not None and isinstance(error, SlackError) and error.said in _LOST:
                self._people.forget(person)
            yield error

    def _reply(self, delivery: Delivery, approval: Approval) -> Iterator[ChannelError]:
        for post in self._copies.of(approval):
            news = None if post.address is None else self._news(delivery, approval, post)
            if news is None:
                continue
            try:
                self._copies.reply(approval, post, news.drawing, about=news.about, loud=news.loud)
                if delivery.kind == "ask":
                    self._copies.renew(post, delivery)
            except ChannelError as error:
                yield error

    def _news(self, delivery: Delivery, approval: Approval, post: Post) -> _News | None:
        """What the readers of a copy have to be told, beyond what it shows."""
        if delivery.kind == "outcome" and approval.state.settled:
            return _News(_end(approval), self._ended(approval), loud=False)
        if post.stage != delivery.stage or not _waits(approval, delivery.stage):
            return None
        if post.recipient in approval.answered():
            return None
        if delivery.kind == "remind":
            return _News(delivery.id, _said(WAITS, notification=fallback(self.card(approval))))
        if delivery.kind != "ask" or post.delivery == delivery.id:
            return None
        edit = last_edit(approval)
        if edit is not None and since(post) < edit and not self._copies.told(approval, post, f"edit {edit}"):
            return _News(f"edit {edit}", _said(asked_again(self._host, approval, edit)))
        if post.recipient != self._look.conversation:
            return None  # who is asked only now has a message of their own
        return _News(delivery.id, _said(OTHERS_TOO))

    def _ended(self, approval: Approval) -> Drawing:
        card = self.card(approval)
        said = present(approval).said
        if _end(approval) not in _BY_PEOPLE or not said:
            return _said(f"{card.status.capitalize()}.", notification=fallback(card))
        reason = shortened_again(said[-1].reason or "", 600)
        by = self._host.speaker(said[-1])
        return _said(f"{card.status.capitalize()} by {by}.", reason, fallback(card))

    def _draw(self, approval: Approval, delivery: str | None, *, offer: bool) -> Drawing:
        card = self.card(approval, delivery)
        return draw(card, offer=offer, confirm=self._look.confirm, values=self._look.values)


def _end(approval: Approval) -> ApprovalState:
    """How it ended, as far as readers of a thread are told: what was approved is not announced again when it is done."""
    state = approval.state
    return ApprovalState.APPROVED if state is ApprovalState.CONSUMED else state


def _waits(approval: Approval, stage: int) -> bool:
    return approval.state is ApprovalState.PENDING and stage in approval.waiting()


def _said(text: str, reason: str = "", notification: str = "") -> Drawing:
    pieces = [words(text, "bold")]
    if reason:
        pieces.append(words(f" {reason}"))
    return Drawing(blocks=numbered([rich(line(*pieces))], "gk.reply"), text=notification or inert(text))
