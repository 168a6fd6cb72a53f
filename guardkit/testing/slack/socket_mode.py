"""The Socket Mode side of a local Slack: WebSockets, envelopes, acknowledgements."""

import json
import random
import secrets
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from guardkit.core.values import Json, JsonObject
from guardkit.testing.slack.http import HOST
from guardkit.testing.slack.values import Ack, Envelope

MOST_CONNECTIONS = 10
"""Connections of one app at a time."""

PING_SECONDS = 0.1
"""Between two pings. slack_sdk's client leaves a connection when something arrives there, or after three seconds."""

REASONS = ("link_disabled", "refresh_requested", "too_many_websockets", "warning")
"""Why Slack says `disconnect`."""


@dataclass(eq=False, slots=True)
class _Link:
    name: str
    socket: ServerConnection
    ready: bool = False
    """Whether it was greeted."""
    retiring: bool = False
    """Whether it was told to disconnect."""


@dataclass(eq=False, slots=True)
class _Waiting:
    answered: threading.Event = field(default_factory=threading.Event)
    response: Json = None


class SocketMode:
    """Gives out tickets, keeps connections, and brings each envelope to one of them.

    Args:
        app_id: whose connections these are.
        seed: decides which connection gets which envelope.
    """

    def __init__(self, app_id: str, seed: int) -> None:
        self._app_id = app_id
        self._random = random.Random(seed)  # noqa: S311 - a repeatable choice is wanted
        self._tickets: set[str] = set()
        self._links: dict[str, _Link] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._envelopes: list[Envelope] = []
        self._count = 0
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._server = serve(
            self._handle,
            HOST,
            0,
            process_request=self._admit,
            compression=None,
            ping_interval=None,
            close_timeout=1,
        )
        self._threads = (
            threading.Thread(target=self._server.serve_forever, name="slack-socket-mode"),
            threading.Thread(target=self._ping, name="slack-ping"),
        )

    def open(self) -> None:
        """Start to serve."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End all connections, and wait until every thread has ended."""
        self._closing.set()
        with self._changed:
            waiting = list(self._waiting.values())
        for one in waiting:
            one.answered.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()

    def url(self) -> str:
        """An address at which one connection can be made, once."""
        ticket = secrets.token_hex(16)
        with self._changed:
            self._tickets.add(ticket)
        port = self._server.socket.getsockname()[1]
        return f"ws://{HOST}:{port}/link/?ticket={ticket}&app_id={self._app_id}"

    @property
    def connections(self) -> tuple[str, ...]:
        """The names of the open connections, oldest first."""
        with self._changed:
            return tuple(link.name for link in self._ready())

    @property
    def envelopes(self) -> tuple[Envelope, ...]:
        """Everything that went out, oldest first."""
        with self._changed:
            return tuple(self._envelopes)

    def wait(self, count: int, seconds: float) -> bool:
        """Wait until at least so many connections are open that get envelopes.

        Returns:
            Whether that came within the time.
        """
        with self._changed:
            return self._changed.wait_for(lambda: len(self._fresh()) >= count, seconds)

    def disconnect(self, reason: str, connection: str | None = None) -> None:
        """Tell the app to connect anew.

        With `warning` the connections stay open until the app leaves them; with any other reason Slack ends them.
        A connection that was told gets envelopes only while there is no other.

        Args:
            reason: one of `REASONS`.
            connection: which; `None` for all that were not told yet.

        Raises:
            ValueError: there is no such reason or connection.
        """
        if reason not in REASONS:
            raise ValueError(f"Slack knows no reason {reason!r}, only {', '.join(REASONS)}")
        with self._changed:
            if connection is not None and connection not in self._links:
                raise ValueError(f"there is no open connection {connection!r}")
            told = self._fresh() if connection is None else [self._links[connection]]
            for link in told:
                link.retiring = True
        for link in told:
            self._say(link, {"type": "disconnect", "reason": reason, "debug_info": {"host": "local"}})
            if reason != "warning":
                link.socket.close()

    def deliver(self, kind: str, payload: JsonObject, *, accepts_response: bool, seconds: float) -> Ack:
        """Send an envelope to one connection, and wait for its acknowledgement.

        Args:
            kind: `interactive` or `slash_commands`.
            payload: what happened.
            accepts_response: whether the acknowledgement may carry an answer.
            seconds: the deadline.
        """
        name = str(uuid.uuid4())
        waiting = _Waiting()
        begun = time.monotonic()
        with self._changed:
            self._waiting[name] = waiting
        try:
            connection = self._send(name, kind, payload, accepts_response=accepts_response)
            if connection is None:
                return Ack(
                    acknowledged=False, seconds=time.monotonic() - begun, reason="no connection is open"
                )
            waiting.answered.wait(seconds)
        finally:
            with self._changed:
                del self._waiting[name]
        taken = time.monotonic() - begun
        if self._closing.is_set() or not waiting.answered.is_set():
            return Ack(acknowledged=False, seconds=taken, connection=connection, reason="no answer in time")
        return Ack(
            acknowledged=True,
            seconds=taken,
            connection=connection,
            response=waiting.response if accepts_response else None,
        )

    def _fresh(self) -> list[_Link]:
        return [link for link in self._ready() if not link.retiring]

    def _ready(self) -> list[_Link]:
        return [link for link in self._links.values() if link.ready]

    def _send(self, name: str, kind: str, payload: JsonObject, *, accepts_response: bool) -> str | None:
        tried: set[str] = set()
        while True:
            with self._changed:
                open_links = [link for link in self._ready() if link.name not in tried]
                candidates = [link for link in open_links if not link.retiring] or open_links
                if not candidates:
                    return None
                link = self._random.choice(candidates)
            tried.add(link.name)
            sent = self._say(
                link,
                {
                    "envelope_id": name,
                    "type": kind,
                    "payload": payload,
                    "accepts_response_payload": accepts_response,
                },
            )
            if sent:
                with self._changed:
                    self._envelopes.append(
                        Envelope(id=name, type=kind, payload=payload, connection=link.name)
                    )
                return link.name

    @staticmethod
    def _say(link: _Link, message: JsonObject) -> bool:
        try:
            link.socket.send(json.dumps(message))
        except ConnectionClosed:
            return False
        return True

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        ticket = parse_qs(urlsplit(request.path).query).get("ticket", [""])[0]
        with self._changed:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
                return None
        return connection.respond(
            HTTPStatus.FORBIDDEN, "This address was used already, or was never given.\n"
        )

    def _handle(self, socket: ServerConnection) -> None:
        with self._changed:
            self._count += 1
            link = _Link(name=f"connection-{self._count}", socket=socket)
            self._links[link.name] = link
            number = len(self._links)
        try:
            self._greet(link, number)
            self._listen(link)
        except ConnectionClosed:
            return
        finally:
            with self._changed:
                del self._links[link.name]
                self._changed.notify_all()

    def _greet(self, link: _Link, number: int) -> None:
        hello: JsonObject = {
            "type": "hello",
            "num_connections": number,
            "connection_info": {"app_id": self._app_id},
            "debug_info": {"host": "local", "build_number": 1, "approximate_connection_time": 18060},
        }
        self._say(link, hello)
        if number > MOST_CONNECTIONS:
            self._say(link, {"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            link.socket.close()
            return
        with self._changed:
            link.ready = True
            self._changed.notify_all()

    def _listen(self, link: _Link) -> None:
        for text in link.socket:
            self._acknowledge(text)

    def _ping(self) -> None:
        count = 0
        while not self._closing.wait(PING_SECONDS):
            count += 1
            with self._changed:
                links = self._ready()
            for link in links:
                with suppress(ConnectionClosed):
                    link.socket.ping(f"Ping from local {count}")

    def _acknowledge(self, text: str | bytes) -> None:
        try:
            message: Json = json.loads(text)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        with self._changed:
            waiting = self._waiting.get(str(message.get("envelope_id")))
            if waiting is not None and not waiting.answered.is_set():
                waiting.response = message.get("payload")
                waiting.answered.set()
