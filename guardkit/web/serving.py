"""Running the inbox in a server that drains before it ends."""

import contextlib
import logging
import signal
import socket
import threading
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from guardkit.runtime.looking import Readiness

_log = logging.getLogger("guardkit.web")

_LEFT = 30
"""Seconds that requests under way have when the server ends."""


def serve(app: Starlette, listening: socket.socket, *, drain: float = 0.0) -> None:
    """Serve an inbox until SIGTERM or SIGINT. Then requests under way are finished, for 30 seconds at most.

    Args:
        app: what `inbox` made.
        listening: the socket.
        drain: seconds after SIGTERM in which it goes on to answer, and `/readyz` says that it is not ready, so that
            what sends it requests can turn away first. A second signal ends that.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=_LEFT,
    )
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config, app.state.readiness, drain).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends by returning. uvicorn's own raises the signal again, and the process would die with telemetry unsent."""

    def __init__(self, config: uvicorn.Config, readiness: Readiness, drain: float) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._drain = drain
        self._draining = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self._readiness.drain()
        if sig == signal.SIGTERM and self._drain > 0 and not self._draining:
            self._draining = True
            _log.info("ending in %g s", self._drain)
            timer = threading.Timer(self._drain, self._end)
            timer.daemon = True
            timer.start()
        elif self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        else:
            self._end()

    def _end(self) -> None:
        self.should_exit = True
