"""The HTTP side of a local Slack: the Web API and response URLs, on a loopback socket."""

import json
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from guardkit.core.values import Json, JsonObject
from guardkit.testing.slack.values import SlackRefusal

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request with its arguments taken apart."""

    path: str
    token: str | None
    arguments: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What goes back."""

    body: Json
    status: int = 200
    retry_after: int | None = None
    scopes: str | None = None
    """What the token may do, for the header `X-OAuth-Scopes`."""

    lost: bool = False
    """Whether the connection ends without an answer."""


Respond: TypeAlias = Callable[[HttpRequest], HttpAnswer]


class HttpServer:
    """Serves requests on a free port of 127.0.0.1, each in a thread of its own.

    Args:
        respond: answers a request. A `SlackRefusal` from it becomes an answer with `ok: false`.
    """

    def __init__(self, respond: Respond) -> None:
        class Handler(_Handler):
            answer = staticmethod(respond)

        self._server = _Server((HOST, 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="slack-http"
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def open(self) -> None:
        """Start to serve."""
        self._thread.start()

    def close(self) -> None:
        """End all connections, and wait until every thread has ended."""
        self._server.shutdown()
        self._thread.join()
        self._server.cut()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, handler)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        if isinstance(request, socket.socket):
            with self._guard:
                self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            with self._guard:
                self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def cut(self) -> None:
        """End the connections on which a client is still expected to say something."""
        with self._guard:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


class _Handler(BaseHTTPRequestHandler):
    answer: Respond

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet; calls are recorded elsewhere."""

    def _serve(self) -> None:
        try:
            answer = self.answer(self._read())
        except SlackRefusal as refusal:
            retry = refusal.detail.pop("retry_after", None)
            answer = HttpAnswer(
                body={"ok": False, "error": refusal.error, **refusal.detail},
                status=429 if refusal.error == "ratelimited" else 200,
                retry_after=retry if isinstance(retry, int) else None,
            )
        if answer.lost:
            return
        content = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if answer.retry_after is not None:
            self.send_header("Retry-After", str(answer.retry_after))
        if answer.scopes is not None:
            self.send_header("X-OAuth-Scopes", answer.scopes)
        self.end_headers()
        self.wfile.write(content)

    def _read(self) -> HttpRequest:
        address = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        form: dict[str, Json] = dict(parse_qsl(address.query, keep_blank_values=True))
        arguments: dict[str, Json] = {}
        if self.headers.get_content_type() == "application/json":
            arguments = _json(content)
        else:
            form |= dict(parse_qsl(content.decode(errors="replace"), keep_blank_values=True))
        given = form.pop("token", None)
        token = given if isinstance(given, str) else None
        scheme, _, bearer = self.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() == "bearer":
            token = bearer.strip()
        return HttpRequest(path=address.path, token=token, arguments={**form, **arguments})


def _json(content: bytes) -> JsonObject:
    try:
        found: Json = json.loads(content or b"{}")
    except ValueError as invalid:
        raise SlackRefusal("invalid_json") from invalid
    if not isinstance(found, dict):
        raise SlackRefusal("json_not_object")
    return found
