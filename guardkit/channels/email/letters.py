"""The mails about an approval: the question to one approver, and the news of how it ended."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from zoneinfo import ZoneInfo

from guardkit.channels.again import review_notice
from guardkit.channels.card import Card, compose, fitted
from guardkit.channels.email.drawing import Sheet, page, plain
from guardkit.channels.email.links import MailLink, MailLinks
from guardkit.channels.email.message import copy_id, is_address, mail
from guardkit.channels.email.posting import Letter
from guardkit.channels.email.ways import asker_ways, outcome_ways, review_ways, ways
from guardkit.channels.host import ASKER, REVIEWER, ChannelHost
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.asked import as_asked
from guardkit.core.people import Person
from guardkit.core.presentation import present, utc
from guardkit.core.runs import Delivery, Post

_CHARACTERS = 12_000
"""What is shown in one mail; Gmail cuts a mail that is longer than 102 KB, markup included, and says so only below."""

_VALUES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes mails, and says what is to be remembered of each."""

    host: ChannelHost
    inbox: str
    """Where links lead to, without a slash at the end."""

    links: MailLinks
    sender: Address
    zone: ZoneInfo
    link_seconds: float

    def copy(self, delivery: Delivery, approval: Approval, person: Person) -> str:
        """The id of the question to a person: the same however often it is asked for one reason.

        An edit makes another question, and each reminder is a mail of its own.
        """
        edits = sum(said.args is not None for said in approval.decisions)
        again = [delivery.id] if delivery.kind == "remind" else []
        return copy_id(self.host.name, approval.request.id, delivery.stage, person.id, edits, *again)

    def question(
        self, delivery: Delivery, approval: Approval, person: Person, posts: Sequence[Post]
    ) -> Letter:
        """The question to one approver, with a link of their own.

        Args:
            delivery: an `ask` or a `remind`.
            approval: as it stands.
            person: somebody with an e-mail address.
            posts: what was sent about the approval before.
        """
        host = self.host
        copy = self.copy(delivery, approval, person)
        link = MailLink(
            channel=host.name,
            approval=approval.request.id,
            version=approval.version,
            person=person.id,
            delivery=delivery.id,
            until=host.store.now() + self.link_seconds,
        )
        leads_to = ways(
            approval,
            delivery.stage,
            by_link=f"{self.inbox}/mail/{self.links.token(link)}",
            inbox=self._record(approval, delivery.id),
        )
        card = self._card(approval, leads_to[0].url)
        sheet = Sheet(card=card, ways=leads_to)
        post = Post(
            id=copy,
            approval_id=approval.request.id,
            tenant=approval.request.tenant,
            channel=host.name,
            delivery=delivery.id,
            stage=delivery.stage,
            recipient=person.id,
            version=approval.version,
        )
        begins = "Reminder, approval needed" if delivery.kind == "remind" else "Approval needed"
        before = [one for one in posts if one.recipient == person.id and one.id != copy]
        return Letter(
            to=person.email or "",
            message=self._message(
                person,
                sheet,
                subject=f"{begins}: {card.title}",
                copy=copy,
                earlier=[one.id for one in before if not is_refused(one)],
            ),
            before=(post,),
            sent=(post.model_copy(update={"address": {"message_id": copy}}),),
            refused=(post.model_copy(update={"address": {"refused": True}, "open": False}),),
        )

    def news(self, approval: Approval, stage: int, posts: Iterable[Post]) -> Iterator[Letter]:
        """How it ended, to each of those who were asked in a stage and have not been told.

        Somebody who was asked in several stages, or again after an edit, is told once.

        Args:
            approval: as it stands.
            stage: 0-based index of the stage.
            posts: what was sent about the approval before.
        """
        told = _outcome(approval)
        theirs: dict[str, list[Post]] = {}
        for post in posts:
            if not is_refused(post) and not post.recipient.startswith((REVIEWER, ASKER)):
                theirs.setdefault(post.recipient, []).append(post)
        for recipient, mine in theirs.items():
            person = self.host.directory.find(recipient)
            asked = any(post.stage == stage for post in mine)
            if not asked or person is None or all(_was_told(post, told) for post in mine):
                continue
            if person.active and person.tenant == approval.request.tenant and person.email:
                yield self._news(approval, person, mine, told)

    def _news(self, approval: Approval, person: Person, posts: Sequence[Post], told: str) -> Letter:
        record = self._record(approval)
        card = self._card(approval, record)
        sheet = Sheet(card=card, ways=outcome_ways(record), short=True)
        over = tuple(
            post.model_copy(
                update={
                    "address": {"message_id": post.id, "told": told},
                    "open": False,
                    "version": approval.version,
                }
            )
            for post in posts
        )
        message = self._message(
            person,
            sheet,
            subject=card.headline,
            copy=copy_id(self.host.name, approval.request.id, person.id, "outcome", told),
            earlier=[post.id for post in posts],
        )
        return Letter(to=person.email or "", message=message, sent=over, refused=over)

    def result(self, delivery: Delivery, approval: Approval, posts: Sequence[Post]) -> Letter | None:
        """How it ended, to whoever asked, without what people wrote for those who decide.

        `None` where nobody with an address is known to have asked, where they were told it before, and where they were
        asked themselves and so get the news of it.

        Args:
            delivery: an `outcome`.
            approval: as it stands.
            posts: what was sent about the approval before.
        """
        host, told = self.host, _outcome(approval)
        person = host.asker(approval)
        if person is None or not person.email:
            return None
        copy = copy_id(host.name, approval.request.id, person.id, "asker", told)
        over = any(post.id == copy and (is_sent(post) or is_refused(post)) for post in posts)
        if over or any(post.recipient == person.id and not is_refused(post) for post in posts):
            return None
        record = self._record(approval)
        card = self._card(as_asked(approval), record)
        post = Post(
            id=copy,
            approval_id=approval.request.id,
            tenant=approval.request.tenant,
            channel=host.name,
            delivery=delivery.id,
            stage=delivery.stage,
            recipient=f"{ASKER}{person.id}",
            version=approval.version,
            open=False,
        )
        sheet = Sheet(card=card, ways=asker_ways(record), short=True)
        return Letter(
            to=person.email,
            message=self._message(person, sheet, subject=card.headline, copy=copy, earlier=()),
            before=(post,),
            sent=(post.model_copy(update={"address": {"message_id": copy}}),),
            refused=(post.model_copy(update={"address": {"refused": True}}),),
        )

    def review(self, delivery: Delivery, approval: Approval, person: Person) -> Letter:
        """The request to review a broken glass, to one of those who may.

        Args:
            delivery: a `review`; each is a mail of its own.
            approval: whose glass was broken.
            person: somebody with an e-mail address.
        """
        host = self.host
        record = host.review_link(approval) or self.inbox
        card = self._card(approval, record)
        card = card.model_copy(update={"choices": (), "notice": review_notice(approval)})
        copy = copy_id(host.name, approval.request.id, person.id, delivery.id)
        post = Post(
            id=copy,
            approval_id=approval.request.id,
            tenant=approval.request.tenant,
            channel=host.name,
            delivery=delivery.id,
            stage=delivery.stage,
            recipient=f"{REVIEWER}{person.id}",
            version=approval.version,
            open=False,
        )
        message = self._message(
            person,
            Sheet(card=card, ways=review_ways(record), short=True),
            subject=f"Review needed: {card.title}, the glass was broken",
            copy=copy,
            earlier=(),
        )
        return Letter(
            to=person.email or "",
            message=message,
            sent=(post.model_copy(update={"address": {"message_id": copy}}),),
            refused=(post.model_copy(update={"address": {"refused": True}}),),
        )

    def _card(self, approval: Approval, link: str | None) -> Card:
        """The card, cut to what a mail carries, times of day in the channel's zone."""
        card = compose(approval, link=link, who=self.host.who)
        said = tuple(
            fact.model_copy(update={"text": fact.text.replace(utc(one.at), self._when(one.at), 1)})
            for fact, one in zip(card.said, present(approval).said, strict=True)
        )
        card = card.model_copy(update={"said": said})
        return fitted(card, characters=_CHARACTERS, values=_VALUES)

    def _record(self, approval: Approval, delivery: str | None = None) -> str:
        """The approval in the inbox, behind a sign-in; `delivery` is the one whose mail leads there."""
        return self.host.link(approval, delivery) or self.inbox

    def _message(
        self, person: Person, sheet: Sheet, *, subject: str, copy: str, earlier: Sequence[str]
    ) -> EmailMessage | None:
        to = person.email or ""
        if not is_address(to):
            return None
        return mail(
            sender=self.sender,
            to=to,
            subject=subject,
            copy=copy,
            earlier=earlier,
            at=self.host.store.now(),
            text=plain(sheet, self._when),
            page=page(sheet, self._when),
        )

    def _when(self, at: float) -> str:
        local = datetime.fromtimestamp(at, self.zone)
        return f"{local:%d %b %Y, %H:%M} {local.tzname()}"


def _outcome(approval: Approval) -> str:
    """What people are told; that an approved action was then carried out is no news in a mail."""
    state = approval.state
    return (ApprovalState.APPROVED if state is ApprovalState.CONSUMED else state).value


def _was_told(post: Post, told: str) -> bool:
    return (post.address or {}).get("told") == told


def is_sent(post: Post | None) -> bool:
    """Whether the server has taken this copy."""
    return post is not None and post.address is not None and not is_refused(post)


def is_refused(post: Post) -> bool:
    """Whether the server will never take this copy."""
    return post.address is not None and "refused" in post.address
