"""A claims desk whose approvers are written to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from guardkit.channels.email import Email
from guardkit.channels.host import ChannelHost
from guardkit.core.approvals import Approval
from guardkit.core.people import Assurance, Person
from guardkit.core.runs import Post
from guardkit.core.stages import ApprovalStage
from guardkit.errors import ChannelError
from tests.unit.email_channel.mailserver import MailServer, parts
from tests.web.claims import BYSTANDER, FIRST, OUTSIDER, REQUESTER, SECOND, THIRD, Claims, People
from tests.web.visits import KEY, URL

CHANNEL = "desk-mail"
SENDER = "Approvals <approvals@corp.example>"

MAIL_STAGE = ApprovalStage(groups=("claims-desk",), channels=(CHANNEL,), assurance=Assurance.EMAIL_LINK)
FINANCE = ApprovalStage(
    groups=("finance-desk",), required=2, channels=(CHANNEL,), assurance=Assurance.EMAIL_LINK
)
CHAT_STAGE = ApprovalStage(groups=("claims-desk",), channels=(CHANNEL,), assurance=Assurance.CHAT)


class Roll(People):
    """A directory that can list people."""

    def people_of(self, tenant: str) -> Iterable[Person]:
        return [person for person in self.people.values() if person.tenant == tenant]


def claims_desk() -> Claims:
    return Claims(people=Roll(FIRST, SECOND, THIRD, REQUESTER, OUTSIDER, BYSTANDER))


def attached(claims: Claims, port: int = 1, **settings: Any) -> Email:
    """The channel over a claims desk, by a mail server on loopback."""
    channel = Email(
        settings.pop("sender", SENDER),
        **{"host": "127.0.0.1", "port": port, "security": "none", "timeout": 20, **settings},
    )
    channel.attach(
        ChannelHost(
            name=CHANNEL, desk=claims.desk, store=claims.store, directory=claims.people, inbox=URL, secret=KEY
        )
    )
    return channel


@dataclass
class Mailing:
    """A claims desk, its channel and its mail server."""

    claims: Claims
    server: MailServer
    channel: Email

    def deliver(self) -> list[str]:
        """What a worker does with what is due; returns why something did not go out."""
        errors: list[str] = []
        for delivery in self.claims.store.deliveries():
            approval = self.claims.store.find(delivery.approval_id)
            assert approval is not None
            try:
                rendered = self.channel.send(delivery, approval)
            except ChannelError as error:
                self.claims.store.delivered(delivery, error=error.code)
                errors.append(error.message)
            else:
                self.claims.store.delivered(delivery, error=None, rendered=rendered)
        return errors

    def later(self) -> list[str]:
        """The same when it is time to try again."""
        self.claims.clock.now += 3600
        return self.deliver()

    def decide(self, approval: Approval, person: Person = FIRST, **more: Any) -> Approval:
        """What one person says after a company sign-in."""
        return self.claims.decide(approval, person, **{"assurance": Assurance.OIDC, "via": "web", **more})

    def posts(self, approval: Approval) -> list[Post]:
        return list(self.claims.store.posts("acme", approval.request.id))

    def last(self) -> EmailMessage:
        return self.server.mails[-1]


def links(message: EmailMessage) -> list[str]:
    """The addresses in the plain part."""
    return re.findall(r"https?://\S+", parts(message)[0])


def token_in(message: EmailMessage) -> str:
    """The token of the one link that decides."""
    (found,) = [link for link in links(message) if link.startswith(f"{URL}/mail/")]
    return found.removeprefix(f"{URL}/mail/")
