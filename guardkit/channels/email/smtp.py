"""Sessions with the mail server, and what its refusals mean. Nothing that the server writes is repeated, only its codes."""

import smtplib
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Literal, TypeAlias

from guardkit.errors import ChannelError

Security: TypeAlias = Literal["starttls", "tls", "none"]

SignIn: TypeAlias = Callable[[smtplib.SMTP], None]
"""Signs in to the server. Raises what `smtplib` raises, or a `ChannelError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why one mail did not go out."""

    code: int | None
    """The server's reply code (RFC 5321, 4.2.1): 5xx for good, 4xx for now; `None` when the connection was lost."""

    permanent: bool

    def __str__(self) -> str:
        """In words, for operators."""
        return (
            f"{self.code or 'not possible'} for good"
            if self.permanent
            else f"{self.code or 'connection lost'}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mails are handed in."""

    channel: str
    """Name of the approval channel, for messages."""

    host: str
    port: int
    security: Security
    timeout: float
    """Seconds that a connection attempt or one reply may take."""

    context: ssl.SSLContext
    sign_in: SignIn | None

    @contextmanager
    def session(self) -> "Generator[Session]":
        """A session; it connects when the first mail is handed in, and again if the server hangs up."""
        session = Session(self)
        try:
            yield session
        finally:
            session.close()

    def connected(self) -> smtplib.SMTP:
        """A connection on which mails can be handed in.

        Raises:
            ChannelError: it cannot be connected, is not who it should be, or refuses the sign-in.
        """
        try:
            if self.security == "tls":
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                    self.host, self.port, timeout=self.timeout, context=self.context
                )
            else:
                smtp = smtplib.SMTP(self.host, self.port, timeout=self.timeout)
            try:
                if self.security == "starttls":
                    smtp.starttls(context=self.context)
                if self.sign_in is not None:
                    smtp.ehlo_or_helo_if_needed()
                    self.sign_in(smtp)
            except BaseException:
                smtp.close()
                raise
        except smtplib.SMTPAuthenticationError as error:
            raise self._failed(f"the mail server refuses the sign-in ({error.smtp_code})") from None
        except smtplib.SMTPNotSupportedError:
            raise self._failed(
                f"the mail server does not offer what security={self.security!r} needs"
            ) from None
        except smtplib.SMTPResponseException as error:
            raise self._failed(f"the mail server refuses the connection ({error.smtp_code})") from None
        except ssl.SSLCertVerificationError as error:
            raise self._failed(
                f"the mail server's certificate does not count: {error.verify_message}"
            ) from None
        except (
            smtplib.SMTPException,
            OSError,
            UnicodeError,
        ) as error:  # the last for a name that is no host's
            raise self._failed(f"the mail server cannot be reached: {type(error).__name__}") from None
        return smtp

    def _failed(self, why: str) -> ChannelError:
        return ChannelError(f"channel {self.channel!r}: {why}")


class Session:
    """Hands mails in, one recipient at a time.

    Args:
        server: where.
    """

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._smtp: smtplib.SMTP | None = None

    def hand_in(self, message: EmailMessage, *, sender: str, to: str) -> Refusal | None:
        """Hand in one mail; returns why it was not taken, or `None` when the server has taken it.

        When the connection is lost after the mail's last line, the server may have taken it all the same.

        Args:
            message: the mail.
            sender: the address that bounces go to.
            to: the one recipient.

        Raises:
            ChannelError: no mail can be handed in, whoever it is for.
        """
        smtp = self._smtp = self._smtp or self._server.connected()
        try:
            smtp.send_message(message, sender, [to])
        except smtplib.SMTPRecipientsRefused as error:
            return self._refused(error.recipients[to][0])
        except smtplib.SMTPSenderRefused as error:
            raise ChannelError(
                f"channel {self._server.channel!r}: the mail server refuses the sender ({error.smtp_code})"
            ) from None
        except smtplib.SMTPResponseException as error:
            return self._refused(error.smtp_code)
        except smtplib.SMTPNotSupportedError:
            return Refusal(
                code=None, permanent=True
            )  # the address is not ASCII, and the server has no SMTPUTF8
        except (smtplib.SMTPException, OSError):
            self._drop()
            return Refusal(code=None, permanent=False)
        return None

    def close(self) -> None:
        """Take leave of the server."""
        if self._smtp is None:
            return
        try:
            self._smtp.quit()
        except (smtplib.SMTPException, OSError):
            self._drop()
        self._smtp = None

    def _refused(self, code: int) -> Refusal:
        if code == 421:  # RFC 5321, 3.8: the server is hanging up
            self._drop()
        return Refusal(code=code, permanent=500 <= code < 600)

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None
