"""The e-mail channel: who is written to, when, and what happens when the mail server refuses."""

import smtplib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from guardkit.channels.again import last_edit
from guardkit.channels.email.letters import Writer, is_refused, is_sent
from guardkit.channels.email.links import MailLinks
from guardkit.channels.email.message import sender_of
from guardkit.channels.email.oauth import MailOAuth
from guardkit.channels.email.posting import Letter, hand_in_all
from guardkit.channels.email.settings import (
    check_server,
    check_username,
    inbox_url,
    link_key,
    password_of,
    seconds,
    tls_context,
    zone,
)
from guardkit.channels.email.smtp import MailServer, Security, SignIn
from guardkit.channels.host import ChannelHost
from guardkit.core.approvals import Approval, ApprovalState
from guardkit.core.people import Person
from guardkit.core.presentation import present, presentation_hash
from guardkit.core.runs import Delivery, Post
from guardkit.errors import ChannelError, ConfigurationError


@dataclass(frozen=True, slots=True)
class _Working:
    """The channel in a process that verifies people."""

    host: ChannelHost
    writer: Writer
    server: MailServer


class Email:
    """Writes a mail to each approver of a stage. A link of their own in it leads to a page that decides.

    Only where a stage accepts `assurance: email_link` does the mail carry that link; otherwise it leads to the inbox,
    where people sign in. Nothing that is written in answer to a mail is read.

    Args:
        sender: the address that mails are from, or `Name <address>`.
        host: the mail server.
        port: its port.
        security: `starttls`, `tls` from the first byte (usually port 465), or `none`, only on loopback.
        username: who to sign in as; by default nobody signs in.
        password: by default `GUARDKIT_SMTP_PASSWORD` in the environment, read when a worker or an inbox starts.
        oauth: signs in by OAuth instead of a password.
        ca_file: PEM file with the only certificates that the server is trusted by; by default the system's.
        name: the name by which policies call the channel, where it is used without a `Guard`.
        timezone: the zone that times are written in, e.g. `Europe/Lisbon`.
        link_seconds: how long a link can be used, in seconds.
        timeout: seconds that a connection attempt or one reply of the server may take.

    Raises:
        ConfigurationError: a setting cannot be used; the message names it.
    """

    def __init__(
        self,
        sender: str,
        *,
        host: str,
        port: int = 587,
        security: Security = "starttls",
        username: str | None = None,
        password: str | SecretStr | None = None,
        oauth: MailOAuth | None = None,
        ca_file: str | Path | None = None,
        name: str = "email",
        timezone: str = "UTC",
        link_seconds: float = 7 * 86400.0,
        timeout: float = 20.0,
    ) -> None:
        check_server(host, port, security)
        check_username(username)
        if username is None and (password is not None or oauth is not None):
            raise ConfigurationError("email.username is missing", remedy="say who signs in")
        if password is not None and oauth is not None:
            raise ConfigurationError("email.password and email.oauth exclude one another")
        self.name = name
        self._sender = sender_of(sender)
        self._zone = zone(timezone)
        self._link_seconds = seconds("link_seconds", link_seconds)
        self._timeout = seconds("timeout", timeout)
        self._host = host
        self._port = port
        self._security: Security = security
        self._username = username
        self._password = SecretStr(password) if isinstance(password, str) else password
        self._oauth = oauth
        self._ca_file = ca_file
        self._working: _Working | None = None

    def attach(self, host: ChannelHost) -> None:
        """Begin to work in this process.

        Raises:
            MissingKeyError: the password, the client secret or the web secret is missing.
            ConfigurationError: there is no inbox to lead people to, or it would be reached unsafely; `ca_file` cannot
                be read; msal is missing.
        """
        writer = Writer(
            host=host,
            inbox=inbox_url(host.inbox),
            links=MailLinks([link_key(host.secret)]),
            sender=self._sender,
            zone=self._zone,
            link_seconds=self._link_seconds,
        )
        server = MailServer(
            channel=host.name,
            host=self._host,
            port=self._port,
            security=self._security,
            timeout=self._timeout,
            context=tls_context(self._ca_file),
            sign_in=self._sign_in(),
        )
        self._working = _Working(host, writer, server)

    def send(self, delivery: Delivery, approval: Approval) -> str:
        """Write to those who are asked or reminded, or tell them and whoever asked the outcome.

        Returns the hash of what the mails show.

        An `update` writes nothing: a mail does not change any more, and the page behind its link shows how it stands.

        Raises:
            ChannelError: some mails did not go out; the message has the server's codes. Trying again writes only to
                those who have not been written to.
        """
        working = self._working
        if working is None:
            raise ChannelError(f"channel {self.name!r} sends only in a worker", remedy="attach it")
        host = working.host
        posts = [
            post
            for post in host.store.posts(delivery.tenant, delivery.approval_id)
            if post.channel == host.name
        ]
        # Where it went on since the question was written, what followed has deliveries of its own.
        waits = approval.state is ApprovalState.PENDING and delivery.stage in approval.waiting()
        if delivery.kind in ("ask", "remind") and waits:
            self._ask(working, delivery, approval, posts)
        if delivery.kind == "review":
            self._ask_reviewers(working, delivery, approval, posts)
        if delivery.kind == "outcome":
            result = working.writer.result(delivery, approval, posts)
            news = working.writer.news(approval, delivery.stage, posts)
            self._hand_in(working, [*news, *([] if result is None else [result])], approval)
        return presentation_hash(present(approval))

    def signs_for(self, keys: Sequence[SecretStr]) -> bool:
        """Whether an inbox with these keys can read the links that this channel signs in this process.

        Args:
            keys: the inbox's keys.
        """
        if self._working is None:
            return True  # it signs nothing here
        return self._working.writer.links.shares_key(MailLinks(keys))

    def _ask(self, working: _Working, delivery: Delivery, approval: Approval, posts: Sequence[Post]) -> None:
        host, writer = working.host, working.writer
        answered = approval.answered()
        asked = [one for one in host.approvers(approval, delivery.stage) if one.id not in answered]
        people = [person for person in asked if person.email]
        if asked and not people:
            raise ChannelError(
                f"channel {host.name!r}: nobody of stage {delivery.stage + 1} has an e-mail address",
                remedy="add addresses to the directory",
            )
        known = {post.id: post for post in posts}

        def before(person: Person) -> Post | None:
            return known.get(writer.copy(delivery, approval, person))

        elsewhere = _asked_elsewhere(delivery, approval, posts)
        letters = [
            writer.question(delivery, approval, person, posts)
            for person in people
            if not _is_settled(before(person), delivery) and person.id not in elsewhere
        ]
        already = sum(is_sent(before(person)) or person.id in elsewhere for person in people)
        taken = self._hand_in(working, letters, approval, already)
        if people and not taken + already:
            raise ChannelError(f"channel {host.name!r}: every recipient was refused for good")

    def _ask_reviewers(
        self, working: _Working, delivery: Delivery, approval: Approval, posts: Sequence[Post]
    ) -> None:
        host, writer = working.host, working.writer
        people = [person for person in host.reviewers(approval) if person.email]
        if not people:
            raise ChannelError(
                f"channel {host.name!r}: none of those who review has an e-mail address",
                remedy="add addresses to the directory",
            )
        known = {post.id for post in posts if is_sent(post) or is_refused(post)}
        letters = [writer.review(delivery, approval, person) for person in people]
        rest = [letter for letter in letters if letter.sent[0].id not in known]
        self._hand_in(working, rest, approval, len(letters) - len(rest))

    def _hand_in(
        self, working: _Working, letters: Iterable[Letter], approval: Approval, already: int = 0
    ) -> int:
        return hand_in_all(
            letters,
            host=working.host,
            server=working.server,
            sender=self._sender.addr_spec,
            approval=approval,
            already=already,
        )

    def _sign_in(self) -> SignIn | None:
        if self._username is None:
            return None
        if self._oauth is None:
            return partial(_log_in, username=self._username, password=password_of(self._password))
        self._oauth.start()
        return partial(self._oauth.sign_in, username=self._username)


def _log_in(smtp: smtplib.SMTP, *, username: str, password: SecretStr) -> None:
    smtp.login(username, password.get_secret_value())


def _asked_elsewhere(delivery: Delivery, approval: Approval, posts: Sequence[Post]) -> frozenset[str]:
    """Who has a mail for another stage that waits at the same time: its link answers for both."""
    edit = last_edit(approval) or 0
    waiting = [stage for stage in approval.waiting() if stage != delivery.stage]
    return frozenset(
        post.recipient for post in posts if post.stage in waiting and post.version >= edit and is_sent(post)
    )


def _is_settled(post: Post | None, delivery: Delivery) -> bool:
    """Whether there is nothing to try for this copy: it went out, or this delivery of it was refused for good."""
    return post is not None and (is_sent(post) or (is_refused(post) and post.delivery == delivery.id))
