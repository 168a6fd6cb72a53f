"""A small HTTP server for probes and scrapes, in threads of its own, so that it answers while an event loop hangs."""

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast

from guardkit.errors import ConfigurationError

CONNECTIONS = 32
"""Connections at once; further ones are closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a probe is told."""

    status: int = 200
    body: bytes = b"ok"
    type: str = "text/plain; charset=utf-8"


OK = Told()
BAD = Told(status=503, body=b"not ready")


class Probes:
    """Answers GET requests on a few paths. Use it as a context manager.

    Args:
        host: the IP address to listen on.
        port: the port; 0 for any that is free.
        answers: what is told, by path. An answer that raises is a 500 without details.

    Raises:
        ConfigurationError: the port cannot be used.
    """

    def __init__(self, host: str, port: int, answers: Mapping[str, Callable[[], Told]]) -> None:
        try:
            self._server = _Server(host, port, answers)
        except OSError as error:
            raise ConfigurationError(
                f"port {port} on {host} cannot be used: {error.strerror}", remedy="choose another"
            ) from error
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, name="guardkit-probes", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, answers: Mapping[str, Callable[[], Told]]) -> None:
        self.answers = answers
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    timeout = 5.0

    def do_GET(self) -> None:
        answers = cast("_Server", self.server).answers
        answer = answers.get(self.path.partition("?")[0])
        if answer is None:
            self._tell(Told(status=404, body=b"not found"))
            return
        try:
            told = answer()
        except Exception:  # noqa: BLE001  # the border: its text may quote somebody
            told = Told(status=500, body=b"failed")
        self._tell(told)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _tell(self, told: Told) -> None:
        self.send_response_only(told.status)
        for name, value in (
            ("Content-Type", told.type),
            ("Content-Length", str(len(told.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds; nobody wants to read of them."""
