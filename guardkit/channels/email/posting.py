"""Handing in several mails so that a retry writes only to those who have not been written to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage

from guardkit.channels.email.smtp import MailServer, Refusal
from guardkit.channels.host import ChannelHost
from guardkit.core.approvals import Approval
from guardkit.core.runs import Post
from guardkit.errors import ChannelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail, and what is remembered of it."""

    to: str
    message: EmailMessage | None
    """`None` for an address that no mail can be sent to."""

    before: tuple[Post, ...] = ()
    """Remembered before it is handed in: from then on it may be there."""

    sent: tuple[Post, ...]
    """Remembered once the server has taken it."""

    refused: tuple[Post, ...]
    """Remembered when the server will never take it."""


def hand_in_all(
    letters: Iterable[Letter],
    *,
    host: ChannelHost,
    server: MailServer,
    sender: str,
    approval: Approval,
    already: int = 0,
) -> int:
    """Hand in every mail that the server takes; returns how many those are.

    A recipient who is refused for good is audited once and not tried again, and does not stop the others.

    Args:
        letters: the mails.
        host: where copies are remembered.
        server: the mail server.
        sender: the address that bounces go to.
        approval: what they are about.
        already: how many of the same question went out before.

    Raises:
        ChannelError: some were not taken for now, or the server takes none at all.
    """
    taken = 0
    refusals: Counter[Refusal] = Counter()
    with server.session() as session:
        for letter in letters:
            _keep(host, letter.before)
            refusal = (
                Refusal(code=None, permanent=True)
                if letter.message is None
                else session.hand_in(letter.message, sender=sender, to=letter.to)
            )
            if refusal is None:
                taken += 1
                _keep(host, letter.sent)
                continue
            refusals[refusal] += 1
            if refusal.permanent:
                host.refusals.note("recipient_refused", approval=approval)
                _keep(host, letter.refused)
    if any(not refusal.permanent for refusal in refusals) or (refusals and not taken + already):
        raise ChannelError(f"channel {host.name!r}: {taken} mails went out, refused were {_told(refusals)}")
    return taken


def _keep(host: ChannelHost, posts: Iterable[Post]) -> None:
    for post in posts:
        host.store.keep_post(post)


def _told(refusals: Counter[Refusal]) -> str:
    return ", ".join(f"{count} ({refusal})" for refusal, count in refusals.items())
