"""A mail server on loopback that keeps what it is given, and refuses or hangs up where it is told to."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import socket
import ssl
import threading
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class MailServer:
    """A server in a thread of its own.

    Attributes:
        mails: what was taken, oldest first.
        recipients: to whom, in the same order.
        refuse: replies to `RCPT TO` by address, e.g. `550 no such user`.
        refuse_data: replies after the mail's last line, by address of its recipient.
        refuse_sender: the reply to `MAIL FROM`.
        hang_up: recipients after whose mail is kept the connection is cut, without a reply; each once.
        sign_ins: whom AUTH has let in.
        sessions: how many connections there were.
    """

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, **options: Any
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.recipients: list[str] = []
        self.refuse: dict[str, str] = {}
        self.refuse_data: dict[str, str] = {}
        self.refuse_sender: str | None = None
        self.hang_up: set[str] = set()
        self.sign_ins: list[str] = []
        self.sessions = 0
        self._tls = tls
        self._options = {"tls_context": starttls, "require_starttls": starttls is not None, **options}
        self._loop = asyncio.new_event_loop()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._connections: list[asyncio.Transport] = []

    def __enter__(self) -> MailServer:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(self._protocol, sock=self._socket, ssl=self._tls)

    async def _leave(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        for connection in self._connections:
            connection.abort()
        await asyncio.sleep(0.01)

    def _protocol(self) -> SMTP:
        self.sessions += 1
        return Served(self, hostname="mail.test", loop=self._loop, **self._options)

    # --- what aiosmtpd calls -----------------------------------------------------------------------------------------

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_sender is not None:
            return self.refuse_sender
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        (to,) = envelope.rcpt_tos
        if to in self.refuse_data:
            return self.refuse_data[to]
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.raw.append(content)
        self.mails.append(email.message_from_bytes(content, policy=email.policy.default))
        self.recipients.append(to)
        if to in self.hang_up:
            self.hang_up.remove(to)
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        said = base64.b64decode(args[1]).decode()
        if "auth=Bearer good-token\x01\x01" in said:
            self.sign_ins.append(said.partition("\x01")[0])
            return AuthResult(success=True)
        await server.challenge_auth(b'{"status":"401"}')
        return AuthResult(success=False, handled=False)


class Served(SMTP):
    """One connection; the server remembers it, to cut it when the test is over."""

    def __init__(self, server: MailServer, **options: Any) -> None:
        super().__init__(server, **options)
        self._of = server

    def connection_made(self, transport: Any) -> None:
        self._of._connections.append(transport)
        super().connection_made(transport)


def parts(message: EmailMessage) -> tuple[str, str]:
    """The plain and the HTML part."""
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert page is not None
    return text.get_content(), page.get_content()
