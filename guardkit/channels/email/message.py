"""A mail: its headers, its two parts, and its place in a conversation."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from guardkit.channels.email.still import still
from guardkit.core.digest import sha256
from guardkit.core.values import Json
from guardkit.core.visible import one_line
from guardkit.errors import ConfigurationError

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\\\"@\x00-\x1f\x7f]{1,64}@[^\s<>()\[\],;:\\\"@\x00-\x1f\x7f]{1,255}")
_SUBJECT_LIMIT = 180


def sender_of(text: str) -> Address:
    """The sender as configured: an address, or `Name <address>`.

    Raises:
        ConfigurationError: it is not one mail address.
    """
    name, open_at, address = text.strip().rpartition("<")
    address = address.removesuffix(">") if open_at else text.strip()
    bare = name.strip().strip('"')
    if not is_address(address) or one_line(bare, 200) != bare:
        raise ConfigurationError(
            f"email.sender {text!r} is not a mail address", remedy="e.g. approvals@corp.example"
        )
    return _address(address, bare)


def is_address(text: str | None) -> bool:
    """Whether a text is one mail address in ASCII and nothing else: no blank, no control, no second recipient."""
    return text is not None and text.isascii() and _ADDRESS.fullmatch(text) is not None


def copy_id(*parts: Json) -> str:
    """The id of a mail that is the same whenever the same mail is sent again.

    Args:
        parts: what makes it this mail and no other.
    """
    return sha256("guardkit.mail.v1", list(parts))[:40]


def message_id(copy: str, sender: Address) -> str:
    """The Message-ID of the mail with this id: mail programs show mails of one Message-ID once."""
    return f"<{copy}.guardkit@{sender.domain}>"


def mail(
    *,
    sender: Address,
    to: str,
    subject: str,
    copy: str,
    earlier: Sequence[str],
    at: float,
    text: str,
    page: str,
) -> EmailMessage:
    """One mail to one person.

    Args:
        sender: who it is from.
        to: the address of the one recipient; as `is_address` accepts it.
        subject: foreign text is allowed, and stays text in one line.
        copy: the mail's id, see `copy_id`.
        earlier: ids of the mails that it goes on from, oldest first.
        at: seconds since the epoch.
        text: the plain part.
        page: the HTML part.
    """
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = _address(to)
    made["Subject"] = still(one_line(subject, _SUBJECT_LIMIT))
    made["Date"] = datetime.fromtimestamp(at, UTC)
    made["Message-ID"] = message_id(copy, sender)
    if earlier:
        # RFC 5322, 3.6.4: the mail that is answered, and the conversation so far.
        made["In-Reply-To"] = message_id(earlier[-1], sender)
        made["References"] = " ".join(message_id(one, sender) for one in earlier)
    # RFC 3834, 5: made by a program, so that nobody's absence notice answers it; Exchange has a header of its own. There
    # is no List-Unsubscribe: mail programs send it requests by themselves, and nobody leaves an approver list that way.
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"
    made.set_content(text, cte="quoted-printable")
    made.add_alternative(page, subtype="html", cte="quoted-printable")
    return made


def _address(text: str, name: str = "") -> Address:
    user, _, domain = text.partition("@")
    return Address(display_name=name, username=user, domain=domain)
